//! Stories of an edge, told over real sockets.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{TestEdge, Viewer, description, join, signal_text, within};
use meshedflow_edge::{Config, LimitsConfig};
use meshedflow_protocol::signal::{ClientMessage, ErrorCode, Leave, ServerMessage, SignalData};

/// Does not wait for viewers to leave when it stops.
fn quick() -> Config {
    Config { drain_s: 0, ..Config::default() }
}

fn refusal(message: ServerMessage) -> Option<ErrorCode> {
    if let ServerMessage::Error(error) = message { Some(error.code) } else { None }
}

#[tokio::test]
async fn two_viewers_meet_and_exchange_descriptions() {
    let edge = TestEdge::start(quick()).await;
    let (mut ann, ann_is) = Viewer::join(edge.address, join("demo", &["v360", "a64"])).await;
    let (mut bob, bob_is) = Viewer::join(edge.address, join("demo", &["v360"])).await;
    let (to_ann, to_bob) = (ann.proposals(1).await.remove(0), bob.proposals(1).await.remove(0));
    assert_eq!((to_ann.peer, to_bob.peer), (bob_is.peer, ann_is.peer));
    assert_eq!(to_ann.lanes, [common::name("v360")]);
    assert_ne!(to_ann.initiate, to_bob.initiate, "exactly one makes the offer");

    let (caller, callee, caller_is, callee_is) = match to_ann.initiate {
        true => (&mut ann, &mut bob, ann_is.peer, bob_is.peer),
        false => (&mut bob, &mut ann, bob_is.peer, ann_is.peer),
    };
    caller.say_text(signal_text(callee_is, 7, "offer", Some(&description("actpass")))).await;
    let offer = callee.signal().await;
    assert_eq!((offer.peer, offer.dial), (caller_is, 7));
    assert!(matches!(offer.data, SignalData::Offer(_)));
    callee.say_text(signal_text(caller_is, 7, "answer", Some(&description("active")))).await;
    assert!(matches!(caller.signal().await.data, SignalData::Answer(_)));
    caller.say_text(signal_text(callee_is, 7, "end", None)).await;
    assert_eq!(callee.signal().await.data, SignalData::End);

    callee.say_text(signal_text(caller_is, 7, "answer", Some(&description("active")))).await;
    assert_eq!(callee.wait(refusal).await, ErrorCode::NotProposed, "an offer is answered once");
    edge.stop().await;
}

#[tokio::test]
async fn streams_do_not_mix() {
    let edge = TestEdge::start(quick()).await;
    let (_one, one_is) = Viewer::join(edge.address, join("one", &["v"])).await;
    let (mut other, _) = Viewer::join(edge.address, join("other", &["v"])).await;
    other.say_text(signal_text(one_is.peer, 1, "offer", Some(&description("actpass")))).await;
    assert_eq!(other.wait(refusal).await, ErrorCode::NotProposed);
    edge.stop().await;
}

#[tokio::test]
async fn a_goodbye_is_told_at_once_and_a_broken_socket_comes_back_as_itself() {
    let edge = TestEdge::start(quick()).await;
    let (mut ann, _) = Viewer::join(edge.address, join("demo", &["v"])).await;
    let (bob, bob_is) = Viewer::join(edge.address, join("demo", &["v"])).await;
    ann.proposals(1).await;

    drop(bob);
    let mut again = join("demo", &["v"]);
    again.resume = Some(bob_is.resume.clone());
    // The edge may not have seen the old socket close yet; then the secret does not hold yet either.
    let (mut bob, same) = loop {
        let (viewer, welcome) = Viewer::join(edge.address, again.clone()).await;
        if welcome.peer == bob_is.peer {
            break (viewer, welcome);
        }
        drop(viewer);
    };
    assert_ne!(same.resume, bob_is.resume, "the secret is rotated");
    bob.say(&ClientMessage::Leave(Leave {})).await;
    assert_eq!(bob.close_code().await, Some(1000));
    let gone = ann.wait(|m| if let ServerMessage::Gone(gone) = m { Some(gone.peer) } else { None }).await;
    assert_eq!(gone, bob_is.peer);
    edge.stop().await;
}

#[tokio::test]
async fn nonsense_is_answered_and_counted_but_closes_nothing() {
    let edge = TestEdge::start(quick()).await;
    let (mut ann, _) = Viewer::join(edge.address, join("demo", &["v"])).await;
    for (text, code) in [
        ("{\"fromTheFuture\":{}}", ErrorCode::UnknownMessage),
        ("not json", ErrorCode::Malformed),
        ("{\"lanes\":{\"add\":7}}", ErrorCode::Malformed),
        ("{\"join\":{\"wire\":[1,1],\"stream\":\"demo\"}}", ErrorCode::OutOfOrder),
    ] {
        ann.say_text(text).await;
        assert_eq!(ann.wait(refusal).await, code, "{text}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn a_flood_is_cut_to_the_rate_and_a_giant_closes() {
    let limits = LimitsConfig { messages_burst: 10, message_bytes: 2_048, ..LimitsConfig::default() };
    let edge = TestEdge::start(Config { limits, ..quick() }).await;
    let (mut ann, _) = Viewer::join(edge.address, join("demo", &["v"])).await;
    for _ in 0..20 {
        ann.say_text("{\"need\":{\"count\":1}}").await;
    }
    assert_eq!(ann.wait(refusal).await, ErrorCode::RateLimited);
    ann.say_text(format!("{{\"x\":\"{}\"}}", "y".repeat(4_096))).await;
    assert_eq!(ann.close_code().await, Some(1009));
    edge.stop().await;
}

#[tokio::test]
async fn connections_are_limited_by_address() {
    let limits = LimitsConfig { connections_per_address: 2, ..LimitsConfig::default() };
    let edge = TestEdge::start(Config { limits, ..quick() }).await;
    let _one = Viewer::connect(edge.address).await;
    let _two = Viewer::connect(edge.address).await;
    let uri = format!("ws://{}/mesh", edge.address);
    let third = tokio_websockets::ClientBuilder::new().uri(&uri).unwrap();
    assert!(within(third.connect()).await.is_err());
    edge.stop().await;
}

#[tokio::test]
async fn whoever_does_not_join_is_closed() {
    let limits = LimitsConfig { handshake_s: 1, ..LimitsConfig::default() };
    let edge = TestEdge::start(Config { limits, ..quick() }).await;
    let mut silent = Viewer::connect(edge.address).await;
    assert_eq!(silent.close_code().await, Some(4001));
    edge.stop().await;
}

#[tokio::test]
async fn a_stopping_edge_says_so_relays_on_and_leaves() {
    let config = Config { drain_s: 1, ..Config::default() };
    let mut edge = TestEdge::start(config).await;
    assert_eq!(edge.get("/readyz").await.0, 200);
    assert_eq!(edge.get("/healthz").await, (200, "ok\n".into()));
    assert_eq!(edge.get("/metrics").await.0, 404, "metrics are not for the public listener");
    let (mut ann, _) = Viewer::join(edge.address, join("demo", &["v"])).await;
    let (_bob, bob_is) = Viewer::join(edge.address, join("demo", &["v"])).await;
    ann.proposals(1).await;
    edge.begin_stop();
    let after = ann.wait(|m| if let ServerMessage::Reconnect(r) = m { Some(r.after_ms) } else { None }).await;
    assert!(after < 500, "{after}");
    assert_eq!(edge.get("/readyz").await.0, 503);
    ann.say_text(signal_text(bob_is.peer, 1, "offer", Some(&description("actpass")))).await;
    assert_eq!(ann.close_code().await, Some(1001));
    within(&mut edge.done).await.unwrap().unwrap();
}

/// Whether a handshake with these headers is taken.
async fn taken(edge: &TestEdge, headers: &[(&'static str, &'static str)]) -> Option<impl Sized + use<>> {
    let mut builder =
        tokio_websockets::ClientBuilder::new().uri(&format!("ws://{}/mesh", edge.address)).unwrap();
    for (name, value) in headers {
        builder = builder.add_header(name.parse().unwrap(), value.parse().unwrap()).unwrap();
    }
    within(builder.connect()).await.ok()
}

#[tokio::test]
async fn pages_of_other_origins_are_turned_away() {
    let edge = TestEdge::start(Config { origins: vec!["https://a.example".into()], ..quick() }).await;
    assert!(taken(&edge, &[("origin", "https://a.example")]).await.is_some());
    assert!(taken(&edge, &[("origin", "https://b.example")]).await.is_none());
    assert!(taken(&edge, &[]).await.is_none());
    edge.stop().await;
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_about_addresses_and_nobody_else_is() {
    let limits = || LimitsConfig { connections_per_address: 1, ..LimitsConfig::default() };
    let proxies = vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
    let behind = TestEdge::start(Config { limits: limits(), trusted_proxies: proxies, ..quick() }).await;
    let first = taken(&behind, &[("x-forwarded-for", "198.51.100.9, 203.0.113.1, 10.1.1.1")]).await;
    let other = taken(&behind, &[("x-forwarded-for", "203.0.113.2")]).await;
    let same = taken(&behind, &[("x-forwarded-for", "203.0.113.1")]).await;
    assert!(first.is_some() && other.is_some() && same.is_none());
    behind.stop().await;

    let direct = TestEdge::start(Config { limits: limits(), ..quick() }).await;
    let first = taken(&direct, &[("x-forwarded-for", "203.0.113.1")]).await;
    let same = taken(&direct, &[("x-forwarded-for", "203.0.113.2")]).await;
    assert!(first.is_some() && same.is_none(), "the header of just anyone is not read");
    direct.stop().await;
}
