//! What a scenario decides before anything moves: the stream, who comes over which line, and what happens when.
//!
//! Plain data, drawn from a seed by a scenario and performed by the engine. Times are milliseconds since the world
//! began.

use crate::edge::Mood;
use crate::link::Link;
use crate::origin::OriginFault;
use crate::viewer::Evil;

/// A whole story, told in advance.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Decides what is left to chance while the story is told.
    pub seed: u64,
    /// How long it is.
    pub seconds: u64,
    /// From when on the mesh counts as warm: those who begin together have come, and a little more.
    pub warm_ms: u64,
    /// Viewers have the SDK; without it, the same world with plain players.
    pub meshed: bool,
    /// What is watched.
    pub stream: Stream,
    /// Who watches.
    pub people: Vec<Person>,
    /// What happens to everybody, in order of time.
    pub changes: Vec<(u64, Change)>,
}

/// What is watched.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// Live, or a recording.
    pub live: bool,
    /// Segment duration in milliseconds.
    pub target_ms: u64,
    /// Segments of a recording.
    pub recorded: u64,
    /// Segments that players hold themselves behind the newest.
    pub behind: u64,
    /// Bit rates of the video renditions, lowest first: one to three.
    pub rungs_bps: Vec<u32>,
    /// Bit rate of the audio rendition.
    pub audio_bps: u32,
    /// `off`, `advertise-only` or `serve`.
    pub mode: &'static str,
    /// The origin's time to the first byte in milliseconds.
    pub ttfb_ms: u64,
    /// What leaves the origin in all, in bytes per second, shared by those who ask; nothing means no limit.
    pub origin_bytes_per_s: Option<u64>,
}

/// A viewer.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// When it comes.
    pub arrive_ms: u64,
    /// Its line.
    pub link: Link,
    /// Messages between viewers lost on its line, per million: their bytes arrive late, since they are sent again.
    pub loss_ppm: u32,
    /// Latency varies by up to so much, in microseconds.
    pub jitter_us: u64,
    /// Whom it can reach.
    pub nat: Nat,
    /// How it misbehaves.
    pub evil: Evil,
    /// It hands on what it has.
    pub uploads: bool,
    /// A metered cellular line.
    pub cellular: bool,
    /// A page with an `xhrSetup` of its own.
    pub own_setup: bool,
    /// Begins so many segments before the place where others begin.
    pub behind: u64,
    /// Its clock runs faster by so many millionths.
    pub clock_ppm: i32,
    /// Its wall clock is wrong by so many milliseconds.
    pub wall_offset_ms: i64,
    /// What it does, in order of time.
    pub acts: Vec<(u64, Act)>,
}

impl Person {
    /// Somebody without quirks, whom most can reach, who hands on what it has.
    pub fn usual(arrive_ms: u64, link: Link) -> Self {
        Self {
            arrive_ms,
            link,
            loss_ppm: 0,
            jitter_us: 0,
            nat: Nat::Cone,
            evil: Evil::No,
            uploads: true,
            cellular: false,
            own_setup: false,
            behind: 0,
            clock_ppm: 0,
            wall_offset_ms: 0,
            acts: Vec::new(),
        }
    }
}

/// Address translation at a viewer, as far as it decides who can reach whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nat {
    /// Reached by everybody.
    Open,
    /// Reached by everybody but those behind a symmetric one.
    Cone,
    /// Another port for every destination: reaches only who is open.
    Symmetric,
}

impl Nat {
    /// Can a connection come up between the two, without a relay?
    pub fn reaches(self, other: Self) -> bool {
        match (self, other) {
            (Self::Open, _) | (_, Self::Open) | (Self::Cone, Self::Cone) => true,
            (Self::Symmetric, _) | (_, Self::Symmetric) => false,
        }
    }
}

/// What a viewer does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    /// The tab is gone without a word.
    Vanish,
    /// The page ends as pages do, with a goodbye.
    Quit,
    /// Playback pauses; loading goes on until the buffer is full.
    Pause,
    /// Playback goes on, where it was.
    Resume,
    /// Jumps so many segments forward, or back.
    Seek(i64),
    /// Jumps to where a viewer who joins now would begin.
    SeekLive,
    /// Takes this rendition from the next segment on.
    Rung(usize),
    /// The tab is hidden.
    Hide,
    /// The tab is seen.
    Show,
    /// The line becomes another one.
    Line(Link),
}

/// What happens to everybody.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// The edge comes up or goes down.
    Edge(bool),
    /// How the edge treats who comes.
    EdgeMood(Mood),
    /// The origin does this from now on.
    Origin(OriginFault),
    /// The origin answers every GET of media with 503, or no longer.
    OriginRefuses(bool),
    /// The origin answers so late from now on, in milliseconds.
    OriginTtfb(u64),
    /// What leaves the origin in all from now on, in bytes per second.
    OriginRate(Option<u64>),
    /// Two halves: viewers with an even index and those with an odd one do not hear of each other.
    Partition,
    /// One world again.
    Heal,
}
