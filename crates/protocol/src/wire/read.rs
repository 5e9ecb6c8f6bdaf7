//! A cursor over bytes that may lie.

use core::ops::Range;

use super::{WireError, WireErrorKind};
use crate::ids::{Name, PeerId};

/// Reads fields one after the other; errors carry the place.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    frame: Option<u8>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, frame: None }
    }

    /// Type and body of the frame that begins here; the reader then stands behind it, and the second one
    /// ends where the body ends.
    pub(super) fn frame(&mut self) -> Result<(u8, Self), WireError> {
        let code = self.u8()?;
        self.frame = Some(code);
        let body = self.counted()?;
        let bytes = self.bytes.get(..body.end).unwrap_or_default();
        Ok((code, Self { bytes, at: body.start, frame: Some(code) }))
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> Range<usize> {
        self.at..self.bytes.len()
    }

    pub(super) fn error(&self, kind: WireErrorKind) -> WireError {
        WireError { frame: self.frame, at: self.at, kind }
    }

    pub(super) fn require(&self, holds: bool, expected: &'static str) -> Result<(), WireError> {
        if holds { Ok(()) } else { Err(self.error(WireErrorKind::Value(expected))) }
    }

    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let range = self.span(length)?;
        Ok(self.bytes.get(range).unwrap_or_default())
    }

    fn span(&mut self, length: usize) -> Result<Range<usize>, WireError> {
        let start = self.at;
        match start.checked_add(length).filter(|end| *end <= self.bytes.len()) {
            Some(end) => {
                self.at = end;
                Ok(start..end)
            }
            None => Err(self.error(WireErrorKind::Truncated)),
        }
    }

    /// `length varint | bytes`, as a range of the whole.
    fn counted(&mut self) -> Result<Range<usize>, WireError> {
        let length = self.varint()?;
        let length = usize::try_from(length).map_err(|_| self.error(WireErrorKind::Truncated))?;
        self.span(length)
    }

    /// `length varint | bytes` of at most `limit` bytes.
    pub(super) fn text(&mut self, what: &'static str, limit: usize) -> Result<&'a [u8], WireError> {
        let length = self.count(what, limit)?;
        self.bytes(length)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let bytes = self.bytes(N)?;
        bytes.try_into().map_err(|_| self.error(WireErrorKind::Truncated))
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        self.array().map(|[byte]| byte)
    }

    /// Eight bytes, big-endian.
    pub(super) fn hash(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn peer(&mut self) -> Result<PeerId, WireError> {
        self.array().map(PeerId)
    }

    pub(super) fn name(&mut self) -> Result<Name, WireError> {
        let bytes = self.text("bytes of a name", crate::ids::NAME_LIMIT_BYTES)?;
        let text = core::str::from_utf8(bytes)
            .map_err(|_| self.error(WireErrorKind::Value("a name of [A-Za-z0-9._~/-]")))?;
        Name::new(text).map_err(|error| self.error(WireErrorKind::Name(error)))
    }

    /// LEB128, at most 10 bytes.
    pub(super) fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(self.error(WireErrorKind::Integer));
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error(WireErrorKind::Integer))
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        let value = self.varint()?;
        u32::try_from(value).map_err(|_| self.error(WireErrorKind::Integer))
    }

    pub(super) fn u16(&mut self) -> Result<u16, WireError> {
        let value = self.varint()?;
        u16::try_from(value).map_err(|_| self.error(WireErrorKind::Integer))
    }

    /// A count of items that may not exceed `limit`.
    pub(super) fn count(&mut self, what: &'static str, limit: usize) -> Result<usize, WireError> {
        let count = self.varint()?;
        let fits = usize::try_from(count).ok().filter(|n| *n <= limit);
        fits.ok_or_else(|| self.error(WireErrorKind::TooMany(what, count, limit)))
    }
}
