use core::future::poll_fn;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use message::PIECES_LIMIT;

const LIMIT_BYTES: usize = 4_096;

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

fn server_over(bytes: usize) -> (DuplexStream, Socket<DuplexStream>) {
    let (client, server) = duplex(bytes);
    (client, Socket::new(server, Vec::new(), LIMIT_BYTES))
}

async fn read(
    socket: &mut Socket<DuplexStream>,
    mut note: impl FnMut(Incoming<'_>) -> Reception,
) -> Result<(), Ended> {
    poll_fn(|cx| socket.poll_read(cx, &mut note)).await
}

/// What a socket hears of `bytes` that arrive in pieces of `piece`, how it ends, and what it answers.
async fn hears(bytes: &[u8], piece: usize) -> (Vec<String>, Option<Ended>, Vec<u8>) {
    let (mut client, mut socket) = server_over(1 << 20);
    let mut heard = Vec::new();
    let mut ended = None;
    for piece in bytes.chunks(piece) {
        client.write_all(piece).await.unwrap();
        let note = |incoming: Incoming<'_>| {
            heard.push(format!("{incoming:?}"));
            Reception::Taken
        };
        if let Err(end) = read(&mut socket, note).await {
            ended = Some(end);
            break;
        }
    }
    match ended {
        Some(Ended::Closed(code)) => socket.answer_close(code),
        Some(Ended::Violation(code)) => socket.put_close(code, ""),
        _ => {}
    }
    poll_fn(|cx| socket.poll_flush(cx)).await.unwrap();
    drop(socket);
    let mut answered = Vec::new();
    client.read_to_end(&mut answered).await.unwrap();
    (heard, ended, answered)
}

async fn ends(bytes: &[u8], piece: usize) -> Option<Ended> {
    hears(bytes, piece).await.1
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
        assert_eq!(heard, ["Fragment", "Ping([112, 105, 110, 103])", "Text(\"Hello\")"]);
        assert!(ended.is_none());
        assert_eq!(answered, b"\x8a\x04ping");
    }
}

#[tokio::test]
async fn what_came_with_the_handshake_is_heard_first() {
    let (mut client, server) = duplex(1_000);
    let (hello, rest) = (masked(0x81, b"Hello"), masked(0x81, b"you"));
    let mut socket = Socket::new(server, hello, LIMIT_BYTES);
    client.write_all(&rest).await.unwrap();
    let mut heard = Vec::new();
    for _ in 0..2 {
        let note = |incoming: Incoming<'_>| {
            heard.push(format!("{incoming:?}"));
            Reception::Taken
        };
        read(&mut socket, note).await.unwrap();
    }
    assert_eq!(heard, ["Text(\"Hello\")", "Text(\"you\")"]);
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
        (b"\x81\xfe\x00\x05\x00\x00\x00\x00Hello".to_vec(), PROTOCOL),
        (b"\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00".to_vec(), PROTOCOL),
        (b"\x81\xff\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00".to_vec(), TOO_BIG),
        (masked(0x81, b"\xff\xfe"), NOT_UTF8),
        (masked(0x81, &[b'x'; 4_097]), TOO_BIG),
        (long_fragments, TOO_BIG),
    ] {
        // Thousands of pieces would be refused as such.
        for piece in [1 + bytes.len() / 300, 10_000] {
            let head = bytes.get(..bytes.len().min(16));
            assert_eq!(ends(&bytes, piece).await, Some(Ended::Violation(code)), "{head:02x?} by {piece}");
        }
    }
}

#[tokio::test]
async fn a_close_is_answered_with_its_code_and_nothing_follows() {
    let bytes = [masked(0x88, b"\x03\xe9bye"), masked(0x89, b"more"), masked(0x81, b"more")].concat();
    for piece in [1, 100] {
        let (heard, ended, answered) = hears(&bytes, piece).await;
        assert_eq!(ended, Some(Ended::Closed(Some(1001))));
        assert_eq!((heard, answered.as_slice()), (vec![], b"\x88\x02\x03\xe9".as_slice()));
    }
    assert_eq!(hears(&masked(0x88, b""), 100).await.2, b"\x88\x00");
}

#[tokio::test]
async fn after_a_close_frame_nothing_is_sent() {
    let (mut client, mut socket) = server_over(1_000);
    socket.put_text("before");
    socket.put_close(1013, "queue is full");
    socket.put_text("after");
    socket.put_ping();
    socket.put_close(1000, "again");
    socket.answer_close(Some(1000));
    client.write_all(&masked(0x89, b"late")).await.unwrap();
    read(&mut socket, |_| Reception::Taken).await.unwrap();
    poll_fn(|cx| socket.poll_flush(cx)).await.unwrap();
    socket.put_text("and after the flush");
    poll_fn(|cx| socket.poll_flush(cx)).await.unwrap();
    drop(socket);
    let mut answered = Vec::new();
    client.read_to_end(&mut answered).await.unwrap();
    assert_eq!(answered, b"\x81\x06before\x88\x0f\x03\xf5queue is full");
}

#[tokio::test]
async fn close_codes_are_judged() {
    for code in
        [1000_u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
    {
        let (_, ended, answered) = hears(&masked(0x88, &code.to_be_bytes()), 100).await;
        assert_eq!(ended, Some(Ended::Closed(Some(code))));
        assert_eq!(answered, [b"\x88\x02".as_slice(), &code.to_be_bytes()].concat());
    }
    for code in [0_u16, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        let (_, ended, answered) = hears(&masked(0x88, &code.to_be_bytes()), 100).await;
        assert_eq!(ended, Some(Ended::Violation(PROTOCOL)), "{code}");
        assert_eq!(answered, b"\x88\x02\x03\xea", "{code}");
    }
}

#[tokio::test]
async fn close_payloads_are_judged() {
    assert_eq!(ends(&masked(0x88, b"\x03"), 100).await, Some(Ended::Violation(PROTOCOL)), "one byte");
    let reason = b"\x03\xe8Hello-\xce\xba\xed\xa0\x80edited";
    assert_eq!(ends(&masked(0x88, reason), 100).await, Some(Ended::Violation(NOT_UTF8)));
    assert_eq!(ends(&masked(0x88, b"\x03\xe8cut \xce"), 1).await, Some(Ended::Violation(NOT_UTF8)));
    let longest = [b"\x03\xe8".as_slice(), &[b'*'; 123]].concat();
    assert_eq!(ends(&masked(0x88, &longest), 7).await, Some(Ended::Closed(Some(1000))));
    assert_eq!(ends(&masked(0x88, &[0; 126]), 100).await, Some(Ended::Violation(PROTOCOL)));
}

/// Valid, then a surrogate (or above the last code point), then valid again.
const NOT_TEXT: [&[u8]; 2] = [
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited",
];

#[tokio::test]
async fn text_that_is_not_utf8_ends_at_the_fragment_that_shows_it() {
    for text in NOT_TEXT {
        let (good, bad) = text.split_at(11);
        let bytes = [masked(0x01, good), masked(0x00, bad)].concat();
        for piece in [1, 9, 1_000] {
            let (heard, ended, _) = hears(&bytes, piece).await;
            assert_eq!(ended, Some(Ended::Violation(NOT_UTF8)), "by {piece}");
            assert_eq!(heard, ["Fragment"]);
        }
    }
}

#[tokio::test]
async fn text_that_is_not_utf8_ends_inside_its_frame() {
    for text in NOT_TEXT {
        // The whole frame never comes.
        let begun = masked(0x81, text);
        let shows = begun.get(..6 + 14).unwrap();
        for piece in [1, 1_000] {
            assert_eq!(ends(shows, piece).await, Some(Ended::Violation(NOT_UTF8)), "by {piece}");
        }
        assert_eq!(ends(begun.get(..6 + 11).unwrap(), 1).await, None);
    }
}

#[tokio::test]
async fn characters_may_lie_across_pieces() {
    let text = "κόσμε 𝄞";
    let by_octet: Vec<u8> = text
        .bytes()
        .enumerate()
        .flat_map(|(at, byte)| masked(if at == 0 { 0x01 } else { 0x00 }, &[byte]))
        .chain(masked(0x80, b""))
        .collect();
    for (bytes, piece) in [(&by_octet, 1), (&by_octet, 1_000), (&masked(0x81, text.as_bytes()), 1)] {
        let (heard, ended, _) = hears(bytes, piece).await;
        assert_eq!(heard.last().unwrap(), &format!("Text({text:?})"));
        assert_eq!(ended, None);
    }
    let cut = [masked(0x01, b"\xce"), masked(0x80, b"")].concat();
    assert_eq!(ends(&cut, 100).await, Some(Ended::Violation(NOT_UTF8)), "half a character at the end");
}

#[tokio::test]
async fn empty_fragments_are_told_one_by_one_and_end() {
    let empty = |count| [masked(0x01, b""), masked(0x00, b"").repeat(count)].concat();
    let (heard, ended, _) = hears(&[empty(2), masked(0x80, b"")].concat(), 1_000).await;
    assert_eq!((heard.join(" "), ended), ("Fragment Fragment Fragment Text(\"\")".into(), None));
    let (heard, ended, _) = hears(&empty(100_000), 10_000).await;
    assert_eq!((heard.len(), ended), (PIECES_LIMIT, Some(Ended::Violation(POLICY))));
}

#[tokio::test]
async fn a_frame_in_too_many_pieces_ends() {
    let frame = masked(0x82, &[0; 3_000]);
    assert_eq!(ends(&frame, 1).await, Some(Ended::Violation(POLICY)));
    assert_eq!(ends(&frame, 8).await, None);
}

#[tokio::test]
async fn nobody_listens_after_enough_and_pings_above_the_rate_stay_without_answer() {
    let (mut client, mut socket) = server_over(10_000);
    client.write_all(&masked(0x89, b"x").repeat(100)).await.unwrap();
    let mut count = 0;
    let note = |_: Incoming<'_>| {
        count += 1;
        match count {
            0..=3 => Reception::Taken,
            4..=9 => Reception::Ignored,
            _ => Reception::Enough,
        }
    };
    read(&mut socket, note).await.unwrap();
    assert_eq!((count, socket.unsent_bytes()), (10, 3 * 3));
}

#[tokio::test]
async fn what_has_begun_and_not_ended_is_known() {
    let (mut client, mut socket) = server_over(10_000);
    let mut midways = Vec::new();
    let whole = masked(0x81, b"whole");
    for bytes in [
        &whole,
        &masked(0x01, b"begun"),
        &masked(0x89, b"between"),
        &masked(0x00, b""),
        &masked(0x80, b"end"),
        &whole[..1].to_vec(),
        &[&whole[1..], &whole[..8]].concat(),
        &whole[8..].to_vec(),
    ] {
        client.write_all(bytes).await.unwrap();
        read(&mut socket, |_| Reception::Taken).await.unwrap();
        midways.push(socket.midway());
    }
    assert_eq!(midways, [None, Some(1), Some(1), Some(1), None, Some(2), Some(3), None]);
}

#[tokio::test]
async fn lengths_are_written_in_the_shortest_form() {
    for (length, head) in [
        (125, vec![0x81, 125]),
        (126, vec![0x81, 126, 0, 126]),
        (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let mut out = Vec::new();
        put_head(&mut out, Opcode::Text, length);
        assert_eq!(out, head);
    }
}

#[tokio::test]
async fn reasons_are_cut_between_characters() {
    let payload = closing::payload(1000, &"é".repeat(100));
    assert_eq!(payload.len(), 2 + 122);
    assert!(core::str::from_utf8(&payload[2..]).is_ok());
}

#[tokio::test]
async fn whoever_goes_on_sending_after_the_end_is_not_waited_for() {
    let (mut client, mut socket) = server_over(LAST_BYTES_LIMIT * 2);
    client.write_all(&vec![0; LAST_BYTES_LIMIT + 1]).await.unwrap();
    socket.put_close(1000, "");
    assert!(socket.finish().await.is_err());
}

#[tokio::test]
async fn an_idle_socket_holds_no_buffer() {
    let (mut client, mut socket) = server_over(1 << 16);
    client.write_all(&masked(0x81, &[b'x'; 2_000])).await.unwrap();
    read(&mut socket, |_| Reception::Taken).await.unwrap();
    socket.put_text("answer");
    poll_fn(|cx| socket.poll_flush(cx)).await.unwrap();
    assert_eq!((socket.decoder.held_bytes(), socket.out.bytes.capacity()), (0, 0));
}

#[tokio::test]
async fn an_announced_length_reserves_nothing() {
    let (mut client, mut socket) = server_over(1 << 16);
    client.write_all(masked(0x81, &[b'x'; LIMIT_BYTES]).get(..18).unwrap()).await.unwrap();
    read(&mut socket, |_| Reception::Taken).await.unwrap();
    assert!(socket.decoder.held_bytes() <= 16, "{}", socket.decoder.held_bytes());
}

/// Frames, mostly well-formed.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let first = prop::sample::select(vec![0x81_u8, 0x01, 0x00, 0x80, 0x82, 0x02, 0x89, 0x8a, 0x88]);
    let payload = prop_oneof![
        "[a-zé𝄞]{0,200}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..5),
        (0_usize..2_000).prop_map(|n| vec![b'y'; n]),
    ];
    let frame = (first, payload).prop_map(|(first, payload)| masked(first, &payload));
    prop::collection::vec(frame, 0..12).prop_map(|frames| frames.concat())
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
    fn garbage_ends_the_same_way_however_it_is_cut(bytes: Vec<u8>) {
        crate::fuzz::websocket(&bytes);
    }

    #[test]
    fn frames_end_the_same_way_however_they_are_cut(cut: u8, frames in frames()) {
        crate::fuzz::websocket(&[vec![cut], frames].concat());
    }
}
