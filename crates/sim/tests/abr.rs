//! What ABR is told, and the probe that lets it climb.

use meshedflow_sim::{Link, Report, Setup, World};

/// A recording, watched by one from the start and by one a little later, who gets nearly all from the first.
/// Uplinks are far faster than the line to the origin, which bears what is played but not 1.5 times the next level.
fn follower(next_bps: u32) -> World {
    let link = Link { up_bytes_per_s: 2_500_000, down_bytes_per_s: 125_000, latency_us: 5_000 };
    let setup = Setup { live: false, arrivals_ms: vec![0, 14_000], link, next_bps, ..Setup::default() };
    let mut world = World::new(setup);
    world.run_ms(130_000);
    world
}

/// Ranges that the origin served, as lengths, of at least what a probe asks for: what a newcomer misses of its second
/// segment is less.
fn probes(world: &World) -> Vec<u32> {
    let video = world.origin.log.iter().filter(|((lane, _), _)| *lane == 0);
    video.flat_map(|(_, sent)| sent.clone()).filter(|n| (131_072..160_000).contains(n)).collect()
}

fn unharmed(r: &Report) {
    assert_eq!((r.stalls, r.takeovers, r.failed, r.corrupt), (0, 0, 0, 0), "{r:?}");
}

#[test]
fn one_probe_a_minute_where_only_the_cap_blocks_the_next_level() {
    let world = follower(1_200_000);
    let probes = probes(&world);
    assert!((1..=2).contains(&probes.len()), "{probes:?}");
    unharmed(&world.report(1));
    // The line to the origin carries 1 Mb/s, neighbours twenty times as much.
    let told = &world.report(1).told_bps;
    assert!(told.len() > 15, "{told:?}");
    assert!(told.iter().all(|bps| (320_000..=1_750_000).contains(bps)), "{told:?}");
    assert!(told.iter().any(|bps| *bps > 1_200_000), "{told:?}");
}

#[test]
fn no_probe_without_a_level_above_or_where_the_estimate_allows_it() {
    for next_bps in [0, 400_000] {
        let world = follower(next_bps);
        assert_eq!(probes(&world), [0; 0], "{next_bps}");
        unharmed(&world.report(1));
    }
}

#[test]
fn a_viewer_on_a_thin_line_leaves_fetching_to_others() {
    // Its line brings 1.5 times what it plays; those of the others a hundred times.
    let thin = Link { down_bytes_per_s: 60_000, ..Link::default() };
    let mut world = World::new(Setup { links: vec![(3, thin)], ..Setup::default() });
    world.run_ms(120_000);
    let elections: Vec<u32> = (0..4).map(|v| world.report(v).stats.map_or(0, |s| s.elections)).collect();
    let mean = elections[..3].iter().sum::<u32>() / 3;
    assert!(elections[3] * 2 < mean, "{elections:?}");
    (0..4).for_each(|v| unharmed(&world.report(v)));
}
