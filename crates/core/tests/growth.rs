//! A page that stays open for days: whatever the core keeps reaches its bound and stays there, in no table and nowhere
//! beside the tables.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a story that fails is a test that fails"
)]

mod stage;

use meshedflow_core::{
    HttpFailure, HttpInput, Input, KnownSegment, LaneInfo, LaneNo, LoadId, Output, PlayerInput, Purpose,
};
use meshedflow_protocol::wire::{Frame, SegmentRef};
use peak_alloc::PeakAlloc;
use stage::{Stage, get};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Segments until every table is full, and as many again.
const FULL: u64 = 540;

struct Page {
    stage: Stage,
    msn: u64,
    /// A viewer that pauses hears of what is new and asks for nothing.
    paused: bool,
}

impl Page {
    fn new(paused: bool) -> Self {
        let mut stage = Stage::new(0, 2, 30);
        stage.meet(&[1, 2]);
        for n in 0..2 {
            stage.introduce(n, n + 1, |_, _| false, 29..=31);
        }
        Self { stage, msn: 31, paused }
    }

    /// Four seconds of a live stream: its playlist, its neighbours, now and then an advertisement.
    fn live(&mut self) {
        let msn = self.msn;
        self.msn += 1;
        let segments = (msn - 8..=msn).map(known).collect();
        let playlist = PlayerInput::Playlist { lane: LaneNo(0), target_ms: 4_000, segments };
        let outputs = self.stage.tell(Input::Player(playlist));
        self.follow(outputs);
        let segment = SegmentRef { lane: Default::default(), epoch: 7, msn };
        let outputs = self.stage.frame(0, &Frame::Known { segment, age_ms: 10, hops: 0 });
        self.follow(outputs);
        if msn.is_multiple_of(4) {
            self.stage.tells_of(1, |_, _| false, msn..=msn);
        }
        if !self.paused {
            let outputs = self.stage.load(msn);
            self.follow(outputs);
        }
        if msn.is_multiple_of(8) {
            self.advertisement(msn);
        }
        let until = self.stage.now.0 + 4_000_000;
        while let Some(outputs) = self.stage.wake(until.saturating_sub(self.stage.now.0) / 1_000) {
            self.follow(outputs);
        }
        self.stage.pass_us(until.saturating_sub(self.stage.now.0));
    }

    fn advertisement(&mut self, msn: u64) {
        let playlist = format!("https://ads.example/{msn}/index.m3u8");
        let list_url = playlist.replace(".m3u8", ".mfi.json");
        let origin = "https://ads.example".into();
        let info = LaneInfo { playlist, origin, list_url, rendition: None, ..stage::lane() };
        self.stage.tell(Input::Lane(LaneNo(msn as u16), info));
        let request = stage::request(LoadId(1 << 20 | msn as u32), 0);
        let outputs = self
            .stage
            .tell(Input::Load(meshedflow_core::LoadRequest { lane: LaneNo(msn as u16), ..request }));
        self.follow(outputs);
    }

    fn follow(&mut self, outputs: Vec<Output>) {
        for get in outputs.into_iter().filter_map(get) {
            let answer = match get.purpose {
                Purpose::List if get.url.contains("/live/") => {
                    let rolling = self.stage.origin.rolling(self.msn - 2..=self.msn - 1);
                    self.stage.tell(Input::Http(get.http, HttpInput::Body(rolling.as_bytes())))
                }
                Purpose::List | Purpose::Keys | Purpose::Policy => {
                    self.stage.tell(Input::Http(get.http, HttpInput::Failed(HttpFailure::Status(404))))
                }
                _ => self.stage.finish_get(&get),
            };
            self.follow(answer);
        }
    }

    fn check_tables(&self) -> usize {
        let tables = self.stage.mesh.sizes();
        let over: Vec<_> = tables.iter().filter(|t| t.entries > t.bound).collect();
        assert!(over.is_empty(), "segment {}: {over:?}", self.msn);
        tables.iter().map(|t| t.entries).sum()
    }
}

fn known(msn: u64) -> KnownSegment {
    let url = format!("https://origin.example/live/v/seg_{msn}.m4s");
    KnownSegment { msn, url, range: None, duration_ms: 4_000 }
}

#[test]
fn nothing_grows_for_ever() {
    for paused in [false, true] {
        let mut page = Page::new(paused);
        let run = |page: &mut Page| {
            for _ in 0..FULL {
                page.live();
                page.check_tables();
            }
            MEMORY.current_usage()
        };
        let full = run(&mut page);
        let later = run(&mut page);
        let grew = later.saturating_sub(full);
        // Vectors double now and then.
        assert!(
            grew < 64 << 10,
            "paused {paused}: {grew} bytes more after as long again: something has no bound"
        );
    }
}
