//! How much media is kept, and what goes first.

use crate::input::LaneNo;
use crate::lane::{Lane, SEGMENT_LIMIT};
use crate::mesh::Mesh;
use crate::output::Output;
use crate::peer::Peer;
use crate::segment::{SegKey, Segment};
use crate::sorted::SortedSet;
use crate::time::{Duration, Time};

/// Segments that all lanes keep together: lists and marks of each take some kilobytes beside its media.
pub(crate) const PAGE_SEGMENT_LIMIT: usize = 768;
/// A lane that the player left for so long is not about to be entered again.
const LEFT_FOR: Duration = Duration::from_secs(30);
/// So many of the oldest segments are compared.
const OLDEST: usize = 8;

impl Mesh {
    /// Bytes of all blobs.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.lanes.values().flat_map(|l| l.segments.values()).map(blob_bytes).sum()
    }

    /// Brings the store under its budget: oldest and most replicated segments first, never one that a load waits for. Call whenever bytes
    /// or segments were added.
    pub(crate) fn evict(&mut self) {
        self.forget_unlistable();
        self.trim_left_lanes();
        let budget = self.effective.memory_bytes;
        let mut stored = self.stored_bytes();
        while stored > budget {
            let Some(key) = self.least_needed() else { break };
            stored = stored.saturating_sub(self.forget_segment(key));
        }
        self.thin_out();
    }

    /// However small they are, no lane keeps more than so many segments, nor do all lanes together.
    fn thin_out(&mut self) {
        let awaited = self.awaited_segments();
        let oldest = |(lane, l): (&LaneNo, &Lane)| {
            let lane = *lane;
            let keys = l.segments.keys().map(move |msn| SegKey { lane, msn: *msn });
            let spare = l.segments.len().saturating_sub(SEGMENT_LIMIT);
            keys.filter(|key| !awaited.contains(key)).take(spare).collect::<Vec<_>>()
        };
        let crowded: Vec<SegKey> = self.lanes.iter().flat_map(oldest).collect();
        for key in crowded {
            self.forget_segment(key);
        }
        while self.lanes.values().map(|l| l.segments.len()).sum::<usize>() > PAGE_SEGMENT_LIMIT {
            let Some(key) = self.oldest_idle() else { return };
            self.forget_segment(key);
        }
    }

    /// The oldest segment of the lane that was entered longest ago, of those that are neither awaited nor ahead.
    fn oldest_idle(&self) -> Option<SegKey> {
        let awaited = self.awaited_segments();
        let spare = |no: &LaneNo, l: &Lane| {
            let mut keys = l.segments.iter().filter(|(msn, s)| s.is_idle() && !l.is_ahead(**msn));
            let key = keys.find_map(|(msn, _)| {
                let key = SegKey { lane: *no, msn: *msn };
                (!awaited.contains(&key)).then_some(key)
            });
            key.map(|key| ((!l.left, l.last_load), key))
        };
        self.lanes.iter().filter_map(|(no, l)| spare(no, l)).min_by_key(|(age, _)| *age).map(|(_, key)| key)
    }

    /// What lanes keep that the player left some time ago: the media they hold, for others; not what they would need to
    /// get more.
    fn trim_left_lanes(&mut self) {
        let now = self.now;
        let over = |l: &Lane| l.left && now.since(l.left_since) >= LEFT_FOR;
        let lanes: Vec<LaneNo> = self.lanes.iter().filter(|(_, l)| over(l)).map(|(no, _)| *no).collect();
        for no in lanes {
            self.trim_lane(no);
        }
    }

    fn trim_lane(&mut self, no: LaneNo) {
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        lane.lists.early = None;
        lane.lists.unread.clear();
        let bare = |s: &Segment| s.is_idle() && s.fragments.is_empty() && s.body.is_none();
        let keys =
            lane.segments.iter().filter(|(_, s)| bare(s)).map(|(msn, _)| SegKey { lane: no, msn: *msn });
        let bare: Vec<SegKey> = keys.collect();
        self.settle_expected(no);
        for key in bare.into_iter().filter(|key| !self.has_load(*key)).collect::<Vec<_>>() {
            self.forget_segment(key);
        }
        if self.lane_behind(no) != no && !self.lane_has_load(no) {
            self.forget_lane(no);
        }
    }

    /// Bodies without a list are of use to nobody: they go when the player has left the place where lists are taken.
    fn forget_unlistable(&mut self) {
        let gone: Vec<SegKey> = self
            .lanes
            .iter()
            .flat_map(|(no, l)| {
                l.segments.iter().map(move |(msn, s)| (SegKey { lane: *no, msn: *msn }, l, s))
            })
            .filter(|(key, l, s)| s.list.is_none() && s.is_idle() && !l.may_be_listed(key.msn))
            .map(|(key, ..)| key)
            .filter(|key| !self.has_load(*key))
            .collect();
        gone.into_iter().for_each(|key| {
            self.forget_segment(key);
        });
    }

    /// Of the oldest segments that nobody here will ask for the one that most neighbours have; those of the live
    /// window last.
    fn least_needed(&self) -> Option<SegKey> {
        let evictable =
            |lane: &Lane, msn: u64, s: &Segment| !s.blobs.is_empty() && s.is_idle() && !lane.is_ahead(msn);
        let idle: SortedSet<(bool, Time, SegKey)> = self
            .lanes
            .iter()
            .flat_map(|(no, l)| l.segments.iter().map(move |(msn, s)| (no, l, msn, s)))
            .filter(|(_, l, msn, s)| evictable(l, **msn, s))
            .map(|(no, l, msn, s)| {
                let window = l.live && !l.left && l.may_be_listed(*msn);
                (window, s.release.unwrap_or_default(), SegKey { lane: *no, msn: *msn })
            })
            .filter(|(.., key)| !self.has_load(*key))
            .collect();
        let oldest = idle.iter().take(OLDEST).enumerate();
        let most = oldest.max_by_key(|(at, (window, _, key))| (!window, self.replicas(*key), OLDEST - at));
        most.map(|(_, (.., key))| *key)
    }

    /// Neighbours that have something of a segment.
    fn replicas(&self, key: SegKey) -> usize {
        let has = |p: &&Peer| {
            let theirs = p.remote.get(&key.lane).and_then(|r| r.segments.get(&key.msn));
            theirs.is_some_and(|s| !s.held.is_empty())
        };
        self.peers.values().filter(has).count()
    }

    /// Drops a segment with all its blobs; returns the bytes freed.
    pub(crate) fn forget_segment(&mut self, key: SegKey) -> u64 {
        let Some(seg) = self.lanes.get_mut(&key.lane).and_then(|l| l.segments.remove(&key.msn)) else {
            return 0;
        };
        for http in seg.transfers.iter().filter(|(_, t)| t.done.is_none()).map(|(id, _)| *id) {
            self.https.remove(&http);
            self.push(Output::AbortGet(http));
        }
        for (conn, request) in seg.asked.values().copied().collect::<crate::sorted::SortedSet<_>>() {
            self.cancel_ask(conn, request);
        }
        self.drop_grants_of(key);
        // What went to whom and who was shown what counts while there is something to send or show.
        self.uploads.forget_segment(key);
        self.peers.values_mut().for_each(|p| {
            p.shown.remove(&key);
        });
        seg.blobs.keys().for_each(|b| self.push(Output::FreeBlob(*b)));
        blob_bytes(&seg)
    }
}

fn blob_bytes(s: &Segment) -> u64 {
    s.blobs.values().map(|b| u64::from(*b)).sum()
}
