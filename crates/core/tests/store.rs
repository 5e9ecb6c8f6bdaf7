//! What the store gives up, and in which order.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a story that fails is a test that fails"
)]

mod stage;

use std::collections::BTreeMap;

use meshedflow_core::{
    BlobId, Event, HttpFailure, HttpGet, HttpInput, Input, KnownSegment, LaneInfo, LaneNo, Output,
    PlayerInput, Purpose, Reason,
};
use stage::{FRAGMENT_BYTES, Stage};

const FRAGMENTS: u16 = 2;
const SEGMENT_BYTES: u64 = FRAGMENTS as u64 * FRAGMENT_BYTES as u64;
const LANE: LaneNo = LaneNo(0);
const ELSEWHERE: LaneNo = LaneNo(5);

/// A player, and what its page keeps for the core.
struct Shelf {
    stage: Stage,
    held: BTreeMap<BlobId, (LaneNo, u64)>,
    reasons: Vec<Reason>,
}

impl Shelf {
    /// Room for so many segments; 30 is here.
    fn of(segments: u64) -> Self {
        Self::with(segments * SEGMENT_BYTES, FRAGMENTS)
    }

    fn with(bytes: u64, fragments: u16) -> Self {
        let stage = Stage::watching_with(&format!(r#""memoryBytes":{bytes},"#), 0, fragments, 30);
        let mut shelf = Self { stage, held: BTreeMap::new(), reasons: Vec::new() };
        // What the stage loaded by itself has no name here; it is the first to go.
        shelf.pass();
        shelf
    }

    fn load(&mut self, lane: LaneNo, msn: u64) {
        let directory = if lane == LANE { "v" } else { "w" };
        let playlist = format!("https://origin.example/live/{directory}/index.m3u8");
        let outputs = self.stage.load_by(lane, &playlist, msn);
        self.follow(outputs);
        self.pass();
    }

    fn pass(&mut self) {
        for _ in 0..8 {
            let Some(outputs) = self.stage.wake(500) else { break };
            self.follow(outputs);
        }
        self.stage.pass_us(4_000_000);
    }

    fn follow(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Get(get) => self.answer(&get),
                Output::FreeBlob(blob) => drop(self.held.remove(&blob)),
                Output::Event(Event::Fallback { reason, .. }) => self.reasons.push(reason),
                _ => {}
            }
        }
    }

    fn answer(&mut self, get: &HttpGet) {
        let outputs = match get.purpose {
            Purpose::List if get.url.contains("/v/") => {
                let until: u64 = get.url.rsplit_once('=').map_or(31, |(_, n)| n.parse().unwrap());
                let rolling = self.stage.origin.rolling(until.saturating_sub(2)..=until);
                self.stage.tell(Input::Http(get.http, HttpInput::Body(rolling.as_bytes())))
            }
            Purpose::List | Purpose::Keys | Purpose::Policy => {
                self.stage.tell(Input::Http(get.http, HttpInput::Failed(HttpFailure::Status(404))))
            }
            _ => {
                let name = get.url.rsplit_once("seg_").unwrap().1.strip_suffix(".m4s").unwrap();
                let lane = if get.url.contains("/v/") { LANE } else { ELSEWHERE };
                self.held.insert(get.blob.unwrap(), (lane, name.parse().unwrap()));
                self.stage.finish_get(get)
            }
        };
        self.follow(outputs);
    }

    fn held(&self, lane: LaneNo) -> Vec<u64> {
        let mut msns: Vec<u64> =
            self.held.values().filter(|(l, _)| *l == lane).map(|(_, msn)| *msn).collect();
        msns.sort_unstable();
        msns
    }
}

#[test]
fn the_oldest_go_first() {
    let mut shelf = Shelf::of(6);
    (31..=45).for_each(|msn| shelf.load(LANE, msn));
    assert_eq!(shelf.held(LANE), [40, 41, 42, 43, 44, 45]);
}

#[test]
fn of_the_oldest_those_that_neighbours_have_go_first() {
    let mut shelf = Shelf::of(6);
    shelf.stage.meet(&[1, 2]);
    shelf.stage.introduce(0, 1, |_, _| false, 30..=30);
    shelf.stage.introduce(1, 2, |_, _| false, 30..=30);
    (31..=36).for_each(|msn| shelf.load(LANE, msn));
    shelf.stage.tells_of(0, |msn, _| msn == 33, 31..=36);
    shelf.stage.tells_of(1, |msn, _| msn == 33 || msn == 32, 31..=36);
    let before = shelf.held(LANE);
    shelf.load(LANE, 37);
    let gone: Vec<u64> = before.into_iter().filter(|msn| !shelf.held(LANE).contains(msn)).collect();
    assert_eq!(gone, [33], "of {:?}", shelf.held(LANE));
}

#[test]
fn what_the_player_will_ask_for_next_stays() {
    let mut shelf = Shelf::of(8);
    (50..=57).for_each(|msn| shelf.load(LANE, msn));
    assert_eq!(shelf.held(LANE), (50..=57).collect::<Vec<_>>());
    // Back to where 50 to 54 come next, and 55 to 57 later.
    shelf.load(LANE, 38);
    assert_eq!(shelf.held(LANE), [38, 50, 51, 52, 53, 54, 56, 57], "the oldest of those that are far");
    shelf.load(LANE, 39);
    shelf.load(LANE, 40);
    assert_eq!(shelf.held(LANE), [38, 39, 40, 50, 51, 52, 53, 54]);
}

#[test]
fn what_lies_in_a_lane_that_was_left_goes_before_the_live_window() {
    let mut shelf = Shelf::of(6);
    let playlist = "https://origin.example/live/w/index.m3u8";
    let list_url = playlist.replace(".m3u8", ".mfi.json");
    let info = LaneInfo { playlist: playlist.into(), list_url, rendition: None, ..stage::lane() };
    shelf.stage.tell(Input::Lane(ELSEWHERE, info));
    (31..=33).for_each(|msn| shelf.load(LANE, msn));
    (34..=36).for_each(|msn| shelf.load(ELSEWHERE, msn));
    (37..=39).for_each(|msn| shelf.load(LANE, msn));
    assert_eq!(shelf.held(LANE), [31, 32, 33, 37, 38, 39], "older, and of the lane that is watched");
    assert_eq!(shelf.held(ELSEWHERE), Vec::<u64>::new());
}

#[test]
fn a_segment_over_a_quarter_of_the_room_is_played_and_not_kept() {
    let mut shelf = Shelf::with(4 * SEGMENT_BYTES - 1, FRAGMENTS);
    (31..=34).for_each(|msn| shelf.load(LANE, msn));
    assert!(shelf.reasons.contains(&Reason::TooLarge), "{:?}", shelf.reasons);
    let mut shelf = Shelf::with(4 * SEGMENT_BYTES, FRAGMENTS);
    (31..=34).for_each(|msn| shelf.load(LANE, msn));
    assert!(!shelf.reasons.contains(&Reason::TooLarge), "{:?}", shelf.reasons);
}

/// Media that is in use may take all the room there is; entries without any have a limit all the same.
#[test]
fn the_number_of_segments_is_limited_however_full_the_store_is() {
    let mut shelf = Shelf::with(1, FRAGMENTS);
    shelf.load(LANE, 31);
    for newest in 32..1_200 {
        let url = |msn| format!("https://origin.example/live/v/seg_{msn}.m4s");
        let known = |msn| KnownSegment { msn, url: url(msn), range: None, duration_ms: 4_000 };
        let segments = (newest - 3..=newest).map(known).collect();
        let playlist = PlayerInput::Playlist { lane: LANE, target_ms: 4_000, segments };
        let outputs = shelf.stage.tell(Input::Player(playlist));
        shelf.follow(outputs);
    }
    let tables = shelf.stage.mesh.sizes();
    let segments = tables.iter().find(|t| t.name == "segments").unwrap();
    assert!(segments.entries <= segments.bound, "{segments:?}");
}
