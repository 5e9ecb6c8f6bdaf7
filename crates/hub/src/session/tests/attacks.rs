//! Attacks on a session: by its own viewer, and by neighbours of that viewer.

use super::*;
use meshedflow_protocol::signal::{CLIENT_LIMIT_BYTES, DESCRIPTION_LIMIT_BYTES};

fn offer(to: u32, dial: u32) -> String {
    signal(to, dial, "offer", &description("actpass"))
}

fn answer(to: u32, dial: u32) -> String {
    signal(to, dial, "answer", &description("active"))
}

/// Those relays among the outputs of `from` that `to`'s viewer is told.
fn pass(outputs: Vec<SessionOutput>, to: &mut Session, now_ms: u64) -> usize {
    let relayed = outputs.into_iter().filter_map(|output| match output {
        SessionOutput::Deliver { relay, .. } => Some(relay),
        _ => None,
    });
    let told = |relay| tell(to, now_ms, SessionInput::Relayed(relay)).into_iter();
    relayed.flat_map(told).filter(|output| matches!(output, SessionOutput::Send(_))).count()
}

#[test]
fn forty_eight_offers_of_one_neighbour_push_nobody_elses_dial_out() {
    let (mut ann, mut bob, mut mallory) = (joined(1), joined(2), joined(3));
    propose(&mut ann, 2, false);
    propose(&mut mallory, 1, false);
    propose(&mut bob, 1, false);
    // Ann dials Bob, and Bob dials Ann.
    let to_bob = say(&mut ann, START_MS, &offer(2, 7));
    assert_eq!(pass(to_bob, &mut bob, START_MS), 1);
    let to_ann = say(&mut bob, START_MS, &offer(1, 9));
    assert_eq!(pass(to_ann, &mut ann, START_MS), 1);
    let hostile: usize = (0..48)
        .map(|dial| {
            let outputs = say(&mut mallory, START_MS + 10, &offer(1, dial));
            pass(outputs, &mut ann, START_MS + 10)
        })
        .sum();
    assert_eq!(hostile, 3, "a new number is no way around the rate");
    let from_bob = say(&mut bob, START_MS + 50, &answer(1, 7));
    assert_eq!(pass(from_bob, &mut ann, START_MS + 50), 1, "the honest answer arrives");
    let from_ann = say(&mut ann, START_MS + 50, &answer(2, 9));
    assert_eq!(pass(from_ann, &mut bob, START_MS + 50), 1, "and so does the victim's own");
}

#[test]
fn a_new_session_of_the_sender_does_not_make_its_offers_fewer() {
    let mut ann = joined(1);
    let offers: usize = (0..16)
        .map(|round| {
            let mut mallory = joined(3);
            propose(&mut mallory, 1, false);
            let outputs = (0..3).flat_map(|n| say(&mut mallory, START_MS, &offer(1, 3 * round + n)));
            let outputs = outputs.collect();
            pass(outputs, &mut ann, START_MS)
        })
        .sum();
    assert_eq!(offers, 3);
}

#[test]
fn a_crowd_of_neighbours_that_all_dial_leaves_everyone_one_dial() {
    let mut ann = joined(1);
    let limits = Limits::default();
    let crowd = 3_u32..3 + limits.known as u32 - 1;
    propose(&mut ann, 2, false);
    assert!(matches!(say(&mut ann, START_MS, &offer(2, 7))[..], [SessionOutput::Deliver { .. }]));
    for peer in crowd {
        let mut mallory = joined(peer);
        propose(&mut mallory, 1, false);
        for dial in 0..3 {
            let outputs = say(&mut mallory, START_MS, &offer(1, dial));
            pass(outputs, &mut ann, START_MS);
        }
    }
    assert!(ann.dials.len() <= limits.dials, "{}", ann.dials.len());
    let mut bob = joined(2);
    tell(
        &mut bob,
        START_MS,
        SessionInput::Relayed(relay({
            let mut ann = joined(1);
            propose(&mut ann, 2, false);
            say(&mut ann, START_MS, &offer(2, 7))
        })),
    );
    let from_bob = say(&mut bob, START_MS + 50, &answer(1, 7));
    assert_eq!(pass(from_bob, &mut ann, START_MS + 50), 1);
}

#[test]
fn descriptions_and_candidates_are_no_longer_than_they_need_be() {
    let mut ann = joined(1);
    propose(&mut ann, 2, false);
    let padded = |data: &str, to: usize| {
        let more = to - data.len() - ",\"more\":\"\"".len();
        data.replacen('{', &format!("{{\"more\":\"{}\",", "x".repeat(more)), 1)
    };
    let plain = description("actpass");
    let refusals = |outputs: &[SessionOutput]| {
        let refused =
            |o: &SessionOutput| matches!(o, SessionOutput::Send(t) if t.contains("expected at most"));
        (counted(outputs), outputs.iter().any(refused))
    };
    let long = padded(&plain, DESCRIPTION_LIMIT_BYTES + 1);
    let outputs = say(&mut ann, START_MS, &signal(2, 7, "offer", &long));
    assert_eq!(refusals(&outputs), (vec![Counted::DescriptionRefused], true));
    let fits = padded(&plain, DESCRIPTION_LIMIT_BYTES);
    assert!(relay(say(&mut ann, START_MS, &signal(2, 7, "offer", &fits))).frame.len() < 1_200);
    for (kind, data) in
        [("candidate", padded(&candidate("198.51.100.1"), 513)), ("end", padded("{\"a\":1}", 513))]
    {
        let outputs = say(&mut ann, START_MS, &signal(2, 7, kind, &data));
        assert_eq!(refusals(&outputs), (vec![Counted::CandidateRefused], true), "{kind}");
    }
}

#[test]
fn an_end_is_said_twice_at_most() {
    let mut ann = joined(1);
    propose(&mut ann, 2, false);
    say(&mut ann, START_MS, &offer(2, 7));
    let passed = (0..40).filter(|_| {
        let outputs = say(&mut ann, START_MS, &signal(2, 7, "end", "null"));
        matches!(outputs[..], [SessionOutput::Deliver { .. }])
    });
    assert_eq!(passed.count(), 2);
}

/// Messages that are as long as messages may be and wrong in every way.
fn nonsense() -> Vec<String> {
    let fillings = ["\u{7f}", "\\u0001", "\\\\", "\\\"", "\u{1f600}", "\u{80}", "[", "{\"a\":", "9"];
    let shapes: [(&str, &str); 12] = [
        ("{\"need\":{\"count\":\"", "\"}}"),
        ("{\"need\":\"", "\"}"),
        ("{\"", "\":1}"),
        ("{\"need\":{\"count\":1,\"exclude\":[\"", "\"]}}"),
        ("{\"lanes\":{\"add\":[\"", "\"]}}"),
        ("{\"signal\":{\"peer\":\"", "\",\"dial\":1,\"kind\":\"offer\"}}"),
        ("{\"signal\":{\"peer\":\"00000000000000000000000000000000\",\"dial\":1,\"kind\":\"", "\"}}"),
        ("{\"bad\":{\"peer\":\"x\",\"reason\":\"", "\"}}"),
        ("{\"renew\":{\"token\":", "}}"),
        ("{\"report\":", "}"),
        ("", ""),
        ("\"", "\""),
    ];
    let message = |(head, tail): (&str, &str), filling: &str| {
        let room = CLIENT_LIMIT_BYTES - head.len() - tail.len();
        format!("{head}{}{tail}", filling.repeat(room / filling.len()))
    };
    shapes.iter().flat_map(|shape| fillings.map(|filling| message(*shape, filling))).collect()
}

#[test]
fn no_answer_grows_with_the_message() {
    let longest = |session: fn() -> Session| {
        let texts = nonsense().into_iter().chain(["x".repeat(CLIENT_LIMIT_BYTES + 1)]);
        let answers = texts.flat_map(|text| say(&mut session(), START_MS, &text));
        let length =
            |o: SessionOutput| if let SessionOutput::Send(text) = o { Some(text.len()) } else { None };
        let lengths: Vec<usize> = answers.filter_map(length).collect();
        assert!(lengths.len() > 50);
        lengths.into_iter().max().unwrap()
    };
    assert!(longest(|| joined(1)) <= 512, "a member: {}", longest(|| joined(1)));
    assert!(longest(session) <= 512, "before the join: {}", longest(session));
}

#[test]
fn a_denial_is_cut_too() {
    let mut session = session();
    say(&mut session, START_MS, "{\"join\":{\"wire\":[1,1],\"stream\":\"demo\"}}");
    let message = "\u{1}\"".repeat(5_000);
    let denial = Denial { code: ErrorCode::RateLimited, message, retry_after_ms: Some(7) };
    let outputs = tell(&mut session, START_MS, SessionInput::Denied(denial));
    let [SessionOutput::Send(text), SessionOutput::Close(Code::TryAgainLater, _)] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert!(text.len() <= 512 && text.contains("\"retryAfterMs\":7"), "{text}");
}

#[test]
fn a_flood_is_answered_as_often_as_messages_are_allowed() {
    let mut ann = joined(1);
    let mut answers = 0;
    for ms in 0..5_000 {
        let outputs = say(&mut ann, START_MS + ms, "{\"need\":7}");
        answers += outputs.iter().filter(|o| matches!(o, SessionOutput::Send(_))).count();
    }
    // The burst, 20 a second, and a word a second about the rate.
    assert!(answers <= 59 + 5 * 20 + 5, "{answers}");
}

#[test]
fn a_resumed_session_knows_whom_it_knew_and_from_where() {
    let mut ann = joined(1);
    tell(&mut ann, START_MS, SessionInput::Known(vec![(id(2), true), (id(3), false)]));
    let private = candidate("192.168.1.5");
    relay(say(&mut ann, START_MS, &offer(2, 7)));
    relay(say(&mut ann, START_MS, &offer(3, 8)));
    relay(say(&mut ann, START_MS, &signal(2, 7, "candidate", &private)));
    let outputs = say(&mut ann, START_MS, &signal(3, 8, "candidate", &private));
    assert_eq!(counted(&outputs), [Counted::CandidateRefused]);
    // The neighbour moved to another address.
    tell(&mut ann, START_MS, SessionInput::Known(vec![(id(2), false)]));
    let outputs = say(&mut ann, START_MS, &signal(2, 7, "candidate", &private));
    assert_eq!(counted(&outputs), [Counted::CandidateRefused]);
}

#[test]
fn more_proposals_than_fit_a_message_come_in_several() {
    let mut ann = joined(1);
    let proposed =
        |n| Proposed { peer: id(n), lanes: Vec::new(), initiate: true, until: None, together: false };
    let outputs = tell(&mut ann, START_MS, SessionInput::Proposed((2..98).map(proposed).collect()));
    let count = |output: &SessionOutput| match output {
        SessionOutput::Send(text) => match parse_server(text) {
            Ok(Parsed::Known(ServerMessage::Peers(proposals))) => proposals.0.len(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    assert_eq!(outputs.iter().map(count).collect::<Vec<_>>(), [64, 32]);
}
