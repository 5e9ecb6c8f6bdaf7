//! Who fetches from the origin: said to neighbours, passed on once by each, and believed no longer than it holds.

use crate::time::Duration;
use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::wire::{Fetching, Frame, SegmentRef};

use crate::input::ConnNo;
use crate::mesh::Mesh;
use crate::scheduler::lottery;
use crate::segment::SegKey;

/// The stage of who supersedes the elected one: it learned first, or its player cannot wait.
pub(crate) const SUPERSEDES: u8 = 255;
/// The stage of who fetches a range that is missing.
pub(crate) const RESCUE: u8 = 254;
/// Claims about one segment that are passed on.
const RELAYS: usize = 4;
/// Something of a fetch that is claimed should be seen after a segment's time, or what HTTP needs, or this.
const BORNE_OUT: Duration = Duration::from_secs(2);

impl Mesh {
    /// Tells the neighbours of this viewer's own fetch. Who may send nothing brings nothing to anybody.
    pub(crate) fn say_fetching(&mut self, key: SegKey, stage: u8, range: Option<(u32, u32)>) {
        let Some(fetcher) = self.roster.me.filter(|_| self.may_upload()) else { return };
        self.send_claim(key, None, (fetcher, stage, range, 0, 0));
    }

    /// Tells one neighbour, who was not there yet, of the fetches that are on and slow.
    pub(crate) fn say_all_fetching(&mut self, conn: ConnNo) {
        let Some(me) = self.roster.me.filter(|_| self.may_upload()) else { return };
        let mut fetches = Vec::new();
        for (no, lane) in &self.lanes {
            let whole = |s: &crate::segment::Segment| s.running().any(|t| t.from == 0 && t.to.is_none());
            let mine =
                lane.segments.iter().filter(|(_, s)| whole(s)).filter_map(|(msn, s)| Some((*msn, s.mine?)));
            fetches.extend(mine.map(|(msn, mine)| (SegKey { lane: *no, msn }, mine)));
        }
        for (key, mine) in fetches.into_iter().filter(|(key, _)| self.http_is_late(*key)).collect::<Vec<_>>()
        {
            if let Some(segment) = self.my_ref(key, conn) {
                let age_ms = u32::try_from(self.now.since(mine.since).as_millis()).unwrap_or(u32::MAX);
                let frame =
                    Fetching { segment, fetcher: me, stage: mine.stage, range: None, age_ms, hops: 0 };
                self.send(conn, &Frame::Fetching(frame));
            }
        }
    }

    /// `(fetcher, stage, range, age_ms, hops)` to all neighbours but one.
    fn send_claim(
        &mut self,
        key: SegKey,
        but: Option<ConnNo>,
        claim: (PeerId, u8, Option<(u32, u32)>, u32, u8),
    ) {
        let (fetcher, stage, range, age_ms, hops) = claim;
        for conn in self.conns_in(key.lane).into_iter().filter(|conn| Some(*conn) != but) {
            if let Some(segment) = self.my_ref(key, conn) {
                let frame = Fetching { segment, fetcher, stage, range, age_ms, hops };
                self.send(conn, &Frame::Fetching(frame));
            }
        }
    }

    pub(crate) fn say_dropped(&mut self, key: SegKey) {
        for conn in self.open_conns() {
            if let Some(segment) = self.my_ref(key, conn) {
                self.send(conn, &Frame::Dropped(segment));
            }
        }
    }

    pub(crate) fn on_fetching(&mut self, conn: ConnNo, f: &Fetching) {
        let Some(key) = self.key_of(conn, f.segment) else { return };
        // Who says it first speaks for itself.
        let own = self.peers.get(&conn).is_some_and(|p| p.id == f.fetcher);
        self.review_word(conn);
        if Some(f.fetcher) == self.roster.me
            || f.hops > self.hops(key)
            || own != (f.hops == 0)
            || !self.is_heeded(conn)
        {
            return;
        }
        if self.is_next(key, Duration::ZERO) {
            self.heard(conn, key, Duration::from_millis(f.age_ms.min(10_000).into()), 1);
        }
        match f.range {
            Some(range) => self.heed_rescue(key, f.fetcher, range),
            None if self.is_plausible(key, f) => self.heed_claim(conn, key, f),
            // Whoever cannot wait for its lot says so for itself alone: it is a rescue of the whole.
            None if own && f.stage == SUPERSEDES => self.heed_rescue(key, f.fetcher, (0, u32::MAX)),
            None => self.tally.claims_ignored += 1,
        }
        self.decide(key);
    }

    /// How far claims travel: as far as the order reaches, or through a whole lane that draws lots.
    fn hops(&self, key: SegKey) -> u8 {
        if self.large_lane(key.lane).is_some() { 8 } else { 1 }
    }

    /// Of a segment that is known to exist; in a large lane only from who can have won.
    fn is_plausible(&self, key: SegKey, f: &Fetching) -> bool {
        let Some(release) = self.seg(key).and_then(|s| s.release) else { return false };
        match self.large_lane(key.lane) {
            None => true,
            Some(_) if self.options.mutant("believe-all") => true,
            Some(weight) => self
                .ticket_of(key, f.fetcher)
                .is_some_and(|ticket| lottery::is_open(ticket, f.stage, weight, release, self.now)),
        }
    }

    fn heed_claim(&mut self, conn: ConnNo, key: SegKey, f: &Fetching) {
        let now = self.now;
        let far = self.hops(key);
        let http = self.http_time(key);
        let age = Duration::from_millis(f.age_ms.min(10_000).into());
        let Some(seg) = self.seg_mut(key) else { return };
        let news = seg.hearsay.claim(now, age, f.fetcher, conn);
        let until = now + seg.duration.max(BORNE_OUT).max(http);
        if !news {
            return;
        }
        self.http.heard_fetch(now);
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.word.given(about(key), until);
        }
        if f.hops < far {
            self.relay_claim(conn, key, f);
        }
        // A name that a neighbour only passes on could be made to suit.
        if f.hops == 0 || self.large_lane(key.lane).is_none() {
            let theirs = self.ticket_of(key, f.fetcher);
            self.yield_to(key, theirs, f.stage);
        }
    }

    /// Each claim once, to those who cannot have heard it; in a clique all have.
    fn relay_claim(&mut self, conn: ConnNo, key: SegKey, f: &Fetching) {
        let full = self.seg(key).is_none_or(|s| s.relayed.len() >= RELAYS);
        if full || self.views_agree(key.lane) || !self.may_relay_for(conn) {
            return;
        }
        if let Some(seg) = self.seg_mut(key) {
            seg.relayed.push(f.fetcher);
        }
        self.send_claim(key, Some(conn), (f.fetcher, f.stage, None, f.age_ms, f.hops + 1));
    }

    fn heed_rescue(&mut self, key: SegKey, fetcher: PeerId, range: (u32, u32)) {
        let now = self.now;
        if let Some(seg) = self.seg_mut(key) {
            seg.hearsay.claim_range(now, fetcher, range);
        }
    }

    pub(crate) fn on_dropped(&mut self, conn: ConnNo, segment: SegmentRef) {
        let Some(key) = self.key_of(conn, segment) else { return };
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let (id, said) = (peer.id, peer.word.taken_back(about(key)));
        let Some(seg) = self.seg_mut(key) else { return };
        seg.hearsay.withdraw(id, conn);
        let relayed = seg.relayed.len();
        seg.relayed.retain(|fetcher| *fetcher != id);
        // Who heard of it from here must not wait either; what this viewer fetches itself it has not dropped.
        if said && seg.relayed.is_empty() && relayed > 0 && seg.mine.is_none() {
            self.say_dropped(key);
        }
        self.decide(key);
    }

    /// A neighbour has shown some of a segment: what it said of it was true.
    pub(crate) fn word_kept(&mut self, conn: ConnNo, key: SegKey) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.word.kept(about(key));
        }
        if let Some(seg) = self.seg_mut(key) {
            seg.hearsay.bear_out(conn);
        }
    }

    /// A segment is over: how many fetched it decides this viewer's chance from now on.
    pub(crate) fn note_fetchers(&mut self, key: SegKey) {
        let Some(lane) = self.lanes.get_mut(&key.lane) else { return };
        let Some(seg) = lane.segments.get(&key.msn).filter(|s| s.release.is_some()) else { return };
        let fetchers = seg.hearsay.proven_fetchers() + usize::from(seg.mine.is_some());
        lane.chance.note(fetchers);
        if let Some(seg) = lane.segments.get_mut(&key.msn) {
            seg.lots.clear();
        }
    }
}

fn about(key: SegKey) -> (u16, u64) {
    (key.lane.0, key.msn)
}
