//! One test for each rule that a session keeps by itself.

use super::*;

fn srflx(address: &str) -> String {
    candidate(address).replace("\"host\"", "\"srflx\"")
}

/// A session at `address` that was proposed neighbour 2 and has offered it dial 7.
fn dialling(address: [u8; 4]) -> Session {
    let mut ann = Session::new(Arc::new(Limits::default()), address.into(), START_MS);
    let join = "{\"join\":{\"wire\":[1,1],\"stream\":\"demo\",\"lanes\":[\"v\"]}}";
    let Some(SessionOutput::Admit(join)) = say(&mut ann, START_MS, join).pop() else { panic!() };
    tell(&mut ann, START_MS, SessionInput::Admitted(admission(join, 1, None)));
    propose(&mut ann, 2, false);
    relay(say(&mut ann, START_MS, &signal(2, 7, "offer", &description("actpass"))));
    ann
}

fn says(session: &mut Session, data: &str) -> bool {
    let outputs = say(session, START_MS, &signal(2, 7, "candidate", data));
    matches!(outputs[..], [SessionOutput::Deliver { .. }])
}

#[test]
fn a_reflexive_candidate_is_the_address_that_the_edge_sees() {
    let mut ann = dialling([203, 0, 113, 7]);
    assert!(!says(&mut ann, &srflx("198.51.100.9")), "an address that is not hers");
    assert!(says(&mut ann, &srflx("203.0.113.7")));
    assert!(says(&mut ann, &srflx("198.51.100.9")), "a second way out, beside the one that is seen");
    assert!(!says(&mut ann, &srflx("198.51.100.10")), "no third");
    let mut inside = dialling([10, 0, 0, 7]);
    assert!(says(&mut inside, &srflx("198.51.100.9")), "an edge inside cannot know the address outside");
}

#[test]
fn strangers_are_not_at_home_with_each_other() {
    let mut bob = joined(2);
    let offered = Relay {
        from: id(1),
        dial: 7,
        kind: RelayKind::Offer(OfferGrant { until_ms: START_MS + 30_000 }),
        frame: "{}".into(),
    };
    tell(&mut bob, START_MS, SessionInput::Relayed(offered));
    let outputs = say(&mut bob, START_MS, &signal(1, 7, "candidate", &candidate("192.168.1.5")));
    assert_eq!(
        counted(&outputs),
        [Counted::CandidateRefused],
        "never proposed to him, so not together either"
    );
}

#[test]
fn candidates_may_follow_an_answer_as_long_as_an_answer_an_offer() {
    let mut bob = joined(2);
    let grant = OfferGrant { until_ms: START_MS + 30_000 };
    let offered = Relay { from: id(1), dial: 7, kind: RelayKind::Offer(grant), frame: "{}".into() };
    tell(&mut bob, START_MS, SessionInput::Relayed(offered));
    relay(say(&mut bob, START_MS + 29_000, &signal(1, 7, "answer", &description("active"))));
    let public = signal(1, 7, "candidate", &candidate("198.51.100.1"));
    relay(say(&mut bob, START_MS + 58_999, &public));
    assert_eq!(counted(&say(&mut bob, START_MS + 59_000, &public)), [Counted::NoOffer]);
}

#[test]
fn descriptions_are_read_before_they_are_passed_on() {
    let mut ann = joined(1);
    propose(&mut ann, 2, false);
    for (good, bad) in
        [("\"abcd\"", "\"a\\r\\nb\""), ("\"AB:", "\"XY:"), ("\"actpass\"", "\"holdconn\""), ("5000", "0")]
    {
        let data = description("actpass").replacen(good, bad, 1);
        let outputs = say(&mut ann, START_MS, &signal(2, 7, "offer", &data));
        assert_eq!(counted(&outputs), [Counted::DescriptionRefused], "{bad}");
    }
    // What was refused opened nothing.
    let outputs = say(&mut ann, START_MS, &signal(2, 7, "candidate", &candidate("198.51.100.1")));
    assert_eq!(counted(&outputs), [Counted::NoOffer]);
}

#[test]
fn an_answer_to_nothing_is_not_passed_on() {
    let mut ann = joined(1);
    let stray = Relay { from: id(2), dial: 7, kind: RelayKind::Answer, frame: "{}".into() };
    assert_eq!(
        tell(&mut ann, START_MS, SessionInput::Relayed(stray)),
        [SessionOutput::Count(Counted::NoOffer)]
    );
}

#[test]
fn whoever_left_is_neither_known_nor_dialled() {
    let mut ann = dialling([203, 0, 113, 7]);
    tell(&mut ann, START_MS, SessionInput::Gone(id(2)));
    let offer = signal(2, 8, "offer", &description("actpass"));
    assert_eq!(counted(&say(&mut ann, START_MS, &offer)), [Counted::NotProposed]);
    assert!(!says(&mut ann, &candidate("198.51.100.1")));
    assert_eq!(ann.dials.len(), 0);
}

#[test]
fn of_too_many_neighbours_the_first_are_forgotten() {
    let mut ann = joined(1);
    let most = Limits::default().known as u32;
    (2..3 + most).for_each(|peer| propose(&mut ann, peer, false));
    let offer = |to| signal(to, 1, "offer", &description("actpass"));
    assert_eq!(counted(&say(&mut ann, START_MS, &offer(2))), [Counted::NotProposed]);
    relay(say(&mut ann, START_MS, &offer(3)));
}

#[test]
fn a_resumed_viewer_comes_back_and_a_new_one_joins() {
    for resumed in [false, true] {
        let mut ann = session();
        let join = "{\"join\":{\"wire\":[1,1],\"stream\":\"demo\",\"lanes\":[\"v\"],\"class\":1}}";
        let Some(SessionOutput::Admit(join)) = say(&mut ann, START_MS, join).pop() else { panic!() };
        let subject = Some(crate::Subject::of("ann"));
        let admission = Admission { resumed, subject, ..*admission(join, 1, Some(9)) };
        let outputs = tell(&mut ann, START_MS, SessionInput::Admitted(Box::new(admission)));
        let newcomer = match outputs.last() {
            Some(SessionOutput::Room(_, RoomInput::Join(newcomer))) if !resumed => newcomer,
            Some(SessionOutput::Room(_, RoomInput::Back(newcomer))) if resumed => newcomer,
            other => panic!("{other:?}"),
        };
        assert_eq!((newcomer.peer, newcomer.class, newcomer.until), (id(1), 1, Some(9)));
        assert_eq!((newcomer.subject, newcomer.place.address), (subject, [203, 0, 113, 7].into()));
    }
}

#[test]
fn wire_versions_make_sense_and_overlap() {
    for (wire, taken) in
        [("[1,1]", true), ("[1,9]", true), ("[0,0]", false), ("[2,1]", false), ("[2,9]", false)]
    {
        let mut session = session();
        let join = format!("{{\"join\":{{\"wire\":{wire},\"stream\":\"demo\"}}}}");
        let outputs = say(&mut session, START_MS, &join);
        assert_eq!(matches!(outputs[..], [SessionOutput::Admit(_)]), taken, "{wire}: {outputs:?}");
    }
}

#[test]
fn a_refused_renewal_closes_nothing_before_the_old_token_ends() {
    let mut ann = joined_until(1, Some(START_MS / 1_000 + 30));
    let denial = Denial { code: ErrorCode::Unauthorized, message: "no".into(), retry_after_ms: None };
    let outputs = tell(&mut ann, START_MS, SessionInput::Denied(denial));
    assert!(matches!(&outputs[..], [SessionOutput::Send(_)]), "{outputs:?}");
    assert!(ann.peer().is_some());
}

#[test]
fn words_are_signs_of_life() {
    let mut ann = joined(1);
    say(&mut ann, START_MS + 59_000, "{\"need\":{\"count\":1}}");
    ann.handle_timeout(START_MS + 60_000);
    assert!(!outputs(&mut ann).iter().any(|o| matches!(o, SessionOutput::Close(..))));
}

#[test]
fn salts_come_spread_over_a_quarter_of_the_minute_at_most() {
    let mut ann = session();
    let join = "{\"join\":{\"wire\":[1,1],\"stream\":\"demo\"}}";
    let Some(SessionOutput::Admit(join)) = say(&mut ann, START_MS, join).pop() else { panic!() };
    let late = Admission { salt_delay_ms: 59_000, ..*admission(join, 1, None) };
    tell(&mut ann, START_MS, SessionInput::Admitted(Box::new(late)));
    let due = core::iter::from_fn(|| {
        let wakeup = ann.poll_timeout()?;
        ann.handle_input(wakeup.at_ms, SessionInput::Alive);
        ann.handle_timeout(wakeup.at_ms);
        Some(wakeup)
    });
    let salt = due.into_iter().find(|wakeup| wakeup.reason == WakeupReason::Salt).unwrap();
    assert_eq!(salt.at_ms % 60_000, 15_000);
}
