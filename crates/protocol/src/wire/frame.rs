//! The frames, as types.

use super::LANES_LIMIT;
use crate::ids::{Name, PeerId};

/// A lane as one sender numbers it on the wire, 0 to 7, announced by [`Hello`] or [`LaneChange`]. Pages have more
/// playlists than that: an index is given anew when its lane was left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneIndex(u8);

impl LaneIndex {
    /// Every index, lowest first.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).map_while(Self::new)
    }

    /// `None` beyond 7: no such index can be written.
    pub fn new(index: u8) -> Option<Self> {
        (usize::from(index) < LANES_LIMIT).then_some(Self(index))
    }

    /// The index as a number.
    pub fn get(self) -> u8 {
        self.0
    }
}

/// Which segment: the sender's lane, the epoch and the media sequence number (RFC 8216bis 4.4.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentRef {
    /// The sender's number for the lane.
    pub lane: LaneIndex,
    /// Signer epoch.
    pub epoch: u64,
    /// Media sequence number.
    pub msn: u64,
}

/// One viewer-to-viewer frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// 0x01, control: first frame of each side.
    Hello(Hello),
    /// 0x02, control: what the sender holds in one lane.
    Map(Map),
    /// 0x03, control: fragments newly held, with the list that vouches for them where it is news.
    Delta(Delta),
    /// 0x04, control: the segment exists.
    Known {
        /// The new segment.
        segment: SegmentRef,
        /// Milliseconds since the first viewer learned of it, as far as the sender can tell.
        age_ms: u32,
        /// 0 from the viewer that learned it from its own player, 1 when forwarded.
        hops: u8,
    },
    /// 0x05, control: a viewer fetches the segment, or a part of it, from the origin.
    Fetching(Fetching),
    /// 0x06, control: the sender joins or leaves a lane.
    Lane(LaneChange),
    /// 0x07, control: asks for fragments.
    Request(Request),
    /// 0x08, control: the request stands in line.
    Queued {
        /// The request's id.
        request: u32,
        /// Expected wait before the first byte.
        eta_ms: u32,
    },
    /// 0x09, data channel: media bytes, which follow the header to the end of the frame.
    Data(DataHeader),
    /// 0x0a, data channel: all bytes of the request were sent.
    Done {
        /// The request's id.
        request: u32,
    },
    /// 0x0b, control: the request will not be served.
    Reject {
        /// The request's id.
        request: u32,
        /// Why.
        reason: RejectReason,
        /// Bytes queued ahead at the sender, as milliseconds of its rate.
        queue_ms: u32,
    },
    /// 0x0c, control: the requester wants no more of it.
    Cancel {
        /// The request's id.
        request: u32,
    },
    /// 0x0d, control.
    Ping {
        /// Echoed by the answer.
        nonce: u32,
    },
    /// 0x0e, control.
    Pong {
        /// The ping's nonce.
        nonce: u32,
        /// How long the answer waits behind media in the answerer's own channels.
        hold_ms: u32,
    },
    /// 0x0f, control: a receipt, opaque here (see the ledger).
    Receipt(Vec<u8>),
    /// 0x10, control: the sender leaves.
    Goodbye {
        /// 0 leaving, 1 policy, 2 hidden, 3 replaced; others are treated as 0.
        reason: u8,
    },
    /// 0x11, control: a fetch announced by [`Frame::Fetching`] was given up.
    Dropped(SegmentRef),
    /// 0x12, control: the sender's edge calls it by another id from now on.
    Identity {
        /// The sender's id, as in [`Hello`].
        peer: PeerId,
    },
    /// A type this version does not know; its body was skipped.
    Unknown(u8),
}

/// First words on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Lowest and highest wire version the sender speaks; both use min(max, max).
    pub wire: (u8, u8),
    /// The sender's id at its edge.
    pub peer: PeerId,
    /// Lower quartile of the uplink the sender has measured, bytes per second; 0 when unknown.
    pub uplink_bytes_per_s: u32,
    /// How the sender shares, 0 off, 1 whole segments (advertise-only), 2 fragments (serve).
    pub sharing: u8,
    /// Election class, 0 (never) to 3.
    pub class: u8,
    /// Lanes the sender is in, at most 8.
    pub lanes: Vec<(LaneIndex, Name)>,
}

/// What the sender offers to fetch from the origin in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elect {
    /// 0 never elected, 1 reluctant (hidden, cellular), 2 and 3 by uplink.
    pub class: u8,
    /// First media sequence number wanted.
    pub first: u64,
    /// Last media sequence number wanted.
    pub last: u64,
}

/// Whom the sender takes for electable: equal views among neighbours prove a clique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct View {
    /// How many electable viewers, the sender included.
    pub count: u16,
    /// XOR of the 64-bit hashes of their ids.
    pub xor: u64,
}

/// A lane's whole buffer map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// The sender's number for the lane.
    pub lane: LaneIndex,
    /// Signer epoch of all segments in this map.
    pub epoch: u64,
    /// What the sender would fetch.
    pub elect: Elect,
    /// Whom it takes for electable.
    pub view: View,
    /// Queue ahead of a new request, in milliseconds of the sender's rate.
    pub queue_ms: u32,
    /// The sender's neighbours in this lane while the lane is small, at most 16.
    pub neighbours: Vec<PeerId>,
    /// Segments, ascending, at most 256.
    pub segments: Vec<MapSegment>,
}

/// One segment of a [`Map`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapSegment {
    /// Media sequence number.
    pub msn: u64,
    /// Records in the sender's verified list.
    pub count: u16,
    /// Whether that list is closed.
    pub closed: bool,
    /// First 8 bytes of SHA-256 over that list's signed bytes.
    pub list_hash: u64,
    /// Bit i (least significant first) set: fragment i is held and verified.
    pub held: Vec<u8>,
}

/// Fragments newly held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// Which segment.
    pub segment: SegmentRef,
    /// Records in the sender's verified list.
    pub count: u16,
    /// Whether that list is closed.
    pub closed: bool,
    /// First 8 bytes of SHA-256 over that list's signed bytes.
    pub list_hash: u64,
    /// First fragment newly held.
    pub first: u16,
    /// How many from there; 0 when the frame only carries the list.
    pub held: u16,
    /// Queue ahead of a new request, in milliseconds of the sender's rate.
    pub queue_ms: u32,
    /// Whom the sender takes for electable.
    pub view: View,
    /// The neighbour that may fetch the first copy; others wait for a second holder.
    pub offer_to: Option<PeerId>,
    /// The list, for who has not shown that it has it.
    pub batch: Option<ListBatch>,
}

/// New records of a signed list, in the exact bytes that were signed (see `meshedflow-manifest`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListBatch {
    /// The header, for who has none of this segment yet.
    pub header: Option<Vec<u8>>,
    /// Index of the first record here; all before it are at the receiver already.
    pub first: u16,
    /// Records of 44 bytes each.
    pub records: Vec<u8>,
    /// Ed25519 signature over header, closed, count and all records from 0.
    pub signature: [u8; 64],
}

/// A fetch from the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetching {
    /// Which segment.
    pub segment: SegmentRef,
    /// Who fetches.
    pub fetcher: PeerId,
    /// Election stage at which it began; 255 for the first knower that supersedes rank 0, 254 for a rescue.
    pub stage: u8,
    /// Only these bytes, first to last exclusive; `None` for the whole segment.
    pub range: Option<(u32, u32)>,
    /// Milliseconds since the fetch began.
    pub age_ms: u32,
    /// 0 from the fetcher itself, 1 when relayed.
    pub hops: u8,
}

/// The sender joins or leaves a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaneChange {
    /// From `from_msn` on the sender is in this lane.
    Add {
        /// The sender's number for it.
        lane: LaneIndex,
        /// Its rendition.
        rendition: Name,
        /// First media sequence number wanted.
        from_msn: u64,
    },
    /// The sender asks for nothing more here and is nobody's candidate, but still serves what it holds.
    Drop {
        /// The sender's number for it.
        lane: LaneIndex,
        /// First media sequence number no longer wanted.
        from_msn: u64,
    },
}

/// Asks for a run of fragments of one segment. `count` 0 asks for the list alone, answered by a [`Delta`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Chosen by the requester, unique on this connection, rising.
    pub request: u32,
    /// Which segment, in the requester's lane numbers.
    pub segment: SegmentRef,
    /// First fragment.
    pub first: u16,
    /// How many.
    pub count: u16,
    /// Byte offset within the first fragment at which to begin.
    pub skip: u32,
    /// Milliseconds until the requester would rather use HTTP.
    pub deadline_ms: u32,
    /// True when the player is about to need it.
    pub urgent: bool,
}

/// Head of a [`Frame::Data`]; the media bytes follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataHeader {
    /// The request's id.
    pub request: u32,
    /// Offset of the bytes within the segment.
    pub offset: u32,
    /// A list piece that the requester has not shown yet.
    pub batch: Option<ListBatch>,
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectReason {
    /// All upload slots are taken.
    Busy,
    /// The fragment is not held (any more).
    NotHeld,
    /// An upload cap was reached.
    Capped,
    /// Policy forbids.
    Policy,
    /// The same fragment was sent twice to this neighbour.
    Repeated,
    /// A reason this version does not know.
    Other(u8),
}

impl RejectReason {
    /// The reason's number on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::Busy => 0,
            Self::NotHeld => 1,
            Self::Capped => 2,
            Self::Policy => 3,
            Self::Repeated => 4,
            Self::Other(code) => code,
        }
    }

    /// The reason of this number.
    pub fn of(code: u8) -> Self {
        match code {
            0 => Self::Busy,
            1 => Self::NotHeld,
            2 => Self::Capped,
            3 => Self::Policy,
            4 => Self::Repeated,
            other => Self::Other(other),
        }
    }
}
