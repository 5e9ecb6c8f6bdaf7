//! What one neighbour has delivered: a rate that rises at once and falls slowly (peak-EWMA), and round trips.

use crate::time::{Duration, Time};

/// Measured behaviour of one neighbour.
#[derive(Clone, Debug, Default)]
pub(crate) struct Throughput {
    rate: f64,
    at: Option<Time>,
    rtt: Option<Duration>,
}

/// The memory of the rate.
const HALF_LIFE: Duration = Duration::from_secs(10);
/// Fewer bytes tell of round trips and of busy pages; of the rate only that it is no lower.
const LEAST_BYTES: u32 = 32 * 1024;

impl Throughput {
    /// Notes `bytes` verified in `took`.
    pub(crate) fn sample(&mut self, now: Time, bytes: u32, took: Duration) {
        let rate = f64::from(bytes) / took.as_secs_f64().max(0.002);
        if bytes < LEAST_BYTES && (self.at.is_none() || rate <= self.rate) {
            return;
        }
        let decay = self.at.map_or(0.0, |at| now.since(at).decay(HALF_LIFE));
        self.rate = if rate > self.rate {
            rate * 0.5 + self.rate * 0.5
        } else {
            self.rate * decay + rate * (1.0 - decay)
        };
        if self.at.is_none() {
            self.rate = rate;
        }
        self.at = Some(now);
    }

    /// Halves the rate: it kept us waiting.
    pub(crate) fn punish(&mut self) {
        self.rate *= 0.5;
    }

    /// Notes a round trip, hold time taken off.
    pub(crate) fn round_trip(&mut self, rtt: Duration) {
        self.rtt = Some(self.rtt.map_or(rtt, |old| (old * 3 + rtt) / 4));
    }

    /// Smoothed round trip; 100 ms before the first.
    pub(crate) fn rtt(&self) -> Duration {
        self.rtt.unwrap_or(Duration::from_millis(100))
    }

    /// Bytes per second, once proven.
    pub(crate) fn rate(&self) -> Option<f64> {
        self.at.map(|_| self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_little_that_came_late_proves_nothing() {
        let mut t = Throughput::default();
        t.sample(Time(0), 4_200, Duration::from_millis(400));
        assert_eq!(t.rate(), None);
        t.sample(Time(0), 100_000, Duration::from_millis(100));
        t.sample(Time(60_000_000), 4_200, Duration::from_millis(400));
        assert_eq!(t.rate(), Some(1e6));
        t.sample(Time(61_000_000), 4_200, Duration::from_millis(2));
        assert!(t.rate() > Some(1e6));
    }

    #[test]
    fn rises_at_once_and_falls_slowly() {
        let mut t = Throughput::default();
        t.sample(Time(0), 100_000, Duration::from_secs(1));
        t.sample(Time(1_000_000), 1_000_000, Duration::from_secs(1));
        let up = t.rate;
        assert!(up > 500_000.0, "{up}");
        t.sample(Time(2_000_000), 100_000, Duration::from_secs(1));
        assert!(t.rate > up * 0.8);
    }
}
