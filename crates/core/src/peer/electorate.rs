//! Who may be elected, as far as this viewer knows, and the lots they draw.

use crate::time::Duration;
use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::wire::View;

use crate::input::LaneNo;
use crate::lane::{Lane, WANT_AHEAD};
use crate::mesh::Mesh;
use crate::peer::Peer;
use crate::scheduler::election::{self, Draw};
use crate::scheduler::lottery;
use crate::segment::SegKey;
use crate::sorted::SortedMap;

/// Class of a viewer of which only a neighbour's map tells: maps list no others if they can.
const USUAL_CLASS: u8 = 2;

impl Mesh {
    /// 0 while new in the lane, before the first frame, or where neighbours do not know this viewer to watch it, else as
    /// everywhere.
    pub(crate) fn my_class(&self, no: LaneNo) -> u8 {
        let Some(lane) = self.lanes.get(&no).filter(|_| self.wire_lanes.is_inside(no)) else { return 0 };
        let begun = |l: &Lane| !l.is_media() || !l.is_active(self.now) || l.bound.segments() > 0;
        let settled = lane.settled_at().is_some_and(|at| at <= self.now) && self.lanes.values().all(begun);
        if settled && lane.is_active(self.now) { self.my_class_for_edge() } else { 0 }
    }

    /// 0 where nothing may be sent or the page's own setup makes the requests; 1 when hidden or on cellular; 2 otherwise.
    pub(crate) fn my_class_for_edge(&self) -> u8 {
        let p = &self.options.platform;
        match () {
            () if !self.may_upload() || self.lanes.values().any(|l| l.own_setup) => 0,
            () if self.player.hidden || p.cellular || self.line_is_thin() || self.uplink_is_thin() => 1,
            () => USUAL_CLASS,
        }
    }

    /// Electable neighbours of a lane: class above 0, heard of lately, and `msn` wanted where one is given.
    pub(crate) fn electable(&self, no: LaneNo, msn: Option<u64>) -> impl Iterator<Item = (&Peer, u8)> + '_ {
        let (now, ttl) = (self.now, self.effective.map_ttl);
        self.peers.values().filter(|p| p.is_open()).filter_map(move |p| {
            let r = p.remote.get(&no).filter(|r| now.since(r.heard) <= ttl)?;
            let e = r.elect.filter(|e| e.class > 0)?;
            let last = e.last.max(e.first.saturating_add(WANT_AHEAD));
            let wants = msn.is_none_or(|m| e.first <= m && m <= last);
            wants.then_some((p, e.class))
        })
    }

    pub(crate) fn view_of(&self, no: LaneNo) -> View {
        let me = self.roster.me.filter(|_| self.my_class(no) > 0).map(election::mark);
        election::view(self.electable(no, None).map(|(p, _)| p.mark).chain(me))
    }

    /// All neighbours of the lane share this viewer's view: a clique.
    pub(crate) fn views_agree(&self, no: LaneNo) -> bool {
        let mine = self.view_of(no);
        self.peers
            .values()
            .filter(|p| p.is_open())
            .filter_map(|p| p.remote.get(&no))
            .all(|r| r.left || r.view == mine)
    }

    /// The neighbours that a map lists, so that others see two hops far: nobody's place in the order may depend
    /// on a class that the list does not tell.
    pub(crate) fn listed_neighbours(&self, no: LaneNo) -> Vec<PeerId> {
        if self.told_weight(no) > lottery::LARGE {
            return Vec::new();
        }
        let usual = |(p, class): (&Peer, u8)| (class >= USUAL_CLASS).then_some(p.id);
        let listed: Vec<PeerId> = self.electable(no, None).filter_map(usual).take(16).collect();
        match listed.is_empty() {
            true => self.electable(no, None).map(|(p, _)| p.id).take(16).collect(),
            false => listed,
        }
    }

    /// Electable viewers other than this one: its neighbours and, where views differ, theirs.
    fn electors(&self, no: LaneNo, msn: Option<u64>) -> SortedMap<PeerId, u8> {
        let mut all: SortedMap<PeerId, u8> = SortedMap::new();
        if !self.views_agree(no) {
            let maps = self.peers.values().filter(|p| p.is_open()).filter_map(|p| p.remote.get(&no));
            let fresh = maps.filter(|r| self.now.since(r.heard) <= self.effective.map_ttl);
            all.extend(fresh.flat_map(|r| &r.neighbours).map(|id| (*id, USUAL_CLASS)));
            // Of neighbours this viewer knows better than others do.
            let known = |id: &PeerId| self.peers.values().any(|p| p.is_called(*id) && p.hello.is_some());
            all.retain(|id, _| Some(*id) != self.roster.me && !known(id));
        }
        all.extend(self.electable(no, msn).map(|(p, class)| (p.id, class)));
        all
    }

    /// The lane's weight as the edge told it.
    fn told_weight(&self, no: LaneNo) -> f64 {
        let name = self.lanes.get(&no).and_then(|l| l.rendition.as_deref());
        let told = |name: &str| self.roster.weights.iter().find(|(n, _)| n.as_str() == name).map(|(_, w)| *w);
        name.and_then(told).unwrap_or(0.0)
    }

    /// The weight of a lane that is too large for an exact order; `None` for a small one. Edges count only those
    /// who stayed for a while, and few per household; whom this viewer sees is there for certain.
    pub(crate) fn large_lane(&self, no: LaneNo) -> Option<f64> {
        let seen =
            || self.electors(no, None).values().filter_map(|c| election::weight(*c)).sum::<f64>() + 1.0;
        let told = self.told_weight(no);
        let weight = if told > lottery::LARGE { told } else { seen() };
        (weight > lottery::LARGE).then_some(weight)
    }

    /// Draws the lots of a segment that is still to come, once for each viewer that may be elected.
    pub(crate) fn draw_lots(&mut self, key: SegKey) {
        let now = self.now;
        let new = |l: &Lane| l.live && l.newest.is_some_and(|n| n < key.msn.saturating_add(2));
        let open = self.seg(key).is_some_and(|s| s.release.is_some() && s.body.is_none() && !s.is_complete());
        if !open || self.peers.is_empty() || !self.lanes.get(&key.lane).is_some_and(new) {
            if let Some(seg) = self.seg_mut(key) {
                seg.lots = SortedMap::new();
            }
            return;
        }
        let salt = self.roster.salt(now);
        if let Some(seg) = self.seg_mut(key) {
            seg.salt.get_or_insert(salt);
        }
        let others = match self.large_lane(key.lane) {
            None => self.electors(key.lane, Some(key.msn)),
            Some(_) => SortedMap::new(),
        };
        let all = others.keys().copied().chain(self.roster.me);
        let new: Vec<PeerId> =
            all.filter(|id| self.seg(key).is_some_and(|s| !s.lots.contains_key(id))).collect();
        for id in new {
            let Some(lot) = self.lot(key, id) else { return };
            if let Some(seg) = self.seg_mut(key) {
                seg.lots.insert(id, lot);
            }
        }
    }

    fn lot(&self, key: SegKey, id: PeerId) -> Option<f64> {
        let seg = self.seg(key)?;
        if let Some(lot) = seg.lots.get(&id) {
            return Some(*lot);
        }
        let salt = seg.salt.unwrap_or_else(|| self.roster.salt(self.now));
        let lane = self.lanes.get(&key.lane)?.rendition.as_deref()?;
        Some(election::lot(Draw { salt: &salt, lane, epoch: self.epoch_of(key)?, msn: key.msn }, id))
    }

    pub(crate) fn my_ticket(&self, key: SegKey) -> Option<f64> {
        let weight = election::weight(self.my_class(key.lane))?;
        Some(self.lot(key, self.roster.me?)? / weight)
    }

    /// Where this viewer's lot lies among all, 0 to 1: what many would do at one time they spread by it.
    pub(crate) fn my_share(&self, key: SegKey) -> f64 {
        self.roster.me.map_or(1.0, |me| self.share_of(key, me))
    }

    pub(crate) fn share_of(&self, key: SegKey, id: PeerId) -> f64 {
        self.lot(key, id).map_or(1.0, |lot| 1.0 - (-lot).exp())
    }

    /// Another viewer's ticket; of one that is no neighbour the class is not known.
    pub(crate) fn ticket_of(&self, key: SegKey, id: PeerId) -> Option<f64> {
        let class = match self.peers.values().any(|p| p.id == id && p.hello.is_some()) {
            true => self.electable(key.lane, Some(key.msn)).find(|(p, _)| p.id == id)?.1,
            false => USUAL_CLASS,
        };
        Some(self.lot(key, id)? / election::weight(class)?)
    }

    /// This viewer's rank for a segment; `None` if it is not electable.
    pub(crate) fn rank_in(&self, key: SegKey) -> Option<usize> {
        let me = (self.my_ticket(key)?, self.roster.me?);
        let others = self.electors(key.lane, Some(key.msn));
        let drawn =
            |(id, class): (&PeerId, &u8)| Some((self.lot(key, *id)? / election::weight(*class)?, *id));
        Some(election::rank(me, others.iter().filter_map(drawn)))
    }

    pub(crate) fn longest_rtt(&self, no: LaneNo) -> Duration {
        let members = self.peers.values().filter(|p| p.is_open() && p.remote.contains_key(&no));
        members.map(|p| p.speed.rtt()).max().unwrap_or_default()
    }
}
