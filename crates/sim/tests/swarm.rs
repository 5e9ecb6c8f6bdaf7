//! Stories of a few viewers around one stream: the real core and the real hub, bytes that are really hashed.

use meshedflow_sim::{Evil, LANES, Mood, OriginFault, Setup, World};

/// What must hold in every story.
fn oracle(world: &World) {
    for (v, r) in world.reports().iter().enumerate() {
        assert_eq!(r.corrupt, 0, "viewer {v} got bytes that differ from the origin's: {r:?}");
        assert_eq!(r.failed, 0, "viewer {v}: {r:?}");
        assert_eq!(r.stalls, 0, "viewer {v}: {r:?}");
        assert_eq!(r.takeovers, 0, "viewer {v}: {r:?}");
        assert!(r.delivered > 10, "viewer {v}: {r:?}");
    }
}

#[test]
fn four_viewers_share_a_live_stream() {
    let world = World::after(Setup::default(), 60_000);
    oracle(&world);
    let warm = world.mean_copies(8);
    assert!(warm <= 1.05, "origin copies per segment once warm: {warm:.3}");
    assert!(world.reports().iter().all(|r| r.from_peers > 0));
    // Each viewer fetches its three startup segments itself; that is all beyond one copy.
    assert!(world.offload() > 0.54, "{:.3}", world.offload());
}

#[test]
fn two_and_eight_viewers_share_as_well() {
    for n in [2, 8] {
        let arrivals_ms = (0..n).map(|i| i * 1_100).collect();
        let world = World::after(Setup { arrivals_ms, seed: 11, ..Setup::default() }, 60_000);
        oracle(&world);
        let warm = world.mean_copies(10);
        assert!(warm <= 1.15, "{n} viewers: {warm:.3} origin copies per segment once warm");
    }
}

#[test]
fn whole_segments_flow_where_policy_says_so() {
    for mode in ["off", "advertise-only"] {
        let world = World::after(Setup { mode, ..Setup::default() }, 60_000);
        oracle(&world);
        let warm = world.mean_copies(8);
        assert!(warm <= 1.3, "{mode}: {warm:.3} origin copies per segment once warm");
    }
}

#[test]
fn late_viewers_of_a_recording_get_it_from_the_early_ones() {
    let world =
        World::after(Setup { live: false, arrivals_ms: vec![0, 4_000, 8_000], ..Setup::default() }, 60_000);
    oracle(&world);
    let late = world.report(2);
    assert!(late.from_peers > late.from_http, "{late:?}");
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let tell = || format!("{:?}", World::after(Setup { seed: 5, ..Setup::default() }, 30_000).reports());
    assert_eq!(tell(), tell());
}

#[test]
fn without_an_edge_everything_comes_over_http_as_fast_as_ever() {
    let world = World::after(Setup { edge: false, ..Setup::default() }, 30_000);
    oracle(&world);
    assert_eq!(world.from_peers(), 0);
}

#[test]
fn the_edge_may_go_and_come_back() {
    let mut world = World::after(Setup::default(), 20_000);
    world.set_edge(false);
    let before = world.from_peers();
    world.run_ms(20_000);
    assert!(world.from_peers() > before, "channels outlive the edge");
    world.set_edge(true);
    world.run_ms(20_000);
    oracle(&world);
    let since = world.newest();
    world.run_ms(60_000);
    oracle(&world);
    let warm = world.mean_copies(since);
    assert!(warm <= 1.05, "{warm:.3} origin copies per segment under new ids");
    for (v, r) in world.reports().iter().enumerate() {
        let peers = r.stats.as_ref().map(|s| s.peers);
        assert_eq!(
            (peers, r.connections),
            (Some(3), 3),
            "viewer {v}: neighbours, and connections it ever made"
        );
    }
}

#[test]
fn a_fetcher_that_vanishes_is_replaced_in_time() {
    for gone in 0..4 {
        let mut world = World::after(Setup { seed: 3, ..Setup::default() }, 24_010);
        world.vanish(gone);
        world.run_ms(30_000);
        oracle(&world);
    }
}

#[test]
fn flipped_bytes_reach_nobody() {
    let world = World::after(Setup { evil: vec![(1, Evil::Flips)], ..Setup::default() }, 60_000);
    oracle(&world);
    assert!(world.report(1).lied > 0, "the fault must happen");
    let caught: u32 =
        world.reports().iter().filter_map(|r| r.stats.as_ref()).map(|s| s.verify_failures).sum();
    assert!(caught > 0);
}

#[test]
fn a_neighbour_that_hangs_up_mid_fragment_costs_no_stall() {
    let world = World::after(Setup { evil: vec![(0, Evil::ClosesMidFragment)], ..Setup::default() }, 60_000);
    oracle(&world);
    assert!(world.report(0).lied > 0, "the fault must happen");
}

#[test]
fn a_neighbour_that_sends_nothing_costs_no_stall() {
    let world = World::after(Setup { evil: vec![(0, Evil::Withholds)], ..Setup::default() }, 60_000);
    oracle(&world);
    assert!(world.report(0).lied > 0, "the fault must happen");
}

#[test]
fn without_a_list_that_counts_there_is_no_peer_byte() {
    for fault in [OriginFault::NoList, OriginFault::Unsigned, OriginFault::WrongKey, OriginFault::WrongStream]
    {
        let world = World::after(Setup { fault, ..Setup::default() }, 30_000);
        oracle(&world);
        assert_eq!(world.from_peers(), 0, "{fault:?}");
        let most = (4..world.newest()).map(|msn| world.copies(0, msn)).fold(0.0, f64::max);
        assert!(most <= 4.0, "{fault:?}: {most} origin copies of one segment; plain players fetch 4");
    }
}

#[test]
fn an_origin_that_ignores_ranges_is_asked_for_whole_segments() {
    let evil = vec![(0, Evil::Withholds)];
    let world = World::after(Setup { fault: OriginFault::NoRange, evil, ..Setup::default() }, 60_000);
    oracle(&world);
}

#[test]
fn slow_uplinks_share_what_they_can_and_stall_nobody() {
    let mut setup = Setup::default();
    setup.link.up_bytes_per_s = 60_000;
    let world = World::after(setup, 60_000);
    oracle(&world);
    assert!(world.from_peers() > 0);
}

/// Their bodies come whole, at their end: whoever waited for them would wait longer than for the origin.
#[test]
fn pages_with_a_setup_of_their_own_are_never_elected() {
    let world = World::after(Setup { own_setups: vec![0, 2], ..Setup::default() }, 60_000);
    oracle(&world);
    let fetched: Vec<u32> =
        world.reports().iter().filter_map(|r| Some(r.stats.as_ref()?.elections)).collect();
    // Before the others had settled somebody had to.
    assert!(fetched[0] <= 2 && fetched[2] == 0, "{fetched:?}");
    assert!(fetched[1] > 10 && fetched[3] > 10, "{fetched:?}");
    assert!(world.reports().iter().all(|r| r.from_peers > 0), "they take part in all else");
}

#[test]
fn an_elected_fetch_that_is_refused_is_not_tried_again_and_again() {
    let world = World::after(Setup { fault: OriginFault::RefusesElected, ..Setup::default() }, 60_000);
    oracle(&world);
    let elections: Vec<u32> =
        world.reports().iter().filter_map(|r| r.stats.as_ref()).map(|s| s.elections).collect();
    // Once refused, a lane fetches nothing that no player waits for during 30 s: one fetch a segment at most.
    let most = world.newest() as u32 * LANES.len() as u32;
    assert!(elections.iter().all(|e| *e <= most), "{elections:?}");
}

#[test]
fn a_player_does_not_wait_on_a_prefetch_that_hangs() {
    let world = World::after(Setup { fault: OriginFault::HangsElected, ..Setup::default() }, 60_000);
    oracle(&world);
    let elections: u32 = world.reports().iter().filter_map(|r| r.stats.as_ref()).map(|s| s.elections).sum();
    assert!(elections > 0, "the fault must happen");
}

/// Warm share of peers' bytes among the viewers after the first, which misbehaves.
fn good_share(world: &World) -> f64 {
    let (peers, http) =
        world.reports().iter().skip(1).fold((0, 0), |(p, h), r| (p + r.from_peers, h + r.from_http));
    peers as f64 / (peers + http) as f64
}

#[test]
fn who_boasts_of_everything_and_serves_nothing_is_soon_passed_over() {
    let world = World::after(Setup { evil: vec![(0, Evil::Boasts)], ..Setup::default() }, 90_000);
    oracle(&world);
    assert!(world.report(0).lied > 20, "the fault must happen: {:?}", world.report(0));
    assert!(good_share(&world) > 0.4, "{:.3}: {:#?}", good_share(&world), world.reports());
}

#[test]
fn who_babbles_of_segments_to_come_leads_nobody_astray() {
    let world = World::after(Setup { evil: vec![(0, Evil::Babbles)], ..Setup::default() }, 90_000);
    oracle(&world);
    assert!(world.report(0).lied > 1_000, "the fault must happen: {:?}", world.report(0));
    assert!(good_share(&world) > 0.4, "{:.3}: {:#?}", good_share(&world), world.reports());
}

#[test]
fn who_floods_is_closed_and_the_others_go_on() {
    let world = World::after(Setup { evil: vec![(0, Evil::Floods)], ..Setup::default() }, 60_000);
    oracle(&world);
    assert!(world.report(0).lied > 0, "the fault must happen");
    assert!(world.reports().iter().skip(1).all(|r| r.warnings.contains(&"peer-closed")));
    assert_eq!(world.report(0).stats.map(|s| s.peers), Some(0), "nobody keeps it, nobody dials it again");
    assert!(good_share(&world) > 0.4, "{:.3}", good_share(&world));
}

#[test]
fn an_edge_that_wastes_ones_time_is_visited_less_and_less() {
    for mood in [Mood::Silent, Mood::Drops, Mood::SendsAway] {
        let world = World::after(Setup { mood, ..Setup::default() }, 120_000);
        oracle(&world);
        for r in world.reports() {
            assert!((2..=9).contains(&r.sockets), "{mood:?}: {} sockets in two minutes", r.sockets);
        }
    }
}

#[test]
fn an_empty_body_is_one_error_and_no_endless_question() {
    let world = World::after(Setup { fault: OriginFault::Empty, ..Setup::default() }, 60_000);
    let failed: u32 = world.reports().iter().map(|r| r.failed).sum();
    assert!(failed > 0, "the players must hear of it: {:?}", world.reports());
    let asked = world.requests(0, 12) + world.requests(1, 12);
    // Each player's own questions, and a few prefetches a lane and viewer.
    let most = failed as usize + 4 * world.reports().len() * LANES.len();
    assert!(asked <= most, "{asked} GETs of an empty segment for {failed} errors");
}
