//! What an origin vouches for, and how a viewer checks it.
//!
//! An origin cuts every segment into fragments and signs a *list* of them while the segment is still
//! growing. Each finished fragment appends one [`Record`] (offset, length, SHA-256), and the header
//! plus all records so far get a fresh Ed25519 signature, so one check covers everything before it:
//! a viewer may relay fragment 1 while fragment 2 is still arriving at the origin. The last list of a
//! segment is *closed*; it fixes the segment's length.
//!
//! A list is trusted in four steps, each a type that the next one takes:
//!
//! 1. [`SignedList`] is bytes that have the right shape (contiguous records from 0, within caps).
//!    Whoever sent it may be lying.
//! 2. [`KeySet::usable`] says whether the named key may sign for this stream at this time, and yields
//!    a [`PublicKey`]. Key sets come from the origin over HTTPS, never from a peer.
//! 3. [`verify`] checks the signature and that the list extends what was verified before. Only it
//!    makes a [`VerifiedList`].
//! 4. [`Anchor`] (read over HTTPS) names the epoch that counts for a media sequence number, so that
//!    yesterday's list, though well signed, is refused.
//!
//! Bytes are compared with a record by way of [`Measured`], which only [`Measurer::finish`] makes: a
//! length and a digest of bytes that really went through the hash.
//!
//! ```text
//! signed bytes  header || closed u8 || count u16 || records            big-endian throughout
//! header        "meshedflow/fraglist/v1\0" | kid[8] | stream | epoch u64 | rendition
//!               kind u8 | media_sequence u64 | discontinuity_sequence u32 | resource[16]
//!               range_base u64 | init_digest[32] | issued_at u32
//! text          length u16 | bytes of [A-Za-z0-9._~/-], 1 to 128 of them
//! record        offset u32 | length u32 | flags u32 | sha256[32]
//! list          signed bytes || signature[64]
//! ```
//!
//! JSON documents carry these exact bytes as base64url without padding, never a re-encoding.

mod base64url;
mod cursor;
mod digest;
mod elements;
mod epochs;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod identity;
mod json;
mod jwk;
mod list;
mod rolling;
#[cfg(feature = "sign")]
mod sign;
mod text;
mod verify;

pub use digest::{Measured, Measurer, sha256};
pub use epochs::{Anchor, AnchorError, EPOCH_LIMIT, EpochRange};
pub use json::JsonError;
pub use jwk::{
    KEY_LIMIT, KEY_SET_LIMIT_BYTES, KEY_SET_MAGIC, KeyInfo, KeyRefusal, KeySet, KeySetError, KeyState,
    KeyUse, PublicKey, StreamPattern,
};
pub use list::{
    FLAG_INDEPENDENT, FLAG_STARTS_PART, FLAGS_KNOWN, FRAGMENT_LIMIT_BYTES, Header, Kind, LIST_LIMIT_BYTES,
    LIST_MAGIC, ListError, RECORD_BYTES, RECORD_LIMIT, Record, SEGMENT_LIMIT_BYTES, SignedList,
};
pub use rolling::{
    EncodedList, InitEntry, ROLLING_LIMIT_BYTES, ROLLING_SEGMENT_LIMIT, Rolling, RollingError, SegmentEntry,
    SegmentState,
};
#[cfg(feature = "sign")]
pub use sign::{KeyEntry, KeySetDocument, Signer, SignerError};
pub use text::{TEXT_LIMIT_BYTES, Text, TextError};
pub use verify::{Disagreement, Ed25519, SignatureCheck, VerifiedList, VerifyError, verify};
