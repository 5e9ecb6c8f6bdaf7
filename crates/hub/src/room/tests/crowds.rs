//! Crowds, hostile and honest: many sockets of a few addresses, and many viewers at once.

use super::*;

const MINUTE_MS: u64 = 60_000;

fn audience(seed: u64, viewers: usize) -> Story {
    let mut story = Story::new(seed);
    (0..viewers).for_each(|_| {
        story.enter(&["v"]);
    });
    story
}

/// How many honest neighbours a newcomer from elsewhere has, at once and after it asked for six more.
fn newcomer(story: &mut Story, hostile: &BTreeSet<PeerId>) -> (usize, usize) {
    let newcomer = story.enter(&["v"]);
    let honest = |story: &Story| story.neighbours(newcomer).difference(hostile).count();
    let first = honest(story);
    story.need(newcomer, 6, story.neighbours(newcomer).into_iter().collect());
    let second = honest(story);
    story.leave(newcomer);
    (first, second)
}

/// So many sockets at each of so many /56s of one /48 ask for all they can get, for some minutes. Returns the fewest
/// honest neighbours that a newcomer then had, at once and after it asked.
fn siege(seed: u64, viewers: usize, addresses: u128, sockets: usize) -> (usize, usize) {
    let mut story = audience(seed, viewers);
    let home = |n: u128| std::net::Ipv6Addr::from_bits(0x2001_0db8 << 96 | n << 72);
    let mut hostile = BTreeSet::new();
    for n in 0..addresses {
        hostile.extend((0..sockets).map(|_| story.enter_at(home(n).into(), &["v"])));
    }
    let mut worst = (usize::MAX, usize::MAX);
    for _ in 0..3 {
        for peer in &hostile {
            story.need(*peer, 12, story.neighbours(*peer).into_iter().take(64).collect());
        }
        story.pass(MINUTE_MS);
        let met = newcomer(&mut story, &hostile);
        worst = (worst.0.min(met.0), worst.1.min(met.1));
    }
    story.check();
    worst
}

#[test]
fn the_sockets_of_one_address_leave_a_newcomer_its_neighbours() {
    for (viewers, sockets) in [(40, 4), (40, 20), (40, 200), (200, 200)] {
        let met = siege(60, viewers, 1, sockets);
        assert!(met.0 >= 3 && met.1 >= 9, "{met:?} of {viewers} viewers beside {sockets} sockets");
    }
}

#[test]
fn nor_do_those_of_many_addresses_rented_together_take_them() {
    for (viewers, addresses, sockets) in [(200, 4, 10), (200, 16, 8), (200, 256, 1)] {
        let met = siege(61, viewers, addresses, sockets);
        assert!(met.0 >= 3 && met.1 >= 6, "{met:?} beside {sockets} sockets at {addresses} addresses");
    }
}

#[test]
fn whoever_fills_small_lanes_does_not_fill_their_viewers() {
    let mut story = Story::new(62);
    let honest: Vec<PeerId> = (0..40).map(|_| story.enter(&["v"])).collect();
    let mut hostile = BTreeSet::new();
    for (n, some) in honest.chunks(5).enumerate() {
        let small = format!("small{n}");
        for peer in some {
            story.tell(RoomInput::Lanes { peer: *peer, add: lanes(&[&small]), drop: Vec::new() });
        }
        hostile.extend((0..8).map(|_| story.enter_at([66, 6, 6, 6].into(), &[&small])));
    }
    let met = newcomer(&mut story, &hostile);
    assert!(met.0 >= 3, "{met:?}");
}

#[test]
fn complaints_about_everybody_silence_nobody() {
    let mut story = Story::new(63);
    let all: Vec<PeerId> = (0..20).map(|_| story.enter(&["v"])).collect();
    for peer in &all {
        let from: Vec<PeerId> = story.neighbours(*peer).into_iter().collect();
        from.into_iter().for_each(|from| story.tell(RoomInput::Bad { from, about: *peer }));
    }
    assert!(all.iter().all(|peer| story.is_demoted(*peer)));
    assert!(newcomer(&mut story, &BTreeSet::new()).0 >= 6);
}

fn distinct(n: u32) -> IpAddr {
    std::net::Ipv4Addr::from(0x1400_0001 + n * 256).into()
}

fn fewest(story: &Story, all: &[PeerId]) -> usize {
    all.iter().map(|peer| story.neighbours(*peer).len()).min().unwrap_or(0)
}

#[test]
fn a_room_whose_viewers_all_reload_is_a_mesh_again() {
    let mut story = Story::new(64);
    let enter = |story: &mut Story| -> Vec<PeerId> {
        (0..500).map(|n| story.enter_at(distinct(n), &["v"])).collect()
    };
    let all = enter(&mut story);
    assert!(fewest(&story, &all) >= 6);
    all.iter().for_each(|peer| story.leave(*peer));
    story.pass(2_000);
    let again = enter(&mut story);
    // The very first find nobody, and are found.
    assert!(fewest(&story, &again) >= 6, "{}", fewest(&story, &again));
    story.check();
}

#[test]
fn a_crowd_behind_one_address_that_reloads_meets_again() {
    for elsewhere in [0, 20, 200] {
        let mut story = audience(65, elsewhere);
        let enter = |story: &mut Story| -> Vec<PeerId> {
            (0..200).map(|_| story.enter_at([9, 9, 9, 9].into(), &["v"])).collect()
        };
        let all = enter(&mut story);
        assert!(fewest(&story, &all) >= 6);
        all.iter().for_each(|peer| story.leave(*peer));
        story.pass(2_000);
        let again = enter(&mut story);
        assert!(fewest(&story, &again) >= 6, "{} beside {elsewhere}", fewest(&story, &again));
    }
}

#[test]
fn what_is_left_of_a_first_helping_is_given_once() {
    let mut story = audience(66, 400);
    let mut learned = BTreeSet::new();
    for _ in 0..50 {
        let raider = story.enter_at([66, 6, 6, 6].into(), &["v"]);
        learned.extend(story.neighbours(raider));
        story.leave(raider);
    }
    assert!(learned.len() <= 24 + 6, "{}", learned.len());
}
