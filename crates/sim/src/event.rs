//! What can happen, ordered by time and then by the order of being planned.

use std::cmp::Ordering;

use meshedflow_core::{ConnNo, HttpId};

/// Microseconds of virtual time.
pub(crate) type Micros = u64;

/// One thing that happens to one viewer, or to the edge.
#[derive(Debug)]
pub(crate) enum Happening {
    Arrive,
    Wake,
    PlayerTick,
    Head {
        http: HttpId,
        status: u16,
        length: Option<u64>,
    },
    Chunk {
        http: HttpId,
        upto: u32,
    },
    Body {
        http: HttpId,
        body: Vec<u8>,
    },
    Done {
        http: HttpId,
    },
    Failed {
        http: HttpId,
    },
    SignalOpened,
    SignalText(String),
    SignalClosed,
    ToEdge(String),
    ToEdgeClosed,
    Described {
        conn: ConnNo,
        sdp: String,
    },
    ChannelsOpen {
        conn: ConnNo,
    },
    Frames {
        conn: ConnNo,
        bytes: Vec<u8>,
    },
    Media {
        conn: ConnNo,
        message: Vec<u8>,
    },
    /// The message under way has left the uplink.
    Left,
    ConnClosed {
        conn: ConnNo,
    },
    Leave,
    EdgeWake,
}

/// An event in the queue.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) at: Micros,
    pub(crate) order: u64,
    pub(crate) viewer: usize,
    pub(crate) what: Happening,
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    /// The soonest is the greatest, as a binary heap wants it.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}
