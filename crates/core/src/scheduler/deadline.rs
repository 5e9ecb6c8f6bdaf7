//! By when a load must be complete, and what HTTP would need: forecasts are compared, not modes.

use crate::time::{Duration, Time};

/// What HTTP transfers have shown: rate while bytes flowed and time to the first byte.
///
/// The value is kept for ever, the confidence in it is not: the older it is, the more the next transfer counts.
#[derive(Clone, Debug, Default)]
pub struct HttpEstimate {
    ttfb: Option<f64>,
    bytes_per_s: Option<f64>,
    /// Known from transfers that are too small to tell more than a lower bound.
    rough: bool,
    at: Time,
    /// Least time to first byte, rising slowly.
    base: Option<f64>,
    last_ttfb: f64,
    /// When the last two fetches of others were heard of.
    others: [Option<Time>; 2],
}

/// Transfers below this say little about the rate: a burst at the start, slow start after it.
const SAMPLE_FLOOR_BYTES: u32 = 128 * 1024;
/// Where a rendition has no larger ones, transfers from here on give a lower bound.
const ROUGH_FLOOR_BYTES: u32 = 64 * 1024;
/// An estimate this old counts for half.
const HALF_TRUST: Duration = Duration::from_secs(60);
/// The least time to first byte is forgotten by so much with each transfer.
const BASE_RISES: f64 = 1.02;
/// Answers this fast are no sign of a crowd.
const CROWDED_FLOOR_S: f64 = 0.05;
/// A fetch that was told of is taken to last so long.
const CONCURRENT: Duration = Duration::from_secs(1);
/// A transfer that was cut off tells something once it took so long.
const CUT_FLOOR: Duration = Duration::from_secs(1);

impl HttpEstimate {
    /// Notes a finished transfer: time to its first byte, and from there to its last.
    pub fn sample(&mut self, now: Time, bytes: u32, ttfb: Duration, body: Duration) {
        self.first_byte(ttfb);
        if bytes >= SAMPLE_FLOOR_BYTES {
            self.learn(now, bytes, body, false);
        } else if bytes >= ROUGH_FLOOR_BYTES && (self.rough || self.bytes_per_s.is_none()) {
            self.learn(now, bytes, ttfb + body, true);
        }
    }

    /// Notes how long a transfer's first byte took, whatever became of the transfer.
    pub fn first_byte(&mut self, ttfb: Duration) {
        self.last_ttfb = ttfb.as_secs_f64();
        self.base = Some(self.base.map_or(self.last_ttfb, |b| (b * BASE_RISES).min(self.last_ttfb)));
        self.ttfb = Some(blend(self.ttfb, self.last_ttfb, KEEP));
    }

    /// Another viewer said that it fetches now.
    pub fn heard_fetch(&mut self, now: Time) {
        self.others = [Some(now), self.others[0]];
    }

    /// What others who fetch at the same time make of a forecast where the origin answers late: 1, 2 or 4.
    pub fn crowd(&self, now: Time) -> u32 {
        let crowded = self.base.is_some_and(|base| self.last_ttfb > (base * 2.0).max(CROWDED_FLOOR_S));
        let others = self.others.iter().flatten().filter(|at| now.since(**at) < CONCURRENT).count();
        if crowded { 1 << others } else { 1 }
    }

    /// Notes a transfer that was given up: at most `bytes` came in `body`.
    pub fn cut_off(&mut self, now: Time, bytes: u32, body: Duration) {
        if bytes >= SAMPLE_FLOOR_BYTES || body >= CUT_FLOOR {
            self.learn(now, bytes, body, false);
        }
    }

    fn learn(&mut self, now: Time, bytes: u32, took: Duration, rough: bool) {
        let rate = f64::from(bytes.max(1)) / took.as_secs_f64().max(0.001);
        let known = self.bytes_per_s.filter(|_| rough || !self.rough);
        let trust = now.since(self.at).decay(HALF_TRUST);
        self.bytes_per_s = Some(blend(known, rate, KEEP * trust));
        (self.rough, self.at) = (rough, now);
    }

    /// Bytes per second, or `None` before the first transfer.
    pub fn rate(&self) -> Option<f64> {
        self.bytes_per_s
    }

    /// How long ago the rate was last measured; `None` if never.
    pub fn age(&self, now: Time) -> Option<Duration> {
        self.bytes_per_s.map(|_| now.since(self.at))
    }

    /// Time to first byte; 100 ms before the first transfer.
    pub fn ttfb(&self) -> Duration {
        self.ttfb.map_or(Duration::from_millis(100), Duration::from_secs_f64)
    }

    /// How long HTTP would need for `bytes`; without knowledge, `fallback_bytes_per_s` is assumed.
    pub fn time_for(&self, bytes: u64, fallback_bytes_per_s: f64) -> Duration {
        let rate = self.rate().unwrap_or(fallback_bytes_per_s).max(1_000.0);
        self.ttfb() + Duration::from_secs_f64((bytes as f64 / rate).min(600.0))
    }
}

/// How much of a fresh estimate stays when the next sample comes.
const KEEP: f64 = 0.5;

fn blend(value: Option<f64>, sample: f64, keep: f64) -> f64 {
    value.map_or(sample, |value| value * keep + sample * (1.0 - keep))
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

/// When a load must be complete, with the loader alone. HTTP begins 1.1 times its own need before that, so that one and
/// a half of it lie between its beginning and the end of what is surely buffered. Nobody waits for more than two
/// segments' time: a seek forward within the buffer makes less of it, and the loader does not hear of that.
pub fn due_by_loads(asked: Time, duration: Duration, ahead: Duration, http: Duration) -> Time {
    asked + (duration * 2 / 5).max(ahead.saturating_sub(http * 2 / 5).min(duration * 2))
}

/// When a load must be complete, knowing the player's buffer.
pub fn due_by_player(now: Time, ahead: Duration, rate: f64) -> Time {
    let rate = if rate > 0.1 { rate } else { 1.0 };
    now + Duration::from_secs_f64(ahead.as_secs_f64() / rate).saturating_sub(Duration::from_millis(500))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

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
        e.sample(Time(0), 1_000_000, ms(50), ms(500));
        assert_eq!(e.time_for(2_000_000, 1.0).as_millis(), 1_050);
        for bytes in [1_000, 100_000] {
            e.sample(Time(0), bytes, ms(50), ms(1));
            assert_eq!(e.time_for(2_000_000, 1.0).as_millis(), 1_050, "small transfers do not move the rate");
        }
    }

    #[test]
    fn small_transfers_alone_give_a_lower_bound_and_the_first_large_one_replaces_it() {
        let mut e = HttpEstimate::default();
        e.sample(Time(0), 800, ms(20), ms(0));
        assert_eq!((e.rate(), e.ttfb()), (None, ms(20)), "an init segment says nothing about the rate");
        e.sample(Time(0), 100_000, ms(20), ms(80));
        assert_eq!(e.rate(), Some(1_000_000.0), "first byte counted in");
        e.sample(Time(0), 200_000, ms(20), ms(100));
        assert_eq!(e.rate(), Some(2_000_000.0));
    }

    #[test]
    fn the_value_is_kept_and_its_confidence_ages() {
        let at = |seconds| Time(seconds * 1_000_000);
        let after = |seconds| {
            let mut e = HttpEstimate::default();
            e.sample(at(0), 1_000_000, ms(0), ms(1_000));
            assert_eq!(e.rate(), Some(1_000_000.0));
            assert_eq!(e.age(at(seconds)), Some(Duration::from_secs(seconds)));
            e.sample(at(seconds), 200_000, ms(0), ms(1_000));
            assert_eq!(e.age(at(seconds)), Some(Duration::ZERO));
            e.rate().unwrap_or_default() as u32
        };
        assert_eq!((after(0), after(60), after(600)), (600_000, 400_000, 200_390));
    }

    #[test]
    fn a_slow_transfer_that_was_cut_off_lowers_the_estimate() {
        let mut e = HttpEstimate::default();
        e.sample(Time(0), 1_000_000, ms(0), ms(1_000));
        e.cut_off(Time(0), 20_000, ms(300));
        assert_eq!(e.rate(), Some(1_000_000.0), "a third of a second says nothing yet");
        e.cut_off(Time(0), 20_000, ms(2_000));
        assert_eq!(e.rate().map(|r| r as u32), Some(505_000));
    }

    #[test]
    fn deadlines() {
        let at =
            due_by_loads(Time(0), Duration::from_secs(4), Duration::from_secs(8), Duration::from_secs(1));
        assert_eq!(at, Time(7_600_000), "one and a half seconds after HTTP began");
        let at = due_by_loads(Time(0), Duration::from_secs(4), Duration::ZERO, Duration::from_secs(1));
        assert_eq!(at, Time(1_600_000));
        let at =
            due_by_loads(Time(0), Duration::from_secs(4), Duration::from_secs(25), Duration::from_secs(1));
        assert_eq!(at, Time(8_000_000), "the user may have gone ahead");
        assert_eq!(due_by_player(Time(0), Duration::from_secs(6), 2.0), Time(2_500_000));
        assert_eq!(
            due_by_player(Time(0), Duration::from_secs(6), 0.1),
            Time(5_500_000),
            "hardly a rate at all"
        );
    }

    /// Where the origin answers late, each of the last two who were heard to fetch within a second doubles a forecast.
    #[test]
    fn others_who_fetch_now_count_where_the_origin_is_late() {
        let crowd = |base_ms, late_ms, fetches: &[u64], now_ms: u64| {
            let mut e = HttpEstimate::default();
            e.first_byte(ms(base_ms));
            e.first_byte(ms(late_ms));
            fetches.iter().for_each(|at| e.heard_fetch(Time(at * 1_000)));
            e.crowd(Time(now_ms * 1_000))
        };
        assert_eq!(crowd(40, 100, &[], 5_000), 1, "nobody else");
        assert_eq!(crowd(40, 100, &[4_500], 5_000), 2);
        assert_eq!(crowd(40, 100, &[4_500, 4_900], 5_000), 4);
        assert_eq!(crowd(40, 100, &[4_500, 4_900, 4_950], 5_000), 4, "two are remembered");
        assert_eq!(crowd(40, 100, &[4_000, 4_001], 5_000), 2, "a second ago is over");
        assert_eq!(crowd(40, 80, &[4_500], 5_000), 1, "twice as late is not yet late");
        assert_eq!(crowd(10, 50, &[4_500], 5_000), 1, "an answer as fast as this is no sign of a crowd");
    }

    /// What was usual is forgotten slowly: a path that became longer is no crowd for ever.
    #[test]
    fn the_least_time_to_first_byte_rises_by_a_fiftieth_with_each_answer() {
        let late_after = |answers: u32| {
            let mut e = HttpEstimate::default();
            e.first_byte(ms(100));
            (0..answers).for_each(|_| e.first_byte(ms(210)));
            e.heard_fetch(Time(0));
            e.crowd(Time(0)) > 1
        };
        assert!(late_after(2) && !late_after(3));
    }

    /// Below 64 KiB nothing is said of the rate, from 128 KiB on all of it.
    #[test]
    fn the_size_of_a_transfer_decides_what_it_tells() {
        let rate = |bytes| {
            let mut e = HttpEstimate::default();
            e.sample(Time(0), bytes, ms(100), ms(100));
            e.rate().map(|rate| rate as u32)
        };
        assert_eq!(rate(64 * 1024 - 1), None);
        assert_eq!(rate(64 * 1024), Some(327_680), "first byte counted in");
        assert_eq!(rate(128 * 1024 - 1), Some(655_355));
        assert_eq!(rate(128 * 1024), Some(1_310_720), "while bytes flowed");
    }

    #[test]
    fn segments_delivered_in_a_row_are_counted() {
        let mut b = BufferBound::default();
        assert_eq!(b.segments(), 0);
        (10..13).for_each(|msn| b.delivered(Time(0), msn, Duration::from_secs(4)));
        b.delivered(Time(0), 20, Duration::from_secs(4));
        assert_eq!(b.segments(), 3, "one that does not follow is not one of them");
    }
}
