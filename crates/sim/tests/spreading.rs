//! Stories of who sends what to whom: thin uplinks, first copies, ranges, manners.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a story that panics is a test that fails")]

mod missed;

use meshedflow_sim::{LANES, Link, Setup, World};
use missed::Of;

/// 480p at 1.27 Mb/s in segments of 4 s, with audio.
const SD: [u32; 2] = [637_000, 64_000];

/// `n` viewers with uplinks of so many bytes per second.
fn sd(n: u64, up_bytes_per_s: u64, mode: &'static str, seed: u64) -> Setup {
    let link = Link { up_bytes_per_s, down_bytes_per_s: 2_500_000, latency_us: 10_000 };
    let arrivals_ms = (0..n).map(|i| i * 900).collect();
    Setup { arrivals_ms, link, sizes: SD, mode, seed, ..Setup::default() }
}

/// Share of what viewers played that the origin did not send, once warm: 1 - copies / viewers.
fn warm(world: &World, n: usize, first: u64, last: u64) -> f64 {
    let segments = || (first..last).flat_map(|msn| (0..LANES.len()).map(move |lane| (lane, msn)));
    let bytes = |lane: usize| f64::from(SD[lane]);
    let sent: f64 = segments().map(|(lane, msn)| world.copies(lane, msn) * bytes(lane)).sum();
    let played: f64 = segments().map(|(lane, _)| bytes(lane)).sum::<f64>() * n as f64;
    1.0 - sent / played
}

/// What the mesh may never cost.
fn unharmed(world: &World) {
    for (v, r) in world.reports().iter().enumerate() {
        assert_eq!((r.stalls, r.takeovers, r.failed, r.corrupt), (0, 0, 0, 0), "viewer {v}: {r:?}");
    }
}

/// Bytes that neighbours sent for nothing, as a share of all that players got.
fn waste(world: &World) -> f64 {
    let stats = || world.reports().into_iter().filter_map(|r| r.stats);
    let wasted: u64 = stats().map(|s| s.duplicate_bytes + s.stray_bytes).sum();
    wasted as f64 / stats().map(|s| s.delivered_peer_bytes + s.delivered_http_bytes).sum::<u64>() as f64
}

/// Runs for so long; the share of the limit 1 - 1/n that was reached from segment 12 on.
fn share_of_limit(setup: Setup, ms: u64) -> (World, f64) {
    let n = setup.arrivals_ms.len();
    let mut world = World::new(setup);
    world.run_ms(ms);
    let last = world.newest() - 4;
    let share = warm(&world, n, 12, last) / (1.0 - 1.0 / n as f64);
    (world, share)
}

#[test]
fn real_segments_over_common_uplinks_come_from_the_origin_once() {
    for n in [2, 4] {
        let (world, share) = share_of_limit(sd(n, 1_250_000, "serve", 1), 60_000);
        unharmed(&world);
        assert!(share >= 0.95, "{n} viewers: {share:.3} of the limit");
        assert!(waste(&world) < 0.03, "{n} viewers: {:.3} wasted", waste(&world));
    }
}

#[test]
fn whole_segments_alone_reach_nearly_as_far() {
    for n in [2, 4] {
        let (world, share) = share_of_limit(sd(n, 1_250_000, "advertise-only", 1), 60_000);
        unharmed(&world);
        assert!(share >= 0.85, "{n} viewers: {share:.3} of the limit");
    }
}

/// Each uplink carries 1.4 times the stream: whoever fetched a segment can give each fragment once, hardly twice.
#[test]
fn eight_viewers_with_thin_uplinks_pass_fragments_on() {
    let (world, share) = share_of_limit(sd(8, 250_000, "serve", 1), 60_000);
    unharmed(&world);
    assert_eq!(missed::judge("eight-on-thin-uplinks", Of::Offload, 0.95, share), None);
    assert!(waste(&world) < 0.03, "{:.3} wasted", waste(&world));
    let given: Vec<u64> = world.reports().into_iter().filter_map(|r| Some(r.stats?.uploaded_bytes)).collect();
    let mean = given.iter().sum::<u64>() / 8;
    assert!(given.iter().all(|g| *g < mean * 2 && *g > mean / 3), "everybody carries: {given:?}");
}

/// Lines to the origin that carry the stream and hardly more: whoever fetches brings each fragment late, and the
/// others wait for it because they see it come.
#[test]
fn a_slow_origin_sends_less_than_one_and_a_half_streams_to_four() {
    let mut most: f64 = 0.0;
    for (up, down) in [(250_000, 400_000), (1_250_000, 200_000)] {
        let mut setup = sd(4, up, "serve", 1);
        setup.link.down_bytes_per_s = down;
        let (world, share) = share_of_limit(setup, 70_000);
        unharmed(&world);
        most = most.max(4.0 - share * 3.0);
    }
    assert_eq!(missed::judge("slow-origin", Of::Copies, 1.5, most), None);
}

/// Uplinks that carry a third of the stream give what they can; little of it comes too late.
#[test]
fn uplinks_below_the_bit_rate_waste_little() {
    let (world, share) = share_of_limit(sd(4, 60_000, "serve", 1), 70_000);
    unharmed(&world);
    // Of what the uplinks carry, which is less than the limit.
    let carried = share * 0.75 * f64::from(SD[0] + SD[1]) / 4.0 / 60_000.0;
    assert_eq!(missed::judge("uplinks-below-the-bit-rate", Of::Offload, 0.95, carried), None);
    assert!(waste(&world) < 0.05, "{:.3} wasted", waste(&world));
}

#[test]
fn nobody_gives_more_than_policy_lets_it() {
    let policy = vec![(0, r#"{"version":1,"upload":{"rateBytesPerS":50000,"slots":2}}"#)];
    let (world, _) = share_of_limit(Setup { policy, ..sd(3, 1_250_000, "serve", 1) }, 60_000);
    unharmed(&world);
    let given: Vec<u64> = world.reports().into_iter().filter_map(|r| Some(r.stats?.uploaded_bytes)).collect();
    assert!(given.iter().all(|g| (50_000..=60 * 50_000 + 20_000).contains(g)), "{given:?}");
}

#[test]
fn the_ratio_of_the_policy_holds() {
    let policy = vec![(0, r#"{"version":1,"upload":{"ratio":0.1}}"#)];
    let (world, _) = share_of_limit(Setup { policy, ..sd(3, 1_250_000, "serve", 1) }, 90_000);
    unharmed(&world);
    for r in world.reports() {
        let Some(s) = r.stats else { continue };
        let taken = s.peer_bytes + s.delivered_http_bytes;
        assert!(s.uploaded_bytes <= taken / 10 + 4_700_000, "{} given, {taken} taken", s.uploaded_bytes);
    }
}
