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
