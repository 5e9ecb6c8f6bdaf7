//! Signals from page to page: typed at both ends, opaque between.

use meshedflow_json::{Fields, Json, JsonError};
use serde::de::{Deserializer, Error};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::limits::{CANDIDATE_LIMIT_BYTES, DESCRIPTION_LIMIT_BYTES};
use super::parse::SignalError;
use super::sdp::{Candidate, Description};
use crate::ids::PeerId;

/// What a signal carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SignalKind {
    /// A description that opens a dial.
    Offer,
    /// The description that answers it.
    Answer,
    /// One ICE candidate (RFC 8838).
    Candidate,
    /// No further candidates, or the dial is given up.
    End,
    /// A kind this version does not know.
    #[serde(other)]
    Other,
}

/// A signal as an edge sees it: `data` are the bytes as they came.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct RawSignal<'a> {
    /// To the edge: for whom. From the edge: from whom.
    pub peer: PeerId,
    /// The initiator's number for this dial; tells a late answer from a redial.
    pub dial: u32,
    /// What `data` is.
    pub kind: SignalKind,
    /// The JSON text of the data, absent with [`SignalKind::End`].
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub data: Option<&'a RawValue>,
}

impl PartialEq for RawSignal<'_> {
    fn eq(&self, other: &Self) -> bool {
        let text = |s: &Self| s.data.map(RawValue::get).map(str::to_owned);
        (self.peer, self.dial, self.kind) == (other.peer, other.dial, other.kind) && text(self) == text(other)
    }
}

impl RawSignal<'_> {
    /// Whether `data` is no longer than data of its kind may be.
    pub fn check_size(&self) -> Result<(), SignalError> {
        let limit = match self.kind {
            SignalKind::Offer | SignalKind::Answer => DESCRIPTION_LIMIT_BYTES,
            SignalKind::Candidate | SignalKind::End | SignalKind::Other => CANDIDATE_LIMIT_BYTES,
        };
        match self.data.map_or(0, |data| data.get().len()) {
            n if n > limit => Err(SignalError::DataTooLong(self.kind, n, limit)),
            _ => Ok(()),
        }
    }

    /// Reads and checks `data`.
    pub fn typed(&self) -> Result<SignalData, SignalError> {
        self.check_size()?;
        let tree = meshedflow_json::parse(self.data.map_or("null", RawValue::get))?;
        Ok(SignalData::read(self.kind, &tree)?)
    }
}

/// A signal as the pages at both ends see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// To the edge: for whom. From the edge: from whom.
    pub peer: PeerId,
    /// The initiator's number for this dial; tells a late answer from a redial.
    pub dial: u32,
    /// What is said.
    pub data: SignalData,
}

/// What a signal says, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalData {
    /// A description that opens a dial.
    Offer(Description),
    /// The description that answers it.
    Answer(Description),
    /// One ICE candidate (RFC 8838).
    Candidate(Candidate),
    /// No further candidates, or the dial is given up.
    End,
    /// Of a kind that this version does not know; never written.
    Other,
}

impl Signal {
    pub(crate) fn read(fields: Fields<'_, '_>) -> Result<Self, JsonError> {
        let kind = SignalKind::from_name(fields.need_text("kind")?);
        Ok(Self {
            peer: super::server::peer(fields)?,
            dial: fields.need_whole("dial", u32::MAX.into())? as u32,
            data: SignalData::read(kind, fields.get("data")?.unwrap_or(&Json::Null))?,
        })
    }
}

impl SignalKind {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Answer => "answer",
            Self::Candidate => "candidate",
            Self::End => "end",
            Self::Other => "other",
        }
    }

    fn from_name(name: &str) -> Self {
        match name {
            "offer" => Self::Offer,
            "answer" => Self::Answer,
            "candidate" => Self::Candidate,
            "end" => Self::End,
            _ => Self::Other,
        }
    }
}

impl SignalData {
    /// Reads and checks the data of a signal.
    fn read(kind: SignalKind, data: &Json<'_>) -> Result<Self, JsonError> {
        Ok(match kind {
            SignalKind::Offer => Self::Offer(Description::read(data)?),
            SignalKind::Answer => Self::Answer(Description::read(data)?),
            SignalKind::Candidate => Self::Candidate(Candidate::read(data)?),
            SignalKind::End => Self::End,
            SignalKind::Other => Self::Other,
        })
    }

    /// The kind on the wire.
    pub fn kind(&self) -> SignalKind {
        match self {
            Self::Offer(_) => SignalKind::Offer,
            Self::Answer(_) => SignalKind::Answer,
            Self::Candidate(_) => SignalKind::Candidate,
            Self::End => SignalKind::End,
            Self::Other => SignalKind::Other,
        }
    }
}

#[derive(Serialize)]
struct Written<'a> {
    peer: PeerId,
    dial: u32,
    kind: SignalKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<WrittenData<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum WrittenData<'a> {
    Description(&'a Description),
    Candidate(&'a Candidate),
}

impl Serialize for Signal {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let data = match &self.data {
            SignalData::Offer(d) | SignalData::Answer(d) => Some(WrittenData::Description(d)),
            SignalData::Candidate(c) => Some(WrittenData::Candidate(c)),
            SignalData::End | SignalData::Other => None,
        };
        Written { peer: self.peer, dial: self.dial, kind: self.data.kind(), data }.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Signal {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = RawSignal::deserialize(d)?;
        let data = raw.typed().map_err(D::Error::custom)?;
        Ok(Self { peer: raw.peer, dial: raw.dial, data })
    }
}
