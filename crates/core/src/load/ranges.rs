//! Which bytes HTTP brings near a deadline, and which are left to neighbours: whatever a request in flight is
//! forecast to bring in time is left to it, of the rest HTTP takes the head and neighbours the tail, so that both end
//! together. No byte is asked for twice while anything else would do.

use crate::input::ConnNo;
use crate::mesh::Mesh;
use crate::segment::{SegKey, Segment};
use crate::time::{Duration, Time};
use crate::url::origin_of;

/// So near the deadline, less a round trip, a byte is asked for twice.
const LAST_MOMENT: Duration = Duration::from_millis(100);
/// So much later than HTTP neighbours may be where the player has next to nothing.
const TOLERANCE: Duration = Duration::from_millis(100);
/// The buffer that playback starts with is at most this.
const START_BUFFER: Duration = Duration::from_secs(6);
/// Ranges asked for at once.
const RANGES: usize = 3;

/// What HTTP is to bring of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rescue {
    /// Neighbours bring all that is missing in time.
    Nothing,
    /// The whole segment.
    Whole,
    /// Exactly these bytes, from and to.
    Ranges(Vec<(u32, u32)>),
}

impl Mesh {
    /// What must come over HTTP so that the load is complete in time.
    pub(crate) fn rescue_of(&self, key: SegKey) -> Rescue {
        let Some(seg) = self.seg(key) else { return Rescue::Whole };
        let late = |i: &u16| !self.comes_in_time(key, seg, *i);
        let missing = seg.missing();
        let mut wanted: Vec<u16> = self.records_to_get(key).into_iter().filter(late).collect();
        if !self.takes_ranges(key, seg) || (missing.is_empty() && !seg.is_complete()) {
            return Rescue::Whole;
        }
        if wanted.is_empty() {
            return Rescue::Nothing;
        }
        if seg.fragments.is_empty() && wanted.len() == missing.len() {
            return Rescue::Whole;
        }
        let head = self.head_for_http(key, seg, &wanted);
        wanted.truncate(head);
        Rescue::Ranges(ranges(seg, &wanted))
    }

    /// All that is missing and that nobody who was asked is bringing.
    pub(crate) fn rest_of(&self, key: SegKey) -> Rescue {
        let Some(seg) = self.seg(key) else { return Rescue::Whole };
        if seg.fragments.is_empty() || !self.takes_ranges(key, seg) {
            return Rescue::Whole;
        }
        let coming = |i: &u16| self.comes_until(seg, *i).is_some_and(|until| self.now < until);
        let open: Vec<u16> = self.records_to_get(key).into_iter().filter(|i| !coming(i)).collect();
        if open.is_empty() { Rescue::Nothing } else { Rescue::Ranges(ranges(seg, &open)) }
    }

    /// Until when whoever was asked for this fragment is left to bring it.
    fn comes_until(&self, seg: &Segment, i: u16) -> Option<Time> {
        let (conn, request) = seg.asked.get(&i)?;
        let ask = self.peers.get(conn)?.asks.get(request)?;
        Some(ask.moved + ask.expected * 2)
    }

    /// Until when there is nothing to fetch, as neighbours are bringing all that is missing.
    pub(crate) fn rest_comes_until(&self, key: SegKey) -> Option<Time> {
        let seg = self.seg(key).filter(|s| !s.fragments.is_empty() && s.length().is_some())?;
        let open = seg.missing().into_iter().filter(|i| !seg.http_brings(*i));
        open.map(|i| self.comes_until(seg, i)).min().flatten()
    }

    /// The list is closed and fits, and the origin has not shown that it knows no ranges.
    fn takes_ranges(&self, key: SegKey, seg: &Segment) -> bool {
        let known = |url: &str| self.no_range.contains(origin_of(url));
        seg.length().is_some()
            && !seg.tainted
            && !seg.mismatch
            && seg.url.as_deref().is_some_and(|url| !known(url))
            && self.init_fits(key)
    }

    /// Will the neighbour that was asked for this fragment bring it before the player needs it?
    fn comes_in_time(&self, key: SegKey, seg: &Segment, i: u16) -> bool {
        let Some((conn, request)) = seg.asked.get(&i).copied() else { return false };
        let Some(deadline) = self.deadline(key) else { return false };
        let Some(at) = self.arrival(seg, conn, request, i) else { return false };
        let rtt = self.peers.get(&conn).map_or(Duration::ZERO, |p| p.speed.rtt());
        let limit = if self.is_thin(key) { self.now + self.patience_of_thin(key) } else { deadline };
        at <= limit && self.now + rtt + LAST_MOMENT < deadline
    }

    /// When a fragment in flight is forecast to be here. What is late is taken to be late by as much again.
    pub(crate) fn arrival(&self, seg: &Segment, conn: ConnNo, request: u32, i: u16) -> Option<Time> {
        let peer = self.peers.get(&conn)?;
        let ask = peer.asks.get(&request)?;
        let by = |j: &u16| seg.asked.get(j) == Some(&(conn, request));
        let mut before = seg.asked.range(..i).map(|(j, _)| *j).filter(by);
        let next = before.next().unwrap_or(i);
        let bytes = if next == i { 0 } else { seg.bytes_of(&before.chain([i]).collect::<Vec<_>>()) };
        let rate = peer.speed.rate().unwrap_or_else(|| self.unproven_rate(peer)).max(1_000.0);
        let first = ask.moved + ask.expected;
        let late = self.now.since(first) * 2;
        Some(first + late + Duration::from_secs_f64((f64::from(bytes) / rate).min(600.0)))
    }

    /// How many of the fragments that nobody brings, from the first on, HTTP takes: neighbours with proven rates take
    /// the others, and would be done when HTTP is.
    fn head_for_http(&self, key: SegKey, seg: &Segment, wanted: &[u16]) -> usize {
        let Some(deadline) = self.deadline(key) else { return wanted.len() };
        let holders = self.holders(key);
        let proven = |i: u16| holders.iter().filter(move |h| h.is_free() && h.is_proven() && h.has(i));
        let (mut head, mut tail) = (0, wanted.len());
        let (mut http, mut peers) = (0u32, 0u32);
        let size = |at: usize| wanted.get(at).map_or(0, |i| seg.bytes_of(&[*i]));
        while head < tail {
            let last = wanted.get(tail - 1).copied().unwrap_or(0);
            let theirs = proven(last).map(|h| h.forecast(peers + size(tail - 1))).min();
            let ours = self.http_forecast(seg, http + size(head));
            match theirs {
                Some(theirs) if theirs < ours && head > 0 && self.now + theirs * 2 < deadline => {
                    peers += size(tail - 1);
                    tail -= 1;
                }
                _ => {
                    http += size(head);
                    head += 1;
                }
            }
        }
        head
    }

    /// What HTTP needs for so many bytes of a segment.
    pub(crate) fn http_forecast(&self, seg: &Segment, bytes: u32) -> Duration {
        let unknown = f64::from(seg.bitrate_bps.max(400_000)) / 8.0 * 2.0;
        self.http.time_for(bytes.into(), unknown) * self.http.crowd(self.now)
    }

    /// The player has next to nothing: it is about to start, or later on has less than half a segment or a few times what
    /// HTTP needs. Who plays close behind live has hardly more than a segment each time it asks.
    pub(crate) fn is_thin(&self, key: SegKey) -> bool {
        let Some(lane) = self.lanes.get(&key.lane) else { return true };
        let duration = self.seg(key).map_or(lane.target, |s| s.duration);
        lane.bound.segments() < 2
            || self.ahead_of_player(lane) < (duration / 2).max(self.http_time(key) * 2).min(START_BUFFER)
    }

    /// How long a load whose player has little may wait for neighbours: no longer than HTTP would take at the start,
    /// half of what is left later on.
    fn patience_of_thin(&self, key: SegKey) -> Duration {
        let http = self.http_time(key) + TOLERANCE;
        let starting = self.lanes.get(&key.lane).is_none_or(|l| l.bound.segments() < 2);
        let slack = self.deadline(key).map_or(Duration::ZERO, |d| d.since(self.now));
        if starting { http } else { http.max(slack / 2) }
    }

    /// Would neighbours whose rates are known bring a thin load as soon as it needs?
    pub(crate) fn neighbours_suffice(&self, key: SegKey) -> bool {
        self.neighbours_forecast(key).is_some_and(|by| by <= self.patience_of_thin(key))
    }

    /// When neighbours will have brought all that is missing: what is asked by its own forecasts, the rest at the
    /// rates of all proven holders together. `None` if some of it has none.
    fn neighbours_forecast(&self, key: SegKey) -> Option<Duration> {
        let seg = self.seg(key)?;
        seg.length()?;
        let holders = self.holders(key);
        let (mut bytes, mut last) = (0u32, Duration::ZERO);
        for i in seg.missing().into_iter().filter(|i| !seg.http_brings(*i)) {
            if let Some((conn, request)) = seg.asked.get(&i) {
                last = last.max(self.arrival(seg, *conn, *request, i)?.since(self.now));
            } else {
                holders.iter().find(|h| h.is_proven() && h.has(i))?;
                bytes = bytes.saturating_add(seg.bytes_of(&[i]));
            }
        }
        if bytes == 0 {
            return Some(last);
        }
        let proven = || holders.iter().filter(|h| h.is_proven());
        let rate: f64 = proven().map(|h| h.rate()).sum();
        let wait = proven().map(|h| h.forecast(0)).min()?;
        Some(last.max(wait + Duration::from_secs_f64((f64::from(bytes) / rate).min(600.0))))
    }
}

/// Bytes of these fragments, neighbours in one range; the last range reaches to the end if they are many.
fn ranges(seg: &Segment, fragments: &[u16]) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for (a, b) in fragments.iter().filter_map(|i| seg.bounds(*i)) {
        let full = ranges.len() == RANGES;
        match ranges.last_mut() {
            Some(last) if last.1 == a || full => last.1 = b,
            _ => ranges.push((a, b)),
        }
    }
    ranges
}
