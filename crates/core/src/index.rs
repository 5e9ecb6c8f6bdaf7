//! The document of a recording names every segment of hours. Of it a lane keeps what lies around the player's place,
//! as it came; the rest is asked for again when the player gets there, which a cache answers. What is near is verified.

use meshedflow_manifest::SegmentEntry;

use crate::input::LaneNo;
use crate::lane::Lane;
use crate::mesh::Mesh;
use crate::segment::SegKey;
use crate::sorted::SortedMap;

/// Lists of a recording are verified this many segments ahead of the player's request.
const INDEX_AHEAD: u64 = 4;
/// Lists are kept from so many segments before the player's place on,
const KEPT_BEHIND: u64 = 4;
/// and as many as fit into this, in bytes: more than an hour of four-second segments.
pub(crate) const INDEX_LIMIT_BYTES: usize = 1 << 20;
/// All lanes of the page together: video, audio, and the one that was left last.
const PAGE_INDEX_LIMIT_BYTES: usize = 2 * INDEX_LIMIT_BYTES + INDEX_LIMIT_BYTES / 2;

/// What a lane keeps of the document of a recording.
#[derive(Debug, Default)]
pub(crate) struct Index {
    entries: SortedMap<u64, SegmentEntry>,
    bytes: usize,
    /// First and last segment of the document.
    all: Option<(u64, u64)>,
}

impl Index {
    /// Notes that the document has this segment; true if it is kept. They come in order.
    pub(crate) fn offer(&mut self, at: u64, msn: u64, bytes: usize) -> bool {
        self.all = Some((self.all.map_or(msn, |(first, _)| first), msn));
        let near = msn.saturating_add(1) >= at && msn <= at.saturating_add(INDEX_AHEAD);
        let sum = self.bytes.saturating_add(bytes).saturating_add(size_of::<SegmentEntry>());
        let fits = near || msn.saturating_add(KEPT_BEHIND) >= at && sum <= INDEX_LIMIT_BYTES;
        if fits {
            self.bytes = sum;
        } else if msn >= at {
            // What follows would leave a gap.
            self.bytes = usize::MAX;
        }
        fits
    }

    pub(crate) fn fill(&mut self, entries: Vec<SegmentEntry>) {
        self.entries = entries.into_iter().map(|e| (e.msn, e)).collect();
        self.bytes = self.entries.values().map(size_of_entry).sum();
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn has(&self, msn: u64) -> bool {
        self.entries.contains_key(&msn)
    }

    /// Bytes of what is kept.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The document has a list of this segment that is not here.
    fn lacks(&self, msn: u64) -> bool {
        self.all.is_none_or(|(first, last)| (first..=last).contains(&msn)) && !self.has(msn)
    }
}

fn size_of_entry(e: &SegmentEntry) -> usize {
    size_of::<SegmentEntry>() + e.name.len() + e.uri.len() + e.list.as_str().len()
}

impl Mesh {
    /// The lists of a recording around the player's place come to be read.
    pub(crate) fn take_from_index(&mut self, no: LaneNo) {
        let Some(lane) = self.lanes.get(&no) else { return };
        let Some(at) = lane.last_requested.filter(|_| lane.ended == Some(true)) else { return };
        let unlisted = |msn: &u64| lane.segments.get(msn).is_none_or(|s| s.list.is_none());
        let near = at.saturating_sub(1)..=at.saturating_add(INDEX_AHEAD);
        let again = near.clone().any(|msn| unlisted(&msn) && lane.index.lacks(msn));
        let here = lane.index.entries.range(near).filter(|(msn, _)| unlisted(msn));
        let entries: Vec<SegmentEntry> = here.map(|(_, e)| e.clone()).collect();
        entries.iter().for_each(|entry| self.take_entry(no, entry));
        self.read_list(no);
        if again {
            self.want_list(no, None);
        }
    }

    /// A document of a recording came; the lanes that were left first give room to it.
    pub(crate) fn keep_index(&mut self, no: LaneNo, index: Index) {
        if let Some(lane) = self.lanes.get_mut(&no) {
            lane.index = index;
        }
        let total = |lanes: &SortedMap<LaneNo, Lane>| lanes.values().map(|l| l.index.bytes()).sum::<usize>();
        while total(&self.lanes) > PAGE_INDEX_LIMIT_BYTES {
            let others = self.lanes.iter_mut().filter(|(other, l)| **other != no && l.index.bytes() > 0);
            let Some((_, oldest)) = others.min_by_key(|(_, l)| (!l.left, l.last_load)) else { break };
            oldest.index.clear();
        }
        self.take_from_index(no);
    }

    /// The lane's document names this segment, or one that was read did.
    pub(crate) fn is_in_documents(&self, key: SegKey) -> bool {
        let whole = |list: &meshedflow_manifest::SignedList| list.closed && list.header.msn == key.msn;
        self.lanes.get(&key.lane).is_some_and(|l| l.index.has(key.msn) || l.lists.unread.iter().any(whole))
    }
}
