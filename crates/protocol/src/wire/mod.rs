//! Viewer to viewer: binary frames over two data channels.
//!
//! Every frame is `type u8 | body length varint | body`; one data-channel message holds one or more
//! frames. Integers are LEB128 varints unless a width is named, then big-endian. A reader skips a frame
//! of an unknown type and ignores trailing bytes of a body it knows, so a new optional field goes to the
//! end of a body and a new required meaning gets a new type. A `Data` frame ends its message: the media
//! bytes are the rest of its body.

mod decode;
mod encode;
mod error;
mod frame;
mod peek;

pub use decode::{Frames, decode, decode_data};
pub use encode::{data_head, encode, encode_data_head};
pub use error::{WireError, WireErrorKind};
pub use frame::*;
pub use peek::{DataPeek, peek_data};

/// Lowest wire version this code speaks.
pub const WIRE_MIN: u8 = 1;
/// Highest wire version this code speaks.
pub const WIRE_MAX: u8 = 1;
/// Longest data-channel message in bytes.
pub const MESSAGE_LIMIT_BYTES: usize = 256 * 1024;
/// Most lanes of a `Hello`.
pub const LANES_LIMIT: usize = 8;
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
