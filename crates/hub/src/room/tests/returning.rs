//! Coming back under one's old id, and complaints that come to an end.

use super::*;

const HOME: [u8; 4] = [9, 9, 9, 9];

#[test]
fn whoever_comes_back_elsewhere_is_together_with_nobody_it_left() {
    let mut story = Story::new(41);
    let (ann, bob) = (story.enter_at(HOME.into(), &["v"]), story.enter_at(HOME.into(), &["v"]));
    let cora = story.enter_at([8, 8, 8, 8].into(), &["v"]);
    assert!(story.known[&ann][&bob].together && story.known[&bob][&ann].together);
    story.tell(RoomInput::Away(ann));
    let back = story.newcomer(ann, [8, 8, 8, 8].into(), &["v"]);
    story.tell(RoomInput::Back(back));
    assert!(!story.known[&ann][&bob].together && !story.known[&bob][&ann].together);
    assert!(story.known[&ann][&cora].together && story.known[&cora][&ann].together);
    story.check();
    let network = crate::Place::new(HOME.into()).network();
    assert_eq!(story.room.by_network[&network].len(), 1, "the index of networks knows where it is");
}

#[test]
fn a_new_session_is_told_all_old_neighbours() {
    let mut story = Story::new(42);
    let all: Vec<PeerId> = (0..10).map(|_| story.enter(&["v"])).collect();
    story.room.handle_input(story.now_ms, RoomInput::Away(all[0]));
    let back = story.newcomer(all[0], [20, 0, 1, 1].into(), &["v"]);
    story.room.handle_input(story.now_ms, RoomInput::Back(back));
    let outputs: Vec<RoomOutput> = core::iter::from_fn(|| story.room.poll_output()).collect();
    let [RoomOutput::Known { to, neighbours }] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!((*to, neighbours.len()), (all[0], 9));
    assert!(all[1..].iter().all(|peer| neighbours.contains(&(*peer, false))));
}

#[test]
fn what_a_viewer_says_when_it_comes_back_is_what_counts() {
    let mut story = Story::new(43);
    let ann = story.enter(&["v360", "a"]);
    story.pass(15_000);
    let watchers: Vec<PeerId> = (0..3).map(|_| story.enter(&["v720"])).collect();
    story.tell(RoomInput::Away(ann));
    let mut back = story.newcomer(ann, HOME.into(), &["v720", "a"]);
    (back.class, back.until, back.wire) = (3, Some(99), [1, 1]);
    story.tell(RoomInput::Back(back));
    assert!(watchers.iter().all(|peer| story.neighbours(*peer).contains(&ann)), "it is in its new lane");
    assert!(watchers.iter().all(|peer| story.known[peer][&ann].until == Some(99)));
    assert!(!story.room.lanes.contains_key(&lanes(&["v360"])[0]), "and not in the one it left");
    let weights = story.room.weights(&lanes(&["v720", "a"]));
    assert_eq!(
        weights.into_iter().map(|(_, weight)| weight).collect::<Vec<_>>(),
        [2.0, 2.0],
        "by its new class"
    );
    story.leave(ann);
    assert!(story.room.weights(&lanes(&["a"])).into_iter().all(|(_, weight)| weight == 0.0));
}

#[test]
fn an_address_weighs_by_where_its_viewers_are_now() {
    let mut story = Story::new(44);
    let all: Vec<PeerId> = (0..6).map(|_| story.enter_at(HOME.into(), &["v"])).collect();
    story.pass(15_000);
    let weight = |story: &Story| story.room.weights(&lanes(&["v"])).into_iter().next().unwrap().1;
    assert_eq!(weight(&story), 4.0, "four of one address");
    for (n, peer) in all[..3].iter().enumerate() {
        story.tell(RoomInput::Away(*peer));
        let back = story.newcomer(*peer, [30 + n as u8, 1, 1, 1].into(), &["v"]);
        story.tell(RoomInput::Back(back));
    }
    assert_eq!(weight(&story), 6.0);
}

/// A viewer that three neighbours in three networks complain about.
fn blamed() -> (Story, PeerId, Vec<PeerId>) {
    let mut story = Story::new(45);
    let all: Vec<PeerId> = (0..20).map(|_| story.enter(&["v"])).collect();
    let victim = all[0];
    let partners: Vec<PeerId> = story.neighbours(victim).into_iter().collect();
    partners[..3].iter().for_each(|from| story.tell(RoomInput::Bad { from: *from, about: victim }));
    assert!(story.is_demoted(victim));
    (story, victim, partners)
}

#[test]
fn complaints_end_after_ten_minutes() {
    let (mut story, victim, partners) = blamed();
    partners[3..].iter().for_each(|peer| story.leave(*peer));
    story.pass(599_999);
    assert!(story.is_demoted(victim));
    story.pass(1);
    assert!(!story.is_demoted(victim));
    let met = (0..20).filter(|_| {
        let newcomer = story.enter(&["v"]);
        story.neighbours(newcomer).contains(&victim)
    });
    assert!(met.count() > 0, "and it is proposed again");
}

#[test]
fn a_complaint_counts_once_and_the_two_do_not_meet_again() {
    let (mut story, victim, partners) = blamed();
    for _ in 0..60 {
        story.pass(20_000);
        for from in &partners[..3] {
            story.tell(RoomInput::Bad { from: *from, about: victim });
            story.need(*from, 12, Vec::new());
        }
    }
    assert!(!story.is_demoted(victim), "the same three cannot keep it up");
}

#[test]
fn three_of_many_partners_silence_nobody() {
    let mut story = Story::new(46);
    let victim = story.enter(&["a", "b"]);
    let partners: Vec<PeerId> = (0..24).map(|n| story.enter(&[if n < 12 { "a" } else { "b" }])).collect();
    assert_eq!(story.neighbours(victim).len(), 24);
    partners[..3].iter().for_each(|from| story.tell(RoomInput::Bad { from: *from, about: victim }));
    assert!(!story.is_demoted(victim), "three of 24");
    partners[3..5].iter().for_each(|from| story.tell(RoomInput::Bad { from: *from, about: victim }));
    assert!(story.is_demoted(victim), "five of 24");
}

#[test]
fn three_complaints_of_one_network_are_one() {
    let mut story = Story::new(47);
    let victim = story.enter(&["v"]);
    let neighbours: Vec<PeerId> = (1..9).map(|n| story.enter_at([50, 50, 50, n].into(), &["v"])).collect();
    neighbours.iter().for_each(|from| story.tell(RoomInput::Bad { from: *from, about: victim }));
    assert!(!story.is_demoted(victim));
}
