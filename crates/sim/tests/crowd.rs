//! Crowds: the same trace on any number of threads, and what the oracle asks of every story.

#![allow(clippy::indexing_slicing, reason = "numbers below the length of what they index")]

use meshedflow_sim::{Act, Change, Evil, Link, Nat, Outcome, Person, Plan, Stream, play};

fn person(v: u64) -> Person {
    let up_bytes_per_s = [500_000, 1_250_000, 2_500_000][(v % 3) as usize];
    let link = Link { up_bytes_per_s, down_bytes_per_s: 6_250_000, latency_us: 8_000 + v * 777 % 30_000 };
    Person::usual(1 + v * 137 % 9_000, link)
}

fn plan(viewers: u64, seconds: u64) -> Plan {
    Plan {
        seed: 3,
        seconds,
        warm_ms: 20_000,
        meshed: true,
        stream: Stream {
            live: true,
            target_ms: 2_000,
            recorded: 0,
            behind: 4,
            rungs_bps: vec![800_000, 1_600_000],
            audio_bps: 64_000,
            mode: "serve",
            ttfb_ms: 40,
            origin_bytes_per_s: None,
        },
        people: (0..viewers).map(person).collect(),
        changes: Vec::new(),
    }
}

fn total(outcome: &Outcome, of: fn(&meshedflow_sim::Fate) -> u64) -> u64 {
    outcome.people.iter().map(of).sum()
}

fn sound(outcome: &Outcome) {
    assert_eq!(outcome.faults, Vec::<String>::new());
    for (v, p) in outcome.people.iter().enumerate() {
        assert_eq!((p.corrupt, p.failed, p.stalls), (0, 0, 0), "viewer {v}: {p:?}");
        assert!(p.delivered > 5, "viewer {v}: {p:?}");
    }
}

/// A story with something of everything.
fn eventful() -> Plan {
    let mut plan = plan(30, 26);
    let acts = |v: usize| match v % 10 {
        1 => vec![(15_000, Act::Vanish)],
        2 => vec![(16_000, Act::Quit)],
        3 => vec![(14_000, Act::Seek(-2)), (20_000, Act::SeekLive)],
        4 => vec![(15_000, Act::Pause), (19_000, Act::Resume)],
        5 => vec![(13_000, Act::Rung(1)), (21_000, Act::Rung(0))],
        6 => vec![(12_000, Act::Hide), (22_000, Act::Show)],
        _ => Vec::new(),
    };
    for (v, p) in plan.people.iter_mut().enumerate() {
        p.acts = acts(v);
        p.nat = [Nat::Open, Nat::Cone, Nat::Cone, Nat::Symmetric][v % 4];
        (p.loss_ppm, p.jitter_us) = ((v as u32 % 3) * 5_000, (v as u64 % 2) * 9_000);
        p.clock_ppm = v as i32 % 5 * 100 - 200;
        p.evil = if v % 20 == 7 { Evil::Flips } else { Evil::No };
    }
    plan.changes = vec![(17_000, Change::Partition), (22_000, Change::Heal), (24_000, Change::Edge(false))];
    plan
}

#[test]
fn any_number_of_threads_tells_the_same_story() {
    let plan = eventful();
    let one = play(&plan, 1);
    for threads in [2, 3] {
        let more = play(&plan, threads);
        assert_eq!((one.trace, one.events), (more.trace, more.events), "{threads} threads");
        assert_eq!(one, more, "{threads} threads");
    }
}

#[test]
fn a_crowd_shares_a_live_stream() {
    let outcome = play(&plan(24, 50), 2);
    sound(&outcome);
    let (peers, http) = (total(&outcome, |p| p.from_peers), total(&outcome, |p| p.from_http));
    assert!(peers > http * 2, "{peers} bytes from peers, {http} over HTTP");
    let sent: u64 = outcome.segments.iter().map(|s| s.origin_bytes).sum();
    assert!(sent >= http && sent < http + http / 4, "the origin sent {sent}, players got {http} from it");
}

#[test]
fn harmed_bytes_are_turned_away_and_told_apart() {
    let mut plan = plan(24, 40);
    plan.people.iter_mut().step_by(6).for_each(|p| p.evil = Evil::Flips);
    let outcome = play(&plan, 1);
    sound(&outcome);
    assert!(total(&outcome, |p| p.lied.into()) > 0, "the misbehaviour must happen");
    assert!(total(&outcome, |p| p.refused.into()) > 0);
}

/// Whom neither edge nor neighbours serve asks the origin for the same, in the same order, as a plain player does.
#[test]
fn without_neighbours_the_requests_are_those_of_plain_players() {
    let plain = Plan { meshed: false, ..plan(6, 40) };
    let alone = Plan { meshed: true, changes: vec![(0, Change::Edge(false))], ..plain.clone() };
    let (plain, alone) = (play(&plain, 1), play(&alone, 1));
    sound(&alone);
    for (v, (p, a)) in plain.people.iter().zip(&alone.people).enumerate() {
        assert!(p.gets.len() > 20, "viewer {v}: {}", p.gets.len());
        let names = |gets: &[(u64, usize, u64)]| gets.iter().map(|(_, l, m)| (*l, *m)).collect::<Vec<_>>();
        assert_eq!(names(&p.gets), names(&a.gets), "viewer {v}");
        for ((at, ..), (then, lane, msn)) in p.gets.iter().zip(&a.gets) {
            assert!(at.abs_diff(*then) <= 50, "viewer {v}, lane {lane}, segment {msn}: {at} and {then} ms");
        }
    }
}

#[test]
fn nobody_who_cannot_be_reached_connects() {
    let mut plan = plan(12, 20);
    plan.people.iter_mut().for_each(|p| p.nat = Nat::Symmetric);
    let outcome = play(&plan, 1);
    sound(&outcome);
    assert!(outcome.people.iter().all(|p| p.connect_ms.is_none() && p.from_peers == 0));
}

#[test]
fn what_leaves_the_origin_is_shared() {
    // One and a half streams for four plain players: they cannot all play.
    let rate = Some(100_000 * 3 / 2);
    let mut plan = plan(4, 40);
    plan.stream.audio_bps = 0;
    plan.stream.origin_bytes_per_s = rate;
    plan.meshed = false;
    let outcome = play(&plan, 1);
    assert!(total(&outcome, |p| p.stalls.into()) > 0);
    let sent: u64 = outcome.segments.iter().map(|s| s.origin_bytes).sum();
    assert!((4_000_000..6_600_000).contains(&sent), "{sent} bytes in 40 s");
}
