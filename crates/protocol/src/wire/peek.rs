//! The head of a `Data` frame without allocation, for whoever only moves and hashes the bytes.

use core::ops::Range;

use super::decode::data_ref;

/// What the mover of media bytes needs of a `Data` frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataPeek {
    /// The request's id.
    pub request: u32,
    /// Offset of the bytes within the segment.
    pub offset: u32,
    /// Where in the message they are.
    pub payload: Range<usize>,
    /// Whether the head carries a piece of a list: then the core wants [`super::data_head`].
    pub has_batch: bool,
}

/// Looks at a message that is one `Data` frame; `None` if it is anything else or malformed.
pub fn peek_data(message: &[u8]) -> Option<DataPeek> {
    let (head, payload) = data_ref(message).ok()?;
    Some(DataPeek { request: head.request, offset: head.offset, payload, has_batch: head.batch.is_some() })
}
