//! Asking neighbours for fragments: the best holder for each, in order, within the limits in flight.

use crate::sorted::SortedSet;

use meshedflow_protocol::wire::{Frame, RejectReason, Request, SegmentRef};

use crate::buffer_map::{Held, RemoteLane};
use crate::input::{ConnNo, LaneNo};
use crate::mesh::Mesh;
use crate::output::{Output, Source};
use crate::peer::Peer;
use crate::segment::{SegKey, Segment};
use crate::time::{Duration, Time, Wakeup};

/// A request to a neighbour.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) key: SegKey,
    /// Fragments still expected.
    pub(crate) left: u16,
    /// Given up if nothing verified arrives until then.
    pub(crate) patience: Time,
    pub(crate) bytes: u32,
    /// It said once that others come first, and for how long; saying it again gains it nothing.
    pub(crate) queued: Option<Duration>,
    /// When it was made, or last brought a fragment.
    pub(crate) moved: Time,
    /// What the next fragment was forecast to take from then on.
    pub(crate) expected: Duration,
    /// When to see whether somebody else would be faster.
    pub(crate) review: Option<Time>,
    /// Nothing of it is here yet.
    pub(crate) first: bool,
    /// The list alone was asked for.
    pub(crate) list: bool,
}

/// Longer queues than this are not believed.
const QUEUE_LIMIT_MS: u32 = 5_000;
/// A neighbour that says it has a list shows it within this time.
const LIST_PATIENCE: Duration = Duration::from_secs(1);
/// Prefetching reaches this many segments beyond the player's last request.
const PREFETCH_SEGMENTS: u64 = 2;

impl Mesh {
    /// Requests what is missing, wanted, and held by a neighbour that may be asked.
    pub(crate) fn ask_neighbours(&mut self, key: SegKey) {
        let covered = self.http_covers_rest(key);
        if !self.wants_from_peers(key) || covered && !self.http_is_late(key) {
            return;
        }
        if !covered {
            self.ask_for_list(key);
            self.leave_queues(key);
        }
        let plan = self.plan(key);
        for (conn, run) in plan.runs {
            self.request(conn, key, &run);
        }
        if let Some(seg) = self.seg_mut(key) {
            seg.look_again = plan.again;
        }
    }

    /// The player waits for it, or will ask next in a lane that is watched.
    pub(crate) fn wants_from_peers(&self, key: SegKey) -> bool {
        if self.seg(key).is_none_or(Segment::is_complete) {
            return false;
        }
        let Some(lane) = self.lanes.get(&key.lane) else { return false };
        let ahead = |last: u64| key.msn > last && key.msn <= last + PREFETCH_SEGMENTS;
        let ahead =
            || lane.is_active(self.now) && lane.last_requested.is_some_and(ahead) && !self.is_starved();
        self.has_load(key) || ahead()
    }

    /// True if neighbours hold, or have been asked for, all that is missing.
    pub(crate) fn neighbours_cover(&self, key: SegKey) -> bool {
        let Some(seg) = self.seg(key) else { return false };
        match &seg.list {
            Some(list) if list.closed() => {
                let count = list.count();
                let mut here = Held::default();
                seg.fragments.keys().chain(seg.asked.keys()).for_each(|i| here.set(*i));
                for (_, peer) in self.peers.iter().filter(|(c, p)| !seg.shunned.contains(c) && self.counts(p))
                {
                    if here.has_all(count) {
                        break;
                    }
                    if let Some(theirs) = self.held_by(peer, key, seg) {
                        here.add(&theirs.held);
                    }
                }
                here.has_all(count)
            }
            Some(_) => false,
            None => self.list_holder(key).is_some(),
        }
    }

    /// Does the word of this neighbour count?
    pub(crate) fn counts(&self, peer: &Peer) -> bool {
        peer.is_reliable() || self.options.mutant("believe-all")
    }

    /// A neighbour that holds the segment and has a list which is missing here.
    fn list_holder(&self, key: SegKey) -> Option<ConnNo> {
        let have =
            self.seg(key).and_then(|s| s.list.as_ref()).map_or((0, false), |l| (l.count(), l.closed()));
        if have.1 {
            return None;
        }
        let has_more = |p: &crate::peer::Peer| {
            p.remote
                .get(&key.lane)
                .and_then(|r| r.segments.get(&key.msn))
                .is_some_and(|s| (s.count > have.0 || s.closed) && !s.held.is_empty())
        };
        self.peers
            .iter()
            .find(|(c, p)| {
                p.is_open()
                    && has_more(p)
                    && self.counts(p)
                    && !self.seg(key).is_some_and(|s| s.shunned.contains(c))
            })
            .map(|(c, _)| *c)
    }

    /// Somebody has a list that is missing here: ask for it, each neighbour once a segment.
    fn ask_for_list(&mut self, key: SegKey) {
        let Some(conn) = self.list_holder(key) else { return };
        let have = self.seg(key).and_then(|s| s.list.as_ref()).map_or(0, |l| l.count());
        let Some(segment) = self.my_ref(key, conn) else { return };
        let asked = self.seg_mut(key).is_some_and(|s| s.list_asked.len() >= 8 || !s.list_asked.insert(conn));
        if asked {
            return;
        }
        let request = self.next_request(conn);
        let now = self.now;
        let patience = now + LIST_PATIENCE;
        if let Some(peer) = self.peers.get_mut(&conn) {
            let ask = Ask { list: true, ..Ask::new(key, now, patience) };
            peer.asks.insert(request, ask);
        }
        let ask =
            Request { request, segment, first: have, count: 0, skip: 0, deadline_ms: 1_000, urgent: true };
        self.send(conn, &Frame::Request(ask));
    }

    /// What a neighbour told of a segment answers a question for its list, if all that it says to have is here now.
    pub(crate) fn end_list_asks(&mut self, conn: ConnNo, key: SegKey, count: u16, closed: bool) {
        let here = self.seg(key).and_then(|s| s.list.as_ref()).is_some_and(|l| l.covers(count, closed));
        if here && let Some(peer) = self.peers.get_mut(&conn) {
            peer.asks.retain(|_, ask| !(ask.list && ask.key == key));
        }
    }

    /// The segment by this viewer's own index of its lane, as frames to a neighbour name it; nobody is told of a lane
    /// that has none.
    pub(crate) fn my_ref(&self, key: SegKey, conn: ConnNo) -> Option<SegmentRef> {
        let epoch = match self.seg(key).and_then(|s| s.list.as_ref()) {
            Some(list) => list.header().epoch,
            None => self.epoch_of(key)?,
        };
        self.peers.contains_key(&conn).then_some(())?;
        Some(SegmentRef { lane: self.wire_lanes.index(key.lane)?, epoch, msn: key.msn })
    }

    fn next_request(&mut self, conn: ConnNo) -> u32 {
        let Some(peer) = self.peers.get_mut(&conn) else { return 0 };
        peer.next_request = peer.next_request.wrapping_add(1);
        peer.next_request
    }

    fn request(&mut self, conn: ConnNo, key: SegKey, run: &[u16]) {
        let (Some(first), Some(last), Some(segment)) = (run.first(), run.last(), self.my_ref(key, conn))
        else {
            return;
        };
        let Some((start, _)) = self.seg(key).and_then(|s| s.bounds(*first)) else { return };
        let Some((_, end)) = self.seg(key).and_then(|s| s.bounds(*last)) else { return };
        let (request, blob, now) = (self.next_request(conn), self.fresh_blob(), self.now);
        let expected = self.expected(conn, key, *first);
        let count = u16::try_from(run.len()).unwrap_or(u16::MAX);
        self.push(Output::NewBlob(blob, end - start));
        if let Some(seg) = self.seg_mut(key) {
            seg.blobs.insert(blob, end - start);
            run.iter().for_each(|i| {
                seg.asked.insert(*i, (conn, request));
            });
            seg.mind_flow(now);
        }
        self.grant(key, Source::Peer(conn, request), blob, start, run);
        let patience = now + self.patience(key, expected * 3);
        let ask = Ask {
            left: count,
            bytes: end - start,
            expected,
            review: Some(now + review_after(expected)),
            ..Ask::new(key, now, patience)
        };
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.asks.insert(request, ask);
        }
        let due = self.rescue_at(key).map_or(5_000, |at| at.since(now).as_millis());
        let frame = Request {
            request,
            segment,
            first: *first,
            count,
            skip: 0,
            deadline_ms: u32::try_from(due).unwrap_or(u32::MAX),
            urgent: self.has_load(key) && self.is_hurried(key),
        };
        self.send(conn, &Frame::Request(frame));
    }

    /// How long a neighbour may keep this viewer waiting that should need `wait`.
    fn patience(&self, key: SegKey, wait: Duration) -> Duration {
        patience(wait, self.leisure(key), self.effective.p2p_budget)
    }

    /// What this neighbour is forecast to take for a fragment.
    fn expected(&self, conn: ConnNo, key: SegKey, i: u16) -> Duration {
        let bytes = self.seg(key).map_or(0, |s| s.bytes_of(&[i]));
        self.holders(key).iter().find(|h| h.conn == conn).map_or(LIST_PATIENCE, |h| h.forecast(bytes))
    }

    /// A fragment of a neighbour verified.
    pub(crate) fn on_peer_fragment(
        &mut self,
        key: SegKey,
        conn: ConnNo,
        request: u32,
        len: u32,
        took: Duration,
        over: bool,
    ) {
        let now = self.now;
        self.tally.peer_bytes += u64::from(len);
        self.hedging.earn(now, len);
        let (longer, budget) = (self.patience(key, took * 4), self.effective.p2p_budget);
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let waited = peer.asks.get(&request).map_or(Duration::ZERO, |a| a.waited(now));
        peer.speed.sample(now, len, took.saturating_sub(waited));
        peer.peer_bytes += u64::from(len);
        let id = peer.id;
        let mut answered = false;
        if let Some(ask) = peer.asks.get_mut(&request) {
            ask.left = ask.left.saturating_sub(1);
            ask.bytes = ask.bytes.saturating_sub(len);
            let next =
                Duration::from_secs_f64(f64::from(len) / peer.speed.rate().unwrap_or(1e6).max(1_000.0));
            (ask.moved, ask.expected, ask.first) = (now, next, false);
            ask.review = Some(now + review_after(next));
            ask.patience = now + longer.max(next * 4).min(budget);
            answered = ask.left == 0;
            if over {
                peer.asks.remove(&request);
            }
        }
        // Half an answer makes good for nothing: the rest was waited for.
        if answered {
            peer.delivered();
        }
        if let Some(seg) = self.seg_mut(key) {
            seg.senders.insert(id);
            seg.hearsay.prove(now);
        }
        self.word_kept(conn, key);
    }

    pub(crate) fn on_queued(&mut self, conn: ConnNo, request: u32, eta_ms: u32) {
        let now = self.now;
        let eta = Duration::from_millis(eta_ms.min(QUEUE_LIMIT_MS).into());
        let Some(key) = self.peers.get(&conn).and_then(|p| p.asks.get(&request)).map(|a| a.key) else {
            return;
        };
        let (least, budget) = (self.patience(key, eta), self.effective.p2p_budget);
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let Some(ask) = peer.asks.get_mut(&request).filter(|a| a.queued.is_none() && !a.list) else { return };
        ask.queued = Some(eta);
        ask.expected = ask.expected.max(eta + peer.speed.rtt());
        // News of a queue is no reason to wait less.
        ask.patience = ask.patience.max(now + eta + least.max(ask.expected * 3).min(budget));
        ask.review = Some(now + review_after(ask.expected));
        let lane = ask.key.lane;
        if let Some(remote) = peer.remote.get_mut(&lane) {
            remote.told_queue(now, eta_ms);
        }
    }

    pub(crate) fn on_reject(&mut self, conn: ConnNo, request: u32, reason: RejectReason, queue_ms: u32) {
        let now = self.now;
        self.tally.rejects += 1;
        let Some(ask) = self.end_ask(conn, request) else { return };
        let wait = Duration::from_millis(u64::from(queue_ms).clamp(100, 5_000));
        if let Some(peer) = self.peers.get_mut(&conn) {
            if let Some(remote) = peer.remote.get_mut(&ask.key.lane) {
                remote.told_queue(now, queue_ms);
            }
            // Whoever is busy has shown before that it serves at all.
            if reason != RejectReason::Busy || peer.peer_bytes == 0 {
                peer.turned_away();
            }
            let remote = peer.remote.get_mut(&ask.key.lane).and_then(|r| r.segments.get_mut(&ask.key.msn));
            match (reason, remote) {
                (RejectReason::NotHeld, Some(segment)) => segment.held = Default::default(),
                (RejectReason::Busy, Some(segment)) => segment.not_before = now + wait,
                _ => peer.not_before = now + Duration::from_secs(5),
            }
        }
        self.decide(ask.key);
    }

    /// The neighbour says that it sent everything; data may still be on the way in the other channel.
    pub(crate) fn on_done(&mut self, conn: ConnNo, request: u32) {
        let now = self.now;
        if let Some(ask) = self.peers.get_mut(&conn).and_then(|p| p.asks.get_mut(&request)) {
            ask.patience = ask.patience.min(now + Duration::from_secs(1));
        }
    }

    /// Ends a request on this side: grant, marks and all.
    fn end_ask(&mut self, conn: ConnNo, request: u32) -> Option<Ask> {
        let ask = self.peers.get_mut(&conn)?.asks.remove(&request)?;
        self.drop_grants_of_request(conn, request);
        let now = self.now;
        if let Some(seg) = self.seg_mut(ask.key) {
            seg.asked.retain(|_, by| *by != (conn, request));
            seg.mind_flow(now);
        }
        self.free_unused_blobs(ask.key);
        Some(ask)
    }

    /// Ends a request and tells the neighbour.
    pub(crate) fn cancel_ask(&mut self, conn: ConnNo, request: u32) {
        if self.end_ask(conn, request).is_some() {
            self.send(conn, &Frame::Cancel { request });
        }
    }

    /// Requests for what HTTP is to bring now; they would come too late.
    pub(crate) fn cancel_asks_within(&mut self, key: SegKey, (from, to): (u32, u32)) {
        let Some(seg) = self.seg(key) else { return };
        let inside = |i: &u16| seg.bounds(*i).is_some_and(|(a, b)| from <= a && b <= to);
        let asks: SortedSet<(ConnNo, u32)> =
            seg.asked.iter().filter(|(i, _)| inside(i)).map(|(_, by)| *by).collect();
        asks.into_iter().for_each(|(conn, request)| self.cancel_ask(conn, request));
    }

    pub(crate) fn cancel_asks_of(&mut self, key: SegKey) {
        let asks: SortedSet<(ConnNo, u32)> =
            self.seg(key).map(|s| s.asked.values().copied().collect()).unwrap_or_default();
        asks.into_iter().for_each(|(conn, request)| self.cancel_ask(conn, request));
    }

    /// Requests that kept us waiting are asked elsewhere.
    pub(crate) fn tick_asks(&mut self) {
        if self.options.mutant("endless-patience") {
            return;
        }
        let now = self.now;
        let late: Vec<(ConnNo, u32, SegKey)> = self
            .peers
            .iter()
            .flat_map(|(c, p)| p.asks.iter().map(move |(r, a)| (*c, *r, a)))
            .filter(|(_, _, a)| a.patience <= now)
            .map(|(c, r, a)| (c, r, a.key))
            .collect();
        self.review_asks();
        for (conn, request, key) in late {
            self.tally.slow_peers += 1;
            if let Some(peer) = self.peers.get_mut(&conn) {
                peer.speed.punish();
                peer.let_down(now);
            }
            if let Some(seg) = self.seg_mut(key) {
                seg.shunned.insert(conn);
            }
            self.cancel_ask(conn, request);
            self.decide(key);
        }
    }

    pub(crate) fn asks_wakeup(&self) -> Option<Wakeup> {
        let asks = self.peers.values().flat_map(|p| p.asks.values());
        let patience = asks.map(|a| a.review.map_or(a.patience, |r| r.min(a.patience)));
        let pauses = self.peers.values().filter(|p| p.not_before > self.now).map(|p| p.not_before);
        let at = patience.chain(pauses).min()?;
        Some(Wakeup { at, reason: "request to a neighbour" })
    }

    /// Signer epoch that the anchor names for a segment.
    pub(crate) fn epoch_of(&self, key: SegKey) -> Option<u64> {
        self.lanes.get(&key.lane)?.anchor.as_ref()?.epoch_for(key.msn)
    }

    /// Anybody connected who is in this lane, or left it not long ago?
    pub(crate) fn lane_has_company(&self, no: LaneNo) -> bool {
        let near = |r: &RemoteLane| !r.left || self.now.since(r.heard) <= self.effective.map_ttl;
        self.peers.values().any(|p| p.is_open() && p.remote.get(&no).is_some_and(near))
    }
}

impl Ask {
    fn new(key: SegKey, now: Time, patience: Time) -> Self {
        Self {
            key,
            left: 0,
            patience,
            bytes: 0,
            queued: None,
            moved: now,
            expected: Duration::ZERO,
            review: None,
            first: true,
            list: false,
        }
    }

    /// Of the time to its first fragment, what was spent in its neighbour's queue as told; never nearly all.
    fn waited(&self, now: Time) -> Duration {
        let queue = self.queued.filter(|_| self.first).unwrap_or_default();
        queue.min(now.since(self.moved) * 3 / 4)
    }
}

/// A request is looked at again when it is half as late again as it was forecast.
fn review_after(expected: Duration) -> Duration {
    (expected * 3 / 2).max(Duration::from_millis(150))
}

/// At least 400 ms, longer where the player is far from needing it: a busy page answers late. At most the budget, which a
/// policy may set to less; `clamp` would panic then.
fn patience(wait: Duration, leisure: Duration, budget: Duration) -> Duration {
    wait.max(leisure).max(Duration::from_millis(400)).min(budget)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_bears_a_budget_below_its_floor() {
        let ms = Duration::from_millis;
        assert_eq!(
            [1, 500, 9_000].map(|wait| patience(ms(wait), ms(250), ms(3_000))),
            [400, 500, 3_000].map(ms)
        );
        assert_eq!(patience(ms(500), ms(250), ms(100)), ms(100));
        assert_eq!(patience(ms(500), ms(1_500), ms(3_000)), ms(1_500));
    }
}
