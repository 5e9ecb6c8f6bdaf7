//! A viewer's line: what leaves goes one message after another, neighbours in turn; what comes shares the downlink.

use std::collections::{BTreeMap, VecDeque};

use meshedflow_core::ConnNo;

use super::content::Piece;
use crate::event::Micros;

/// Something on its way out of a data channel.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// Media: request and offset as its head says, bytes of the head, content.
    Media(Option<(u32, u32)>, u32, Piece),
    /// Other frames, in order with the media.
    Frames(Vec<u8>),
}

impl Outgoing {
    fn bytes(&self) -> u64 {
        match self {
            Self::Media(_, head, piece) => u64::from(head + piece.len),
            Self::Frames(bytes) => bytes.len() as u64,
        }
    }
}

/// The uplink.
#[derive(Debug, Default)]
pub(super) struct Uplink {
    queues: BTreeMap<ConnNo, Queue>,
    /// What is leaving now, and since when.
    leaving: Option<(ConnNo, Outgoing, Micros)>,
    last: Option<ConnNo>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Outgoing>,
    bytes: u64,
    low: u64,
    /// Something went in since it was last told to be low.
    sent: bool,
}

impl Uplink {
    /// Puts something in line.
    pub(super) fn push(&mut self, conn: ConnNo, what: Outgoing) {
        let queue = self.queues.entry(conn).or_default();
        queue.bytes += what.bytes();
        queue.sent = true;
        queue.waiting.push_back(what);
    }

    /// The mark at which a connection counts as low; true if it is now, which a page tells at once.
    pub(super) fn low_mark(&mut self, conn: ConnNo, bytes: u64) -> bool {
        let queue = self.queues.entry(conn).or_default();
        queue.low = bytes;
        queue.bytes <= bytes && core::mem::take(&mut queue.sent)
    }

    /// Begins with the next message, if the line is free; returns how long that one takes to leave.
    pub(super) fn begin(&mut self, now: Micros, bytes_per_s: u64) -> Option<Micros> {
        if self.leaving.is_some() {
            return None;
        }
        let after = self.last.map_or(ConnNo(0), |c| ConnNo(c.0 + 1));
        let busy = |(_, q): &(&ConnNo, &mut Queue)| !q.waiting.is_empty();
        let conn = {
            let mut later = self.queues.range_mut(after..).filter(busy).map(|(c, _)| *c);
            later.next()
        };
        let conn = conn.or_else(|| self.queues.iter_mut().find(busy).map(|(c, _)| *c))?;
        let queue = self.queues.get_mut(&conn)?;
        let what = queue.waiting.pop_front()?;
        let took = what.bytes() * 1_000_000 / bytes_per_s.max(1);
        self.last = Some(conn);
        self.leaving = Some((conn, what, now));
        Some(took)
    }

    /// The message has left: its connection, itself, since when, and whether that made the connection low.
    pub(super) fn finish(&mut self) -> Option<(ConnNo, Outgoing, Micros, bool)> {
        let (conn, what, since) = self.leaving.take()?;
        let low = self.queues.get_mut(&conn).is_some_and(|q| {
            let before = q.bytes;
            q.bytes = before.saturating_sub(what.bytes());
            let low = before > q.low && q.bytes <= q.low;
            q.sent &= !low;
            low
        });
        Some((conn, what, since, low))
    }

    pub(super) fn forget(&mut self, conn: ConnNo) {
        self.queues.remove(&conn);
    }
}

/// The downlink: who comes first takes it first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Downlink {
    free_at: Micros,
}

impl Downlink {
    /// When bytes are here that began to arrive at `began` and would end at `ends` on a line without limit.
    pub(super) fn receive(&mut self, began: Micros, ends: Micros, bytes: u64, bytes_per_s: u64) -> Micros {
        let start = self.free_at.max(began);
        self.free_at = start + bytes * 1_000_000 / bytes_per_s.max(1);
        self.free_at.max(ends)
    }
}
