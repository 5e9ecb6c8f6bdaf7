//! A lane of many viewers, each with ten neighbours: only news, claims and proof travel, over hops of 20 to 120 ms.

#![allow(clippy::indexing_slicing, reason = "a model that panics is a test that fails")]

use meshedflow_core::Duration;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use meshedflow_core::scheduler::election::{Draw, lot};
use meshedflow_core::scheduler::hearsay::{Hearsay, Word};
use meshedflow_core::scheduler::lottery::{self, Chance};
use meshedflow_core::{ConnNo, Time};
use meshedflow_protocol::ids::PeerId;

/// How a crowd is made.
pub(crate) struct Crowd {
    pub(crate) viewers: usize,
    pub(crate) segments: u64,
    /// Share of the weight that the edge tells.
    pub(crate) told: f64,
    /// Viewer 0 says of every segment that it fetches it, so many milliseconds after it heard of it.
    pub(crate) liar_after_ms: Option<u64>,
}

impl Default for Crowd {
    fn default() -> Self {
        Self { viewers: 1_000, segments: 12, told: 1.0, liar_after_ms: None }
    }
}

/// Means over segments.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) starts: f64,
    pub(crate) first_starts: f64,
    pub(crate) last_starts: f64,
    /// From the first release to the first start.
    pub(crate) first_ms: f64,
    /// Segments that nobody fetched.
    pub(crate) nobody: u32,
}

const DEGREE: usize = 10;
const TARGET_MS: u64 = 4_000;
/// From the request to the first verified fragment, from then on from fragment to fragment, and for one to be pulled.
const FIRST_MS: u64 = 80;
const NEXT_MS: u64 = 60;
const PULL_MS: u64 = 40;
const FRAGMENTS: u32 = 8;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Learns {
        age_ms: u64,
        hops: u8,
    },
    Looks,
    Claims {
        from: usize,
        fetcher: usize,
        stage: u8,
        hops: u8,
    },
    /// A neighbour has this many fragments.
    Shows {
        from: usize,
        count: u32,
    },
    Has {
        count: u32,
    },
}

#[derive(Default)]
struct Viewer {
    release: Option<u64>,
    hearsay: Hearsay,
    relayed: usize,
    started: bool,
    has: u32,
}

struct Lane {
    crowd: Crowd,
    near: Vec<Vec<(usize, u64)>>,
    words: BTreeMap<(usize, usize), Word>,
    deaf: BTreeSet<(usize, usize)>,
    chances: Vec<Chance>,
    /// This segment's lots.
    lots: Vec<f64>,
    queue: BinaryHeap<Reverse<(u64, u64, usize, Happening)>>,
    order: u64,
    random: u64,
}

/// Plays so many segments.
pub(crate) fn crowd(crowd: Crowd) -> Told {
    let (n, segments) = (crowd.viewers, crowd.segments);
    let mut lane = Lane {
        near: vec![Vec::new(); n],
        words: BTreeMap::new(),
        deaf: BTreeSet::new(),
        chances: vec![Chance::default(); n],
        lots: Vec::new(),
        queue: BinaryHeap::new(),
        order: 0,
        random: 7,
        crowd,
    };
    lane.connect();
    let phases: Vec<u64> = (0..n).map(|_| lane.chance(TARGET_MS)).collect();
    let told: Vec<(u32, u64)> = (0..segments).map(|msn| lane.play(msn, &phases)).collect();
    let mean = |part: &[(u32, u64)]| part.iter().map(|s| f64::from(s.0)).sum::<f64>() / part.len() as f64;
    let third = told.len() / 3;
    Told {
        starts: mean(&told),
        first_starts: mean(&told[..third]),
        last_starts: mean(&told[told.len() - third..]),
        first_ms: told.iter().map(|s| s.1 as f64).sum::<f64>() / told.len() as f64,
        nobody: told.iter().filter(|s| s.0 == 0).count() as u32,
    }
}

fn id(v: usize) -> PeerId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(v as u64).to_be_bytes());
    PeerId(id)
}

fn draw(msn: u64, v: usize) -> f64 {
    lot(Draw { salt: b"crowd", lane: "v", epoch: 1, msn }, id(v))
}

impl Lane {
    fn chance(&mut self, below: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    fn connect(&mut self) {
        let n = self.near.len();
        for v in 0..n {
            while self.near[v].len() < DEGREE {
                let other = self.chance(n as u64) as usize;
                let hop = 20 + self.chance(100);
                let known = other == v || self.near[v].iter().any(|(o, _)| *o == other);
                // The last ones would search for long among those that have enough.
                if known || self.near[other].len() > DEGREE + 2 {
                    continue;
                }
                self.near[v].push((other, hop));
                self.near[other].push((v, hop));
            }
        }
    }

    fn plan(&mut self, at: u64, v: usize, what: Happening) {
        self.order += 1;
        self.queue.push(Reverse((at, self.order, v, what)));
    }

    fn tell(&mut self, at: u64, v: usize, but: Option<usize>, what: Happening) {
        for (other, hop) in self.near[v].clone() {
            if Some(other) != but {
                self.plan(at + hop, other, what.clone());
            }
        }
    }

    fn weight(&self) -> f64 {
        (self.near.len() as f64 * self.crowd.told).max(lottery::LARGE)
    }

    /// One segment: how many began to fetch it, and after how many milliseconds the first.
    fn play(&mut self, msn: u64, phases: &[u64]) -> (u32, u64) {
        let base = msn * 100_000;
        self.lots = (0..phases.len()).map(|v| draw(msn, v)).collect();
        // An id that was made to suit has the lowest lot there is.
        if self.crowd.liar_after_ms.is_some() {
            self.lots[0] = 0.0;
        }
        let mut all: Vec<Viewer> = phases.iter().map(|_| Viewer::default()).collect();
        for (v, phase) in phases.iter().enumerate() {
            self.plan(base + phase, v, Happening::Learns { age_ms: 0, hops: 0 });
        }
        let (mut starts, mut first) = (0, TARGET_MS);
        while let Some(Reverse((now, _, v, what))) = self.queue.pop() {
            if let Some(after) = self.crowd.liar_after_ms.filter(|_| v == 0) {
                // It hears and brings nothing.
                if all[0].release.replace(now).is_none() {
                    let stage = (after / 250) as u8;
                    self.tell(
                        now + after,
                        0,
                        None,
                        Happening::Claims { from: 0, fetcher: 0, stage, hops: 0 },
                    );
                }
                continue;
            }
            self.happen(now, msn, v, &mut all, what);
            if self.begins(now, v, &mut all) {
                starts += 1;
                first = first.min(now - base);
            }
        }
        for (v, viewer) in all.iter().enumerate() {
            self.chances[v].note(viewer.hearsay.proven_fetchers() + usize::from(viewer.started));
        }
        (starts, first)
    }

    fn happen(&mut self, now: u64, msn: u64, v: usize, all: &mut [Viewer], what: Happening) {
        match what {
            Happening::Learns { age_ms, hops } => {
                let viewer = &mut all[v];
                if viewer.release.is_none() {
                    viewer.release = Some(now - age_ms.min(now));
                    if hops <= 1 {
                        self.tell(now, v, None, Happening::Learns { age_ms, hops: hops + 1 });
                    }
                }
            }
            Happening::Claims { from, fetcher, stage, hops } => {
                let word = self.words.entry((v, from)).or_default();
                if word.review(time(now)) {
                    self.deaf.insert((v, from));
                }
                if !self.deaf.contains(&(v, from)) {
                    self.claimed(now, msn, v, &mut all[v], (from, fetcher, stage, hops));
                }
            }
            Happening::Shows { from, count } => {
                let viewer = &mut all[v];
                if let Some(word) = self.words.get_mut(&(v, from)) {
                    word.kept((0, msn));
                }
                viewer.hearsay.bear_out(ConnNo(from as u32));
                if viewer.release.is_none() {
                    viewer.release = Some(now);
                }
                if count > viewer.has && !viewer.started {
                    self.plan(now + PULL_MS, v, Happening::Has { count });
                }
            }
            Happening::Has { count } => {
                let viewer = &mut all[v];
                if count > viewer.has {
                    viewer.has = count;
                    viewer.hearsay.prove(time(now));
                    self.tell(now, v, None, Happening::Shows { from: v, count });
                }
            }
            Happening::Looks => {}
        }
    }

    fn claimed(
        &mut self,
        now: u64,
        msn: u64,
        v: usize,
        viewer: &mut Viewer,
        (from, fetcher, stage, hops): (usize, usize, u8, u8),
    ) {
        // A claim is news of the segment, too.
        let release = *viewer.release.get_or_insert(now);
        if !lottery::is_open(self.lots[fetcher], stage, self.weight(), time(release), time(now)) {
            return;
        }
        if viewer.hearsay.claim(time(now), meshedflow_core::Duration::ZERO, id(fetcher), ConnNo(from as u32))
        {
            self.words.entry((v, from)).or_default().given((0, msn), time(now + 4_000));
            if hops < 8 && viewer.relayed < 4 {
                viewer.relayed += 1;
                self.tell(now, v, Some(from), Happening::Claims { from: v, fetcher, stage, hops: hops + 1 });
            }
        }
    }

    /// Does this viewer begin to fetch now? If not, it looks again when it may.
    fn begins(&mut self, now: u64, v: usize, all: &mut [Viewer]) -> bool {
        let viewer = &mut all[v];
        let Some(release) = viewer.release.filter(|_| !viewer.started && viewer.has < FRAGMENTS) else {
            return false;
        };
        let stage = lottery::stage(self.lots[v], self.chances[v].value(), self.weight());
        let release = time(release);
        let words = viewer.hearsay.silent_until(lottery::words_end, Duration::ZERO).unwrap_or_default();
        let at = lottery::opens_at(release, stage).max(words);
        if time(now) < at {
            self.plan(at.0.div_ceil(1_000), v, Happening::Looks);
            return false;
        }
        viewer.started = true;
        self.tell(now, v, None, Happening::Claims { from: v, fetcher: v, stage, hops: 0 });
        for count in 1..=FRAGMENTS {
            let at = now + FIRST_MS + u64::from(count - 1) * NEXT_MS;
            self.plan(at, v, Happening::Has { count });
        }
        true
    }
}

fn time(ms: u64) -> Time {
    Time::default() + Duration::from_millis(ms)
}
