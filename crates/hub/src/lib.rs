//! What a signaling edge decides. No sockets, no clock, no chance of its own.
//!
//! A viewer opens one socket and gets one [`Session`]. The session reads the viewer's words, keeps its limits and
//! its heartbeat, and asks the shell about its admission. Once admitted, it tells its [`Room`] (one stream's
//! viewers, or a bucket of at most 2,000 of them) who came, which lanes it plays and when it needs neighbours.
//! The room proposes viewers to each other, always to both sides at once, and names exactly one as the one who
//! makes the offer: everyone to everyone in small lanes; else a handful, part of them far away and drawn at
//! random, so that the mesh is one piece and nobody can be surrounded.
//!
//! From then on the room is out of the way. A signal goes from session to session: the sender's session checks
//! that the recipient was proposed to it, the recipient's session keeps the right to answer. A relay therefore
//! touches two sessions and nothing that all viewers of a stream share, which is what lets 19,000 sockets watch
//! one stream.
//!
//! Whoever asks pays. A proposal of a stranger costs the one that asked for it, never the one that was found, or an
//! outsider could spend what others need. And since a connection costs nothing to get anew, budgets belong to a
//! household (an IPv4 address or IPv6 /56) and to a token's subject as well: a [`Ledger`] keeps, for the rooms of one
//! stream, what was learned of its audience, [`Arrivals`] how often somebody joins, [`Parked`] how many identities of
//! one household wait. Each says in its own words what a household with many viewers may do, and what it costs to be
//! forgotten. Offers are bounded per pair, by both sides' sessions.
//!
//! Both machines have five verbs: `new`, `handle_input`, `handle_timeout`, `poll_output`, `poll_timeout`. Time
//! comes in as Unix milliseconds that never run backwards, chance as a seed (rooms) or as ready-made random bytes
//! (secrets). [`Salter`] makes the election salts, [`Parked`] keeps what a viewer needs to come back as itself.

mod arrivals;
mod chance;
mod ledger;
mod limits;
mod payer;
mod place;
mod rate;
mod resume;
mod room;
mod salt;
mod session;
mod window;

pub use arrivals::Arrivals;
pub use ledger::{Ledger, RESTING_LIMIT};
pub use limits::Limits;
pub use payer::{Payer, Payers, Subject};
pub use place::{Closeness, Household, Network, Place};
pub use rate::TokenBucket;
pub use resume::{Claim, Owner, PARKED_LIMIT, Parked, RESUME_MS, ResumeHash, secret_text};
pub use room::{Newcomer, PairingRules, Proposed, Room, RoomInput, RoomKey, RoomOutput, initiates};
pub use salt::{MINUTE_MS, PREVIOUS_VALID_MS, Salter};
pub use session::{
    Admission, Code, Counted, Denial, OfferGrant, Relay, RelayKind, Session, SessionInput, SessionOutput,
};

/// When a machine wants to be woken, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wakeup {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// What is due then.
    pub reason: WakeupReason,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WakeupReason {
    /// The socket must have joined.
    Join,
    /// The socket must have shown life.
    Idle,
    /// A ping.
    Ping,
    /// A new salt.
    Salt,
    /// The membership ends.
    Expired,
    /// A connection begins to count in elections.
    Mature,
    /// Moved weights are pushed.
    Weights,
}
