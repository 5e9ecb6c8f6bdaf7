//! The `<rendition>.mfi.json` document: the last segments of a rendition with their lists, or, of a
//! finished stream, all of them.
//!
//! Signed are the lists inside and nothing else: names, URIs, durations and ages are hints, `epochs`
//! counts because the document was read over HTTPS.

use core::fmt;
use core::ops::Range;

use meshedflow_json::{Fields, Json};
use serde::Serialize;

use crate::base64url;
use crate::elements::{Apart, take_apart};
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    pub init: Vec<InitEntry>,
    /// Segments, ascending.
    pub segments: Vec<SegmentEntry>,
}

/// An init segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InitEntry {
    /// Its name (see [`crate::identity`]).
    pub name: String,
    /// Its list, of kind init.
    pub list: EncodedList,
}

/// A segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentEntry {
    /// Media sequence number.
    pub msn: u64,
    /// Its name (see [`crate::identity`]).
    pub name: String,
    /// Where it can be fetched, relative to the media playlist. A hint.
    pub uri: String,
    /// Its duration in milliseconds, 0 while unknown. A hint.
    pub duration_ms: u32,
    /// How long ago it was complete, in milliseconds. A hint.
    pub released_age_ms: u32,
    /// Whether it is complete.
    pub state: SegmentState,
    /// Its list.
    pub list: EncodedList,
}

/// Whether a segment is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SegmentState {
    /// Its list is closed.
    Complete,
    /// More fragments will come.
    Growing,
    /// A state this version does not know.
    Other,
}

/// A list as base64url, read only when somebody needs it: one that a later version wrote does not
/// spoil the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
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
        Self::parse_where(json, &mut |_, _, _| true)
    }

    /// Reads a document, and of its segments only those that `keep` wants: it is told whether the stream is complete,
    /// the media sequence number, and which bytes of the document are the segment's, in the document's order.
    ///
    /// # Errors
    /// As [`Rolling::parse`]; of segments that are not kept only the order is checked.
    pub fn parse_where(
        json: &[u8],
        keep: &mut dyn FnMut(bool, u64, Range<usize>) -> bool,
    ) -> Result<Self, RollingError> {
        if json.len() > ROLLING_LIMIT_BYTES {
            return Err(RollingError::TooLong(json.len()));
        }
        let Apart { frame, elements } = take_apart(json);
        let document = json::read(&frame).map_err(RollingError::Json)?;
        let fields = Fields::of(&document, "document").map_err(RollingError::Json)?;
        // Read first, so that another version is named as such and not as a missing member.
        let v = fields.need_whole("v", u32::MAX.into()).map_err(RollingError::Json)? as u32;
        if v != 1 {
            return Err(RollingError::FormatVersion(v));
        }
        let segments = fields.list("segments", usize::MAX).map_err(RollingError::Json)?;
        let mut rolling = Self::read(v, fields).map_err(RollingError::Json)?;
        let most = segments.len().max(rolling.init.len());
        if most > ROLLING_SEGMENT_LIMIT {
            return Err(RollingError::TooMany(most));
        }
        if segments.len() != elements.len() {
            return Err(RollingError::Json(JsonError::member("segments", "a list of objects")));
        }
        let mut before = None;
        for place in elements {
            let item = json::read(json.get(place.clone()).unwrap_or_default()).map_err(RollingError::Json)?;
            let msn = SegmentEntry::msn_of(&item).map_err(RollingError::Json)?;
            if before.replace(msn).is_some_and(|before| before >= msn) {
                return Err(RollingError::Order(msn));
            }
            if keep(rolling.complete, msn, place) {
                rolling.segments.push(SegmentEntry::read(&item).map_err(RollingError::Json)?);
            }
        }
        Ok(rolling)
    }

    /// All but the segments.
    fn read(v: u32, fields: Fields<'_, '_>) -> Result<Self, JsonError> {
        let all = usize::MAX;
        Ok(Self {
            v,
            stream: text(fields, "stream")?,
            rendition: text(fields, "rendition")?,
            target_ms: fields.need_whole("targetMs", u32::MAX.into())? as u32,
            complete: fields
                .flag("complete")?
                .ok_or_else(|| JsonError::member("complete", "true or false"))?,
            epochs: match fields.need("epochs")? {
                Json::List(items) => items.iter().map(EpochRange::read).collect::<Result<_, _>>()?,
                _ => return Err(JsonError::member("epochs", "a list")),
            },
            init: fields.list("init", all)?.iter().map(InitEntry::read).collect::<Result<_, _>>()?,
            segments: Vec::new(),
        })
    }

    /// The document as JSON.
    pub fn to_json(&self) -> String {
        // Strings, numbers and sequences only: nothing here that serialization can refuse.
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn text(fields: Fields<'_, '_>, name: &str) -> Result<Text, JsonError> {
    Text::new(fields.need_text(name)?).map_err(|error| JsonError::new(format!("member \"{name}\": {error}")))
}

impl InitEntry {
    fn read(item: &Json<'_>) -> Result<Self, JsonError> {
        let fields = Fields::of(item, "init")?;
        let list = EncodedList(fields.need_text("list")?.to_owned());
        Ok(Self { name: fields.need_text("name")?.to_owned(), list })
    }
}

impl SegmentEntry {
    /// Reads one segment of a document: exactly the bytes that [`Rolling::parse_where`] told of.
    ///
    /// # Errors
    /// What was expected, of which member.
    pub fn parse(json: &[u8]) -> Result<Self, JsonError> {
        Self::read(&json::read(json)?)
    }

    fn msn_of(item: &Json<'_>) -> Result<u64, JsonError> {
        Fields::of(item, "segments")?.need_whole("msn", u64::MAX)
    }

    fn read(item: &Json<'_>) -> Result<Self, JsonError> {
        let fields = Fields::of(item, "segments")?;
        Ok(Self {
            msn: fields.need_whole("msn", u64::MAX)?,
            name: fields.need_text("name")?.to_owned(),
            uri: fields.need_text("uri")?.to_owned(),
            duration_ms: fields.u32("durationMs")?.unwrap_or_default(),
            released_age_ms: fields.u32("releasedAgeMs")?.unwrap_or_default(),
            state: match fields.need_text("state")? {
                "complete" => SegmentState::Complete,
                "growing" => SegmentState::Growing,
                _ => SegmentState::Other,
            },
            list: EncodedList(fields.need_text("list")?.to_owned()),
        })
    }
}
