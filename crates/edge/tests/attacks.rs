//! Clients that keep to no rules against a running edge: what they cost is bounded, and others do not notice.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;
#[path = "common/raw.rs"]
mod raw;

use std::net::SocketAddr;
use std::time::Duration;

use common::{PATIENCE, TestEdge, Viewer, join, within};
use meshedflow_edge::{Config, EdgeState, LimitsConfig, public_router};
use meshedflow_protocol::policy::Patch;
use meshedflow_protocol::signal::PolicyPush;
use raw::{close, connect, masked, server_sockets, try_connect, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Nothing of one socket that is not read may take more of the kernel's memory, in bytes.
const KERNEL_LIMIT_BYTES: u64 = 256 * 1024;

const NON_READERS: usize = 20;

fn with(limits: LimitsConfig) -> Config {
    Config { drain_s: 0, limits, ..Config::default() }
}

/// A policy of some 50 KB.
fn long_policy() -> String {
    let streams: Vec<String> =
        (0..1_000).map(|n| format!("\"a-stream-of-this-origin-{n}\":{{\"enabled\":false}}")).collect();
    format!("{{\"streams\":{{{}}}}}", streams.join(","))
}

#[tokio::test]
async fn the_kernel_holds_little_for_viewers_that_do_not_read_and_nothing_after_them() {
    let edge = TestEdge::start(with(LimitsConfig { write_s: 1, ..LimitsConfig::default() })).await;
    let mut silent = Vec::new();
    for _ in 0..NON_READERS {
        silent.push(raw::join(connect(edge.address, 2, Some(4_096)).await).await);
    }
    let (mut honest, _) = Viewer::join(edge.address, join("other", &["v"])).await;
    let push = PolicyPush {
        refetch: true,
        tighten: Some(Box::new(Patch::parse(long_policy().as_bytes()).unwrap().0)),
    };
    let mut most = 0;
    for _ in 0..40 {
        edge.state.push_policy(push.clone()).await;
        honest
            .wait(|m| matches!(m, meshedflow_protocol::signal::ServerMessage::Policy(_)).then_some(()))
            .await;
        most = server_sockets(edge.address).iter().map(|socket| socket.unsent).max().unwrap_or(0).max(most);
    }
    assert!(most > 0 && most <= KERNEL_LIMIT_BYTES, "{most} bytes for one socket");
    let held_by = |sockets: &[raw::ServerSocket], last| {
        sockets.iter().filter(|socket| socket.client.ip() == connect_ip(last)).count()
    };
    until(edge.address, |sockets| held_by(sockets, 2) == 0).await;
    assert_eq!(edge.metric("resets_total{reason=\"stalled\"}"), NON_READERS as u64);
    assert_eq!(held_by(&server_sockets(edge.address), 1), 1, "who reads stays");
    drop(silent);
    edge.stop().await;
}

fn connect_ip(last: u8) -> std::net::IpAddr {
    [127, 0, 0, last].into()
}

#[tokio::test]
async fn a_queue_that_overflows_leaves_nothing_in_the_kernel() {
    let limits = LimitsConfig { queue_messages: 8, ..LimitsConfig::default() };
    let edge = TestEdge::start(with(limits)).await;
    let silent = raw::join(connect(edge.address, 2, Some(4_096)).await).await;
    let push = PolicyPush {
        refetch: true,
        tighten: Some(Box::new(Patch::parse(long_policy().as_bytes()).unwrap().0)),
    };
    for _ in 0..60 {
        edge.state.push_policy(push.clone()).await;
        tokio::task::yield_now().await;
    }
    until(edge.address, <[_]>::is_empty).await;
    let ends = ["closes_total{code=\"1013\"}", "resets_total{reason=\"goodbye\"}"];
    assert_eq!(ends.map(|name| edge.metric(name)), [1, 1]);
    drop(silent);
    edge.stop().await;
}

#[tokio::test]
async fn answers_over_http_that_nobody_reads_end() {
    let edge = TestEdge::start(with(LimitsConfig { handshake_s: 1, ..LimitsConfig::default() })).await;
    let requests = "GET /healthz HTTP/1.1\r\nHost: edge\r\n\r\n".repeat(20_000);
    let mut asking = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(edge.address, 2, Some(4_096)).await;
        let requests = requests.clone();
        asking.push(tokio::spawn(async move {
            // It stays open without reading until the edge ends it.
            stream.write_all(requests.as_bytes()).await.ok();
            std::future::pending::<TcpStream>().await
        }));
    }
    let sum = |sockets: &[raw::ServerSocket]| sockets.iter().map(|socket| socket.unsent).sum::<u64>();
    until(edge.address, |sockets| sum(sockets) > 0).await;
    assert!(server_sockets(edge.address).iter().all(|socket| socket.unsent <= KERNEL_LIMIT_BYTES));
    until(edge.address, <[_]>::is_empty).await;
    asking.iter().for_each(tokio::task::JoinHandle::abort);
    edge.stop().await;
}

#[tokio::test]
async fn one_silent_address_holds_its_share_and_no_more() {
    let limits = LimitsConfig {
        connections: 30,
        connections_per_address: 20,
        handshake_s: 60,
        ..LimitsConfig::default()
    };
    let edge = TestEdge::start(with(limits)).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.extend(try_connect(edge.address, 2, None).await);
    }
    until(edge.address, |sockets| sockets.len() <= 20).await;
    assert_eq!(edge.metric("connections_refused_total{reason=\"address\"}"), 80);
    for last in 3..13 {
        raw::join(connect(edge.address, last, None).await).await;
    }
    edge.stop().await;
}

#[tokio::test]
async fn all_connections_count_in_all() {
    let limits = LimitsConfig { connections: 10, handshake_s: 60, ..LimitsConfig::default() };
    let edge = TestEdge::start(with(limits)).await;
    let mut silent = Vec::new();
    for last in 2..22 {
        silent.extend(try_connect(edge.address, last, None).await);
    }
    until(edge.address, |sockets| sockets.len() == 10).await;
    assert_eq!(edge.metric("connections_refused_total{reason=\"total\"}"), 10);
    assert_eq!(edge.metric("connections_limit"), 10);
    edge.stop().await;
}

#[tokio::test]
async fn a_proxy_is_not_one_household_and_says_whose_its_connections_are() {
    let limits = LimitsConfig { connections_per_address: 2, ..LimitsConfig::default() };
    let trusted_proxies = vec!["127.0.0.9".parse().unwrap()];
    let edge = TestEdge::start(Config { trusted_proxies, ..with(limits) }).await;
    let mut forwarded = Vec::new();
    for (header, status) in [
        ("X-Forwarded-For: 203.0.113.1:1000", "101"),
        ("X-Forwarded-For: 203.0.113.1:1001", "101"),
        ("X-Forwarded-For: 203.0.113.1:1002", "429"),
        ("X-Forwarded-For: [2001:db8::1]:1000", "101"),
        ("X-Forwarded-For: \"[2001:db8::1]\"", "101"),
        ("X-Forwarded-For: 2001:db8::2", "429"),
        ("X-Forwarded-For: for=203.0.113.2", "101"),
        ("X-Forwarded-For: unknown", "400"),
        ("X-Nothing: x", "400"),
    ] {
        let mut stream = connect(edge.address, 9, None).await;
        let handshake = format!(
            "GET /mesh HTTP/1.1\r\nHost: edge\r\n{header}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(handshake.as_bytes()).await.unwrap();
        let mut line = [0; 12];
        within(stream.read_exact(&mut line)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&line), format!("HTTP/1.1 {status}"), "{header}");
        forwarded.push(stream);
    }
    assert_eq!(edge.metric("connections_refused_total{reason=\"forwarded\"}"), 2);
    edge.stop().await;
}

#[tokio::test]
async fn a_permit_comes_back_when_the_socket_is_gone_and_not_before() {
    let limits = LimitsConfig { connections_per_address: 1, ..LimitsConfig::default() };
    let edge = TestEdge::start(with(limits)).await;
    let mut first = raw::join(connect(edge.address, 2, None).await).await;
    let client = first.local_addr().unwrap();
    first.write_all(&masked(0x81, b"{\"leave\":{}}")).await.unwrap();
    // It is told goodbye, and does not close its side.
    while within(raw::frame(&mut first)).await.unwrap().0 != 8 {}
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if answers(edge.address, 2).await {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let sockets = server_sockets(edge.address);
    assert!(sockets.iter().all(|socket| socket.client != client), "{client} is still there: {sockets:?}");
    drop(first);
    edge.stop().await;
}

/// Whether the edge takes a connection of that address.
async fn answers(edge: SocketAddr, last: u8) -> bool {
    let Ok(mut stream) = try_connect(edge, last, None).await else { return false };
    let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: edge\r\n\r\n").await;
    asked.is_ok() && within(stream.read_u8()).await.is_ok()
}

/// Frames of a flood at most: if nothing stops it, its test fails and ends.
const FLOOD_LIMIT: usize = 100_000;

/// Sends `flood` again and again until the edge closes; returns its code and how many frames it counted.
async fn drown(edge: &TestEdge, begin: &[u8], flood: &[u8], counter: &str) -> (Option<u16>, u64) {
    let stream = raw::join(connect(edge.address, 2, None).await).await;
    let (mut read, mut write) = stream.into_split();
    let (begin, flood) = (begin.to_vec(), flood.repeat(1_000));
    let writing = tokio::spawn(async move {
        let mut ended = write.write_all(&begin).await;
        for _ in 0..FLOOD_LIMIT / 1_000 {
            if ended.is_ok() {
                ended = write.write_all(&flood).await;
            }
        }
    });
    let mut all = Vec::new();
    // A reset may overtake the last words for one who never stops; what was read before it counts.
    let mut buffer = [0; 4_096];
    while let Ok(n @ 1..) = within(read.read(&mut buffer)).await {
        all.extend_from_slice(&buffer[..n]);
    }
    within(writing).await.unwrap();
    let code = all.windows(4).rev().find(|w| w[0] == 0x88).map(|w| u16::from_be_bytes([w[2], w[3]]));
    (code, edge.metric(counter))
}

#[tokio::test]
async fn floods_of_frames_that_are_no_message_are_cut_to_the_rate_and_end() {
    let fragment = masked(0x01, b"x");
    for (begin, flood, counter) in [
        (vec![], masked(0x89, b"ping"), "frames_total{kind=\"ping\"}"),
        (vec![], masked(0x8a, b""), "frames_total{kind=\"pong\"}"),
        (fragment.clone(), masked(0x00, b""), "frames_total{kind=\"fragment\"}"),
        (fragment, masked(0x00, b"y"), "frames_total{kind=\"fragment\"}"),
        (vec![], masked(0x82, b""), "messages_total"),
        (vec![], [masked(0x01, b""), masked(0x80, b"")].concat(), "frames_total{kind=\"fragment\"}"),
    ] {
        let edge = TestEdge::start(with(LimitsConfig::default())).await;
        let (code, frames) = drown(&edge, &begin, &flood, counter).await;
        assert!(code.is_none_or(|code| code == 1008), "{counter}: {code:?}");
        assert!((500..5_000).contains(&frames), "{counter}: {frames} frames");
        assert!(edge.metric("refusals_total{reason=\"rate_limited\"}") >= 400, "{counter}");
        assert_eq!(edge.metric("closes_total{code=\"1008\"}"), 1, "{counter}");
        until(edge.address, <[_]>::is_empty).await;
        edge.stop().await;
    }
}

#[tokio::test]
async fn a_message_that_does_not_end_is_given_up() {
    let limits = LimitsConfig { message_s: 1, ..LimitsConfig::default() };
    let edge = TestEdge::start(with(limits)).await;
    for begun in [
        masked(0x81, b"half a frame")[..9].to_vec(),
        masked(0x01, b"one fragment"),
        vec![0x81],
        [masked(0x01, b"one fragment"), masked(0x8a, b"")].concat(),
        [masked(0x81, b"{\"need\":{}}"), masked(0x01, b"one fragment")].concat(),
    ] {
        let mut stream = raw::join(connect(edge.address, 2, None).await).await;
        stream.write_all(&begun).await.unwrap();
        assert_eq!(close(&mut stream).await, (Some(1008), vec![]));
    }
    assert_eq!(edge.metric("messages_abandoned_total"), 5);
    edge.stop().await;
}

#[tokio::test]
async fn after_its_close_frame_the_edge_sends_nothing() {
    let edge = TestEdge::start(with(LimitsConfig::default())).await;
    let asks = masked(0x81, b"{\"unheard\":{}}");
    for (last, code) in [
        (masked(0x88, b"\x03\xe8bye"), 1000),
        (masked(0x88, b"\x0f\xa0"), 4000),
        (masked(0x88, b""), 0),
        (masked(0x81, b"{\"leave\":{}}"), 1000),
        (masked(0x88, b"\x03"), 1002),
        (masked(0x88, b"\x03\xe7"), 1002),
        (masked(0x88, b"\x03\xed"), 1002),
        (masked(0x88, b"\x0b\xb7"), 1002),
        (masked(0x88, b"\x03\xe8\xed\xa0\x80"), 1007),
        (masked(0x01, b"\xff"), 1007),
        (masked(0xc1, b""), 1002),
    ] {
        let mut stream = raw::join(connect(edge.address, 2, None).await).await;
        let all =
            [asks.repeat(3), masked(0x89, b""), last.clone(), masked(0x89, b""), asks.repeat(3)].concat();
        stream.write_all(&all).await.unwrap();
        assert_eq!(close(&mut stream).await, (Some(code), vec![]), "{last:02x?}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn a_larger_server_that_accepts_itself_keeps_the_limits() {
    let limits = LimitsConfig { connections_per_address: 2, ..LimitsConfig::default() };
    let state = EdgeState::new(with(limits)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = public_router(state.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let (mut ann, _) = Viewer::join(address, join("demo", &["v"])).await;
    let (_bob, _) = Viewer::join(address, join("demo", &["v"])).await;
    ann.proposals(1).await;
    let third = tokio_websockets::ClientBuilder::new().uri(&format!("ws://{address}/mesh")).unwrap();
    assert!(within(third.connect()).await.is_err());
    let text = state.metrics_text();
    assert!(text.lines().any(|line| line == "meshedflow_edge_joins_total 2"), "{text}");
    server.abort();
}

async fn status(address: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\n{head}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    within(stream.read_to_string(&mut text)).await.unwrap();
    text.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn the_admin_listener_answers_its_operator_alone() {
    let admin = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let config = Config {
        admin_listen: Some(admin),
        admin_token: Some("0123456789abcdef".into()),
        ..with(LimitsConfig::default())
    };
    let edge = TestEdge::start(config).await;
    // It serves once both listeners are there.
    assert_eq!(edge.get("/healthz").await.0, 200);
    let bearer = "Authorization: Bearer 0123456789abcdef\r\n";
    for (head, expected) in [
        (format!("Host: {admin}\r\n{bearer}"), "200"),
        (format!("Host: {admin}\r\n"), "401"),
        (format!("Host: {admin}\r\nAuthorization: Bearer 0123456789abcdeg\r\n"), "401"),
        (format!("Host: evil.example\r\n{bearer}"), "403"),
        (format!("Host: {admin}\r\nOrigin: https://evil.example\r\n{bearer}"), "403"),
    ] {
        assert_eq!(status(admin, &head).await, expected, "{head}");
    }
    assert_eq!(edge.metric("admin_refused_total"), 4);
    assert_eq!(status(edge.address, &format!("Host: {}\r\n{bearer}", edge.address)).await, "404");
    edge.stop().await;
}
