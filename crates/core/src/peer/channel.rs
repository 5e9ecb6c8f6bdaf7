//! Data channels towards neighbours: what lies in each, how fast they drain, and so how much to put into them.
//!
//! Bytes in a channel cannot be taken back and stand before all that is asked for later; too few leave the line idle.
//! So a channel holds what this viewer's uplink carries in 100 ms, and so do all channels together.

use crate::input::ConnNo;
use crate::peer::bucket::Bucket;
use crate::sorted::SortedMap;
use crate::time::{Duration, Time};

/// The low mark before anything was measured, in bytes.
pub(crate) const FIRST_LOW_MARK: u32 = HIGH_UNKNOWN / 2;
const HIGH_UNKNOWN: u32 = 64 * 1024;
const HIGH_LEAST: u32 = 32 * 1024;
const HIGH_MOST: u32 = 512 * 1024;
/// A channel above its low mark that says nothing for so long takes nothing: others do not wait for it.
const STUCK: Duration = Duration::from_millis(500);
/// The uplink's rate is told from so much time or so many bytes.
const SAMPLE: Duration = Duration::from_millis(100);
const SAMPLE_BYTES: u32 = 128 * 1024;
/// Fewer bytes above the mark tell how late the page heard of them, and nothing of the line.
const LEAST_TOLD: u32 = 8 * 1024;

/// The uplink's rate is the best of so many.
const BEST_OF: usize = 10;
/// So many rates make a quartile.
const SEEN: usize = 32;

/// All channels.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    open: SortedMap<ConnNo, Channel>,
    pace: Pace,
}

#[derive(Debug)]
struct Channel {
    /// Bytes handed to it that are not known to have left.
    queued: u32,
    low: u32,
    /// When bytes last went in or were told to have left.
    moved: Time,
    /// This neighbour's part of the upload rate.
    share: Bucket,
}

/// This viewer's uplink: bytes that left over the time in which any waited to leave.
#[derive(Debug, Default)]
struct Pace {
    rate: Option<f64>,
    since: Option<Time>,
    busy: Duration,
    left: u32,
    /// The last rates, for what new neighbours are told.
    seen: Vec<u32>,
}

impl Pace {
    fn left(&mut self, now: Time, bytes: u32, more: bool) {
        let Some(since) = self.since else { return };
        self.since = more.then_some(now);
        if bytes < LEAST_TOLD {
            return;
        }
        self.busy += now.since(since);
        self.left = self.left.saturating_add(bytes);
        if self.busy < SAMPLE && self.left < SAMPLE_BYTES {
            return;
        }
        let rate = f64::from(self.left) / self.busy.max(Duration::from_millis(1)).as_secs_f64();
        (self.busy, self.left) = (Duration::ZERO, 0);
        if self.seen.len() >= SEEN {
            self.seen.remove(0);
        }
        self.seen.push(rate as u32);
        // A page that is busy hears late that bytes have left, never early: the best of the last ones is the line's.
        self.rate = self.seen.iter().rev().take(BEST_OF).max().map(|best| f64::from(*best));
    }
}

impl Channel {
    fn is_backlogged(&self) -> bool {
        self.queued > self.low
    }

    /// Bytes that probably wait in it. Below the low mark nobody tells, so they are taken to leave at the line's rate.
    fn waiting(&self, now: Time, rate: f64) -> u32 {
        let idle = now.since(self.moved);
        match self.is_backlogged() {
            true if idle > STUCK => 0,
            true => self.queued,
            false => self.queued.saturating_sub((idle.as_secs_f64() * rate) as u32),
        }
    }
}

impl Channels {
    pub(crate) fn forget(&mut self, conn: ConnNo) {
        self.open.remove(&conn);
    }

    /// Bytes per second that leave, once known.
    pub(crate) fn rate(&self) -> Option<f64> {
        self.pace.rate
    }

    /// Three of four measured rates were above this; 0 while none is known.
    pub(crate) fn lower_quartile(&self) -> u32 {
        let seen = &self.pace.seen;
        let lower = |rate: &&u32| seen.iter().filter(|other| other < rate).count() <= seen.len() / 4;
        seen.iter().filter(lower).max().copied().unwrap_or(0)
    }

    fn high(&self) -> u32 {
        self.pace.rate.map_or(HIGH_UNKNOWN, |r| ((r / 10.0) as u32).clamp(HIGH_LEAST, HIGH_MOST))
    }

    /// The channel's bytes are known to have fallen to its low mark. Returns the mark to set from now on, if another.
    pub(crate) fn drained(&mut self, now: Time, conn: ConnNo) -> Option<u32> {
        let channel = self.open.get_mut(&conn)?;
        let left = channel.queued.saturating_sub(channel.low);
        channel.queued = channel.queued.min(channel.low);
        channel.moved = now;
        let more = self.open.values().any(Channel::is_backlogged);
        self.pace.left(now, left, more);
        let low = self.high() / 2;
        let channel = self.open.get_mut(&conn)?;
        if low.abs_diff(channel.low) * 4 <= channel.low {
            return None;
        }
        // A browser tells of marks that are passed: whoever is below a new one from the start would wait for ever.
        (channel.low, channel.queued) = (low, channel.queued.min(low));
        Some(low)
    }

    /// Bytes that probably wait in all channels.
    pub(crate) fn waiting(&self, now: Time) -> u32 {
        let rate = self.pace.rate.unwrap_or(f64::INFINITY);
        self.open.values().map(|c| c.waiting(now, rate)).sum()
    }

    /// Does this channel take `len` bytes more? All together are [`Channels::is_full`] or not.
    pub(crate) fn has_room(&self, now: Time, conn: ConnNo, len: u32) -> bool {
        let rate = self.pace.rate.unwrap_or(f64::INFINITY);
        let held = |c: &Channel| if c.is_backlogged() { c.queued } else { c.waiting(now, rate) };
        self.open.get(&conn).is_none_or(|c| held(c) + len <= self.high())
    }

    /// Does it take nothing more until it is told to be low?
    pub(crate) fn waits_for_word(&self, conn: ConnNo, len: u32) -> bool {
        self.open.get(&conn).is_some_and(|c| c.is_backlogged() && c.queued + len > self.high())
    }

    pub(crate) fn is_full(&self, now: Time, len: u32) -> bool {
        self.waiting(now) + len > self.high()
    }

    /// When channels that are full without a word will have taken enough.
    pub(crate) fn wait(&self, len: u32) -> Duration {
        let rate = self.pace.rate.unwrap_or(f64::INFINITY);
        // A line of which nothing left yet has the rate 0, and is waited for as long as any.
        Duration::from_secs_f64(f64::from(len) / rate).clamp(Duration::from_millis(5), SAMPLE)
    }

    /// May `len` bytes go to this neighbour within its part of the rate? Zero, or how long not.
    pub(crate) fn share_wait(&mut self, now: Time, conn: ConnNo, len: u32) -> Duration {
        let share = self.open.get_mut(&conn).map(|c| &mut c.share);
        share.and_then(|b| b.wait(now, f64::from(len))).unwrap_or(Duration::ZERO)
    }

    /// Bytes went in; `share` is the neighbour's part of the rate in bytes per second.
    pub(crate) fn put(&mut self, now: Time, conn: ConnNo, len: u32, share: f64) {
        let burst = (share / 4.0).max(f64::from(HIGH_LEAST));
        let fresh =
            || Channel { queued: 0, low: FIRST_LOW_MARK, moved: now, share: Bucket::new(share, burst, now) };
        let channel = self.open.entry(conn).or_insert_with(fresh);
        channel.share.retune(share, burst);
        channel.share.take(now, f64::from(len));
        let rate = self.pace.rate.unwrap_or(f64::INFINITY);
        if !channel.is_backlogged() {
            channel.queued = channel.waiting(now, rate);
        }
        channel.queued += len;
        channel.moved = now;
        if channel.is_backlogged() {
            self.pace.since.get_or_insert(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ConnNo = ConnNo(1);
    const B: ConnNo = ConnNo(2);
    const KIB16: u32 = 16 * 1024;

    /// Fills a channel and lets it drain at this rate, for a while.
    fn drained_at(bytes_per_s: u32) -> (Channels, Time, Option<u32>) {
        let (mut c, mut now, mut mark) = (Channels::default(), Time(0), None);
        for _ in 0..40 {
            while c.has_room(now, A, KIB16) && !c.is_full(now, KIB16) {
                c.put(now, A, KIB16, 1e9);
            }
            let low = c.open.get(&A).map_or(0, |a| a.low);
            let left = c.open.get(&A).map_or(0, |a| a.queued - low);
            now = now + Duration::from_secs_f64(f64::from(left) / f64::from(bytes_per_s));
            mark = c.drained(now, A).or(mark);
        }
        (c, now, mark)
    }

    #[test]
    fn a_channel_holds_what_the_line_carries_in_a_tenth_of_a_second() {
        for (rate, high) in [(100_000, 32 * 1024), (2_000_000, 200_000), (50_000_000, 512 * 1024)] {
            let (c, _, mark) = drained_at(rate);
            let near = |a: u32, b: u32| a.abs_diff(b) * 5 <= b;
            assert!(near(c.rate().unwrap_or(0.0) as u32, rate), "{rate}: {:?}", c.rate());
            assert!(near(c.high(), high), "{rate}: {}", c.high());
            assert!(mark.is_none_or(|low| near(low, high / 2)), "{rate}: {mark:?}");
        }
    }

    #[test]
    fn who_takes_nothing_holds_nobody_up_for_long() {
        let (mut c, now, _) = drained_at(100_000);
        while c.has_room(now, A, KIB16) {
            c.put(now, A, KIB16, 1e9);
        }
        assert!(c.is_full(now, KIB16) && c.has_room(now, B, KIB16));
        assert!(!c.is_full(now + STUCK * 2, KIB16));
    }

    #[test]
    fn a_mark_that_falls_below_what_lies_there_leaves_nobody_waiting() {
        let (mut c, now) = (Channels::default(), Time(0));
        (0..3).for_each(|_| c.put(now, A, KIB16, 1e9));
        // A busy page hears of it late: a low rate, and so a lower mark. Nothing will pass it.
        let now = now + Duration::from_millis(400);
        assert_eq!(c.drained(now, A), Some(HIGH_LEAST / 2));
        assert!(c.has_room(now, A, KIB16));
    }

    #[test]
    fn a_busy_page_that_hears_late_of_little_takes_its_line_for_no_slow_one() {
        let (mut c, now) = (Channels::default(), Time(0));
        (0..8).for_each(|_| c.put(now, A, 4_211, 1e9));
        c.drained(now + Duration::from_millis(150), A);
        assert_eq!(c.rate(), None);
    }

    #[test]
    fn first_fragments_below_the_mark_leave_room_for_more() {
        let (mut c, now) = (Channels::default(), Time(5_000_000));
        (0..8).for_each(|_| c.put(now, A, 4_220, 1e9));
        (0..7).for_each(|_| c.put(now, B, 4_220, 1e9));
        assert_eq!(c.drained(now, A), None);
        assert_eq!(c.drained(now, B), None);
        assert_eq!(c.waiting(now + Duration::from_millis(100)), 0, "{c:?}");
    }

    #[test]
    fn what_left_long_ago_takes_no_room_when_the_line_becomes_slow() {
        let (mut c, now, _) = drained_at(50_000_000);
        (0..3).for_each(|_| c.put(now, B, KIB16, 1e9));
        let mut now = now + Duration::from_millis(1);
        assert!(c.drained(now, B).is_some_and(|low| low > KIB16 * 12));
        (0..12).for_each(|_| c.put(now, B, KIB16, 1e9));
        for _ in 0..60 {
            while c.has_room(now, A, KIB16) {
                c.put(now, A, KIB16, 1e9);
            }
            now = now + Duration::from_secs(1);
            c.drained(now, A);
        }
        assert!(c.high() < KIB16 * 12 && c.has_room(now, B, KIB16));
    }

    #[test]
    fn what_lies_below_the_low_mark_is_taken_to_leave() {
        let (mut c, now, _) = drained_at(100_000);
        let later = now + Duration::from_secs(1);
        assert_eq!(c.waiting(later), 0);
        c.put(later, A, KIB16, 1e9);
        let wait = [0, 82, 164].map(|ms| c.waiting(later + Duration::from_millis(ms)));
        assert_eq!(wait, [KIB16, KIB16 - 8_199, 0]);
    }

    #[test]
    fn who_hears_late_of_what_has_left_does_not_take_the_line_for_slower_and_slower() {
        let (mut c, mut now, _) = drained_at(2_000_000);
        for round in 0..100 {
            while c.has_room(now, A, KIB16) && !c.is_full(now, KIB16) {
                c.put(now, A, KIB16, 1e9);
            }
            // Most of the time the page is too busy to hear at once.
            now = now + Duration::from_millis(if round % 10 < 3 { 50 } else { 250 });
            c.drained(now, A);
        }
        assert!(c.rate().is_some_and(|r| r > 500_000.0), "{:?}", c.rate());
    }

    #[test]
    fn a_neighbour_gets_its_part_of_the_rate() {
        let (mut c, mut now, mut sent) = (Channels::default(), Time(0), 0);
        for _ in 0..200 {
            now = now + Duration::from_millis(50);
            c.drained(now, A);
            while c.share_wait(now, A, KIB16).is_zero() && c.has_room(now, A, KIB16) {
                c.put(now, A, KIB16, 50_000.0);
                sent += KIB16;
            }
        }
        assert!((450_000..650_000).contains(&sent), "{sent} in 10 s");
    }

    #[test]
    fn a_line_of_which_nothing_left_is_waited_for_no_longer_than_a_sample() {
        let c = Channels { pace: Pace { rate: Some(0.0), ..Pace::default() }, ..Channels::default() };
        assert_eq!(c.wait(KIB16), SAMPLE);
    }
}
