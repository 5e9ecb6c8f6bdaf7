//! A request that is much later than somebody else would be moves on to that one, within a small budget: what its
//! first holder has sent by then comes in vain.

use crate::input::ConnNo;
use crate::mesh::Mesh;
use crate::segment::SegKey;
use crate::time::{Duration, Time};

/// At most this share of what neighbours delivered lately.
const SHARE: f64 = 0.02;
/// Lately: what was earned counts for half after so long, which is as if the last 29 s counted in full.
const WINDOW: Duration = Duration::from_secs(20);
/// A holder that was passed over is not asked for this segment again for so long.
const PASSED_OVER: Duration = Duration::from_secs(1);
/// Looking again sooner would only cost time.
const AGAIN: Duration = Duration::from_millis(50);

/// Bytes that may still be hedged; earned by what neighbours deliver, forgotten like it.
#[derive(Debug, Default)]
pub(crate) struct HedgeBudget {
    bytes: f64,
    at: Time,
}

impl HedgeBudget {
    fn age(&mut self, now: Time) {
        self.bytes *= 0.5f64.powf(now.since(self.at).as_secs_f64() / WINDOW.as_secs_f64());
        self.at = now;
    }

    pub(crate) fn earn(&mut self, now: Time, delivered: u32) {
        self.age(now);
        self.bytes += f64::from(delivered) * SHARE;
    }

    fn spend(&mut self, now: Time, bytes: u32) -> bool {
        self.age(now);
        let enough = self.bytes >= f64::from(bytes);
        if enough {
            self.bytes -= f64::from(bytes);
        }
        enough
    }
}

impl Mesh {
    /// Requests that are later than they were forecast: would somebody else be faster by now?
    pub(crate) fn review_asks(&mut self) {
        let now = self.now;
        let due: Vec<(ConnNo, u32, SegKey)> = self
            .peers
            .iter()
            .flat_map(|(c, p)| p.asks.iter().map(move |(r, a)| (*c, *r, a)))
            .filter(|(_, _, a)| a.review.is_some_and(|at| at <= now))
            .map(|(c, r, a)| (c, r, a.key))
            .collect();
        due.into_iter().for_each(|(conn, request, key)| self.review(conn, request, key));
    }

    fn review(&mut self, conn: ConnNo, request: u32, key: SegKey) {
        let now = self.now;
        let other = self.alternative(conn, request, key);
        let Some(ask) = self.peers.get_mut(&conn).and_then(|p| p.asks.get_mut(&request)) else { return };
        ask.review = None;
        let Some((forecast, bytes)) = other else { return };
        // What is late by so much will be late by as much again.
        let elapsed = now.since(ask.moved);
        let worth = forecast + ask.expected / 2;
        if elapsed <= worth {
            ask.review = Some(now + (worth - elapsed).max(AGAIN));
        } else if self.hedging.spend(now, bytes) {
            self.pass_over(conn, request, key);
        }
    }

    /// The best forecast of others for the first fragment that is still missing of a request, and its bytes.
    fn alternative(&self, conn: ConnNo, request: u32, key: SegKey) -> Option<(Duration, u32)> {
        let seg = self.seg(key)?;
        let (i, _) = seg.asked.iter().find(|(_, by)| **by == (conn, request))?;
        let bytes = seg.bytes_of(&[*i]);
        let holders = self.holders(key);
        let others = holders.iter().filter(|h| h.conn != conn && h.is_free() && h.has(*i));
        others.map(|h| h.forecast(bytes)).min().map(|forecast| (forecast, bytes))
    }

    fn pass_over(&mut self, conn: ConnNo, request: u32, key: SegKey) {
        self.tally.hedges += 1;
        let until = self.now + PASSED_OVER;
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.speed.punish();
            if let Some(theirs) = peer.remote.get_mut(&key.lane).and_then(|r| r.segments.get_mut(&key.msn)) {
                theirs.not_before = until;
            }
        }
        self.cancel_ask(conn, request);
        self.decide(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_two_hundredths_of_what_came_in_half_a_minute() {
        let mut b = HedgeBudget::default();
        assert!(!b.spend(Time(0), 1), "nothing was earned");
        (0..3_000u64).for_each(|t| b.earn(Time(t * 100_000), 20_000));
        // 200 kB/s for five minutes.
        let mut spent = 0;
        while b.spend(Time(300_000_000), 10_000) {
            spent += 10_000;
        }
        assert!((100_000..=200_000).contains(&spent), "{spent} of 6 MB in 30 s");
        assert!(!b.spend(Time(600_000_000), 10_000));
    }
}
