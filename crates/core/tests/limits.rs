//! Limits hold whoever sets them and whenever: for what is open and queued already as for what comes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a stage that fails is a test that fails"
)]

mod stage;

use meshedflow_core::config::Options;
use meshedflow_core::{
    ConnNo, HttpInput, Input, Mesh, Output, PeerCommand, PlayerInput, Purpose, SignalInput,
};
use meshedflow_protocol::wire::{Delta, Frame, Frames, RejectReason, Request};
use stage::{FRAGMENT_BYTES, Stage, WINDOW, get, id};

const NEWEST: u64 = 20;
const POLICY_URL: &str = r#""remoteConfigUrl":"https://policy.example/p.json""#;

/// A core on a page with these options, which was told nothing.
fn page(options: &str) -> Stage {
    let mut stage = Stage::empty(0, 16);
    let keys = stage.origin.keys();
    let pin = keys.split_once(r#""x":""#).unwrap().1.split('"').next().unwrap();
    let options = format!(
        r#"{{"streamId":"s","signalingUrl":"wss://edge.example/mesh","cmafMode":"serve",{options},
            "trustedKeys":["{pin}"],"platform":{{"unixMs":1000000}}}}"#
    );
    stage.mesh =
        Mesh::with_check(Options::parse(&options).unwrap(), 1, stage.now, Box::new(stage.checks.clone()));
    stage
}

/// The player has loaded segment [`NEWEST`], which is kept whole.
fn begin(stage: &mut Stage) {
    stage.lane();
    let gets: Vec<_> = stage.load(NEWEST).into_iter().filter_map(get).collect();
    gets.iter().filter(|get| get.blob.is_some()).for_each(|get| drop(stage.finish_get(get)));
    let rolling = stage.origin.rolling(NEWEST + 1 - WINDOW..=NEWEST);
    for get in gets.iter().filter(|get| get.blob.is_none()) {
        let body = if get.purpose == Purpose::List { rolling.clone() } else { stage.origin.keys() };
        stage.tell(Input::Http(get.http, HttpInput::Body(body.as_bytes())));
    }
    while stage.wake(100).is_some() {}
    assert!(stage.mesh.stats().stored_bytes >= 16 * u64::from(FRAGMENT_BYTES));
}

/// A viewer with these options and as many neighbours, who hold nothing.
fn among(options: &str, neighbours: usize) -> Stage {
    let mut stage = page(options);
    begin(&mut stage);
    introduce(&mut stage, neighbours);
    stage
}

fn introduce(stage: &mut Stage, neighbours: usize) {
    let others: Vec<usize> = (1..=neighbours).collect();
    stage.meet(&others);
    for (n, other) in others.iter().enumerate() {
        stage.introduce(n, *other, |_, _| false, NEWEST + 1 - WINDOW..=NEWEST);
    }
    assert_eq!(stage.mesh.stats().peers as usize, neighbours);
}

fn say(stage: &mut Stage, text: &str) -> Vec<Output> {
    stage.tell(Input::Signal(SignalInput::Text(text)))
}

fn push(stage: &mut Stage, patch: &str) -> Vec<Output> {
    say(stage, &format!(r#"{{"policy":{{"refetch":false,"tighten":{patch}}}}}"#))
}

/// The policy is read: at once if that is asked for already, else when it is due.
fn fetched(stage: &mut Stage, policy: &str) -> Vec<Output> {
    let mut asked = stage.tell(Input::Consent(true));
    for _ in 0..1_000 {
        let policy_get = asked.drain(..).filter_map(get).find(|get| get.purpose == Purpose::Policy);
        if let Some(get) = policy_get {
            return stage.tell(Input::Http(get.http, HttpInput::Body(policy.as_bytes())));
        }
        asked = stage.wake(400_000).unwrap();
    }
    panic!("the policy is not asked for");
}

fn closed(outputs: &[Output]) -> Vec<ConnNo> {
    let close = |o: &Output| match o {
        Output::Peer(conn, PeerCommand::Close) => Some(*conn),
        _ => None,
    };
    outputs.iter().filter_map(close).collect()
}

/// A neighbour is proposed, and this viewer has to make the offer; how its connection is made.
fn dials(stage: &mut Stage, other: usize) -> Option<(ConnNo, bool)> {
    let proposal = r#"{"peers":[{"peer":"ID","lanes":["v/index.m3u8"],"initiate":true}]}"#;
    let outputs = say(stage, &proposal.replace("ID", &id(other).hex()));
    outputs.iter().find_map(|o| match o {
        Output::Peer(conn, PeerCommand::Open { relay_only, .. }) => Some((*conn, *relay_only)),
        _ => None,
    })
}

fn request(stage: &mut Stage, neighbour: usize, number: u32, first: u16, count: u16) -> Vec<Output> {
    let Frame::Delta(Delta { segment, .. }) = stage.delta(NEWEST, 0) else { panic!("no delta") };
    let (skip, deadline_ms, urgent) = (0, 60_000, false);
    let frame = Frame::Request(Request { request: number, segment, first, count, skip, deadline_ms, urgent });
    stage.frame(neighbour, &frame)
}

fn rejected(outputs: &[Output]) -> Vec<(u32, RejectReason)> {
    let frames = outputs.iter().filter_map(|o| match o {
        Output::Peer(_, PeerCommand::Send(bytes)) => Some(bytes),
        _ => None,
    });
    let reject = |frame| match frame {
        Ok(Frame::Reject { request, reason, .. }) => Some((request, reason)),
        _ => None,
    };
    frames.flat_map(|bytes| Frames::new(bytes)).filter_map(reject).collect()
}

fn sent_bytes(outputs: &[Output]) -> u64 {
    let media = |o: &Output| match o {
        Output::Peer(_, PeerCommand::SendMedia(_, span)) => u64::from(span.len),
        _ => 0,
    };
    outputs.iter().map(media).sum()
}

#[test]
fn relays_only_from_now_on_closes_direct_links_at_once() {
    let patch = r#"{"topology":{"relayOnly":true}}"#;
    let mut stage = among(r#""maxPeers":12"#, 3);
    assert_eq!(dials(&mut stage, 8).map(|(_, relay_only)| relay_only), Some(false));
    let outputs = push(&mut stage, patch);
    assert_eq!(closed(&outputs).len(), 4, "the dial that is under way, too");
    assert_eq!(stage.mesh.stats().peers, 0);
    stage.pass_us(20_000_000);
    assert_eq!(dials(&mut stage, 9).map(|(_, relay_only)| relay_only), Some(true));

    let mut stage = page(POLICY_URL);
    fetched(&mut stage, r#"{"version":1,"refreshMs":10000}"#);
    begin(&mut stage);
    introduce(&mut stage, 3);
    let outputs = fetched(&mut stage, r#"{"version":2,"refreshMs":10000,"topology":{"relayOnly":true}}"#);
    assert_eq!(closed(&outputs).len(), 3);
    // Links over relays stay.
    let outputs = fetched(&mut stage, r#"{"version":3,"topology":{"relayOnly":true}}"#);
    assert_eq!(closed(&outputs), []);
}

#[test]
fn fewer_neighbours_from_now_on_closes_those_of_least_use() {
    let mut stage = among(r#""maxPeers":12"#, 5);
    let (dialling, _) = dials(&mut stage, 9).unwrap();
    let outputs = push(&mut stage, r#"{"peers":{"max":3}}"#);
    assert_eq!(closed(&outputs)[0], dialling, "a dial before those that are up");
    assert_eq!((closed(&outputs).len(), stage.mesh.stats().peers), (3, 3));
    assert_eq!(dials(&mut stage, 10), None);
    // Down to none is the end of it all.
    let outputs = push(&mut stage, r#"{"peers":{"max":0}}"#);
    assert_eq!(closed(&outputs).len(), 3);
    assert!(outputs.contains(&Output::Disconnect), "{outputs:?}");
    assert_eq!(stage.mesh.stats().sharing, "capped");
}

#[test]
fn who_wants_no_neighbour_asks_no_edge() {
    let mut stage = page(r#""maxPeers":0"#);
    stage.lane();
    let mut outputs = stage.load(NEWEST);
    let gets: Vec<_> = outputs.iter().cloned().filter_map(get).collect();
    let rolling = stage.origin.rolling(NEWEST + 1 - WINDOW..=NEWEST);
    for list in gets.iter().filter(|get| get.purpose == Purpose::List) {
        outputs.extend(stage.tell(Input::Http(list.http, HttpInput::Body(rolling.as_bytes()))));
    }
    for _ in 0..200 {
        outputs.extend(stage.wake(60_000).unwrap_or_default());
    }
    let talks = |o: &&Output| matches!(o, Output::Connect(_) | Output::Say(_) | Output::Peer(..));
    assert_eq!(outputs.iter().filter(talks).count(), 0, "{outputs:?}");
    assert_eq!(stage.mesh.stats().sharing, "capped");
    // Not even an edge that speaks unasked gets a connection.
    stage.meet(&[]);
    assert_eq!(dials(&mut stage, 1), None);
}

#[test]
fn less_upload_from_now_on_refuses_what_waits() {
    for patch in
        [r#"{"upload":{"rateBytesPerS":0}}"#, r#"{"upload":{"slots":0}}"#, r#"{"upload":{"sessionBytes":1}}"#]
    {
        let mut stage = among(r#""upload":{"rateBytesPerS":20000}"#, 2);
        let outputs = request(&mut stage, 0, 1, 0, 8);
        assert_eq!(rejected(&outputs), []);
        request(&mut stage, 1, 2, 0, 8);
        let outputs = push(&mut stage, patch);
        assert_eq!(rejected(&outputs), [(1, RejectReason::Capped), (2, RejectReason::Capped)], "{patch}");
        let mut later = Vec::new();
        while let Some(more) = stage.wake(4_000) {
            later.extend(more);
        }
        assert_eq!(sent_bytes(&later), 0, "{patch}");
        assert_eq!(rejected(&request(&mut stage, 0, 3, 8, 1)), [(3, RejectReason::Capped)]);
    }
}

#[test]
fn a_link_that_became_metered_carries_nothing_of_what_waits() {
    let mut stage = among(r#""upload":{"rateBytesPerS":20000}"#, 1);
    request(&mut stage, 0, 1, 0, 8);
    let outputs = stage.tell(Input::Player(PlayerInput::Network { save_data: false, cellular: true }));
    assert_eq!(rejected(&outputs), [(1, RejectReason::Capped)]);
}

#[test]
fn no_session_gives_a_byte_more_than_it_may() {
    let limit = u64::from(FRAGMENT_BYTES) * 3;
    let mut stage = among(&format!(r#""upload":{{"sessionBytes":{limit}}}"#), 3);
    let mut outputs = Vec::new();
    for number in 0..3 {
        outputs.extend(request(&mut stage, number, number as u32, 0, 2));
        outputs.extend(request(&mut stage, number, 10 + number as u32, 2, 1));
    }
    while let Some(more) = stage.wake(4_000) {
        outputs.extend(more);
    }
    assert_eq!(sent_bytes(&outputs), limit, "and all of what it may");
}

#[test]
fn what_an_edge_tightened_holds_until_a_policy_of_a_higher_version_is_read() {
    let mut stage = page(POLICY_URL);
    fetched(&mut stage, r#"{"version":4}"#);
    begin(&mut stage);
    introduce(&mut stage, 2);
    push(&mut stage, r#"{"topology":{"relayOnly":true},"peers":{"max":5}}"#);
    // What loosens is not heard.
    push(&mut stage, r#"{"topology":{"relayOnly":false},"peers":{"max":30},"version":9,"enabled":true}"#);
    let relay_only = |stage: &mut Stage, other| {
        stage.pass_us(20_000_000);
        dials(stage, other).map(|(_, relay_only)| relay_only)
    };
    assert_eq!(relay_only(&mut stage, 10), Some(true));
    fetched(&mut stage, r#"{"version":4}"#);
    assert_eq!(relay_only(&mut stage, 11), Some(true), "the same policy again loosens nothing");
    fetched(&mut stage, r#"{"version":5}"#);
    assert_eq!(relay_only(&mut stage, 12), Some(false));
    push(&mut stage, r#"{"peers":{"max":5}}"#);
    fetched(&mut stage, r#"{"version":5,"enabled":false}"#);
    assert_eq!(stage.mesh.stats().sharing, "killed", "but may tighten");
    fetched(&mut stage, r#"{"version":5,"enabled":true}"#);
    assert_eq!(stage.mesh.stats().sharing, "killed");
    fetched(&mut stage, r#"{"version":6}"#);
    assert_eq!(stage.mesh.stats().sharing, "on");
}

#[test]
fn a_push_that_ends_the_policy_ends_the_mesh() {
    let mut stage = among(r#""maxPeers":12"#, 2);
    push(&mut stage, r#"{"expiresAt":999}"#);
    assert_eq!((stage.mesh.stats().sharing.as_str(), stage.mesh.stats().peers), ("no-policy", 0));
}
