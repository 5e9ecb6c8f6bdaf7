//! Who fetches from the origin: few, in turn, and somebody always. Stories of real cores first, then a model of
//! large lanes around the core's own arithmetic, for crowds that no test can hold as real cores.

mod elections {
    pub(crate) mod crowd;
}

use elections::crowd::{Crowd, crowd};
use meshedflow_sim::{Link, Report, Setup, World};

fn after(setup: Setup, ms: u64) -> World {
    let mut world = World::new(setup);
    world.run_ms(ms);
    for (v, r) in world.reports().iter().enumerate() {
        let harm = (r.corrupt, r.failed, r.stalls, r.takeovers);
        assert_eq!(harm, (0, 0, 0, 0), "viewer {v}: corrupt, failed, stalls, takeovers: {r:?}");
    }
    world
}

/// `n` viewers, each a while after the one before.
fn arrivals(n: u64, gap_ms: u64) -> Vec<u64> {
    (0..n).map(|i| i * gap_ms).collect()
}

/// Mean origin copies of a lane's segments, once all are warm.
fn copies(world: &World, lane: usize, first: u64) -> f64 {
    let all: Vec<f64> = (first..world.newest()).map(|msn| world.copies(lane, msn)).collect();
    all.iter().sum::<f64>() / all.len() as f64
}

fn elections(world: &World) -> Vec<u32> {
    world.reports().iter().map(|r: &Report| r.stats.as_ref().map_or(0, |s| s.elections)).collect()
}

#[test]
fn small_lanes_take_hardly_more_than_one_copy() {
    for (n, most) in [(2, 1.05), (4, 1.15), (8, 1.35)] {
        for gap_ms in [370, 1_010] {
            let world = after(Setup { arrivals_ms: arrivals(n, gap_ms), ..Setup::default() }, 60_000);
            let warm = copies(&world, 0, 12);
            assert!(
                warm <= most,
                "{n} viewers {gap_ms} ms apart: {warm:.3} copies of a segment, at most {most}"
            );
        }
    }
}

/// Equal weights draw equal lots: nobody is elected much more often than another, whoever learns first.
#[test]
fn two_viewers_take_turns() {
    for (gap_ms, ttfb_ms) in [(300, 30), (2_500, 30), (1_300, 400)] {
        let setup = Setup { arrivals_ms: vec![0, gap_ms], ttfb_ms, ..Setup::default() };
        let world = after(setup, 120_000);
        let each = elections(&world);
        let all: u32 = each.iter().sum();
        assert!(
            each.iter().all(|n| n * 10 >= all * 3),
            "{gap_ms} ms apart, {ttfb_ms} ms to a byte: {each:?}"
        );
    }
}

#[test]
fn a_slow_origin_is_not_asked_twice() {
    for ttfb_ms in [200, 500] {
        let setup = Setup { arrivals_ms: arrivals(4, 1_010), ttfb_ms, ..Setup::default() };
        let warm = copies(&after(setup, 60_000), 0, 12);
        assert!(warm <= 1.3, "{ttfb_ms} ms to the first byte: {warm:.3} copies of a segment");
    }
}

#[test]
fn far_apart_viewers_agree_as_well() {
    let link = Link { latency_us: 75_000, ..Link::default() };
    let world = after(Setup { arrivals_ms: arrivals(4, 1_010), link, ..Setup::default() }, 60_000);
    let warm = copies(&world, 0, 12);
    assert!(warm <= 1.15, "{warm:.3} copies of a segment");
}

#[test]
fn a_lane_of_forty_draws_lots() {
    let setup = Setup { arrivals_ms: arrivals(40, 110), sizes: [64_000, 16_000], ..Setup::default() };
    let mut world = after(setup, 28_000);
    let (before, first) = (elections(&world).iter().sum::<u32>(), world.newest());
    world.run_ms(32_000);
    let segments = (world.newest() - first) * 2;
    let starts = f64::from(elections(&world).iter().sum::<u32>() - before) / segments as f64;
    assert!(starts <= 2.5, "{starts:.2} starts of a fetch per segment");
    let warm = copies(&world, 0, first + 1);
    assert!(warm <= 3.0, "{warm:.2} copies of a segment for forty viewers");
}

/// The goal: at most 2.5 starts on average at any size; and where news come late nobody waits for ever.
#[test]
fn crowds_of_any_size_start_few_fetches() {
    for (viewers, segments) in [(100, 24), (2_000, 8)] {
        let told = crowd(Crowd { viewers, segments, ..Crowd::default() });
        assert!(told.starts <= 2.5, "{viewers} viewers: {told:?}");
        assert!(told.first_ms <= 400.0, "{viewers} viewers: {told:?}");
        assert_eq!(told.nobody, 0, "{viewers} viewers: {told:?}");
    }
}

/// It says of every segment that it fetches it, with an id that was made to draw the lowest lot.
#[test]
fn one_liar_among_a_thousand_costs_little() {
    for after in [0, 250] {
        let told = crowd(Crowd { segments: 8, liar_after_ms: Some(after), ..Crowd::default() });
        assert!(told.starts <= 9.0, "{after} ms after the news: {told:?}");
        assert_eq!(told.nobody, 0, "{told:?}");
    }
}

/// An edge that knows of a tenth of them only: a flash crowd.
#[test]
fn a_crowd_that_the_edge_has_not_counted_yet_calms_down() {
    let told = crowd(Crowd { viewers: 1_000, segments: 16, told: 0.05, ..Crowd::default() });
    assert!(told.last_starts < told.first_starts * 0.8 || told.last_starts <= 4.0, "{told:?}");
}
