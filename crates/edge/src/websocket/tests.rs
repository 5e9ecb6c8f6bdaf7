use core::future::poll_fn;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        n @ 0..126 => frame.push(0x80 | n as u8),
        n => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(n as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// What a socket hears of `bytes` that arrive in pieces of `piece`, and how it ends.
async fn hears(bytes: &[u8], piece: usize) -> (Vec<String>, Option<Ended>, Vec<u8>) {
    let (mut client, server) = duplex(1 << 20);
    let mut socket = Socket::new(server, 4_096);
    let mut heard = Vec::new();
    let mut ended = None;
    for piece in bytes.chunks(piece) {
        client.write_all(piece).await.unwrap();
        let mut note = |incoming: Incoming<'_>| heard.push(format!("{incoming:?}"));
        if let Err(end) = poll_fn(|cx| socket.poll_read(cx, &mut note)).await {
            ended = Some(end);
            break;
        }
    }
    poll_fn(|cx| socket.poll_flush(cx)).await.unwrap();
    drop::<Socket<DuplexStream>>(socket);
    let mut answered = Vec::new();
    client.read_to_end(&mut answered).await.unwrap();
    (heard, ended, answered)
}

#[tokio::test]
async fn the_masked_hello_of_rfc_6455_section_5_7() {
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    for piece in 1..=hello.len() {
        assert_eq!(hears(&hello, piece).await.0, ["Text(\"Hello\")"]);
    }
}

#[tokio::test]
async fn fragments_join_and_control_frames_pass_between_them() {
    let bytes = [masked(0x01, b"Hel"), masked(0x89, b"ping"), masked(0x80, b"lo")].concat();
    for piece in [1, 5, 1_000] {
        let (heard, ended, answered) = hears(&bytes, piece).await;
        assert_eq!(heard, ["Alive", "Text(\"Hello\")"]);
        assert!(ended.is_none());
        assert_eq!(answered, b"\x8a\x04ping");
    }
}

#[tokio::test]
async fn violations_have_codes() {
    let long_fragments = [masked(0x01, &[b'x'; 3_000]), masked(0x80, &[b'x'; 3_000])].concat();
    for (bytes, code) in [
        (masked(0xc1, b"reserved bit"), PROTOCOL),
        (masked(0x83, b"reserved opcode"), PROTOCOL),
        (b"\x81\x05Hello".to_vec(), PROTOCOL),
        (masked(0x09, b"fragmented ping"), PROTOCOL),
        (masked(0x89, &[0; 126]), PROTOCOL),
        (masked(0x80, b"continues nothing"), PROTOCOL),
        ([masked(0x01, b"a"), masked(0x81, b"b")].concat(), PROTOCOL),
        (masked(0x81, b"\xff\xfe"), NOT_UTF8),
        (masked(0x81, &[b'x'; 4_097]), TOO_BIG),
        (long_fragments, TOO_BIG),
    ] {
        let (_, ended, _) = hears(&bytes, 10_000).await;
        assert!(matches!(ended, Some(Ended::Violation(c)) if c == code), "{ended:?}, expected {code}");
    }
}

#[tokio::test]
async fn a_close_is_answered_with_its_code() {
    let (_, ended, answered) = hears(&masked(0x88, b"\x03\xe9bye"), 100).await;
    assert!(matches!(ended, Some(Ended::Closed)));
    assert_eq!(answered, b"\x88\x02\x03\xe9");
}

#[tokio::test]
async fn lengths_are_written_in_the_shortest_form() {
    for (length, header) in [
        (125, vec![0x81, 125]),
        (126, vec![0x81, 126, 0, 126]),
        (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let mut out = Vec::new();
        put_header(&mut out, Opcode::Text, length);
        assert_eq!(out, header);
    }
}

#[test]
fn an_idle_socket_holds_no_buffer() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut client, server) = duplex(1 << 16);
        let mut socket = Socket::new(server, 4_096);
        client.write_all(&masked(0x81, &[b'x'; 2_000])).await.unwrap();
        poll_fn(|cx| socket.poll_read(cx, &mut |_| ())).await.unwrap();
        socket.put_text("answer");
        poll_fn(|cx| socket.poll_flush(cx)).await.unwrap();
        assert_eq!((socket.rest.capacity(), socket.out.capacity()), (0, 0));
    });
}

proptest! {
    #[test]
    fn messages_survive_any_cutting(
        messages in prop::collection::vec("[a-z]{0,300}", 1..8),
        piece in 1_usize..700,
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|message| masked(0x81, message.as_bytes())).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (heard, ended, _) = runtime.block_on(hears(&bytes, piece));
        let expected: Vec<String> = messages.iter().map(|m| format!("Text({m:?})")).collect();
        prop_assert_eq!(heard, expected);
        prop_assert!(ended.is_none());
    }

    #[test]
    fn garbage_never_panics(bytes: Vec<u8>, piece in 1_usize..50) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(hears(&bytes, piece));
    }
}
