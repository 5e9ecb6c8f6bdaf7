//! When a rescue begins: those who miss the same bytes do not all ask the origin at once, nor for what another asks
//! already, as long as the deadline allows.

use crate::load::Route;
use crate::mesh::Mesh;
use crate::segment::SegKey;
use crate::time::Time;

/// Before the last call a rescue begins after this part of the slack, plus what the lot adds.
const EARLIEST: f64 = 0.6;

impl Mesh {
    /// When HTTP must begin for the load to be complete in time, whatever others do.
    pub(crate) fn last_call(&self, key: SegKey) -> Option<Time> {
        let http = self.http_time(key);
        Some(self.deadline(key)?.back(http.mul_f64(1.1)))
    }

    /// When this viewer gets over HTTP what nobody brings: not all that miss it at once, and not while others say or
    /// show that they bring it, as long as the deadline allows.
    pub(crate) fn rescue_at(&self, key: SegKey) -> Option<Time> {
        self.rescue_if(key, self.neighbours_cover(key))
    }

    /// The same where it is known whether neighbours cover the segment.
    pub(crate) fn rescue_if(&self, key: SegKey, covered: bool) -> Option<Time> {
        let last = self.last_call(key)?;
        if covered || !self.lane_has_company(key.lane) || self.options.mutant("wait-for-peers") {
            return Some(last);
        }
        let of_it = self.loads.values().filter(|l| l.route == Route::Segment(key));
        let asked = of_it.map(|l| l.asked).min()?;
        let (http, open) = (self.http_time(key), self.open_records(key));
        let spread = last.since(asked).mul_f64(EARLIEST + (1.0 - EARLIEST) * self.my_share(key));
        let turn = asked + spread + (http / 4) * self.rank_of_needy(key, open.first().copied());
        let seg = self.seg(key)?;
        let left = |i: &u16| seg.bounds(*i).and_then(|range| seg.hearsay.fetched_by_others(range, http * 2));
        // Those that nobody claims cannot wait for those that somebody does.
        let others = open.iter().map(left).min().flatten();
        Some(turn.max(others.max(seg.hearsay.proof_ends(self.leisure(key))).unwrap_or_default()).min(last))
    }

    /// Records that are missing and that no transfer brings.
    fn open_records(&self, key: SegKey) -> Vec<u16> {
        let Some(seg) = self.seg(key) else { return Vec::new() };
        seg.missing().into_iter().filter(|i| !seg.http_brings(*i)).collect()
    }

    /// Those that this viewer gets now: what others say that they fetch it leaves to them, as long as that is not all
    /// and its own deadline allows.
    pub(crate) fn records_to_get(&self, key: SegKey) -> Vec<u16> {
        let open = self.open_records(key);
        let (Some(seg), Some(last)) = (self.seg(key), self.last_call(key)) else { return open };
        let patience = self.http_time(key) * 2;
        let claimed = |i: &u16| {
            let until = seg.bounds(*i).and_then(|range| seg.hearsay.fetched_by_others(range, patience));
            until.is_some_and(|until| self.now < until)
        };
        let apart: Vec<u16> = open.iter().copied().filter(|i| !claimed(i)).collect();
        if apart.is_empty() || self.now >= last { open } else { apart }
    }

    /// How many electable neighbours miss it too and draw lower.
    fn rank_of_needy(&self, key: SegKey, first: Option<u16>) -> u32 {
        let mine = self.my_share(key);
        let holds = |r: &crate::buffer_map::RemoteLane| {
            r.segments.get(&key.msn).is_some_and(|s| first.is_some_and(|i| s.held.has(i)))
        };
        let needy = self
            .electable(key.lane, Some(key.msn))
            .filter(|(p, _)| !p.remote.get(&key.lane).is_some_and(holds))
            .filter(|(p, _)| self.share_of(key, p.id) < mine);
        u32::try_from(needy.count()).unwrap_or(u32::MAX)
    }
}
