//! Stories of a room, on a clock and dice of their own.

mod attacks;
mod crowds;
mod returning;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::place::Place;

/// A room, and what its viewers know from its outputs alone.
struct Story {
    room: Room,
    now_ms: u64,
    /// Who was proposed to whom, until told gone.
    known: BTreeMap<PeerId, BTreeMap<PeerId, Proposed>>,
    told: usize,
    refused: usize,
    weights: Vec<(Name, f64, usize)>,
    next: u32,
}

fn lanes(names: &[&str]) -> Vec<Name> {
    names.iter().map(|name| Name::new(*name).unwrap()).collect()
}

impl Story {
    fn new(seed: u64) -> Self {
        let room = Room::new(PairingRules::default(), seed);
        let (known, weights) = (BTreeMap::new(), Vec::new());
        Self { room, now_ms: 1_000_000, known, told: 0, refused: 0, weights, next: 0 }
    }

    fn tell(&mut self, input: RoomInput) {
        self.room.handle_input(self.now_ms, input);
        self.listen();
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.room.handle_timeout(self.now_ms);
        self.listen();
    }

    fn listen(&mut self) {
        while let Some(output) = self.room.poll_output() {
            match output {
                RoomOutput::Propose { to, proposals } => {
                    self.told += proposals.len();
                    self.known.entry(to).or_default().extend(proposals.into_iter().map(|p| (p.peer, p)));
                }
                RoomOutput::Known { to, neighbours } => {
                    let known = self.known.entry(to).or_default();
                    for (peer, together) in neighbours {
                        known.get_mut(&peer).expect("known after a proposal").together = together;
                    }
                }
                RoomOutput::Gone { to, peer } => {
                    self.known.entry(to).or_default().remove(&peer).expect("gone only after a proposal");
                }
                RoomOutput::Weight { to, lane, weight } => self.weights.push((lane, weight, to.len())),
                RoomOutput::Refused { .. } => self.refused += 1,
            }
        }
    }

    /// A viewer with an address of its own.
    fn enter(&mut self, names: &[&str]) -> PeerId {
        let n = self.next;
        self.enter_at(IpAddr::from([20 + (n / 200) as u8, (n % 200) as u8, 1, 1]), names)
    }

    fn enter_at(&mut self, address: IpAddr, names: &[&str]) -> PeerId {
        self.next += 1;
        let peer = PeerId::compose(1, 0, self.next, 0, [(self.next * 37) as u8; 6]);
        let newcomer = self.newcomer(peer, address, names);
        self.tell(RoomInput::Join(newcomer));
        peer
    }

    fn newcomer(&self, peer: PeerId, address: IpAddr, names: &[&str]) -> Box<Newcomer> {
        let (place, lanes) = (Place::new(address), lanes(names));
        Box::new(Newcomer { peer, place, wire: [1, 1], lanes, class: 2, until: None, subject: None })
    }

    fn leave(&mut self, peer: PeerId) {
        self.tell(RoomInput::Leave(peer));
        self.known.remove(&peer);
    }

    fn need(&mut self, peer: PeerId, count: u8, exclude: Vec<PeerId>) {
        self.tell(RoomInput::Need { peer, count, exclude });
    }

    fn is_demoted(&self, peer: PeerId) -> bool {
        self.room.find(peer).unwrap().is_demoted(&self.room.rules, self.now_ms)
    }

    fn neighbours(&self, peer: PeerId) -> BTreeSet<PeerId> {
        self.known.get(&peer).map(|known| known.keys().copied().collect()).unwrap_or_default()
    }

    /// Every pair is known on both sides, with the same lanes and exactly one initiator.
    fn check(&self) {
        for (me, known) in &self.known {
            for (other, proposal) in known {
                let mirror = self.known.get(other).and_then(|known| known.get(me));
                let mirror = mirror.unwrap_or_else(|| panic!("{other} was not told of {me}"));
                assert_ne!(proposal.initiate, mirror.initiate, "one side offers");
                assert_eq!(proposal.lanes.iter().collect::<BTreeSet<_>>(), mirror.lanes.iter().collect());
                assert!(!proposal.lanes.is_empty() && proposal.together == mirror.together);
            }
        }
    }
}

#[test]
fn in_a_small_lane_everyone_meets_everyone() {
    let mut story = Story::new(1);
    let all: Vec<PeerId> = (0..13).map(|_| story.enter(&["v360", "a64"])).collect();
    assert!(all.iter().all(|peer| story.neighbours(*peer).len() == 12));
    assert_eq!(story.told, 13 * 12, "each pair once, to both sides");
    story.check();
}

#[test]
fn a_lane_that_grows_past_a_clique_still_takes_newcomers() {
    let mut story = Story::new(2);
    let all: Vec<PeerId> = (0..60).map(|_| story.enter(&["v"])).collect();
    let degrees: Vec<usize> = all.iter().map(|peer| story.neighbours(*peer).len()).collect();
    assert!(degrees.iter().all(|d| (6..=14).contains(d)), "{degrees:?}");
    assert!(degrees.iter().sum::<usize>() >= 60 * 10, "{degrees:?}");
    story.check();
}

#[test]
fn a_lane_that_shrinks_to_a_clique_becomes_one() {
    let mut story = Story::new(3);
    let all: Vec<PeerId> = (0..30).map(|_| story.enter(&["v"])).collect();
    all[13..].iter().for_each(|peer| story.leave(*peer));
    assert!(all[..13].iter().all(|peer| story.neighbours(*peer).len() == 12));
    story.check();
}

#[test]
fn lanes_and_wire_versions_must_be_shared() {
    let mut story = Story::new(4);
    let (video, audio) = (story.enter(&["v"]), story.enter(&["a"]));
    assert!(story.neighbours(video).is_empty() && story.neighbours(audio).is_empty());
    story.tell(RoomInput::Lanes { peer: audio, add: lanes(&["v"]), drop: lanes(&["a"]) });
    assert_eq!(story.neighbours(video), [audio].into());
    let newcomer = Newcomer {
        peer: PeerId::compose(1, 0, 999, 0, [9; 6]),
        place: Place::new([9, 9, 9, 9].into()),
        wire: [2, 3],
        lanes: lanes(&["v"]),
        class: 2,
        until: None,
        subject: None,
    };
    story.tell(RoomInput::Join(Box::new(newcomer)));
    assert_eq!(story.neighbours(video), [audio].into(), "no common wire version");
}

#[test]
fn two_hundred_viewers_come_and_go_and_both_sides_always_agree() {
    let mut story = Story::new(5);
    let mut chance = crate::chance::Chance::new(6);
    let mut here: Vec<PeerId> = Vec::new();
    for step in 0..2_000 {
        if here.len() < 20 || (here.len() < 200 && chance.below(2) == 0) {
            let names: &[&str] = if chance.below(3) == 0 { &["v216", "a"] } else { &["v360", "a"] };
            here.push(story.enter(names));
        } else {
            let leaver = here.swap_remove(chance.below(here.len()));
            story.leave(leaver);
        }
        if chance.below(4) == 0 {
            let asking = here[chance.below(here.len())];
            let exclude = story.neighbours(asking).into_iter().collect();
            story.need(asking, 2, exclude);
        }
        story.pass(700);
        if step % 20 == 0 {
            story.check();
        }
    }
    story.check();
    while let Some(peer) = here.pop() {
        story.leave(peer);
    }
    assert!(story.room.is_empty() && story.room.lanes.is_empty() && story.room.by_network.is_empty());
    assert!(story.known.values().all(BTreeMap::is_empty));
}

#[test]
fn a_thousand_viewers_are_one_piece() {
    let mut story = Story::new(7);
    let all: Vec<PeerId> = (0..1_000).map(|_| story.enter(&["v"])).collect();
    let (mut seen, mut open) = (BTreeSet::from([all[0]]), vec![all[0]]);
    while let Some(peer) = open.pop() {
        open.extend(story.neighbours(peer).into_iter().filter(|other| seen.insert(*other)));
    }
    assert_eq!(seen.len(), 1_000);
    story.check();
}

#[test]
fn nobody_is_surrounded_by_its_own_network() {
    let mut story = Story::new(8);
    // An attacker rents a whole /24, and is there first; some honest viewers are elsewhere.
    for n in 0..150 {
        story.enter_at([50, 50, 50, n].into(), &["v"]);
    }
    let honest: BTreeSet<PeerId> = (0..30).map(|_| story.enter(&["v"])).collect();
    let victim = story.enter_at([50, 50, 50, 200].into(), &["v"]);
    let outside = story.neighbours(victim).intersection(&honest).count();
    assert!(outside >= 3, "{outside} of {:?}", story.neighbours(victim).len());
}

#[test]
fn one_foreign_address_takes_three_places_at_most() {
    let mut story = Story::new(9);
    for _ in 0..40 {
        story.enter_at([60, 0, 0, 1].into(), &["v"]);
    }
    for _ in 0..4 {
        story.enter(&["v"]);
    }
    let victim = story.enter(&["v"]);
    let crowd = story.known[&victim].values().filter(|p| !p.together).count();
    assert!(crowd <= 3 + 4, "{crowd}");
}

#[test]
fn an_audience_cannot_be_harvested() {
    let mut story = Story::new(10);
    for _ in 0..400 {
        story.enter(&["v"]);
    }
    let thief = story.enter(&["v"]);
    let mut learned = story.neighbours(thief);
    let ask = |story: &mut Story, learned: &mut BTreeSet<PeerId>| {
        let exclude: Vec<PeerId> = learned.iter().rev().take(64).copied().collect();
        story.need(thief, 12, exclude);
        learned.extend(story.neighbours(thief));
    };
    (0..50).for_each(|_| ask(&mut story, &mut learned));
    assert_eq!(learned.len(), 24, "the first minute");
    assert!(story.refused > 0);
    story.pass(60_000);
    (0..50).for_each(|_| ask(&mut story, &mut learned));
    assert_eq!(learned.len(), 30, "six in the second");
    for _ in 0..58 {
        story.pass(60_000);
        (0..5).for_each(|_| ask(&mut story, &mut learned));
    }
    assert!(learned.len() <= 24 + 60, "an hour: {}", learned.len());
}

#[test]
fn a_failed_pair_is_tried_again_in_a_small_lane_but_not_at_once() {
    let mut story = Story::new(11);
    let (ann, bob) = (story.enter(&["v"]), story.enter(&["v"]));
    let told = story.told;
    story.need(ann, 1, Vec::new());
    assert_eq!(story.told, told, "it was proposed a moment ago");
    story.pass(10_000);
    story.need(ann, 1, vec![bob]);
    assert_eq!(story.told, told, "not wanted");
    story.need(ann, 1, Vec::new());
    assert_eq!(story.told, told + 2);
    story.check();
}

#[test]
fn the_blamed_by_three_networks_are_proposed_no_more() {
    let mut story = Story::new(12);
    let all: Vec<PeerId> = (0..30).map(|_| story.enter(&["v"])).collect();
    let bad = all[0];
    let partners: Vec<PeerId> = story.neighbours(bad).into_iter().collect();
    let stranger = *all.iter().find(|p| **p != bad && !partners.contains(p)).unwrap();
    story.tell(RoomInput::Bad { from: stranger, about: bad });
    partners[..2].iter().for_each(|from| story.tell(RoomInput::Bad { from: *from, about: bad }));
    assert!(!story.is_demoted(bad), "a stranger's word does not count");
    story.tell(RoomInput::Bad { from: partners[2], about: bad });
    assert!(story.is_demoted(bad));
    (0..50).for_each(|_| {
        assert!({
            let p = story.enter(&["v"]);
            !story.neighbours(p).contains(&bad)
        })
    });
}

#[test]
fn who_is_away_is_not_proposed_but_comes_back_to_all() {
    let mut story = Story::new(13);
    let (ann, bob) = (story.enter(&["v"]), story.enter(&["v"]));
    story.tell(RoomInput::Away(ann));
    let cora = story.enter(&["v"]);
    assert_eq!(story.neighbours(cora), [bob].into());
    assert!(story.neighbours(bob).contains(&ann), "nobody was told that it is gone");
    let back = story.newcomer(ann, [20, 0, 1, 1].into(), &["v"]);
    story.tell(RoomInput::Back(back));
    assert_eq!(story.neighbours(cora), [ann, bob].into());
    story.check();
}

#[test]
fn weights_count_the_mature_and_are_pushed_when_they_move() {
    let mut story = Story::new(14);
    let all: Vec<PeerId> = (0..20).map(|_| story.enter(&["v"])).collect();
    assert_eq!(story.room.poll_timeout().map(|w| w.reason), Some(WakeupReason::Mature));
    story.pass(14_999);
    assert!(story.weights.is_empty());
    story.pass(1);
    assert_eq!(story.weights, [(lanes(&["v"]).remove(0), 20.0, 20)]);
    all[..4].iter().for_each(|peer| story.leave(*peer));
    story.pass(5_000);
    assert_eq!(story.weights.len(), 1, "a fifth is no news");
    all[4..6].iter().for_each(|peer| story.leave(*peer));
    story.pass(1);
    assert_eq!(story.weights.last(), Some(&(lanes(&["v"]).remove(0), 14.0, 14)));
    all[6..12].iter().for_each(|peer| story.leave(*peer));
    story.pass(1_999);
    assert_eq!(story.weights.len(), 2, "not more often than every 2 s");
    story.pass(1);
    assert_eq!(story.weights.len(), 3);
}

#[test]
fn the_same_seed_and_inputs_give_the_same_mesh() {
    let mesh = |seed| {
        let mut story = Story::new(seed);
        for _ in 0..100 {
            story.enter(&["v"]);
        }
        format!("{:?}", story.known)
    };
    assert_eq!(mesh(3), mesh(3));
    assert_ne!(mesh(3), mesh(4));
}

proptest! {
    #[test]
    fn every_pair_has_exactly_one_initiator(a: [u8; 16], b: [u8; 16]) {
        let (a, b) = (PeerId(a), PeerId(b));
        prop_assume!(a != b);
        prop_assert_ne!(initiates(a, b), initiates(b, a));
    }
}
