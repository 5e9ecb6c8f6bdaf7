//! The document of a recording names every segment of hours. A lane keeps where in it each segment lies, and the lists
//! around the player's place; what comes next is read by ranges of the document, which a cache answers. Where the origin
//! knows no ranges, more is kept, and the whole document is read again when that runs out. What is near is verified.

use core::ops::Range;

use meshedflow_manifest::SegmentEntry;

use crate::http::JobKind;
use crate::input::{HttpFailure, LaneNo};
use crate::lane::Lane;
use crate::mesh::Mesh;
use crate::output::{Purpose, Reason};
use crate::segment::SegKey;
use crate::sorted::SortedMap;
use crate::url::origin_of;

/// Lists of a recording are verified this many segments ahead of the player's request.
const INDEX_AHEAD: u64 = 4;
/// Lists are kept from so many segments before the player's place on,
const KEPT_BEHIND: u64 = 4;
/// and as many as fit into this, in bytes of the document: some minutes,
const PART_BYTES: usize = 64 << 10;
/// or, where the origin knows no ranges, into this.
pub(crate) const INDEX_LIMIT_BYTES: usize = 256 << 10;
/// All lanes of the page together.
const PAGE_INDEX_LIMIT_BYTES: usize = 8 * INDEX_LIMIT_BYTES;

/// What a lane keeps of the document of a recording.
#[derive(Debug, Default)]
pub(crate) struct Index {
    places: Vec<Place>,
    entries: SortedMap<u64, SegmentEntry>,
    /// Of the entries, as they stood in the document.
    bytes: usize,
}

/// Where a segment lies in the document.
#[derive(Clone, Copy, Debug)]
struct Place {
    msn: u64,
    at: u32,
    len: u32,
}

impl Place {
    fn end(self) -> u32 {
        self.at.saturating_add(self.len)
    }
}

/// Of the segments of a document, in order, those that are kept.
pub(crate) struct Window {
    at: u64,
    left: usize,
}

impl Window {
    fn takes(&mut self, msn: u64, bytes: usize) -> bool {
        let near = msn.saturating_add(1) >= self.at && msn <= self.at.saturating_add(INDEX_AHEAD);
        let fits = near || msn.saturating_add(KEPT_BEHIND) >= self.at && bytes <= self.left;
        // After the first that does not fit there must be no more: they would leave a gap.
        self.left = if fits {
            self.left.saturating_sub(bytes)
        } else if msn < self.at {
            self.left
        } else {
            0
        };
        fits
    }
}

impl Index {
    /// Notes where a segment lies in the document; true if it is kept. They come in order.
    pub(crate) fn offer(&mut self, window: &mut Window, msn: u64, place: Range<usize>) -> bool {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        self.places.push(Place { msn, at: number(place.start), len: number(place.len()) });
        window.takes(msn, place.len())
    }

    /// Takes these instead of those that were kept.
    pub(crate) fn fill(&mut self, entries: Vec<SegmentEntry>) {
        self.entries = entries.into_iter().map(|e| (e.msn, e)).collect();
        self.places.shrink_to_fit();
        let kept = self.places.iter().filter(|p| self.entries.contains_key(&p.msn));
        self.bytes = kept.map(|p| p.len as usize).sum();
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn has(&self, msn: u64) -> bool {
        self.entries.contains_key(&msn)
    }

    /// Bytes of what is kept.
    pub(crate) fn bytes(&self) -> usize {
        let entries = self.entries.len() * size_of::<SegmentEntry>();
        self.bytes + entries + self.places.len() * size_of::<Place>()
    }

    fn place(&self, msn: u64) -> Option<Place> {
        let at = self.places.binary_search_by_key(&msn, |p| p.msn).ok()?;
        self.places.get(at).copied()
    }

    /// The document, as far as it is known, has a list of this segment that is not here.
    fn lacks(&self, msn: u64) -> bool {
        (self.places.is_empty() || self.place(msn).is_some()) && !self.has(msn)
    }

    /// The bytes of the document that are to be read next: from the first segment that is not here on.
    fn part(&self, at: u64) -> Option<Range<u32>> {
        let ahead = self.places.iter().skip_while(|p| p.msn.saturating_add(1) < at || self.has(p.msn));
        let mut window = Window { at: 0, left: PART_BYTES };
        let mut part = ahead.take_while(|p| window.takes(p.msn, p.len as usize));
        let first = part.next()?;
        Some(first.at..part.last().unwrap_or(first).end())
    }

    /// Takes these beside those that are still near.
    fn add(&mut self, at: u64, entries: Vec<SegmentEntry>) {
        let before = core::mem::take(&mut self.entries).into_iter().map(|(_, e)| e);
        let near = before.filter(|e| e.msn.saturating_add(KEPT_BEHIND) >= at);
        self.fill(near.chain(entries).collect());
    }

    /// The segments of a part; `None` if the document is another one by now.
    fn read_part(&self, part: &Range<u32>, body: &[u8]) -> Option<Vec<SegmentEntry>> {
        let within = self.places.iter().filter(|p| p.at >= part.start && p.end() <= part.end);
        let read = |p: &Place| {
            let at = (p.at - part.start) as usize;
            let entry = SegmentEntry::parse(body.get(at..at + p.len as usize)?).ok()?;
            (entry.msn == p.msn).then_some(entry)
        };
        within.map(read).collect()
    }
}

impl Mesh {
    /// What is kept of a document that is read now.
    pub(crate) fn window_of(&self, no: LaneNo) -> Window {
        let lane = self.lanes.get(&no);
        let ranges = lane.is_some_and(|l| self.list_bears_ranges(l));
        let left = if ranges { PART_BYTES } else { INDEX_LIMIT_BYTES };
        Window { at: lane.and_then(|l| l.last_requested).unwrap_or(0), left }
    }

    fn list_bears_ranges(&self, lane: &Lane) -> bool {
        !self.no_range.contains(origin_of(&lane.info.list_url))
    }

    /// The lists of a recording around the player's place come to be read.
    pub(crate) fn take_from_index(&mut self, no: LaneNo) {
        let Some(lane) = self.lanes.get(&no) else { return };
        let Some(at) = lane.last_requested.filter(|_| lane.ended == Some(true)) else { return };
        let unlisted = |msn: &u64| lane.segments.get(msn).is_none_or(|s| s.list.is_none());
        let near = at.saturating_sub(1)..=at.saturating_add(INDEX_AHEAD);
        let more = near.clone().any(|msn| unlisted(&msn) && lane.index.lacks(msn));
        let here = lane.index.entries.range(near).filter(|(msn, _)| unlisted(msn));
        let entries: Vec<SegmentEntry> = here.map(|(_, e)| e.clone()).collect();
        entries.iter().for_each(|entry| self.take_entry(no, entry));
        self.read_list(no);
        if more {
            self.want_more_lists(no, at);
        }
    }

    /// A part of the document, or all of it.
    fn want_more_lists(&mut self, no: LaneNo, at: u64) {
        let Some(lane) = self.lanes.get(&no) else { return };
        let part = lane.index.part(at).filter(|_| self.list_bears_ranges(lane));
        let lists = &lane.lists;
        let Some(part) = part else {
            self.want_list(no, None);
            return;
        };
        if lists.open.is_some() || self.now < lists.not_before || lane.refused == Some(Reason::ListMismatch) {
            return;
        }
        let (url, range) = (lane.info.list_url.clone(), (u64::from(part.start), u64::from(part.end)));
        let http =
            self.get_document_part(JobKind::ListPart { lane: no, part }, url, Some(range), Purpose::List);
        if let Some(lane) = self.lanes.get_mut(&no) {
            lane.lists.open = Some((http, None));
        }
    }

    pub(crate) fn on_list_part(&mut self, no: LaneNo, part: &Range<u32>, body: &[u8]) {
        if body.len() != part.len() {
            // All of it, from an origin that ignores ranges.
            self.note_list_without_ranges(no);
            return self.on_list_document(no, body);
        }
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        lane.lists.open = None;
        match lane.index.read_part(part, body) {
            Some(entries) => {
                lane.index.add(lane.last_requested.unwrap_or(0), entries);
                self.make_room_for_index(no);
                self.take_from_index(no);
            }
            None => {
                lane.index.clear();
                self.want_list(no, None);
            }
        }
        self.revisit(no);
    }

    pub(crate) fn on_list_part_failed(&mut self, no: LaneNo, why: HttpFailure, of_ranges: bool) {
        if of_ranges {
            self.note_list_without_ranges(no);
        }
        self.on_list_failed(no, why);
    }

    fn note_list_without_ranges(&mut self, no: LaneNo) {
        let Some(lane) = self.lanes.get(&no) else { return };
        self.note_without_ranges(origin_of(&lane.info.list_url).to_owned());
    }

    /// A document of a recording came.
    pub(crate) fn keep_index(&mut self, no: LaneNo, index: Index) {
        if let Some(lane) = self.lanes.get_mut(&no) {
            lane.index = index;
        }
        self.make_room_for_index(no);
        self.take_from_index(no);
    }

    /// The lanes that were left first give room to this one.
    fn make_room_for_index(&mut self, no: LaneNo) {
        let total = |lanes: &SortedMap<LaneNo, Lane>| lanes.values().map(|l| l.index.bytes()).sum::<usize>();
        while total(&self.lanes) > PAGE_INDEX_LIMIT_BYTES {
            let others = self.lanes.iter_mut().filter(|(other, l)| **other != no && l.index.bytes() > 0);
            let Some((_, oldest)) = others.min_by_key(|(_, l)| (!l.left, l.last_load)) else { break };
            oldest.index.clear();
        }
    }

    /// The lane's document names this segment, or one that was read did.
    pub(crate) fn is_in_documents(&self, key: SegKey) -> bool {
        let whole = |list: &meshedflow_manifest::SignedList| list.closed && list.header.msn == key.msn;
        let known = |l: &Lane| l.index.has(key.msn) || l.lists.unread.iter().any(whole);
        self.lanes.get(&key.lane).is_some_and(known)
    }
}
