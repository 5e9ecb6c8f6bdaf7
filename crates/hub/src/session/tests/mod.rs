//! Stories of a session, and garbage.

mod attacks;
mod rules;

use proptest::prelude::*;

use super::*;
use crate::Salter;
use meshedflow_protocol::signal::{Salt, parse_server};
use meshedflow_protocol::topology::Topology;

const START_MS: u64 = 1_700_000_000_000;

fn id(slot: u32) -> PeerId {
    PeerId::compose(1, 0, slot, 0, [slot as u8; 6])
}

fn session() -> Session {
    Session::new(Arc::new(Limits::default()), [203, 0, 113, 7].into(), START_MS)
}

fn outputs(session: &mut Session) -> Vec<SessionOutput> {
    core::iter::from_fn(|| session.poll_output()).collect()
}

fn tell(session: &mut Session, now_ms: u64, input: SessionInput<'_>) -> Vec<SessionOutput> {
    session.handle_input(now_ms, input);
    outputs(session)
}

fn say(session: &mut Session, now_ms: u64, text: &str) -> Vec<SessionOutput> {
    tell(session, now_ms, SessionInput::Text(text))
}

fn admission(join: Box<Join>, slot: u32, until: Option<u64>) -> Box<Admission> {
    Box::new(Admission {
        join,
        peer: id(slot),
        resumed: false,
        resume_refused: false,
        subject: None,
        room: RoomKey { stream: Name::new("demo").unwrap(), bucket: 0 },
        until,
        resume: "secret".into(),
        ice_servers: Vec::new(),
        weights: Default::default(),
        salter: Salter::new([1; 32]),
        salt_delay_ms: 0,
        topology: Topology::default(),
        policy_version: None,
    })
}

fn joined_until(slot: u32, until: Option<u64>) -> Session {
    let mut session = session();
    let mut asked =
        say(&mut session, START_MS, "{\"join\":{\"wire\":[1,1],\"stream\":\"demo\",\"lanes\":[\"v\"]}}");
    let Some(SessionOutput::Admit(join)) = asked.pop() else { panic!("{asked:?}") };
    let welcomed = tell(&mut session, START_MS, SessionInput::Admitted(admission(join, slot, until)));
    assert!(matches!(&welcomed[..], [SessionOutput::Send(text), SessionOutput::Room(_, RoomInput::Join(_))]
        if text.contains("welcome")));
    session
}

fn joined(slot: u32) -> Session {
    joined_until(slot, None)
}

/// Proposes `other` to `session`.
fn propose(session: &mut Session, other: u32, together: bool) {
    let proposed = Proposed { peer: id(other), lanes: Vec::new(), initiate: true, until: None, together };
    tell(session, START_MS, SessionInput::Proposed(vec![proposed]));
}

fn description(setup: &str) -> String {
    let (pwd, fingerprint) = ("p".repeat(24), ["AB"; 32].join(":"));
    format!(
        "{{\"ufrag\":\"abcd\",\"pwd\":\"{pwd}\",\"fingerprint\":\"{fingerprint}\",\"setup\":\"{setup}\",\
         \"mid\":\"0\",\"sctpPort\":5000,\"maxMessageSize\":262144}}"
    )
}

fn candidate(address: &str) -> String {
    format!(
        "{{\"foundation\":\"1\",\"priority\":1,\"address\":\"{address}\",\"port\":5000,\"typ\":\"host\"}}"
    )
}

fn signal(to: u32, dial: u32, kind: &str, data: &str) -> String {
    format!("{{\"signal\":{{\"peer\":\"{}\",\"dial\":{dial},\"kind\":\"{kind}\",\"data\":{data}}}}}", id(to))
}

/// The one relay among the outputs.
fn relay(outputs: Vec<SessionOutput>) -> Relay {
    match outputs.into_iter().next() {
        Some(SessionOutput::Deliver { relay, .. }) => relay,
        other => panic!("{other:?}"),
    }
}

fn counted(outputs: &[SessionOutput]) -> Vec<Counted> {
    let count = |output: &SessionOutput| if let SessionOutput::Count(c) = output { Some(*c) } else { None };
    outputs.iter().filter_map(count).collect()
}

#[test]
fn an_offer_needs_a_proposal_an_answer_needs_the_offer() {
    let (mut ann, mut bob) = (joined(1), joined(2));
    let offer = signal(2, 7, "offer", &description("actpass"));
    assert_eq!(counted(&say(&mut ann, START_MS, &offer)), [Counted::NotProposed]);
    propose(&mut ann, 2, false);
    let answer = signal(1, 7, "answer", &description("active"));
    assert_eq!(counted(&say(&mut bob, START_MS, &answer)), [Counted::NoOffer]);

    let offered = relay(say(&mut ann, START_MS, &offer));
    let told = tell(&mut bob, START_MS, SessionInput::Relayed(offered.clone()));
    assert_eq!(told, [SessionOutput::Send(offered.frame)]);
    let answered = relay(say(&mut bob, START_MS + 29_999, &answer));
    assert_eq!(counted(&say(&mut bob, START_MS + 29_999, &answer)), [Counted::NoOffer], "once");
    assert_eq!(tell(&mut ann, START_MS + 29_999, SessionInput::Relayed(answered.clone())).len(), 1);
    let late = Relay { dial: 8, ..answered };
    assert_eq!(counted(&tell(&mut ann, START_MS, SessionInput::Relayed(late))), [Counted::NoOffer]);
}

#[test]
fn the_data_are_relayed_as_they_came_under_the_senders_name() {
    let mut ann = joined(1);
    propose(&mut ann, 2, false);
    let odd = description("actpass").replace("{\"ufrag\"", "{  \"fromTheFuture\":[1, 2],\"ufrag\"");
    let frame = relay(say(&mut ann, START_MS, &signal(2, 7, "offer", &odd))).frame;
    assert!(frame.contains(&odd) && frame.contains(&id(1).to_string()), "{frame}");
    assert!(matches!(parse_server(&frame), Ok(Parsed::Known(ServerMessage::Signal(_)))));
}

#[test]
fn an_offer_that_is_late_cannot_be_answered() {
    let (mut ann, mut bob) = (joined(1), joined(2));
    propose(&mut ann, 2, false);
    let offered = relay(say(&mut ann, START_MS, &signal(2, 7, "offer", &description("actpass"))));
    tell(&mut bob, START_MS, SessionInput::Relayed(offered));
    let answer = signal(1, 7, "answer", &description("active"));
    assert_eq!(counted(&say(&mut bob, START_MS + 30_000, &answer)), [Counted::NoOffer]);
}

#[test]
fn a_restart_waits_a_minute_a_redial_has_a_new_number() {
    let mut ann = joined(1);
    propose(&mut ann, 2, false);
    let offer = |dial| signal(2, dial, "offer", &description("actpass"));
    relay(say(&mut ann, START_MS, &offer(1)));
    assert_eq!(counted(&say(&mut ann, START_MS + 59_999, &offer(1))), [Counted::RestartTooSoon]);
    relay(say(&mut ann, START_MS + 59_999, &offer(2)));
    relay(say(&mut ann, START_MS + 60_000, &offer(1)));
}

#[test]
fn twelve_candidates_an_offer_and_none_that_aims_inward() {
    let mut ann = joined(1);
    propose(&mut ann, 2, false);
    let public = signal(2, 7, "candidate", &candidate("198.51.100.1"));
    assert_eq!(counted(&say(&mut ann, START_MS, &public)), [Counted::NoOffer]);
    relay(say(&mut ann, START_MS, &signal(2, 7, "offer", &description("actpass"))));
    for inward in ["127.0.0.1", "10.0.0.1", "169.254.1.1", "224.0.0.1", "0.0.0.0"] {
        let outputs = say(&mut ann, START_MS, &signal(2, 7, "candidate", &candidate(inward)));
        assert_eq!(counted(&outputs), [Counted::CandidateRefused], "{inward}");
    }
    (0..12).for_each(|_| assert_eq!(relay(say(&mut ann, START_MS, &public)).kind, RelayKind::Candidate));
    assert_eq!(counted(&say(&mut ann, START_MS, &public)), [Counted::CandidatesExceeded]);
}

#[test]
fn private_candidates_pass_behind_one_address() {
    let mut ann = joined(1);
    propose(&mut ann, 2, true);
    relay(say(&mut ann, START_MS, &signal(2, 7, "offer", &description("actpass"))));
    relay(say(&mut ann, START_MS, &signal(2, 7, "candidate", &candidate("192.168.1.5"))));
}

#[test]
fn a_flood_is_ignored_then_closed() {
    let mut ann = joined(1);
    let outputs: Vec<_> = (0..62).flat_map(|_| say(&mut ann, START_MS, "{\"future\":1}")).collect();
    let limited = counted(&outputs).into_iter().filter(|c| *c == Counted::RateLimited).count();
    assert_eq!(limited, 3, "the join was the first of 60");
    let outputs: Vec<_> = (0..1_000).flat_map(|_| say(&mut ann, START_MS, "x")).collect();
    assert!(matches!(outputs.last(), Some(SessionOutput::Close(Code::Policy, _))));
    assert!(
        outputs.iter().filter(|o| matches!(o, SessionOutput::Send(_))).count() <= 1,
        "no echo of the flood"
    );
}

/// How many of `count` pings, pongs or fragments are above the rate, and whether they end the session.
fn alive(session: &mut Session, now_ms: u64, count: usize) -> (usize, bool) {
    (0..count).for_each(|_| session.handle_input(now_ms, SessionInput::Alive));
    let outputs = outputs(session);
    let limited = counted(&outputs).into_iter().filter(|c| *c == Counted::RateLimited).count();
    (limited, outputs.iter().any(|o| matches!(o, SessionOutput::Close(Code::Policy, _))))
}

#[test]
fn frames_that_are_no_message_cost_what_messages_cost() {
    let mut ann = joined(1);
    assert_eq!((alive(&mut ann, START_MS, 59), ann.ignores()), ((0, false), false));
    assert_eq!((alive(&mut ann, START_MS, 1), ann.ignores()), ((1, false), true));
    assert_eq!(counted(&say(&mut ann, START_MS, "{\"need\":{\"count\":1}}")), [Counted::RateLimited]);
    assert_eq!((alive(&mut ann, START_MS + 1_000, 20), ann.ignores()), ((0, false), false));
    assert_eq!((alive(&mut ann, START_MS + 1_000, 2_000), ann.is_over()), ((1_001, true), true));
}

#[test]
fn a_flood_with_pauses_is_closed_as_well() {
    let mut ann = joined(1);
    let ends = (0..100).position(|round| alive(&mut ann, START_MS + round * 50, 500).1);
    assert!(ends.is_some_and(|round| round <= 3), "{ends:?}");
    let mut bob = joined(2);
    let patient = (0..100).all(|round| !alive(&mut bob, START_MS + round * 1_000, 35).1);
    assert!(patient, "some above the rate is slowed and not closed");
}

#[test]
fn silence_is_pinged_then_closed_and_life_resets_both() {
    let mut ann = joined(1);
    let mut at = |now_ms: u64| {
        ann.handle_timeout(START_MS + now_ms);
        let outputs = outputs(&mut ann);
        outputs.into_iter().filter(|o| !matches!(o, SessionOutput::Send(_))).collect::<Vec<_>>()
    };
    assert_eq!(at(24_999), []);
    assert_eq!(at(25_000), [SessionOutput::Ping]);
    assert_eq!(at(50_000), [SessionOutput::Ping]);
    let end = at(60_000);
    assert_eq!(counted(&end), [Counted::Idle]);
    assert!(matches!(end.last(), Some(SessionOutput::Close(Code::Idle, _))));
    assert_eq!(at(90_000), [], "over is over");

    let mut bob = joined(2);
    bob.handle_input(START_MS + 59_000, SessionInput::Alive);
    bob.handle_timeout(START_MS + 60_000);
    assert!(!outputs(&mut bob).iter().any(|o| matches!(o, SessionOutput::Close(..))));
}

#[test]
fn who_never_joins_is_closed_and_only_a_join_opens() {
    let mut session = session();
    assert_eq!(counted(&say(&mut session, START_MS, "{\"need\":{\"count\":8}}")), [Counted::OutOfOrder]);
    assert_eq!(
        session.poll_timeout().map(|w| (w.at_ms, w.reason)),
        Some((START_MS + 5_000, WakeupReason::Join))
    );
    session.handle_timeout(START_MS + 5_000);
    assert!(matches!(outputs(&mut session).last(), Some(SessionOutput::Close(Code::NoJoin, _))));
}

#[test]
fn wire_versions_must_overlap() {
    let mut session = session();
    let outputs = say(&mut session, START_MS, "{\"join\":{\"wire\":[2,9],\"stream\":\"demo\"}}");
    assert!(
        matches!(&outputs[..], [_, SessionOutput::Send(text)] if text.contains("version")),
        "{outputs:?}"
    );
}

#[test]
fn membership_ends_a_minute_after_its_token_unless_renewed() {
    let until = START_MS / 1_000 + 30;
    let mut ann = joined_until(1, Some(until));
    ann.handle_input(START_MS + 85_000, SessionInput::Alive);
    ann.handle_timeout(START_MS + 89_999);
    assert!(ann.peer().is_some());
    let renew = say(&mut ann, START_MS + 89_999, "{\"renew\":{\"token\":\"t\"}}");
    assert_eq!(renew.last(), Some(&SessionOutput::Renew("t".into())));
    let renewed = tell(&mut ann, START_MS + 89_999, SessionInput::Renewed(Some(until + 60)));
    assert!(matches!(&renewed[..], [SessionOutput::Room(_, RoomInput::Until(..))]));
    ann.handle_input(START_MS + 140_000, SessionInput::Alive);
    ann.handle_timeout(START_MS + 149_999);
    assert!(ann.peer().is_some());
    ann.handle_timeout(START_MS + 150_000);
    assert!(counted(&outputs(&mut ann)).contains(&Counted::Expired));
}

#[test]
fn every_minute_brings_a_salt_and_the_last_one_with_it() {
    let mut ann = joined(1);
    let minute = START_MS / 60_000 * 60_000 + 60_000;
    let salt_at = |session: &mut Session, now_ms: u64| -> Vec<Salt> {
        session.handle_input(now_ms - 1, SessionInput::Alive);
        session.handle_timeout(now_ms);
        let salt = |output| match output {
            SessionOutput::Send(text) => match parse_server(&text) {
                Ok(Parsed::Known(ServerMessage::Salt(salt))) => Some(salt),
                _ => None,
            },
            _ => None,
        };
        outputs(session).into_iter().filter_map(salt).collect()
    };
    assert_eq!(salt_at(&mut ann, minute - 1), []);
    let first = salt_at(&mut ann, minute).remove(0);
    assert_eq!(salt_at(&mut ann, minute + 30_000), []);
    let second = salt_at(&mut ann, minute + 60_000).remove(0);
    assert_eq!((second.previous, second.valid_ms), (Some(first.current), 60_000));
    assert_ne!(second.current, first.current);
}

#[test]
fn exclusions_are_ids_that_were_proposed() {
    let mut ann = joined(1);
    propose(&mut ann, 2, false);
    let text = format!("{{\"need\":{{\"count\":3,\"exclude\":[\"{}\",\"{}\"]}}}}", id(2), id(3));
    let outputs = say(&mut ann, START_MS, &text);
    assert!(
        matches!(&outputs[..], [SessionOutput::Room(_, RoomInput::Need { count: 3, exclude, .. })]
        if *exclude == [id(2)]),
        "{outputs:?}"
    );
}

#[test]
fn a_recipient_that_left_is_told_at_once() {
    let mut ann = joined(1);
    propose(&mut ann, 2, false);
    relay(say(&mut ann, START_MS, &signal(2, 7, "offer", &description("actpass"))));
    let outputs = tell(&mut ann, START_MS, SessionInput::Undelivered(id(2)));
    assert_eq!(counted(&outputs), [Counted::PeerGone]);
    assert!(matches!(&outputs[0], SessionOutput::Send(text) if text.contains("gone")));
    let again = say(&mut ann, START_MS, &signal(2, 8, "offer", &description("actpass")));
    assert_eq!(counted(&again), [Counted::NotProposed]);
}

#[test]
fn a_goodbye_leaves_a_broken_socket_is_away() {
    let mut ann = joined(1);
    let outputs = say(&mut ann, START_MS, "{\"leave\":{}}");
    assert!(matches!(
        &outputs[..],
        [SessionOutput::Room(_, RoomInput::Leave(_)), SessionOutput::Close(Code::Normal, _)]
    ));
    assert_eq!(tell(&mut ann, START_MS, SessionInput::Closed), []);
    let outputs = tell(&mut joined(2), START_MS, SessionInput::Closed);
    assert!(matches!(&outputs[..], [SessionOutput::Room(_, RoomInput::Away(_))]));
}

/// Texts that are almost messages.
fn almost() -> impl Strategy<Value = String> {
    let key =
        prop_oneof!["join", "lanes", "need", "signal", "renew", "leave", "bad", "receipts", "[a-z]{1,9}"];
    let value = prop_oneof![
        Just("{}".to_owned()),
        Just("null".to_owned()),
        Just("{\"wire\":[1,1],\"stream\":\"demo\"}".to_owned()),
        any::<u8>().prop_map(|n| format!("{{\"count\":{n}}}")),
        (0..4_u32, 0..3_u32, "offer|answer|candidate|end|other", "[{}\\[\\]:,a-z0-9\"]{0,40}").prop_map(
            |(peer, dial, kind, data)| format!(
                "{{\"peer\":\"{}\",\"dial\":{dial},\"kind\":\"{kind}\",\"data\":{data}}}",
                id(peer)
            )
        ),
        ".{0,40}",
    ];
    prop_oneof![(key, value).prop_map(|(key, value)| format!("{{\"{key}\":{value}}}")), ".{0,60}"]
}

proptest! {
    #[test]
    fn garbage_never_closes_reaches_a_stranger_or_breaks_the_frame(texts in prop::collection::vec(almost(), 1..50)) {
        let mut ann = joined(1);
        propose(&mut ann, 2, false);
        for text in texts.iter().filter(|text| !text.contains("leave")) {
            for output in say(&mut ann, START_MS, text) {
                match output {
                    SessionOutput::Close(..) => prop_assert!(false, "closed by {text}"),
                    SessionOutput::Deliver { to, relay } => {
                        prop_assert_eq!(to, id(2));
                        prop_assert!(parse_server(&relay.frame).is_ok(), "{}", relay.frame);
                    }
                    SessionOutput::Send(text) => prop_assert!(parse_server(&text).is_ok(), "{}", text),
                    _ => {}
                }
            }
        }
        prop_assert!(ann.peer().is_some());
        prop_assert!(ann.poll_timeout().is_some());
    }
}
