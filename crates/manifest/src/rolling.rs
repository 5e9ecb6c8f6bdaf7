//! The `<rendition>.mfi.json` document: the last segments of a rendition with their lists, or, of a
//! finished stream, all of them.
//!
//! Signed are the lists inside and nothing else: names, URIs, durations and ages are hints, `epochs`
//! counts because the document was read over HTTPS.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::base64url;
use crate::epochs::EpochRange;
use crate::json::{self, JsonError};
use crate::list::{LIST_LIMIT_BYTES, ListError, SignedList};
use crate::text::Text;

/// Longest document in bytes.
pub const ROLLING_LIMIT_BYTES: usize = 4 << 20;
/// Most segments, and most init segments, of one document.
pub const ROLLING_SEGMENT_LIMIT: usize = 8192;
/// Longest list as base64url, in bytes.
const ENCODED_LIMIT_BYTES: usize = LIST_LIMIT_BYTES.div_ceil(3) * 4;

/// A rolling list or index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rolling {
    /// Format version; 1.
    pub v: u32,
    /// The stream.
    pub stream: Text,
    /// The rendition.
    pub rendition: Text,
    /// Target duration in milliseconds.
    pub target_ms: u32,
    /// True when no segment will be added (`EXT-X-ENDLIST`).
    pub complete: bool,
    /// Which epoch counts for which segments.
    pub epochs: Vec<EpochRange>,
    /// Init segments.
    #[serde(default)]
    pub init: Vec<InitEntry>,
    /// Segments, ascending.
    #[serde(default)]
    pub segments: Vec<SegmentEntry>,
}

/// An init segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitEntry {
    /// Its name (see [`crate::identity`]).
    pub name: String,
    /// Its list, of kind init.
    pub list: EncodedList,
}

/// A segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentEntry {
    /// Media sequence number.
    pub msn: u64,
    /// Its name (see [`crate::identity`]).
    pub name: String,
    /// Where it can be fetched, relative to the media playlist. A hint.
    pub uri: String,
    /// Its duration in milliseconds, 0 while unknown. A hint.
    #[serde(default)]
    pub duration_ms: u32,
    /// How long ago it was complete, in milliseconds. A hint.
    #[serde(default)]
    pub released_age_ms: u32,
    /// Whether it is complete.
    pub state: SegmentState,
    /// Its list.
    pub list: EncodedList,
}

/// Whether a segment is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SegmentState {
    /// Its list is closed.
    Complete,
    /// More fragments will come.
    Growing,
    /// A state this version does not know.
    #[serde(other)]
    Other,
}

/// A list as base64url, read only when somebody needs it: one that a later version wrote does not
/// spoil the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EncodedList(String);

impl EncodedList {
    /// Encodes `list`.
    pub fn of(list: &SignedList) -> Self {
        Self(base64url::encode(&list.encode()))
    }

    /// Reads the list: shape only, not verified.
    pub fn decode(&self) -> Result<SignedList, ListError> {
        if self.0.len() > ENCODED_LIMIT_BYTES {
            return Err(ListError::Base64);
        }
        SignedList::parse(&base64url::decode(&self.0).ok_or(ListError::Base64)?)
    }

    /// The base64url text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a document was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RollingError {
    /// So many bytes; expected at most [`ROLLING_LIMIT_BYTES`].
    TooLong(usize),
    /// Not the JSON of a rolling list.
    Json(JsonError),
    /// This format version; expected 1.
    FormatVersion(u32),
    /// So many segments or init segments; expected at most [`ROLLING_SEGMENT_LIMIT`].
    TooMany(usize),
    /// The segment of this media sequence number does not follow the one before; expected ascending.
    Order(u64),
}

impl fmt::Display for RollingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(n) => {
                write!(f, "rolling list of {n} bytes; expected at most {ROLLING_LIMIT_BYTES}")
            }
            Self::Json(error) => write!(f, "rolling list: {error}"),
            Self::FormatVersion(v) => write!(f, "rolling list version {v}; expected 1"),
            Self::TooMany(n) => {
                write!(f, "rolling list of {n} entries; expected at most {ROLLING_SEGMENT_LIMIT}")
            }
            Self::Order(msn) => {
                write!(f, "segment {msn} out of order; expected ascending media sequence numbers")
            }
        }
    }
}

impl core::error::Error for RollingError {}

impl Rolling {
    /// Reads a document.
    pub fn parse(json: &[u8]) -> Result<Self, RollingError> {
        if json.len() > ROLLING_LIMIT_BYTES {
            return Err(RollingError::TooLong(json.len()));
        }
        let probe: Probe = json::from_slice(json).map_err(RollingError::Json)?;
        if probe.v != 1 {
            return Err(RollingError::FormatVersion(probe.v));
        }
        let rolling: Self = serde_json::from_slice(json).map_err(|error| RollingError::Json(error.into()))?;
        let most = rolling.segments.len().max(rolling.init.len());
        if most > ROLLING_SEGMENT_LIMIT {
            return Err(RollingError::TooMany(most));
        }
        let disorder =
            rolling.segments.iter().zip(rolling.segments.iter().skip(1)).find(|(a, b)| a.msn >= b.msn);
        match disorder {
            Some((_, second)) => Err(RollingError::Order(second.msn)),
            None => Ok(rolling),
        }
    }

    /// The document as JSON.
    pub fn to_json(&self) -> String {
        // Strings, numbers and sequences only: nothing here that serialization can refuse.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Read first, so that another version is named as such and not as a missing member.
#[derive(Deserialize)]
struct Probe {
    v: u32,
}
