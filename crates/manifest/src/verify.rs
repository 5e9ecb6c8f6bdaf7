//! From a signed list to a verified one.

use core::fmt;

use ed25519_dalek::{Signature, VerifyingKey};

use crate::digest::sha256;
use crate::jwk::PublicKey;
use crate::list::{Header, Kind, ListError, RECORD_BYTES, Record, SignedList};

/// Checks a signature. [`Ed25519`] does it; a simulator may do it cheaper, a test may count.
pub trait SignatureCheck {
    /// Whether `signature` over `message` is `key`'s.
    fn check(&mut self, key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool;
}

/// Ed25519 (RFC 8032), strict: small-order keys and non-canonical encodings are refused, so that every
/// implementation agrees on what is valid.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ed25519 {
    /// The key of the last check: most lists of a stream are one key's, and reading it is a tenth of a check.
    last: Option<VerifyingKey>,
}

impl SignatureCheck for Ed25519 {
    fn check(&mut self, key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        if self.last.is_none_or(|last| last.as_bytes() != key) {
            self.last = VerifyingKey::from_bytes(key).ok();
        }
        self.last.is_some_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

/// Why a list was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyError {
    /// The list's own shape is wrong.
    Shape(ListError),
    /// The list names another key than the one to check with.
    Key {
        /// The key to check with.
        expected: [u8; 8],
        /// The key that the list names.
        found: [u8; 8],
    },
    /// The prior list is about another segment: a mistake of the caller.
    OtherSegment,
    /// The list says no more than the prior one, which it does not contradict. Its signature was not
    /// looked at. Not an offence: words cross.
    NotNewer,
    /// The signature is not the key's.
    Signature,
    /// Well signed, but it contradicts the prior list of the same segment and epoch.
    Disagrees(Disagreement),
}

/// How two well-signed lists of one segment contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disagreement {
    /// The headers differ.
    Header,
    /// This record differs.
    Record(u16),
    /// The shorter one of them is closed.
    Length {
        /// Records of the prior list.
        prior: u16,
        /// Records of the new list.
        found: u16,
    },
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(error) => write!(f, "{error}"),
            Self::Key { expected, found } => {
                write!(f, "list names key {}; expected {}", Hex(found), Hex(expected))
            }
            Self::OtherSegment => f.write_str("list and prior list are about different segments"),
            Self::NotNewer => f.write_str("list says no more than the one verified before"),
            Self::Signature => f.write_str("list signature is not the named key's"),
            Self::Disagrees(Disagreement::Header) => {
                f.write_str("list header differs from the one verified before; expected the same bytes")
            }
            Self::Disagrees(Disagreement::Record(i)) => {
                write!(f, "record {i} differs from the one verified before; expected an extension")
            }
            Self::Disagrees(Disagreement::Length { prior, found }) => {
                write!(f, "a closed list of one length beside {prior} and {found} records")
            }
        }
    }
}

impl core::error::Error for VerifyError {}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// A list whose signature was checked and which extends what was known. Only [`verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedList {
    list: SignedList,
    hash: u64,
    /// Asked for at every look at a segment.
    length: u32,
}

/// Checks `list` with `key`, and that it extends `prior`, the list verified before for this segment.
///
/// Whether `key` may sign for this stream now is [`crate::KeySet::usable`]'s to say, and whether the
/// epoch counts is [`crate::Anchor`]'s. A list that adds nothing costs no signature check.
pub fn verify(
    list: SignedList,
    key: &PublicKey,
    prior: Option<&VerifiedList>,
    check: &mut impl SignatureCheck,
) -> Result<VerifiedList, VerifyError> {
    list.check().map_err(VerifyError::Shape)?;
    if list.header.kid != key.kid() {
        return Err(VerifyError::Key { expected: key.kid(), found: list.header.kid });
    }
    let disagreement = prior.map_or(Ok(None), |prior| prior.against(&list))?;
    let message = list.signed_bytes();
    if !check.check(key.bytes(), &message, &list.signature) {
        return Err(VerifyError::Signature);
    }
    // A contradiction counts only once its signature did: else anybody could bring a signer to odds
    // with itself.
    match disagreement {
        Some(disagreement) => Err(VerifyError::Disagrees(disagreement)),
        None => {
            let length = list.records.last().map_or(0, |record| record.offset + record.length);
            Ok(VerifiedList { list, hash: short_hash(&message), length })
        }
    }
}

fn short_hash(message: &[u8]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = sha256(message);
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl VerifiedList {
    /// What it is about.
    pub fn header(&self) -> &Header {
        &self.list.header
    }

    /// Whether the segment ends where the last record ends.
    pub fn closed(&self) -> bool {
        self.list.closed
    }

    /// How many records, 1 to 1024.
    pub fn count(&self) -> u16 {
        self.list.records.len() as u16
    }

    /// One record.
    pub fn record(&self, index: u16) -> Option<&Record> {
        self.list.records.get(usize::from(index))
    }

    /// All records.
    pub fn records(&self) -> &[Record] {
        &self.list.records
    }

    /// Where the last record ends: of a closed list, the segment's length in bytes.
    pub fn length(&self) -> u32 {
        self.length
    }

    /// First 8 bytes of SHA-256 over the signed bytes.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Whether a batch of this count and closedness adds nothing: to be dropped before it is read.
    pub fn covers(&self, count: u16, closed: bool) -> bool {
        count < self.count() || (count == self.count() && (self.closed() || !closed))
    }

    /// What somebody needs who has the records before `from`: the header if wanted, the records from
    /// there on, the signature.
    pub fn batch(&self, from: u16, with_header: bool) -> (Option<Vec<u8>>, Vec<u8>, [u8; 64]) {
        let header = with_header.then(|| self.list.header.encode());
        let tail = self.list.records.get(usize::from(from)..).unwrap_or_default();
        let mut records = Vec::with_capacity(tail.len() * RECORD_BYTES);
        tail.iter().for_each(|record| record.encode_into(&mut records));
        (header, records, self.list.signature)
    }

    /// The list as it was sent.
    pub fn signed_list(&self) -> &SignedList {
        &self.list
    }

    /// What `next` says against this list, if anything; an error if there is nothing to decide.
    fn against(&self, next: &SignedList) -> Result<Option<Disagreement>, VerifyError> {
        if !same_segment(self.header(), &next.header) {
            return Err(VerifyError::OtherSegment);
        }
        if *self.header() != next.header {
            return Ok(Some(Disagreement::Header));
        }
        if let Some(index) = self.records().iter().zip(&next.records).position(|(a, b)| a != b) {
            return Ok(Some(Disagreement::Record(index as u16)));
        }
        let (prior, found) = (self.count(), next.records.len() as u16);
        if (found > prior && self.closed()) || (found < prior && next.closed) {
            return Ok(Some(Disagreement::Length { prior, found }));
        }
        if self.covers(found, next.closed) { Err(VerifyError::NotNewer) } else { Ok(None) }
    }
}

/// Whether two lists are about the same segment of the same signer's run. Several init segments may
/// share a media sequence number; their resources tell them apart.
fn same_segment(a: &Header, b: &Header) -> bool {
    let key = |h: &Header| (h.epoch, h.msn, h.kind == Kind::Init);
    let init = |h: &Header| (h.kind == Kind::Init).then_some((h.resource, h.range_base));
    key(a) == key(b) && init(a) == init(b) && a.stream == b.stream && a.rendition == b.rendition
}
