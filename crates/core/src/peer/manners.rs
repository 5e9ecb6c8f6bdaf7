//! Back-off by delay: when what this viewer sends makes its line slow, it sends less.

use crate::time::{Duration, Time};

/// Round trips of one neighbour, as queues on the way show in them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delay {
    /// Least of this minute and of the one before.
    least: [Option<Duration>; 2],
    minute: Time,
    last: [Duration; 3],
    count: u8,
    longer: Option<(Time, Duration)>,
}

/// Neighbours are pinged as often while anything is sent.
const LATELY: Duration = Duration::from_secs(3);
const MINUTE: Duration = Duration::from_secs(60);

impl Delay {
    /// Notes a round trip, without what lay in channels at both its ends.
    pub(crate) fn sample(&mut self, now: Time, rtt: Duration) {
        if now.since(self.minute) >= MINUTE {
            let old = self.least[0].filter(|_| now.since(self.minute) < MINUTE * 2);
            (self.least, self.minute) = ([None, old], now);
        }
        self.least[0] = Some(self.least[0].map_or(rtt, |least| least.min(rtt)));
        self.last = [self.last[1], self.last[2], rtt];
        self.count = self.count.saturating_add(1);
        let [a, b, c] = self.last;
        let median = a.max(b).min(a.min(b).max(c));
        let base = self.least.into_iter().flatten().min().unwrap_or(rtt);
        self.longer = (self.count >= 3).then(|| (now, median.saturating_sub(base)));
    }

    /// How much longer than their least the last three round trips were, by their median, if they are of late.
    pub(crate) fn longer(&self, now: Time) -> Option<Duration> {
        self.longer.filter(|(at, _)| now.since(*at) < LATELY).map(|(_, by)| by)
    }
}

/// How long the queue on this viewer's own line is, by what each neighbour shows: all of them wait in it, while a
/// slow line of a neighbour delays that one alone. Of three and more the second counts, so that nobody can
/// talk a queue away by itself.
pub(crate) fn own_queue(delays: impl Iterator<Item = Duration>) -> Option<Duration> {
    let (mut least, mut second, mut count) = (Duration::MAX, Duration::MAX, 0);
    for delay in delays {
        count += 1;
        second = second.min(delay.max(least));
        least = least.min(delay);
    }
    match count {
        0 => None,
        1 | 2 => Some(least),
        _ => Some(second),
    }
}

/// The rate that delay leaves of this viewer's upload rate.
#[derive(Clone, Debug)]
pub(crate) struct Politeness {
    /// Bytes per second; none while nothing speaks for less than the cap.
    rate: Option<f64>,
    at: Time,
    cut: Time,
}

/// Queues longer than this are this viewer's doing while it sends.
const TOO_LONG: Duration = Duration::from_millis(100);
/// So many bytes are on the line besides: what left a channel last, and SCTP's own.
const LINE_BYTES: f64 = 32_768.0;
/// Grows again by so much a second.
const GROWTH: f64 = 1.05;
const CUT: f64 = 0.7;
/// One fragment in so many seconds always goes.
const FLOOR_S: f64 = 2.0;

impl Politeness {
    pub(crate) fn new(now: Time) -> Self {
        Self { rate: None, at: now, cut: now }
    }

    /// The rate now, below `cap`.
    pub(crate) fn rate(&mut self, now: Time, cap: f64) -> f64 {
        let Some(rate) = self.rate else { return cap };
        let grown = rate * (now.since(self.at).as_secs_f64() * GROWTH.ln()).exp();
        self.at = now;
        self.rate = (grown < cap).then_some(grown);
        grown.min(cap)
    }

    /// What this viewer sends, `sending` bytes a second, waits for `delay` on its line. Returns true if that was too
    /// much.
    pub(crate) fn judge(
        &mut self,
        now: Time,
        delay: Duration,
        rtt: Duration,
        sending: f64,
        fragment: u32,
    ) -> bool {
        let allowed = TOO_LONG + Duration::from_secs_f64(LINE_BYTES / sending.max(1.0));
        if delay <= allowed || now.since(self.cut) < rtt * 2 {
            return false;
        }
        self.rate = Some((self.rate(now, sending) * CUT).max(f64::from(fragment) / FLOOR_S));
        (self.at, self.cut) = (now, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn at(ms: u64) -> Time {
        Time(ms * 1_000)
    }

    #[test]
    fn one_late_pong_says_nothing_and_the_least_is_of_two_minutes() {
        let mut d = Delay::default();
        let mut sample = |t, rtt| {
            d.sample(at(t), ms(rtt));
            d.longer(at(t))
        };
        let all = [20, 900, 20, 220, 220].map(|rtt| sample(1_000, rtt));
        assert_eq!(all, [None, None, Some(ms(0)), Some(ms(200)), Some(ms(200))]);
        assert_eq!(sample(70_000, 220), Some(ms(200)));
        assert_eq!(sample(200_000, 220), Some(ms(0)), "the way itself got longer");
        assert_eq!([d.longer(at(202_999)), d.longer(at(203_000))], [Some(ms(0)), None], "long ago");
    }

    #[test]
    fn a_queue_is_this_viewers_own_if_all_neighbours_wait_in_it() {
        let of = |delays: &[u64]| own_queue(delays.iter().map(|d| ms(*d)));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[300]), Some(ms(300)));
        assert_eq!(of(&[900, 5]), Some(ms(5)), "the line of one neighbour");
        assert_eq!(of(&[300, 900, 310, 305]), Some(ms(305)));
        assert_eq!(of(&[900, 0, 310]), Some(ms(310)), "one says that there is none");
        assert_eq!(of(&[900, 0, 310, 2]), Some(ms(2)));
    }

    #[test]
    fn less_once_in_two_round_trips_then_slowly_more_never_nothing() {
        let mut p = Politeness::new(at(0));
        let mut judge = |t, delay| p.judge(at(t), ms(delay), ms(300), 100_000.0, 50_000);
        // A third of a second is what 32 KiB take at this rate.
        assert_eq!([judge(1_000, 420), judge(1_000, 430), judge(1_500, 900)], [false, true, false]);
        assert_eq!(p.rate(at(1_000), 1e6) as u32, 70_000);
        assert_eq!(p.rate(at(2_000), 1e6) as u32, 73_500);
        (3..60).for_each(|t| {
            p.judge(at(t * 1_000), ms(900), ms(300), 100_000.0, 50_000);
        });
        assert_eq!(p.rate(at(59_000), 1e6) as u32, 25_000, "one fragment in two seconds");
        assert_eq!(p.rate(at(200_000), 1e6) as u32, 1_000_000);
        assert_eq!(p.rate(at(200_000), 50_000.0) as u32, 50_000);
    }
}
