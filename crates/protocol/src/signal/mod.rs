//! SDK to edge: JSON over one WebSocket per page, externally tagged, one key a message.
//!
//! A page joins a stream and names its lanes; the edge welcomes it and proposes neighbours; `signal`
//! messages carry typed session fields ([`Description`], [`Candidate`]) from one page to another. An edge
//! reads only a signal's envelope and passes `data` on as the bytes it received ([`RawSignal`]).
//!
//! Readers ignore unknown fields. A message with an unknown key is [`Parsed::Unknown`]: counted, perhaps
//! answered, never a reason to close. Unknown enum strings become `Other`.

mod check;
mod client;
mod limits;
mod parse;
mod relayed;
mod said;
pub mod sdp;
mod server;

pub use check::{Admitted, Refusal, Rules};
pub use client::{Bad, ClientMessage, Join, Lanes, Leave, Need, Receipts, Renew};
pub(crate) use limits::at_most;
pub use limits::{
    CANDIDATE_LIMIT_BYTES, CANDIDATES_PER_OFFER, CLIENT_LIMIT_BYTES, DESCRIPTION_LIMIT_BYTES,
    ERROR_LIMIT_BYTES, EXCLUDE_LIMIT, ICE_SERVERS_LIMIT, LANES_LIMIT, PROPOSALS_LIMIT, RECEIPTS_LIMIT,
    SERVER_LIMIT_BYTES,
};
pub use parse::{Parsed, SignalError, parse_client, parse_client_typed, parse_server};
pub use relayed::{RawSignal, Signal, SignalData, SignalKind};
pub use sdp::{Candidate, Description};
pub use server::{
    ErrorCode, ErrorMessage, Gone, IceServer, PolicyPush, Proposal, Proposals, Reconnect, Salt,
    ServerMessage, Welcome,
};
