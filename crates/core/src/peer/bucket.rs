//! A token bucket on the mesh's clock.

use crate::time::{Duration, Time};

/// Spends up to `rate` a second with a burst.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    rate: f64,
    burst: f64,
    level: f64,
    at: Time,
}

/// Longer than anybody waits: a rate may be as small as measured.
const LONGEST_S: f64 = 86_400.0;

impl Bucket {
    /// Starts full.
    pub(crate) fn new(rate: f64, burst: f64, now: Time) -> Self {
        Self { rate, burst, level: burst, at: now }
    }

    /// Changes rate and burst, keeping what is left.
    pub(crate) fn retune(&mut self, rate: f64, burst: f64) {
        self.rate = rate;
        self.burst = burst;
        self.level = self.level.min(burst);
    }

    fn refill(&mut self, now: Time) {
        self.level = (self.level + now.since(self.at).as_secs_f64() * self.rate).min(self.burst);
        self.at = self.at.max(now);
    }

    /// Takes `amount` if it is there.
    pub(crate) fn take(&mut self, now: Time, amount: f64) -> bool {
        self.refill(now);
        if self.level < amount {
            return false;
        }
        self.level -= amount;
        true
    }

    /// How long until `amount` is there; `None` if never.
    pub(crate) fn wait(&mut self, now: Time, amount: f64) -> Option<Duration> {
        self.refill(now);
        if self.level >= amount {
            return Some(Duration::ZERO);
        }
        (self.rate > 0.0 && amount <= self.burst)
            .then(|| Duration::from_secs_f64(((amount - self.level) / self.rate).min(LONGEST_S)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_then_keeps_the_rate() {
        let mut b = Bucket::new(10.0, 5.0, Time(0));
        assert!((0..5).all(|_| b.take(Time(0), 1.0)));
        assert!(!b.take(Time(0), 1.0));
        assert_eq!(b.wait(Time(0), 1.0), Some(Duration::from_millis(100)));
        assert!(b.take(Time(100_000), 1.0));
        assert_eq!(Bucket::new(0.0, 0.0, Time(0)).wait(Time(0), 1.0), None);
    }

    #[test]
    fn a_rate_of_next_to_nothing_is_a_long_wait() {
        let mut b = Bucket::new(1e-300, 5.0, Time(0));
        assert!(b.take(Time(0), 5.0));
        assert_eq!(b.wait(Time(0), 1.0), Some(Duration::from_secs(86_400)));
    }
}
