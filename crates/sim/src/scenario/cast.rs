//! The cast of a plan: people drawn from the seed, and the tools with which stories change them.

use super::dice::Dice;
use crate::link::Link;
use crate::plan::{Act, Change, Nat, Person, Plan, Stream};

/// Bytes per second of a megabit.
const MBIT: u64 = 125_000;
/// After the last of those who begin together came, the mesh counts as warm so many milliseconds later.
const WARMING_MS: u64 = 10_000;
/// Uplinks of a mixed audience in Mb/s, as often as they stand here: 2 to 20, half of them below 8.
const UPLINKS: [u64; 12] = [2, 2, 3, 4, 5, 6, 8, 10, 10, 12, 16, 20];
/// Address translation of a mixed audience: one in ten is open, one in ten behind a symmetric one.
const NATS: [Nat; 10] = {
    let mut nats = [Nat::Cone; 10];
    (nats[0], nats[1]) = (Nat::Open, Nat::Symmetric);
    nats
};

/// A plan in the making.
#[derive(Debug)]
pub(crate) struct Cast {
    plan: Plan,
    /// How many viewers were asked for: those who are there at a time.
    pub(crate) viewers: usize,
    /// The end.
    pub(crate) end_ms: u64,
}

impl Cast {
    /// A mixed audience in front of a live stream, all of whom come in the first seconds.
    pub(crate) fn new(viewers: usize, seconds: u64, seed: u64) -> Self {
        let plan = Plan {
            seed,
            seconds,
            warm_ms: 0,
            meshed: true,
            stream: Stream {
                live: true,
                target_ms: 4_000,
                recorded: 400,
                behind: 2,
                rungs_bps: vec![1_200_000],
                audio_bps: 96_000,
                mode: "serve",
                ttfb_ms: 30,
                origin_bytes_per_s: None,
            },
            people: Vec::new(),
            changes: Vec::new(),
        };
        let mut cast = Self { plan, viewers, end_ms: seconds * 1_000 };
        cast.come(viewers, 0, (viewers as u64 * 400).clamp(1_000, 20_000));
        cast
    }

    /// The finished plan.
    pub(crate) fn plan(mut self) -> Plan {
        for p in &mut self.plan.people {
            p.acts.sort_by_key(|a| a.0);
            let gone = p.acts.iter().position(|(_, a)| matches!(a, Act::Vanish | Act::Quit));
            p.acts.truncate(gone.map_or(usize::MAX, |i| i + 1));
        }
        self.plan.changes.sort_by_key(|c| c.0);
        self.plan.warm_ms = self.plan.warm_ms.min(self.end_ms / 2);
        self.plan
    }

    /// Dice for a question.
    pub(crate) fn dice(&self, question: &str) -> Dice {
        Dice::new(self.plan.seed, question)
    }

    /// The stream.
    pub(crate) fn stream(&mut self) -> &mut Stream {
        &mut self.plan.stream
    }

    /// Everybody so far.
    pub(crate) fn people(&mut self) -> &mut [Person] {
        &mut self.plan.people
    }

    /// Nobody has come yet after all.
    pub(crate) fn empty(&mut self) {
        self.plan.people.clear();
        self.plan.warm_ms = 0;
    }

    /// The mesh is warm from then on.
    pub(crate) fn warm_at(&mut self, ms: u64) {
        self.plan.warm_ms = ms;
    }

    /// So many more come, spread evenly by chance over some time, the first of them at its beginning; the mesh is
    /// warm when the last has been there for a while.
    pub(crate) fn come(&mut self, count: usize, from_ms: u64, within_ms: u64) {
        let first = self.plan.people.len();
        let mut dice = self.dice(&format!("arrivals from {first}"));
        let to = (from_ms + within_ms).min(self.end_ms.saturating_sub(1_000)).max(from_ms + 1);
        let mut times: Vec<u64> = (0..count).map(|_| dice.between(from_ms, to)).collect();
        times.sort_unstable();
        if let Some(time) = times.first_mut() {
            *time = from_ms;
        }
        for at in times {
            let person = self.draw(self.plan.people.len(), at);
            self.plan.people.push(person);
            self.plan.warm_ms = self.plan.warm_ms.max(at + WARMING_MS);
        }
    }

    /// One more comes later than those who begin together; when the mesh is warm does not depend on it.
    pub(crate) fn follow(&mut self, at_ms: u64) -> usize {
        let index = self.plan.people.len();
        let person = self.draw(index, at_ms.min(self.end_ms.saturating_sub(1)));
        self.plan.people.push(person);
        index
    }

    fn draw(&self, index: usize, arrive_ms: u64) -> Person {
        let mut dice = self.dice(&format!("person {index}"));
        let up = dice.pick(&UPLINKS) * MBIT;
        let link = Link {
            up_bytes_per_s: up,
            // Lines are three to eight times as fast down as up, and never too slow for what is watched.
            down_bytes_per_s: (up * dice.between(3, 9)).max(8 * MBIT),
            latency_us: dice.between(3_000, 30_000),
        };
        Person {
            jitter_us: dice.between(0, 3_000),
            nat: dice.pick(&NATS),
            clock_ppm: dice.between(0, 41) as i32 - 20,
            wall_offset_ms: dice.between(0, 2_001) as i64 - 1_000,
            ..Person::usual(arrive_ms, link)
        }
    }

    /// A share of all, at least one of them, never everybody unless that is the share.
    pub(crate) fn some(&self, question: &str, share: f64) -> Vec<usize> {
        let n = self.plan.people.len();
        let count = ((n as f64 * share).round() as usize).clamp(1, n);
        let most = if share < 1.0 { n.saturating_sub(1) } else { n };
        self.dice(question).some(n, count.min(most))
    }

    /// Changes a share of all.
    pub(crate) fn change(&mut self, question: &str, share: f64, change: impl Fn(&mut Person, &mut Dice)) {
        let mut dice = self.dice(&format!("{question}: how"));
        for i in self.some(question, share) {
            change(&mut self.plan.people[i], &mut dice);
        }
    }

    /// A share of all does something once each, within a span of time, if it is there by then.
    pub(crate) fn act(&mut self, question: &str, share: f64, span: (u64, u64), act: Act) {
        let mut dice = self.dice(&format!("{question}: when"));
        for i in self.some(question, share) {
            self.act_of(i, dice.between(span.0, span.1), act);
        }
    }

    /// One viewer does something, if it is there by then and the story is not over.
    pub(crate) fn act_of(&mut self, viewer: usize, at_ms: u64, act: Act) {
        let end = self.end_ms;
        let person = &mut self.plan.people[viewer];
        if (person.arrive_ms..end).contains(&at_ms) {
            person.acts.push((at_ms, act));
        }
    }

    /// Something happens to everybody, if the story is not over.
    pub(crate) fn happen(&mut self, at_ms: u64, change: Change) {
        if at_ms < self.end_ms {
            self.plan.changes.push((at_ms, change));
        }
    }

    /// This share of the story's time.
    pub(crate) fn at(&self, share: f64) -> u64 {
        (self.end_ms as f64 * share) as u64
    }
}

/// A line of so many kilobits per second.
pub(crate) fn line(up_kbps: u64, down_kbps: u64, latency_ms: u64) -> Link {
    Link { up_bytes_per_s: up_kbps * 125, down_bytes_per_s: down_kbps * 125, latency_us: latency_ms * 1_000 }
}
