//! Viewer to viewer: binary frames over two data channels.
//!
//! Every frame is `type u8 | body length varint | body`; one data-channel message holds one or more
//! frames. Integers are LEB128 varints unless a width is named, then big-endian. A reader skips a frame
//! of an unknown type and ignores trailing bytes of a body it knows, so a new optional field goes to the
//! end of a body and a new required meaning gets a new type. A `Data` frame ends its message: the media
//! bytes are the rest of its body.
//!
//! | type | frame | body |
//! |---|---|---|
//! | 01 | Hello | wire min u8, max u8, peer 16 B, uplink bytes/s, sharing u8, class u8, lanes n <= 8, n x (lane, name) |
//! | 02 | Map | lane, epoch, elect (class u8, first, last), view, queue ms, neighbours n <= 16, n x peer, segments n <= 256, n x (msn minus the msn before, count, flags u8: 1 closed, list hash u64, held length, held) |
//! | 03 | Delta | segment, count, flags u8: 1 closed 2 offer 4 batch, list hash u64, first, held, queue ms, view, peer if 2, batch if 4 |
//! | 04 | Known | segment, age ms, hops u8 |
//! | 05 | Fetching | segment, fetcher 16 B, stage u8, flags u8: 1 range, (from, to) if 1, age ms, hops u8 |
//! | 06 | Lane | operation u8: 0 add 1 drop, lane, name if add, from msn |
//! | 07 | Request | id, segment, first, count, skip, deadline ms, flags u8: 1 urgent |
//! | 08 | Queued | id, eta ms |
//! | 09 | Data | id, offset, flags u8: 1 batch 2 extra, batch if 1, (length <= 1,024, bytes to skip) if 2, media |
//! | 0a | Done | id |
//! | 0b | Reject | id, reason u8: 0 busy 1 not held 2 capped 3 policy 4 repeated, queue ms |
//! | 0c | Cancel | id |
//! | 0d | Ping | nonce |
//! | 0e | Pong | nonce, hold ms |
//! | 0f | Receipt | up to 1,024 B |
//! | 10 | Goodbye | reason u8 |
//! | 11 | Dropped | segment |
//! | 12 | Identity | peer 16 B |
//!
//! lane = u8 from 0 to 7, the sender's own number: an index that was dropped may be added again for another rendition;
//! segment = lane, epoch, msn; view = count, xor u64; name = length <= 128, bytes;
//! batch = flags u8: 1 header, (length <= 1,024, header) if 1, first, records n <= 1,024, n x 44 B,
//! signature 64 B. Flag bits without a meaning here are ignored.

mod decode;
mod encode;
mod error;
mod frame;
mod kind;
mod peek;
mod read;

pub use decode::{Frames, decode, decode_data};
pub use encode::{data_head, encode, encode_data_head};
pub use error::{WireError, WireErrorKind};
pub use frame::*;
pub use peek::{DataPeek, peek_data};

pub use crate::signal::LANES_LIMIT;

/// Lowest wire version this code speaks.
pub const WIRE_MIN: u8 = 1;
/// Highest wire version this code speaks.
pub const WIRE_MAX: u8 = 1;
/// Longest data-channel message in bytes.
pub const MESSAGE_LIMIT_BYTES: usize = 256 * 1024;
/// Most neighbours of a `Map`.
pub const NEIGHBOURS_LIMIT: usize = 16;
/// Most segments of a `Map`.
pub const SEGMENTS_LIMIT: usize = 256;
/// Most records of a [`ListBatch`].
pub const RECORDS_LIMIT: usize = 1024;
/// Bytes of one record of a [`ListBatch`].
pub const RECORD_BYTES: usize = 44;
/// Longest header of a [`ListBatch`] in bytes.
pub const HEADER_LIMIT_BYTES: usize = 1024;
/// Longest receipt in bytes.
pub const RECEIPT_LIMIT_BYTES: usize = 1024;

/// The version two sides speak: the lower of their highest, if both know it.
pub fn agree(ours: (u8, u8), theirs: (u8, u8)) -> Option<u8> {
    let version = ours.1.min(theirs.1);
    (version >= ours.0.max(theirs.0)).then_some(version)
}
