//! SHA-256 over bytes as they arrive.

use core::fmt;

use sha2::{Digest, Sha256};

/// Hashes a run of bytes, cut by cut.
///
/// Feed the contiguous prefix only; bytes that arrive early wait elsewhere. Not `Clone`: one run of
/// bytes has one measure.
#[derive(Default)]
pub struct Measurer {
    sha: Sha256,
    next: u32,
}

impl Measurer {
    /// Ready for the first byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha.update(bytes);
        // Saturating is enough: a record of 4 GiB is far beyond the fragment cap and never matches.
        self.next = self.next.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    }

    /// Bytes taken since the last [`finish`](Self::finish).
    pub fn next(&self) -> u32 {
        self.next
    }

    /// The measure of the bytes since the last call; begins the next cut.
    pub fn finish(&mut self) -> Measured {
        let len = core::mem::take(&mut self.next);
        Measured { len, sha256: self.sha.finalize_reset().into() }
    }
}

impl fmt::Debug for Measurer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measurer").field("next", &self.next).finish_non_exhaustive()
    }
}

/// Length and digest of bytes that were hashed: only [`Measurer::finish`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    len: u32,
    sha256: [u8; 32],
}

impl Measured {
    /// Bytes measured.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// True if no byte was measured.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Their SHA-256.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// States a measure without hashing: for a simulator whose bytes do not exist.
    #[cfg(feature = "claims")]
    pub fn claimed(len: u32, sha256: [u8; 32]) -> Self {
        Self { len, sha256 }
    }
}

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4 example: SHA-256("abc").
    const ABC: [u8; 32] = [
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0,
        0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
    ];

    #[test]
    fn measures_each_cut_on_its_own() {
        let mut m = Measurer::new();
        m.update(b"a");
        m.update(b"bc");
        assert_eq!(m.next(), 3);
        let first = m.finish();
        assert_eq!((first.len(), first.sha256()), (3, &ABC));
        assert_eq!(m.next(), 0);
        m.update(b"abc");
        assert_eq!(m.finish(), first);
        assert!(m.finish().is_empty());
    }

    #[test]
    fn agrees_with_the_one_shot_digest() {
        assert_eq!(sha256(b"abc"), ABC);
    }
}
