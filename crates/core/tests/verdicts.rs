//! What a list must be to count, whoever signed it: of the epoch and the hour that the origin itself tells, at odds with
//! no other, about what the player asked for.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a story that fails is a test that fails")]

mod stage;
mod watcher;

use meshedflow_core::measure::Measurer;
use meshedflow_core::{
    Event, Expect, HttpGet, HttpInput, Input, LaneNo, LoadKind, LoadRequest, Output, PeerCommand, PeerInput,
    Purpose, Reason,
};
use meshedflow_manifest::identity::resource_id;
use meshedflow_manifest::{EpochRange, Header, KeyState, Kind, SignedList, Text, sha256};
use meshedflow_protocol::wire::{Frame, RejectReason};
use stage::{EPOCH, ISSUED_AT, Stage, records, rolling, tell_list};
use watcher::*;

// ---- epochs ----

fn raised_floor() -> (Viewer, Vec<Output>) {
    let (viewer, _, outputs) = revoked_while(&key_set(1, EPOCH + 1, &[(&home_key(), KeyState::Active)]));
    (viewer, outputs)
}

#[test]
fn a_floor_that_rises_purges_what_is_below_it() {
    let (mut viewer, outputs) = raised_floor();
    assert!(outputs.iter().any(|o| matches!(o, Output::Forget(_))));
    assert_eq!(viewer.stage.mesh.stats().stored_bytes, 0);
    let list = viewer.stage.origin.list(NEXT + 1);
    viewer.refuses_unread(&list);
}

#[test]
fn a_document_of_an_epoch_below_the_floor_anchors_nothing() {
    for (floor, anchored) in [(EPOCH, true), (EPOCH + 1, false)] {
        let set = key_set(1, floor, &[(&home_key(), KeyState::Active)]);
        let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &set)]);
        let list = viewer.stage.origin.list(NEXT);
        if anchored {
            viewer.accepts(&list);
        } else {
            viewer.refuses_unread(&list);
        }
    }
}

/// A fresh joiner is shown yesterday's list, well signed, with yesterday's bytes of the same name.
#[test]
fn yesterdays_list_is_not_taken_today() {
    let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
    for epoch in [0, EPOCH - 1, EPOCH + 1, u64::MAX] {
        let list = viewer.list_like(NEXT, |h| h.epoch = epoch);
        viewer.refuses_unread(&list);
    }
    let list = viewer.stage.origin.list(NEXT);
    viewer.accepts(&list);
}

/// An epoch that the document does not name yet is a reason to read it again, once in a while, and no more than that.
#[test]
fn an_epoch_unheard_of_makes_the_document_be_read_again_now_and_then() {
    let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
    let mut asked = 0;
    for _ in 0..60 {
        let list = viewer.list_like(NEXT, |h| h.epoch = EPOCH + 1);
        viewer.refuses_unread(&list);
        viewer.pass(1_000);
        if viewer.unanswered.iter().any(|g| g.purpose == Purpose::List) {
            asked += 1;
            let told = viewer.stage.origin.rolling(15..=21);
            viewer.list(&told);
        }
    }
    assert!((1..=3).contains(&asked), "{asked} times in a minute");
}

fn epochs(ranges: &[(u64, u64, Option<u64>)]) -> Vec<EpochRange> {
    ranges
        .iter()
        .map(|(epoch, first_msn, last_msn)| EpochRange {
            epoch: *epoch,
            first_msn: *first_msn,
            last_msn: *last_msn,
        })
        .collect()
}

/// The window slides, so that segments lose their name in it; a stale or poisoned document names them, or new ones, as an
/// older epoch's.
#[test]
fn a_later_document_names_no_lower_epoch_for_what_slid_out_or_came_anew() {
    let of = |stage: &Stage, ranges: &[(u64, u64, Option<u64>)]| {
        rolling(epochs(ranges), false, vec![stage.origin.list(WATCHED)])
    };
    for (story, stale) in [
        ("slid out", vec![(EPOCH - 1, 10, Some(19)), (EPOCH, 20, Some(23))]),
        ("came anew", vec![(EPOCH, 20, Some(23)), (EPOCH - 1, 24, None)]),
        ("all", vec![(EPOCH - 1, 0, None)]),
    ] {
        let mut viewer = Viewer::with_document("\"x\":1", &[(HOME, &usual())], |stage| {
            of(stage, &[(EPOCH, 10, Some(22))])
        });
        for ranges in [vec![(EPOCH, 20, Some(23))], stale] {
            // An epoch unheard of has the document read again.
            let list = viewer.list_like(NEXT, |h| h.epoch = u64::MAX);
            viewer.refuses_unread(&list);
            viewer.pass(45_000);
            let document = of(&viewer.stage, &ranges);
            let outputs = viewer.list(&document);
            assert_eq!(
                Viewer::warnings(&outputs).contains(&"epochs-refused"),
                ranges != [(EPOCH, 20, Some(23))]
            );
        }
        for msn in [18, 24] {
            let list = viewer.list_like(msn, |h| h.epoch = EPOCH - 1);
            let before = viewer.stage.checks.so_far();
            assert_eq!(grants(&viewer.offered(0, &list)), Vec::<Expect>::new(), "{story}: {msn}");
            assert_eq!(viewer.stage.checks.so_far(), before, "{story}: {msn}");
        }
    }
}

/// Nothing of a document that goes back counts: not its hints either.
#[test]
fn a_document_that_goes_back_tells_nothing() {
    for (epoch, told) in [(EPOCH, true), (EPOCH - 1, false)] {
        let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
        let list = viewer.list_like(NEXT, |h| h.epoch = u64::MAX);
        viewer.refuses_unread(&list);
        viewer.pass(11_000);
        let lists = vec![viewer.list_like(22, |h| h.epoch = epoch)];
        let outputs = viewer.list(&rolling(epochs(&[(epoch, 0, None)]), false, lists));
        let news = frames(&outputs)
            .iter()
            .any(|(_, f)| matches!(f, Frame::Known { segment, .. } if segment.msn == 22));
        assert_eq!(news, told, "{outputs:?}");
    }
}

/// The signer began again: what it signed in another epoch gives way to what counts now.
#[test]
fn lists_of_an_epoch_that_was_replaced_make_room() {
    let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
    let old = viewer.stage.origin.list(NEXT);
    viewer.accepts(&old);
    let list = viewer.list_like(NEXT, |h| h.epoch = EPOCH + 1);
    viewer.refuses_unread(&list);
    viewer.pass(12_000);
    let told = rolling(epochs(&[(EPOCH + 1, 0, None)]), false, Vec::new());
    let outputs = viewer.list(&told);
    assert_eq!(viewer.stage.mesh.stats().stored_bytes, 0, "{outputs:?}");
    viewer.reads(&list);
}

// ---- when a list was signed ----

#[test]
fn a_live_list_of_a_neighbour_was_signed_within_an_hour_of_the_origins_newest() {
    for (issued_at, taken) in [
        (ISSUED_AT + 3_600, true),
        (ISSUED_AT + 3_601, false),
        (ISSUED_AT.saturating_sub(3_600), true),
        (u32::MAX, false),
    ] {
        let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
        let list = viewer.list_like(NEXT, |h| h.issued_at = issued_at);
        if taken {
            viewer.accepts(&list);
        } else {
            viewer.refuses_unread(&list);
        }
    }
}

/// A page that slept for hours: what it knows of the origin is old, not what its neighbours tell.
#[test]
fn a_list_of_hours_to_come_has_the_document_read_again() {
    for (issued_at, asks) in
        [(0, false), (ISSUED_AT + 2_000, false), (ISSUED_AT + 3_000, true), (ISSUED_AT + 9_000, true)]
    {
        let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
        let list = viewer.list_like(NEXT, |h| h.issued_at = issued_at);
        viewer.offered(0, &list);
        viewer.pass(11_000);
        // A document that is asked for on behalf of a segment brings the rest as well.
        let again = |g: &HttpGet| g.purpose == Purpose::List && (asks || !g.url.contains("_msn"));
        assert_eq!(viewer.unanswered.iter().any(again), asks, "{issued_at}");
    }
}

fn signed_late(stage: &Stage, complete: bool) -> String {
    let late = |msn| {
        let header = Header { issued_at: 1_000_000_000, ..stage.origin.header(msn) };
        home_key().sign_list(header, true, records(&stage.origin.body(msn)))
    };
    rolling(epochs(&[(EPOCH, 0, None)]), complete, vec![late(WATCHED), late(21)])
}

#[test]
fn a_backdated_list_is_not_taken_unless_the_stream_is_a_recording() {
    for complete in [false, true] {
        let mut viewer =
            Viewer::with_document("\"x\":1", &[(HOME, &usual())], |stage| signed_late(stage, complete));
        for issued_at in [5, 1_000_000_000 - 3_601] {
            let list = viewer.list_like(NEXT, |h| h.issued_at = issued_at);
            if !complete {
                viewer.refuses_unread(&list);
            } else if issued_at == 5 {
                let before = viewer.stage.checks.so_far();
                viewer.offered(0, &list);
                assert_eq!(viewer.stage.checks.so_far(), before + 1, "a recording's lists may be of any day");
            }
        }
        if !complete {
            let list = viewer.list_like(NEXT, |h| h.issued_at = 1_000_000_000 - 3_600);
            viewer.accepts(&list);
        }
    }
}

/// What the origin itself brings is the measure, never what neighbours bring: else each list could be an hour older.
#[test]
fn neighbours_do_not_move_the_measure() {
    let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
    let list = viewer.list_like(NEXT, |h| h.issued_at = ISSUED_AT + 3_600);
    viewer.accepts(&list);
    let list = viewer.list_like(NEXT + 1, |h| h.issued_at = ISSUED_AT + 7_000);
    viewer.refuses_unread(&list);
    // The origin's document is read again for that, and moves it.
    viewer.forget_lists();
    let list = viewer.list_like(NEXT + 2, |h| h.issued_at = ISSUED_AT + 7_000);
    viewer.refuses_unread(&list);
    viewer.pass(45_000);
    let header = Header { issued_at: ISSUED_AT + 7_000, ..viewer.stage.origin.header(NEXT + 1) };
    let newest = home_key().sign_list(header, true, records(&viewer.stage.origin.body(NEXT + 1)));
    let told = rolling(epochs(&[(EPOCH, 0, None)]), false, vec![newest]);
    viewer.list(&told);
    let list = viewer.list_like(NEXT + 2, |h| h.issued_at = ISSUED_AT + 7_000);
    let before = viewer.stage.checks.so_far();
    viewer.offered(0, &list);
    assert_eq!(viewer.stage.checks.so_far(), before + 1);
}

// ---- two lists that disagree ----

/// Another list of the segment by the same key: complete, and of other bytes.
fn another(viewer: &Viewer, msn: u64) -> SignedList {
    let body = forged(&viewer.stage.origin.body(msn));
    home_key().sign_list(viewer.stage.origin.header(msn), true, records(&body))
}

/// The origin's list while the segment grew.
fn growing(viewer: &Viewer, msn: u64) -> SignedList {
    let some = records(&viewer.stage.origin.body(msn)).into_iter().take(3).collect();
    home_key().sign_list(viewer.stage.origin.header(msn), false, some)
}

#[test]
fn of_two_lists_that_disagree_neither_is_played_announced_or_given_away() {
    let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
    let (first, second) = (growing(&viewer, NEXT), another(&viewer, NEXT));
    let open = viewer.accepts(&first);
    let outputs = viewer.offered(1, &second);
    assert!(Viewer::warnings(&outputs).contains(&"quarantine"));
    for grant in &open {
        assert!(outputs.iter().any(|o| matches!(o, Output::Forget(g) if *g == grant.grant)));
        assert!(freed(&outputs, grant.blob));
    }
    let body = viewer.stage.origin.body(NEXT);
    let late = viewer.bring(&open, &body);
    assert!(frames(&late).is_empty(), "nothing of it is announced: {late:?}");
    let asked = viewer.stage.load(NEXT);
    assert!(loaded(&asked).is_empty(), "nothing of it is played");
    let get = media_gets(&asked);
    assert_eq!((get.len(), get[0].range), (1, None));
    let due = asked.iter().find_map(|o| match o {
        Output::Due { at, reason, .. } => Some((*at, *reason)),
        _ => None,
    });
    assert_eq!(due, Some((None, Reason::Quarantine)));
    let done = viewer.stage.finish_get(&get[0]);
    assert_eq!(loaded(&done)[0].from_http, viewer.stage.origin.length());
    assert!(frames(&done).is_empty(), "the origin's own bytes of it are not announced either");
    assert!(matches!(viewer.asked_for(0, NEXT)[..], [Frame::Reject { reason: RejectReason::NotHeld, .. }]));
}

#[test]
fn what_came_before_the_second_list_is_not_kept() {
    let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
    let (first, second) = (growing(&viewer, NEXT), another(&viewer, NEXT));
    let open = viewer.accepts(&first);
    let body = viewer.stage.origin.body(NEXT);
    viewer.bring(&open, &body);
    let kept = viewer.stage.mesh.stats().stored_bytes;
    viewer.offered(1, &second);
    let gone = kept - viewer.stage.mesh.stats().stored_bytes;
    assert_eq!(gone, u64::from(3 * stage::FRAGMENT_BYTES));
    assert!(matches!(viewer.asked_for(1, NEXT)[..], [Frame::Reject { reason: RejectReason::NotHeld, .. }]));
    assert_eq!(media_gets(&viewer.stage.load(NEXT)).len(), 1);
}

#[test]
fn an_upload_under_way_ends_with_its_list() {
    for disagrees in [false, true] {
        let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
        let sent = |outputs: &[Output]| {
            outputs.iter().filter(|o| matches!(o, Output::Peer(_, PeerCommand::SendMedia(..)))).count()
        };
        let first = growing(&viewer, NEXT);
        let given = viewer.accepts(&first);
        let body = viewer.stage.origin.body(NEXT);
        viewer.bring(&given, &body);
        let mut all = 0;
        for n in 0..6 {
            all += sent(&viewer.stage.frame(0, &requests(n, NEXT, (n % 3) as u16)));
        }
        assert!(all > 0);
        if disagrees {
            let second = another(&viewer, NEXT);
            viewer.offered(1, &second);
        }
        let conn = viewer.stage.conns[0];
        let mut after = 0;
        for _ in 0..20 {
            viewer.stage.pass_us(50_000);
            after += sent(&viewer.stage.tell(Input::Peer(conn, PeerInput::Drained)));
        }
        assert_eq!(after > 0, !disagrees, "{all} pieces before, {after} after");
    }
}

#[test]
fn a_quarantined_segment_takes_no_third_list_and_counts_once() {
    let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
    let (first, second) = (growing(&viewer, NEXT), another(&viewer, NEXT));
    viewer.accepts(&first);
    viewer.offered(1, &second);
    for _ in 0..3 {
        viewer.refuses_unread(&first);
        viewer.refuses_unread(&second);
    }
    let list = viewer.stage.origin.list(NEXT + 1);
    viewer.reads(&list);
}

#[test]
fn three_disputed_segments_end_the_mesh() {
    let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
    let mut ended = Vec::new();
    for msn in NEXT..NEXT + 3 {
        let (first, second) = (growing(&viewer, msn), another(&viewer, msn));
        viewer.offered(0, &first);
        ended = viewer.offered(1, &second);
    }
    let off = |o: &Output| matches!(o, Output::Event(Event::Sharing { on: false, reason: "quarantine" }));
    assert!(ended.iter().any(off), "{ended:?}");
}

#[test]
fn a_false_signature_disputes_nothing() {
    let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
    let first = growing(&viewer, NEXT);
    let open = viewer.accepts(&first);
    let mut second = another(&viewer, NEXT);
    second.signature[7] ^= 1;
    let outputs = viewer.offered(1, &second);
    assert!(!outputs.iter().any(|o| matches!(o, Output::Forget(g) if *g == open[0].grant)));
}

// ---- what a list is about ----

#[test]
fn a_list_counts_for_its_stream_rendition_and_sequence_only() {
    let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
    let other: [&dyn Fn(&mut Header); 2] =
        [&|h| h.stream = Text::new("other").unwrap(), &|h| h.rendition = Text::new("w/index.m3u8").unwrap()];
    for how in other {
        let list = viewer.list_like(NEXT, how);
        viewer.refuses_unread(&list);
    }
    let header = Header { kind: Kind::Init, ..viewer.stage.origin.header(NEXT) };
    let whole = records(&viewer.stage.origin.body(NEXT)).into_iter().take(1).collect();
    viewer.refuses_unread(&home_key().sign_list(header, true, whole));
    // The frame says 22, the list that it brings 23.
    let elsewhere = viewer.stage.origin.list(NEXT + 1);
    let Frame::Delta(mut delta) = tell_list(&elsewhere, FRAGMENTS) else { unreachable!() };
    delta.segment.msn = NEXT;
    let before = viewer.stage.checks.so_far();
    assert!(grants(&viewer.stage.frame(0, &Frame::Delta(delta))).is_empty());
    assert_eq!(viewer.stage.checks.so_far(), before);
    let list = viewer.stage.origin.list(NEXT);
    viewer.accepts(&list);
}

/// All of it came from a neighbour and is as the list says; the list is about something else than what the player wants.
#[test]
fn what_the_list_is_not_about_is_not_played() {
    type How = (&'static str, fn(&mut Header), bool);
    let stories: [How; 5] = [
        ("as asked", |_| (), true),
        ("another resource", |h| h.resource = resource_id("seg_23.m4s"), false),
        ("another discontinuity", |h| h.dsn = 1, false),
        ("another init segment", |h| h.init_digest = sha256(b"another"), false),
        ("another range", |h| h.range_base = 64_000, false),
    ];
    for (story, how, played) in stories {
        let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
        let list = viewer.list_like(NEXT, how);
        let given = viewer.accepts(&list);
        let body = viewer.stage.origin.body(NEXT);
        viewer.bring(&given, &body);
        let range = |r: &mut LoadRequest| {
            if story == "another range" {
                r.range = Some((0, u64::from(4 * stage::FRAGMENT_BYTES)));
            }
        };
        let asked = viewer.stage.load_as(NEXT, range);
        let done = loaded(&asked);
        assert_eq!(done.iter().map(|l| l.from_peers).sum::<u32>() > 0, played, "{story}");
        assert_eq!(media_gets(&asked).len(), usize::from(!played), "{story}: {asked:?}");
    }
}

/// The init segment that the player read over HTTP decides which lists fit; before it was read none does.
#[test]
fn fragments_fit_the_init_segment_that_came_over_http() {
    for (init, played) in [(None, false), (Some(&b"the init"[..]), true), (Some(&b"swapped"[..]), false)] {
        let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
        if let Some(bytes) = init {
            let asked = viewer.stage.load_as(0, |r| {
                (r.kind, r.name, r.url) =
                    (LoadKind::Init, "init.mp4".into(), format!("{HOME}/live/v/init.mp4"));
            });
            let get = media_gets(&asked).remove(0);
            let length = bytes.len() as u32;
            let outputs = viewer.stage.tell(Input::Http(get.http, HttpInput::Done { length }));
            let expect = outputs.iter().find_map(|o| match o {
                Output::Expect(e) => Some(e.clone()),
                _ => None,
            });
            let mut measurer = Measurer::new();
            measurer.update(bytes);
            let measured = measurer.finish();
            viewer.stage.tell(Input::Measured { grant: expect.unwrap().grant, measured });
        }
        let list = viewer.list_like(NEXT, |h| h.init_digest = sha256(b"the init"));
        let given = viewer.accepts(&list);
        let body = viewer.stage.origin.body(NEXT);
        viewer.bring(&given, &body);
        let asked = viewer.stage.load_as(NEXT, |r| r.init = Some("init.mp4".into()));
        let from_peers: u32 = loaded(&asked).iter().map(|l| l.from_peers).sum();
        assert_eq!(from_peers > 0, played, "{init:?}: {asked:?}");
        // What was never read may yet fit: that the player waits for, but not for ever.
        let waits = if init.is_none() { viewer.pass(4_000) } else { Vec::new() };
        assert_eq!(media_gets(&asked).len() + media_gets(&waits).len(), usize::from(!played), "{init:?}");
    }
}

/// A neighbour's first fragments are wrong, so are those of the range that the origin was to bring: all is dropped.
#[test]
fn wrong_bytes_are_no_part_of_what_is_played() {
    let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
    let list = viewer.stage.origin.list(NEXT);
    let given = viewer.accepts(&list);
    let body = forged(&viewer.stage.origin.body(NEXT));
    let told = viewer.bring(&given, &body);
    assert!(!frames(&told).iter().any(|(_, f)| matches!(f, Frame::Delta(_))), "{told:?}");
    let asked = viewer.stage.load(NEXT);
    assert!(loaded(&asked).is_empty());
}

/// The document of an advertiser's playlist, whose segments are all of one byte.
fn advertisement(viewer: &Viewer, body: u8) -> String {
    let sign = |msn: u64| {
        let rendition = Text::new("ad/index.m3u8").unwrap();
        let header = Header { kid: thief().kid(), rendition, ..viewer.stage.origin.header(msn) };
        thief().sign_list(header, true, records(&vec![body; 64_000]))
    };
    let epochs = vec![EpochRange { epoch: EPOCH, first_msn: 0, last_msn: None }];
    rolling(epochs, false, (1..=4).map(sign).collect()).replace("v/index.m3u8", "ad/index.m3u8")
}

const ADS: &str = "https://ads.example";

fn with_advertisement() -> (Viewer, Vec<Output>) {
    let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
    viewer.open_lane(1, ADS, "ad/index.m3u8");
    viewer.keys(ADS, &key_set(1, 0, &[(&thief(), KeyState::Active)]));
    let told = advertises(&mut viewer, 1);
    (viewer, told)
}

fn advertises(viewer: &mut Viewer, body: u8) -> Vec<Output> {
    let asked = viewer.stage.load_as(5 + u64::from(body), |r| {
        (r.lane, r.url) = (LaneNo(1), format!("{ADS}/live/v/seg.m4s"));
    });
    viewer.note(asked);
    let get = viewer.take(|g| g.purpose == Purpose::List && g.url.starts_with(ADS));
    let get = get.expect("the advertiser's document is asked for");
    let document = advertisement(viewer, body);
    let mut all = viewer.stage.tell(Input::Http(get.http, HttpInput::Body(document.as_bytes())));
    all.extend(viewer.settle());
    all
}

fn goes_off(outputs: &[Output]) -> bool {
    outputs.iter().any(|o| matches!(o, Output::Disconnect | Output::Peer(_, PeerCommand::Close)))
}

/// Another origin's signer that contradicts itself is no reason to stop what this one signs.
#[test]
fn disputes_in_a_lane_of_another_origin_end_nothing_here() {
    let (mut viewer, _) = with_advertisement();
    let all = advertises(&mut viewer, 2);
    assert!(Viewer::warnings(&all).contains(&"quarantine"), "{all:?}");
    assert!(!goes_off(&all), "{all:?}");
    viewer.goes_on();
    let list = viewer.stage.origin.list(NEXT);
    viewer.offered(0, &list);
    let outputs = viewer.stage.load(NEXT);
    assert!(!grants(&outputs).is_empty(), "the neighbour is asked: {outputs:?}");
}

/// Nor is that the other one's signer is well a reason to go on here.
#[test]
fn disputes_end_what_is_shared_in_lanes_of_their_origin() {
    let (mut viewer, _) = with_advertisement();
    viewer.goes_on();
    let disputes = |viewer: &mut Viewer, msn: u64| {
        let (first, second) = (growing(viewer, msn), another(viewer, msn));
        viewer.offered(0, &first);
        viewer.offered(1, &second)
    };
    disputes(&mut viewer, NEXT);
    disputes(&mut viewer, NEXT + 1);
    let list = viewer.stage.origin.list(NEXT + 3);
    viewer.offered(0, &list);
    let outputs = viewer.stage.load(NEXT + 3);
    assert!(media_gets(&outputs).is_empty(), "left to a neighbour");
    let all = disputes(&mut viewer, NEXT + 4);
    assert!(!goes_off(&all), "{all:?}");
    assert!(media_gets(&all).iter().any(|g| g.url.ends_with("seg_25.m4s")), "to the origin at once: {all:?}");
    assert!(frames(&all).iter().any(|(_, f)| matches!(f, Frame::Cancel { .. })));
    let outputs = viewer.stage.load(NEXT + 5);
    assert_eq!(media_gets(&outputs).len(), 1);
    let told = viewer.asked_for(0, WATCHED);
    assert!(matches!(told[..], [Frame::Reject { reason: RejectReason::Policy, .. }]), "{told:?}");
}
