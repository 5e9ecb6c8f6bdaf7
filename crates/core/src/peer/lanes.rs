//! Lanes on the wire: a page numbers every playlist it ever sees, its neighbours know eight of them by an index.
//!
//! An index stays with its lane until another lane needs it: then the one that was left longest ago goes. Whoever
//! leaves a lane says so before it asks for anything in the next one; there it is nobody's candidate any more, but
//! still serves what it holds.

use meshedflow_protocol::ids::Name;
use meshedflow_protocol::wire::{Frame, LaneChange, LaneIndex};

use crate::buffer_map::REMOTE_LANES;
use crate::input::{ConnNo, LaneNo};
use crate::mesh::Mesh;
use crate::peer::Peer;
use crate::peer::bucket::Bucket;
use crate::sorted::SortedMap;
use crate::time::Time;

/// Lanes are entered so often at first, and so many times a second later: a player that cannot make up its mind
/// must not make its neighbours talk of nothing else.
const ENTERED_BURST: f64 = 8.0;
const ENTERED_PER_S: f64 = 0.5;

/// This viewer's lanes as its neighbours know them.
#[derive(Debug)]
pub(crate) struct WireLanes {
    seats: SortedMap<LaneIndex, Seat>,
    entered: Bucket,
    /// A lane waits to be entered: not before then.
    due: Option<Time>,
}

/// Whose index it is.
#[derive(Clone, Copy, Debug)]
struct Seat {
    lane: LaneNo,
    /// As last told; false once the lane was left.
    inside: bool,
    /// When it was entered or left.
    since: Time,
}

impl WireLanes {
    pub(crate) fn new(now: Time) -> Self {
        Self { seats: SortedMap::new(), entered: Bucket::new(ENTERED_PER_S, ENTERED_BURST, now), due: None }
    }

    /// The index by which neighbours know this lane.
    pub(crate) fn index(&self, lane: LaneNo) -> Option<LaneIndex> {
        self.seats.iter().find(|(_, seat)| seat.lane == lane).map(|(index, _)| *index)
    }

    /// Neighbours were told that this viewer is in the lane, and not that it left.
    pub(crate) fn is_inside(&self, lane: LaneNo) -> bool {
        self.seats.values().any(|seat| seat.lane == lane && seat.inside)
    }

    /// When a lane may be entered that could not be so far.
    pub(crate) fn due(&self) -> Option<Time> {
        self.due
    }

    /// Nothing waits to be entered.
    fn settle(&mut self) {
        self.due = None;
    }

    /// All that have an index, and whether this viewer is inside.
    fn seated(&self) -> Vec<(LaneIndex, LaneNo, bool)> {
        self.seats.iter().map(|(index, seat)| (*index, seat.lane, seat.inside)).collect()
    }

    /// May another lane be entered now?
    fn may_enter(&mut self, now: Time) -> bool {
        let may = self.entered.take(now, 1.0);
        self.due = if may { None } else { self.entered.wait(now, 1.0).map(|wait| now + wait) };
        may
    }

    fn leave(&mut self, index: LaneIndex, now: Time) {
        if let Some(seat) = self.seats.get_mut(&index) {
            (seat.inside, seat.since) = (false, now);
        }
    }

    /// The index for a lane that is entered: its own, a free one, or that of the lane left longest ago. The lane is
    /// told only where this viewer was still inside.
    fn enter(&mut self, lane: LaneNo, now: Time) -> (LaneIndex, Option<LaneNo>) {
        let free = || LaneIndex::all().find(|index| !self.seats.contains_key(index));
        let oldest = || self.seats.iter().min_by_key(|(_, s)| (s.inside, s.since)).map(|(index, _)| *index);
        let index = self.index(lane).or_else(free).or_else(oldest).unwrap_or_default();
        let before = self.seats.insert(index, Seat { lane, inside: true, since: now });
        (index, before.filter(|seat| seat.inside && seat.lane != lane).map(|seat| seat.lane))
    }
}

/// A lane as a neighbour knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TheirLane {
    pub(crate) name: Name,
    /// It left, and may still hold something.
    pub(crate) left: bool,
}

impl TheirLane {
    pub(crate) fn entered(name: Name) -> Self {
        Self { name, left: false }
    }
}

impl Peer {
    /// It said of this rendition that it left, and nothing else since.
    fn has_left(&self, name: &str) -> bool {
        let mut told = self.lanes.values().filter(|lane| lane.name.as_str() == name).peekable();
        told.peek().is_none() || told.all(|lane| lane.left)
    }

    /// Of too many lanes the one goes of which it told longest ago, those that it left before the others.
    fn make_room(&mut self, no: LaneNo) {
        if self.remote.len() < REMOTE_LANES || self.remote.contains_key(&no) {
            return;
        }
        let oldest = self.remote.iter().min_by_key(|(_, r)| (!r.left, r.heard)).map(|(lane, _)| *lane);
        if let Some(lane) = oldest {
            self.remote.remove(&lane);
        }
    }
}

impl Mesh {
    /// Neighbours and edge learn which lanes this viewer is in now. Whatever was left comes first.
    pub(crate) fn tell_lanes(&mut self) {
        for (index, no, inside) in self.wire_lanes.seated() {
            if inside && !self.is_in(no) {
                self.wire_lanes.leave(index, self.now);
                self.say_left(index, no);
            }
        }
        self.wire_lanes.settle();
        let lanes: Vec<LaneNo> = self.lanes.keys().copied().collect();
        for no in lanes {
            let entered = self.is_in(no) && !self.wire_lanes.is_inside(no);
            if entered && self.wire_lanes.may_enter(self.now) {
                self.enter_wire_lane(no);
            }
        }
        self.say_lanes();
    }

    /// Something is due to be told of lanes, or one came to be out of the question.
    pub(crate) fn lanes_to_tell(&self) -> bool {
        let due = self.wire_lanes.due.into_iter().chain(self.roster.lanes_due).any(|at| at <= self.now);
        due || self.wire_lanes.seats.values().any(|seat| seat.inside && !self.is_in(seat.lane))
    }

    /// Watched, and known by the name that its origin signs.
    pub(crate) fn is_in(&self, no: LaneNo) -> bool {
        let Some(lane) = self.lanes.get(&no) else { return false };
        lane.is_media()
            && !lane.left
            && self.lane_refusal(lane).is_none()
            && lane.anchor.is_some()
            && lane.rendition.is_some()
    }

    fn say_left(&mut self, lane: LaneIndex, no: LaneNo) {
        let last = self.lanes.get(&no).and_then(|l| l.last_requested);
        let from_msn = last.map_or(0, |last| last.saturating_add(1));
        self.say_lane(&LaneChange::Drop { lane, from_msn });
    }

    fn enter_wire_lane(&mut self, no: LaneNo) {
        let Some(rendition) = self.rendition_name(no) else { return };
        let (lane, before) = self.wire_lanes.enter(no, self.now);
        if let Some(before) = before {
            self.say_left(lane, before);
        }
        let from_msn = self.lanes.get(&no).and_then(|l| l.last_requested).unwrap_or(0);
        self.say_lane(&LaneChange::Add { lane, rendition, from_msn });
        if let Some(l) = self.lanes.get_mut(&no) {
            l.map_due = Time::default();
        }
    }

    /// To all whose channels are up, also to those whose Hello is still on its way: ours did not tell of this.
    fn say_lane(&mut self, change: &LaneChange) {
        for conn in self.conns_up() {
            self.send(conn, &Frame::Lane(change.clone()));
        }
    }

    /// The lanes of a Hello, and those of them that this viewer left: it may hold something there.
    pub(crate) fn my_lanes(&self) -> (Vec<(LaneIndex, Name)>, Vec<LaneChange>) {
        let (mut lanes, mut left) = (Vec::new(), Vec::new());
        for (lane, no, inside) in self.wire_lanes.seated() {
            let Some(name) = self.rendition_name(no) else { continue };
            lanes.push((lane, name));
            if !inside {
                left.push(LaneChange::Drop { lane, from_msn: 0 });
            }
        }
        (lanes, left)
    }

    pub(crate) fn on_lane_change(&mut self, conn: ConnNo, change: LaneChange) {
        match change {
            LaneChange::Add { lane, rendition, .. } => self.on_lane_entered(conn, lane, rendition),
            LaneChange::Drop { lane, .. } => {
                let known = self.peers.get_mut(&conn).and_then(|p| p.lanes.get_mut(&lane));
                let Some(known) = known else { return };
                known.left = true;
                let name = known.name.clone();
                self.note_presence(conn, &name);
            }
        }
    }

    /// An index stands for one lane: what it stood for before was left.
    fn on_lane_entered(&mut self, conn: ConnNo, lane: LaneIndex, name: Name) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let before = peer.lanes.insert(lane, TheirLane::entered(name.clone()));
        if let Some(before) = before.filter(|before| before.name != name) {
            self.note_presence(conn, &before.name);
        }
        self.note_presence(conn, &name);
        if let Some(no) = self.lane_named(name.as_str())
            && self.may_reply(conn)
        {
            self.send_map(conn, no);
            self.say_all_fetching(conn);
        }
    }

    /// A neighbour is in a lane of this viewer's, or not any more: then it is no candidate.
    fn note_presence(&mut self, conn: ConnNo, name: &Name) {
        let Some(no) = self.lane_named(name.as_str()) else { return };
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let left = peer.has_left(name.as_str());
        if let Some(remote) = peer.remote.get_mut(&no) {
            remote.left = left;
            remote.elect = remote.elect.filter(|_| !left);
        }
    }

    /// Makes room for what a neighbour tells of a lane; true if it left it.
    pub(crate) fn make_room(&mut self, conn: ConnNo, no: LaneNo) -> bool {
        let name = self.lanes.get(&no).and_then(|l| l.rendition.clone()).unwrap_or_default();
        let Some(peer) = self.peers.get_mut(&conn) else { return true };
        peer.make_room(no);
        peer.has_left(&name)
    }

    /// Neighbours that did not leave this lane.
    pub(crate) fn conns_in(&self, no: LaneNo) -> Vec<ConnNo> {
        let stays = |p: &Peer| p.is_open() && p.remote.get(&no).is_none_or(|r| !r.left);
        self.peers.iter().filter(|(_, p)| stays(p)).map(|(c, _)| *c).collect()
    }

    /// The lane with this rendition; of several playlists that say so the one that takes part and whose document was read.
    pub(crate) fn lane_named(&self, rendition: &str) -> Option<LaneNo> {
        let named = self.lanes.iter().filter(|(_, l)| l.rendition.as_deref() == Some(rendition));
        named.min_by_key(|(no, l)| (l.refused.is_some(), l.anchor.is_none(), **no)).map(|(no, _)| *no)
    }

    /// The lane that a neighbour means by its index.
    pub(crate) fn lane_of(&self, conn: ConnNo, theirs: LaneIndex) -> Option<LaneNo> {
        self.lane_named(self.peers.get(&conn)?.lanes.get(&theirs)?.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Time {
        Time(s * 1_000_000)
    }

    #[test]
    fn the_ninth_lane_takes_the_index_of_the_one_left_longest_ago() {
        let mut lanes = WireLanes::new(at(0));
        for no in 0..8_u16 {
            let (index, before) = lanes.enter(LaneNo(no), at(no.into()));
            assert_eq!((u16::from(index.get()), before), (no, None));
        }
        let index = |n| LaneIndex::new(n).unwrap();
        lanes.leave(index(5), at(10));
        lanes.leave(index(2), at(11));
        assert_eq!(lanes.enter(LaneNo(300), at(12)), (index(5), None));
        assert_eq!((lanes.index(LaneNo(5)), lanes.index(LaneNo(300))), (None, Some(index(5))));
        assert_eq!(lanes.enter(LaneNo(2), at(13)), (index(2), None), "who comes back keeps its index");
        assert_eq!(
            lanes.enter(LaneNo(301), at(14)),
            (index(0), Some(LaneNo(0))),
            "nobody left: the oldest is told"
        );
    }

    #[test]
    fn who_cannot_make_up_its_mind_is_held_back() {
        let mut lanes = WireLanes::new(at(0));
        let entered = (0..600).filter(|n| lanes.may_enter(Time(n * 100_000))).count();
        assert!((30..=40).contains(&entered), "{entered} in a minute");
        assert!(lanes.due().is_some_and(|due| due > at(59)));
    }
}
