//! One segment on its way: what is held, what was asked, which transfers run, what others said about it.

use crate::sorted::{SortedMap, SortedSet};

use meshedflow_manifest::VerifiedList;
use meshedflow_protocol::ids::PeerId;

use crate::buffer_map::Held;
use crate::input::{BlobId, ConnNo, HttpId, LaneNo, LoadId, Span};
use crate::load::rate::Flow;
use crate::output::{Reason, Source};
use crate::scheduler::hearsay::Hearsay;
use crate::time::{Duration, Time};
use crate::verify::Verified;

/// A segment of a lane, as the core keys it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegKey {
    pub(crate) lane: LaneNo,
    pub(crate) msn: u64,
}

/// Everything known and held of one segment.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    /// From the player's request, its playlist, or a list's checked hint. Where it is known, so is the range.
    pub(crate) url: Option<String>,
    /// Resource name, from the player's request.
    pub(crate) name: Option<String>,
    /// Which bytes of that resource it is, end exclusive; all of them if there is none.
    pub(crate) byte_range: Option<(u64, u64)>,
    pub(crate) init: Option<String>,
    pub(crate) discontinuity: Option<u32>,
    pub(crate) duration: Duration,
    pub(crate) bitrate_bps: u32,
    /// First time this viewer learned of it, less the age it was told.
    pub(crate) release: Option<Time>,
    pub(crate) first_knower: bool,
    pub(crate) list: Option<VerifiedList>,
    pub(crate) quarantined: bool,
    /// The list does not fit the request: HTTP only.
    pub(crate) mismatch: bool,
    /// By record index.
    pub(crate) fragments: SortedMap<u16, Verified>,
    /// Open requests to neighbours, by fragment.
    pub(crate) asked: SortedMap<u16, (ConnNo, u32)>,
    /// Neighbours that sent wrong bytes of this segment or failed to deliver it.
    pub(crate) shunned: SortedSet<ConnNo>,
    pub(crate) transfers: SortedMap<HttpId, Transfer>,
    /// A whole body over HTTP: playable as it came.
    pub(crate) body: Option<(BlobId, u32)>,
    /// That body answered the loads it was fetched for. It waits for its list; a later load asks the origin anew,
    /// as plain HLS.js would, for nothing vouches for these bytes.
    pub(crate) body_played: bool,
    /// Blobs that belong to this segment, with their sizes in bytes.
    pub(crate) blobs: SortedMap<BlobId, u32>,
    /// This viewer fetches or fetched it from the origin.
    pub(crate) mine: Option<Mine>,
    pub(crate) hearsay: Hearsay,
    /// Lots drawn for it, with the salt of the first draw, while nobody has all of it here.
    pub(crate) lots: SortedMap<PeerId, f64>,
    pub(crate) salt: Option<[u8; 16]>,
    /// Fetchers whose claims were passed on.
    pub(crate) relayed: Vec<PeerId>,
    /// The neighbour who first claimed to fetch it, or told of it.
    pub(crate) told_by: Option<ConnNo>,
    /// This viewer gave its own fetch up for another's once; nobody is believed twice.
    pub(crate) yielded: bool,
    pub(crate) peer_bytes: u32,
    pub(crate) http_bytes: u32,
    pub(crate) senders: SortedSet<PeerId>,
    /// When and how fast its bytes came.
    pub(crate) flow: Flow,
    /// When the list may be asked for once more.
    pub(crate) list_retry: Option<Time>,
    /// Neighbours are spared until then; it is decided anew.
    pub(crate) look_again: Option<Time>,
    pub(crate) list_tries: u8,
    /// The list that was to name its URL did not.
    pub(crate) unnamed: bool,
    /// Lists asked of neighbours.
    pub(crate) list_asked: SortedSet<ConnNo>,
    pub(crate) reason: Option<Reason>,
    /// HTTP bytes of it did not match the list: never stored, never announced.
    pub(crate) tainted: bool,
    /// How often each fragment began to be sent to anyone.
    pub(crate) given: Vec<u8>,
}

/// This viewer's own fetch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mine {
    pub(crate) since: Time,
    pub(crate) stage: u8,
}

/// One HTTP transfer into this segment.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub(crate) blob: BlobId,
    /// Which bytes of the resource were taken for the segment when it was asked for.
    pub(crate) of: Option<(u64, u64)>,
    /// Segment offsets it brings; `to` is `None` for the whole body.
    pub(crate) from: u32,
    pub(crate) to: Option<u32>,
    /// Records below this have a grant or were measured.
    pub(crate) granted: u16,
    /// Bytes in the blob once the transfer ended well.
    pub(crate) done: Option<u32>,
    pub(crate) began: Time,
    /// The response's head is here, so bytes flow.
    pub(crate) headed: bool,
    /// The load whose statistics see its bytes.
    pub(crate) load: Option<LoadId>,
    /// Bytes of it that were verified.
    pub(crate) verified: u32,
}

impl Transfer {
    /// One that was just asked for.
    pub(crate) fn new(now: Time, blob: BlobId, from: u32, to: Option<u32>, load: Option<LoadId>) -> Self {
        let of = None;
        Self { blob, of, from, to, granted: 0, done: None, began: now, headed: false, load, verified: 0 }
    }

    pub(crate) fn brings(&self, a: u32, b: u32) -> bool {
        self.from <= a && self.to.is_none_or(|to| b <= to)
    }
}

impl Segment {
    /// The whole list is here: nothing will be added to it.
    pub(crate) fn is_listed(&self) -> bool {
        self.list.as_ref().is_some_and(|l| l.closed())
    }

    /// True once every record of a closed list is held; nothing is held that is no record of it.
    pub(crate) fn is_complete(&self) -> bool {
        self.list.as_ref().is_some_and(|l| l.closed() && self.fragments.len() >= usize::from(l.count()))
    }

    /// Complete, and nothing is on its way that is not needed any more.
    pub(crate) fn is_settled(&self) -> bool {
        self.body.is_none() && self.is_idle() && self.is_complete()
    }

    /// Records of the list that are not held.
    pub(crate) fn missing(&self) -> Vec<u16> {
        let count = self.list.as_ref().map_or(0, VerifiedList::count);
        (0..count).filter(|i| !self.fragments.contains_key(i)).collect()
    }

    /// True if a transfer is under way.
    pub(crate) fn transferring(&self) -> bool {
        self.transfers.values().any(|t| t.done.is_none())
    }

    /// A running transfer of its own bytes will bring this fragment.
    pub(crate) fn http_brings(&self, i: u16) -> bool {
        self.bounds(i).is_some_and(|(a, b)| self.running().any(|t| t.brings(a, b)))
    }

    /// Transfers under way that were asked for the bytes which this segment is.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Transfer> {
        self.transfers.values().filter(|t| t.done.is_none() && t.of == self.byte_range)
    }

    /// A transfer, running or done, that was asked for other bytes of the resource than these.
    pub(crate) fn fetches_other_than(&self, range: Option<(u64, u64)>) -> bool {
        self.transfers.values().any(|t| t.of != range)
    }

    /// Segment offset and end of record `i`.
    pub(crate) fn bounds(&self, i: u16) -> Option<(u32, u32)> {
        self.list.as_ref()?.record(i).map(|r| (r.offset, r.offset.saturating_add(r.length)))
    }

    /// Bytes of the given records.
    pub(crate) fn bytes_of(&self, records: &[u16]) -> u32 {
        records.iter().filter_map(|i| self.bounds(*i)).map(|(a, b)| b - a).sum()
    }

    /// How often a fragment began to be sent to anyone.
    pub(crate) fn copies_given(&self, i: u16) -> u16 {
        self.given.get(usize::from(i)).copied().unwrap_or(0).into()
    }

    pub(crate) fn note_given(&mut self, i: u16) {
        let at = usize::from(i);
        if self.given.len() <= at {
            self.given.resize(at + 1, 0);
        }
        if let Some(n) = self.given.get_mut(at) {
            *n = n.saturating_add(1);
        }
    }

    /// The whole length, once the list is closed.
    pub(crate) fn length(&self) -> Option<u32> {
        self.list.as_ref().filter(|l| l.closed()).map(VerifiedList::length)
    }

    /// The verified spans in order, neighbours in one blob merged.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        for span in self.fragments.values().map(Verified::span) {
            match spans.last_mut() {
                Some(last) if last.blob == span.blob && last.at + last.len == span.at => last.len += span.len,
                _ => spans.push(span),
            }
        }
        spans
    }

    /// Bits of what is held.
    pub(crate) fn held(&self) -> Held {
        let mut held = Held::default();
        self.fragments.keys().for_each(|i| held.set(*i));
        held
    }

    /// Verified bytes held.
    pub(crate) fn verified_bytes(&self) -> u32 {
        self.fragments.values().map(|v| v.span().len).sum()
    }

    /// Verified bytes that no GET of this load's own brought.
    pub(crate) fn verified_beside(&self, load: LoadId) -> u32 {
        let own = |v: &&Verified| match v.from() {
            Source::Http(http) => self.transfers.get(&http).is_some_and(|t| t.load == Some(load)),
            Source::Peer(..) | Source::Offered => false,
        };
        self.fragments.values().filter(|v| !own(v)).map(|v| v.span().len).sum()
    }

    /// Starts or stops the clock of its flow.
    pub(crate) fn mind_flow(&mut self, now: Time) {
        let body = self.transfers.values().any(|t| t.headed && t.done.is_none());
        let on = body || !self.asked.is_empty();
        self.flow.set(now, on);
    }

    /// True if nobody would miss it: nothing held, nothing under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.asked.is_empty() && !self.transferring()
    }
}
