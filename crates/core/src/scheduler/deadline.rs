//! By when a load must be complete, and what HTTP would need: forecasts are compared, not modes.

use core::time::Duration;

use crate::time::Time;

/// What HTTP transfers have shown: rate while bytes flowed and time to the first byte.
#[derive(Clone, Debug, Default)]
pub struct HttpEstimate {
    rate_bytes_per_s: f64,
    ttfb: f64,
    weight: f64,
}

/// Transfers below this say little about the rate.
const SAMPLE_FLOOR_BYTES: u32 = 128 * 1024;

impl HttpEstimate {
    /// Notes a finished transfer.
    pub fn sample(&mut self, bytes: u32, ttfb: Duration, body: Duration) {
        let first = self.weight == 0.0;
        blend(&mut self.ttfb, ttfb.as_secs_f64(), first);
        let big_enough = bytes >= SAMPLE_FLOOR_BYTES || self.rate_bytes_per_s == 0.0;
        if big_enough && bytes > 0 {
            let rate = f64::from(bytes) / body.as_secs_f64().max(0.001);
            let fresh = self.rate_bytes_per_s == 0.0;
            blend(&mut self.rate_bytes_per_s, rate, fresh);
        }
        self.weight += 1.0;
    }

    /// Bytes per second, or `None` before the first transfer.
    pub fn rate(&self) -> Option<f64> {
        (self.rate_bytes_per_s > 0.0).then_some(self.rate_bytes_per_s)
    }

    /// Time to first byte; 100 ms before the first transfer.
    pub fn ttfb(&self) -> Duration {
        if self.weight > 0.0 { Duration::from_secs_f64(self.ttfb) } else { Duration::from_millis(100) }
    }

    /// How long HTTP would need for `bytes`; without knowledge, `fallback_bytes_per_s` is assumed.
    pub fn time_for(&self, bytes: u64, fallback_bytes_per_s: f64) -> Duration {
        let rate = self.rate().unwrap_or(fallback_bytes_per_s).max(1_000.0);
        self.ttfb() + Duration::from_secs_f64((bytes as f64 / rate).min(600.0))
    }
}

fn blend(value: &mut f64, sample: f64, first: bool) {
    *value = if first { sample } else { *value * 0.7 + sample * 0.3 };
}

/// A lower bound of the buffer, known from the loads alone: what was delivered in a row, less the time since.
#[derive(Clone, Debug, Default)]
pub struct BufferBound {
    since: Option<Time>,
    delivered: Duration,
    next_msn: Option<u64>,
    segments: u32,
}

impl BufferBound {
    /// A request for `msn` arrived: one that does not follow starts the count again.
    pub fn requested(&mut self, msn: u64) {
        if self.next_msn.is_some_and(|next| msn != next && msn + 1 != next) {
            *self = Self::default();
        }
    }

    /// Segment `msn` of this duration was delivered.
    pub fn delivered(&mut self, now: Time, msn: u64, duration: Duration) {
        if self.next_msn == Some(msn) || self.next_msn.is_none() {
            self.since.get_or_insert(now);
            self.delivered += duration;
            self.next_msn = Some(msn + 1);
            self.segments += 1;
        }
    }

    /// Media that is surely buffered ahead of the playhead now.
    pub fn ahead(&self, now: Time) -> Duration {
        let Some(since) = self.since else { return Duration::ZERO };
        self.delivered.saturating_sub(now.since(since)).saturating_sub(Duration::from_millis(500))
    }

    /// Segments delivered in a row.
    pub fn segments(&self) -> u32 {
        self.segments
    }
}

/// When a load must be complete, with the loader alone.
pub fn due_by_loads(asked: Time, duration: Duration, ahead: Duration, http: Duration) -> Time {
    asked + (duration * 2 / 5).max(ahead.saturating_sub(http * 3 / 2))
}

/// When a load must be complete, knowing the player's buffer.
pub fn due_by_player(now: Time, ahead: Duration, rate: f64) -> Time {
    let rate = if rate > 0.1 { rate } else { 1.0 };
    now + Duration::from_secs_f64(ahead.as_secs_f64() / rate).saturating_sub(Duration::from_millis(500))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_bound_never_claims_more_than_was_delivered_in_a_row() {
        let mut b = BufferBound::default();
        let four = Duration::from_secs(4);
        b.requested(10);
        b.delivered(Time(0), 10, four);
        b.requested(11);
        b.delivered(Time(100_000), 11, four);
        assert_eq!(b.ahead(Time(1_000_000)), Duration::from_millis(6_500));
        b.requested(40);
        assert_eq!(b.ahead(Time(1_000_000)), Duration::ZERO, "a jump forgets");
    }

    #[test]
    fn a_retried_segment_is_no_jump() {
        let mut b = BufferBound::default();
        b.delivered(Time(0), 10, Duration::from_secs(4));
        b.requested(10);
        assert_eq!(b.segments(), 1);
    }

    #[test]
    fn http_time_counts_first_byte_and_rate() {
        let mut e = HttpEstimate::default();
        e.sample(1_000_000, Duration::from_millis(50), Duration::from_millis(500));
        assert_eq!(e.time_for(2_000_000, 1.0).as_millis(), 1_050);
        e.sample(1_000, Duration::from_millis(50), Duration::from_millis(100));
        assert_eq!(e.time_for(2_000_000, 1.0).as_millis(), 1_050, "small transfers do not move the rate");
    }

    #[test]
    fn deadlines() {
        let at =
            due_by_loads(Time(0), Duration::from_secs(4), Duration::from_secs(8), Duration::from_secs(1));
        assert_eq!(at, Time(6_500_000));
        let at = due_by_loads(Time(0), Duration::from_secs(4), Duration::ZERO, Duration::from_secs(1));
        assert_eq!(at, Time(1_600_000));
        assert_eq!(due_by_player(Time(0), Duration::from_secs(6), 2.0), Time(2_500_000));
    }
}
