//! Each defence, switched off: the story that it protects must turn red. (feature `mutants`)
#![cfg(feature = "mutants")]

use meshedflow_sim::{Evil, Mood, OriginFault, Setup, World};

fn after(setup: Setup) -> World {
    let mut world = World::new(setup);
    world.run_ms(60_000);
    world
}

#[test]
fn without_the_door_flipped_bytes_get_through() {
    let evil = vec![(1, Evil::Flips)];
    let world = after(Setup { evil, mutant: Some("accept-unverified"), ..Setup::default() });
    assert!(world.reports().iter().any(|r| r.corrupt > 0));
}

#[test]
fn without_keys_anyone_could_sign() {
    for fault in [OriginFault::Unsigned, OriginFault::WrongKey] {
        let world = after(Setup { fault, mutant: Some("trust-any-key"), ..Setup::default() });
        assert!(world.reports().iter().any(|r| r.from_peers > 0), "{fault:?}");
    }
}

#[test]
fn without_the_stream_check_lists_of_another_stream_count() {
    let setup = Setup { fault: OriginFault::WrongStream, mutant: Some("ignore-stream"), ..Setup::default() };
    assert!(after(setup).reports().iter().all(|r| r.warnings.iter().all(|w| *w != "list-mismatch")));
}

#[test]
fn without_fallback_a_viewer_waits_for_ever() {
    let setup = Setup { edge: false, mutant: Some("wait-for-peers"), ..Setup::default() };
    let mut world = World::new(setup);
    world.run_ms(10_000);
    let reports = world.reports();
    assert!(reports.iter().any(|r| r.delivered == 0 || r.takeovers > 0), "{reports:?}");
}

#[test]
fn without_reassigning_a_neighbour_that_hangs_up_is_missed() {
    // In a live lane the next viewer in turn fetches what was lost; what stays is what nobody will ever send.
    let awaited = |mutant| {
        let evil = vec![(0, Evil::ClosesMidFragment)];
        after(Setup { evil, mutant, ..Setup::default() }).reports().iter().map(|r| r.grants).sum::<usize>()
    };
    let (sound, stuck) = (awaited(None), awaited(Some("stick-to-peer")));
    assert!(stuck > sound + 16, "{stuck} fragments are awaited from who is gone, {sound} with reassigning");
}

#[test]
fn without_giving_up_hung_prefetches_a_viewer_waits_for_ever() {
    let (fault, mutant) = (OriginFault::HangsElected, Some("trust-hung-gets"));
    let reports = after(Setup { fault, mutant, ..Setup::default() }).reports();
    assert!(reports.iter().any(|r| r.stalls > 0), "{reports:?}");
}

#[test]
fn without_doubts_a_babbler_leads_everybody_astray() {
    let sound = after(Setup { evil: vec![(0, Evil::Babbles)], ..Setup::default() });
    let credulous =
        after(Setup { evil: vec![(0, Evil::Babbles)], mutant: Some("believe-all"), ..Setup::default() });
    let from_peers = |world: &World| world.reports().iter().map(|r| r.from_peers).sum::<u64>();
    assert!(from_peers(&credulous) < from_peers(&sound), "{:#?}", credulous.reports());
}

#[test]
fn without_budgets_nobody_who_floods_is_closed() {
    let closed = |mutant| {
        let mut world = World::new(Setup { evil: vec![(0, Evil::Floods)], mutant, ..Setup::default() });
        world.run_ms(8_000);
        world.reports().iter().any(|r| r.warnings.contains(&"peer-closed"))
    };
    assert!(closed(None) && !closed(Some("no-budgets")));
}

#[test]
fn without_back_off_an_edge_that_hangs_up_is_run_down() {
    let setup = Setup { mood: Mood::Drops, mutant: Some("no-edge-backoff"), ..Setup::default() };
    assert!(after(setup).reports().iter().all(|r| r.sockets > 100));
}
