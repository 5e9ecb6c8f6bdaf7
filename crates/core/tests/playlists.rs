//! A page's playlists: several of one rendition, two renditions of one name, and more than anybody plays.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a story that fails is a test that fails"
)]

mod stage;

use meshedflow_core::{
    Event, HttpFailure, HttpGet, HttpInput, Input, LaneInfo, LaneKind, LaneNo, LoadId, Output, Purpose,
    Reason,
};
use stage::{Origin, Stage, get};

const FIRST: &str = "https://origin.example/live/v/index.m3u8";

/// The same rendition at another place.
fn elsewhere(playlist: &str) -> LaneInfo {
    let origin = playlist.split('/').take(3).collect::<Vec<_>>().join("/");
    let list_url = playlist.replace(".m3u8", ".mfi.json");
    LaneInfo { playlist: playlist.into(), origin, list_url, rendition: None, ..stage::lane() }
}

/// What a story showed so far.
#[derive(Default)]
struct Seen {
    gets: Vec<HttpGet>,
    warnings: Vec<&'static str>,
    /// Why the last load was not left to neighbours.
    fallback: Option<Reason>,
}

struct Story {
    stage: Stage,
    /// What each list URL answers; others are not found.
    lists: Vec<(String, String)>,
}

impl Story {
    /// Playing at the first playlist, its lists known.
    fn new(options: &str) -> Self {
        let stage = Stage::watching_with(options, 0, 4, 30);
        Self { stage, lists: Vec::new() }
    }

    /// A load by one of the page's playlists; lists are answered, media comes at once.
    fn play(&mut self, no: u16, playlist: &str, msn: u64) -> Seen {
        let mut seen = Seen::default();
        let outputs = self.stage.load_by(LaneNo(no), playlist, msn);
        self.follow(outputs, &mut seen);
        // The rest of what it brought is read, one list a wake-up.
        for _ in 0..20 {
            let Some(outputs) = self.stage.wake(200) else { break };
            self.follow(outputs, &mut seen);
        }
        self.stage.pass_us(4_000_000);
        seen
    }

    fn follow(&mut self, outputs: Vec<Output>, seen: &mut Seen) {
        for output in outputs {
            match output {
                Output::Event(Event::Warn { code, .. }) => seen.warnings.push(code),
                Output::Event(Event::Fallback { reason, .. }) => seen.fallback = Some(reason),
                output => {
                    let Some(get) = get(output) else { continue };
                    seen.gets.push(get.clone());
                    let more = self.answer(&get);
                    self.follow(more, seen);
                }
            }
        }
    }

    fn answer(&mut self, get: &HttpGet) -> Vec<Output> {
        match get.purpose {
            Purpose::Keys | Purpose::Policy => {
                self.stage.tell(Input::Http(get.http, HttpInput::Failed(HttpFailure::Status(404))))
            }
            Purpose::List => {
                let known = self.lists.iter().find(|(url, _)| get.url.split('?').next() == Some(url));
                match known.map(|(_, body)| body.clone()) {
                    Some(body) => self.stage.tell(Input::Http(get.http, HttpInput::Body(body.as_bytes()))),
                    None => {
                        self.stage.tell(Input::Http(get.http, HttpInput::Failed(HttpFailure::Status(404))))
                    }
                }
            }
            _ => self.stage.finish_get(get),
        }
    }

    fn lane(&mut self, no: u16, info: LaneInfo) {
        self.stage.tell(Input::Lane(LaneNo(no), info));
    }

    fn serve(&mut self, playlist: &str, origin: &Origin, window: std::ops::RangeInclusive<u64>) {
        self.lists.retain(|(url, _)| *url != playlist.replace(".m3u8", ".mfi.json"));
        self.lists.push((playlist.replace(".m3u8", ".mfi.json"), origin.rolling(window)));
    }

    fn is_held(&self, msn: u64) -> bool {
        self.stage.mesh.stats().stored_bytes >= u64::from(self.stage.origin.length()) * (msn - 29)
    }
}

/// Both origins are trusted, where there are two.
const TRUSTED: &str = r#""trustedKeyOrigins":["https://origin.example","https://cdn.example"],"#;
const HOME_TRUSTED: &str = r#""trustedKeyOrigins":["https://origin.example"],"#;
/// The same, spelled as a URL.
const TRUSTED_WITH_SLASHES: &str =
    r#""trustedKeyOrigins":["https://origin.example/","https://cdn.example/"],"#;

#[test]
fn a_player_that_goes_on_at_another_pathway_stays_with_its_neighbours() {
    for (other, options) in [
        ("https://origin.example/other/v/index.m3u8", ""),
        ("https://cdn.example/live/v/index.m3u8", TRUSTED),
        ("https://cdn.example/live/v/index.m3u8", TRUSTED_WITH_SLASHES),
    ] {
        let mut story = Story::new(options);
        story.stage.meet(&[1]);
        story.stage.introduce(0, 1, |_, _| true, 28..=31);
        let origin = Origin::new(4);
        story.serve(other, &origin, 26..=33);
        story.lane(5, elsewhere(other));
        // The first load there is as any load in a new playlist; its list shows what it is.
        let first = story.play(5, other, 31);
        assert_eq!(first.warnings, Vec::<&str>::new(), "{other}");
        for msn in 32..=35 {
            story.serve(other, &origin, msn - 4..=msn + 1);
            story.stage.tells_of(0, |_, _| true, msn..=msn);
            let seen = story.play(5, other, msn);
            assert!(seen.warnings.is_empty(), "{other}: {:?}", seen.warnings);
            // A neighbour holds it, and is asked for it: it counts as in the same lane.
            let asks =
                seen.gets.iter().filter(|g| g.blob.is_some()).map(|g| g.url.clone()).collect::<Vec<_>>();
            assert!(asks.iter().all(|url| url.starts_with(other.rsplit_once('/').unwrap().0)), "{asks:?}");
        }
        let lanes = story.stage.mesh.sizes().into_iter().find(|t| t.name == "playlists of one lane").unwrap();
        assert_eq!(lanes.entries, 2, "{other}: two playlists, one lane");
        // And back; that the page says once more what it said of a playlist changes nothing.
        (1..=20).for_each(|n| drop(story.stage.tell(Input::LoadAborted(LoadId(n)))));
        let held = story.stage.mesh.stats().stored_bytes;
        story.lane(0, stage::lane());
        story.lane(5, elsewhere(other));
        assert_eq!(story.stage.mesh.stats().stored_bytes, held, "{other}");
        story.serve(FIRST, &origin, 30..=37);
        let back = story.play(0, FIRST, 36);
        assert!(
            back.warnings.is_empty() && back.fallback != Some(Reason::ListMismatch),
            "{:?}",
            back.fallback
        );
    }
}

/// Whoever speaks for a lane speaks for all of it: another origin does not, unless the page says so.
#[test]
fn another_origin_that_nobody_trusts_has_no_say_and_does_no_harm() {
    let other = "https://cdn.example/live/v/index.m3u8";
    let mut story = Story::new("");
    let origin = Origin::new(4);
    story.serve(other, &origin, 26..=33);
    story.lane(5, elsewhere(other));
    let seen = story.play(5, other, 31);
    assert_eq!(seen.warnings, ["rendition-elsewhere"]);
    let seen = story.play(5, other, 32);
    assert_eq!(seen.fallback, Some(Reason::ListMismatch), "plain HTTP there");
    // The first is as it was.
    story.serve(FIRST, &origin, 28..=34);
    let seen = story.play(0, FIRST, 33);
    assert_ne!(seen.fallback, Some(Reason::ListMismatch));
    assert!(story.is_held(32), "what is played is verified and held");
}

/// What another origin calls its playlist, and of which kind that is, takes nothing from the lane that is played.
#[test]
fn another_origin_has_no_say_by_a_playlist_of_another_kind_either() {
    let other = "https://ads.example/live/v/index.m3u8";
    let mut story = Story::new("");
    let origin = Origin::new(4);
    story.serve(other, &origin, 26..=33);
    story.lane(5, LaneInfo { kind: LaneKind::Audio, ..elsewhere(other) });
    let seen = story.play(5, other, 31);
    assert_eq!(seen.warnings, ["rendition-elsewhere"]);
    story.serve(FIRST, &origin, 28..=34);
    let seen = story.play(0, FIRST, 33);
    assert_ne!(seen.fallback, Some(Reason::ListMismatch), "the first is as it was");
}

/// Who came first makes no difference where the page says whom it trusts.
#[test]
fn an_origin_that_the_page_lists_is_not_kept_out_by_one_that_it_does_not() {
    let other = "https://ads.example/live/v/index.m3u8";
    let stage = Stage::with(0, 4, &format!("{HOME_TRUSTED}{}", stage::USUAL));
    let mut story = Story { stage, lists: Vec::new() };
    let origin = Origin::new(4);
    story.serve(other, &origin, 26..=33);
    story.serve(FIRST, &origin, 26..=33);
    story.lane(5, elsewhere(other));
    story.play(5, other, 30);
    story.lane(0, stage::lane());
    story.play(0, FIRST, 31);
    let seen = story.play(0, FIRST, 32);
    assert_ne!(seen.fallback, Some(Reason::ListMismatch), "the trusted one");
    let seen = story.play(5, other, 32);
    assert_eq!(seen.fallback, Some(Reason::ListMismatch), "plain HTTP there");
}

/// A long advertisement that goes by the same name takes neither what is held nor what is known of what it interrupts.
#[test]
fn a_lane_that_is_played_for_long_is_not_forgotten_for_a_stranger_of_its_name() {
    let other = "https://ads.example/live/v/index.m3u8";
    let mut story = Story::new("");
    let origin = Origin::new(4);
    for msn in 31..=60 {
        story.serve(FIRST, &origin, msn - 6..=msn + 1);
        story.play(0, FIRST, msn);
    }
    let held = story.stage.mesh.stats().stored_bytes;
    story.lane(5, elsewhere(other));
    for msn in 1..=25 {
        story.serve(other, &origin, msn..=msn + 4);
        let seen = story.play(5, other, msn);
        assert_ne!(seen.fallback, Some(Reason::NoPeers), "plain HTTP there, segment {msn}");
    }
    assert!(story.stage.mesh.stats().stored_bytes >= held, "all of it is still there");
    story.serve(FIRST, &origin, 60..=66);
    story.play(0, FIRST, 61);
    let seen = story.play(0, FIRST, 62);
    assert_ne!(seen.fallback, Some(Reason::ListMismatch), "it goes on as before");
}

/// What came first and is over yields to what is played on and on.
#[test]
fn a_stranger_that_is_over_makes_room_for_what_is_played_after_it() {
    let other = "https://ads.example/live/v/index.m3u8";
    let stage = Stage::with(0, 4, stage::USUAL);
    let mut story = Story { stage, lists: Vec::new() };
    let origin = Origin::new(4);
    story.lane(1, elsewhere(other));
    for msn in 1..=5 {
        story.serve(other, &origin, 1..=8);
        story.play(1, other, msn);
    }
    story.lane(5, stage::lane());
    let mut reasons = Vec::new();
    for msn in 30..=50 {
        story.serve(FIRST, &origin, msn - 6..=msn + 1);
        reasons.push(story.play(5, FIRST, msn).fallback);
    }
    assert_eq!(reasons[2], Some(Reason::ListMismatch), "neighbours could not tell them apart");
    assert_ne!(reasons[20], Some(Reason::ListMismatch));
}

/// What neighbours tell is of the lane that takes part, whatever its number.
#[test]
fn a_refused_lane_does_not_stand_for_its_name() {
    let other = "https://ads.example/live/v/index.m3u8";
    let stage = Stage::with(0, 4, &format!("{HOME_TRUSTED}{}", stage::USUAL));
    let mut story = Story { stage, lists: Vec::new() };
    let origin = Origin::new(4);
    story.serve(other, &origin, 26..=33);
    story.serve(FIRST, &origin, 26..=33);
    story.lane(1, elsewhere(other));
    story.play(1, other, 30);
    story.lane(5, stage::lane());
    story.play(5, FIRST, 31);
    story.stage.meet(&[1]);
    story.stage.introduce(0, 1, |_, _| true, 28..=33);
    let seen = story.play(5, FIRST, 32);
    assert!(seen.gets.iter().all(|g| g.purpose != Purpose::Media), "left to the neighbour: {:?}", seen.gets);
}

/// A playlist whose URL changes each time it is loaded is a new one each time.
#[test]
fn playlists_of_one_rendition_without_number_are_forgotten() {
    let mut story = Story::new("");
    let origin = Origin::new(4);
    for no in 1..=400_u16 {
        let other = format!("https://origin.example/at-{no}/v/index.m3u8");
        story.serve(&other, &origin, 26..=33);
        story.lane(no, elsewhere(&other));
        story.play(no, &other, 31);
    }
    let over = |t: &meshedflow_core::Table| t.entries > t.bound;
    let over: Vec<_> = story.stage.mesh.sizes().into_iter().filter(over).collect();
    assert!(over.is_empty(), "{over:?}");
    let other = "https://origin.example/at-400/v/index.m3u8";
    story.serve(other, &origin, 28..=34);
    let seen = story.play(400, other, 33);
    assert_ne!(seen.fallback, Some(Reason::ListMismatch), "the last one counts");
    assert!(seen.fallback != Some(Reason::NoList), "and has its lists");
}

#[test]
fn two_renditions_of_one_name_stay_on_http_while_both_are_in_use() {
    let other = "https://origin.example/rung-2/v/index.m3u8";
    let mut story = Story::new("");
    // Signed as the same segments, and cut otherwise.
    story.serve(other, &Origin::new(5), 26..=33);
    story.lane(5, elsewhere(other));
    let seen = story.play(5, other, 31);
    assert_eq!(seen.warnings, ["rendition-collision"]);
    for (no, playlist) in [(5, other), (0, FIRST)] {
        let seen = story.play(no, playlist, 32);
        assert_eq!(seen.fallback, Some(Reason::ListMismatch), "{playlist}");
    }
    // A minute later nobody has asked for anything of the other.
    for msn in 33..=50 {
        story.serve(FIRST, &Origin::new(4), msn - 6..=msn + 1);
        story.play(0, FIRST, msn);
    }
    let seen = story.play(0, FIRST, 51);
    assert_ne!(seen.fallback, Some(Reason::ListMismatch), "the twin is gone");
    // It comes back: as at first.
    story.serve(other, &Origin::new(5), 46..=53);
    story.play(5, other, 52);
    for (no, playlist) in [(5, other), (0, FIRST)] {
        let seen = story.play(no, playlist, 53);
        assert_eq!(seen.fallback, Some(Reason::ListMismatch), "{playlist}");
    }
}

#[test]
fn playlists_of_long_ago_make_room_and_the_last_one_counts() {
    let mut story = Story::new("");
    for ad in 1..=300_u16 {
        story.lane(ad, elsewhere(&format!("https://ads.example/{ad}/index.m3u8")));
        story.play(ad, "https://ads.example/x/index.m3u8", u64::from(ad));
        let lanes = story.stage.mesh.sizes().into_iter().find(|t| t.name == "lanes").unwrap();
        assert!(lanes.entries <= lanes.bound, "{lanes:?}");
    }
    let playlist = "https://origin.example/next/v/index.m3u8";
    let origin = Origin::new(4);
    story.serve(playlist, &origin, 26..=33);
    story.lane(301, elsewhere(playlist));
    let seen = story.play(301, playlist, 30);
    assert!(seen.gets.iter().any(|g| g.purpose == Purpose::List), "it takes part");
    assert!(story.is_held(30));
}
