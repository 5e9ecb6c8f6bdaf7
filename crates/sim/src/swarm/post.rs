//! What happens to whom and when: letters, ordered so that no thread has a say in it.
//!
//! Whatever one viewer does to another, to the edge or hears from it takes at least one window of time. Within a
//! window, therefore, viewers are independent of each other, and each reads its letters in an order that only
//! their senders decided: by time, then sender, then the sender's own count.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use meshedflow_core::{ConnNo, HttpId};
use meshedflow_protocol::ids::PeerId;

use super::content::Piece;
use crate::event::Micros;

/// The edge as a sender.
pub(super) const EDGE: u32 = u32::MAX;

/// One thing that happens to one viewer, or at the edge.
#[derive(Debug)]
pub(super) enum What {
    Arrive,
    Act(u32),
    Look,
    Wake,
    Head {
        http: HttpId,
        status: u16,
        length: u32,
    },
    Bytes {
        http: HttpId,
        upto: u32,
    },
    /// The segment is complete that a GET of a list waits for.
    Listed {
        http: HttpId,
        lane: usize,
    },
    Document {
        http: HttpId,
        body: std::sync::Arc<[u8]>,
    },
    Refused {
        http: HttpId,
        status: u16,
    },
    Left,
    Described {
        conn: ConnNo,
        sdp: Box<str>,
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
        parcel: Box<Parcel>,
    },
    Closed {
        conn: ConnNo,
    },
    SocketOpen,
    SocketClosed,
    Named(PeerId),
    Text(Box<str>),
    /// At the edge.
    Dial,
    Hangup,
}

/// A message of media: what its head said, and which bytes follow.
#[derive(Debug)]
pub(super) struct Parcel {
    /// Request, and offset within the segment; nothing if the head could not be read.
    pub(super) head: Option<(u32, u32)>,
    pub(super) piece: Piece,
    /// From its first byte's departure to its last; nothing once it has passed the downlink.
    pub(super) took: Option<Micros>,
}

/// A letter.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) at: Micros,
    pub(super) to: u32,
    pub(super) from: u32,
    pub(super) seq: u32,
    pub(super) what: What,
}

impl Letter {
    fn key(&self) -> (Micros, u32, u32) {
        (self.at, self.from, self.seq)
    }
}

impl PartialEq for Letter {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Letter {}

impl PartialOrd for Letter {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Letter {
    /// The soonest is the greatest, as a binary heap wants it.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

/// Letters under way, by window.
#[derive(Debug, Default)]
pub(super) struct Post {
    windows: BTreeMap<u64, Vec<Letter>>,
    spare: Vec<Vec<Letter>>,
}

impl Post {
    pub(super) fn put(&mut self, window_us: Micros, letter: Letter) {
        let spare = &mut self.spare;
        let window = self.windows.entry(letter.at / window_us);
        window.or_insert_with(|| spare.pop().unwrap_or_default()).push(letter);
    }

    /// The letters of a window, by recipient and then in their order.
    pub(super) fn take(&mut self, window: u64) -> Vec<Letter> {
        let mut due = self.windows.remove(&window).unwrap_or_default();
        due.sort_unstable_by_key(|l| (l.to, l.at, l.from, l.seq));
        due
    }

    /// Takes an emptied list back: its memory serves again.
    pub(super) fn give_back(&mut self, mut list: Vec<Letter>) {
        list.clear();
        if self.spare.len() < 64 {
            self.spare.push(list);
        }
    }
}
