//! What HLS.js's ABR is told of a load: the rate at which bytes flowed, but never more than HTTP could replace.
//!
//! The player takes one bandwidth sample from each segment. A wait for a neighbour would count as a slow
//! network, a hit in the store as an absurdly fast one; and a level that only neighbours can feed is lost when
//! they leave.

use crate::load::Load;
use crate::mesh::Mesh;
use crate::segment::{Segment, Transfer};
use crate::time::{Duration, Time};

/// The time in which bytes of a segment flowed, from anywhere; waiting for a turn is not in it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flow {
    busy: Duration,
    bytes: u32,
    /// While something is on its way: when it was asked for, or when the last bytes came.
    since: Option<Time>,
    /// When the last bytes came.
    last: Option<Time>,
}

/// A flow is measured by a clock of this grain at best.
const GRAIN: Duration = Duration::from_millis(1);

impl Flow {
    /// Something is on its way now, or nothing is any more.
    pub(crate) fn set(&mut self, now: Time, on: bool) {
        self.since = on.then(|| self.since.unwrap_or(now));
    }

    /// Bytes came. Such as come while nothing is on its way were here before and say nothing.
    pub(crate) fn arrived(&mut self, now: Time, bytes: u32) {
        self.last = Some(now);
        if let Some(since) = self.since.replace(now) {
            self.busy += now.since(since);
            self.bytes = self.bytes.saturating_add(bytes);
        } else {
            self.since = None;
        }
    }

    /// All bytes were here before this time.
    pub(crate) fn over_before(&self, at: Time) -> bool {
        self.last.is_some_and(|last| last < at)
    }

    /// Bits per second while bytes flowed.
    pub(crate) fn bps(&self) -> Option<f64> {
        (self.bytes > 0).then(|| f64::from(self.bytes) * 8.0 / self.busy.max(GRAIN).as_secs_f64())
    }
}

/// Reported at most so much above what HTTP, or the level in use, is known to bear.
const HEADROOM: f64 = 1.5;

/// The rate that HTTP could replace: `headroom` above its own, and always enough to stay on the level.
pub(crate) fn replaceable(http_bps: Option<f64>, level_bps: f64, headroom: f64) -> f64 {
    (http_bps.unwrap_or(0.0) * headroom).max(level_bps * HEADROOM)
}

/// Where the bytes of a load came from.
pub(crate) enum Origin {
    /// All over HTTP, asked for this load.
    Http,
    /// All over HTTP, some of it before the load.
    HttpBefore,
    /// Some or all from neighbours.
    Peers,
    /// All were here before the load.
    Store,
}

impl Mesh {
    pub(crate) fn origin_of_load(&self, seg: &Segment, load: &Load, from_peers: u32) -> Origin {
        // An unsigned body that an earlier load took is no part of this one.
        let counts = |t: &Transfer| {
            t.done.is_none() || t.verified > 0 || seg.body.is_some_and(|(blob, _)| blob == t.blob)
        };
        if seg.flow.over_before(load.asked) {
            Origin::Store
        } else if from_peers > 0 {
            Origin::Peers
        } else if seg.transfers.values().any(|t| t.began < load.asked && counts(t)) {
            Origin::HttpBefore
        } else {
            Origin::Http
        }
    }

    /// The rate to tell; `None`: what the page measured (HTTP), or what the player estimates by now (store).
    pub(crate) fn report_bps(&self, seg: &Segment, load: &Load, origin: &Origin, length: u32) -> Option<u32> {
        let http = self.http_bps();
        let flow = seg.flow.bps();
        let bps = match origin {
            Origin::Http => return None,
            Origin::Store => http,
            Origin::HttpBefore => flow.or(http),
            Origin::Peers => {
                let cap = replaceable(http, level_bps(load, length), self.climb.headroom(self.now));
                Some(flow.map_or(cap, |flow| flow.min(cap)))
            }
        };
        bps.map(|bps| (bps as u32).max(1))
    }

    pub(crate) fn http_bps(&self) -> Option<f64> {
        self.http.rate().map(|bytes| bytes * 8.0)
    }
}

/// Bit rate of the level; without an attached player, of the segment itself.
fn level_bps(load: &Load, length: u32) -> f64 {
    let r = &load.request;
    match (r.bitrate_bps, r.duration_ms) {
        (0, 0) => 0.0,
        (0, ms) => f64::from(length) * 8_000.0 / f64::from(ms),
        (bps, _) => f64::from(bps),
    }
}

/// The headroom while nothing speaks against it.
pub(crate) const fn headroom() -> f64 {
    HEADROOM
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time(ms * 1_000)
    }

    #[test]
    fn gaps_of_scheduling_are_not_flow() {
        let mut flow = Flow::default();
        // Asked at 0, here at 100; nothing to ask for until 900; asked again, here at 1000.
        flow.set(at(0), true);
        flow.arrived(at(100), 50_000);
        flow.set(at(100), false);
        flow.set(at(900), true);
        flow.arrived(at(1_000), 50_000);
        assert_eq!(flow.bps(), Some(4_000_000.0));
        assert!(flow.over_before(at(1_001)) && !flow.over_before(at(1_000)));
    }

    #[test]
    fn several_sources_at_once_share_the_clock() {
        let mut flow = Flow::default();
        flow.set(at(0), true);
        flow.set(at(40), true);
        flow.arrived(at(50), 50_000);
        flow.arrived(at(100), 50_000);
        assert_eq!(flow.bps(), Some(8_000_000.0));
        // What never came is no flow either.
        flow.set(at(5_000), false);
        assert_eq!(flow.bps(), Some(8_000_000.0));
    }

    #[test]
    fn bytes_that_were_here_before_say_nothing() {
        let mut flow = Flow::default();
        flow.arrived(at(10), 1_000_000);
        assert_eq!(flow.bps(), None);
        assert!(flow.over_before(at(11)));
        // All at once is finite.
        flow.set(at(20), true);
        flow.arrived(at(20), 1_000_000);
        assert_eq!(flow.bps(), Some(8e9));
    }

    #[test]
    fn never_more_than_http_could_replace_and_always_enough_to_stay() {
        let mbit = |cap: f64| cap / 1e6;
        assert_eq!(mbit(replaceable(Some(20e6), 600e3, 1.5)), 30.0);
        assert_eq!(mbit(replaceable(Some(300e3), 600e3, 1.5)), 0.9);
        assert_eq!(mbit(replaceable(None, 600e3, 1.5)), 0.9);
        // After a step down, as plain HLS.js would judge HTTP.
        assert_eq!(mbit(replaceable(Some(20e6), 600e3, 1.0)), 20.0);
        assert_eq!(mbit(replaceable(Some(300e3), 600e3, 1.0)), 0.9);
    }
}
