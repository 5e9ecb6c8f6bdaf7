//! What neighbours tell each other: maps, deltas, new segments, who fetches.

use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::wire::{Delta, Elect, Frame, ListBatch, Map, MapSegment, SegmentRef, View};

use crate::buffer_map::{FRAGMENT_LIMIT, Held, RemoteLane};
use crate::input::{ConnNo, LaneNo};
use crate::lane::{Lane, WANT_AHEAD};
use crate::manifests::ListVerdict;
use crate::mesh::Mesh;
use crate::segment::SegKey;
use crate::time::{Duration, Time};

/// Lanes below this announce whole segments, one batch each.
const SMALL_LANE_BYTES_PER_S: u64 = 256_000 / 8;
/// Segments per neighbour of which is known how much of the list it has.
pub(crate) const SHOWN_LIMIT: usize = 1_024;
/// Neighbours are believed so many segments beyond what player or lists told.
const HEARSAY_AHEAD: u64 = 2;
/// Neighbours may tell of segments so many before the newest.
const HEARSAY_BEHIND: u64 = 16;
/// Lists of neighbours are verified so far around the player's place.
const LISTS_AROUND: u64 = 64;

impl Mesh {
    // ---- what this viewer tells ----

    /// A fragment verified here: tell the lane, at once or with the whole segment in small lanes.
    pub(crate) fn announce(&mut self, key: SegKey, index: u16) {
        let Some(seg) = self.seg(key) else { return };
        let Some(list) = seg.list.as_ref() else { return };
        let seconds = seg.duration.as_secs().max(1);
        let small = list.closed() && u64::from(list.length()) / seconds < SMALL_LANE_BYTES_PER_S;
        let (first, count) = match (small, seg.is_complete()) {
            (true, true) => (0, list.count()),
            (true, false) => return,
            (false, _) => (index, 1),
        };
        if !self.may_upload() {
            return;
        }
        let offer = self.offer_of(key, index);
        let standing = (self.view_of(key.lane), self.queue_ms());
        for conn in self.conns_in(key.lane) {
            self.send_offer(conn, key, (first, count), offer, standing);
        }
    }

    /// One delta to one neighbour that is in the lane, with the list where it may be news.
    pub(crate) fn send_delta(&mut self, conn: ConnNo, key: SegKey, first: u16, held: u16) {
        let standing = (self.view_of(key.lane), self.queue_ms());
        self.send_offer(conn, key, (first, held), None, standing);
    }

    fn send_offer(
        &mut self,
        conn: ConnNo,
        key: SegKey,
        (first, held): (u16, u16),
        offer_to: Option<PeerId>,
        (view, queue_ms): (View, u32),
    ) {
        let Some(segment) = self.my_ref(key, conn) else { return };
        if self.peers.get(&conn).is_none_or(|p| !p.remote.contains_key(&key.lane)) {
            return;
        }
        let Some(list) = self.seg(key).and_then(|s| s.list.as_ref()) else { return };
        let (count, closed, list_hash) = (list.count(), list.closed(), list.hash());
        let shown = self.peers.get(&conn).and_then(|p| p.shown.get(&key)).copied().unwrap_or(0);
        let batch = (shown < count).then(|| {
            let (header, records, signature) = list.batch(shown, shown == 0);
            ListBatch { header, first: shown, records, signature }
        });
        let delta = Delta { segment, count, closed, list_hash, first, held, queue_ms, view, offer_to, batch };
        self.note_shown(conn, key, count);
        self.send(conn, &Frame::Delta(delta));
    }

    /// The neighbour has this many records of the list.
    fn note_shown(&mut self, conn: ConnNo, key: SegKey, count: u16) {
        let before = self.peers.get(&conn).and_then(|p| p.shown.get(&key)).copied().unwrap_or(0);
        self.set_shown(conn, key, count.max(before));
    }

    /// The same, where the neighbour itself says how many.
    pub(crate) fn set_shown(&mut self, conn: ConnNo, key: SegKey, count: u16) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if peer.shown.len() >= SHOWN_LIMIT && !peer.shown.contains_key(&key) {
            peer.shown.pop_first();
        }
        peer.shown.insert(key, count);
    }

    /// The neighbour says that it has only so many records of the list.
    pub(crate) fn show_again(&mut self, conn: ConnNo, key: SegKey, have: u16) {
        if let Some(shown) = self.peers.get_mut(&conn).and_then(|p| p.shown.get_mut(&key)) {
            *shown = have.min(*shown);
        } else {
            self.note_shown(conn, key, have);
        }
    }

    /// To all neighbours but the one who told of it, who heard of it from the first one at most.
    pub(crate) fn say_known(&mut self, key: SegKey, age: Duration, hops: u8) {
        let age_ms = u32::try_from(age.as_millis()).unwrap_or(u32::MAX);
        let told_by = self.seg(key).and_then(|s| s.told_by);
        for conn in self.conns_in(key.lane).into_iter().filter(|conn| Some(*conn) != told_by) {
            if let Some(segment) = self.my_ref(key, conn) {
                self.send(conn, &Frame::Known { segment, age_ms, hops });
            }
        }
    }

    /// Whole maps of all lanes to one neighbour.
    pub(crate) fn send_maps(&mut self, conn: ConnNo) {
        let lanes: Vec<LaneNo> = self.lanes.keys().copied().collect();
        lanes.into_iter().for_each(|no| self.send_map(conn, no));
        self.say_all_fetching(conn);
    }

    /// The whole map of one lane to one neighbour, if neighbours know that lane.
    pub(crate) fn send_map(&mut self, conn: ConnNo, no: LaneNo) {
        if let Some(map) = self.map_of(no) {
            self.send(conn, &Frame::Map(map));
        }
    }

    fn map_of(&self, no: LaneNo) -> Option<Map> {
        let (lane, index) = (self.lanes.get(&no)?, self.wire_lanes.index(no)?);
        let anchor = lane.anchor.as_ref()?;
        let newest = lane.newest.or(lane.last_requested)?;
        let epoch = anchor.epoch_for(newest)?;
        let segments: Vec<MapSegment> = lane
            .segments
            .iter()
            .filter(|(msn, s)| anchor.epoch_for(**msn) == Some(epoch) && s.list.is_some())
            .filter_map(|(msn, s)| {
                let list = s.list.as_ref()?;
                let held = if self.may_upload() { s.held() } else { Held::default() };
                Some(MapSegment {
                    msn: *msn,
                    count: list.count(),
                    closed: list.closed(),
                    list_hash: list.hash(),
                    held: held.to_bytes(),
                })
            })
            .collect();
        let skip = segments.len().saturating_sub(256);
        Some(Map {
            lane: index,
            epoch,
            elect: self.my_elect(no),
            view: self.view_of(no),
            queue_ms: self.queue_ms(),
            neighbours: self.listed_neighbours(no),
            segments: segments.into_iter().skip(skip).collect(),
        })
    }

    /// Full maps go out when due, or when this viewer's class changed: all must draw the same lots. Of a lane that it
    /// left only what it holds is of use.
    pub(crate) fn refresh_maps(&mut self) {
        let (now, every) = (self.now, self.effective.map_refresh);
        let changed =
            |no: &LaneNo, l: &Lane| l.told_class != self.my_class(*no) && self.wire_lanes.is_inside(*no);
        let due = |no: &LaneNo, l: &Lane| self.has_map(*no, l) && (l.map_due <= now || changed(no, l));
        let due: Vec<LaneNo> = self.lanes.iter().filter(|(no, l)| due(no, l)).map(|(no, _)| *no).collect();
        for no in due {
            let class = self.my_class(no);
            if let Some(lane) = self.lanes.get_mut(&no) {
                lane.map_due = now + every;
                lane.told_class = class;
            }
            let Some(map) = self.map_of(no) else { continue };
            for conn in self.open_conns() {
                self.send(conn, &Frame::Map(map.clone()));
            }
        }
    }

    /// Neighbours know the lane, and this viewer is in it or has something of it.
    fn has_map(&self, no: LaneNo, lane: &Lane) -> bool {
        let holds = || lane.segments.values().any(|s| !s.fragments.is_empty());
        self.wire_lanes.index(no).is_some() && (self.wire_lanes.is_inside(no) || holds())
    }

    pub(crate) fn maps_due(&self) -> impl Iterator<Item = Time> + '_ {
        let anyone = self.open_peers() > 0;
        let lanes = move || self.lanes.iter().filter(move |(no, l)| anyone && self.has_map(**no, l));
        let settling = lanes().filter_map(|(_, l)| l.settled_at()).filter(|at| *at > self.now);
        lanes().map(|(_, l)| l.map_due).chain(settling)
    }

    fn my_elect(&self, no: LaneNo) -> Elect {
        let first = self.lanes.get(&no).and_then(|l| l.last_requested).unwrap_or(0);
        Elect { class: self.my_class(no), first, last: first + WANT_AHEAD }
    }

    // ---- what neighbours tell ----

    pub(crate) fn on_map(&mut self, conn: ConnNo, map: Map) {
        let now = self.now;
        let Some(no) = self.lane_of(conn, map.lane) else { return };
        let left = self.make_room(conn, no);
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let before = peer.remote.remove(&no).unwrap_or_default();
        let mut remote = RemoteLane {
            epoch: map.epoch,
            heard: now,
            elect: Some(map.elect).filter(|_| !left),
            left,
            view: map.view,
            neighbours: map.neighbours,
            ..RemoteLane::default()
        };
        remote.told_queue(now, map.queue_ms);
        for s in map.segments {
            let entry = remote.entry(s.msn);
            *entry = before.segments.get(&s.msn).cloned().unwrap_or_default();
            (entry.count, entry.closed, entry.list_hash) =
                (s.count.min(FRAGMENT_LIMIT), s.closed, s.list_hash);
            entry.held = Held::from_bytes(&s.held);
        }
        let shown: Vec<(u64, u16, u64)> =
            remote.segments.iter().map(|(m, s)| (*m, s.count, s.list_hash)).collect();
        peer.remote.insert(no, remote);
        for (msn, count, hash) in shown {
            self.match_shown(conn, SegKey { lane: no, msn }, count, hash);
        }
        if before.heard == Time::default() && self.may_reply(conn) {
            self.send_maps(conn);
        }
        self.revisit(no);
    }

    /// Equal hashes prove that the neighbour has our list.
    fn match_shown(&mut self, conn: ConnNo, key: SegKey, count: u16, hash: u64) {
        if self.has_our_list(key, count, hash) {
            self.note_shown(conn, key, count);
        }
    }

    fn has_our_list(&self, key: SegKey, count: u16, hash: u64) -> bool {
        let list = self.seg(key).and_then(|s| s.list.as_ref());
        list.is_some_and(|l| l.hash() == hash && l.count() == count)
    }

    pub(crate) fn on_delta(&mut self, conn: ConnNo, d: &Delta) {
        let now = self.now;
        let Some(no) = self.lane_of(conn, d.segment.lane) else { return };
        let left = self.make_room(conn, no);
        let key = SegKey { lane: no, msn: d.segment.msn };
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let remote = peer.remote.entry(no).or_default();
        (remote.heard, remote.view, remote.left) = (now, d.view, left);
        remote.told_queue(now, d.queue_ms);
        if remote.epoch != d.segment.epoch {
            remote.segments.clear();
            remote.epoch = d.segment.epoch;
        }
        let entry = remote.entry(key.msn);
        (entry.count, entry.closed, entry.list_hash) = (d.count.min(FRAGMENT_LIMIT), d.closed, d.list_hash);
        let told = d.first..d.first.saturating_add(d.held).min(FRAGMENT_LIMIT);
        let grew = told.clone().any(|i| !entry.held.has(i));
        told.for_each(|i| entry.held.set(i));
        self.note_offer(conn, key, d);
        let verdict = d.batch.as_ref().map(|batch| self.take_batch(conn, key, d, batch));
        self.match_shown(conn, key, d.count, d.list_hash);
        // Where the list was known before, what a neighbour that keeps its word has by now is all there is to see.
        let shows = grew && self.peers.get(&conn).is_some_and(|p| self.counts(p));
        if (verdict == Some(ListVerdict::News) || shows)
            && let Some(seg) = self.seg_mut(key)
        {
            seg.hearsay.prove(now);
        }
        if verdict == Some(ListVerdict::News) {
            self.pass_list_on(key);
        }
        if d.held > 0 && self.has_our_list(key, d.count, d.list_hash) {
            self.word_kept(conn, key);
        }
        self.end_list_asks(conn, key, d.count, d.closed);
        if self.lanes.get(&no).is_some_and(|l| l.segments.contains_key(&key.msn) || l.live) {
            self.learned_from_peer(conn, key);
            self.decide(key);
        }
    }

    /// In a large lane the list runs ahead of the media: it is small, and shows those many hops from the fetcher that
    /// there is one before their own turn comes.
    fn pass_list_on(&mut self, key: SegKey) {
        if self.large_lane(key.lane).is_none() || self.seg(key).is_none_or(|s| s.release.is_none()) {
            return;
        }
        let count = self.seg(key).and_then(|s| s.list.as_ref()).map_or(0, |l| l.count());
        for conn in self.conns_in(key.lane) {
            if self.peers.get(&conn).and_then(|p| p.shown.get(&key)).is_none_or(|shown| *shown < count) {
                self.send_delta(conn, key, 0, 0);
            }
        }
    }

    /// A delta is as good as a Known: news only right after the newest, else of what is about as old.
    fn learned_from_peer(&mut self, conn: ConnNo, key: SegKey) {
        let recent = self
            .lanes
            .get(&key.lane)
            .is_some_and(|l| l.newest.is_some_and(|n| key.msn <= n && n - key.msn <= HEARSAY_BEHIND));
        if self.seg(key).is_none_or(|s| s.release.is_none())
            && (recent
                || self.options.mutant("believe-all")
                || self.is_heeded(conn) && self.is_next(key, Duration::ZERO))
        {
            self.heard(conn, key, Duration::ZERO, 1);
        }
    }

    /// A neighbour told of a segment.
    pub(crate) fn heard(&mut self, conn: ConnNo, key: SegKey, age: Duration, hops: u8) {
        if let Some(lane) = self.lanes.get_mut(&key.lane) {
            lane.segment(key.msn).told_by.get_or_insert(conn);
        }
        self.learned(key, age, false, hops);
    }

    fn take_batch(&mut self, conn: ConnNo, key: SegKey, d: &Delta, batch: &ListBatch) -> ListVerdict {
        let wanted = self
            .lanes
            .get(&key.lane)
            .is_some_and(|l| l.last_requested.is_some_and(|last| key.msn.abs_diff(last) <= LISTS_AROUND));
        let known = self.seg(key).and_then(|s| s.list.as_ref()).is_some_and(|l| l.covers(d.count, d.closed));
        if !wanted || known {
            return ListVerdict::Known;
        }
        let Ok(list) = self.batch_list(key, d.closed, batch) else { return ListVerdict::Unusable };
        if !self.may_verify(conn) {
            return ListVerdict::Unusable;
        }
        let verdict = self.learn_list(key, list, false);
        match verdict {
            ListVerdict::News => self.note_shown(conn, key, d.count),
            ListVerdict::False => self.close_peer(conn, Some("a list with a false signature")),
            _ => {}
        }
        verdict
    }

    pub(crate) fn on_known(&mut self, conn: ConnNo, segment: SegmentRef, age_ms: u32, hops: u8) {
        let Some(key) = self.key_of(conn, segment) else { return };
        let age = Duration::from_millis(age_ms.min(10_000).into());
        if hops < 2 && self.is_heeded(conn) && self.is_next(key, age) {
            self.heard(conn, key, age, hops.saturating_add(1));
        }
    }

    /// A new segment is believed only right after the last one, and not much too early.
    pub(crate) fn is_next(&self, key: SegKey, age: Duration) -> bool {
        let Some(lane) = self.lanes.get(&key.lane) else { return false };
        let Some(newest) = lane.newest else { return false };
        let before = lane.segments.get(&newest).and_then(|s| s.release);
        let early = before.is_some_and(|at| self.now.back(age).since(at) < lane.target.mul_f64(0.75));
        let near = lane.sure.is_some_and(|sure| key.msn <= sure.saturating_add(HEARSAY_AHEAD));
        lane.live && near && newest.checked_add(1) == Some(key.msn) && !early
    }

    pub(crate) fn key_of(&self, conn: ConnNo, s: SegmentRef) -> Option<SegKey> {
        let lane = self.lane_of(conn, s.lane)?;
        let key = SegKey { lane, msn: s.msn };
        (self.epoch_of(key)? == s.epoch).then_some(key)
    }
}
