//! One media playlist: its segments, its trust anchors, and where this viewer stands in it.

use crate::sorted::{SortedMap, SortedSet};

use meshedflow_manifest::{Anchor, SignedList};

use crate::index::Index;
use crate::input::{HttpId, KnownSegment, LaneInfo, LaneKind, LaneNo, LoadRequest};
use crate::output::Reason;
use crate::scheduler::deadline::BufferBound;
use crate::scheduler::lottery::Chance;
use crate::segment::Segment;
use crate::time::{Duration, Time};

/// Segments remembered per lane; the oldest go first.
pub(crate) const SEGMENT_LIMIT: usize = 512;

/// Segments ahead of the player's last request that this viewer wants.
pub(crate) const WANT_AHEAD: u64 = 16;
/// A viewer is elected once it has been in the lane for a segment, or so long.
const SETTLED: Duration = Duration::from_secs(10);
/// Lists of segments further behind the player's last request are left alone.
const LISTED_BEHIND: u64 = 16;
/// Those further ahead are taken when the player is nearer.
const LISTED_AHEAD: u64 = 48;
/// Lists of a lane that wait to be verified.
pub(crate) const UNREAD_LIMIT: usize = (LISTED_BEHIND + LISTED_AHEAD + 1) as usize;

/// State of one lane.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) info: LaneInfo,
    /// Known from the page or learned from the list that the playlist's own origin serves.
    pub(crate) rendition: Option<String>,
    /// Epochs as the origin's own document names them.
    pub(crate) anchor: Option<Anchor>,
    pub(crate) lists: ListState,
    /// The lists of a recording around the player's place, as its document brought them.
    pub(crate) index: Index,
    pub(crate) target: Duration,
    pub(crate) live: bool,
    /// What the list says; a page without an attached player cannot know.
    pub(crate) ended: Option<bool>,
    pub(crate) segments: SortedMap<u64, Segment>,
    /// SHA-256 of init segments read over HTTP, by name.
    pub(crate) inits: SortedMap<String, [u8; 32]>,
    /// Highest msn that anyone is known to know.
    pub(crate) newest: Option<u64>,
    /// Highest msn that this viewer's own player or a verified list told; neighbours alone lead little beyond it.
    pub(crate) sure: Option<u64>,
    pub(crate) last_requested: Option<u64>,
    /// The latest request's URL and name: base and query for prefetches.
    pub(crate) latest_url: Option<(String, String)>,
    pub(crate) first_load: Option<Time>,
    pub(crate) last_load: Time,
    /// The player went on in another lane of this kind: nothing is fetched ahead here any more.
    pub(crate) left: bool,
    pub(crate) left_since: Time,
    /// The page's number by which it was entered last: one of several where it has several playlists.
    pub(crate) page_no: Option<LaneNo>,
    /// The other playlist because of which it is refused.
    pub(crate) twin: Option<LaneNo>,
    pub(crate) bound: BufferBound,
    pub(crate) media_loads: u32,
    pub(crate) prefetch_blocked_until: Time,
    pub(crate) bitrate_bps: u32,
    pub(crate) next_bps: u32,
    pub(crate) map_due: Time,
    /// Requests here are made by a setup of the page's; see [`LoadRequest::own_setup`].
    pub(crate) own_setup: bool,
    /// Segments that are byte ranges were seen here, and segments that are whole resources.
    pub(crate) extents: Extents,
    /// Election class as last told to the neighbours.
    pub(crate) told_class: u8,
    /// This viewer's share of the lots in a large lane.
    pub(crate) chance: Chance,
    /// A list of this lane verified, and none was missing or false since: only then is anything waited for.
    pub(crate) proven: bool,
    /// Segments in a row that got no list.
    pub(crate) unlisted: u8,
    /// Why it takes no part, if it does not.
    pub(crate) refused: Option<Reason>,
    /// Code of what was told of it last, since a list of it counted last.
    pub(crate) trouble: Option<&'static str>,
}

/// What the segments of a lane were seen to be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extents {
    ranges: bool,
    wholes: bool,
}

impl Extents {
    /// The player, its playlist or a list says which bytes of its resource a segment is.
    pub(crate) fn saw(&mut self, range: Option<(u64, u64)>) {
        self.ranges |= range.is_some();
        self.wholes |= range.is_none();
    }

    /// Something says that segments lie beside each other in one resource.
    pub(crate) fn saw_ranges(&mut self) {
        self.ranges = true;
    }

    /// Which bytes a list is about, `Some(None)` for a whole resource; `None` where nobody can tell: a list says where
    /// its segment begins, not whether the resource ends with it.
    pub(crate) fn of(self, list: &SignedList) -> Option<Option<(u64, u64)>> {
        let from = list.header.range_base;
        let length = list.records.last().map_or(0, |r| u64::from(r.offset) + u64::from(r.length));
        match (self.ranges, self.wholes) {
            _ if from > 0 => list.closed.then_some(Some((from, from.saturating_add(length)))),
            (true, false) => list.closed.then_some(Some((0, length))),
            (true, true) => None,
            (false, _) => Some(None),
        }
    }
}

/// Fetching of the rolling list.
#[derive(Debug, Default)]
pub(crate) struct ListState {
    /// The GET under way, and the segment that it waits for.
    pub(crate) open: Option<(HttpId, Option<u64>)>,
    /// Segments that this viewer said it fetches, once the list under way names their URLs.
    pub(crate) expected: SortedSet<u64>,
    pub(crate) failures: u32,
    pub(crate) not_before: Time,
    pub(crate) last_ok: Option<Time>,
    /// A document that came before the keys.
    pub(crate) early: Option<Vec<u8>>,
    /// Lists of the origin's documents that nobody verified yet, one for a segment.
    pub(crate) unread: Vec<SignedList>,
    /// When the newest list that the origin's documents brought was signed, Unix seconds.
    pub(crate) issued_at: Option<u32>,
    /// A neighbour's list is news to the origin's document: it is read again then, and was last.
    pub(crate) refresh: Option<Time>,
    pub(crate) refreshed: Option<Time>,
    /// Segments of which two signed lists disagreed, for as long as the page is there.
    pub(crate) disputed: SortedSet<u64>,
}

impl Lane {
    /// A lane nothing is known of yet.
    pub(crate) fn new(info: LaneInfo) -> Self {
        Self {
            rendition: info.rendition_for_sure(),
            info,
            anchor: None,
            lists: ListState::default(),
            index: Index::default(),
            target: Duration::from_secs(4),
            live: false,
            ended: None,
            segments: SortedMap::new(),
            inits: SortedMap::new(),
            newest: None,
            sure: None,
            last_requested: None,
            latest_url: None,
            first_load: None,
            last_load: Time::default(),
            left: false,
            left_since: Time::default(),
            page_no: None,
            twin: None,
            bound: BufferBound::default(),
            media_loads: 0,
            prefetch_blocked_until: Time::default(),
            bitrate_bps: 0,
            next_bps: 0,
            map_due: Time::default(),
            own_setup: false,
            extents: Extents::default(),
            told_class: 0,
            chance: Chance::default(),
            proven: false,
            unlisted: 0,
            refused: None,
            trouble: None,
        }
    }

    /// The player's own playlist, request or a verified list names this segment.
    pub(crate) fn knows_of(&mut self, msn: u64) {
        self.newest = self.newest.max(Some(msn));
        self.sure = self.sure.max(Some(msn));
    }

    /// The segment, made if absent.
    pub(crate) fn segment(&mut self, msn: u64) -> &mut Segment {
        self.segments.entry(msn).or_default()
    }

    /// Takes in what a request tells.
    pub(crate) fn note_request(&mut self, now: Time, r: &LoadRequest) {
        self.live = self.ended.map_or(r.live, |ended| !ended);
        self.first_load.get_or_insert(now);
        self.last_load = now;
        self.latest_url = Some((r.url.clone(), r.name.clone()));
        if r.duration_ms > 0 && self.last_requested.is_none() {
            self.target = Duration::from_millis(r.duration_ms.into());
        }
        if r.bitrate_bps > 0 {
            self.bitrate_bps = r.bitrate_bps;
        }
        self.own_setup = r.own_setup;
        self.next_bps = r.next_bps;
        self.bound.requested(r.msn);
        self.last_requested = Some(r.msn);
        self.extents.saw(r.range);
        let seg = self.segment(r.msn);
        seg.url = Some(r.url.clone());
        seg.name = Some(r.name.clone());
        seg.byte_range = r.range;
        seg.init = r.init.clone();
        seg.discontinuity = Some(r.discontinuity);
        seg.duration = Duration::from_millis(r.duration_ms.into());
        seg.bitrate_bps = r.bitrate_bps;
    }

    /// Takes in what the player's own playlist says of a segment; which bytes it is counts more than a hint.
    pub(crate) fn note_known(&mut self, s: KnownSegment) {
        self.extents.saw(s.range);
        let seg = self.segment(s.msn);
        seg.duration = Duration::from_millis(s.duration_ms.into());
        let asked = seg.name.is_some() || !seg.transfers.is_empty();
        if !asked && (seg.url.is_none() || seg.byte_range != s.range) {
            (seg.url, seg.byte_range) = (Some(s.url), s.range);
        }
    }

    /// When this viewer has been here long enough to be elected.
    pub(crate) fn settled_at(&self) -> Option<Time> {
        self.first_load.map(|at| at + self.target.min(SETTLED))
    }

    /// Segments worth a look when something changed: the newest of a live stream, those around the
    /// player's place in a recording.
    pub(crate) fn near(&self, count: usize) -> impl Iterator<Item = (u64, &Segment)> {
        let newest = self.live.then(|| self.segments.iter().rev().take(count));
        let from = self.last_requested.unwrap_or(0).saturating_sub(1);
        let around = (!self.live).then(|| self.segments.range(from..).take(count));
        let all = newest.into_iter().flatten().chain(around.into_iter().flatten());
        all.map(|(msn, seg)| (*msn, seg))
    }

    /// The player will ask for it soon: it is the last one asked for, or one of those that follow.
    pub(crate) fn is_ahead(&self, msn: u64) -> bool {
        self.last_requested.is_some_and(|last| (last..=last + WANT_AHEAD).contains(&msn))
    }

    /// A list of this segment would be taken, from the origin's window.
    pub(crate) fn may_be_listed(&self, msn: u64) -> bool {
        self.last_requested.is_none_or(|last| msn.saturating_add(LISTED_BEHIND) >= last)
    }

    /// The same, not further ahead either than a document reaches that is read in one go.
    pub(crate) fn is_listed_near(&self, msn: u64) -> bool {
        self.may_be_listed(msn)
            && self.last_requested.is_none_or(|last| msn <= last.saturating_add(LISTED_AHEAD))
    }

    /// Still being watched: not left, and a load not longer ago than three target durations.
    pub(crate) fn is_active(&self, now: Time) -> bool {
        !self.left
            && self.first_load.is_some()
            && now.since(self.last_load) < (self.target * 3).max(Duration::from_secs(6))
    }

    /// Main lanes decide startup and buffer; audio follows the same rules for itself.
    pub(crate) fn is_media(&self) -> bool {
        self.info.kind != LaneKind::Subtitle
    }

    /// URL of a segment that a verified list names, inside the directory of a segment that HLS.js asked
    /// for, with the query of that request; `None` if the hint leads elsewhere.
    pub(crate) fn prefetch_url(&self, uri: &str) -> Option<String> {
        let plain = !uri.is_empty() && !uri.starts_with('/') && !uri.contains([':', '\\', '?', '#', '%']);
        if !plain || uri.split('/').any(|part| part == ".." || part == "." || part.is_empty()) {
            return None;
        }
        let (url, name) = self.latest_url.as_ref()?;
        let (path, query) = url.split_once('?').map_or((url.as_str(), ""), |(p, q)| (p, q));
        let base = path.strip_suffix(name.as_str())?;
        let dir = |s: &str| s.rsplit_once('/').map(|(d, _)| d.to_owned());
        if dir(name) != dir(uri) {
            return None;
        }
        Some(if query.is_empty() { format!("{base}{uri}") } else { format!("{base}{uri}?{query}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(url: &str, name: &str) -> Lane {
        let mut lane = Lane::new(LaneInfo {
            playlist: "https://o.example/live/v/index.m3u8".into(),
            origin: "https://o.example".into(),
            list_url: "https://o.example/live/v/index.mfi.json".into(),
            rendition: None,
            alone: false,
            kind: LaneKind::Main,
        });
        lane.latest_url = Some((url.into(), name.into()));
        lane
    }

    #[test]
    fn prefetches_stay_in_the_directory_and_keep_the_query() {
        let l = lane("https://cdn.example/live/v/seg_1.m4s?token=a", "seg_1.m4s");
        assert_eq!(
            l.prefetch_url("seg_2.m4s").as_deref(),
            Some("https://cdn.example/live/v/seg_2.m4s?token=a")
        );
        for bad in
            ["../seg_2.m4s", "/etc/seg", "https://evil.example/x", "a/../b", "sub/seg_2.m4s", "", "%2e%2e/x"]
        {
            assert_eq!(l.prefetch_url(bad), None, "{bad}");
        }
    }
}
