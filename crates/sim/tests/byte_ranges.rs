//! Streams whose segments are byte ranges of larger files: shared as well as any, and at the origin never more than a
//! plain player asks for.

use meshedflow_sim::{Files, LANES, OriginFault, Setup, World};

/// Several segments in each file, or all in one that grows.
const LAID: [Files; 2] = [Files::Of(4), Files::Growing];

/// What must hold in every story.
fn oracle(world: &World, story: &str) {
    assert_eq!(world.origin.whole_files, 0, "{story}: nobody asks for a file in which other segments lie");
    for (v, r) in world.reports().iter().enumerate() {
        assert_eq!((r.corrupt, r.failed, r.stalls, r.takeovers), (0, 0, 0, 0), "{story}, viewer {v}: {r:?}");
        assert!(r.delivered > 8, "{story}, viewer {v}: {r:?}");
        assert!(
            !r.warnings.contains(&"http-mismatch"),
            "{story}, viewer {v}: the origin signs what it serves"
        );
    }
}

#[test]
fn a_live_stream_of_byte_ranges_is_shared_like_any_other() {
    for files in LAID {
        let world = World::after(Setup { files, ..Setup::default() }, 60_000);
        let story = format!("{files:?}");
        oracle(&world, &story);
        let warm = world.mean_copies(8);
        assert!(warm <= 1.05, "{story}: {warm:.3} origin copies per segment once warm");
        assert!(world.offload() > 0.54, "{story}: {:.3}", world.offload());
        let elections: u32 = world.reports().iter().filter_map(|r| Some(r.stats.as_ref()?.elections)).sum();
        assert!(elections > 10, "{story}: fetched ahead of the players, {elections} times");
    }
}

#[test]
fn a_recording_in_one_file_is_shared_too() {
    for files in LAID {
        let arrivals_ms = vec![0, 4_000, 8_000];
        let world = World::after(Setup { live: false, arrivals_ms, files, ..Setup::default() }, 60_000);
        oracle(&world, &format!("{files:?}"));
        let late = world.report(2);
        assert!(late.from_peers > late.from_http, "{files:?}: {late:?}");
    }
}

/// Neighbours that fetch and do not deliver make a rescue of what is missing: a range within the segment's own.
#[test]
fn what_is_missing_of_a_byte_range_is_asked_for_within_it() {
    for files in LAID {
        let mut setup = Setup { files, ..Setup::default() };
        setup.link.up_bytes_per_s = 60_000;
        oracle(&World::after(setup, 30_000), &format!("{files:?}"));
    }
}

/// Plain players get whole files from such an origin, and play what they get; each of them is asked for once a player.
#[test]
fn where_the_origin_ignores_ranges_nobody_asks_more_often_than_plain_players() {
    let setup = Setup { files: Files::Of(4), live: false, fault: OriginFault::NoRange, ..Setup::default() };
    let world = World::after(setup, 40_000);
    let mut delivered = 0;
    for (v, r) in world.reports().iter().enumerate() {
        assert_eq!((r.corrupt, r.failed, r.takeovers), (0, 0, 0), "viewer {v}: {r:?}");
        assert_eq!(r.from_peers, 0, "viewer {v}: what is not the segment is not shared: {r:?}");
        delivered += r.delivered;
    }
    let open = (world.reports().len() * LANES.len()) as u32;
    let asked = world.origin.whole_files;
    assert!(
        delivered > 20 && asked <= delivered + open,
        "{asked} whole files for {delivered} segments played"
    );
}
