//! What a page says to its edge.

use serde::{Deserialize, Serialize};

use super::limits::{EXCLUDE_LIMIT, LANES_LIMIT, RECEIPTS_LIMIT, at_most};
use super::relayed::Signal;
use crate::ids::{Name, PeerId};
use crate::telemetry::Report;
use crate::topology::Topology;

/// A message from a page to its edge. `S` is [`Signal`] where it is written, [`super::RawSignal`] at an edge.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientMessage<S = Signal> {
    /// First message: which stream, which lanes.
    Join(Box<Join>),
    /// Lanes entered and left.
    Lanes(Lanes),
    /// More neighbours, please.
    Need(Need),
    /// For another page.
    Signal(S),
    /// Counters.
    Report(Box<Report>),
    /// Receipts for the ledger, opaque here.
    Receipts(Receipts),
    /// A neighbour broke the rules.
    Bad(Bad),
    /// A new token before the old one ends.
    Renew(Renew),
    /// Goodbye.
    Leave(Leave),
}

/// The first message of a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Join {
    /// Lowest and highest wire version the page speaks, see [`crate::wire`].
    pub wire: [u8; 2],
    /// The stream.
    pub stream: Name,
    /// A name for dashboards, chosen by the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Name>,
    /// Renditions the page plays, at most 8.
    #[serde(default, deserialize_with = "at_most::<LANES_LIMIT, _, _>")]
    pub lanes: Vec<Name>,
    /// Admission token (JWT, RFC 7519), where the edge asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Where the page believes itself to be; only breaks ties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topology_hint: Option<Topology>,
    /// Election class, 0 (never) to 3.
    #[serde(default)]
    pub class: u8,
    /// The secret of the last welcome, after a lost connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
}

/// Lanes entered and left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lanes {
    /// Entered, at most 8.
    #[serde(default, deserialize_with = "at_most::<LANES_LIMIT, _, _>")]
    pub add: Vec<Name>,
    /// Left, at most 8.
    #[serde(default, deserialize_with = "at_most::<LANES_LIMIT, _, _>")]
    pub drop: Vec<Name>,
}

/// Asks for neighbours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// How many.
    pub count: u8,
    /// Not these, at most 64, each proposed to this page before.
    #[serde(default, deserialize_with = "at_most::<EXCLUDE_LIMIT, _, _>")]
    pub exclude: Vec<PeerId>,
}

/// Receipts for the ledger, at most 64, opaque here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Receipts(#[serde(deserialize_with = "at_most::<RECEIPTS_LIMIT, _, _>")] pub Vec<String>);

/// A complaint about a neighbour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bad {
    /// Who.
    pub peer: PeerId,
    /// Why, for the log.
    #[serde(default)]
    pub reason: String,
}

/// A new token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renew {
    /// Admission token (JWT, RFC 7519).
    pub token: String,
}

/// Goodbye; `{}` on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {}
