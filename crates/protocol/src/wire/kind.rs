//! Type bytes.

pub(super) const HELLO: u8 = 0x01;
pub(super) const MAP: u8 = 0x02;
pub(super) const DELTA: u8 = 0x03;
pub(super) const KNOWN: u8 = 0x04;
pub(super) const FETCHING: u8 = 0x05;
pub(super) const LANE: u8 = 0x06;
pub(super) const REQUEST: u8 = 0x07;
pub(super) const QUEUED: u8 = 0x08;
pub(super) const DATA: u8 = 0x09;
pub(super) const DONE: u8 = 0x0a;
pub(super) const REJECT: u8 = 0x0b;
pub(super) const CANCEL: u8 = 0x0c;
pub(super) const PING: u8 = 0x0d;
pub(super) const PONG: u8 = 0x0e;
pub(super) const RECEIPT: u8 = 0x0f;
pub(super) const GOODBYE: u8 = 0x10;
pub(super) const DROPPED: u8 = 0x11;
pub(super) const IDENTITY: u8 = 0x12;

/// Bit of a flags byte: the list is closed.
pub(super) const CLOSED: u8 = 1;
/// Bit of `Delta` flags: `offer_to` follows.
pub(super) const OFFER: u8 = 2;
/// Bit of `Delta` flags: a batch follows.
pub(super) const DELTA_BATCH: u8 = 4;
/// Bit of `Data` flags: a batch follows.
pub(super) const DATA_BATCH: u8 = 1;
/// Bit of `Data` flags: `length varint | bytes` for later versions follow; readers skip them.
pub(super) const DATA_EXTRA: u8 = 2;
/// Bit of batch flags: the header is there.
pub(super) const WITH_HEADER: u8 = 1;
/// Bit of `Fetching` flags: a range follows.
pub(super) const WITH_RANGE: u8 = 1;
/// Bit of `Request` flags.
pub(super) const URGENT: u8 = 1;
/// `Lane` operations.
pub(super) const ADD: u8 = 0;
pub(super) const DROP: u8 = 1;
