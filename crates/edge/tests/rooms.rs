//! Attacks on a running edge: one address, or a few, against everybody else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use common::{TestEdge, Viewer, description, join, signal_text, within};
use meshedflow_edge::{Config, EdgeState, LimitsConfig, serve};
use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::signal::{
    ClientMessage, ErrorCode, ErrorMessage, Join, Leave, Need, ServerMessage, SignalData, Welcome,
};
use tokio::net::{TcpListener, TcpSocket};
use tokio_websockets::{ClientBuilder, MaybeTlsStream};

const HOSTILE: Ipv4Addr = Ipv4Addr::new(66, 6, 6, 6);

/// An edge that believes this machine about where its viewers are.
struct Edge {
    address: SocketAddr,
    state: EdgeState,
}

impl Edge {
    async fn start(limits: LimitsConfig) -> Self {
        let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        let config = Config { drain_s: 0, limits, trusted_proxies, ..Config::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = EdgeState::new(config).unwrap();
        tokio::spawn(serve(listener, state.clone(), std::future::pending()));
        Self { address, state }
    }

    /// A socket of a viewer at `from`; `None` if it is refused. `window`: bytes its machine takes without reading.
    async fn connect(&self, from: Ipv4Addr, window: Option<u32>) -> Option<Viewer> {
        let socket = TcpSocket::new_v4().unwrap();
        window.into_iter().for_each(|bytes| socket.set_recv_buffer_size(bytes).unwrap());
        let stream = within(socket.connect(self.address)).await.unwrap();
        let builder = ClientBuilder::new().uri(&format!("ws://{}/mesh", self.address)).unwrap();
        let from = from.to_string().parse().unwrap();
        let builder = builder.add_header("x-forwarded-for".parse().unwrap(), from).unwrap();
        let (socket, _) = within(builder.connect_on(MaybeTlsStream::Plain(stream))).await.ok()?;
        Some(Viewer { socket })
    }

    /// Joins from an address, or hears why not.
    async fn join(&self, from: Ipv4Addr, join: Join) -> Result<(Viewer, Welcome), ErrorMessage> {
        let mut viewer = loop {
            // The edge may not have seen the last socket of this address close.
            match self.connect(from, None).await {
                Some(viewer) => break viewer,
                None => tokio::task::yield_now().await,
            }
        };
        viewer.say(&ClientMessage::Join(Box::new(join))).await;
        let answer = |message| match message {
            ServerMessage::Welcome(welcome) => Some(Ok(*welcome)),
            ServerMessage::Error(error) if error.code != ErrorCode::ResumeRefused => Some(Err(error)),
            _ => None,
        };
        let welcome = viewer.wait(answer).await?;
        Ok((viewer, welcome))
    }

    async fn admit(&self, from: Ipv4Addr) -> (Viewer, Welcome) {
        self.join(from, join("demo", &["v"])).await.unwrap()
    }

    /// Comes back as whom `was` welcomed. A secret that comes before the edge saw the old socket close is a join, or a
    /// refused one, and may be presented again.
    async fn come_back(&self, from: Ipv4Addr, was: &Welcome) -> (Viewer, Welcome) {
        for _ in 0..1_000 {
            let again = Join { resume: Some(was.resume.clone()), ..join("demo", &["v"]) };
            match self.join(from, again).await {
                Ok((viewer, same)) if same.peer == was.peer => return (viewer, same),
                _ => tokio::task::yield_now().await,
            }
        }
        panic!("{} does not come back", was.peer)
    }

    fn metric(&self, name: &str) -> u64 {
        let text = self.state.metrics_text();
        let line = text.lines().find(|line| line.starts_with(&format!("meshedflow_edge_{name} ")));
        line.and_then(|line| line.rsplit(' ').next()).unwrap().parse().unwrap()
    }
}

/// An honest address.
fn home(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(20, (n / 250) as u8, (n % 250) as u8, 1)
}

/// How many different neighbours a newcomer is proposed, at once and after it asked.
async fn neighbours(edge: &Edge, from: Ipv4Addr) -> usize {
    let (mut viewer, _) = edge.admit(from).await;
    let first = viewer.proposals(6).await;
    let met: Vec<PeerId> = first.iter().map(|p| p.peer).collect();
    viewer.say(&ClientMessage::Need(Need { count: 6, exclude: met.clone() })).await;
    let more = viewer.proposals(6).await;
    met.into_iter().chain(more.into_iter().map(|p| p.peer)).collect::<BTreeSet<_>>().len()
}

#[tokio::test]
async fn one_address_cannot_empty_a_room() {
    let limits = LimitsConfig { connections_per_address: 4, ..LimitsConfig::default() };
    let edge = Edge::start(limits).await;
    let mut audience = Vec::new();
    for n in 0..40 {
        audience.push(edge.admit(home(n)).await.0);
    }
    assert_eq!(neighbours(&edge, home(100)).await, 12, "without attack");
    let (mut learned, mut refused) = (BTreeSet::new(), Vec::new());
    for _ in 0..60 {
        match edge.join(HOSTILE, join("demo", &["v"])).await {
            Err(error) => refused.push(error),
            Ok((mut raider, _)) => {
                for _ in 0..3 {
                    raider.say(&ClientMessage::Need(Need { count: 12, exclude: Vec::new() })).await;
                }
                raider.say(&ClientMessage::Leave(Leave {})).await;
                while let Some(message) = raider.next().await {
                    if let ServerMessage::Peers(peers) = message {
                        learned.extend(peers.0.into_iter().map(|p| p.peer));
                    }
                }
            }
        }
    }
    assert!(refused.len() >= 20, "joins are limited: {}", refused.len());
    assert!(refused.iter().all(|e| e.code == ErrorCode::RateLimited && e.retry_after_ms <= Some(60_000)));
    assert!(refused.iter().all(|e| e.retry_after_ms > Some(0)));
    assert!(learned.len() <= 24 + 6, "as many as one connection learns: {}", learned.len());
    assert_eq!(neighbours(&edge, home(101)).await, 12, "a newcomer from elsewhere");
}

#[tokio::test]
async fn a_refused_join_may_be_tried_again_elsewhere_and_a_resumed_one_is_no_join() {
    let edge = Edge::start(LimitsConfig { joins_per_minute: 1, ..LimitsConfig::default() }).await;
    let (mut viewer, mut welcome) = edge.admit(home(1)).await;
    for _ in 0..8 {
        drop(viewer);
        (viewer, welcome) = edge.come_back(home(1), &welcome).await;
    }
    let mut refused = loop {
        let mut viewer = edge.connect(home(1), None).await.unwrap();
        viewer.say(&ClientMessage::Join(Box::new(join("demo", &["v"])))).await;
        if viewer.wait(|m| Some(matches!(m, ServerMessage::Error(_)))).await {
            break viewer;
        }
    };
    assert_eq!(refused.close_code().await, Some(1013));
    edge.admit(home(2)).await;
}

#[tokio::test]
async fn sockets_that_come_and_go_do_not_fill_an_edge() {
    let limits = LimitsConfig {
        connections: 100,
        connections_per_address: 4,
        joins_per_minute: 10_000,
        ..Default::default()
    };
    let edge = Edge::start(limits).await;
    for _ in 0..300 {
        drop(edge.admit(HOSTILE).await);
    }
    // Four that wait, and sockets whose end the edge has not seen yet.
    assert!(edge.metric("members") <= 8, "{}", edge.metric("members"));
    // Seats are allocated by the thousand: as many addresses leave one identity each, then one more comes.
    for n in 0..1_100 {
        drop(edge.admit(home(n)).await);
    }
    assert!(edge.metric("members") <= 1_024, "{}", edge.metric("members"));
    edge.join(home(2_000), join("other", &["v"])).await.unwrap();
}

/// Everything that a neighbour may send in a minute: three dials, twelve candidates each, no more.
async fn chatter(neighbour: &mut Viewer, to: PeerId) {
    let pad = |data: String, to: usize| {
        let more = "x".repeat(to - data.len() - ",\"more\":\"\"".len());
        data.replacen('{', &format!("{{\"more\":\"{more}\","), 1)
    };
    let candidate =
        "{\"foundation\":\"1\",\"priority\":1,\"address\":\"198.51.100.1\",\"port\":5000,\"typ\":\"host\"}";
    for dial in 0..8 {
        let offer = pad(description("actpass"), 1_024);
        neighbour.say_text(signal_text(to, dial, "offer", Some(&offer))).await;
    }
    for dial in [0, 1, 2] {
        for _ in 0..12 {
            let data = pad(candidate.to_owned(), 512);
            neighbour.say_text(signal_text(to, dial, "candidate", Some(&data))).await;
        }
    }
    let long = pad(description("actpass"), 15 * 1_024);
    neighbour.say_text(signal_text(to, 9, "offer", Some(&long))).await;
}

#[tokio::test]
async fn chatty_neighbours_do_not_disconnect_a_slow_reader() {
    let limits = LimitsConfig {
        queue_messages: 16,
        queue_bytes: 16 * 1024,
        messages_burst: 100,
        ..Default::default()
    };
    let edge = Edge::start(limits).await;
    let mut victim = edge.connect(home(0), Some(4_096)).await.unwrap();
    victim.say(&ClientMessage::Join(Box::new(join("demo", &["v"])))).await;
    let me = victim.wait(|m| if let ServerMessage::Welcome(w) = m { Some(w.peer) } else { None }).await;
    let mut neighbours = Vec::new();
    for n in 1..8 {
        let (mut neighbour, _) = edge.admit(home(n)).await;
        while neighbour.proposals(1).await.iter().all(|p| p.peer != me) {}
        neighbours.push(neighbour);
    }
    let mut honest = neighbours.pop().unwrap();
    for neighbour in &mut neighbours {
        chatter(neighbour, me).await;
    }
    honest.say_text(signal_text(me, 77, "offer", Some(&description("actpass")))).await;
    for neighbour in &mut neighbours {
        let refused = |m| matches!(m, ServerMessage::Error(e) if e.code == ErrorCode::Refused).then_some(());
        neighbour.wait(refused).await;
    }
    // Only now the victim reads.
    while victim.signal().await.dial != 77 {}
    assert_eq!(edge.metric("queue_overflows_total"), 0);
    assert_eq!(edge.metric("relays_total{kind=\"offer\"}"), 6 * 3 + 1, "three dials of a pair in a minute");
}

#[tokio::test]
async fn whoever_moves_is_not_believed_to_be_at_home() {
    let edge = Edge::start(LimitsConfig { strict_srflx: false, ..LimitsConfig::default() }).await;
    let (ann, ann_is) = edge.admit(home(1)).await;
    let (mut bob, bob_is) = edge.admit(home(1)).await;
    bob.proposals(1).await;
    let private =
        "{\"foundation\":\"1\",\"priority\":1,\"address\":\"192.168.1.5\",\"port\":5000,\"typ\":\"host\"}";
    bob.say_text(signal_text(ann_is.peer, 1, "offer", Some(&description("actpass")))).await;
    bob.say_text(signal_text(ann_is.peer, 1, "candidate", Some(private))).await;
    drop(ann);
    let (mut ann, _) = edge.come_back(home(2), &ann_is).await;
    // She knows Bob still, and may dial him; but neither may name private addresses to the other any more.
    ann.say_text(signal_text(bob_is.peer, 2, "offer", Some(&description("actpass")))).await;
    ann.say_text(signal_text(bob_is.peer, 2, "candidate", Some(private))).await;
    let refusal = |m| if let ServerMessage::Error(e) = m { Some(e.code) } else { None };
    assert_eq!(ann.wait(refusal).await, ErrorCode::Refused);
    let offer = bob.signal().await;
    assert!(offer.peer == ann_is.peer && matches!(offer.data, SignalData::Offer(_)), "{offer:?}");
    bob.say_text(signal_text(ann_is.peer, 2, "answer", Some(&description("active")))).await;
    bob.say_text(signal_text(ann_is.peer, 2, "candidate", Some(private))).await;
    assert_eq!(bob.wait(refusal).await, ErrorCode::Refused);
    assert!(matches!(ann.signal().await.data, SignalData::Answer(_)));
}

#[tokio::test]
async fn no_answer_is_longer_than_a_few_lines() {
    let edge = TestEdge::start(Config { drain_s: 0, ..Config::default() }).await;
    let (mut ann, _) = Viewer::join(edge.address, join("demo", &["v"])).await;
    for filling in ["\u{7f}", "\\u0001", "\\\\", "\u{1f600}"] {
        let room = 16 * 1024 - 32;
        ann.say_text(format!("{{\"need\":{{\"count\":\"{}\"}}}}", filling.repeat(room / filling.len())))
            .await;
        let message =
            ann.wait(|m| if let ServerMessage::Error(e) = m { Some(e.message) } else { None }).await;
        assert!(message.len() <= 200 && message.contains("not a signaling message"), "{message}");
    }
    edge.stop().await;
}
