//! Everything that can happen to a mesh.

use meshedflow_manifest::Measured;

use crate::time::{Duration, Time};

/// A load as the page numbers it: one HLS.js loader instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LoadId(pub u32);

/// A lane as the page numbers it: one media playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LaneNo(pub u16);

/// An HTTP request as the core numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpId(pub u32);

/// A peer connection as the core numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnNo(pub u32);

/// A buffer of media bytes that the page keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlobId(pub u32);

/// A right to put bytes into one blob, and the duty to measure them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrantId(pub u32);

/// What the page tells the core. Payload bytes of media are never among it.
#[derive(Debug)]
pub enum Input<'a> {
    /// A media playlist is in use; sent before the first [`Input::Load`] that names it.
    Lane(LaneNo, LaneInfo),
    /// HLS.js asks for a segment, part or init segment.
    Load(LoadRequest),
    /// HLS.js aborted the load, or the page finished it on its own; the core forgets it.
    LoadAborted(LoadId),
    /// The page loaded this whole body by itself (state *plain*) and offers it: `blob` holds all of it.
    Offered {
        /// What was loaded; `request.load` means nothing here.
        request: LoadRequest,
        /// Where the body is.
        blob: BlobId,
        /// Its length in bytes.
        length: u32,
        /// From the request to its first byte.
        ttfb: Duration,
        /// From the first byte to the last; zero if nobody measured.
        body: Duration,
    },
    /// The attached player reports.
    Player(PlayerInput),
    /// Something happened to an HTTP request.
    Http(HttpId, HttpInput<'a>),
    /// The driver measured the next cut of a grant.
    Measured {
        /// Which grant; cuts are measured in order.
        grant: GrantId,
        /// Length and digest of the bytes between this cut and the one before.
        measured: Measured,
    },
    /// Something happened to the edge socket.
    Signal(SignalInput<'a>),
    /// Something happened to a peer connection.
    Peer(ConnNo, PeerInput<'a>),
    /// The page's policy on sharing changed: consent given (true) or revoked (false).
    Consent(bool),
    /// The page goes away: say goodbye to everyone, close everything.
    Shutdown,
}

/// A media playlist, named as `integrity.md` says: absolute URLs, computed by the page with WHATWG parsing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneInfo {
    /// URL of the media playlist after redirects, query and fragment dropped.
    pub playlist: String,
    /// Its origin, `https://host[:port]`.
    pub origin: String,
    /// URL at which its rolling list or index is expected.
    pub list_url: String,
    /// Rendition as the page knows it (playlist against multivariant playlist), if it does.
    pub rendition: Option<String>,
    /// It may as well be the only playlist of its stream: the list that lies beside it says which.
    pub alone: bool,
    /// What it carries.
    pub kind: LaneKind,
}

/// Rendition of the only playlist of a stream.
const ONLY: &str = "main";

impl LaneInfo {
    /// The rendition, unless only the list can tell it.
    pub(crate) fn rendition_for_sure(&self) -> Option<String> {
        self.rendition.clone().filter(|_| !self.alone)
    }

    /// May the list beside the playlist name this rendition?
    pub(crate) fn may_be(&self, rendition: &str) -> bool {
        self.rendition.as_deref().is_none_or(|r| r == rendition) || self.alone && rendition == ONLY
    }
}

/// What a lane carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LaneKind {
    /// HLS.js `main`.
    Main,
    /// A separate audio rendition.
    Audio,
    /// Subtitles.
    Subtitle,
}

/// A request by HLS.js.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadRequest {
    /// The page's number for it.
    pub load: LoadId,
    /// Whose segment.
    pub lane: LaneNo,
    /// The URL as HLS.js gave it.
    pub url: String,
    /// The resource's name: path relative to the playlist's directory (`integrity.md`, Identity).
    pub name: String,
    /// Segment, part or init segment.
    pub kind: LoadKind,
    /// Media sequence number (RFC 8216bis 4.4.3.2).
    pub msn: u64,
    /// Discontinuity sequence number.
    pub discontinuity: u32,
    /// Duration of the segment in milliseconds; 0 for an init segment.
    pub duration_ms: u32,
    /// Byte range, end exclusive, if the playlist has one.
    pub range: Option<(u64, u64)>,
    /// Name of the init segment that applies (`name` or `name@start-end`), if any.
    pub init: Option<String>,
    /// Bit rate of the level in bits per second; 0 when unknown.
    pub bitrate_bps: u32,
    /// Bit rate of the level above, if an attached player may climb to it; 0 otherwise.
    pub next_bps: u32,
    /// The page wants this one over HTTP whatever the mesh could do (bitrate tests).
    pub http_only: bool,
    /// True while the playlist is live.
    pub live: bool,
    /// The page makes its requests by an `xhrSetup` of its own: bodies come whole, at their end, so that
    /// nobody can be served from them while they arrive. Such a viewer is never elected.
    pub own_setup: bool,
}

/// What a load is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadKind {
    /// A whole segment.
    Media,
    /// An LL-HLS part, by index; the request's `msn` is its parent's.
    Part(u32),
    /// An init segment.
    Init,
}

/// What an attached player tells.
#[derive(Clone, Debug, PartialEq)]
pub enum PlayerInput {
    /// Buffer ahead of the playhead in milliseconds, and the playback rate.
    Buffer {
        /// Milliseconds ahead in the main buffer.
        ahead_ms: u32,
        /// Playback rate; 0 while paused.
        rate: f64,
    },
    /// A playlist was refreshed: its segments, ascending.
    Playlist {
        /// Whose.
        lane: LaneNo,
        /// Target duration in milliseconds.
        target_ms: u32,
        /// Segments now in the playlist.
        segments: Vec<KnownSegment>,
    },
    /// The tab is hidden (true) or visible.
    Hidden(bool),
    /// Playback stalled.
    Stalled,
    /// Network facts changed.
    Network {
        /// The user asked to save data.
        save_data: bool,
        /// A metered cellular link.
        cellular: bool,
    },
}

/// A segment that the player's own playlist names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSegment {
    /// Media sequence number.
    pub msn: u64,
    /// Absolute URL.
    pub url: String,
    /// Byte range, end exclusive, if the playlist has one.
    pub range: Option<(u64, u64)>,
    /// Duration in milliseconds.
    pub duration_ms: u32,
}

/// What happens to an HTTP request.
#[derive(Debug)]
pub enum HttpInput<'a> {
    /// The response's head arrived.
    Head {
        /// HTTP status.
        status: u16,
        /// `Content-Length`, where readable and the body is not content-encoded.
        length: Option<u64>,
    },
    /// The whole body of a request without blob (lists, keys, policy), at most 4 MiB.
    Body(&'a [u8]),
    /// The body of a request with a blob ended well; so many bytes are in the blob.
    Done {
        /// Bytes received.
        length: u32,
    },
    /// The request failed; any bytes received stay in the blob.
    Failed(HttpFailure),
}

/// Why an HTTP request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpFailure {
    /// A status outside 200 to 299.
    Status(u16),
    /// No response, or the body broke off.
    Network,
    /// The page's time limit.
    Timeout,
    /// More bytes than the request may bring.
    TooLong,
}

/// What happens to the edge socket.
#[derive(Debug)]
pub enum SignalInput<'a> {
    /// Connected.
    Opened,
    /// One text message.
    Text(&'a str),
    /// Closed or failed to connect.
    Closed,
}

/// What happens to a peer connection.
#[derive(Debug)]
pub enum PeerInput<'a> {
    /// The local description (SDP) that an offer or answer command produced.
    Described(&'a str),
    /// A local ICE candidate line, or the empty string at the end of gathering.
    Candidate(&'a str),
    /// Both channels are open.
    Opened,
    /// Frames from the control channel, or frames other than media from the data channel.
    Frames(&'a [u8]),
    /// Media arrived for a request that has no grant (late or invented), so many bytes.
    Stray(u32),
    /// Bytes arrived outside the grant's range, or a frame was malformed: a protocol violation.
    Violation(&'static str),
    /// The send buffer of the data channel fell below the low mark.
    Drained,
    /// Closed or failed.
    Closed,
}

/// A span of a blob, end exclusive by length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Which blob.
    pub blob: BlobId,
    /// First byte within the blob.
    pub at: u32,
    /// Bytes.
    pub len: u32,
}

/// A due time, for the page.
pub type Due = Option<Time>;
