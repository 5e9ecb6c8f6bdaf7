//! Bounds of one connection. Each has a counter at the edge.

/// What one connection may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A socket that has not joined after so long is closed.
    pub join_within_ms: u64,
    /// The edge pings a silent socket so often.
    pub ping_every_ms: u64,
    /// A socket that has been silent so long is closed.
    pub idle_ms: u64,
    /// Messages a second on average.
    pub messages_per_s: u32,
    /// Messages at once.
    pub messages_burst: u32,
    /// A client that sent so many messages above the rate is closed; they are forgotten at the same rate.
    pub messages_ignored: u32,
    /// Restarts of one dial (offers with the same number) are this far apart at least; so are offers of a pair beyond
    /// [`Limits::dials_per_pair`].
    pub restart_every_ms: u64,
    /// An offer may be answered for so long; its candidates may follow for as long after the answer.
    pub offer_ms: u64,
    /// Dials of one neighbour remembered, each direction by itself.
    pub dials_per_pair: usize,
    /// Dials of all neighbours remembered, both directions together: more than `known`, so that what has to go is
    /// never somebody's only one.
    pub dials: usize,
    /// Proposed ids remembered.
    pub known: usize,
    /// A membership is over so long after its token ended.
    pub grace_ms: u64,
    /// Apply the rule that one server-reflexive candidate must be the address the edge sees.
    pub strict_srflx: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            join_within_ms: 5_000,
            ping_every_ms: 25_000,
            idle_ms: 60_000,
            messages_per_s: 20,
            messages_burst: 60,
            messages_ignored: 1_000,
            restart_every_ms: 60_000,
            offer_ms: 30_000,
            dials_per_pair: 3,
            dials: 192,
            known: 128,
            grace_ms: 60_000,
            strict_srflx: true,
        }
    }
}
