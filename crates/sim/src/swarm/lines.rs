//! A viewer's line: what leaves goes by way of [`crate::uplink`]; media that comes shares the downlink.

use super::content::Piece;
use crate::event::Micros;
use crate::uplink::Message;

/// Something on its way out of a data channel.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// Media: request and offset as its head says, bytes of the head, content.
    Media(Option<(u32, u32)>, u32, Piece),
    /// Other frames: of control, or in order with the media.
    Frames(Vec<u8>),
}

impl Message for Outgoing {
    fn bytes(&self) -> u64 {
        match self {
            Self::Media(_, head, piece) => u64::from(head + piece.len),
            Self::Frames(bytes) => bytes.len() as u64,
        }
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
