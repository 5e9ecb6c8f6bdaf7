//! What an edge says to a page. How it is read stands in `server/read.rs`.

mod read;

pub(super) use read::peer;

use serde::{Deserialize, Serialize};

use super::relayed::Signal;
use crate::ids::{ElectionSalt, Name, PeerId};
use crate::policy::Patch;
use crate::sorted::SortedMap;
use crate::topology::Topology;

/// A message from an edge to a page. `S` is [`Signal`] at the page, [`super::RawSignal`] where it is written.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ServerMessage<S = Signal> {
    /// The answer to a join.
    Welcome(Box<Welcome>),
    /// Neighbours to dial or to expect.
    Peers(Proposals),
    /// From another page; `peer` names the sender.
    Signal(S),
    /// A proposed neighbour left the edge.
    Gone(Gone),
    /// Summed election weights of lanes that changed.
    Weights(SortedMap<Name, f64>),
    /// A new election salt.
    Salt(Salt),
    /// The policy changed.
    Policy(PolicyPush),
    /// Connect again, here or elsewhere.
    Reconnect(Reconnect),
    /// Something was refused.
    Error(ErrorMessage),
}

/// The answer to a join.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Welcome {
    /// The page's id for the life of this connection.
    pub peer: PeerId,
    /// The edge's number.
    pub edge: u16,
    /// Secret for the next join after a lost connection; single use.
    pub resume: String,
    /// STUN and TURN servers, at most 4; pages take them within their own allowlist only.
    pub ice_servers: Vec<IceServer>,
    /// How often the edge pings.
    pub heartbeat_ms: u32,
    /// Summed election weights of the page's lanes.
    pub weights: SortedMap<Name, f64>,
    /// The election salt.
    pub salt: Salt,
    /// Where the edge sees the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topology: Option<Topology>,
    /// Version of the policy the edge has, for a page that may want to ask again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<u32>,
    /// Unix seconds at which membership ends unless renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// An ICE server, in the fields of `RTCIceServer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServer {
    /// `stun:`, `turn:` and `turns:` URLs, at most 4.
    pub urls: Vec<String>,
    /// TURN user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// TURN credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// Proposals, at most 64.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Proposals(pub Vec<Proposal>);

/// A neighbour that the edge proposes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// Who.
    pub peer: PeerId,
    /// Lanes both are in, at most 8.
    pub lanes: Vec<Name>,
    /// Whether this side makes the offer; the other side expects it.
    pub initiate: bool,
    /// Unix seconds at which the other's membership ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// A proposed neighbour left the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Gone {
    /// Who.
    pub peer: PeerId,
}

/// The election salt: 32 hex digits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Salt {
    /// Now in force.
    pub current: ElectionSalt,
    /// In force before; valid for 30 s more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<ElectionSalt>,
    /// How long the current one stays; 0 when not said.
    pub valid_ms: u32,
}

/// An unsigned push about the policy: it may only tighten, or say that it is time to ask again.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PolicyPush {
    /// Ask for the policy now.
    pub refetch: bool,
    /// Tightenings to apply at once; whatever in it would loosen is ignored by the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tighten: Option<Box<Patch>>,
}

/// Asks the page to connect again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reconnect {
    /// After so long.
    pub after_ms: u32,
}

/// Something was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorMessage {
    /// What to act on.
    pub code: ErrorCode,
    /// What to print.
    pub message: String,
    /// When trying again may help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u32>,
}

/// Why an edge refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ErrorCode {
    /// Not JSON, or a known message with wrong fields.
    Malformed,
    /// A message key the edge does not know.
    UnknownMessage,
    /// Longer than the edge takes.
    TooLarge,
    /// Anything before `join`, or `join` twice.
    OutOfOrder,
    /// No common wire version.
    Version,
    /// No token, or one that does not hold.
    Unauthorized,
    /// The token does not cover the stream, or has too many connections.
    Forbidden,
    /// The page's Origin is not on the list.
    Origin,
    /// No such stream here.
    UnknownStream,
    /// Too many connections, here or from this address.
    Full,
    /// Too many messages.
    RateLimited,
    /// More neighbours asked for than the budget allows.
    ProposalsRefused,
    /// The peer was not proposed to this page, or its offer is not known.
    NotProposed,
    /// The peer has left, or its edge is absent.
    PeerGone,
    /// A description or candidate broke the rules.
    Refused,
    /// The resume secret does not hold; a new id was given.
    ResumeRefused,
    /// The edge is about to stop.
    ShuttingDown,
    /// The edge failed.
    Internal,
    /// A code this version does not know.
    Other,
}
