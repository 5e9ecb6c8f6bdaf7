//! Offers under way, in both directions. An answer needs the offer it answers; candidates need either.
//!
//! Each pair has room of its own: a few dials from either side. So a neighbour that dials without end runs into its own
//! bound, and pushes nobody else's dial out.

use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::signal::Admitted;

use crate::limits::Limits;

/// Who made the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// This viewer.
    Mine,
    /// The other.
    Theirs,
}

/// One offer and what followed.
#[derive(Debug)]
pub(super) struct Dial {
    pub(super) peer: PeerId,
    pub(super) number: u32,
    pub(super) side: Side,
    pub(super) offered_ms: u64,
    pub(super) answered: bool,
    /// Until when it is worth anything.
    pub(super) until_ms: u64,
    /// This viewer's candidates in it.
    pub(super) admitted: Admitted,
    /// This viewer's words that no more will follow.
    pub(super) ended: u8,
}

/// Why an offer does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooSoon;

/// A bounded table, oldest first. What is over is kept as long as it counts against new offers.
#[derive(Debug, Default)]
pub(super) struct Dials(Vec<Dial>);

impl Dials {
    /// Whether one more offer of this number between the two may be made now: each side has so many numbers in a while,
    /// and each number one offer in that time.
    pub(super) fn may_open(
        &self,
        peer: PeerId,
        number: u32,
        side: Side,
        limits: &Limits,
        now_ms: u64,
    ) -> bool {
        let recent = |d: &&Dial| d.peer == peer && d.side == side && d.is_recent(limits, now_ms);
        let recent = self.0.iter().filter(recent);
        let (mut numbers, mut same) = (0, false);
        recent.for_each(|d| (numbers, same) = (numbers + 1, same || d.number == number));
        !same && numbers < limits.dials_per_pair
    }

    /// Notes an offer, if there may be one more of that pair and side. A repeated number replaces its predecessor.
    pub(super) fn open(&mut self, dial: Dial, limits: &Limits) -> Result<(), TooSoon> {
        let now_ms = dial.offered_ms;
        if !self.may_open(dial.peer, dial.number, dial.side, limits, now_ms) {
            return Err(TooSoon);
        }
        self.0.retain(|d| {
            (d.until_ms > now_ms || d.is_recent(limits, now_ms)) && !d.is(dial.peer, dial.number, dial.side)
        });
        self.make_room(&dial, limits);
        self.0.push(dial);
        Ok(())
    }

    /// Of a pair's side the oldest goes, then the oldest of whoever has most.
    fn make_room(&mut self, dial: &Dial, limits: &Limits) {
        let same_side = |d: &Dial| d.peer == dial.peer && d.side == dial.side;
        if self.0.iter().filter(|d| same_side(d)).count() >= limits.dials_per_pair {
            self.remove_first(same_side);
        }
        if self.0.len() >= limits.dials {
            let count = |peer: PeerId| self.0.iter().filter(|d| d.peer == peer).count();
            // Of equals the last: whoever came first keeps what it has.
            let most = self.0.iter().map(|d| d.peer).max_by_key(|peer| count(*peer));
            self.remove_first(|d| Some(d.peer) == most);
        }
    }

    fn remove_first(&mut self, which: impl Fn(&Dial) -> bool) {
        if let Some(at) = self.0.iter().position(which) {
            self.0.remove(at);
        }
    }

    pub(super) fn find(&mut self, peer: PeerId, number: u32, side: Side, now_ms: u64) -> Option<&mut Dial> {
        self.0.iter_mut().find(|d| d.is(peer, number, side) && d.until_ms > now_ms)
    }

    /// The dial of either side.
    pub(super) fn either(&mut self, peer: PeerId, number: u32, now_ms: u64) -> Option<&mut Dial> {
        self.0.iter_mut().find(|d| d.peer == peer && d.number == number && d.until_ms > now_ms)
    }

    pub(super) fn forget(&mut self, peer: PeerId) {
        self.0.retain(|dial| dial.peer != peer);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Dial {
    fn is(&self, peer: PeerId, number: u32, side: Side) -> bool {
        self.peer == peer && self.number == number && self.side == side
    }

    fn is_recent(&self, limits: &Limits, now_ms: u64) -> bool {
        now_ms < self.offered_ms.saturating_add(limits.restart_every_ms)
    }
}
