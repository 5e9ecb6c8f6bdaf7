//! From frames to bytes.

use super::{DataHeader, Frame};

/// Appends one frame. Lists longer than their limit are cut to it; a `Data` frame gets no payload.
pub fn encode(frame: &Frame, out: &mut Vec<u8>) {
    let _ = (frame, out);
}

/// Appends type, length and head of a `Data` frame, so that the appended bytes followed by `payload_len`
/// bytes of media are one frame. Nothing may follow it in its message.
pub fn encode_data_head(head: &DataHeader, payload_len: usize, out: &mut Vec<u8>) {
    let _ = (head, payload_len, out);
}

/// The `Data` frame at the start of `message` without its payload: what the core is told when media bytes
/// stay outside of it.
pub fn data_head(message: &[u8]) -> Option<Vec<u8>> {
    let (head, _) = super::decode_data(message).ok()?;
    let mut frame = Vec::new();
    encode_data_head(&head, 0, &mut frame);
    Some(frame)
}
