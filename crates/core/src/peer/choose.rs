//! Which neighbour is asked for which fragments: decided for a segment in one go, by forecasts.
//!
//! Far from the deadline nobody queues behind others: whoever told of a long queue is left alone, a first copy is for
//! the neighbour it was offered to, and rare fragments come before common ones. Near it only time counts.

use meshedflow_protocol::policy::CmafMode;

use crate::buffer_map::{Held, RemoteSegment};
use crate::input::ConnNo;
use crate::mesh::Mesh;
use crate::peer::Peer;
use crate::segment::{SegKey, Segment};
use crate::sorted::SortedSet;
use crate::time::{Duration, Time};

/// A queue longer than this is not joined while there is time.
const QUEUE: Duration = Duration::from_millis(150);
/// The urgent horizon is at least this long.
const HORIZON_FLOOR: Duration = Duration::from_secs(1);
/// Nobody is waited for longer than this only because there is time.
const LEISURE: Duration = Duration::from_millis(1_500);
/// One request brings at most so many bytes, and so much of its holder's time: others are served in between.
const RUN_LIMIT_BYTES: u32 = 512 * 1024;
const RUN_LIMIT: Duration = Duration::from_millis(400);
/// Segments smaller than this are asked for as they lie.
const SMALL_BYTES: u32 = 64 * 1024;
/// Before anything was measured at all.
const UNKNOWN_BYTES_PER_S: f64 = 500_000.0;

/// Requests to make now, and when to look again because somebody is spared until then.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) runs: Vec<(ConnNo, Vec<u16>)>,
    pub(crate) again: Option<Time>,
}

/// A neighbour that has some of a segment.
pub(crate) struct Holder<'a> {
    pub(crate) conn: ConnNo,
    theirs: &'a RemoteSegment,
    /// Requests that it may still get.
    free: usize,
    /// Round trip and queue.
    wait: Duration,
    bytes_per_s: f64,
    proven: bool,
    /// Bytes asked of it and not here.
    owed: u32,
    /// Forecasts of who let others wait are taken so many times.
    doubt: u32,
    busy_until: Option<Time>,
}

impl Holder<'_> {
    pub(crate) fn has(&self, i: u16) -> bool {
        self.theirs.held.has(i)
    }

    /// It delivered before, or told of its uplink.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven
    }

    pub(crate) fn rate(&self) -> f64 {
        self.bytes_per_s / f64::from(self.doubt)
    }

    pub(crate) fn is_free(&self) -> bool {
        self.free > 0
    }

    /// When `bytes` more would be here.
    pub(crate) fn forecast(&self, bytes: u32) -> Duration {
        let flow = f64::from(self.owed.saturating_add(bytes)) / self.bytes_per_s;
        (self.wait + Duration::from_secs_f64(flow.min(600.0))) * self.doubt
    }

    /// Until when it is spared fragment `i`, if it is.
    pub(crate) fn spared(&self, i: u16, now: Time) -> Option<Time> {
        if self.theirs.offered.has(i) {
            return None;
        }
        let hint = Some(self.theirs.hint_until).filter(|at| *at > now && self.theirs.hinted.has(i));
        self.busy_until.max(hint)
    }

    fn run_limit(&self) -> u32 {
        ((self.bytes_per_s * RUN_LIMIT.as_secs_f64()) as u32).min(RUN_LIMIT_BYTES)
    }
}

impl Mesh {
    /// Neighbours that have some of this segment, in a form that the mode in force lets flow, and may be asked.
    pub(crate) fn holders(&self, key: SegKey) -> Vec<Holder<'_>> {
        let Some(seg) = self.seg(key) else { return Vec::new() };
        self.peers.iter().filter_map(|(conn, peer)| self.holder(key, seg, *conn, peer)).collect()
    }

    fn holder<'a>(&'a self, key: SegKey, seg: &Segment, conn: ConnNo, peer: &'a Peer) -> Option<Holder<'a>> {
        let now = self.now;
        let theirs = self.held_by(peer, key, seg)?;
        let remote = peer.remote.get(&key.lane)?;
        if !peer.is_open() || seg.shunned.contains(&conn) || peer.not_before > now || theirs.not_before > now
        {
            return None;
        }
        let queue = remote.queue(now);
        Some(Holder {
            conn,
            theirs,
            free: self.effective.in_flight_per_peer.saturating_sub(peer.asks.len()),
            wait: peer.speed.rtt() + queue,
            bytes_per_s: peer.speed.rate().unwrap_or_else(|| self.unproven_rate(peer)).max(1_000.0),
            proven: peer.speed.rate().is_some()
                || peer.hello.as_ref().is_some_and(|h| h.uplink_bytes_per_s > 0),
            owed: peer.asks.values().map(|a| a.bytes).sum(),
            doubt: 1 + u32::from(peer.failures),
            busy_until: (queue > QUEUE).then(|| now + (queue - QUEUE)),
        })
    }

    /// An unproven neighbour is taken at what HTTP brings, and at no more than the uplink it told of.
    pub(crate) fn unproven_rate(&self, peer: &Peer) -> f64 {
        let http = self.http.rate().unwrap_or(UNKNOWN_BYTES_PER_S);
        let told = peer.hello.as_ref().map_or(0, |h| h.uplink_bytes_per_s);
        if told == 0 { http } else { http.min(told.into()) }
    }

    /// What a neighbour has of a segment, if that counts: told lately, of this list's epoch, and whole where only
    /// whole segments flow.
    pub(crate) fn held_by<'a>(
        &self,
        peer: &'a Peer,
        key: SegKey,
        seg: &Segment,
    ) -> Option<&'a RemoteSegment> {
        let list = seg.list.as_ref()?;
        let remote = peer.remote.get(&key.lane)?;
        let theirs = remote.segments.get(&key.msn)?;
        let fresh = self.now.since(remote.heard) <= self.effective.map_ttl;
        let whole =
            self.effective.cmaf_mode != CmafMode::Serve || peer.hello.as_ref().is_some_and(|h| h.sharing < 2);
        let flows = !whole || (list.closed() && theirs.held.has_all(list.count()));
        (fresh && remote.epoch == list.header().epoch && flows).then_some(theirs)
    }

    /// Time until the player needs this segment, as far as can be told.
    fn slack(&self, key: SegKey) -> Duration {
        if let Some(deadline) = self.deadline(key) {
            return deadline.since(self.now);
        }
        let Some(lane) = self.lanes.get(&key.lane) else { return Duration::ZERO };
        let ahead = self.ahead_of_player(lane);
        let between = lane.last_requested.map_or(0, |last| key.msn.saturating_sub(last.saturating_add(1)));
        ahead + lane.target * u32::try_from(between).unwrap_or(0).min(64)
    }

    /// How long it does no harm to wait for what should be there by now: a busy page is late with everything.
    pub(crate) fn leisure(&self, key: SegKey) -> Duration {
        (self.slack(key) / 8).min(LEISURE)
    }

    /// The same in a large lane, where a segment comes over several hops: whoever has its list knows that it is on its way.
    pub(crate) fn leisure_of_many(&self, key: SegKey) -> Duration {
        (self.slack(key) / 3).min(LEISURE * 2)
    }

    /// The deadline is so near that manners and rarity give way. Where all wait for one neighbour's fetch, all have it
    /// soonest if they keep their manners.
    pub(crate) fn is_hurried(&self, key: SegKey) -> bool {
        self.slack(key) <= (self.http_time(key) * 2).max(HORIZON_FLOOR) && self.led_until(key).is_none()
    }

    /// All requests for this segment that are worth making now.
    pub(crate) fn plan(&self, key: SegKey) -> Plan {
        let mut plan = Plan::default();
        let Some(seg) = self.seg(key) else { return plan };
        let in_flight: usize = self.peers.values().map(|p| p.asks.len()).sum();
        let mut left = self.effective.in_flight_total.saturating_sub(in_flight);
        let mut open = seg.missing();
        let late = self.http_is_late(key);
        open.retain(|i| {
            let soon = |by: Duration| by.is_zero() || !late;
            !seg.asked.contains_key(i) && !self.http_brings_in(seg, *i).is_some_and(soon)
        });
        if left == 0 || open.is_empty() {
            return plan;
        }
        let mut holders = self.holders(key);
        let hurried = self.is_hurried(key);
        // Whoever is late may still be sooner than HTTP.
        let limit = self.deadline(key).map_or(Duration::MAX, |d| d.since(self.now).max(self.http_time(key)));
        self.order(key, seg, &holders, hurried, &mut open);
        let mut taken = Held::default();
        for (at, i) in open.iter().enumerate() {
            if left == 0 || taken.has(*i) {
                continue;
            }
            let Some(best) = self.best(seg, &holders, *i, (hurried, limit), &mut plan.again) else {
                continue;
            };
            let Some(holder) = holders.get_mut(best) else { continue };
            let run = run_of(seg, holder, open.get(at..).unwrap_or_default(), &taken, |h, j| {
                hurried || h.spared(j, self.now).is_none()
            });
            run.iter().for_each(|j| taken.set(*j));
            holder.owed = holder.owed.saturating_add(seg.bytes_of(&run));
            holder.free -= 1;
            left -= 1;
            plan.runs.push((holder.conn, run));
        }
        plan
    }

    /// In order near the deadline; from the tail while HTTP comes from the head; else the rarest first.
    fn order(&self, key: SegKey, seg: &Segment, holders: &[Holder<'_>], hurried: bool, open: &mut [u16]) {
        if seg.transferring() {
            open.reverse();
        } else if !hurried && self.effective.rarest_first && seg.bytes_of(open) >= SMALL_BYTES {
            let copies = |i: u16| holders.iter().filter(|h| h.has(i)).count();
            let rare = |i: &u16| (copies(*i), mix(self.seed ^ key.msn ^ u64::from(*i) << 48), *i);
            let rarest: SortedSet<(usize, u64, u16)> = open.iter().map(rare).collect();
            open.iter_mut().zip(rarest.iter()).for_each(|(to, (.., i))| *to = *i);
        }
    }

    /// The holder with the best forecast for a fragment, of those that are not to be spared and not known to be too slow.
    fn best(
        &self,
        seg: &Segment,
        holders: &[Holder<'_>],
        i: u16,
        (hurried, limit): (bool, Duration),
        again: &mut Option<Time>,
    ) -> Option<usize> {
        let bytes = seg.bytes_of(&[i]);
        // A GET that is on brings it, but slowly.
        let slow = self.http_brings_in(seg, i);
        let mut best: Option<(Duration, usize)> = None;
        for (at, holder) in holders.iter().enumerate().filter(|(_, h)| h.free > 0 && h.has(i)) {
            if let Some(until) = holder.spared(i, self.now).filter(|_| !hurried) {
                *again = Some(again.map_or(until, |a| a.min(until)));
                continue;
            }
            let cost = (holder.forecast(bytes), at);
            if holder.proven && cost.0 > limit || slow.is_some_and(|by| cost.0 * 2 > by) {
                continue;
            }
            best = Some(best.map_or(cost, |b| b.min(cost)));
        }
        best.map(|(_, at)| at)
    }
}

/// The fragments that one request asks of a holder: the first open one and what follows it without a gap.
fn run_of(
    seg: &Segment,
    holder: &Holder<'_>,
    open: &[u16],
    taken: &Held,
    may: impl Fn(&Holder<'_>, u16) -> bool,
) -> Vec<u16> {
    let mut run: Vec<u16> = Vec::new();
    let mut bytes = 0;
    for i in open {
        let follows = run.last().is_none_or(|last| last.abs_diff(*i) == 1);
        let size = seg.bytes_of(&[*i]);
        let fits = run.is_empty() || bytes + size <= holder.run_limit();
        if !follows || !fits || taken.has(*i) || !holder.has(*i) || !may(holder, *i) {
            break;
        }
        bytes += size;
        run.push(*i);
    }
    if run.first() > run.last() {
        run.reverse();
    }
    run
}

/// A number that looks like chance and is the same each time.
fn mix(n: u64) -> u64 {
    crate::rng::Rng::new(n).next()
}
