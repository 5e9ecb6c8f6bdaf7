//! The scenarios: audiences and troubles, each a plan drawn from a seed, with what the mesh promises in it.
//!
//! [`SCENARIOS`] is the list, [`Scenario::plan`] draws one, [`harm`] compares what came of it with the same
//! world full of plain players (only the origin's bytes, each load ends once, never more stalls, as fast a start: in
//! every scenario), [`Promise::short`] with what the mesh promises in this one.
//!
//! # Beside browsers
//!
//! `browser-lab` has the shape of the playback tests in `tests/browser` (one machine, viewers in turn, a minute).
//! A minute, seed 7, against `tests/bench/results.md` (live, 3 segments behind, `serve`):
//!
//! | | simulator | Chromium |
//! |---|---|---|
//! | offload, warm, 2, 4, 8 viewers | 50.0, 75.6, 88.0 % | 50.0, 75.0, 87.5 % |
//! | origin copies per segment, warm | 1.00 each | 1.00 each |
//! | offload, whole minute, 2, 4, 8 viewers | 44.1, 66.2, 76.5 % | 44.2, 65.2, 74.5 % |
//!
//! What does not agree: the start, which is kinder here: no module is fetched after the first frame, and nobody's main
//! thread is busy. What late main threads do (drains told late, claims heard late) happens in browsers alone; two cores
//! that carry eight pages and a compiler beside them are what it was looked for with.

mod cast;
mod dice;
mod promise;
mod stories;
mod trouble;

use crate::plan::Plan;
use cast::Cast;

pub use promise::{Promise, harm};
pub use stories::SCENARIOS;

/// One scenario.
pub struct Scenario {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What happens, in a line.
    pub about: &'static str,
    /// Viewers, unless one says otherwise.
    pub viewers: usize,
    /// Seconds, unless one says otherwise.
    pub seconds: u64,
    /// What the mesh promises beyond what it promises always.
    pub promise: Promise,
    cast: fn(&mut Cast),
}

/// Fewest and most viewers of a plan.
pub const VIEWERS: std::ops::RangeInclusive<usize> = 1..=100_000;
/// Shortest and longest plan, in seconds.
pub const SECONDS: std::ops::RangeInclusive<u64> = 30..=86_400;

impl Scenario {
    /// The scenario of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|s| s.name == name)
    }

    /// The story that this seed tells; viewers and seconds are held within [`VIEWERS`] and [`SECONDS`].
    pub fn plan(&self, viewers: usize, seconds: u64, seed: u64) -> Plan {
        let viewers = viewers.clamp(*VIEWERS.start(), *VIEWERS.end());
        let seconds = seconds.clamp(*SECONDS.start(), *SECONDS.end());
        let mut cast = Cast::new(viewers, seconds, seed);
        (self.cast)(&mut cast);
        cast.plan()
    }

    /// The command that tells this story again.
    pub fn command(&self, viewers: usize, seconds: u64, seed: u64) -> String {
        let name = self.name;
        format!(
            "meshedflow bench sim --scenario {name} --viewers {viewers} --seconds {seconds} --seed {seed}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_plan_and_another_seed_another() {
        for s in SCENARIOS {
            assert!(s.plan(20, 120, 7) == s.plan(20, 120, 7), "{}", s.name);
            assert!(s.plan(20, 120, 7).people != s.plan(20, 120, 8).people, "{}", s.name);
        }
    }

    #[test]
    fn plans_are_in_order_and_within_their_time() {
        for s in SCENARIOS {
            for (viewers, seconds) in [(1, 30), (2, 60), (8, 120), (300, 300)] {
                let plan = s.plan(viewers, seconds, 3);
                let end = seconds * 1_000;
                assert!(plan.people.len() >= viewers && plan.warm_ms < end, "{}", s.name);
                assert!(plan.changes.is_sorted_by_key(|c| c.0), "{}", s.name);
                assert!(plan.changes.iter().all(|c| c.0 < end), "{}", s.name);
                for (i, p) in plan.people.iter().enumerate() {
                    assert!(p.arrive_ms < end, "{} {i}: {p:?}", s.name);
                    assert!(p.acts.is_sorted_by_key(|a| a.0), "{} {i}: {p:?}", s.name);
                    assert!(p.acts.iter().all(|a| a.0 >= p.arrive_ms), "{} {i}: {p:?}", s.name);
                }
            }
        }
    }

    #[test]
    fn names_are_found_and_absurd_sizes_are_held_within_bounds() {
        for s in SCENARIOS {
            assert_eq!(Scenario::find(s.name).map(|f| f.about), Some(s.about));
            assert!(VIEWERS.contains(&s.viewers) && SECONDS.contains(&s.seconds));
        }
        assert!(Scenario::find("none").is_none());
        let plan = SCENARIOS[0].plan(0, 0, 1);
        assert_eq!((plan.people.is_empty(), plan.seconds), (false, *SECONDS.start()));
    }
}
