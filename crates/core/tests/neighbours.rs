//! Whom a viewer knows, by which name, in which lanes, and how much it asks of them: one core, everybody else on a
//! stage.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what panics is a test that fails")]

mod stage;

use std::collections::BTreeMap;

use meshedflow_core::{ConnNo, Event, Input, Output, PeerCommand, PeerInput, PlayerInput, SignalInput};
use meshedflow_protocol::ids::{Name, PeerId};
use meshedflow_protocol::wire::{Frame, Frames, Hello, LaneChange, LaneIndex};
use stage::{Stage, id};

fn frames(outputs: &[Output]) -> Vec<(ConnNo, Frame)> {
    let sent = outputs.iter().filter_map(|output| match output {
        Output::Peer(conn, PeerCommand::Send(bytes)) => Some((*conn, bytes)),
        _ => None,
    });
    sent.flat_map(|(conn, bytes)| Frames::new(bytes).map(move |frame| (conn, frame.unwrap()))).collect()
}

fn count(outputs: &[Output], which: fn(&PeerCommand) -> bool) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::Peer(_, command) if which(command))).count()
}

fn offers(outputs: &[Output]) -> usize {
    count(outputs, |command| matches!(command, PeerCommand::Offer))
}

fn answers(outputs: &[Output]) -> usize {
    count(outputs, |command| matches!(command, PeerCommand::Answer(_)))
}

fn closed(outputs: &[Output]) -> Vec<ConnNo> {
    let conn = |output: &Output| match output {
        Output::Peer(conn, PeerCommand::Close) => Some(*conn),
        _ => None,
    };
    outputs.iter().filter_map(conn).collect()
}

fn warns_of(outputs: &[Output], which: &str) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Event(Event::Warn { code, .. }) if *code == which))
}

fn said(outputs: &[Output], what: &str) -> Vec<String> {
    let text = |output: &Output| match output {
        Output::Say(text) if text.contains(what) => Some(text.clone()),
        _ => None,
    };
    outputs.iter().filter_map(text).collect()
}

/// A viewer that plays, with these neighbours, who hold nothing.
fn company(others: &[usize]) -> Stage {
    let mut stage = Stage::new(0, 8, 20);
    stage.meet(others);
    for (n, other) in others.iter().enumerate() {
        stage.introduce(n, *other, |_, _| false, 20..=20);
    }
    stage
}

fn hello(other: usize) -> Frame {
    let (wire, peer) = ((1, 1), id(other));
    Frame::Hello(Hello { wire, peer, uplink_bytes_per_s: 0, sharing: 2, class: 2, lanes: Vec::new() })
}

/// Its edge calls neighbour `n` by the id of viewer `other` now.
fn renames(stage: &mut Stage, n: usize, other: usize) -> Vec<Output> {
    stage.frame(n, &Frame::Identity { peer: id(other) })
}

/// Lets time pass, whatever is due. Neighbours answer every ping.
fn pass_s(stage: &mut Stage, seconds: u64) -> Vec<Output> {
    let end = stage.now.0 + seconds * 1_000_000;
    let mut all = Vec::new();
    while stage.now.0 < end {
        let ms = (end - stage.now.0) / 1_000;
        match stage.wake(ms) {
            Some(outputs) => {
                for (conn, frame) in frames(&outputs) {
                    let n = stage.conns.iter().position(|c| *c == conn);
                    if let (Some(n), Frame::Ping { nonce }) = (n, frame) {
                        all.extend(stage.frame(n, &Frame::Pong { nonce, hold_ms: 0 }));
                    }
                }
                all.extend(outputs);
            }
            None => stage.pass_us(end - stage.now.0),
        }
    }
    all
}

// ---- who is elected ----

/// The timers of hidden tabs come late: they draw a quarter of the lots.
#[test]
fn hidden_tabs_are_class_one() {
    for (hidden, class) in [(false, 2), (true, 1)] {
        let mut stage = company(&[1]);
        stage.load(21);
        stage.tell(Input::Player(PlayerInput::Hidden(hidden)));
        // Long enough to have settled, and for a map to be due.
        let mut maps = frames(&pass_s(&mut stage, 11)).into_iter().filter_map(|(_, frame)| match frame {
            Frame::Map(map) => Some(map.elect.class),
            _ => None,
        });
        assert_eq!(maps.next_back(), Some(class), "hidden: {hidden}");
    }
}

// ---- requests in flight ----

/// Each holds every other fragment, so that each fragment is a request of its own.
#[test]
fn no_neighbour_gets_more_than_three_requests_and_all_together_no_more_than_24() {
    for (neighbours, most) in [(2, 6), (16, 24)] {
        let others: Vec<usize> = (1..=neighbours).collect();
        let mut stage = Stage::new(0, 64, 20);
        stage.buffer_ms(30_000);
        let mut asked = stage.meet(&others);
        for (n, other) in others.iter().enumerate() {
            asked.extend(stage.introduce(n, *other, |_, i| usize::from(i) % 2 == n % 2, 21..=21));
        }
        asked.extend(stage.frame(0, &stage.list_frame(21)));
        asked.extend(stage.load(21));
        let mut by_conn: BTreeMap<ConnNo, usize> = BTreeMap::new();
        for (conn, frame) in frames(&asked) {
            if matches!(frame, Frame::Request(r) if r.count > 0) {
                *by_conn.entry(conn).or_default() += 1;
            }
        }
        let all: usize = by_conn.values().sum();
        assert!(by_conn.values().all(|n| *n <= 3), "{by_conn:?}");
        assert_eq!(all, most, "{neighbours} neighbours hold enough for more: {by_conn:?}");
    }
}

// ---- how many ----

#[test]
fn dials_and_answers_share_the_limit_of_the_page() {
    for most in [0, 1, 5, 12] {
        let mut stage = Stage::limited(0, 8, 20, most);
        stage.welcome(0);
        let mut all = Vec::new();
        for other in 1..=20 {
            all.extend(stage.propose(other, other % 2 == 0));
            if other % 2 == 1 {
                all.extend(stage.offer(other));
            }
        }
        let made = offers(&all) + answers(&all);
        assert!(made <= usize::from(most), "{made} connections where the page allows {most}");
        all.extend(pass_s(&mut stage, 8));
        let made = offers(&all) + answers(&all);
        assert!(made <= usize::from(most), "{made} connections where the page allows {most}");
        assert!(most == 0 || made > 0);
        let asked = said(&pass_s(&mut stage, 40), "need").len();
        assert!(most > 0 || asked == 0, "whoever may have none asks for none");
    }
}

/// A clique needs all of its places, whoever calls.
#[test]
fn twelve_proposed_are_twelve_neighbours() {
    for calls in [0, 5, 12] {
        let mut stage = Stage::limited(0, 8, 20, 12);
        stage.welcome(0);
        let mut conns = 0;
        for other in 1..=12 {
            let mut outputs = stage.propose(other, other > calls);
            if other <= calls {
                outputs.extend(stage.offer(other));
            }
            outputs.extend(pass_s(&mut stage, 1));
            for output in &outputs {
                if let Output::Peer(conn, PeerCommand::Open { .. }) = output {
                    stage.conns.push(*conn);
                }
            }
            for conn in conns..stage.conns.len() {
                stage.tell(Input::Peer(stage.conns[conn], PeerInput::Opened));
                stage.frame(conn, &hello(other));
            }
            conns = stage.conns.len();
        }
        assert_eq!(stage.mesh.stats().peers, 12, "{calls} of them call");
    }
}

// ---- proposals ----

#[test]
fn who_was_proposed_a_minute_ago_is_not_dialled_any_more() {
    let mut stage = company(&[]);
    let mut all: Vec<Output> = (1..=40).flat_map(|other| stage.propose(other, true)).collect();
    assert_eq!(offers(&all), 4, "four at a time");
    all.extend(pass_s(&mut stage, 300));
    let dialled = offers(&all);
    assert!((20..=28).contains(&dialled), "{dialled} were dialled; each dial came to nothing after 10 s");
}

#[test]
fn whose_membership_is_over_is_not_dialled() {
    let mut stage = company(&[]);
    (1..=4).for_each(|other| drop(stage.propose(other, true)));
    let until = |seconds: u64, other| {
        let until = 1_000 + seconds;
        format!(r#"{{"peers":[{{"peer":"{}","lanes":[],"initiate":true,"until":{until}}}]}}"#, id(other))
    };
    stage.say(&until(5, 5));
    stage.say(&until(3_600, 6));
    assert_eq!(offers(&pass_s(&mut stage, 15)), 1, "by the time there is room, one of two is still a member");
}

#[test]
fn one_viewer_proposed_twice_is_dialled_once() {
    let mut stage = company(&[]);
    let mut all: Vec<Output> = (1..=4).flat_map(|other| stage.propose(other, true)).collect();
    (0..5).for_each(|_| all.extend(stage.propose(9, true)));
    all.extend(pass_s(&mut stage, 15));
    assert_eq!(offers(&all), 5);
}

/// What is said to somebody who has just left comes back as an error.
#[test]
fn that_another_viewer_is_gone_is_no_refusal_of_this_one() {
    let mut stage = company(&[7]);
    assert_eq!(offers(&stage.propose(1, true)), 1);
    let mut all = stage.say(&format!(r#"{{"gone":{{"peer":"{}"}}}}"#, id(1)));
    assert_eq!(closed(&all).len(), 1, "that dial is over");
    for code in ["peerGone", "notProposed"] {
        all.extend(
            stage.say(&format!(r#"{{"error":{{"code":"{code}","message":"m","retryAfterMs":90000}}}}"#)),
        );
    }
    assert!(!warns_of(&all, "edge-refused"), "{all:?}");
    assert!(!all.iter().any(|o| matches!(o, Output::Disconnect)));
    assert_eq!(stage.mesh.stats().peers, 1, "other neighbours stay");
    assert_eq!(offers(&stage.propose(2, true)), 1, "others are dialled as before");
    stage.say(&format!(r#"{{"gone":{{"peer":"{}"}}}}"#, id(2)));
    assert_eq!(said(&pass_s(&mut stage, 6), "need").len(), 1, "and asked for");
}

/// While it joins, too: only what is about this viewer keeps it away.
#[test]
fn an_error_about_another_viewer_does_not_keep_this_one_away() {
    let mut stage = Stage::new(0, 8, 20);
    stage.tell(Input::Signal(SignalInput::Opened));
    stage.say(r#"{"error":{"code":"peerGone","message":"m","retryAfterMs":90000}}"#);
    stage.tell(Input::Signal(SignalInput::Closed));
    let again = pass_s(&mut stage, 10);
    assert!(again.iter().any(|o| matches!(o, Output::Connect(_))), "the edge is tried again within seconds");
}

// ---- names ----

/// The edge came back and gave this viewer another id.
fn edge_returns(stage: &mut Stage, me: usize) -> Vec<Output> {
    stage.tell(Input::Signal(SignalInput::Closed));
    let gone = pass_s(stage, 5);
    assert!(gone.iter().any(|o| matches!(o, Output::Connect(_))));
    stage.welcome(me)
}

#[test]
fn a_new_id_is_said_on_every_open_channel() {
    let mut stage = company(&[1, 2]);
    let told = frames(&edge_returns(&mut stage, 50));
    let told: Vec<ConnNo> = told
        .into_iter()
        .filter_map(|(conn, frame)| (frame == Frame::Identity { peer: id(50) }).then_some(conn))
        .collect();
    assert_eq!(told, stage.conns);
    let again = frames(&edge_returns(&mut stage, 50));
    assert!(
        !again.iter().any(|(_, f)| matches!(f, Frame::Identity { .. })),
        "the same id is no news: {again:?}"
    );
}

#[test]
fn a_neighbour_under_its_new_id_is_not_dialled_again() {
    let mut stage = company(&[1, 2]);
    edge_returns(&mut stage, 50);
    // Both ways round: it says so first, or the edge proposes it first.
    renames(&mut stage, 0, 51);
    let mut all = stage.propose(51, true);
    all.extend(stage.propose(52, true));
    all.extend(renames(&mut stage, 1, 52));
    all.extend(pass_s(&mut stage, 20));
    assert_eq!((offers(&all), stage.mesh.stats().peers), (0, 2), "{:?}", closed(&all));
    assert_eq!(offers(&stage.propose(53, true)), 1, "a stranger is");
}

/// Its edge forgot it: from then on it may have another id, whatever this viewer's own edge does.
#[test]
fn who_left_the_edge_may_come_back_to_it_under_another_id() {
    let mut stage = company(&[1]);
    stage.say(&format!(r#"{{"gone":{{"peer":"{}"}}}}"#, id(1)));
    let mut all = stage.propose(51, true);
    all.extend(renames(&mut stage, 0, 51));
    all.extend(pass_s(&mut stage, 20));
    assert_eq!((offers(&all), stage.mesh.stats().peers), (0, 1));
}

/// Whoever does not say its id is a stranger, though not for ever.
#[test]
fn a_neighbour_that_never_says_its_new_id_is_dialled_after_a_while() {
    let mut stage = company(&[1]);
    edge_returns(&mut stage, 50);
    assert_eq!(offers(&stage.propose(51, true)), 0);
    assert_eq!(offers(&pass_s(&mut stage, 3)), 1);
}

#[test]
fn nobody_takes_the_id_of_another_open_channel_or_of_this_viewer() {
    let mut stage = company(&[1, 2, 3]);
    let conns = stage.conns.clone();
    let outputs = renames(&mut stage, 0, 2);
    assert_eq!(closed(&outputs), [conns[0]], "who claims it goes, whose it is stays");
    let outputs = renames(&mut stage, 2, 0);
    assert_eq!(closed(&outputs), [conns[2]]);
    assert!(warns_of(&outputs, "peer-closed"), "this viewer's own id is a lie");
    assert_eq!(stage.mesh.stats().peers, 1);
    // The old id of one that has a new one is not free for others either.
    let mut stage = company(&[1, 2]);
    renames(&mut stage, 0, 51);
    let outputs = renames(&mut stage, 1, 1);
    assert_eq!(closed(&outputs), [stage.conns[1]]);
}

/// Whoever hears of a viewer's new id first and says that it is its own does not put an end to that one's channel.
#[test]
fn who_claims_an_id_first_closes_nobody_who_says_the_same() {
    let mut stage = company(&[1, 2]);
    edge_returns(&mut stage, 50);
    renames(&mut stage, 0, 52);
    let outputs = renames(&mut stage, 1, 52);
    assert_eq!(closed(&outputs), [], "nobody vouches for the first either");
    assert_eq!(stage.mesh.stats().peers, 2);
}

/// A claim closes no door: whom the edge itself names by an id has it.
#[test]
fn who_is_vouched_for_beats_who_only_claims_to_be() {
    let mut stage = company(&[1]);
    renames(&mut stage, 0, 9);
    stage.propose(9, false);
    let outputs = stage.offer(9);
    assert_eq!(answers(&outputs), 1, "its call is answered");
    let conn = outputs.iter().find_map(|o| match o {
        Output::Peer(conn, PeerCommand::Open { .. }) => Some(*conn),
        _ => None,
    });
    stage.conns.push(conn.unwrap());
    stage.tell(Input::Peer(conn.unwrap(), PeerInput::Opened));
    let outputs = stage.frame(1, &hello(9));
    assert_eq!(closed(&outputs), [stage.conns[0]]);
    assert!(!warns_of(&outputs, "peer-closed"), "it may have been the same viewer");
    assert_eq!(stage.mesh.stats().peers, 1);
}

/// Lots are drawn from ids: whoever could choose a new one each time would win them all.
#[test]
fn who_changes_its_id_all_the_time_is_closed() {
    let mut stage = company(&[1]);
    let outputs: Vec<Output> = (50..60).flat_map(|other| renames(&mut stage, 0, other)).collect();
    assert_eq!(closed(&outputs).len(), 1);
}

#[test]
fn who_was_closed_for_cause_is_not_let_in_under_its_other_id() {
    for (calls, other) in [(false, 1), (false, 51), (true, 1), (true, 51)] {
        let mut stage = company(&[1, 2]);
        edge_returns(&mut stage, 50);
        renames(&mut stage, 0, 51);
        let outputs = stage.tell(Input::Peer(stage.conns[0], PeerInput::Violation("x")));
        assert_eq!(closed(&outputs).len(), 1);
        assert!(said(&outputs, "bad").is_empty(), "an id that it only claims is nobody's to report");
        let mut all = stage.propose(other, !calls);
        all.extend(stage.offer(other));
        all.extend(pass_s(&mut stage, 5));
        assert_eq!((offers(&all), answers(&all)), (0, 0), "viewer {other}");
    }
}

/// While the edge knows it by the id it came with, another one that it claims may be anybody's.
#[test]
fn nobody_is_closed_for_what_another_did_in_its_name() {
    for calls in [false, true] {
        let mut stage = company(&[1, 2]);
        renames(&mut stage, 0, 9);
        let outputs = stage.tell(Input::Peer(stage.conns[0], PeerInput::Violation("x")));
        assert_eq!(closed(&outputs).len(), 1);
        let mut all = stage.propose(9, !calls);
        all.extend(stage.offer(9));
        all.extend(pass_s(&mut stage, 5));
        assert_eq!(offers(&all) + answers(&all), 1, "the viewer whose name it was");
        let mut all = stage.propose(1, !calls);
        all.extend(stage.offer(1));
        assert_eq!(offers(&all) + answers(&all), 0, "who did it");
    }
}

// ---- lanes ----

/// Eight indices, any number of renditions: an index stands for what it was last given to.
#[test]
fn a_ninth_lane_of_a_neighbour_is_no_crime() {
    let mut stage = company(&[1]);
    let add = |n: u8| {
        let (lane, rendition) = (LaneIndex::new(n % 8).unwrap(), Name::new(format!("v{n}")).unwrap());
        Frame::Lane(LaneChange::Add { lane, rendition, from_msn: 0 })
    };
    let outputs: Vec<Output> = (0..40).flat_map(|n| stage.frame(0, &add(n))).collect();
    assert_eq!((closed(&outputs).len(), stage.mesh.stats().peers), (0, 1));
}

/// Whom this viewer takes for electable, as its next map says.
fn candidates(stage: &mut Stage) -> Vec<PeerId> {
    let mut maps = frames(&pass_s(stage, 11)).into_iter().filter_map(|(_, frame)| match frame {
        Frame::Map(map) => Some(map.neighbours),
        _ => None,
    });
    maps.next_back().unwrap()
}

/// Whatever its maps say, which tell what it holds; and once it comes back it is as before.
#[test]
fn who_left_a_lane_is_nobodys_candidate_and_still_a_holder() {
    let mut stage = company(&[1, 2]);
    assert_eq!(candidates(&mut stage), [id(1), id(2)]);
    let (lane, from_msn) = (LaneIndex::default(), 21);
    stage.frame(0, &Frame::Lane(LaneChange::Drop { lane, from_msn }));
    stage.tells_of(0, |_, _| true, 20..=21);
    stage.tells_of(1, |_, _| false, 20..=21);
    assert_eq!(candidates(&mut stage), [id(2)]);
    let mut asked = stage.frame(0, &stage.list_frame(21));
    asked.extend(stage.load(21));
    let asked = frames(&asked).into_iter().filter(|(_, f)| matches!(f, Frame::Request(r) if r.count > 0));
    let asked: Vec<ConnNo> = asked.map(|(conn, _)| conn).collect();
    assert!(!asked.is_empty() && asked.iter().all(|c| *c == stage.conns[0]), "it is asked for what it has");
    let rendition = Name::new("v/index.m3u8").unwrap();
    stage.frame(0, &Frame::Lane(LaneChange::Add { lane, rendition, from_msn }));
    (0..2).for_each(|n| drop(stage.tells_of(n, |_, _| false, 20..=21)));
    assert_eq!(candidates(&mut stage), [id(1), id(2)]);
}

/// An index that is given to another rendition leaves the one before.
#[test]
fn an_index_given_anew_leaves_the_lane_it_stood_for() {
    let mut stage = company(&[1, 2]);
    let (lane, rendition) = (LaneIndex::default(), Name::new("other").unwrap());
    stage.frame(0, &Frame::Lane(LaneChange::Add { lane, rendition, from_msn: 0 }));
    stage.tells_of(1, |_, _| false, 20..=21);
    assert_eq!(candidates(&mut stage), [id(2)]);
}
