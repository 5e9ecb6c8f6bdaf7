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
}

const MINUTE: Duration = Duration::from_secs(60);

impl Delay {
    /// Notes a round trip of a ping that waited behind nothing of this page's own. Returns how much longer than
    /// their least the last three were, by their median.
    pub(crate) fn sample(&mut self, now: Time, rtt: Duration) -> Option<Duration> {
        if now.since(self.minute) >= MINUTE {
            let old = self.least[0].filter(|_| now.since(self.minute) < MINUTE * 2);
            (self.least, self.minute) = ([None, old], now);
        }
        self.least[0] = Some(self.least[0].map_or(rtt, |least| least.min(rtt)));
        self.last = [self.last[1], self.last[2], rtt];
        self.count = self.count.saturating_add(1);
        let [a, b, c] = self.last;
        let median = a.max(b).min(a.min(b).max(c));
        let base = self.least.into_iter().flatten().min()?;
        (self.count >= 3).then(|| median.saturating_sub(base))
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

    /// A neighbour's round trips are longer by `delay` while this viewer sends `sending` bytes a second.
    /// Returns true if that was too much.
    pub(crate) fn judge(
        &mut self,
        now: Time,
        delay: Duration,
        rtt: Duration,
        sending: f64,
        fragment: u32,
    ) -> bool {
        if delay <= TOO_LONG || now.since(self.cut) < rtt * 2 {
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
        let all = [20, 900, 20, 220, 220].map(|rtt| d.sample(at(1_000), ms(rtt)));
        assert_eq!(all, [None, None, Some(ms(0)), Some(ms(200)), Some(ms(200))]);
        assert_eq!(d.sample(at(70_000), ms(220)), Some(ms(200)));
        assert_eq!(d.sample(at(200_000), ms(220)), Some(ms(0)), "the way itself got longer");
    }

    #[test]
    fn less_once_in_two_round_trips_then_slowly_more_never_nothing() {
        let mut p = Politeness::new(at(0));
        let mut judge = |t, delay| p.judge(at(t), ms(delay), ms(300), 100_000.0, 50_000);
        assert_eq!([judge(1_000, 90), judge(1_000, 150), judge(1_500, 150)], [false, true, false]);
        assert_eq!(p.rate(at(1_000), 1e6) as u32, 70_000);
        assert_eq!(p.rate(at(2_000), 1e6) as u32, 73_500);
        (3..60).for_each(|t| {
            p.judge(at(t * 1_000), ms(400), ms(300), 100_000.0, 50_000);
        });
        assert_eq!(p.rate(at(59_000), 1e6) as u32, 25_000, "one fragment in two seconds");
        assert_eq!(p.rate(at(200_000), 1e6) as u32, 1_000_000);
        assert_eq!(p.rate(at(200_000), 50_000.0) as u32, 50_000);
    }
}
