//! What waits for one viewer: a bounded queue that its own task empties.
//!
//! Signals are the one thing in it that other viewers send at will. When it is full they make room: of the sender with
//! the most in it the newest, candidates before anything else. So a viewer that reads slowly loses what its noisiest
//! neighbours say, not its connection, and not what the others say.

use std::collections::{BTreeMap, VecDeque};
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
    /// From its room: proposed before, and whether both are behind one address.
    Known(Vec<(PeerId, bool)>),
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
            Self::Known(known) => 16 + known.len() * KNOWN_BYTES,
            Self::Gone(_) | Self::ProposalsRefused | Self::Drain(_) | Self::Stop => 64,
            Self::Weight(weight) => 48 + weight.0.as_str().len(),
            Self::Policy(_) => 1_024,
        }
    }

    /// Whose signal it is, if it is one, and whether it is the first to go.
    fn signal(&self) -> Option<(PeerId, bool)> {
        let Self::Relay(relay, _) = self else { return None };
        Some((relay.from, relay.kind == RelayKind::Candidate))
    }

    /// What it counts for its sender.
    fn weight(&self) -> usize {
        self.bytes() + 64
    }
}

/// An id, and whether it is behind the same address.
const KNOWN_BYTES: usize = 17;

/// Bounds of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// What happened to a pushed mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It waits, and so many signals had to go for it.
    Queued {
        /// Signals dropped.
        dropped: usize,
    },
    /// It is a signal of the sender that has most in the queue, and there was no room.
    Dropped {
        /// Signals dropped, this one included.
        dropped: usize,
    },
    /// There was no room even without signals: the connection is closed with 1013.
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
    /// Queues `mail`; signals go first when it is full.
    pub(crate) fn push(&mut self, mail: Mail, limits: QueueLimits) -> Pushed {
        let Some(mail) = self.merge(mail, limits) else { return Pushed::Queued { dropped: 0 } };
        let mut dropped = 0;
        while !self.fits(&mail, limits) {
            match self.drop_signal(&mail) {
                Some(Victim::Queued) => dropped += 1,
                Some(Victim::Pushed) => return Pushed::Dropped { dropped: dropped + 1 },
                None => {
                    self.overflowed = true;
                    self.wake();
                    return Pushed::Overflowed;
                }
            }
        }
        self.bytes += mail.bytes();
        self.mails.push_back(mail);
        self.wake();
        Pushed::Queued { dropped }
    }

    /// What only repeats or corrects something that still waits takes no place of its own.
    fn merge(&mut self, mail: Mail, limits: QueueLimits) -> Option<Mail> {
        match &mail {
            Mail::Weight(new) => {
                let same = |waiting: &&mut Mail| matches!(waiting, Mail::Weight(old) if old.0 == new.0);
                match self.mails.iter_mut().find(same) {
                    Some(old) => *old = mail,
                    None => return Some(mail),
                }
            }
            Mail::Known(news) => {
                self.forget_known(news);
                match self.mails.back_mut() {
                    Some(Mail::Known(last)) => {
                        last.extend(news);
                        self.bytes += news.len() * KNOWN_BYTES;
                    }
                    _ => return Some(mail),
                }
            }
            Mail::ProposalsRefused if self.mails.iter().any(|m| matches!(m, Mail::ProposalsRefused)) => {}
            Mail::Proposed(more) if self.bytes + mail.bytes() <= limits.bytes => {
                match self.mails.back_mut() {
                    Some(Mail::Proposed(last)) => {
                        last.extend(more.iter().cloned());
                        self.bytes += mail.bytes();
                    }
                    _ => return Some(mail),
                }
            }
            _ => return Some(mail),
        }
        None
    }

    /// What waits about these neighbours is out of date.
    fn forget_known(&mut self, news: &[(PeerId, bool)]) {
        for mail in &mut self.mails {
            if let Mail::Known(old) = mail {
                old.retain(|(peer, _)| news.iter().all(|(new, _)| new != peer));
            }
        }
        self.mails.retain(|mail| !matches!(mail, Mail::Known(known) if known.is_empty()));
        self.bytes = self.mails.iter().map(Mail::bytes).sum();
    }

    /// Of the sender that would have most in the queue with `pushed` in it, drops the newest signal, candidates first.
    fn drop_signal(&mut self, pushed: &Mail) -> Option<Victim> {
        let mut weights: BTreeMap<PeerId, usize> = BTreeMap::new();
        for mail in self.mails.iter().chain([pushed]) {
            mail.signal()
                .into_iter()
                .for_each(|(from, _)| *weights.entry(from).or_default() += mail.weight());
        }
        let (heaviest, _) = weights.into_iter().max_by_key(|(_, weight)| *weight)?;
        let newest = |candidates_only: bool| {
            let fits = |mail: &Mail| {
                mail.signal()
                    .is_some_and(|(from, candidate)| from == heaviest && (candidate || !candidates_only))
            };
            if fits(pushed) { Some(self.mails.len()) } else { self.mails.iter().rposition(fits) }
        };
        let at = newest(true).or_else(|| newest(false))?;
        let Some(mail) = self.mails.remove(at) else { return Some(Victim::Pushed) };
        self.bytes = self.bytes.saturating_sub(mail.bytes());
        Some(Victim::Queued)
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
}

/// What had to go.
enum Victim {
    /// A signal that waited.
    Queued,
    /// The one that was to be queued.
    Pushed,
}

/// The queue could not hold what had to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

#[cfg(test)]
mod tests {
    use super::*;
    use meshedflow_hub::OfferGrant;

    const LIMITS: QueueLimits = QueueLimits { messages: 4, bytes: 1_000 };

    const OFFER: RelayKind = RelayKind::Offer(OfferGrant { until_ms: 0 });

    fn from(sender: u8, kind: RelayKind, bytes: usize) -> Mail {
        let frame = "x".repeat(bytes);
        Mail::Relay(Relay { from: PeerId([sender; 16]), dial: 1, kind, frame }, Instant::now())
    }

    fn taken(queue: &mut Queue) -> Vec<Mail> {
        let mut mails = VecDeque::new();
        assert_eq!(queue.poll_take(Waker::noop(), &mut mails), Poll::Ready(Ok(())));
        mails.into()
    }

    fn senders(mails: &[Mail]) -> Vec<u8> {
        mails.iter().filter_map(|mail| Some(mail.signal()?.0.0[0])).collect()
    }

    #[test]
    fn candidates_make_room_for_offers() {
        let mut queue = Queue::default();
        for kind in [RelayKind::Candidate, OFFER, RelayKind::Candidate, RelayKind::Answer] {
            assert_eq!(queue.push(from(1, kind, 10), LIMITS), Pushed::Queued { dropped: 0 });
        }
        for _ in 0..2 {
            assert_eq!(queue.push(from(1, RelayKind::Answer, 10), LIMITS), Pushed::Queued { dropped: 1 });
        }
        assert_eq!(queue.push(from(1, RelayKind::Answer, 10), LIMITS), Pushed::Dropped { dropped: 1 });
        assert!(taken(&mut queue).iter().all(|mail| mail.signal().is_some_and(|(_, candidate)| !candidate)));
    }

    #[test]
    fn whoever_has_most_in_it_makes_room_and_nobody_is_closed() {
        let limits = QueueLimits { messages: 64, bytes: 16 * 1024 };
        let mut queue = Queue::default();
        queue.push(from(9, OFFER, 400), limits);
        let mut dropped = 0;
        for n in 0..200 {
            match queue.push(from(1 + n % 6, OFFER, 1_200), limits) {
                Pushed::Queued { dropped: n } | Pushed::Dropped { dropped: n } => dropped += n,
                other => panic!("{other:?}"),
            }
        }
        (0..20).for_each(|n| {
            assert!(matches!(queue.push(Mail::Gone(PeerId([n; 16])), limits), Pushed::Queued { .. }))
        });
        assert!(matches!(queue.push(from(8, RelayKind::Answer, 400), limits), Pushed::Queued { .. }));
        let left = taken(&mut queue);
        let senders = senders(&left);
        assert!(senders.contains(&9) && senders.contains(&8), "{senders:?}");
        assert!(dropped > 180 && left.iter().map(Mail::bytes).sum::<usize>() <= limits.bytes);
        for noisy in 1..=6 {
            let count = senders.iter().filter(|s| **s == noisy).count();
            assert!((1..=3).contains(&count), "{noisy} has {count} in {senders:?}");
        }
    }

    #[test]
    fn of_one_sender_the_newest_go() {
        let mut queue = Queue::default();
        for bytes in [200, 201, 202, 203] {
            queue.push(from(1, OFFER, bytes), LIMITS);
        }
        assert_eq!(queue.push(from(2, OFFER, 150), LIMITS), Pushed::Queued { dropped: 1 });
        let left: Vec<usize> = taken(&mut queue).iter().map(Mail::bytes).collect();
        assert_eq!(left, [200, 201, 202, 150]);
    }

    #[test]
    fn what_is_no_signal_overflows_loudly() {
        let mut queue = Queue::default();
        for n in 0..4 {
            assert_eq!(queue.push(Mail::Gone(PeerId([n; 16])), LIMITS), Pushed::Queued { dropped: 0 });
        }
        assert_eq!(queue.push(from(1, OFFER, 10), LIMITS), Pushed::Dropped { dropped: 1 });
        assert_eq!(queue.push(Mail::Gone(PeerId([9; 16])), LIMITS), Pushed::Overflowed);
        assert_eq!(queue.poll_take(Waker::noop(), &mut VecDeque::new()), Poll::Ready(Err(Overflow)));
        assert_eq!(queue.poll_overflow(Waker::noop()), Poll::Ready(Overflow));
    }

    #[test]
    fn news_that_correct_older_news_take_no_place() {
        let weight = |lane: &str, weight| Mail::Weight(Arc::new((Name::new(lane).unwrap(), weight)));
        let mut queue = Queue::default();
        for n in 0..100 {
            assert_eq!(queue.push(weight("v", f64::from(n)), LIMITS), Pushed::Queued { dropped: 0 });
            assert_eq!(queue.push(Mail::ProposalsRefused, LIMITS), Pushed::Queued { dropped: 0 });
        }
        queue.push(weight("a", 1.0), LIMITS);
        let left = taken(&mut queue);
        assert!(
            matches!(&left[..], [Mail::Weight(v), Mail::ProposalsRefused, Mail::Weight(_)] if v.1 == 99.0)
        );
    }

    #[test]
    fn whoever_moves_again_and_again_is_noted_once() {
        let (mover, other) = (PeerId([1; 16]), PeerId([2; 16]));
        let mut queue = Queue::default();
        queue.push(Mail::Known(vec![(mover, true), (other, true)]), LIMITS);
        queue.push(Mail::Gone(PeerId([3; 16])), LIMITS);
        for n in 0..100 {
            let moved = Mail::Known(vec![(mover, n % 2 == 0)]);
            assert_eq!(queue.push(moved, LIMITS), Pushed::Queued { dropped: 0 });
        }
        let bytes = queue.bytes;
        let left = taken(&mut queue);
        assert_eq!(bytes, left.iter().map(Mail::bytes).sum::<usize>());
        let [Mail::Known(first), Mail::Gone(_), Mail::Known(last)] = &left[..] else { panic!("{left:?}") };
        assert_eq!((&first[..], &last[..]), (&[(other, true)][..], &[(mover, false)][..]));
    }

    #[test]
    fn bytes_are_bounded_as_well_as_messages() {
        let mut queue = Queue::default();
        assert_eq!(queue.push(from(1, RelayKind::Answer, 900), LIMITS), Pushed::Queued { dropped: 0 });
        assert_eq!(queue.push(from(1, RelayKind::Candidate, 200), LIMITS), Pushed::Dropped { dropped: 1 });
        assert_eq!(taken(&mut queue).len(), 1);
        assert_eq!(queue.push(from(1, RelayKind::Candidate, 200), LIMITS), Pushed::Queued { dropped: 0 });
    }
}
