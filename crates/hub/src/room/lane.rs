//! One lane of a room: who plays it, and what their election weights sum to.

use std::collections::BTreeMap;

use super::rules::PairingRules;
use crate::place::Household;

/// Members by slot, dense so that a random one costs nothing, and the sum of weights kept as it changes.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) slots: Vec<u32>,
    households: BTreeMap<Household, Weighed>,
    weight: f64,
    /// What viewers were last told, and since when.
    told: f64,
}

/// Mature connections of one household.
#[derive(Clone, Copy, Debug, Default)]
struct Weighed {
    count: u16,
    sum: f64,
}

impl Weighed {
    /// What the household counts: the mean of its connections, at most `limit` times.
    fn share(self, limit: u16) -> f64 {
        if self.count == 0 {
            0.0
        } else {
            self.sum * f64::from(self.count.min(limit)) / f64::from(self.count)
        }
    }
}

impl Lane {
    pub(crate) fn insert(&mut self, slot: u32) {
        self.slots.push(slot);
    }

    pub(crate) fn remove(&mut self, slot: u32) {
        if let Some(at) = self.slots.iter().position(|&s| s == slot) {
            self.slots.swap_remove(at);
        }
    }

    /// The sum of weights now.
    pub(crate) fn weight(&self) -> f64 {
        self.weight.max(0.0)
    }

    /// A mature connection of this household starts counting.
    pub(crate) fn weigh(&mut self, household: Household, weight: f64, rules: &PairingRules) {
        self.change(household, rules, |w| Weighed { count: w.count.saturating_add(1), sum: w.sum + weight });
    }

    /// It stops counting.
    pub(crate) fn unweigh(&mut self, household: Household, weight: f64, rules: &PairingRules) {
        self.change(household, rules, |w| Weighed { count: w.count.saturating_sub(1), sum: w.sum - weight });
    }

    fn change(&mut self, of: Household, rules: &PairingRules, how: impl FnOnce(Weighed) -> Weighed) {
        let entry = self.households.entry(of).or_default();
        let before = entry.share(rules.weighed_per_household);
        *entry = how(*entry);
        self.weight += entry.share(rules.weighed_per_household) - before;
        if entry.count == 0 {
            self.households.remove(&of);
        }
        if self.households.is_empty() {
            self.weight = 0.0;
        }
    }

    /// Whether the sum moved by more than a quarter of what viewers know.
    pub(crate) fn moved(&self) -> bool {
        (self.weight() - self.told).abs() > 0.25 * self.told
    }

    /// Notes that viewers are told the sum now, and returns it.
    pub(crate) fn tell(&mut self) -> f64 {
        self.told = self.weight();
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;

    fn household(last: u8) -> Household {
        Place::new([192, 0, 2, last].into()).household()
    }

    #[test]
    fn a_household_counts_four_times_at_most() {
        let (mut lane, rules) = (Lane::default(), PairingRules::default());
        (0..10).for_each(|_| lane.weigh(household(1), 1.0, &rules));
        lane.weigh(household(2), 2.0, &rules);
        assert!((lane.weight() - 6.0).abs() < 1e-9);
        (0..10).for_each(|_| lane.unweigh(household(1), 1.0, &rules));
        assert!((lane.weight() - 2.0).abs() < 1e-9);
        lane.unweigh(household(2), 2.0, &rules);
        assert!(lane.weight() == 0.0 && lane.households.is_empty());
    }

    #[test]
    fn small_moves_are_not_news() {
        let (mut lane, rules) = (Lane::default(), PairingRules::default());
        (0..8).for_each(|n| lane.weigh(household(n), 1.0, &rules));
        assert!(lane.moved());
        lane.tell();
        lane.weigh(household(8), 1.0, &rules);
        lane.weigh(household(9), 1.0, &rules);
        assert!(!lane.moved());
        lane.weigh(household(10), 1.0, &rules);
        assert!(lane.moved());
    }
}
