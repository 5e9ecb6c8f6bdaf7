//! One test for each rule that a room keeps beside those of the stories.

use super::*;
use meshedflow_protocol::topology::Topology;

fn ruled(seed: u64, rules: PairingRules) -> Story {
    let mut story = Story::new(seed);
    story.room = Room::new(rules, seed);
    story
}

/// A viewer of which more than the address is known.
fn enter_in(story: &mut Story, asn: Option<u32>, country: Option<&str>) -> PeerId {
    story.next += 1;
    let peer = PeerId::compose(1, 0, story.next, 0, [1; 6]);
    let mut newcomer = story.newcomer(peer, [40, story.next as u8, 1, 1].into(), &["v"]);
    newcomer.place.topology = Topology { asn, country: country.map(str::to_owned), region: None };
    story.tell(RoomInput::Join(newcomer));
    peer
}

#[test]
fn policy_keeps_viewers_within_a_country_or_a_network() {
    let country = PairingRules { same_country_only: true, ..PairingRules::default() };
    let mut story = ruled(51, country);
    let dutch = enter_in(&mut story, None, Some("NL"));
    let also = enter_in(&mut story, None, Some("NL"));
    enter_in(&mut story, None, Some("BE"));
    enter_in(&mut story, None, None);
    enter_in(&mut story, None, None);
    assert_eq!(story.told, 2, "where the country is not known, nobody is met");
    assert_eq!(story.neighbours(dutch), [also].into());
    let asn = PairingRules { same_asn_only: true, ..PairingRules::default() };
    let mut story = ruled(52, asn);
    let one = enter_in(&mut story, Some(1), None);
    enter_in(&mut story, Some(2), None);
    enter_in(&mut story, None, None);
    let same = enter_in(&mut story, Some(1), None);
    assert_eq!((story.told, story.neighbours(one)), (2, [same].into()));
}

#[test]
fn eight_lanes_and_no_more() {
    let mut story = Story::new(53);
    let names: Vec<String> = (0..12).map(|n| format!("lane{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let ann = story.enter(&names);
    story.tell(RoomInput::Lanes { peer: ann, add: lanes(&names), drop: Vec::new() });
    assert_eq!(story.room.lanes.len(), 8);
    let bob = story.enter(&names[8..]);
    assert!(story.neighbours(bob).is_empty());
}

#[test]
fn whoever_is_away_weighs_nothing_and_is_told_nothing() {
    let mut story = Story::new(54);
    let all: Vec<PeerId> = (0..8).map(|_| story.enter(&["v"])).collect();
    story.tell(RoomInput::Away(all[0]));
    story.pass(15_000);
    assert_eq!(story.weights, [(lanes(&["v"]).remove(0), 7.0, 7)], "it grew old while it was away");
    story.tell(RoomInput::Lanes { peer: all[0], add: lanes(&["a"]), drop: Vec::new() });
    assert_eq!(story.room.weights(&lanes(&["a"])).into_iter().next().unwrap().1, 0.0);
    let back = story.newcomer(all[0], [20, 0, 1, 1].into(), &["v"]);
    story.tell(RoomInput::Back(back));
    assert_eq!(story.room.weights(&lanes(&["v"])).into_iter().next().unwrap().1, 8.0);
    all[1..].iter().for_each(|peer| story.leave(*peer));
    assert_eq!(story.room.weights(&lanes(&["v"])).into_iter().next().unwrap().1, 1.0);
}

#[test]
fn a_class_beyond_the_last_is_the_last() {
    let mut story = Story::new(55);
    let mut newcomer = story.newcomer(PeerId([1; 16]), [40, 1, 1, 1].into(), &["v"]);
    newcomer.class = 200;
    story.tell(RoomInput::Join(newcomer));
    story.pass(15_000);
    assert_eq!(story.room.weights(&lanes(&["v"])).into_iter().next().unwrap().1, 2.0);
}

#[test]
fn in_a_large_lane_a_pair_that_failed_waits_as_well() {
    let mut story = Story::new(56);
    let all: Vec<PeerId> = (0..14).map(|_| story.enter(&["v"])).collect();
    let ann = *all.last().unwrap();
    let known = story.neighbours(ann);
    let others: Vec<PeerId> = all.iter().filter(|p| !known.contains(p)).copied().collect();
    let told = story.told;
    story.need(ann, 8, others.clone());
    assert_eq!(story.told, told, "all that are not excluded were proposed a moment ago");
    story.pass(10_000);
    story.need(ann, 8, others);
    assert!(story.told > told);
    let told = story.told;
    story.pass(10_000);
    story.need(ann, 8, all.clone());
    assert_eq!(story.told, told, "nobody is wanted");
}

#[test]
fn partners_are_remembered_up_to_a_bound_and_forgotten_ones_take_no_place() {
    let rules = PairingRules::default();
    let mut story = Story::new(57);
    let peer = story.enter(&["v"]);
    let now_ms = story.now_ms;
    let member = story.room.find_mut(peer).unwrap();
    let home = member.place.household();
    for n in 0..200_u8 {
        member.pair(PeerId([n; 16]), home, &rules, now_ms);
        member.pair(PeerId([n; 16]), home, &rules, now_ms);
    }
    assert_eq!((member.partners.len(), usize::from(member.degree)), (124, 124));
    assert!(member.paired_at(PeerId([75; 16])).is_none() && member.paired_at(PeerId([76; 16])).is_some());
}

#[test]
fn who_is_new_to_a_crowded_room_finds_outsiders_even_so() {
    let mut story = Story::new(58);
    // Everybody has as many neighbours as it should, and half of them are the newcomer's own network.
    for n in 0..60 {
        story.enter_at([50, 50, 50, n].into(), &["v"]);
        story.enter(&["v"]);
    }
    let victim = story.enter_at([50, 50, 50, 200].into(), &["v"]);
    let near: BTreeSet<PeerId> = story.room.by_network[&crate::Place::new([50, 50, 50, 1].into()).network()]
        .iter()
        .filter_map(|slot| Some(story.room.member(*slot)?.peer))
        .collect();
    let outside = story.neighbours(victim).difference(&near).count();
    assert!(outside >= 3, "{outside} of {}", story.neighbours(victim).len());
}
