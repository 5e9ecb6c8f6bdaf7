//! What the origin's documents say beside the lists they hold: where a segment can be fetched, and when.

use meshedflow_manifest::{Rolling, SegmentEntry, SegmentState, SignedList, identity::resource_id};

use crate::input::LaneNo;
use crate::mesh::Mesh;
use crate::segment::{SegKey, Segment};
use crate::time::{Duration, Time};
use crate::url::origin_of;

impl Mesh {
    /// URL and range count only inside the directory of what HLS.js asked for, and if they are what was signed; both, or
    /// neither: whole resources are not fetched where a segment may be a part of one.
    pub(crate) fn take_hint(&mut self, key: SegKey, entry: &SegmentEntry, list: &SignedList) {
        let Some(lane) = self.lanes.get_mut(&key.lane) else { return };
        let complete = matches!(entry.state, SegmentState::Complete);
        if !complete || resource_id(&entry.name) != list.header.resource {
            return;
        }
        if list.header.range_base > 0 {
            lane.extents.saw_ranges();
        }
        let (url, range) = (lane.prefetch_url(&entry.uri), lane.extents.of(list));
        let seg = lane.segment(entry.msn);
        if let (None, Some(url), Some(range)) = (&seg.url, url, range) {
            (seg.url, seg.byte_range) = (Some(url), range);
        }
        if seg.duration.is_zero() {
            seg.duration = Duration::from_millis(entry.duration_ms.into());
        }
        if lane.live {
            self.learned(key, Duration::from_millis(entry.released_age_ms.into()), false, 0);
        }
    }

    /// A document that names one resource for several segments speaks of byte ranges.
    pub(crate) fn note_extents(&mut self, no: LaneNo, rolling: &Rolling) {
        let ranges =
            rolling.segments.iter().zip(rolling.segments.iter().skip(1)).any(|(a, b)| a.name == b.name);
        if let Some(lane) = self.lanes.get_mut(&no).filter(|_| ranges) {
            lane.extents.saw_ranges();
        }
    }

    /// True if the list that names the URL of this segment is under way: only then does this viewer say that it fetches.
    pub(crate) fn want_url(&mut self, key: SegKey) -> bool {
        let coming = self.want_list(key.lane, Some(key.msn));
        if let Some(lane) = self.lanes.get_mut(&key.lane).filter(|_| coming) {
            lane.lists.expected.insert(key.msn);
        }
        coming
    }

    /// From when on this viewer could fetch a segment ahead: at once where the URL is known or the list that names it is
    /// under way, else when that list may be asked for. `None`: not by itself, or another list is under way and what
    /// comes next is decided when it is here.
    pub(crate) fn fetchable_from(&self, key: SegKey) -> Option<Time> {
        let lane = self.lanes.get(&key.lane)?;
        let seg = lane.segments.get(&key.msn)?;
        let bears = |url: &str| seg.byte_range.is_none() || !self.no_range.contains(origin_of(url));
        if let Some(url) = &seg.url {
            return bears(url).then_some(Time::default());
        }
        match lane.lists.open {
            _ if seg.unnamed => None,
            Some((_, until)) => (until >= Some(key.msn)).then_some(Time::default()),
            None => Some(lane.lists.not_before),
        }
    }

    /// A list came, or none will: what was to be fetched by it and is not named in it is given up, and that is said.
    pub(crate) fn settle_expected(&mut self, no: LaneNo) {
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        let unread = |msn: u64| lane.lists.unread.iter().any(|list| list.header.msn == msn);
        let coming = |msn: u64| {
            let waits = |s: &Segment| s.mine.is_some() && s.transfers.is_empty() && s.url.is_some();
            lane.segments.get(&msn).is_some_and(|s| waits(s) && (s.is_listed() || unread(msn)))
        };
        let lost: Vec<u64> = lane.lists.expected.iter().copied().filter(|msn| !coming(*msn)).collect();
        for msn in lost {
            self.give_up_expected(SegKey { lane: no, msn });
        }
    }

    fn give_up_expected(&mut self, key: SegKey) {
        if let Some(lane) = self.lanes.get_mut(&key.lane) {
            lane.lists.expected.remove(&key.msn);
        }
        let Some(seg) = self.seg_mut(key).filter(|s| s.mine.is_some() && s.transfers.is_empty()) else {
            return;
        };
        seg.mine = None;
        (seg.unnamed, seg.list_tries) = (true, u8::MAX);
        self.say_dropped(key);
    }
}
