//! A neighbour that says anything in any order: whatever it says, every load ends with the origin's own bytes, and what
//! is kept stays within its bounds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a story that fails is a test that fails"
)]

mod stage;

use std::collections::BTreeMap;

use meshedflow_core::{
    HttpFailure, HttpInput, Input, LoadId, Output, PeerCommand, PeerInput, Purpose, Source,
};
use meshedflow_protocol::ids::Name;
use meshedflow_protocol::wire::{
    Elect, Fetching, Frame, Hello, LaneChange, LaneIndex, Map, MapSegment, RejectReason, Request, SegmentRef,
    View,
};
use stage::{EPOCH, Stage, get, id};

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

struct Storm {
    stage: Stage,
    dice: Dice,
    /// Loads that are not over, by the segment asked for.
    open: BTreeMap<LoadId, u64>,
    loads: u32,
    viewers: usize,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let mut stage = Stage::new(0, 4, 30);
        stage.welcome(0);
        let mut storm = Self { stage, dice: Dice(seed), open: BTreeMap::new(), loads: 1, viewers: 9 };
        storm.arrive();
        storm
    }

    /// The hostile viewer comes (again) under an id that the edge gave it.
    fn arrive(&mut self) {
        self.viewers += 1;
        self.stage.conns.clear();
        self.stage.propose(self.viewers, false);
        let outputs = self.stage.offer(self.viewers);
        let answered = |o: &Output| match o {
            Output::Peer(conn, PeerCommand::Open { .. }) => Some(*conn),
            _ => None,
        };
        let Some(conn) = outputs.iter().find_map(answered) else { return };
        self.stage.conns.push(conn);
        self.stage.tell(Input::Peer(conn, PeerInput::Opened));
        if self.dice.roll(8) > 0 {
            let lanes =
                (0..self.dice.roll(9) as u8).map(|n| (LaneIndex::new(n).unwrap(), self.name())).collect();
            let hello = Hello {
                wire: (1, 1),
                peer: id(self.viewers),
                uplink_bytes_per_s: u32::MAX,
                sharing: 2,
                class: 3,
                lanes,
            };
            let outputs = self.stage.frame(0, &Frame::Hello(hello));
            self.follow(outputs);
        }
    }

    fn name(&mut self) -> Name {
        let n = self.dice.roll(12);
        Name::new(if n < 6 { "v/index.m3u8".into() } else { format!("v/{n}.m3u8") }).unwrap()
    }

    fn index(&mut self) -> LaneIndex {
        LaneIndex::new(self.dice.roll(8) as u8).unwrap()
    }

    fn msn(&mut self, at: u64) -> u64 {
        match self.dice.roll(16) {
            0 => u64::MAX,
            1 => 0,
            n => at + n - 6,
        }
    }

    fn anything(&mut self, at: u64) -> Frame {
        let lane = self.index();
        let msn = self.msn(at);
        let epoch = if self.dice.roll(6) == 0 { u64::MAX } else { EPOCH };
        let segment = SegmentRef { lane, epoch, msn };
        let request = self.dice.roll(20) as u32;
        match self.dice.roll(15) {
            0 => Frame::Lane(LaneChange::Drop { lane, from_msn: u64::MAX }),
            1 => Frame::Lane(LaneChange::Add { lane, rendition: self.name(), from_msn: msn }),
            2 => Frame::Identity { peer: id(self.dice.roll(6) as usize) },
            3 => self.stage.delta(at + self.dice.roll(3), self.dice.roll(4) as u16),
            4 => self.stage.list_frame(at + self.dice.roll(3)),
            5 => Frame::Known { segment, age_ms: u32::MAX, hops: 0 },
            6 => Frame::Dropped(segment),
            7 => Frame::Queued { request, eta_ms: u32::MAX },
            8 => Frame::Reject { request, reason: RejectReason::Busy, queue_ms: u32::MAX },
            9 => Frame::Done { request },
            10 => Frame::Cancel { request },
            11 => Frame::Request(Request {
                request,
                segment,
                first: self.dice.roll(2) as u16 * 65_000,
                count: u16::MAX,
                skip: u32::MAX,
                deadline_ms: u32::MAX,
                urgent: true,
            }),
            12 => Frame::Pong { nonce: request, hold_ms: u32::MAX },
            13 => Frame::Fetching(Fetching {
                segment,
                fetcher: id(self.dice.roll(6) as usize),
                stage: self.dice.roll(256) as u8,
                range: request.is_multiple_of(2).then_some((u32::MAX - 1, u32::MAX)),
                age_ms: request * 1_000,
                hops: request as u8 % 3,
            }),
            _ => Frame::Map(self.map(lane, epoch, at)),
        }
    }

    fn map(&mut self, lane: LaneIndex, epoch: u64, at: u64) -> Map {
        let segment =
            |msn| MapSegment { msn, count: u16::MAX, closed: true, list_hash: msn, held: vec![255; 128] };
        Map {
            lane,
            epoch,
            elect: Elect { class: 3, first: 0, last: u64::MAX >> 12 },
            view: View::default(),
            queue_ms: u32::MAX,
            neighbours: (0..8).map(id).collect(),
            segments: (at..at + self.dice.roll(20)).map(segment).collect(),
        }
    }

    /// GETs are answered at once, grants to the neighbour with bytes that are not the origin's.
    fn follow(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Loaded(loaded) => {
                    let msn = self.open.remove(&loaded.load).expect("a load ends once");
                    assert_eq!(
                        (loaded.from_peers, loaded.from_http),
                        (0, self.stage.origin.length()),
                        "{msn}"
                    );
                }
                Output::Expect(expect)
                    if matches!(expect.from, Source::Peer(..)) && self.dice.roll(3) == 0 =>
                {
                    self.stage.measure(&expect, &vec![0xEE; 64_000]);
                    let more = self.stage.wake(0).unwrap_or_default();
                    self.follow(more);
                }
                output => self.answer(output),
            }
        }
    }

    fn answer(&mut self, output: Output) {
        let Some(get) = get(output) else { return };
        let more = match get.purpose {
            Purpose::List => {
                let at = 30 + u64::from(self.loads);
                let rolling = self.stage.origin.rolling(at - 6..=at);
                self.stage.tell(Input::Http(get.http, HttpInput::Body(rolling.as_bytes())))
            }
            Purpose::Keys | Purpose::Policy => {
                self.stage.tell(Input::Http(get.http, HttpInput::Failed(HttpFailure::Status(404))))
            }
            _ => self.stage.finish_get(&get),
        };
        self.follow(more);
    }

    fn round(&mut self) {
        self.loads += 1;
        let msn = 29 + u64::from(self.loads);
        self.open.insert(LoadId(self.loads), msn);
        let outputs = self.stage.load(msn);
        self.follow(outputs);
        let end = self.stage.now.0 + 4_000_000;
        while self.stage.now.0 < end {
            if self.dice.roll(3) > 0 && !self.stage.conns.is_empty() {
                let frame = self.anything(msn);
                let outputs = self.stage.frame(0, &frame);
                self.follow(outputs);
            }
            if let Some(outputs) = self.stage.wake(50) {
                self.follow(outputs);
            } else {
                self.stage.pass_us(50_000);
            }
            if self.stage.mesh.stats().peers == 0 {
                self.arrive();
            }
        }
        let over: Vec<_> = self.stage.mesh.sizes().into_iter().filter(|t| t.entries > t.bound).collect();
        assert!(over.is_empty(), "{over:?}");
        assert!(
            self.open.keys().all(|load| load.0 + 1 >= self.loads),
            "a load waits for ever: {:?}",
            self.open
        );
    }
}

#[test]
fn whatever_a_neighbour_says_every_load_ends_with_the_origins_bytes() {
    for seed in 1..=6 {
        let mut storm = Storm::new(seed);
        (0..40).for_each(|_| storm.round());
        let stats = storm.stage.mesh.stats();
        assert!(stats.verify_failures > 0, "it was asked, and lied: {stats:?}");
    }
}
