//! Thousands of viewers: the real core and hub in virtual time, on one thread or several, from one seed.
//!
//! [`play`] tells a [`Plan`]. Bytes are only named (`content`), so that nothing is copied or hashed, but all
//! that the core decides by is what it would be: lists are signed and verified, digests fit exactly where the
//! content is the origin's. Media moves message by message over both lines (`lines`), a body in strides that end
//! where fragments do.
//!
//! Time goes in windows no longer than the shortest way between any two parties (`post`), so that within a window
//! nobody depends on anybody: threads share the viewers, and meet after each window to exchange letters. The edge
//! and the origin's share of its line are worked out between windows. The order in which a viewer reads its
//! letters depends on their senders alone, so the trace is the same for any number of threads.

mod content;
mod hall;
mod lines;
mod memo;
mod post;
mod screen;
mod shard;
mod source;
mod tally;
mod viewer;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{PoisonError, RwLock};

use crate::event::Micros;
use crate::origin::OriginFault;
use crate::outcome::Outcome;
use crate::plan::{Act, Change, Plan};
use hall::{Hall, WAY_US};
use memo::Memo;
use post::{EDGE, Letter, Post, What};
use shard::{Scene, Shard};
use source::Source;
use tally::Tally;

/// Windows are no shorter than this, whatever the latencies: nearer viewers are moved so far apart.
const WINDOW_LEAST_US: Micros = 1_000;
/// The edge looks around so often, and so does the oracle.
const SECOND_US: Micros = 1_000_000;
/// Segments of all renditions that a live viewer keeps.
const LIVE_STORE: u64 = 12;
/// The store of a page on a desktop.
const STORE_BYTES: u64 = 96 << 20;

/// Tells a plan on so many threads; the outcome does not depend on their number.
pub fn play(plan: &Plan, threads: usize) -> Outcome {
    let shards = threads.clamp(1, 64) as u32;
    let mut stage = Stage::new(plan, shards);
    let scene = RwLock::new(stage.scene(plan));
    let windows = (plan.seconds * SECOND_US).div_ceil(stage.window_us);
    std::thread::scope(|scope| {
        let helpers: Vec<Helper> = (1..shards)
            .map(|_| {
                let (to, jobs) = channel::<(u64, Shard)>();
                let (done, from) = channel();
                let scene = &scene;
                scope.spawn(move || work(&jobs, &done, scene));
                Helper { to, from }
            })
            .collect();
        for window in 0..windows {
            stage.before(window, &mut scene.write().unwrap_or_else(PoisonError::into_inner));
            stage.run(window, &helpers, &scene);
            stage.exchange();
            let end = (window + 1) * stage.window_us;
            if end / SECOND_US != window * stage.window_us / SECOND_US {
                stage.sample(end, &scene.read().unwrap_or_else(PoisonError::into_inner));
            }
        }
    });
    let scene = scene.into_inner().unwrap_or_else(PoisonError::into_inner);
    stage.tally.outcome(plan, &scene.source, stage.shards)
}

/// Another thread, and the way to it and back.
struct Helper {
    to: Sender<(u64, Shard)>,
    from: Receiver<Shard>,
}

fn work(jobs: &Receiver<(u64, Shard)>, done: &Sender<Shard>, scene: &RwLock<Scene<'_>>) {
    while let Ok((window, mut shard)) = jobs.recv() {
        shard.run(window, &scene.read().unwrap_or_else(PoisonError::into_inner));
        if done.send(shard).is_err() {
            return;
        }
    }
}

/// All that is between the windows.
struct Stage {
    window_us: Micros,
    shards: Vec<Shard>,
    hall: Hall,
    hall_post: Post,
    /// Changes still to come, the next one last.
    changes: Vec<(u64, Change)>,
    rate: Option<u64>,
    tally: Tally,
}

impl Stage {
    fn new(plan: &Plan, shards: u32) -> Self {
        let mut changes = plan.changes.clone();
        changes.sort_by_key(|(at, _)| core::cmp::Reverse(*at));
        let mut stage = Self {
            window_us: window_of(plan),
            shards: (0..shards).map(|n| Shard::new(n, shards, plan.people.len())).collect(),
            hall: Hall::new(plan.seed),
            hall_post: Post::default(),
            changes,
            rate: plan.stream.origin_bytes_per_s,
            tally: Tally::default(),
        };
        for (v, person) in plan.people.iter().enumerate() {
            let arrive = (person.arrive_ms, What::Arrive);
            let acts = person.acts.iter().enumerate().map(|(i, (at, _))| (*at, What::Act(i as u32)));
            for (seq, (ms, what)) in core::iter::once(arrive).chain(acts).enumerate() {
                let letter = Letter { at: ms * 1_000, to: v as u32, from: EDGE, seq: seq as u32, what };
                stage.deliver(letter);
            }
        }
        stage
    }

    fn scene<'a>(&self, plan: &'a Plan) -> Scene<'a> {
        let source = Source::new(&plan.stream);
        let per_segment: u64 = source.lanes.iter().map(|l| u64::from(l.size)).sum();
        let memory_bytes =
            if source.live { (per_segment * LIVE_STORE).clamp(4 << 20, STORE_BYTES) } else { STORE_BYTES };
        Scene {
            plan,
            largest: source.lanes.iter().map(|l| u64::from(l.size)).max().unwrap_or(0),
            source,
            memo: Memo::default(),
            window_us: self.window_us,
            parted: false,
            sound: true,
            sound_since: 0,
            memory_bytes,
        }
    }

    fn deliver(&mut self, letter: Letter) {
        let at = letter.to as usize % self.shards.len();
        self.shards[at].post.put(self.window_us, letter);
    }

    /// What the window finds: changes, lists, the origin's share, the edge's words.
    fn before(&mut self, window: u64, scene: &mut Scene<'_>) {
        let (start, end) = (window * self.window_us, (window + 1) * self.window_us);
        while let Some((_, change)) = self.changes.pop_if(|(ms, _)| *ms * 1_000 < end) {
            self.change(start, change, scene);
        }
        scene.source.advance(start);
        let bodies: u64 = match self.rate {
            Some(_) => self.shards.iter().flat_map(|s| &s.viewers).flatten().map(|v| v.bodies()).sum(),
            None => 0,
        };
        scene.source.share_bytes_per_s = self.rate.map_or(u64::MAX, |rate| rate / bodies.max(1));
        let letters = self.hall_post.take(window);
        let mut said = self.hall.hear(letters);
        if start / SECOND_US != end / SECOND_US {
            said.extend(self.hall.tick(end - 1));
        }
        for mut letter in said {
            letter.at = letter.at.max(start);
            self.deliver(letter);
        }
    }

    fn change(&mut self, now: Micros, change: Change, scene: &mut Scene<'_>) {
        match change {
            Change::Edge(up) => {
                for letter in self.hall.set_up(now, up) {
                    self.deliver(letter);
                }
            }
            Change::EdgeMood(mood) => self.hall.mood = mood,
            Change::Origin(fault) => {
                scene.source.fault = fault;
                scene.source.forget_lists();
                scene.sound = fault == OriginFault::None;
                scene.sound_since = now;
            }
            Change::OriginRefuses(refuses) => {
                scene.source.refuses = refuses;
                scene.sound = !refuses;
                scene.sound_since = now;
            }
            Change::OriginTtfb(ms) => scene.source.ttfb_us = ms * 1_000,
            Change::OriginRate(rate) => self.rate = rate,
            Change::Partition => scene.parted = true,
            Change::Heal => scene.parted = false,
        }
    }

    /// Lets all shards perform the window: the first on this thread, the others on theirs.
    fn run(&mut self, window: u64, helpers: &[Helper], scene: &RwLock<Scene<'_>>) {
        let mut away = self.shards.drain(1..).collect::<Vec<_>>().into_iter();
        let mut here = Vec::new();
        for helper in helpers {
            let Some(shard) = away.next() else { break };
            // A helper that is gone has panicked, which the scope tells when it ends.
            if let Err(back) = helper.to.send((window, shard)) {
                here.push(back.0.1);
            }
        }
        if let Some(first) = self.shards.first_mut() {
            first.run(window, &scene.read().unwrap_or_else(PoisonError::into_inner));
        }
        self.shards.extend(helpers.iter().filter_map(|h| h.from.recv().ok()));
        self.shards.extend(here);
    }

    /// Letters between shards and to the edge change hands.
    fn exchange(&mut self) {
        for i in 0..self.shards.len() {
            for letter in core::mem::take(&mut self.shards[i].out) {
                self.deliver(letter);
            }
            for letter in core::mem::take(&mut self.shards[i].hall) {
                self.hall_post.put(self.window_us, letter);
            }
        }
    }

    fn sample(&mut self, now: Micros, scene: &Scene<'_>) {
        for shard in &mut self.shards {
            shard.look(now, scene);
        }
        self.tally.sample(now, &self.shards);
    }
}

/// The shortest way between any two parties.
fn window_of(plan: &Plan) -> Micros {
    let acts = plan.people.iter().flat_map(|p| &p.acts).filter_map(|(_, act)| match act {
        Act::Line(link) => Some(link.latency_us),
        _ => None,
    });
    let least = plan.people.iter().map(|p| p.link.latency_us).chain(acts).min().unwrap_or(WAY_US);
    (least * 2).clamp(WINDOW_LEAST_US, WAY_US)
}
