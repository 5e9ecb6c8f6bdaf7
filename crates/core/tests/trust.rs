//! Whose signature counts: key sets of this origin and of others, pins, revoked keys. Each story has a twin in which all
//! is well, so that what is refused is refused for its reason.

mod stage;
mod watcher;

use meshedflow_core::{HttpInput, Input, LaneNo, Output, Purpose};
use meshedflow_manifest::{EpochRange, Header, KeyState, Signer};
use meshedflow_protocol::wire::{Frame, RejectReason};
use stage::{EPOCH, Stage, lane_at, records, rolling};
use watcher::*;

#[test]
fn a_list_of_the_origins_own_key_counts() {
    let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
    let list = viewer.stage.origin.list(NEXT);
    assert_eq!(viewer.accepts(&list).iter().map(|e| e.cuts.len()).sum::<usize>(), usize::from(FRAGMENTS));
}

// ---- key sets of other origins ----

#[test]
fn a_key_set_signs_for_lanes_of_its_own_origin_only() {
    let ads = "https://ads.example";
    let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
    let list = viewer.list_by(&thief(), NEXT, |_| ());
    viewer.open_lane(1, ads, "ad/index.m3u8");
    viewer.keys(ads, &key_set(1, 0, &[(&thief(), KeyState::Active)]));
    viewer.goes_on();
    viewer.refuses_unread(&list);
    let list = viewer.stage.origin.list(NEXT);
    viewer.accepts(&list);
}

#[test]
fn a_key_set_that_came_first_signs_no_more_than_one_that_came_later() {
    let ads = "https://ads.example";
    let mut stage = Stage::with_options(0, FRAGMENTS, "\"x\":1");
    stage.tell(Input::Lane(LaneNo(1), lane_at(ads, "ad/index.m3u8")));
    let mut viewer = Viewer { stage, unanswered: Vec::new() };
    let asked = viewer.stage.load_as(1, |r| (r.lane, r.url) = (LaneNo(1), format!("{ads}/seg_1.m4s")));
    viewer.note(asked);
    viewer.keys(ads, &key_set(1, 0, &[(&thief(), KeyState::Active)]));
    viewer.stage.lane();
    let asked = viewer.stage.load(WATCHED);
    viewer.note(asked);
    // The home origin's own keys are not here yet: the list waits for them, and for nothing else.
    let lists = viewer.stage.origin.rolling(14..=21);
    let get = viewer.take(|g| g.purpose == Purpose::List && g.url.starts_with(HOME)).unwrap();
    viewer.stage.tell(Input::Http(get.http, HttpInput::Body(lists.as_bytes())));
    viewer.settle();
    assert_eq!(viewer.stage.checks.so_far(), 0, "an advertiser's key is no reason to read the list");
    viewer.keys(HOME, &usual());
    viewer.settle();
    assert_eq!(viewer.stage.checks.so_far(), 8);
}

/// Advertisements come and go; the origin that is played from next is heard all the same.
#[test]
fn origins_of_lanes_that_are_gone_make_room_for_others() {
    let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
    for no in 1..=80_u16 {
        viewer.open_lane(no, &format!("https://ads-{no}.example"), &format!("ad/{no}.m3u8"));
        viewer.pass(1_000);
    }
    let last = "https://elsewhere.example";
    viewer.open_lane(90, last, "other/index.m3u8");
    viewer.keys(last, &usual());
    let keys = viewer.stage.mesh.sizes().into_iter().find(|t| t.name == "key sets").unwrap();
    assert!(keys.entries <= keys.bound, "{keys:?}");
}

#[test]
fn an_origin_that_the_page_lists_speaks_for_all_lanes() {
    let keys = "https://keys.example";
    for (listed, counts) in [
        ("https://keys.example", true),
        ("https://keys.example/", true),
        ("https://keys.example:8443", false),
        ("https://sub.keys.example", false),
    ] {
        let options = format!(r#""trustedKeyOrigins":["{listed}"]"#);
        let mut viewer = Viewer::watching(&options, &[(HOME, &usual())]);
        viewer.open_lane(1, keys, "ad/index.m3u8");
        viewer.keys(keys, &key_set(1, 0, &[(&thief(), KeyState::Active)]));
        viewer.goes_on();
        let list = viewer.list_by(&thief(), NEXT, |_| ());
        if counts {
            viewer.accepts(&list);
        } else {
            viewer.refuses_unread(&list);
        }
    }
}

/// Who takes away may take from itself only.
#[test]
fn a_key_set_revokes_and_raises_the_floor_in_its_scope_only() {
    let other = "https://ads.example";
    let home = home_key();
    for (what, set) in [
        ("a revoked key", key_set(2, 0, &[(&home, KeyState::Revoked)])),
        ("a raised floor", key_set(2, EPOCH + 1, &[(&home, KeyState::Active)])),
    ] {
        for (options, harmed) in
            [("\"x\":1", false), (r#""trustedKeyOrigins":["https://ads.example"]"#, true)]
        {
            let mut viewer = Viewer::watching(options, &[(HOME, &usual())]);
            viewer.open_lane(1, other, "ad/index.m3u8");
            viewer.keys(other, &set);
            viewer.goes_on();
            let list = viewer.stage.origin.list(NEXT);
            if harmed {
                viewer.refuses_unread(&list);
                assert!(matches!(
                    viewer.asked_for(0, WATCHED)[..],
                    [Frame::Reject { reason: RejectReason::NotHeld, .. }]
                ));
            } else {
                viewer.accepts(&list);
                let served = viewer.asked_for(0, WATCHED);
                assert!(!served.iter().any(|f| matches!(f, Frame::Reject { .. })), "{what}: {served:?}");
            }
        }
    }
}

// ---- pins ----

#[test]
fn pins_exclude_what_an_unsigned_set_names() {
    let mut viewer = Viewer::watching(&pin(), &[(HOME, &key_set(1, 0, &[(&thief(), KeyState::Active)]))]);
    let list = viewer.list_by(&thief(), NEXT, |_| ());
    viewer.refuses_unread(&list);
    let list = viewer.stage.origin.list(NEXT);
    viewer.accepts(&list);
}

#[test]
fn a_pin_that_cannot_be_read_does_not_open_the_door_to_key_sets() {
    for options in [r#""trustedKeys":["no key"]"#, r#""rootKey":"no key""#] {
        let mut viewer = Viewer::watching(options, &[(HOME, &usual())]);
        let list = viewer.stage.origin.list(NEXT);
        viewer.refuses_unread(&list);
    }
}

#[test]
fn a_set_that_the_pinned_root_signed_names_keys_beside_the_pins() {
    let root = Signer::new([3; 32]);
    let pins = |more: &str| format!(r#"{more}"rootKey":"{}""#, root.public().to_base64url());
    let set = document(1, 0, &[(&thief(), KeyState::Active)]);
    for (options, set, counts) in [
        (pins(&format!("{},", pin())), set.to_signed_json(&root), true),
        (pins(&format!("{},", pin())), set.to_signed_json(&thief()), false),
        (pins(&format!("{},", pin())), set.to_json(), false),
        (pins(""), set.to_signed_json(&root), true),
        (pins(""), set.to_json(), false),
    ] {
        let pinned = options.contains("trustedKeys");
        let mut viewer = Viewer::watching(&options, &[(HOME, &set)]);
        let home = viewer.stage.origin.list(NEXT);
        let list = viewer.list_by(&thief(), NEXT + u64::from(pinned), |_| ());
        if pinned {
            viewer.accepts(&home);
        } else if counts {
            // Only the thief's lists verify here: that is what the root says, and the origin's document has none.
            viewer.refuses_unread(&home);
        }
        let before = viewer.stage.checks.so_far();
        viewer.offered(0, &list);
        // Without an anchored list of its own there is nothing to compare a live list with.
        assert_eq!(viewer.stage.checks.so_far() > before, counts && pinned, "{options}");
    }
}

// ---- revocation ----

#[test]
fn what_a_revoked_key_vouched_for_is_purged() {
    let (mut viewer, open, outputs) = revoked_while(&key_set(1, 0, &[(&home_key(), KeyState::Revoked)]));
    for grant in &open {
        let given_up = |o: &Output| matches!(o, Output::Forget(g) if *g == grant.grant);
        assert!(outputs.iter().any(given_up), "open grants are given up");
        assert!(freed(&outputs, grant.blob));
    }
    assert!(matches!(
        viewer.asked_for(1, WATCHED)[..],
        [Frame::Reject { reason: RejectReason::NotHeld, .. }]
    ));
    assert_eq!(viewer.stage.mesh.stats().stored_bytes, 0, "nothing of it is kept");
    // What is on its way all the same changes nothing.
    let body = viewer.stage.origin.body(NEXT);
    let late = viewer.bring(&open, &body);
    assert!(frames(&late).is_empty() && loaded(&late).is_empty());
    let again = viewer.stage.load(NEXT);
    assert_eq!(media_gets(&again).len(), 1, "the player goes to the origin");
    // A new list by the same key is not read.
    let list = viewer.stage.origin.list(NEXT + 1);
    viewer.refuses_unread(&list);
}

#[test]
fn a_set_that_revokes_nobody_takes_nothing_away() {
    let (mut viewer, open, outputs) = revoked_while(&usual());
    assert!(!outputs.iter().any(|o| matches!(o, Output::Forget(_) | Output::FreeBlob(_))));
    let body = viewer.stage.origin.body(NEXT);
    let told = viewer.bring(&open, &body);
    assert!(frames(&told).iter().any(|(_, f)| matches!(f, Frame::Delta(_))), "it is announced");
    let done = viewer.stage.load(NEXT);
    assert_eq!(loaded(&done)[0].from_peers, viewer.stage.origin.length());
}

#[test]
fn a_load_that_waits_for_a_revoked_list_goes_to_the_origin() {
    let mut viewer = Viewer::watching(&pin(), &[]);
    let list = viewer.stage.origin.list(WATCHED + 1);
    viewer.offered(0, &list);
    viewer.stage.load(WATCHED + 1);
    let outputs = viewer.keys(HOME, &key_set(1, 0, &[(&home_key(), KeyState::Revoked)]));
    let get = media_gets(&outputs);
    assert_eq!(get.len(), 1, "{outputs:?}");
    assert_eq!(get[0].range, None, "whole: no list says what a part of it is");
    let done = viewer.stage.finish_get(&get[0]);
    let done = loaded(&done);
    assert_eq!((done[0].from_peers, done[0].from_http), (0, viewer.stage.origin.length()));
}

#[test]
fn a_revoked_key_stays_revoked() {
    let home = home_key();
    let mut viewer = Viewer::watching(&pin(), &[(HOME, &usual())]);
    let mut msn = NEXT;
    for (set, counts) in [
        (key_set(2, 0, &[]), true),
        (key_set(3, 0, &[(&home, KeyState::Revoked)]), false),
        (key_set(4, 0, &[(&home, KeyState::Active)]), false),
        (key_set(5, 0, &[]), false),
    ] {
        viewer.pass(400_000);
        viewer.keys(HOME, &set);
        msn += 1;
        let list = viewer.stage.origin.list(msn);
        if counts {
            viewer.reads(&list);
        } else {
            viewer.refuses_unread(&list);
        }
    }
}

/// The origin's own set knows another key; the one that signs is named by a set that takes its time.
#[test]
fn a_set_that_comes_late_has_the_lists_read_again() {
    let options = r#""trustedKeyOrigins":["https://keys.example"]"#;
    let set = key_set(1, 0, &[(&thief(), KeyState::Active)]);
    let mut viewer = Viewer::watching(options, &[(HOME, &set)]);
    assert_eq!(viewer.stage.checks.so_far(), 0);
    viewer.pass(2_000);
    let asked = viewer.keys("https://keys.example", &usual());
    viewer.note(asked);
    let list = viewer.stage.origin.rolling(14..=21);
    viewer.list(&list);
    viewer.settle();
    assert_eq!(viewer.stage.checks.so_far(), 8);
}

#[test]
fn retired_and_coming_keys_sign_nothing_that_a_neighbour_brings() {
    let (home, other) = (home_key(), thief());
    for (state, told_by_origin) in [(KeyState::Retired, 1), (KeyState::Next, 0), (KeyState::Revoked, 0)] {
        let set = key_set(1, 0, &[(&home, KeyState::Active), (&other, state)]);
        let mut viewer = Viewer::with_document("\"x\":1", &[(HOME, &set)], |stage| {
            let header = Header { kid: thief().kid(), ..stage.origin.header(21) };
            let theirs = thief().sign_list(header, true, records(&stage.origin.body(21)));
            let epochs = vec![EpochRange { epoch: EPOCH, first_msn: 0, last_msn: None }];
            rolling(epochs, false, vec![stage.origin.list(WATCHED), theirs])
        });
        assert_eq!(
            viewer.stage.checks.so_far(),
            1 + told_by_origin,
            "{state:?} in the origin's own document"
        );
        let list = viewer.list_by(&other, NEXT, |_| ());
        viewer.refuses_unread(&list);
    }
}

// ---- waiting for keys ----

#[test]
fn an_origin_that_does_not_answer_parks_no_list_whose_key_is_known() {
    let silent = r#""trustedKeyOrigins":["https://silent.example"]"#;
    for (options, sets) in [
        (format!("{silent},{}", pin()), vec![(HOME, usual())]),
        (silent.to_owned(), vec![(HOME, usual())]),
        (
            r#""trustedKeyOrigins":["https://silent.example","https://keys.example"]"#.to_owned(),
            vec![("https://keys.example", usual())],
        ),
    ] {
        let sets: Vec<(&str, &str)> = sets.iter().map(|(o, s)| (*o, s.as_str())).collect();
        let mut viewer =
            Viewer { stage: Stage::with_options(0, FRAGMENTS, &options), unanswered: Vec::new() };
        viewer.stage.lane();
        let asked = viewer.stage.load(WATCHED);
        viewer.note(asked);
        sets.iter().for_each(|(origin, set)| drop(viewer.keys(origin, set)));
        let list = viewer.stage.origin.rolling(14..=21);
        viewer.list(&list);
        viewer.settle();
        assert_eq!(viewer.stage.checks.so_far(), 8, "{options}");
    }
}

#[test]
fn a_pinned_page_gives_the_origin_a_moment_to_revoke_and_no_more() {
    let mut viewer = Viewer::watching(&pin(), &[]);
    assert_eq!(viewer.stage.checks.so_far(), 8, "600 ms were enough");
    let list = viewer.stage.origin.list(NEXT);
    viewer.accepts(&list);
}

#[test]
fn a_list_waits_for_the_first_key_set_as_long_as_no_key_is_known() {
    let mut viewer = Viewer { stage: Stage::with_options(0, FRAGMENTS, "\"x\":1"), unanswered: Vec::new() };
    viewer.stage.lane();
    let asked = viewer.stage.load(WATCHED);
    viewer.note(asked);
    let list = viewer.stage.origin.rolling(14..=21);
    viewer.list(&list);
    viewer.pass(5_000);
    assert_eq!(viewer.stage.checks.so_far(), 0);
    viewer.keys(HOME, &usual());
    viewer.settle();
    assert_eq!(viewer.stage.checks.so_far(), 8);
}
