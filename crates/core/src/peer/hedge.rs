//! A request that is much later than somebody else would be moves on to that one. While it stands in a queue that costs
//! nothing; later on what its first holder has sent by then comes in vain, so there is a small budget for that.

use crate::input::ConnNo;
use crate::mesh::Mesh;
use crate::peer::choose::Holder;
use crate::segment::SegKey;
use crate::sorted::SortedSet;
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
        self.bytes *= now.since(self.at).decay(WINDOW);
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

/// Whoever stands in a queue leaves it only for much less, and not to save less than this.
const WORTH_LEAVING: Duration = Duration::from_millis(300);

impl Mesh {
    /// Requests of a segment that stand in queues: whoever was the only holder then has company by now, perhaps. What
    /// is late by so much will be late by as much again.
    pub(crate) fn leave_queues(&mut self, key: SegKey) {
        let now = self.now;
        let waits = |p: &crate::peer::Peer, request: u32| {
            let ask = p.asks.get(&request).filter(|a| a.first && a.queued.is_some())?;
            let due = ask.moved + ask.expected;
            Some(due.since(now).max(now.since(due)))
        };
        let Some(seg) = self.seg(key) else { return };
        let asks: SortedSet<(ConnNo, u32)> = seg.asked.values().copied().collect();
        for (conn, request) in asks {
            let Some(left) = self.peers.get(&conn).and_then(|p| waits(p, request)) else { continue };
            let better = self.alternative(conn, request, key);
            if better.is_some_and(|(forecast, _)| forecast * 3 + WORTH_LEAVING < left) {
                self.spare(conn, key);
                self.cancel_ask(conn, request);
            }
        }
    }

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
        ask.review = ask.queued.filter(|_| ask.first).map(|_| now + (ask.expected / 2).max(AGAIN * 3));
        if ask.review.is_some() {
            return self.decide(key);
        }
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
        let free = |h: &&Holder<'_>| h.conn != conn && h.is_free() && h.has(*i);
        let hurried = self.is_hurried(key);
        let others = holders.iter().filter(free).filter(|h| hurried || h.spared(*i, self.now).is_none());
        others.map(|h| h.forecast(bytes)).min().map(|forecast| (forecast, bytes))
    }

    /// A holder that others are better than is not asked for this segment again at once.
    fn spare(&mut self, conn: ConnNo, key: SegKey) {
        let until = self.now + PASSED_OVER;
        let lane = self.peers.get_mut(&conn).and_then(|p| p.remote.get_mut(&key.lane));
        if let Some(theirs) = lane.and_then(|r| r.segments.get_mut(&key.msn)) {
            theirs.not_before = until;
        }
    }

    fn pass_over(&mut self, conn: ConnNo, request: u32, key: SegKey) {
        self.tally.hedges += 1;
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.speed.punish();
        }
        self.spare(conn, key);
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
