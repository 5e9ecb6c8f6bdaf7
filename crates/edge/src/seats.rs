//! All viewers of this edge by slot: a peer id says where its queue is, so that a relay looks nothing up and locks
//! the recipient's queue only.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Waker};

use meshedflow_protocol::ids::PeerId;

use crate::queue::{Mail, Overflow, Pushed, Queue, QueueLimits};

/// Seats that are allocated together.
const ROW: usize = 1_024;

/// The seats of one shard.
#[derive(Debug)]
pub(crate) struct Seats {
    edge: u16,
    limits: QueueLimits,
    rows: Box<[OnceLock<Row>]>,
    free: Mutex<Free>,
}

type Row = Box<[Mutex<Seat>]>;

/// One viewer's place.
#[derive(Debug, Default)]
struct Seat {
    /// Whose it is now.
    peer: Option<PeerId>,
    /// How often it was given away.
    generation: u16,
    /// Its viewer's socket is open.
    present: bool,
    queue: Queue,
}

#[derive(Debug, Default)]
struct Free {
    slots: VecDeque<u32>,
    never_used: u32,
}

impl Seats {
    /// Room for `most` viewers, parked ones included.
    pub(crate) fn new(edge: u16, most: usize, limits: QueueLimits) -> Self {
        let rows = (0..most.div_ceil(ROW)).map(|_| OnceLock::new()).collect();
        Self { edge, limits, rows, free: Mutex::default() }
    }

    /// Gives a seat to a new viewer; `None` if all are taken.
    pub(crate) fn take(&self, random: [u8; 6]) -> Option<PeerId> {
        let slot = self.free_slot()?;
        let mut seat = lock(self.seat(slot)?);
        seat.generation = seat.generation.wrapping_add(1);
        let peer = PeerId::compose(self.edge, 0, slot, seat.generation, random);
        seat.peer = Some(peer);
        seat.present = true;
        Some(peer)
    }

    /// The viewer's socket closed; its seat is kept until [`Seats::free`].
    pub(crate) fn leave(&self, peer: PeerId) {
        self.with(peer, |seat| {
            seat.present = false;
            seat.queue = Queue::default();
        });
    }

    /// A parked viewer is back; false if its seat is not its any more, or someone sits there.
    pub(crate) fn come_back(&self, peer: PeerId) -> bool {
        self.with(peer, |seat| !core::mem::replace(&mut seat.present, true)).unwrap_or(false)
    }

    /// Gives the seat up.
    pub(crate) fn free(&self, peer: PeerId) {
        let freed = self.with(peer, |seat| {
            seat.peer = None;
            seat.present = false;
            seat.queue = Queue::default();
        });
        if freed.is_some() {
            lock(&self.free).slots.push_back(peer.slot());
        }
    }

    /// Puts `mail` into `peer`'s queue.
    pub(crate) fn push(&self, peer: PeerId, mail: Mail) -> Pushed {
        let push = |seat: &mut Seat| match seat.present {
            true => seat.queue.push(mail, self.limits),
            false => Pushed::Absent,
        };
        self.with(peer, push).unwrap_or(Pushed::Absent)
    }

    /// See [`Queue::poll_take`].
    pub(crate) fn poll_take(
        &self,
        peer: PeerId,
        waker: &Waker,
        into: &mut VecDeque<Mail>,
    ) -> Poll<Result<(), Overflow>> {
        self.with(peer, |seat| seat.queue.poll_take(waker, into)).unwrap_or(Poll::Pending)
    }

    /// See [`Queue::poll_overflow`].
    pub(crate) fn poll_overflow(&self, peer: PeerId, waker: &Waker) -> Poll<Overflow> {
        self.with(peer, |seat| seat.queue.poll_overflow(waker)).unwrap_or(Poll::Pending)
    }

    /// Ids of all viewers whose sockets are open, row by row: for the drain at the end.
    pub(crate) fn present(&self) -> impl Iterator<Item = PeerId> {
        let seats = self.rows.iter().filter_map(OnceLock::get).flat_map(|row| row.iter());
        seats.filter_map(|seat| {
            let seat = lock(seat);
            seat.peer.filter(|_| seat.present)
        })
    }

    fn with<T>(&self, peer: PeerId, act: impl FnOnce(&mut Seat) -> T) -> Option<T> {
        let mut seat = lock(self.seat(peer.slot())?);
        (seat.peer == Some(peer)).then(|| act(&mut seat))
    }

    fn seat(&self, slot: u32) -> Option<&Mutex<Seat>> {
        let slot = slot as usize;
        let row = self.rows.get(slot / ROW)?;
        row.get_or_init(|| (0..ROW).map(|_| Mutex::default()).collect()).get(slot % ROW)
    }

    /// The seat that is free the longest, or one that was never used.
    fn free_slot(&self) -> Option<u32> {
        let mut free = lock(&self.free);
        let fresh = (free.never_used as usize) < self.rows.len() * ROW;
        if fresh && free.slots.len() < ROW {
            free.never_used += 1;
            return Some(free.never_used - 1);
        }
        free.slots.pop_front()
    }
}

/// A poisoned seat is still a seat: no code that holds the lock leaves it half-changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: QueueLimits = QueueLimits { messages: 64, bytes: 128 * 1024 };

    #[test]
    fn an_old_id_does_not_reach_the_next_viewer_of_the_seat() {
        let seats = Seats::new(3, 1, LIMITS);
        let first = seats.take([1; 6]).unwrap();
        assert_eq!((first.edge(), first.slot()), (3, 0));
        assert!(matches!(seats.push(first, Mail::Drain(1)), Pushed::Queued { .. }));
        seats.free(first);
        (0..2 * ROW).for_each(|_| seats.free(seats.take([2; 6]).unwrap()));
        let again = seats.take([1; 6]).unwrap();
        assert_ne!(again, first);
        assert_eq!(seats.push(first, Mail::Drain(1)), Pushed::Absent);
    }

    #[test]
    fn a_parked_viewer_keeps_its_seat_but_gets_no_mail() {
        let seats = Seats::new(1, 1, LIMITS);
        let peer = seats.take([1; 6]).unwrap();
        assert!(!seats.come_back(peer), "it never left");
        seats.leave(peer);
        assert_eq!(seats.push(peer, Mail::Drain(1)), Pushed::Absent);
        assert!(seats.come_back(peer));
        assert!(matches!(seats.push(peer, Mail::Drain(1)), Pushed::Queued { .. }));
    }

    #[test]
    fn full_is_full() {
        let seats = Seats::new(1, ROW, LIMITS);
        assert_eq!((0..2 * ROW).filter_map(|_| seats.take([0; 6])).count(), ROW);
    }
}
