//! What came of a plan: counted by the engine while it ran, read by tables, charts and tests.

/// Everything that was counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The world once a second, in order.
    pub samples: Vec<Sample>,
    /// Segments that anybody received or the origin sent, by lane and number.
    pub segments: Vec<SegmentFate>,
    /// The viewers, in the plan's order.
    pub people: Vec<Fate>,
    /// What the oracle saw, the first hundred: time, viewer, what. Empty is how it must be.
    pub faults: Vec<String>,
    /// Events that happened.
    pub events: u64,
    /// Hash over all that happened, in order: equal for equal seeds, whatever the number of threads.
    pub trace: u64,
    /// Bytes a core takes, on average; 0 where nobody measured.
    pub core_bytes: u64,
}

/// The world at one instant; sums are since its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// When, in milliseconds.
    pub at_ms: u64,
    /// Viewers that are there.
    pub viewers: u32,
    /// Bytes delivered to players that came from peers.
    pub from_peers: u64,
    /// Bytes delivered to players that came over HTTP.
    pub from_http: u64,
    /// Media bytes that left the origin.
    pub origin_bytes: u64,
    /// Stalls that began.
    pub stalls: u64,
    /// Viewers whose playback waits for media at this instant.
    pub stalled_now: u32,
    /// What players have ahead, on average over those that play, in milliseconds.
    pub buffer_mean_ms: u32,
    /// What all but one in twenty of them have at least.
    pub buffer_low_ms: u32,
}

/// One segment of one rendition.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SegmentFate {
    /// Rendition: the video ladder from 0, audio last.
    pub lane: usize,
    /// Number.
    pub msn: u64,
    /// Its bytes.
    pub size: u64,
    /// When it came to be.
    pub released_ms: u64,
    /// Media bytes that left the origin for it.
    pub origin_bytes: u64,
    /// Answers of the origin, ranges included.
    pub requests: u32,
    /// Of those, begun because a core was elected.
    pub elected: u32,
    /// Players that received it.
    pub delivered: u32,
}

/// What a viewer went through.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fate {
    /// It came.
    pub came: bool,
    /// Milliseconds from coming to the first frame.
    pub startup_ms: Option<u64>,
    /// Milliseconds from coming to the first open connection.
    pub connect_ms: Option<u64>,
    /// Loads delivered.
    pub delivered: u32,
    /// Bytes delivered from peers.
    pub from_peers: u64,
    /// Bytes delivered over HTTP.
    pub from_http: u64,
    /// Stalls after the first frame.
    pub stalls: u32,
    /// Milliseconds of them.
    pub stalled_ms: u64,
    /// Loads whose due time passed: the page would have taken over.
    pub takeovers: u32,
    /// Loads that failed.
    pub failed: u32,
    /// Loads with bytes that are not the origin's: must be 0.
    pub corrupt: u32,
    /// Bytes sent to neighbours.
    pub uploaded: u64,
    /// Verified bytes that were there already.
    pub duplicate: u64,
    /// Bytes from neighbours that nobody waited for any more.
    pub stray: u64,
    /// Fragments turned away at the door.
    pub refused: u32,
    /// Bytes to and from the edge.
    pub signaling: u64,
    /// Segments fetched because of an election.
    pub elections: u32,
    /// Times it sent less because round trips had become longer.
    pub back_offs: u32,
    /// Loads by the reason of their way.
    pub reasons: std::collections::BTreeMap<&'static str, u32>,
    /// Its GETs of media: when in milliseconds, lane, number.
    pub gets: Vec<(u64, usize, u64)>,
    /// Bytes of frames to neighbours, other than media.
    pub control: u64,
    /// GETs of lists, and their bytes.
    pub list_requests: u32,
    /// Bytes of lists.
    pub list_bytes: u64,
    /// Times it told the edge of other lanes.
    pub lane_changes: u32,
    /// It closed a neighbour for cause.
    pub accuses: bool,
    /// Neighbours at its end.
    pub neighbours: u32,
    /// Times it did to others what its misbehaviour says.
    pub lied: u32,
}
