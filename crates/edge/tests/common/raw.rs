//! Clients that keep to no rules, and the kernel's view of a server's sockets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::{PATIENCE, within};

/// A TCP connection to `edge` from 127.0.0.`last`, with a receive buffer of that many bytes if any.
pub(crate) async fn connect(edge: SocketAddr, last: u8, receive_bytes: Option<u32>) -> TcpStream {
    try_connect(edge, last, receive_bytes).await.unwrap()
}

/// The same where the edge may reset it at once.
pub(crate) async fn try_connect(
    edge: SocketAddr,
    last: u8,
    receive_bytes: Option<u32>,
) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    if let Some(bytes) = receive_bytes {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0))).unwrap();
    within(socket.connect(edge)).await
}

/// Shakes hands over `stream`, and joins `demo`.
pub(crate) async fn join(mut stream: TcpStream) -> TcpStream {
    let handshake = "GET /mesh HTTP/1.1\r\nHost: edge\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    within(stream.write_all(handshake.as_bytes())).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    let join = r#"{"join":{"wire":[1,1],"stream":"demo","lanes":["v"],"class":2}}"#;
    within(stream.write_all(&masked(0x81, join.as_bytes()))).await.unwrap();
    let (opcode, welcome) = within(frame(&mut stream)).await.unwrap();
    assert!(opcode == 1 && welcome.starts_with(b"{\"welcome\""), "{}", String::from_utf8_lossy(&welcome));
    stream
}

/// A client's frame with this first byte.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let length = u8::try_from(payload.len()).ok().filter(|n| *n < 126);
    let mut frame = vec![first, 0x80 | length.unwrap_or(126)];
    if length.is_none() {
        frame.extend_from_slice(&u16::try_from(payload.len()).unwrap().to_be_bytes());
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The next frame of the edge: opcode and payload. `None`: the connection ended.
pub(crate) async fn frame(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let first = stream.read_u8().await.ok()?;
    let length = match stream.read_u8().await.ok()? {
        126 => stream.read_u16().await.ok()?.into(),
        127 => stream.read_u64().await.ok()?,
        short => short.into(),
    };
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await.ok()?;
    Some((first & 0x0f, payload))
}

/// The code of the Close frame that comes, and what came after it.
pub(crate) async fn close(stream: &mut TcpStream) -> (Option<u16>, Vec<(u8, Vec<u8>)>) {
    let mut code = None;
    let mut after = Vec::new();
    while let Some((opcode, payload)) = within(frame(stream)).await {
        match (opcode, code) {
            (8, None) => code = Some(payload.first_chunk::<2>().map_or(0, |code| u16::from_be_bytes(*code))),
            (_, Some(_)) => after.push((opcode, payload)),
            _ => {}
        }
    }
    (code, after)
}

/// A socket of the server, as the kernel lists it.
#[derive(Debug)]
pub(crate) struct ServerSocket {
    pub(crate) client: SocketAddr,
    /// Bytes that were written to it and not acknowledged.
    pub(crate) unsent: u64,
}

/// All sockets with this local address but the listener and those that only wait for stray segments.
pub(crate) fn server_sockets(server: SocketAddr) -> Vec<ServerSocket> {
    const TIME_WAIT: &str = "06";
    const LISTEN: &str = "0A";
    let text = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let sockets = text.lines().skip(1).map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let ours =
        sockets.filter(|words| address(words[1]) == server && ![TIME_WAIT, LISTEN].contains(&words[3]));
    let read = ours.map(|words| {
        let unsent = u64::from_str_radix(words[4].split(':').next().unwrap(), 16).unwrap();
        ServerSocket { client: address(words[2]), unsent }
    });
    read.collect()
}

fn address(hex: &str) -> SocketAddr {
    let (ip, port) = hex.split_once(':').unwrap();
    let ip = u32::from_str_radix(ip, 16).unwrap().swap_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::from_bits(ip)), u16::from_str_radix(port, 16).unwrap())
}

/// Waits until the server's sockets are as wanted.
pub(crate) async fn until(server: SocketAddr, wanted: impl Fn(&[ServerSocket]) -> bool) {
    // Resets and goodbyes take their seconds.
    let deadline = tokio::time::Instant::now() + 3 * PATIENCE;
    loop {
        let sockets = server_sockets(server);
        if wanted(&sockets) {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{sockets:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
