//! The remote policy: nothing but HTTP before one was read, and the kill switch.

use meshedflow_sim::{Report, Setup, World};

const ON: &str = r#"{"version":1,"enabled":true,"refreshMs":10000}"#;
const OFF: &str = r#"{"version":2,"enabled":false,"refreshMs":10000}"#;

fn world(policy: Vec<(u64, &'static str)>) -> World {
    World::new(Setup { policy, ..Setup::default() })
}

fn unharmed(world: &World) {
    for (v, r) in world.reports().iter().enumerate() {
        assert_eq!((r.corrupt, r.failed, r.stalls, r.takeovers), (0, 0, 0, 0), "viewer {v}: {r:?}");
    }
}

fn connects(r: &Report) -> u32 {
    r.stats.as_ref().map_or(0, |s| s.connects)
}

#[test]
fn a_policy_that_cannot_be_read_means_http() {
    let mut world = world(vec![(0, "")]);
    world.run_ms(30_000);
    unharmed(&world);
    assert!(world.reports().iter().all(|r| connects(r) == 0 && r.from_peers == 0));
}

#[test]
fn a_policy_that_comes_late_opens_the_mesh_late() {
    let mut world = world(vec![(0, ""), (15_000, ON)]);
    world.run_ms(14_900);
    assert!(world.reports().iter().all(|r| connects(r) == 0));
    world.run_ms(40_000);
    unharmed(&world);
    assert!(world.from_peers() > 0);
}

#[test]
fn the_kill_switch_silences_peers_within_one_refresh() {
    let mut world = world(vec![(0, ON), (20_000, OFF)]);
    world.run_ms(20_000);
    assert!(world.from_peers() > 0, "the mesh was on");
    world.run_ms(10_200);
    assert!(
        world.reports().iter().all(|r| r.stats.as_ref().is_some_and(|s| s.peers == 0)),
        "{:?}",
        world.reports()
    );
    let then = world.from_peers();
    world.run_ms(20_000);
    unharmed(&world);
    // What was verified before may still be played from the store; nothing new comes from peers.
    assert!(world.from_peers() - then < 400_000, "{} then {then}", world.from_peers());
}
