//! From bytes to frames.

use core::ops::Range;

use super::{DataHeader, Frame, WireError, WireErrorKind};

/// Reads the first frame of `message` and says how many bytes it took.
pub fn decode(message: &[u8]) -> Result<(Frame, usize), WireError> {
    let _ = message;
    Err(WireError { frame: None, at: 0, kind: WireErrorKind::Truncated })
}

/// Reads a message that is one `Data` frame; the range is where its media bytes are.
pub fn decode_data(message: &[u8]) -> Result<(DataHeader, Range<usize>), WireError> {
    let _ = message;
    Err(WireError { frame: None, at: 0, kind: WireErrorKind::Truncated })
}

/// All frames of one message; ends after the first error.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Frames<'a> {
    /// Reads `message` from its start.
    pub fn new(message: &'a [u8]) -> Self {
        Self { message, at: 0 }
    }
}

impl Iterator for Frames<'_> {
    type Item = Result<Frame, WireError>;
    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.message.get(self.at..).filter(|rest| !rest.is_empty())?;
        let read = decode(rest);
        self.at = read.as_ref().map_or(self.message.len(), |(_, used)| self.at + used);
        Some(read.map(|(frame, _)| frame))
    }
}
