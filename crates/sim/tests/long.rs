//! Long sessions: what a core keeps, and what it makes its page keep, stays as small as it was.

use meshedflow_sim::{OriginFault, Report, Setup, World};

const MIB: usize = 1024 * 1024;
/// Store of these stories: some 40 segments.
const MEMORY: usize = 2 * MIB;
/// What may lie beside the store: segments on their way and those about to be asked for.
const ON_THE_WAY: usize = MIB;

/// Short, small segments, so that many go through in little time.
fn setup(target_ms: u64) -> Setup {
    Setup {
        arrivals_ms: vec![0, 1_300],
        target_ms,
        sizes: [40_000, 4_000],
        memory_bytes: Some(MEMORY as u64),
        ..Setup::default()
    }
}

/// The most that was seen in some stretch of time.
#[derive(Default)]
struct Most {
    blobs: usize,
    grants: usize,
}

impl Most {
    fn see(&mut self, r: &Report) {
        self.blobs = self.blobs.max(r.blobs);
        self.grants = self.grants.max(r.grants);
    }
}

/// Lets minutes pass; nothing may ever be beyond its bound.
fn watch(world: &mut World, minutes: u64) -> Most {
    let mut most = Most::default();
    for _ in 0..minutes * 6 {
        world.run_ms(10_000);
        for (v, r) in world.reports().iter().enumerate().filter(|(_, r)| !r.tables.is_empty()) {
            let over: Vec<_> = r.tables.iter().filter(|t| t.entries > t.bound).collect();
            assert!(over.is_empty(), "viewer {v}: {over:?}");
            let (bytes, blobs) = (r.blob_bytes, r.blobs);
            assert!(bytes <= MEMORY + ON_THE_WAY, "viewer {v} keeps {bytes} bytes in {blobs} blobs: {r:?}");
            most.see(r);
        }
    }
    most
}

/// The later stretch needed no more than the one before it; tables of small entries may take hours to fill, within
/// their bounds.
fn flat(before: &Most, after: &Most) {
    let grew = |name: &str, a: usize, b: usize| assert!(b <= a + a / 10 + 4, "{name} grew from {a} to {b}");
    grew("blobs", before.blobs, after.blobs);
    grew("grants", before.grants, after.grants);
}

fn oracle(world: &World, least: u32) {
    for (v, r) in world.reports().iter().enumerate() {
        assert_eq!((r.corrupt, r.failed, r.stalls, r.takeovers), (0, 0, 0, 0), "viewer {v}: {r:?}");
        assert!(r.delivered > least, "viewer {v}: {r:?}");
    }
}

#[test]
fn a_long_live_session_leaves_nothing_behind() {
    let mut world = World::new(setup(1_000));
    watch(&mut world, 2);
    let before = watch(&mut world, 2);
    let after = watch(&mut world, 2);
    flat(&before, &after);
    oracle(&world, 600);
}

#[test]
fn without_lists_no_body_is_kept_for_ever() {
    for live in [true, false] {
        let mut world =
            World::new(Setup { fault: OriginFault::NoList, live, recorded: 2_000, ..setup(1_000) });
        watch(&mut world, 1);
        let before = watch(&mut world, 1);
        let after = watch(&mut world, 1);
        flat(&before, &after);
        oracle(&world, 300);
    }
}

#[test]
fn viewers_far_behind_live_do_not_hoard_what_is_new() {
    let arrivals_ms = vec![0, 1_300, 120_000, 121_000];
    let mut world = World::new(Setup { arrivals_ms, behind: vec![(2, 100), (3, 100)], ..setup(1_000) });
    watch(&mut world, 3);
    let before = watch(&mut world, 1);
    let after = watch(&mut world, 1);
    flat(&before, &after);
    oracle(&world, 300);
}

#[test]
fn a_long_recording_stays_within_the_store() {
    let mut world = World::new(Setup { live: false, recorded: 500, ..setup(1_000) });
    watch(&mut world, 2);
    let before = watch(&mut world, 1);
    let after = watch(&mut world, 1);
    flat(&before, &after);
    oracle(&world, 400);
}
