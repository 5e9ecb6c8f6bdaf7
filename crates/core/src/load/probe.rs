//! ABR climbs: when only the cap on what is reported keeps the player from the next level, HTTP is measured anew.
//!
//! Neighbours that deliver for long leave an old HTTP estimate behind, and the cap is made of it. So one exact
//! range of a segment that is wanted anyway comes over HTTP, at most once a minute; its bytes are verified and
//! used like all others. A probe that drags is given up, tells so, and its bytes are asked of neighbours.

use crate::input::{HttpId, LaneKind, LoadRequest};
use crate::load::rate::{self, replaceable};
use crate::mesh::Mesh;
use crate::output::{Output, Purpose};
use crate::segment::SegKey;
use crate::time::{Duration, Time, Wakeup};
use crate::url::origin_of;

/// What is remembered of levels and probes.
#[derive(Debug, Default)]
pub(crate) struct Climb {
    /// Segments in a row that neighbours delivered fast enough for the next level.
    fast: u8,
    level_bps: u32,
    /// After a step down HTTP is trusted with what it showed, and no more.
    cautious_until: Time,
    last: Option<Time>,
    running: Option<Probe>,
}

/// A probe on its way.
#[derive(Clone, Copy, Debug)]
struct Probe {
    key: SegKey,
    http: HttpId,
    give_up: Time,
}

/// The estimate is old after this long, and probes are at least so far apart.
const EVERY: Duration = Duration::from_secs(60);
/// Segments that neighbours must have delivered fast.
const FAST: u8 = 3;
/// HLS.js keeps a level up to 0.95 of its estimate; a little more than the inverse.
const HARDLY: f64 = 1.1;
const LEAST_BYTES: u32 = 128 * 1024;
const MOST_BYTES: u32 = 256 * 1024;
/// A probe waits for the list of a segment that is still growing only while there is so much time left.
const LEISURE: Duration = Duration::from_secs(1);

impl Climb {
    pub(crate) fn headroom(&self, now: Time) -> f64 {
        if now < self.cautious_until { 1.0 } else { rate::headroom() }
    }

    /// The player asks for a segment of this level. A step down from one that HTTP hardly bears says that it
    /// does not bear it.
    fn asked(&mut self, now: Time, level_bps: u32, http_bps: Option<f64>) {
        if level_bps == 0 || level_bps == self.level_bps {
            return;
        }
        let bears = http_bps.is_some_and(|http| http > f64::from(self.level_bps) * HARDLY);
        if level_bps < self.level_bps && !bears {
            self.cautious_until = now + EVERY;
        }
        (self.level_bps, self.fast) = (level_bps, 0);
    }

    fn rested(&self, now: Time) -> bool {
        self.last.is_none_or(|at| now.since(at) >= EVERY)
    }
}

impl Mesh {
    pub(crate) fn note_level(&mut self, r: &LoadRequest) {
        if self.lanes.get(&r.lane).is_some_and(|l| l.info.kind == LaneKind::Main) {
            self.climb.asked(self.now, r.bitrate_bps, self.http_bps());
        }
    }

    /// A segment was delivered: was it fast enough for the next level?
    pub(crate) fn note_speed(&mut self, key: SegKey, r: &LoadRequest, from_peers: u32, length: u32) {
        if self.lanes.get(&key.lane).is_none_or(|l| l.info.kind != LaneKind::Main) {
            return;
        }
        let enough = f64::from(r.next_bps) * rate::headroom();
        let flow = self.seg(key).and_then(|s| s.flow.bps());
        let fast = r.next_bps > 0 && from_peers > length / 2 && flow.is_some_and(|bps| bps >= enough);
        self.climb.fast = if fast { self.climb.fast.saturating_add(1) } else { 0 };
    }

    /// Nothing but the cap, and nothing but an old estimate in it, blocks the level above.
    fn probe_is_due(&self, key: SegKey) -> bool {
        let Some(lane) = self.lanes.get(&key.lane) else { return false };
        let Some(url) = self.seg(key).and_then(|s| s.url.as_deref()) else { return false };
        let needed = f64::from(lane.next_bps) * rate::headroom();
        let cap = replaceable(self.http_bps(), f64::from(lane.bitrate_bps), self.climb.headroom(self.now));
        lane.info.kind == LaneKind::Main
            && lane.next_bps > 0
            && self.climb.fast >= FAST
            && self.climb.rested(self.now)
            && self.http.age(self.now).is_none_or(|age| age >= EVERY)
            && cap < needed
            && !self.no_range.contains(origin_of(url))
    }

    /// Begins a probe if one is due. True: neighbours are not to be asked for this segment yet.
    pub(crate) fn probe(&mut self, key: SegKey) -> bool {
        if !self.probe_is_due(key) || !self.wants_from_peers(key) || !self.init_fits(key) {
            return false;
        }
        let Some(seg) = self.seg(key) else { return false };
        if seg.transferring() || seg.body.is_some() {
            return false;
        }
        let Some(range) = self.probe_range(key) else {
            let growing = seg.length().is_none();
            return growing && self.rescue_at(key).is_none_or(|at| self.now + LEISURE < at);
        };
        self.climb.last = Some(self.now);
        let give_up = self.now + self.probe_patience(key, range.1 - range.0);
        let whole = self.seg(key).and_then(|s| s.length()) == Some(range.1) && range.0 == 0;
        if let Some(http) = self.start_transfer(key, (!whole).then_some(range), Purpose::Rescue) {
            self.climb.running = Some(Probe { key, http, give_up });
        }
        false
    }

    /// The first missing fragments that nobody was asked for, enough of them to measure by; or the whole of a
    /// segment that is smaller.
    fn probe_range(&self, key: SegKey) -> Option<(u32, u32)> {
        let seg = self.seg(key)?;
        let (mut from, mut to) = (None, 0);
        for i in seg.missing() {
            let (a, b) = seg.bounds(i)?;
            let start = *from.get_or_insert(a);
            if seg.asked.contains_key(&i) || (to != 0 && a != to) || b - start > MOST_BYTES {
                break;
            }
            to = b;
            if to - start >= LEAST_BYTES {
                return Some((start, to));
            }
        }
        (from == Some(0) && seg.length() == Some(to)).then_some((0, to))
    }

    /// Longer than HTTP needs if it bears the next level, and never into what the player has left.
    fn probe_patience(&self, key: SegKey, bytes: u32) -> Duration {
        let next = self.lanes.get(&key.lane).map_or(0, |l| l.next_bps).max(64_000);
        let slack = self.rescue_at(key).map(|at| at.since(self.now) / 2);
        let needs = self.http.ttfb() + Duration::from_secs_f64(f64::from(bytes) * 12.0 / f64::from(next));
        needs.min(slack.unwrap_or(needs)).max(Duration::from_millis(300))
    }

    pub(crate) fn is_probing(&self) -> bool {
        self.climb.running.is_some()
    }

    pub(crate) fn is_probe(&self, http: HttpId) -> bool {
        self.climb.running.is_some_and(|p| p.http == http)
    }

    /// A probe that takes too long is given up; that, too, was a measurement.
    pub(crate) fn tick_probe(&mut self) {
        let Some(probe) = self.climb.running.take_if(|p| p.give_up <= self.now) else { return };
        let over =
            |s: &crate::segment::Segment| s.transfers.get(&probe.http).is_none_or(|t| t.done.is_some());
        if self.seg(probe.key).is_none_or(over) {
            return;
        }
        self.stop_transfer(probe.key, probe.http);
        self.free_unused_blobs(probe.key);
        self.decide(probe.key);
    }

    pub(crate) fn probe_wakeup(&self) -> Option<Wakeup> {
        self.climb.running.map(|p| Wakeup { at: p.give_up, reason: "probe" })
    }

    /// Ends one running transfer, and learns from how far it got.
    pub(crate) fn stop_transfer(&mut self, key: SegKey, http: HttpId) {
        let transfer = self.seg_mut(key).and_then(|s| s.transfers.remove(&http));
        self.drop_grants_of_http(http);
        let job = self.https.remove(&http);
        self.push(Output::AbortGet(http));
        let Some((began, head)) = job.and_then(|j| Some((j.started, j.head?))) else { return };
        // Most transfers end here, once their last fragment was verified.
        self.http.first_byte(head.since(began));
        let Some(transfer) = transfer else { return };
        if transfer.granted == 0 {
            // Without a list nobody counted its bytes.
            return;
        }
        // A fragment may have been nearly here.
        let almost = self.seg(key).and_then(|s| s.bounds(0)).map_or(0, |(a, b)| b - a);
        self.http.cut_off(self.now, transfer.verified.saturating_add(almost), self.now.since(head));
    }
}
