//! How many strangers' ids one member may learn by asking: the rule against harvesting the audience.

use super::rules::PairingRules;
use crate::ledger::Helping;
use crate::window::{HOUR_MS, MINUTE_MS, Window};

/// Proposals one member may still get: a first helping in its first minute, then so many a minute and an hour, out
/// of what its household and its subject have left. Windows are counted from the join.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    joined_ms: u64,
    /// What the first minute brings.
    helping: Helping,
    /// What of it is spent.
    helped: u16,
    minute: Window,
    hour: Window,
}

impl Budget {
    pub(crate) fn new(helping: Helping, now_ms: u64) -> Self {
        Self { joined_ms: now_ms, helping, helped: 0, minute: Window::default(), hour: Window::default() }
    }

    /// Whether as many of its household or subject were here before.
    pub(crate) fn is_again(&self) -> bool {
        self.helping.is_again
    }

    /// What is left of the first helping.
    pub(crate) fn unspent(&self) -> u16 {
        self.helping.count.saturating_sub(self.helped)
    }

    /// How many proposals are left now, if `shared` says what its payers have left.
    pub(crate) fn left(&self, now_ms: u64, rules: &PairingRules, shared: impl FnOnce() -> u16) -> u16 {
        let age_ms = now_ms.saturating_sub(self.joined_ms);
        let left = |budget: u16, spent: u32| budget.saturating_sub(u16::try_from(spent).unwrap_or(u16::MAX));
        let this_minute = self.minute.spent_in(age_ms / MINUTE_MS);
        if self.is_first_helping(now_ms) {
            return self.unspent();
        }
        let this_hour = self.hour.spent_in(age_ms / HOUR_MS);
        let own =
            left(rules.proposals_per_minute, this_minute).min(left(rules.proposals_per_hour, this_hour));
        if own == 0 { 0 } else { own.min(shared()) }
    }

    /// Counts one; true if its payers have to count it as well. What the first helping spends is its own.
    pub(crate) fn spend(&mut self, now_ms: u64) -> bool {
        let age_ms = now_ms.saturating_sub(self.joined_ms);
        let first = self.is_first_helping(now_ms);
        if first {
            self.helped = self.helped.saturating_add(1);
        } else {
            self.minute.spend(age_ms / MINUTE_MS);
            self.hour.spend(age_ms / HOUR_MS);
        }
        !first
    }

    fn is_first_helping(&self, now_ms: u64) -> bool {
        let first_minute = now_ms.saturating_sub(self.joined_ms) < MINUTE_MS;
        first_minute && (self.unspent() > 0 || !self.is_again())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(count: u16) -> Helping {
        Helping { count, is_again: false }
    }

    fn again(count: u16) -> Helping {
        Helping { count, is_again: true }
    }

    fn spend_all(budget: &mut Budget, now_ms: u64, shared: u16) -> u16 {
        let left = budget.left(now_ms, &PairingRules::default(), || shared);
        (0..left).for_each(|_| {
            budget.spend(now_ms);
        });
        let after = budget.left(now_ms, &PairingRules::default(), || shared.saturating_sub(left));
        assert_eq!(after, 0);
        left
    }

    #[test]
    fn a_first_helping_then_six_a_minute_and_sixty_an_hour() {
        let mut budget = Budget::new(first(24), 5_000);
        assert_eq!(spend_all(&mut budget, 5_000, 0), 24);
        assert_eq!(spend_all(&mut budget, 64_999, 100), 0);
        let later: Vec<u16> =
            (1..=60).map(|minute| spend_all(&mut budget, 5_000 + minute * MINUTE_MS, 100)).collect();
        assert_eq!(later.first(), Some(&6));
        assert_eq!(later[..59].iter().sum::<u16>(), 60, "the first hour");
        assert_eq!(later[59], 6, "the second hour begins");
    }

    #[test]
    fn whoever_comes_again_has_what_its_payers_have_left() {
        assert_eq!(spend_all(&mut Budget::new(again(0), 0), 0, 100), 6);
        assert_eq!(spend_all(&mut Budget::new(again(0), 0), 0, 2), 2);
        let mut left = Budget::new(again(9), 0);
        assert!((0..9).all(|_| !left.spend(0)) && left.spend(0), "what was left first");
        let mut fresh = Budget::new(first(24), 0);
        assert!(!fresh.spend(0) && fresh.spend(MINUTE_MS) && Budget::new(again(0), 0).spend(0));
    }
}
