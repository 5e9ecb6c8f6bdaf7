//! The page's playlists and the lanes they are: several playlists may be one rendition, some are seen once and never
//! again, and two renditions may go by one name.
//!
//! The page numbers every playlist. Where the documents of two say that they are the same rendition and name the same
//! signed lists, one lane stands for both: a player that goes on at another pathway stays with its neighbours. Their
//! origins must be one, or both trusted by the page, since whoever speaks for a lane speaks for all of it. Documents of
//! one name that contradict each other are two renditions that neighbours could not tell apart: both stay on HTTP
//! while both are in use.

use meshedflow_manifest::{Rolling, SignedList};

use crate::input::{LaneInfo, LaneNo};
use crate::lane::Lane;
use crate::mesh::Mesh;
use crate::output::{Output, Reason};
use crate::segment::SegKey;
use crate::sorted::SortedMap;
use crate::time::{Duration, Time};

/// Lanes kept; those that were left longest ago make room.
pub(crate) const LANE_LIMIT: usize = 64;
/// Playlists that share a lane with others.
pub(crate) const ALIAS_LIMIT: usize = LANE_LIMIT * 2;
/// A playlist that nothing was loaded from for so long does not stand in another's way.
const GONE: Duration = Duration::from_secs(60);
/// Lists of two documents that are compared.
const COMPARED: usize = 16;

/// A playlist that shares its lane with others.
#[derive(Debug)]
pub(crate) struct Alias {
    info: LaneInfo,
    lane: LaneNo,
    /// When it was seen, or played from, last.
    entered: Time,
}

/// What two playlists of one rendition name are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Twin {
    /// The same rendition.
    Same,
    /// Nothing speaks for it yet.
    Unclear,
    /// Two renditions.
    Other,
    /// Nobody trusts both origins.
    Elsewhere,
}

impl Mesh {
    pub(crate) fn on_lane(&mut self, no: LaneNo, info: LaneInfo) {
        let alias = self.aliases.get(&no).map(|alias| alias.info == info);
        let known = alias.or_else(|| self.lanes.get(&no).map(|lane| lane.info == info));
        if known == Some(true) || self.lane_has_load(no) {
            return;
        }
        // A number that the page uses anew.
        self.aliases.remove(&no);
        self.forget_lane(no);
        while self.lanes.len() >= LANE_LIMIT {
            let Some(spare) = self.spare_lane() else { return };
            self.forget_lane(spare);
        }
        self.lanes.insert(no, Lane { last_load: self.now, ..Lane::new(info) });
    }

    /// The lane that stands for a playlist of the page.
    pub(crate) fn lane_behind(&self, no: LaneNo) -> LaneNo {
        self.aliases.get(&no).map_or(no, |alias| alias.lane)
    }

    /// The same, for a request: from now on its lists are read where this playlist is.
    pub(crate) fn enter_by(&mut self, no: LaneNo) -> LaneNo {
        let lane_no = self.lane_behind(no);
        let now = self.now;
        let alias = self.aliases.get_mut(&no).map(|alias| {
            alias.entered = now;
            &*alias
        });
        if let Some(lane) = self.lanes.get_mut(&lane_no) {
            lane.page_no = Some(no);
            if let Some(alias) = alias.filter(|alias| alias.info != lane.info) {
                lane.info = alias.info.clone();
                lane.lists.not_before = self.now;
            }
        }
        lane_no
    }

    pub(crate) fn lane_has_load(&self, no: LaneNo) -> bool {
        self.loads.values().any(|load| load.request.lane == no)
    }

    /// Of those that no load is open in the one that was left, or else asked for something, longest ago.
    fn spare_lane(&self) -> Option<LaneNo> {
        let idle = self.lanes.iter().filter(|(no, _)| !self.lane_has_load(**no));
        idle.min_by_key(|(_, l)| (!l.left, l.last_load)).map(|(no, _)| *no)
    }

    /// Drops a lane with all that is held and known of it.
    pub(crate) fn forget_lane(&mut self, no: LaneNo) {
        let Some(lane) = self.lanes.get(&no) else { return };
        let list = lane.lists.open.map(|(http, _)| http);
        let keys: Vec<SegKey> = lane.segments.keys().map(|msn| SegKey { lane: no, msn: *msn }).collect();
        for key in keys {
            self.forget_segment(key);
        }
        if let Some(http) = list {
            self.https.remove(&http);
            self.push(Output::AbortGet(http));
        }
        self.peers.values_mut().for_each(|p| drop(p.remote.remove(&no)));
        self.aliases.retain(|_, alias| alias.lane != no);
        self.lanes.remove(&no);
    }

    /// Begins a lane anew, as if its playlist had just been seen.
    fn reset_lane(&mut self, no: LaneNo) {
        let Some(info) = self.lanes.get(&no).map(|l| l.info.clone()) else { return };
        self.forget_lane(no);
        self.on_lane(no, info);
    }

    /// The lane whose document this is: that of another playlist if both are one rendition. `None`: it counts for none.
    pub(crate) fn settle_twin(&mut self, no: LaneNo, rolling: &Rolling) -> Option<LaneNo> {
        if rolling.stream.as_str() != self.options.stream_id {
            return Some(no);
        }
        let name = rolling.rendition.as_str();
        let named = |l: &Lane| l.anchor.is_some() && l.rendition.as_deref() == Some(name);
        let yields = |other: LaneNo, l: &Lane| l.twin == Some(no) && self.are_strangers(other, no);
        let twins = self.lanes.iter().filter(|(other, l)| **other != no && named(l) && !yields(**other, l));
        let Some(first) = twins.map(|(other, _)| *other).next() else {
            return Some(no);
        };
        match self.compare(first, no, rolling) {
            Twin::Same => {
                self.merge(first, no);
                return Some(first);
            }
            Twin::Unclear => self.refuse(no, first, Reason::NoList),
            Twin::Other => self.refuse_both(first, no),
            Twin::Elsewhere => return self.settle_strangers(first, no),
        }
        None
    }

    /// Of two that nobody trusts together the first stays, unless the page lists the origin of the other one alone.
    fn settle_strangers(&mut self, first: LaneNo, no: LaneNo) -> Option<LaneNo> {
        let listed = |no: &LaneNo| self.lanes.get(no).is_some_and(|l| self.keys.is_listed(&l.info.origin));
        let (stays, goes) = if listed(&no) { (no, first) } else { (first, no) };
        self.refuse(goes, stays, Reason::ListMismatch);
        let url = self.list_url(goes);
        self.tell_trouble(goes, "rendition-elsewhere", format!("{url} is about a rendition that is played from another origin already; expected both origins in `trustedKeyOrigins`"));
        (stays == no).then_some(no)
    }

    /// Playlists of two origins that do not speak for each other.
    fn are_strangers(&self, a: LaneNo, b: LaneNo) -> bool {
        let (Some(a), Some(b)) = (self.lanes.get(&a), self.lanes.get(&b)) else { return false };
        !self.keys.speak_for_each_other(&a.info.origin, &b.info.origin)
    }

    fn compare(&self, first: LaneNo, no: LaneNo, rolling: &Rolling) -> Twin {
        let (Some(a), Some(b)) = (self.lanes.get(&first), self.lanes.get(&no)) else { return Twin::Unclear };
        // Before all else: whoever has no say here has none by what it calls its playlist either.
        if self.are_strangers(first, no) {
            return Twin::Elsewhere;
        }
        if a.info.kind != b.info.kind {
            return Twin::Other;
        }
        let known = |msn: u64| a.segments.get(&msn).and_then(|s| s.list.as_ref()).map(|l| l.signed_list());
        let both = rolling.segments.iter().rev().filter_map(|e| Some((known(e.msn)?, &e.list)));
        let mut found = Twin::Unclear;
        for (list, other) in both.take(COMPARED) {
            match other.decode() {
                // A signer that began anew says so by its epoch.
                Ok(other) if other.header.epoch != list.header.epoch => {}
                Ok(other) if agree(list, &other) => found = Twin::Same,
                Ok(_) => return Twin::Other,
                Err(_) => {}
            }
        }
        found
    }

    /// From now on the first lane stands for both playlists. Loads that are open in the other end there.
    fn merge(&mut self, first: LaneNo, no: LaneNo) {
        let now = self.now;
        let Some(from) = self.lanes.get_mut(&no) else { return };
        let (info, url, at) = (from.info.clone(), from.latest_url.take(), from.last_requested);
        let (loads, bound) = (core::mem::take(&mut from.media_loads), core::mem::take(&mut from.bound));
        (from.rendition, from.anchor, from.refused) = (None, None, Some(Reason::HttpOnly));
        (from.left, from.left_since) = (true, now);
        if let Some(lane) = self.lanes.get_mut(&first) {
            self.aliases.entry(first).or_insert_with(|| Alias {
                info: lane.info.clone(),
                lane: first,
                entered: now,
            });
            self.aliases.insert(no, Alias { info: info.clone(), lane: first, entered: now });
            forget_aliases(&mut self.aliases, no);
            (lane.info, lane.page_no) = (info, Some(no));
            lane.latest_url = url.or_else(|| lane.latest_url.take());
            lane.last_requested = at.or(lane.last_requested);
            (lane.left, lane.last_load) = (false, now);
            lane.media_loads += loads;
            lane.bound = bound;
        }
        if !self.lane_has_load(no) {
            self.forget_lane(no);
        }
    }

    /// Lists of a lane contradict each other. If it stands for several playlists, they are no one rendition.
    pub(crate) fn part_twins(&mut self, first: LaneNo) {
        let others: Vec<LaneNo> = self
            .aliases
            .iter()
            .filter(|(no, a)| a.lane == first && **no != first)
            .map(|(no, _)| *no)
            .collect();
        let own = self.aliases.remove(&first);
        for no in others {
            let Some(alias) = self.aliases.remove(&no) else { continue };
            self.on_lane(no, alias.info);
            self.refuse_both(first, no);
        }
        if let (Some(own), Some(lane)) = (own, self.lanes.get_mut(&first)) {
            (lane.info, lane.page_no) = (own.info, Some(first));
        }
    }

    fn refuse_both(&mut self, a: LaneNo, b: LaneNo) {
        self.refuse(a, b, Reason::ListMismatch);
        self.refuse(b, a, Reason::ListMismatch);
        let name = self.lanes.get(&a).and_then(|l| l.rendition.clone()).unwrap_or_default();
        self.note_trouble(b, "rendition-collision");
        self.tell_trouble(
            a,
            "rendition-collision",
            format!("two playlists share the rendition name \"{name}\" and differ; expected one each: both stay on HTTP"),
        );
    }

    fn refuse(&mut self, no: LaneNo, because_of: LaneNo, reason: Reason) {
        if let Some(lane) = self.lanes.get_mut(&no) {
            (lane.refused, lane.twin, lane.trouble) = (Some(reason), Some(because_of), None);
            // Asked for again with the next load, if it may be.
            lane.lists.last_ok = None;
        }
    }

    /// Was more played here than in a lane of a stranger's, which the page does not list? An advertisement, however long,
    /// does not put an end to what it interrupts, nor does one before the film keep that from its neighbours.
    fn overtakes(&self, no: LaneNo, stands: LaneNo) -> bool {
        let (Some(lane), Some(stands)) = (self.lanes.get(&no), self.lanes.get(&stands)) else { return true };
        lane.media_loads > stands.media_loads && !self.keys.is_listed(&stands.info.origin)
    }

    /// A playlist that another stood in the way of is looked at anew once that one is gone.
    pub(crate) fn review_twin(&mut self, no: LaneNo) {
        let Some(twin) = self.lanes.get(&no).and_then(|l| l.twin) else { return };
        let used = |l: &Lane| self.now.since(l.last_load) < GONE || self.lane_has_load(twin);
        if self.lanes.get(&twin).is_some_and(used) {
            return;
        }
        if self.are_strangers(no, twin) {
            if !self.overtakes(no, twin) {
                return;
            }
            self.refuse(twin, no, Reason::ListMismatch);
        } else {
            // When it comes back, the two are compared again.
            self.reset_lane(twin);
        }
        if let Some(lane) = self.lanes.get_mut(&no) {
            (lane.refused, lane.twin, lane.trouble) = (None, None, None);
            lane.lists.last_ok = None;
        }
    }
}

/// Playlists seen longest ago make room for `newest`; those that began a lane stay with it.
fn forget_aliases(aliases: &mut SortedMap<LaneNo, Alias>, newest: LaneNo) {
    while aliases.len() > ALIAS_LIMIT {
        let spare = aliases.iter().filter(|(no, alias)| **no != newest && alias.lane != **no);
        let Some(oldest) = spare.min_by_key(|(_, alias)| alias.entered).map(|(no, _)| *no) else { return };
        aliases.remove(&oldest);
    }
}

/// Two lists of one segment, as far as both go.
fn agree(a: &SignedList, b: &SignedList) -> bool {
    let ends = |a: &SignedList, b: &SignedList| !a.closed || b.records.len() <= a.records.len();
    let common = a.records.iter().zip(&b.records).all(|(a, b)| a == b);
    a.header == b.header && common && ends(a, b) && ends(b, a)
}
