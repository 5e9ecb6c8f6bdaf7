//! Why nothing is shared, as the statistics say and the event tells: every cause is named, one lane that can share is
//! enough, and when the cause goes away sharing is on again.

mod stage;
mod watcher;

use meshedflow_core::{Event, HttpFailure, HttpInput, Input, LaneInfo, LaneKind, LaneNo, Output, Purpose};
use meshedflow_manifest::{KeySetDocument, KeyState};
use stage::{ISSUED_AT, Stage, lane, lane_at};
use watcher::*;

/// What the statistics say.
fn sharing(viewer: &Viewer) -> String {
    viewer.stage.mesh.stats().sharing
}

/// What the page was told, in order.
fn told(outputs: &[Output]) -> Vec<(bool, &'static str)> {
    let of = |o: &Output| match o {
        Output::Event(Event::Sharing { on, reason }) => Some((*on, *reason)),
        _ => None,
    };
    outputs.iter().filter_map(of).collect()
}

/// The text of a warning.
fn text_of(outputs: &[Output], wanted: &str) -> Option<String> {
    outputs.iter().find_map(|o| match o {
        Output::Event(Event::Warn { code, text }) if *code == wanted => Some(text.clone()),
        _ => None,
    })
}

fn empty(options: &str) -> Viewer {
    Viewer { stage: Stage::with_options(0, FRAGMENTS, options), unanswered: Vec::new() }
}

/// A player that asked for a segment of `lane`; nothing was answered yet.
fn asking(options: &str, lane: LaneInfo) -> Viewer {
    let mut viewer = empty(options);
    viewer.stage.tell(Input::Lane(LaneNo(0), lane));
    let asked = viewer.stage.load(WATCHED);
    viewer.note(asked);
    viewer
}

/// All that waits for a list is answered so, and what follows within 600 ms.
fn lists_answer(viewer: &mut Viewer, answer: Answer<'_>) -> Vec<Output> {
    let mut all = Vec::new();
    while let Some(get) = viewer.take(|g| g.purpose == Purpose::List) {
        all.extend(viewer.stage.tell(Input::Http(get.http, answer.input())));
        all.extend(viewer.settle());
    }
    all
}

/// What the origin answers.
#[derive(Clone, Copy)]
enum Answer<'a> {
    Missing,
    Body(&'a str),
}

impl Answer<'_> {
    fn input(&self) -> HttpInput<'_> {
        match self {
            Self::Missing => HttpInput::Failed(HttpFailure::Status(404)),
            Self::Body(text) => HttpInput::Body(text.as_bytes()),
        }
    }
}

fn body(text: &str) -> Answer<'_> {
    Answer::Body(text)
}

#[test]
fn nothing_is_said_against_a_lane_whose_list_is_on_its_way_and_it_is_on_once_that_counts() {
    let mut viewer = asking("\"x\":1", lane());
    assert_eq!(sharing(&viewer), "on");
    viewer.keys(HOME, &usual());
    let list = viewer.stage.origin.rolling(14..=21);
    let all = lists_answer(&mut viewer, body(&list));
    assert_eq!((told(&all), sharing(&viewer).as_str()), (vec![], "on"));
}

#[test]
fn without_a_playlist_that_has_a_name_nothing_is_shared() {
    let mut viewer = empty("\"x\":1");
    assert_eq!(sharing(&viewer), "http-only");
    let subtitles = LaneInfo { kind: LaneKind::Subtitle, ..lane_at(HOME, "t/index.m3u8") };
    viewer.stage.tell(Input::Lane(LaneNo(1), subtitles));
    assert_eq!(sharing(&viewer), "http-only");
    let outputs = viewer.stage.tell(Input::Lane(LaneNo(0), lane()));
    assert_eq!((told(&outputs), sharing(&viewer).as_str()), (vec![(true, "policy")], "on"));
}

/// Each with the answer that repairs it, if one can.
#[test]
fn a_list_that_is_of_no_use_is_the_cause_until_one_is() {
    let good = empty("\"x\":1").stage.origin.rolling(14..=21);
    let old = good.replace("\"v\":1", "\"v\":9");
    let stream = good.replace("\"stream\":\"s\"", "\"stream\":\"t\"");
    let rendition = good.replace("v/index.m3u8", "w/index.m3u8");
    for (answer, cause, heals) in [
        (Answer::Missing, "no-list", true),
        (body("<html>"), "list-refused", true),
        (body(&old), "list-refused", true),
        (body(&stream), "list-mismatch", false),
        (body(&rendition), "list-mismatch", false),
    ] {
        let mut viewer = asking("\"x\":1", lane());
        viewer.keys(HOME, &usual());
        let all = lists_answer(&mut viewer, answer);
        assert_eq!((told(&all).last(), sharing(&viewer).as_str()), (Some(&(false, cause)), cause));
        assert!(Viewer::warnings(&all).contains(&cause), "{cause} is told: {all:?}");
        if heals {
            viewer.pass(16_000);
            let asked = viewer.stage.load(WATCHED + 1);
            viewer.note(asked);
            let all = lists_answer(&mut viewer, body(&good));
            assert_eq!((told(&all), sharing(&viewer).as_str()), (vec![(true, "policy")], "on"), "{cause}");
        }
    }
}

#[test]
fn a_list_that_comes_without_tls_is_named() {
    let viewer = asking("\"x\":1", lane_at("http://origin.example", "v/index.m3u8"));
    assert_eq!(sharing(&viewer), "insecure-list");
}

fn set(version: u32, expires: u64) -> String {
    KeySetDocument { expires, ..document(version, 0, &[(&home_key(), KeyState::Active)]) }.to_json()
}

/// The page's clock says what the lists say they were signed at.
const NOW: u64 = ISSUED_AT as u64;

#[test]
fn keys_that_are_of_no_use_are_the_cause_until_there_are_others() {
    let (expired, strange) = (set(1, NOW - 1), key_set(1, 0, &[(&thief(), KeyState::Active)]));
    let revoked = key_set(1, 0, &[(&home_key(), KeyState::Revoked)]);
    for (answer, cause, heals) in [
        (Answer::Missing, "no-keys", true),
        (body("{}"), "keys-refused", true),
        (body(&expired), "keys-expired", true),
        (body(&strange), "no-trusted-key", true),
        (body(&revoked), "no-trusted-key", false),
    ] {
        let mut viewer = asking("\"x\":1", lane());
        let get = viewer.take(|g| g.purpose == Purpose::Keys).expect("keys are asked for");
        let mut all = viewer.stage.tell(Input::Http(get.http, answer.input()));
        viewer.note(all.clone());
        let list = viewer.stage.origin.rolling(14..=21);
        all.extend(lists_answer(&mut viewer, body(&list)));
        assert_eq!((told(&all).last(), sharing(&viewer).as_str()), (Some(&(false, cause)), cause));
        assert!(Viewer::warnings(&all).contains(&cause), "{cause} is told: {all:?}");
        if !heals {
            continue;
        }
        viewer.pass(400_000);
        let asked = viewer.keys(HOME, &set(2, 10_000_000_000));
        viewer.note(asked);
        let asked = viewer.stage.load(WATCHED + 1);
        viewer.note(asked);
        let all = lists_answer(&mut viewer, body(&list));
        assert_eq!((told(&all), sharing(&viewer).as_str()), (vec![(true, "policy")], "on"), "{cause}");
    }
}

#[test]
fn an_expired_set_says_which_and_since_when_and_what_to_do() {
    let mut viewer = asking("\"x\":1", lane());
    viewer.keys(HOME, &set(1, NOW + 60));
    viewer.stage.pass_us(2 * 3_600_000_000 + 120_000_000);
    let list = viewer.stage.origin.rolling(14..=21);
    let all = lists_answer(&mut viewer, body(&list));
    let text = text_of(&all, "keys-expired").expect("it is told");
    let at = format!("Unix time {}", NOW + 60);
    let url = "https://origin.example/.well-known/meshedflow/keys.json";
    for word in [url, "2 h ago", &at, "meshedflow keys publish"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert_eq!(text_of(&all, "no-trusted-key"), None, "and no other cause");
}

/// A pin does not depend on what the set says of itself.
#[test]
fn an_expired_set_is_nothing_to_a_page_that_pins_the_key() {
    let mut viewer = asking(&pin(), lane());
    viewer.keys(HOME, &set(1, NOW - 1));
    let list = viewer.stage.origin.rolling(14..=21);
    let all = lists_answer(&mut viewer, body(&list));
    assert_eq!((text_of(&all, "keys-expired"), sharing(&viewer).as_str()), (None, "on"));
}

#[test]
fn one_lane_that_can_share_is_enough_and_the_main_one_is_the_cause_where_none_can() {
    let audio = || LaneInfo { kind: LaneKind::Audio, ..lane_at("http://audio.example", "a/index.m3u8") };
    let enter = |viewer: &mut Viewer| {
        viewer.stage.tell(Input::Lane(LaneNo(1), audio()));
        let url = "http://audio.example/live/v/seg_1.m4s".to_owned();
        viewer.stage.load_as(1, |r| (r.lane, r.url) = (LaneNo(1), url))
    };
    let mut viewer = Viewer::watching("\"x\":1", &[(HOME, &usual())]);
    let outputs = enter(&mut viewer);
    assert!(Viewer::warnings(&outputs).contains(&"insecure-list"));
    assert_eq!(sharing(&viewer), "on", "pictures are shared, the audio is not");
    // Neither list can be read, for different causes; the audio was loaded from last.
    let mut viewer = asking("\"x\":1", lane());
    viewer.keys(HOME, &usual());
    lists_answer(&mut viewer, Answer::Missing);
    enter(&mut viewer);
    assert_eq!(sharing(&viewer), "no-list");
}

/// The page's own word comes before all that the origin says.
#[test]
fn consent_comes_first_and_the_cause_behind_it_is_told_after() {
    let mut viewer = asking("\"x\":1", lane());
    viewer.keys(HOME, &usual());
    lists_answer(&mut viewer, Answer::Missing);
    let outputs = viewer.stage.tell(Input::Consent(false));
    assert_eq!((told(&outputs), sharing(&viewer).as_str()), (vec![(false, "no-consent")], "no-consent"));
    let outputs = viewer.stage.tell(Input::Consent(true));
    assert_eq!((told(&outputs), sharing(&viewer).as_str()), (vec![(false, "no-list")], "no-list"));
}

// ---- a playlist that is played on its own ----

#[test]
fn a_playlist_that_may_be_the_only_one_is_what_its_list_says_of_two_names() {
    for (listed, may_be) in [("v/index.m3u8", true), ("main", true), ("w/index.m3u8", false)] {
        for (alone, fits) in [(true, may_be), (false, listed == "v/index.m3u8")] {
            let mut viewer = asking(&pin(), LaneInfo { alone, ..lane() });
            let sign = |msn| {
                let rendition = meshedflow_manifest::Text::new(listed).expect("a name");
                viewer.list_like(msn, |h| h.rendition = rendition)
            };
            let epochs =
                vec![meshedflow_manifest::EpochRange { epoch: stage::EPOCH, first_msn: 0, last_msn: None }];
            let list = stage::rolling(epochs, false, (14..=21).map(sign).collect());
            let list = list.replace("\"rendition\":\"v/index.m3u8\"", &format!("\"rendition\":\"{listed}\""));
            viewer.keys(HOME, &usual());
            let all = lists_answer(&mut viewer, body(&list));
            let expected = if fits { "on" } else { "list-mismatch" };
            assert_eq!(sharing(&viewer), expected, "{listed}, alone: {alone}");
            assert_eq!(viewer.stage.checks.so_far() > 0, fits, "its lists are read");
            let named = text_of(&all, "list-mismatch");
            let words = if alone {
                "expected stream s rendition v/index.m3u8 or main"
            } else {
                "rendition v/index.m3u8"
            };
            assert!(named.is_none_or(|text| text.ends_with(words)), "{listed}");
        }
    }
}
