//! Neighbours through all that a session brings: more renditions than a frame can number, edges that give new ids, tabs
//! out of sight.

#![allow(clippy::indexing_slicing, reason = "numbers below the length of what they index")]

use meshedflow_sim::{Act, Link, Outcome, Person, Plan, Report, Setup, Stream, World, play};

fn arrivals(n: u64) -> Vec<u64> {
    (0..n).map(|v| v * 700).collect()
}

fn unharmed(world: &World) {
    for (v, r) in world.reports().iter().enumerate() {
        let harm = (r.corrupt, r.failed, r.stalls, r.takeovers);
        assert_eq!(harm, (0, 0, 0, 0), "viewer {v}: corrupt, failed, stalls, takeovers: {r:?}");
    }
}

/// All have all others for neighbours, over the connections that they made at first.
fn acquainted(world: &World) {
    let others = world.reports().len() as u32 - 1;
    for (v, r) in world.reports().iter().enumerate() {
        let (peers, made) = (r.stats.as_ref().map(|s| s.peers), r.connections);
        assert_eq!(
            (peers, made),
            (Some(others), others),
            "viewer {v}: neighbours, and connections it ever made"
        );
        assert!(!r.warnings.contains(&"peer-closed"), "viewer {v} closed a neighbour for cause");
    }
}

fn elections(world: &World) -> Vec<u32> {
    world.reports().iter().map(|r: &Report| r.stats.as_ref().map_or(0, |s| s.elections)).collect()
}

/// An edge that restarts gives everybody another id, while the channels stay.
#[test]
fn who_gets_another_id_stays_one_viewer() {
    for (n, seed) in [(2, 1), (5, 2), (9, 3)] {
        let mut world = World::after(Setup { arrivals_ms: arrivals(n), seed, ..Setup::default() }, 30_000);
        for _ in 0..2 {
            world.set_edge(false);
            world.run_ms(2_000);
            world.set_edge(true);
            world.run_ms(90_000);
            let since = world.newest();
            world.run_ms(60_000);
            unharmed(&world);
            acquainted(&world);
            let warm = world.mean_copies(since);
            assert!(warm <= 1.05, "{n} viewers: {warm:.3} copies of a segment under new ids");
        }
    }
}

/// Its socket alone breaks, for too long to resume: the others are known by their ids as before.
#[test]
fn one_viewer_that_gets_another_id_stays_one_viewer() {
    let mut world = World::after(Setup { arrivals_ms: arrivals(5), ..Setup::default() }, 30_000);
    for v in [0, 3, 0] {
        world.expire_socket(v);
        world.run_ms(40_000);
    }
    let since = world.newest();
    world.run_ms(60_000);
    unharmed(&world);
    acquainted(&world);
    let warm = world.mean_copies(since);
    assert!(warm <= 1.05, "{warm:.3} copies of a segment once two have new ids");
}

/// They are class 1: a quarter of the lots of others, for their timers come late.
#[test]
fn hidden_tabs_are_seldom_elected() {
    let mut world = World::new(Setup { arrivals_ms: arrivals(4), ..Setup::default() });
    world.run_ms(12_000);
    [0, 2].into_iter().for_each(|v| world.hide(v));
    let before = elections(&world);
    world.run_ms(240_000);
    unharmed(&world);
    let each: Vec<u32> = elections(&world).iter().zip(before).map(|(n, before)| n - before).collect();
    let (hidden, seen) = (each[0] + each[2], each[1] + each[3]);
    assert!(hidden * 2 < seen, "hidden tabs fetched {hidden} times, those in sight {seen} times");
    assert!(hidden > 0, "they are reluctant, not excused");
}

const RUNGS: usize = 10;
/// Origin copies where five or six share. It is more than one: after a change of rendition a loader alone knows so
/// little of what its player has that it takes the head of a segment from the origin.
const SHARED: f64 = 2.0;
const TARGET_MS: u64 = 2_000;

/// A ladder of ten, and audio.
fn ladder(viewers: u64, seconds: u64, acts: impl Fn(u64) -> Vec<(u64, Act)>) -> Plan {
    let link = Link { up_bytes_per_s: 2_500_000, down_bytes_per_s: 6_250_000, latency_us: 15_000 };
    let person = |v| Person { acts: acts(v), ..Person::usual(1 + v * 400, link) };
    Plan {
        seed: 5,
        seconds,
        warm_ms: 20_000,
        meshed: true,
        stream: Stream {
            live: true,
            target_ms: TARGET_MS,
            recorded: 0,
            behind: 4,
            rungs_bps: (0..RUNGS as u32).map(|rung| 300_000 + rung * 60_000).collect(),
            audio_bps: 64_000,
            mode: "serve",
            ttfb_ms: 40,
            origin_bytes_per_s: None,
        },
        people: (0..viewers).map(person).collect(),
        changes: Vec::new(),
    }
}

fn sound(outcome: &Outcome) {
    assert_eq!(outcome.faults, Vec::<String>::new());
    let others = outcome.people.len() as u32 - 1;
    for (v, p) in outcome.people.iter().enumerate() {
        assert_eq!((p.corrupt, p.failed, p.stalls), (0, 0, 0), "viewer {v}: {p:?}");
        assert!(!p.accuses, "viewer {v} closed a neighbour for cause");
        assert_eq!(p.neighbours, others, "viewer {v} lost neighbours");
    }
}

/// Origin copies of what everybody watches at the end, on average.
fn copies_at_the_end(outcome: &Outcome, lane: usize, last_ms: u64) -> f64 {
    let end = outcome.samples.last().map_or(0, |s| s.at_ms);
    let late = outcome.segments.iter().filter(|s| s.lane == lane && s.released_ms + last_ms > end);
    // Of the newest not all have asked yet.
    let late = late.filter(|s| s.delivered as usize == outcome.people.len());
    let all: Vec<f64> = late.map(|s| s.origin_bytes as f64 / s.size as f64).collect();
    assert!(all.len() > 5, "{} segments of lane {lane} reached everybody", all.len());
    all.iter().sum::<f64>() / all.len() as f64
}

/// Every rung is visited once, all the way up: the last ones have numbers of the page's own that no frame could carry.
#[test]
fn who_visits_ten_renditions_is_a_good_neighbour_in_each() {
    let climb = |_| (0..RUNGS).map(|rung| (8_000 + rung as u64 * 6_000, Act::Rung(rung))).collect();
    let outcome = play(&ladder(6, 120, climb), 2);
    sound(&outcome);
    let warm = copies_at_the_end(&outcome, RUNGS - 1, 40_000);
    assert!(warm <= SHARED, "{warm:.3} origin copies of the tenth rendition for six viewers");
}

/// Two groups pass each other on the ladder, and end where the others began.
#[test]
fn who_comes_from_elsewhere_is_welcome() {
    let walk = |v: u64| {
        let rung = move |step: usize| if v.is_multiple_of(2) { step } else { RUNGS - 1 - step };
        let mut acts = vec![(0, Act::Rung(rung(0)))];
        acts.extend((0..RUNGS).map(|step| (8_000 + step as u64 * 5_000, Act::Rung(rung(step)))));
        acts.push((62_000, Act::Rung(4)));
        acts
    };
    let outcome = play(&ladder(6, 120, walk), 2);
    sound(&outcome);
    let warm = copies_at_the_end(&outcome, 4, 40_000);
    assert!(warm <= SHARED, "{warm:.3} origin copies of the rendition that all watch in the end");
}

/// A player that changes its rendition with every segment tells the edge now and then, and in the end the truth.
#[test]
fn who_cannot_make_up_its_mind_does_not_chatter() {
    let waver = |v: u64| {
        let flip = |n: u64| (10_000 + n * TARGET_MS, Act::Rung((n % 2) as usize * 9));
        if v == 0 { (0..41).map(flip).collect() } else { Vec::new() }
    };
    let outcome = play(&ladder(5, 140, waver), 2);
    sound(&outcome);
    let told = outcome.people[0].lane_changes;
    assert!((2..=25).contains(&told), "the edge was told {told} times in 80 s");
    let warm = copies_at_the_end(&outcome, 0, 30_000);
    assert!(warm <= SHARED, "{warm:.3} origin copies once it has come back");
}
