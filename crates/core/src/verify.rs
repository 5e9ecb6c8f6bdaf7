//! The only door: bytes become [`Verified`] by a measured digest that equals a signed record, or not at all.

use core::fmt;

use meshedflow_manifest::{Measured, VerifiedList};

use crate::input::{LaneNo, Span};
use crate::output::Source;

/// A fragment by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FragmentKey {
    /// Which lane.
    pub lane: LaneNo,
    /// Signer epoch.
    pub epoch: u64,
    /// Media sequence number.
    pub msn: u64,
    /// Index of its record.
    pub index: u16,
}

/// Bytes that somebody sent and nobody checked.
#[derive(Debug)]
pub struct Unverified {
    /// What they claim to be.
    pub key: FragmentKey,
    /// Where they are.
    pub span: Span,
    /// Who sent them.
    pub from: Source,
}

/// Bytes equal to what the origin signed. Only [`admit`] makes one.
#[derive(Debug)]
pub struct Verified {
    key: FragmentKey,
    span: Span,
    from: Source,
}

impl Verified {
    /// What they are.
    pub fn key(&self) -> FragmentKey {
        self.key
    }

    /// Where they are.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Who sent them.
    pub fn from(&self) -> Source {
        self.from
    }
}

/// One record of a list that verified. Made from a [`VerifiedList`] only.
#[derive(Clone, Copy, Debug)]
pub struct TrustedRecord {
    length: u32,
    sha256: [u8; 32],
}

impl TrustedRecord {
    /// The record of fragment `index`, if the list has it.
    pub fn of(list: &VerifiedList, index: u16) -> Option<Self> {
        list.record(index).map(|r| Self { length: r.length, sha256: r.sha256 })
    }
}

/// Why bytes were turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// So many bytes came, so many were signed.
    Length {
        /// Bytes measured or spanned.
        got: u32,
        /// Bytes signed.
        signed: u32,
    },
    /// The digest differs from the signed one.
    Digest,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { got, signed } => write!(f, "{got} bytes where the origin signed {signed}"),
            Self::Digest => f.write_str("SHA-256 differs from the digest that the origin signed"),
        }
    }
}

/// Opens the door for bytes whose measure equals the record.
pub fn admit(u: Unverified, m: Measured, r: &TrustedRecord) -> Result<Verified, Mismatch> {
    if m.len() != r.length || u.span.len != r.length {
        return Err(Mismatch::Length { got: m.len(), signed: r.length });
    }
    if m.sha256() != &r.sha256 {
        return Err(Mismatch::Digest);
    }
    Ok(Verified { key: u.key, span: u.span, from: u.from })
}

/// No door at all, for the mutant that shows what it is good for. Shipped builds do not have it.
#[cfg(feature = "mutants")]
pub(crate) fn wave_through(u: Unverified) -> Verified {
    Verified { key: u.key, span: u.span, from: u.from }
}

#[cfg(test)]
mod tests {
    use meshedflow_manifest::Measurer;

    use super::*;
    use crate::input::{BlobId, ConnNo, LaneNo};

    /// What becomes of these bytes, said to be so long, where the origin signed others.
    fn verdict(bytes: &[u8], len: u32, signed: &[u8]) -> Result<(Span, Source), Mismatch> {
        let measured = |bytes: &[u8]| {
            let mut measurer = Measurer::new();
            measurer.update(bytes);
            measurer.finish()
        };
        let of = measured(signed);
        let record = TrustedRecord { length: of.len(), sha256: *of.sha256() };
        let span = Span { blob: BlobId(1), at: 7, len };
        let key = FragmentKey { lane: LaneNo(0), epoch: 1, msn: 5, index: 3 };
        let u = Unverified { key, span, from: Source::Peer(ConnNo(9), 2) };
        admit(u, measured(bytes), &record).map(|v| {
            assert_eq!(v.key(), key);
            (v.span(), v.from())
        })
    }

    #[test]
    fn only_the_signed_bytes_pass_the_door_and_their_span_is_as_long() {
        let passed = (Span { blob: BlobId(1), at: 7, len: 4 }, Source::Peer(ConnNo(9), 2));
        assert_eq!(verdict(b"moof", 4, b"moof"), Ok(passed));
        assert_eq!(verdict(b"moov", 4, b"moof"), Err(Mismatch::Digest));
        for (bytes, len) in
            [(&b"moo"[..], 3), (b"moofs", 5), (b"moof", 3), (b"moof", 5), (b"moo", 4), (b"", 0)]
        {
            let got = bytes.len() as u32;
            assert_eq!(
                verdict(bytes, len, b"moof"),
                Err(Mismatch::Length { got, signed: 4 }),
                "{bytes:?} {len}"
            );
        }
    }

    #[test]
    fn what_was_turned_away_is_told_with_its_reason() {
        let length = Mismatch::Length { got: 3, signed: 4 };
        assert_eq!(length.to_string(), "3 bytes where the origin signed 4");
        assert!(Mismatch::Digest.to_string().contains("SHA-256"));
    }
}
