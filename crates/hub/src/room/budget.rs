//! How many strangers' ids one member may learn: the rule against harvesting the audience.

use super::rules::PairingRules;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;

/// Proposals one member may still get: a first helping in its first minute, then so many a minute and an hour.
/// Windows are counted from the join.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    joined_ms: u64,
    minute: Window,
    hour: Window,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    number: u64,
    spent: u16,
}

impl Window {
    /// What was spent in window `number`.
    fn spent_in(self, number: u64) -> u16 {
        if self.number == number { self.spent } else { 0 }
    }

    fn spend(&mut self, number: u64) {
        self.spent = self.spent_in(number).saturating_add(1);
        self.number = number;
    }
}

impl Budget {
    pub(crate) fn new(now_ms: u64) -> Self {
        Self { joined_ms: now_ms, minute: Window::default(), hour: Window::default() }
    }

    /// How many proposals are left now.
    pub(crate) fn left(&self, now_ms: u64, rules: &PairingRules) -> u16 {
        let age_ms = now_ms.saturating_sub(self.joined_ms);
        let this_minute = self.minute.spent_in(age_ms / MINUTE_MS);
        if age_ms < MINUTE_MS {
            return rules.proposals_first_minute.saturating_sub(this_minute);
        }
        let this_hour = self.hour.spent_in(age_ms / HOUR_MS);
        let hour = rules.proposals_per_hour.saturating_sub(this_hour);
        rules.proposals_per_minute.saturating_sub(this_minute).min(hour)
    }

    /// Counts one. What the first minute spends does not count against the hour.
    pub(crate) fn spend(&mut self, now_ms: u64) {
        let age_ms = now_ms.saturating_sub(self.joined_ms);
        self.minute.spend(age_ms / MINUTE_MS);
        if age_ms >= MINUTE_MS {
            self.hour.spend(age_ms / HOUR_MS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spend_all(budget: &mut Budget, now_ms: u64) -> u16 {
        let left = budget.left(now_ms, &PairingRules::default());
        (0..left).for_each(|_| budget.spend(now_ms));
        assert_eq!(budget.left(now_ms, &PairingRules::default()), 0);
        left
    }

    #[test]
    fn a_first_helping_then_six_a_minute_and_sixty_an_hour() {
        let mut budget = Budget::new(5_000);
        assert_eq!(spend_all(&mut budget, 5_000), 24);
        assert_eq!(spend_all(&mut budget, 64_999), 0);
        let later: Vec<u16> =
            (1..=60).map(|minute| spend_all(&mut budget, 5_000 + minute * MINUTE_MS)).collect();
        assert_eq!(later.first(), Some(&6));
        assert_eq!(later[..59].iter().sum::<u16>(), 60, "the first hour");
        assert_eq!(later[59], 6, "the second hour begins");
    }
}
