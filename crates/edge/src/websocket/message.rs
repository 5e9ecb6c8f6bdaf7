//! A message whose end is not here yet.

use super::{NOT_UTF8, POLICY, TOO_BIG};

/// Pieces of one message at most, fragments and reads that ended inside it counted: a message of 16 KiB comes in some
/// thirty segments from the narrowest link there is.
pub(super) const PIECES_LIMIT: usize = 512;

/// The beginning of a message. Text is judged as it comes: what cannot become UTF-8 any more ends it at once.
#[derive(Debug)]
pub(super) struct Message {
    bytes: Vec<u8>,
    is_text: bool,
    /// So many bytes are whole characters.
    judged: usize,
    pieces: usize,
}

impl Message {
    pub(super) fn new(is_text: bool) -> Self {
        Self { bytes: Vec::new(), is_text, judged: 0, pieces: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    #[cfg(any(test, feature = "fuzz"))]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Adds a piece, which may be empty. `Err`: the code to close with.
    pub(super) fn extend(&mut self, piece: &[u8], limit_bytes: usize) -> Result<(), u16> {
        self.pieces += 1;
        if self.pieces > PIECES_LIMIT {
            return Err(POLICY);
        }
        let len = self.bytes.len() + piece.len();
        if len > limit_bytes {
            return Err(TOO_BIG);
        }
        self.reserve(len, limit_bytes);
        self.bytes.extend_from_slice(piece);
        self.judge()
    }

    /// Room grows with what arrived, not with what a head announces, and never beyond the limit.
    fn reserve(&mut self, len: usize, limit_bytes: usize) {
        if len > self.bytes.capacity() {
            let capacity = len.max(2 * self.bytes.capacity()).min(limit_bytes);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
    }

    fn judge(&mut self) -> Result<(), u16> {
        if !self.is_text {
            return Ok(());
        }
        match core::str::from_utf8(self.bytes.get(self.judged..).unwrap_or_default()) {
            Ok(text) => self.judged += text.len(),
            // The last character may go on in the next piece.
            Err(error) if error.error_len().is_none() => self.judged += error.valid_up_to(),
            Err(_) => return Err(NOT_UTF8),
        }
        Ok(())
    }

    /// The whole message, and whether it is text.
    pub(super) fn finish(self) -> (Vec<u8>, bool) {
        (self.bytes, self.is_text)
    }
}
