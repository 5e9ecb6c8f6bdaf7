//! Everything a mesh can ask of the page.

use core::ops::Range;

use crate::input::{BlobId, ConnNo, Due, GrantId, HttpId, LaneNo, LoadId, Span};

/// What the core asks. The page performs these in order and answers, if at all, with Inputs.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// More bytes of the load are usable: verified bytes so far, and its length if known.
    Progress {
        /// Which load.
        load: LoadId,
        /// Verified bytes from peers or the store so far.
        verified: u32,
        /// Whole length, once known.
        total: Option<u32>,
    },
    /// The load is complete: its bytes are these spans, in order. The page copies them out at once.
    Loaded(Loaded),
    /// The load failed as plain HLS.js would have seen it fail: `http` names the request that did.
    LoadFailed {
        /// Which load.
        load: LoadId,
        /// The request whose failure decided.
        http: HttpId,
    },
    /// Until this time the core answers for the load; `None` while an HTTP transfer for it is open.
    Due {
        /// Which load.
        load: LoadId,
        /// The time, `None` for "HTTP has it".
        at: Due,
        /// Why this time.
        reason: Reason,
    },
    /// GET something.
    Get(HttpGet),
    /// Abort a GET; no Input about it is expected any more.
    AbortGet(HttpId),
    /// Make a blob of this many bytes for a peer's bytes. (A GET makes its own.)
    NewBlob(BlobId, u32),
    /// Drop a blob.
    FreeBlob(BlobId),
    /// Measure bytes as they arrive.
    Expect(Expect),
    /// Stop measuring, drop any later byte.
    Forget(GrantId),
    /// Open the edge socket at this URL; an open one is closed first.
    Connect(String),
    /// Send one text message.
    Say(String),
    /// Close the edge socket.
    Disconnect,
    /// Do something with a peer connection.
    Peer(ConnNo, PeerCommand),
    /// Tell the page's listeners and log.
    Event(Event),
}

/// A finished load.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// Which load.
    pub load: LoadId,
    /// Where its bytes are, in order.
    pub parts: Vec<Span>,
    /// Bytes that peers sent for it (including earlier, into the store).
    pub from_peers: u32,
    /// Bytes that came over HTTP.
    pub from_http: u32,
    /// Rate to report to ABR in bits per second; `None`: HTTP only, report what was measured.
    pub report_bps: Option<u32>,
    /// Time to first byte to report, milliseconds, with `report_bps`.
    pub report_ttfb_ms: u32,
    /// Why it came the way it came.
    pub reason: Reason,
}

/// One GET.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpGet {
    /// The core's number for it.
    pub http: HttpId,
    /// Absolute URL.
    pub url: String,
    /// Byte range, end exclusive, sent as a `Range` header.
    pub range: Option<(u64, u64)>,
    /// What for; lists, keys and policy go without credentials and refuse redirects.
    pub purpose: Purpose,
    /// Whose request recipe (headers, credentials, setups) applies, for media.
    pub lane: Option<LaneNo>,
    /// The load that waits for it, if any: its own recipe applies and its statistics see the bytes.
    pub load: Option<LoadId>,
    /// Where the body goes; `None`: deliver it whole as [`crate::HttpInput::Body`].
    pub blob: Option<BlobId>,
}

/// What a GET is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A segment, part or init segment that a load waits for.
    Media,
    /// A segment that this viewer was elected to fetch.
    Elected,
    /// The missing range of a segment.
    Rescue,
    /// A signed list.
    List,
    /// A key set.
    Keys,
    /// The remote policy.
    Policy,
}

/// A grant to put bytes into a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// Its number.
    pub grant: GrantId,
    /// Whose bytes.
    pub from: Source,
    /// Where they go.
    pub blob: BlobId,
    /// The bytes of the blob that the grant covers.
    pub range: Range<u32>,
    /// Segment offset of blob byte 0: a peer's Data frames and ranges count from the segment's start.
    pub base: u32,
    /// Blob offsets at which to finish one measure and begin the next; the last is `range.end`.
    pub cuts: Vec<u32>,
}

/// Whose bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A peer's Data frames for this request id.
    Peer(ConnNo, u32),
    /// The body of this GET; bytes already in the blob are measured first.
    Http(HttpId),
    /// A body that the page offered: all bytes are there.
    Offered,
}

/// A command about one peer connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerCommand {
    /// Make the RTCPeerConnection and its two negotiated channels (0 control, 1 data).
    Open {
        /// ICE servers, already checked against the page's allowlist.
        ice_servers: Vec<IceServer>,
        /// Use relays only.
        relay_only: bool,
    },
    /// Create an offer and set it; answer with `Described`.
    Offer,
    /// Set this remote offer, create an answer and set it; answer with `Described`.
    Answer(String),
    /// Set this remote answer.
    Accept(String),
    /// Add a remote candidate line; empty means the end.
    Candidate(String),
    /// Send frames on the control channel.
    Send(Vec<u8>),
    /// Send frames on the data channel.
    SendData(Vec<u8>),
    /// Send one Data frame: this head, then these bytes, in one message of the data channel.
    SendMedia(Vec<u8>, Span),
    /// Send buffer marks of the data channel in bytes: `Drained` when it falls to the low one.
    LowMark(u32),
    /// Close it and forget it.
    Close,
}

/// An ICE server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:` and `turn:` URLs.
    pub urls: Vec<String>,
    /// TURN user name.
    pub username: Option<String>,
    /// TURN credential.
    pub credential: Option<String>,
}

/// Why something was decided. Every fallback carries one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// First media segment, or the buffer is still being filled.
    Startup,
    /// This viewer was elected to fetch it from the origin.
    Elected,
    /// This viewer learned first and rank 0 was silent.
    FirstKnower,
    /// Those ranked before were silent; the rank is in the event's text.
    Backup,
    /// No neighbour has it.
    NoHolder,
    /// No neighbour is connected.
    NoPeers,
    /// The deadline is near.
    Urgent,
    /// The peer did not deliver in time.
    PeerSlow,
    /// Peers are busy.
    PeerBusy,
    /// Bytes or list did not verify.
    Unverified,
    /// No list for the segment (yet).
    NoList,
    /// The lane has no trusted key.
    NoKey,
    /// The lists do not fit the stream, rendition or request.
    ListMismatch,
    /// A cap of this viewer.
    Capped,
    /// Policy says so.
    Policy,
    /// The kill switch.
    Killed,
    /// No policy was read yet.
    NoPolicy,
    /// The page has not consented.
    NoConsent,
    /// Too large to stage.
    TooLarge,
    /// HLS.js asked for an init segment, a bitrate test or another HTTP-only thing.
    HttpOnly,
    /// The origin refuses ranges.
    NoRange,
    /// From a neighbour.
    Peer,
    /// From this viewer's own store.
    Store,
    /// The quarantined segment's signed lists disagree.
    Quarantine,
}

/// Something to tell the page's listeners.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A neighbour came or went.
    Peer {
        /// Its connection.
        conn: ConnNo,
        /// Its id at the edge.
        peer: String,
        /// Came (true) or went.
        up: bool,
        /// Neighbours now.
        count: u32,
    },
    /// A segment was obtained.
    Segment {
        /// Which lane.
        lane: LaneNo,
        /// Its media sequence number.
        msn: u64,
        /// Bytes from peers.
        from_peers: u32,
        /// Bytes from HTTP.
        from_http: u32,
        /// How many neighbours sent some of it.
        peers: u32,
        /// Why this way.
        reason: Reason,
    },
    /// A load goes over HTTP.
    Fallback {
        /// Which load.
        load: LoadId,
        /// Why.
        reason: Reason,
    },
    /// Something can be shared (true), or nothing, and why.
    Sharing {
        /// On or off.
        on: bool,
        /// Why: the name of a [`Reason`], or the code of the warning that told the cause.
        reason: &'static str,
    },
    /// One console line, once.
    Warn {
        /// Machine-readable code, kebab case.
        code: &'static str,
        /// What, where, and what was expected.
        text: String,
    },
}
