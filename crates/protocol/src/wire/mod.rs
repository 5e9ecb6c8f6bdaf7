//! Viewer to viewer: binary frames over two data channels.
//!
//! Every frame is `type u8 | body length varint | body`; one data-channel message holds one or more
//! frames. Integers are LEB128 varints unless a width is named, then big-endian. A reader skips a frame
//! of an unknown type and ignores trailing bytes of a body it knows, so a new optional field goes to the
//! end of a body and a new required meaning gets a new type. A `Data` frame ends its message: the media
//! bytes are the rest of its body.

mod frame;

pub use frame::*;
