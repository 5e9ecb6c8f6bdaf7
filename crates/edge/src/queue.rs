//! What waits for one viewer: a bounded queue that its own task empties.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use meshedflow_hub::{Proposed, Relay, RelayKind};
use meshedflow_protocol::ids::{Name, PeerId};
use meshedflow_protocol::signal::PolicyPush;

/// Something for a session from elsewhere.
#[derive(Clone, Debug)]
pub(crate) enum Mail {
    /// From another viewer; since when it is under way.
    Relay(Relay, Instant),
    /// From its room.
    Proposed(Vec<Proposed>),
    /// From its room.
    Gone(PeerId),
    /// From its room.
    ProposalsRefused,
    /// From its room: the weight of a lane.
    Weight(Arc<(Name, f64)>),
    /// From the operator.
    Policy(Arc<PolicyPush>),
    /// The edge stops; connect again after so many milliseconds.
    Drain(u32),
    /// The edge stops now.
    Stop,
}

impl Mail {
    /// About how many bytes it will be on the socket.
    fn bytes(&self) -> usize {
        match self {
            Self::Relay(relay, _) => relay.frame.len(),
            Self::Proposed(proposed) => 16 + proposed.iter().map(|p| 96 + p.lanes.len() * 32).sum::<usize>(),
            Self::Gone(_) | Self::ProposalsRefused | Self::Drain(_) | Self::Stop => 64,
            Self::Weight(weight) => 48 + weight.0.as_str().len(),
            Self::Policy(_) => 1_024,
        }
    }

    fn is_candidate(&self) -> bool {
        matches!(self, Self::Relay(relay, _) if relay.kind == RelayKind::Candidate)
    }
}

/// Bounds of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// What happened to a pushed mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It waits, and so many candidates had to go for it.
    Queued {
        /// Candidates dropped.
        dropped: usize,
    },
    /// It was a candidate, and there was no room.
    Dropped,
    /// There was no room even without candidates: the connection is closed with 1013.
    Overflowed,
    /// Nobody is there.
    Absent,
}

/// One viewer's queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    mails: VecDeque<Mail>,
    bytes: usize,
    waker: Option<Waker>,
    overflowed: bool,
}

impl Queue {
    /// Queues `mail`; candidates go first when it is full.
    pub(crate) fn push(&mut self, mail: Mail, limits: QueueLimits) -> Pushed {
        let dropped = if self.fits(&mail, limits) { 0 } else { self.drop_candidates() };
        if !self.fits(&mail, limits) {
            if mail.is_candidate() {
                return Pushed::Dropped;
            }
            self.overflowed = true;
            self.wake();
            return Pushed::Overflowed;
        }
        self.bytes += mail.bytes();
        self.mails.push_back(mail);
        self.wake();
        Pushed::Queued { dropped }
    }

    /// Takes all that waits, or leaves the waker that a push wakes. `Err` after an overflow.
    pub(crate) fn poll_take(
        &mut self,
        waker: &Waker,
        into: &mut VecDeque<Mail>,
    ) -> Poll<Result<(), Overflow>> {
        if self.overflowed {
            return Poll::Ready(Err(Overflow));
        }
        if self.mails.is_empty() {
            self.watch(waker);
            return Poll::Pending;
        }
        self.bytes = 0;
        core::mem::swap(&mut self.mails, into);
        Poll::Ready(Ok(()))
    }

    /// Like [`Queue::poll_take`], but takes nothing: for a task whose socket does not take more now.
    pub(crate) fn poll_overflow(&mut self, waker: &Waker) -> Poll<Overflow> {
        if self.overflowed {
            return Poll::Ready(Overflow);
        }
        self.watch(waker);
        Poll::Pending
    }

    fn watch(&mut self, waker: &Waker) {
        if !self.waker.as_ref().is_some_and(|w| w.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn fits(&self, mail: &Mail, limits: QueueLimits) -> bool {
        self.mails.len() < limits.messages && self.bytes + mail.bytes() <= limits.bytes
    }

    fn drop_candidates(&mut self) -> usize {
        let before = self.mails.len();
        self.mails.retain(|mail| !mail.is_candidate());
        self.bytes = self.mails.iter().map(Mail::bytes).sum();
        before - self.mails.len()
    }
}

/// The queue could not hold what had to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

#[cfg(test)]
mod tests {
    use super::*;
    use meshedflow_hub::OfferGrant;

    const LIMITS: QueueLimits = QueueLimits { messages: 4, bytes: 1_000 };

    fn relay(kind: RelayKind, bytes: usize) -> Mail {
        let frame = "x".repeat(bytes);
        Mail::Relay(Relay { from: PeerId::default(), dial: 1, kind, frame }, Instant::now())
    }

    fn taken(queue: &mut Queue) -> Vec<Mail> {
        let mut mails = VecDeque::new();
        assert_eq!(queue.poll_take(Waker::noop(), &mut mails), Poll::Ready(Ok(())));
        mails.into()
    }

    #[test]
    fn candidates_make_room_for_offers() {
        let mut queue = Queue::default();
        let offer = RelayKind::Offer(OfferGrant { until_ms: 0 });
        for kind in [RelayKind::Candidate, offer, RelayKind::Candidate, RelayKind::Answer] {
            assert_eq!(queue.push(relay(kind, 10), LIMITS), Pushed::Queued { dropped: 0 });
        }
        assert_eq!(queue.push(relay(RelayKind::Answer, 10), LIMITS), Pushed::Queued { dropped: 2 });
        assert!(taken(&mut queue).iter().all(|mail| !mail.is_candidate()));
    }

    #[test]
    fn a_queue_of_offers_overflows_loudly() {
        let mut queue = Queue::default();
        let outcomes: Vec<Pushed> =
            (0..5).map(|_| queue.push(relay(RelayKind::Answer, 10), LIMITS)).collect();
        assert_eq!(outcomes.last(), Some(&Pushed::Overflowed));
        assert_eq!(queue.push(relay(RelayKind::Candidate, 10), LIMITS), Pushed::Dropped);
        assert_eq!(queue.poll_take(Waker::noop(), &mut VecDeque::new()), Poll::Ready(Err(Overflow)));
        assert_eq!(queue.poll_overflow(Waker::noop()), Poll::Ready(Overflow));
    }

    #[test]
    fn bytes_are_bounded_as_well_as_messages() {
        let mut queue = Queue::default();
        assert_eq!(queue.push(relay(RelayKind::Answer, 900), LIMITS), Pushed::Queued { dropped: 0 });
        assert_eq!(queue.push(relay(RelayKind::Candidate, 200), LIMITS), Pushed::Dropped);
        assert_eq!(taken(&mut queue).len(), 1);
        assert_eq!(queue.push(relay(RelayKind::Candidate, 200), LIMITS), Pushed::Queued { dropped: 0 });
    }
}
