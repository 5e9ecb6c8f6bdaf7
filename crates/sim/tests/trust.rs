//! Stories of a few viewers among whom one shows lists that are not the origin's: whoever signed them, whatever an
//! advertiser or a poisoned cache says, the bytes that are played are the origin's.

use meshedflow_sim::{Evil, Forgery, KeysAre, Setup, World};

/// What must hold in every story.
fn oracle(world: &World) {
    for (v, r) in world.reports().iter().enumerate() {
        assert_eq!(r.corrupt, 0, "viewer {v} got bytes that differ from the origin's: {r:?}");
        assert_eq!((r.failed, r.stalls, r.takeovers), (0, 0, 0), "viewer {v}: {r:?}");
        assert!(r.delivered > 10, "viewer {v}: {r:?}");
    }
}

/// A forger among three others, who share all the same.
fn forged(how: Forgery, setup: Setup) -> World {
    let world = World::after(Setup { evil: vec![(1, Evil::Forges(how))], ..setup }, 60_000);
    oracle(&world);
    assert!(world.report(1).lied > 10, "the fault must happen: {:?}", world.report(1));
    let honest = |v: usize| world.report(v).from_peers;
    assert!([0, 2, 3].into_iter().all(|v| honest(v) > 0), "{:?}", world.reports());
    world
}

#[test]
fn a_strangers_lists_lead_nobody_astray() {
    forged(Forgery::Stranger, Setup::default());
}

/// Every page has shown an advertisement from a host whose key set names the forger's key for this stream.
#[test]
fn an_advertisers_key_signs_nothing_of_the_stream() {
    forged(Forgery::Stranger, Setup { advert: true, ..Setup::default() });
}

/// Pages pin the origin's key; a poisoned cache serves a key set that names the forger's.
#[test]
fn pins_hold_against_a_poisoned_key_set() {
    forged(Forgery::Stranger, Setup { pinned: true, keys: KeysAre::Strangers, ..Setup::default() });
}

/// Lists and bytes of the day before, well signed by the origin, are shown to everybody, fresh joiners among them.
#[test]
fn yesterdays_lists_and_bytes_lead_nobody_astray() {
    forged(Forgery::Yesterday, Setup { arrivals_ms: vec![0, 1_300, 2_600, 30_000], ..Setup::default() });
}

/// Once key sets were read again, the origin's lists count no more, pinned or not; everything comes over HTTP.
#[test]
fn nothing_is_shared_by_a_key_that_was_revoked() {
    for pinned in [false, true] {
        let (keys, arrivals_ms, sizes) = (KeysAre::RevokedFrom(30_000), vec![0, 1_300], [16_000, 8_000]);
        let mut world = World::after(Setup { keys, pinned, arrivals_ms, sizes, ..Setup::default() }, 230_000);
        let before = world.from_peers();
        assert!(before > 0, "it was shared until the key sets were read again");
        // 5 minutes +- 20 %.
        world.run_ms(135_000);
        let by_then = world.from_peers();
        let kept = world.reports().iter().map(|r| r.blobs).sum::<usize>();
        assert!(kept <= 16, "{kept} buffers are kept");
        world.run_ms(30_000);
        oracle(&world);
        assert_eq!(world.from_peers(), by_then, "pinned: {pinned}");
    }
}

/// A neighbour sends the first quarter of each segment wrong, the second right, and nothing else: what was wrong and what
/// never came is fetched by range, what was right is kept.
#[test]
fn behind_a_poisoned_prefix_the_origin_is_asked_for_ranges() {
    let world = World::after(Setup { evil: vec![(0, Evil::PoisonsPrefix)], ..Setup::default() }, 60_000);
    oracle(&world);
    assert!(world.report(0).lied > 0, "the fault must happen");
    let caught: u32 =
        world.reports().iter().filter_map(|r| r.stats.as_ref()).map(|s| s.verify_failures).sum();
    assert!(caught > 0, "{:?}", world.reports());
    let ranges: u32 = world.reports().iter().map(|r| r.ranges).sum();
    assert!(ranges > 0, "{:?}", world.reports());
}
