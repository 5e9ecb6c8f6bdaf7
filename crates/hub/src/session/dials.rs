//! Offers under way, in both directions. An answer needs the offer it answers; candidates need either.

use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::signal::Admitted;

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
}

/// A bounded table, oldest first.
#[derive(Debug, Default)]
pub(super) struct Dials(Vec<Dial>);

impl Dials {
    /// Notes an offer; what is over makes room, then the oldest. A repeated number replaces its predecessor.
    pub(super) fn open(&mut self, dial: Dial, limit: usize, now_ms: u64) {
        self.0.retain(|d| d.until_ms > now_ms && !d.is(dial.peer, dial.number, dial.side));
        if self.0.len() >= limit {
            self.0.remove(0);
        }
        self.0.push(dial);
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
}

impl Dial {
    fn is(&self, peer: PeerId, number: u32, side: Side) -> bool {
        self.peer == peer && self.number == number && self.side == side
    }
}
