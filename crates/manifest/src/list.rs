//! Signed fragment lists as bytes: shape only, no trust.

use core::fmt;

use crate::cursor::Cursor;
use crate::text::{Text, TextError};
use crate::verify::VerifiedList;

/// First bytes of everything a list signature covers.
pub const LIST_MAGIC: &[u8; 23] = b"meshedflow/fraglist/v1\0";
/// Bytes of one encoded [`Record`].
pub const RECORD_BYTES: usize = 44;
/// Most records of one list.
pub const RECORD_LIMIT: usize = 1024;
/// Longest fragment in bytes.
pub const FRAGMENT_LIMIT_BYTES: u32 = 16 << 20;
/// Longest segment in bytes.
pub const SEGMENT_LIMIT_BYTES: u32 = 64 << 20;
/// Longest encoded [`SignedList`] in bytes: longest header, closed, count, all records, signature.
pub const LIST_LIMIT_BYTES: usize = HEADER_FIXED_BYTES + 256 + 3 + RECORD_LIMIT * RECORD_BYTES + 64;
/// Record flag: decoding may begin here.
pub const FLAG_INDEPENDENT: u32 = 1;
/// Record flag: the first record of an LL-HLS part.
pub const FLAG_STARTS_PART: u32 = 2;
/// Every flag this version knows; others are refused.
pub const FLAGS_KNOWN: u32 = FLAG_INDEPENDENT | FLAG_STARTS_PART;

/// Header bytes beside the two names themselves.
const HEADER_FIXED_BYTES: usize = 23 + 8 + 2 + 8 + 2 + 1 + 8 + 4 + 16 + 8 + 32 + 4;

/// Why bytes are not a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListError {
    /// The bytes end within this field.
    Truncated(&'static str),
    /// The bytes do not begin with [`LIST_MAGIC`]: something else, or another version.
    Magic,
    /// The stream or rendition is not a name.
    Name(&'static str, TextError),
    /// This kind is unknown; 1, 2 and 3 are known.
    Kind(u8),
    /// The closed byte; expected 0 or 1.
    Closed(u8),
    /// No record; expected at least one.
    NoRecords,
    /// So many records; expected at most [`RECORD_LIMIT`].
    TooManyRecords(usize),
    /// Record bytes that are no multiple of 44.
    PartialRecord(usize),
    /// Record `index` begins at `found`; records lie end to end from 0.
    Gap {
        /// Which record.
        index: usize,
        /// Where it should begin.
        expected: u32,
        /// Where it says it begins.
        found: u32,
    },
    /// Record of no bytes.
    EmptyRecord(usize),
    /// Record `index` has so many bytes; expected at most [`FRAGMENT_LIMIT_BYTES`].
    LongRecord {
        /// Which record.
        index: usize,
        /// Its length in bytes.
        length: u32,
    },
    /// The records reach this offset; expected at most [`SEGMENT_LIMIT_BYTES`].
    LongSegment(u64),
    /// Record `index` sets flag bits that this version does not know.
    Flags {
        /// Which record.
        index: usize,
        /// Its flags.
        flags: u32,
    },
    /// A list of kind init has one record and is closed; this one has `count` and `closed`.
    InitShape {
        /// Its records.
        count: usize,
        /// Whether it is closed.
        closed: bool,
    },
    /// So many bytes follow the end; expected none.
    Trailing(usize),
    /// A batch that begins at record `first` needs all before it; so many are here.
    Missing {
        /// First record of the batch.
        first: u16,
        /// Records at hand.
        have: u16,
    },
    /// A batch without header, and no list before it.
    NoHeader,
    /// Not base64url without padding.
    Base64,
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated(field) => write!(f, "list ends within {field}"),
            Self::Magic => f.write_str("list does not begin with \"meshedflow/fraglist/v1\\0\""),
            Self::Name(field, error) => write!(f, "list {field}: {error}"),
            Self::Kind(k) => write!(f, "list kind {k}; expected 1 (cmaf), 2 (opaque) or 3 (init)"),
            Self::Closed(b) => write!(f, "closed byte {b}; expected 0 or 1"),
            Self::NoRecords => f.write_str("list without records; expected at least one"),
            Self::TooManyRecords(n) => write!(f, "list of {n} records; expected at most {RECORD_LIMIT}"),
            Self::PartialRecord(n) => {
                write!(f, "{n} bytes of records; expected a multiple of {RECORD_BYTES}")
            }
            Self::Gap { index, expected, found } => {
                write!(
                    f,
                    "record {index} begins at {found}; expected {expected}, records lie end to end from 0"
                )
            }
            Self::EmptyRecord(i) => write!(f, "record {i} has length 0; expected at least 1"),
            Self::LongRecord { index, length } => {
                write!(f, "record {index} has {length} bytes; expected at most {FRAGMENT_LIMIT_BYTES}")
            }
            Self::LongSegment(end) => {
                write!(f, "records reach offset {end}; expected at most {SEGMENT_LIMIT_BYTES}")
            }
            Self::Flags { index, flags } => {
                write!(f, "record {index} has flags {flags:#x}; expected only bits of {FLAGS_KNOWN:#x}")
            }
            Self::InitShape { count, closed } => {
                write!(f, "init list of {count} records, closed {closed}; expected one record, closed")
            }
            Self::Trailing(n) => write!(f, "{n} bytes after the end of the list; expected none"),
            Self::Missing { first, have } => {
                write!(f, "batch begins at record {first}; only {have} records before it are known")
            }
            Self::NoHeader => f.write_str("batch without header for a segment of which no list is known"),
            Self::Base64 => f.write_str("list is not base64url without padding"),
        }
    }
}

impl core::error::Error for ListError {}

/// What the records cut up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Each record ends where an `mdat` ends.
    Cmaf = 1,
    /// Tiles of bytes without meaning.
    Opaque = 2,
    /// One init segment (`EXT-X-MAP`).
    Init = 3,
}

impl Kind {
    fn from_u8(byte: u8) -> Result<Self, ListError> {
        match byte {
            1 => Ok(Self::Cmaf),
            2 => Ok(Self::Opaque),
            3 => Ok(Self::Init),
            other => Err(ListError::Kind(other)),
        }
    }
}

/// What a list is about. Byte-identical for the life of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Key that signs: first 8 bytes of SHA-256 of the public key.
    pub kid: [u8; 8],
    /// The stream.
    pub stream: Text,
    /// Signer epoch: rises when a signer starts over.
    pub epoch: u64,
    /// The rendition (see [`crate::identity`]).
    pub rendition: Text,
    /// What the records cut up.
    pub kind: Kind,
    /// Media sequence number (RFC 8216bis 4.4.3.2); for kind init, of the first segment it applies to.
    pub msn: u64,
    /// Discontinuity sequence number (RFC 8216bis 4.4.3.3).
    pub dsn: u32,
    /// The resource (see [`crate::identity::resource_id`]).
    pub resource: [u8; 16],
    /// Byte of the resource at which the segment begins; 0 unless it is a byte range.
    pub range_base: u64,
    /// SHA-256 of the init segment that applies; zeros without one.
    pub init_digest: [u8; 32],
    /// When the segment was opened, Unix time in seconds.
    pub issued_at: u32,
}

impl Header {
    /// Reads a header that fills `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ListError> {
        let mut cursor = Cursor::new(bytes);
        let header = Self::read(&mut cursor)?;
        match cursor.left() {
            0 => Ok(header),
            n => Err(ListError::Trailing(n)),
        }
    }

    fn read(c: &mut Cursor<'_>) -> Result<Self, ListError> {
        if c.array().ok_or(ListError::Truncated("magic"))? != *LIST_MAGIC {
            return Err(ListError::Magic);
        }
        Ok(Self {
            kid: c.array().ok_or(ListError::Truncated("kid"))?,
            stream: read_text(c, "stream")?,
            epoch: c.u64().ok_or(ListError::Truncated("epoch"))?,
            rendition: read_text(c, "rendition")?,
            kind: Kind::from_u8(c.u8().ok_or(ListError::Truncated("kind"))?)?,
            msn: c.u64().ok_or(ListError::Truncated("media sequence"))?,
            dsn: c.u32().ok_or(ListError::Truncated("discontinuity sequence"))?,
            resource: c.array().ok_or(ListError::Truncated("resource"))?,
            range_base: c.u64().ok_or(ListError::Truncated("range base"))?,
            init_digest: c.array().ok_or(ListError::Truncated("init digest"))?,
            issued_at: c.u32().ok_or(ListError::Truncated("issued at"))?,
        })
    }

    /// The header's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        self.encode_into(&mut out);
        out
    }

    fn encode_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(LIST_MAGIC);
        out.extend_from_slice(&self.kid);
        write_text(out, &self.stream);
        out.extend_from_slice(&self.epoch.to_be_bytes());
        write_text(out, &self.rendition);
        out.push(self.kind as u8);
        out.extend_from_slice(&self.msn.to_be_bytes());
        out.extend_from_slice(&self.dsn.to_be_bytes());
        out.extend_from_slice(&self.resource);
        out.extend_from_slice(&self.range_base.to_be_bytes());
        out.extend_from_slice(&self.init_digest);
        out.extend_from_slice(&self.issued_at.to_be_bytes());
    }

    fn encoded_len(&self) -> usize {
        HEADER_FIXED_BYTES + self.stream.as_str().len() + self.rendition.as_str().len()
    }
}

fn read_text(c: &mut Cursor<'_>, field: &'static str) -> Result<Text, ListError> {
    let length = c.u16().ok_or(ListError::Truncated(field))?;
    let bytes = c.take(usize::from(length)).ok_or(ListError::Truncated(field))?;
    Text::from_bytes(bytes).map_err(|error| ListError::Name(field, error))
}

fn write_text(out: &mut Vec<u8>, text: &Text) {
    let bytes = text.as_str().as_bytes();
    // A Text has at most 128 bytes.
    out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// One fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// First byte, from the segment's start.
    pub offset: u32,
    /// Bytes.
    pub length: u32,
    /// [`FLAG_INDEPENDENT`], [`FLAG_STARTS_PART`].
    pub flags: u32,
    /// SHA-256 of the fragment's bytes as the origin delivers them.
    pub sha256: [u8; 32],
}

impl Record {
    /// First byte after the fragment, from the segment's start.
    pub fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.length)
    }

    /// Whether decoding may begin here.
    pub fn is_independent(&self) -> bool {
        self.flags & FLAG_INDEPENDENT != 0
    }

    /// Whether an LL-HLS part begins here.
    pub fn starts_part(&self) -> bool {
        self.flags & FLAG_STARTS_PART != 0
    }

    fn read(c: &mut Cursor<'_>) -> Option<Self> {
        Some(Self { offset: c.u32()?, length: c.u32()?, flags: c.u32()?, sha256: c.array()? })
    }

    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.offset.to_be_bytes());
        out.extend_from_slice(&self.length.to_be_bytes());
        out.extend_from_slice(&self.flags.to_be_bytes());
        out.extend_from_slice(&self.sha256);
    }
}

/// A list as somebody sent it: of the right shape, **not verified**.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedList {
    /// What it is about.
    pub header: Header,
    /// No record will be added: the segment ends where the last record ends.
    pub closed: bool,
    /// The fragments so far, end to end from byte 0.
    pub records: Vec<Record>,
    /// Ed25519 over [`signed_bytes`](Self::signed_bytes).
    pub signature: [u8; 64],
}

impl SignedList {
    /// Reads signed bytes and signature that fill `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ListError> {
        let mut c = Cursor::new(bytes);
        let header = Header::read(&mut c)?;
        let closed = match c.u8().ok_or(ListError::Truncated("closed"))? {
            0 => false,
            1 => true,
            other => return Err(ListError::Closed(other)),
        };
        let count = usize::from(c.u16().ok_or(ListError::Truncated("count"))?);
        if count > RECORD_LIMIT {
            return Err(ListError::TooManyRecords(count));
        }
        let records = c.take(count * RECORD_BYTES).ok_or(ListError::Truncated("records"))?;
        let records = parse_records(records)?;
        let signature = c.array().ok_or(ListError::Truncated("signature"))?;
        match c.left() {
            0 => Self { header, closed, records, signature }.checked(),
            n => Err(ListError::Trailing(n)),
        }
    }

    /// The list that a batch makes: records before `first` come from `prior`, the rest from `records`.
    ///
    /// Without `header` the prior list's applies. The result is as untrusted as the batch; hand it to
    /// [`crate::verify`] with the same `prior`.
    pub fn extend_from_batch(
        prior: Option<&VerifiedList>,
        header: Option<&[u8]>,
        first: u16,
        records: &[u8],
        closed: bool,
        signature: [u8; 64],
    ) -> Result<Self, ListError> {
        let header = match (header, prior) {
            (Some(bytes), _) => Header::parse(bytes)?,
            (None, Some(prior)) => prior.header().clone(),
            (None, None) => return Err(ListError::NoHeader),
        };
        let known = prior.map_or(&[][..], VerifiedList::records);
        let missing = || ListError::Missing { first, have: known.len() as u16 };
        let before = known.get(..usize::from(first)).ok_or_else(missing)?;
        let total = before.len() + records.len() / RECORD_BYTES;
        if total > RECORD_LIMIT {
            return Err(ListError::TooManyRecords(total));
        }
        let mut all = Vec::with_capacity(total);
        all.extend_from_slice(before);
        read_records(records, &mut all)?;
        Self { header, closed, records: all, signature }.checked()
    }

    /// The bytes that the signature covers.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut out =
            Vec::with_capacity(self.header.encoded_len() + 3 + self.records.len() * RECORD_BYTES + 64);
        self.header.encode_into(&mut out);
        out.push(u8::from(self.closed));
        // `checked` bounds the count; a longer list made by hand signs bytes that nobody accepts.
        out.extend_from_slice(&u16::try_from(self.records.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.records.iter().for_each(|record| record.encode_into(&mut out));
        out
    }

    /// Signed bytes, then the signature.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.signed_bytes();
        out.extend_from_slice(&self.signature);
        out
    }

    /// Whether count, offsets, lengths, flags and caps are as the format says.
    pub fn check(&self) -> Result<(), ListError> {
        let count = self.records.len();
        if count == 0 {
            return Err(ListError::NoRecords);
        }
        if count > RECORD_LIMIT {
            return Err(ListError::TooManyRecords(count));
        }
        if self.header.kind == Kind::Init && (count != 1 || !self.closed) {
            return Err(ListError::InitShape { count, closed: self.closed });
        }
        let mut end = 0;
        for (index, record) in self.records.iter().enumerate() {
            end = check_record(index, record, end)?;
        }
        Ok(())
    }

    fn checked(self) -> Result<Self, ListError> {
        self.check()?;
        Ok(self)
    }
}

/// Checks one record against the end of the one before; returns its own end.
fn check_record(index: usize, record: &Record, expected: u32) -> Result<u32, ListError> {
    if record.offset != expected {
        return Err(ListError::Gap { index, expected, found: record.offset });
    }
    if record.length == 0 {
        return Err(ListError::EmptyRecord(index));
    }
    if record.length > FRAGMENT_LIMIT_BYTES {
        return Err(ListError::LongRecord { index, length: record.length });
    }
    if record.flags & !FLAGS_KNOWN != 0 {
        return Err(ListError::Flags { index, flags: record.flags });
    }
    match u32::try_from(record.end()) {
        Ok(end) if end <= SEGMENT_LIMIT_BYTES => Ok(end),
        _ => Err(ListError::LongSegment(record.end())),
    }
}

fn parse_records(bytes: &[u8]) -> Result<Vec<Record>, ListError> {
    let mut records = Vec::with_capacity(bytes.len() / RECORD_BYTES);
    read_records(bytes, &mut records)?;
    Ok(records)
}

fn read_records(bytes: &[u8], into: &mut Vec<Record>) -> Result<(), ListError> {
    if !bytes.len().is_multiple_of(RECORD_BYTES) {
        return Err(ListError::PartialRecord(bytes.len()));
    }
    let mut cursor = Cursor::new(bytes);
    while let Some(record) = Record::read(&mut cursor) {
        into.push(record);
    }
    Ok(())
}
