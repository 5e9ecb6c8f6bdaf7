//! Attacks on a room: one address or one subject against everybody else.

use super::*;

const MINUTE_MS: u64 = 60_000;

/// An address that is not one of [`Story::enter`]'s.
const HOSTILE: [u8; 4] = [66, 6, 6, 6];

fn audience(seed: u64, viewers: usize, names: &[&str]) -> (Story, Vec<PeerId>) {
    let mut story = Story::new(seed);
    let all = (0..viewers).map(|_| story.enter(names)).collect();
    (story, all)
}

/// Joins, asks three times, leaves: what one socket may do within a second. Returns whom it was told of.
fn raid(story: &mut Story, names: &[&str]) -> BTreeSet<PeerId> {
    let raider = story.enter_at(HOSTILE.into(), names);
    let mut told = story.neighbours(raider);
    for _ in 0..3 {
        story.need(raider, 12, story.neighbours(raider).into_iter().collect());
        told.extend(story.neighbours(raider));
    }
    story.leave(raider);
    told
}

/// How many neighbours a newcomer from elsewhere has, at once and after it asked.
fn newcomer(story: &mut Story) -> (usize, usize) {
    let newcomer = story.enter(&["v"]);
    let first = story.neighbours(newcomer);
    story.need(newcomer, 6, first.iter().copied().collect());
    let second = story.neighbours(newcomer).len();
    story.leave(newcomer);
    (first.len(), second)
}

#[test]
fn whoever_asks_pays_so_ten_minutes_of_joins_cost_others_nothing() {
    let (mut story, _) = audience(21, 400, &["v"]);
    // Not where everybody's minute begins anew.
    story.pass(30_000);
    for minute in 0..10 {
        for _ in 0..150 {
            raid(&mut story, &["v"]);
            story.pass(400);
        }
        assert_eq!(newcomer(&mut story), (6, 12), "in minute {minute} of the attack");
    }
    story.pass(MINUTE_MS);
    assert_eq!(newcomer(&mut story), (6, 12), "after the attack");
    story.check();
}

#[test]
fn an_audience_is_not_enumerated_by_coming_again() {
    let (mut story, _) = audience(22, 400, &["v"]);
    let mut learned = BTreeSet::new();
    (0..100).for_each(|_| learned.extend(raid(&mut story, &["v"])));
    assert!(learned.len() <= 24 + 6, "in its first minute: {}", learned.len());
    for _ in 0..59 {
        story.pass(MINUTE_MS);
        (0..6).for_each(|_| learned.extend(raid(&mut story, &["v"])));
    }
    assert!(learned.len() <= 24 + 60, "in an hour, as one connection: {}", learned.len());
}

#[test]
fn nor_by_being_found_again_and_again() {
    let (mut story, _) = audience(23, 100, &["v"]);
    let mut learned = BTreeSet::new();
    for _ in 0..20 {
        for _ in 0..20 {
            let raider = story.enter_at(HOSTILE.into(), &["v"]);
            (0..3).for_each(|_| {
                story.enter(&["v"]);
            });
            learned.extend(story.neighbours(raider));
            story.leave(raider);
        }
        story.pass(MINUTE_MS);
    }
    assert!(learned.len() <= 24 + 12 + 60, "{}", learned.len());
}

#[test]
fn a_claim_of_having_nobody_is_paid_for_when_it_is_believed() {
    let (mut story, _) = audience(24, 100, &["v"]);
    let liar = story.enter_at(HOSTILE.into(), &["v"]);
    let mut learned = BTreeSet::new();
    for _ in 0..600 {
        story.need(liar, 12, Vec::new());
        story.enter(&["v"]);
        learned.extend(story.neighbours(liar));
        story.pass(1_000);
    }
    assert!(learned.len() <= 24 + 12 + 60, "{}", learned.len());
}

#[test]
fn so_is_one_that_wants_nobody_who_is_here() {
    let (mut story, mut all) = audience(35, 100, &["v"]);
    let liar = story.enter_at(HOSTILE.into(), &["v"]);
    let mut learned = BTreeSet::new();
    for _ in 0..600 {
        story.need(liar, 12, all.clone());
        all.push(story.enter(&["v"]));
        learned.extend(story.neighbours(liar));
        story.pass(1_000);
    }
    assert!(learned.len() <= 24 + 12 + 60, "{}", learned.len());
}

#[test]
fn one_address_takes_three_places_of_anyone_also_where_it_asks() {
    let (mut story, all) = audience(25, 60, &["v"]);
    let crowd: BTreeSet<PeerId> = (0..100).map(|_| story.enter_at(HOSTILE.into(), &["v"])).collect();
    for _ in 0..5 {
        story.pass(MINUTE_MS);
        crowd.iter().for_each(|peer| story.need(*peer, 12, Vec::new()));
    }
    for peer in all {
        let taken = story.neighbours(peer).intersection(&crowd).count();
        assert!(taken <= 3, "{taken}");
    }
    assert_eq!(newcomer(&mut story), (6, 12));
}

#[test]
fn a_crowd_behind_one_address_meets_everyone_it_needs() {
    let (mut story, _) = audience(26, 400, &["v"]);
    for _ in 0..100 {
        let viewer = story.enter_at([9, 9, 9, 9].into(), &["v"]);
        let first = story.neighbours(viewer);
        let strangers = first.iter().filter(|peer| !story.known[&viewer][peer].together).count();
        assert!(first.len() >= 6 && strangers >= 3, "{} of them {strangers} strangers", first.len());
        story.pass(100);
    }
}

#[test]
fn forty_sockets_of_one_address_do_not_learn_forty_times_as_much() {
    let (mut story, all) = audience(27, 1_900, &["v"]);
    let all: BTreeSet<PeerId> = all.into_iter().collect();
    let crowd: Vec<PeerId> = (0..40).map(|_| story.enter_at(HOSTILE.into(), &["v"])).collect();
    let mut learned = BTreeSet::new();
    for _ in 0..15 {
        for peer in &crowd {
            story.need(*peer, 12, story.neighbours(*peer).into_iter().take(64).collect());
            learned.extend(story.neighbours(*peer).intersection(&all).copied());
        }
        story.pass(MINUTE_MS);
    }
    // 8 connections count in full (24 and 60 an hour each), each further one for 6 at first and an eighth later.
    let most = 8 * 24 + 32 * 6 + (8 + 32 / 8) * 60;
    assert!(learned.len() <= most, "{} of {most}", learned.len());
}

#[test]
fn whoever_reloads_a_page_meets_its_neighbours_again() {
    let (mut story, _) = audience(28, 400, &["v"]);
    let mut met = Vec::new();
    for _ in 0..20 {
        let viewer = story.enter_at([9, 9, 9, 9].into(), &["v"]);
        met.push(story.neighbours(viewer).len());
        story.leave(viewer);
        story.pass(20_000);
    }
    assert!(met.iter().all(|n| *n >= 6), "{met:?}");
}

/// A member of eight small lanes of different viewers.
fn eight_lanes() -> (Story, PeerId, [&'static str; 8]) {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut story = Story::new(29);
    for name in names {
        (0..12).for_each(|_| {
            story.enter(&[name]);
        });
    }
    let member = story.enter_at(HOSTILE.into(), &names);
    assert_eq!(story.neighbours(member).len(), 96);
    (story, member, names)
}

#[test]
fn lanes_with_nothing_new_propose_nothing() {
    let (mut story, member, names) = eight_lanes();
    let told = story.told;
    let say = |story: &mut Story, add: &[&str], drop: &[&str]| {
        story.tell(RoomInput::Lanes { peer: member, add: lanes(add), drop: lanes(drop) });
    };
    for _ in 0..20 {
        say(&mut story, &[], &[]);
        say(&mut story, &names, &[]);
        say(&mut story, &names[..3], &names[..3]);
        say(&mut story, &[], &names);
        say(&mut story, &names, &[]);
        story.need(member, 0, Vec::new());
        story.need(member, 12, Vec::new());
    }
    assert_eq!(story.told, told);
}

#[test]
fn the_same_partners_do_not_make_a_member_look_full() {
    let (mut story, member, names) = eight_lanes();
    let degrees = |story: &Story| -> Vec<u8> {
        story.neighbours(member).iter().map(|peer| story.room.find(*peer).unwrap().degree).collect()
    };
    let before = degrees(&story);
    for _ in 0..20 {
        story.pass(10_000);
        story.need(member, 12, Vec::new());
        story.tell(RoomInput::Lanes { peer: member, add: Vec::new(), drop: lanes(&names) });
        story.tell(RoomInput::Lanes { peer: member, add: lanes(&names), drop: Vec::new() });
    }
    assert_eq!(degrees(&story), before);
}

#[test]
fn small_lanes_are_free_once_a_minute_not_at_every_message() {
    let mut story = Story::new(30);
    let names: Vec<String> = (0..64).map(|n| format!("lane{n}")).collect();
    for name in &names {
        (0..12).for_each(|_| {
            story.enter(&[name]);
        });
    }
    let told = story.told;
    let walker = story.enter_at(HOSTILE.into(), &[]);
    for _ in 0..5 {
        for some in names.chunks(8) {
            let some: Vec<&str> = some.iter().map(String::as_str).collect();
            story.tell(RoomInput::Lanes { peer: walker, add: lanes(&some), drop: Vec::new() });
            story.tell(RoomInput::Lanes { peer: walker, add: Vec::new(), drop: lanes(&some) });
        }
    }
    assert!(story.told - told <= 2 * 96, "{}", story.told - told);
}

/// A newcomer with a token's subject.
fn enter_as(story: &mut Story, subject: &str, address: [u8; 4]) -> PeerId {
    story.next += 1;
    let peer = PeerId::compose(1, 0, story.next, 0, [7; 6]);
    let mut newcomer = story.newcomer(peer, address.into(), &["v"]);
    newcomer.subject = Some(crate::Subject::of(subject));
    story.tell(RoomInput::Join(newcomer));
    peer
}

#[test]
fn a_subject_learns_no_more_at_many_addresses() {
    let (mut story, _) = audience(31, 400, &["v"]);
    let mut learned = BTreeSet::new();
    for minute in 0..60_u8 {
        for n in 0..20_u8 {
            let thief = enter_as(&mut story, "thief", [70, minute, n, 1]);
            story.need(thief, 12, Vec::new());
            learned.extend(story.neighbours(thief));
            story.leave(thief);
        }
        story.pass(MINUTE_MS);
    }
    assert!(learned.len() <= 24 + 60, "{}", learned.len());
    let honest = enter_as(&mut story, "ann", [80, 1, 1, 1]);
    story.need(honest, 6, story.neighbours(honest).into_iter().collect());
    assert_eq!(story.neighbours(honest).len(), 12);
}

#[test]
fn nor_does_a_household_with_many_subjects() {
    let (mut story, _) = audience(32, 400, &["v"]);
    let mut learned = BTreeSet::new();
    for n in 0..600 {
        let thief = enter_as(&mut story, &format!("thief{n}"), HOSTILE);
        story.need(thief, 12, Vec::new());
        learned.extend(story.neighbours(thief));
        story.leave(thief);
        story.pass(6_000);
    }
    assert!(learned.len() <= 24 + 60, "{}", learned.len());
}

#[test]
fn buckets_of_a_stream_keep_one_ledger() {
    let ledger = std::sync::Arc::new(crate::Ledger::default());
    let mut learned = 0;
    for bucket in 0..10 {
        let (mut story, _) = audience(33, 0, &["v"]);
        story.room = Room::sharing(ledger.clone(), PairingRules::default(), bucket);
        story.next = 1_000 * bucket as u32;
        (0..100).for_each(|_| {
            story.enter(&["v"]);
        });
        learned += raid(&mut story, &["v"]).len();
    }
    assert!(learned <= 24 + 6, "{learned}");
}

#[test]
fn going_away_and_coming_back_does_not_renew_a_budget() {
    let (mut story, _) = audience(34, 400, &["v"]);
    let thief = story.enter_at(HOSTILE.into(), &["v"]);
    let mut learned = BTreeSet::new();
    for n in 0..200_u8 {
        story.need(thief, 12, Vec::new());
        learned.extend(story.neighbours(thief));
        story.tell(RoomInput::Away(thief));
        let back = story.newcomer(thief, [66, n, 6, 6].into(), &["v"]);
        story.tell(RoomInput::Back(back));
        story.pass(250);
    }
    assert!(learned.len() <= 24 + 12, "{}", learned.len());
}
