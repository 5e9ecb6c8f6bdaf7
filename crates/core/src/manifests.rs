//! When to GET a list, what its document tells, and in which order its lists are read.

mod verdict;

pub(crate) use verdict::DISPUTED_LIMIT;

use meshedflow_manifest::{Anchor, ListError, Rolling, RollingError, SegmentEntry, SignedList};
use meshedflow_protocol::ids::Name;

use crate::http::{JobKind, failure_text};
use crate::index::Index;
use crate::input::{HttpFailure, LaneNo};
use crate::keys::FOR_LONG;
use crate::lane::{Lane, UNREAD_LIMIT};
use crate::mesh::Mesh;
use crate::output::{Purpose, Reason};
use crate::segment::{SegKey, Segment};
use crate::time::{Duration, Time, Wakeup};

/// Longest document that is kept while the keys are on their way.
pub(crate) const EARLY_LIMIT_BYTES: usize = 256 << 10;
/// A missing list is asked for once more after this.
const LIST_RETRY: Duration = Duration::from_millis(300);
/// A lane whose list cannot be had is left alone for this long.
const LIST_BACKOFF: Duration = Duration::from_secs(15);
/// Word of neighbours makes this viewer read the document again so often at most, ...
const REFRESH_EVERY: Duration = Duration::from_secs(30);
/// ... and not at the moment at which all others do.
const REFRESH_SPREAD: Duration = Duration::from_secs(10);

/// What became of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListVerdict {
    /// It verified and told something new.
    News,
    /// Nothing new.
    Known,
    /// Not for this stream, lane, segment or epoch; says nothing about who brought it.
    Unusable,
    /// No trusted key signed it; says nothing about who brought it.
    NoKey,
    /// A known key's signature is false: who brought it lies.
    False,
    /// Two signed lists disagree.
    Quarantine,
}

impl Mesh {
    /// First load in a lane: keys, list, edge.
    pub(crate) fn prepare_lane(&mut self, no: LaneNo) {
        self.review_twin(no);
        let Some(lane) = self.lanes.get(&no) else { return };
        if !lane.is_media() || self.may_mesh() == Err(Reason::Killed) {
            return;
        }
        let origin = lane.info.origin.clone();
        self.want_keys(&origin);
        if self.lanes.get(&no).is_some_and(|l| l.lists.last_ok.is_none()) {
            self.want_list(no, None);
        }
    }

    /// Asks the origin for the lane's rolling list, one request at a time; `msn`: not before it has that one. True if
    /// a request that waits for that segment is under way.
    pub(crate) fn want_list(&mut self, no: LaneNo, msn: Option<u64>) -> bool {
        let now = self.now;
        let Some(lane) = self.lanes.get(&no) else { return false };
        if let Some((_, until)) = lane.lists.open {
            return until >= msn;
        }
        if now < lane.lists.not_before || lane.refused == Some(Reason::ListMismatch) {
            return false;
        }
        let base = lane.info.list_url.clone();
        if !self.is_secure(&base) {
            self.tell_trouble(
                no,
                "insecure-list",
                format!("{base} is not read; expected https, loopback, or allowInsecure"),
            );
            return false;
        }
        let url = msn.map_or_else(|| base.clone(), |n| format!("{base}?_msn={n}"));
        let http = self.get_document(JobKind::List { lane: no, msn }, url, Purpose::List);
        if let Some(lane) = self.lanes.get_mut(&no) {
            lane.lists.open = Some((http, msn));
        }
        true
    }

    /// The list of a segment that this viewer fetches itself, in parallel with the body. One that still grew when it was
    /// last read is half a list: what it does not name can be given to nobody.
    pub(crate) fn want_list_for(&mut self, key: SegKey) {
        let unlisted = self.seg(key).is_some_and(|s| !s.is_listed());
        if unlisted && self.may_mesh().is_ok() && !self.is_in_documents(key) {
            self.want_list(key.lane, Some(key.msn));
        }
    }

    pub(crate) fn on_list_document(&mut self, no: LaneNo, body: &[u8]) {
        if let Some(lane) = self.lanes.get_mut(&no) {
            lane.lists.open = None;
        }
        if self.keys_awaited(no) {
            return self.keep_early(no, body);
        }
        self.read_document(no, body);
    }

    /// Kept until the keys are here, if it is no long one: that is asked for again.
    fn keep_early(&mut self, no: LaneNo, body: &[u8]) {
        let now = self.now;
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        if body.len() <= EARLY_LIMIT_BYTES {
            lane.lists.early = Some(body.to_vec());
        } else {
            lane.lists.last_ok = Some(now);
            self.settle_expected(no);
        }
    }

    fn read_document(&mut self, no: LaneNo, body: &[u8]) {
        let now = self.now;
        if let Some(lane) = self.lanes.get_mut(&no) {
            // What takes its place is read beside the document itself.
            lane.index.clear();
        }
        match self.parse_near(no, body) {
            Ok((rolling, index)) => self.take_rolling(no, rolling, index),
            Err(why) => {
                if let Some(lane) = self.lanes.get_mut(&no) {
                    lane.lists.not_before = now + LIST_BACKOFF;
                }
                let url = self.lanes.get(&no).map(|l| l.info.list_url.clone()).unwrap_or_default();
                self.tell_trouble(no, "list-refused", format!("{url}: {why}; its segments stay on HTTP"));
            }
        }
        self.settle_expected(no);
        self.revisit(no);
    }

    pub(crate) fn on_list_failed(&mut self, no: LaneNo, why: HttpFailure) {
        let now = self.now;
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        lane.lists.open = None;
        lane.lists.failures = lane.lists.failures.saturating_add(1);
        lane.lists.not_before = now + if lane.lists.failures > 1 { LIST_BACKOFF } else { LIST_RETRY };
        let url = lane.info.list_url.clone();
        if lane.lists.last_ok.is_none() {
            self.tell_trouble(
                no,
                "no-list",
                format!(
                    "{url}: {}; expected a signed fragment list: its segments stay on HTTP",
                    failure_text(why)
                ),
            );
        }
        self.settle_expected(no);
        self.revisit(no);
    }

    /// Of a document what lies around the player's place.
    fn parse_near(&self, no: LaneNo, body: &[u8]) -> Result<(Rolling, Index), RollingError> {
        let lane = self.lanes.get(&no);
        let (mut index, mut window) = (Index::default(), self.window_of(no));
        let rolling = Rolling::parse_where(body, &mut |complete, msn, place| match complete {
            true => index.offer(&mut window, msn, place),
            false => lane.is_none_or(|l| l.is_listed_near(msn)),
        })?;
        Ok((rolling, index))
    }

    fn take_rolling(&mut self, no: LaneNo, mut rolling: Rolling, mut index: Index) {
        let now = self.now;
        let stream_fits =
            rolling.stream.as_str() == self.options.stream_id || self.options.mutant("ignore-stream");
        let Some(no) = self.settle_twin(no, &rolling) else { return };
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        lane.lists.last_ok = Some(now);
        lane.lists.failures = 0;
        let rendition = rolling.rendition.as_str();
        let rendition_fits = match &lane.rendition {
            Some(known) => known == rendition,
            None => lane.info.may_be(rendition),
        };
        if !stream_fits || !rendition_fits {
            lane.refused = Some(Reason::ListMismatch);
            let text = format!(
                "{} is for stream {} rendition {rendition}; expected stream {} rendition {}{}",
                lane.info.list_url,
                rolling.stream.as_str(),
                self.options.stream_id,
                lane.info.rendition.as_deref().unwrap_or("of that playlist"),
                if lane.info.alone { " or main" } else { "" }
            );
            return self.tell_trouble(no, "list-mismatch", text);
        }
        if !self.anchor_lane(no, &rolling) {
            return;
        }
        self.note_extents(no, &rolling);
        if rolling.complete {
            index.fill(core::mem::take(&mut rolling.segments));
            return self.keep_index(no, index);
        }
        rolling.segments.iter().for_each(|entry| self.take_entry(no, entry));
        self.read_list(no);
    }

    /// Verifies one list that the origin's document brought, what is waited for first: on a slow machine a signature
    /// costs a page milliseconds, and a document has many. Those that need no check go with it.
    pub(crate) fn read_list(&mut self, no: LaneNo) -> Option<SegKey> {
        while let Some((key, list)) = self.next_unread(no) {
            match self.learn_list(key, list, true) {
                // Told, and nothing is waited for here any more.
                ListVerdict::NoKey | ListVerdict::False => {}
                ListVerdict::News | ListVerdict::Quarantine => {
                    self.start_if_elected(key);
                    return Some(key);
                }
                ListVerdict::Known | ListVerdict::Unusable => self.start_if_elected(key),
            }
        }
        None
    }

    fn next_unread(&mut self, no: LaneNo) -> Option<(SegKey, SignedList)> {
        let lane = self.lanes.get(&no)?;
        let at = lane.last_requested.unwrap_or(0);
        let awaited = |msn: u64| {
            let under_way = |s: &Segment| s.mine.is_some() || s.body.is_some() || s.transferring();
            self.has_load(SegKey { lane: no, msn }) || lane.segments.get(&msn).is_some_and(under_way)
        };
        let order = |list: &SignedList| {
            let msn = list.header.msn;
            (!awaited(msn), msn < at, msn.abs_diff(at))
        };
        let (first, _) = lane.lists.unread.iter().enumerate().min_by_key(|(_, list)| order(list))?;
        let list = self.lanes.get_mut(&no)?.lists.unread.swap_remove(first);
        Some((SegKey { lane: no, msn: list.header.msn }, list))
    }

    /// One document that waited for the keys, or one more list of each lane; documents that are due again.
    pub(crate) fn tick_lists(&mut self) {
        self.refresh_documents();
        if let Some(no) = self.early_document()
            && let Some(body) = self.lanes.get_mut(&no).and_then(|l| l.lists.early.take())
        {
            return self.read_document(no, &body);
        }
        let unread = |(no, lane): (&LaneNo, &Lane)| (!lane.lists.unread.is_empty()).then_some(*no);
        for no in self.lanes.iter().filter_map(unread).collect::<Vec<_>>() {
            if let Some(key) = self.read_list(no) {
                self.decide(key);
            }
        }
    }

    fn early_document(&self) -> Option<LaneNo> {
        let early = |no: LaneNo, l: &Lane| l.lists.early.is_some() && !self.keys_awaited(no);
        self.lanes.iter().find(|(no, l)| early(**no, l)).map(|(no, _)| *no)
    }

    fn keys_awaited(&self, no: LaneNo) -> bool {
        self.keys_awaited_until(no).is_some_and(|until| self.now < until)
    }

    fn keys_awaited_until(&self, no: LaneNo) -> Option<Time> {
        let origin = &self.lanes.get(&no)?.info.origin;
        self.keys.awaited_until(origin, &self.options.stream_id, self.unix_now())
    }

    pub(crate) fn lists_wakeup(&self) -> Option<Wakeup> {
        let unread = self.lanes.values().any(|lane| !lane.lists.unread.is_empty());
        if unread || self.early_document().is_some() {
            return Some(Wakeup { at: self.now, reason: "unread list" });
        }
        let early = self.lanes.iter().filter(|(_, lane)| lane.lists.early.is_some());
        let waits = early.filter_map(|(no, _)| self.keys_awaited_until(*no)).filter(|at| *at < FOR_LONG);
        let sharing_again = self.disputes.until(self.now);
        let refresh = self.lanes.values().filter_map(|lane| lane.lists.refresh);
        let at = refresh.chain(waits).chain(sharing_again).min()?;
        Some(Wakeup { at, reason: "list" })
    }

    /// A neighbour's list is ahead of all that the origin's document told: it is read again, some time soon.
    fn want_fresh_document(&mut self, no: LaneNo) {
        let (now, spread) = (self.now, REFRESH_SPREAD.mul_f64(self.rng.fraction()));
        let Some(lists) = self.lanes.get_mut(&no).map(|l| &mut l.lists) else { return };
        let from = lists.refreshed.map_or(now, |at| now.max(at + REFRESH_EVERY));
        lists.refresh.get_or_insert(from + spread);
    }

    fn refresh_documents(&mut self) {
        let now = self.now;
        let is_due = |l: &Lane| l.lists.refresh.is_some_and(|at| at <= now);
        let due: Vec<LaneNo> = self.lanes.iter().filter(|(_, l)| is_due(l)).map(|(no, _)| *no).collect();
        for no in due {
            if let Some(lane) = self.lanes.get_mut(&no) {
                (lane.lists.refresh, lane.lists.refreshed) = (None, Some(now));
            }
            self.want_list(no, None);
        }
    }

    pub(crate) fn list_url(&self, no: LaneNo) -> String {
        self.lanes.get(&no).map(|l| l.info.list_url.clone()).unwrap_or_default()
    }

    /// The epochs that the document names; one that names none, or goes back behind another, tells nothing at all.
    fn anchor_lane(&mut self, no: LaneNo, rolling: &Rolling) -> bool {
        let Some(lane) = self.lanes.get_mut(&no) else { return false };
        let read = Anchor::new(&rolling.epochs, self.keys.min_epoch(&lane.info.origin));
        let anchored = match &mut lane.anchor {
            Some(old) => read.and_then(|next| old.advance(next)),
            none => read.map(|first| *none = Some(first)),
        };
        if let Err(why) = anchored {
            let url = lane.info.list_url.clone();
            self.tell_trouble(no, "epochs-refused", format!("{url}: {why}"));
            return false;
        }
        lane.rendition.get_or_insert_with(|| rolling.rendition.as_str().to_owned());
        lane.ended = Some(rolling.complete);
        lane.live = !rolling.complete;
        if rolling.target_ms > 0 {
            lane.target = Duration::from_millis(rolling.target_ms.into());
        }
        self.drop_old_epochs(no);
        self.join_lane();
        true
    }

    /// Lists of epochs that count no more for their segments, and what they vouched for, make room for others.
    pub(crate) fn drop_old_epochs(&mut self, no: LaneNo) {
        let Some(lane) = self.lanes.get(&no) else { return };
        let floor = self.keys.min_epoch(&lane.info.origin);
        let named = |msn: u64| lane.anchor.as_ref().and_then(|a| a.epoch_for(msn));
        let is_old = |msn: u64, s: &Segment| {
            let epoch = s.list.as_ref().map(|l| l.header().epoch);
            epoch.is_some_and(|e| e < floor || named(msn).is_some_and(|now| now != e))
        };
        let old = lane.segments.iter().filter(|(msn, s)| is_old(**msn, s));
        let keys: Vec<SegKey> = old.map(|(msn, _)| SegKey { lane: no, msn: *msn }).collect();
        for key in keys {
            self.void_list(key);
            self.decide(key);
        }
    }

    /// Hints count at once, the list once it is read.
    pub(crate) fn take_entry(&mut self, no: LaneNo, entry: &SegmentEntry) {
        let key = SegKey { lane: no, msn: entry.msn };
        let Some(lane) = self.lanes.get(&no) else { return };
        if !lane.is_listed_near(entry.msn) {
            return;
        }
        let list = match entry.list.decode() {
            Ok(list) => list,
            Err(why) => {
                let text = format!("{} segment {}: {why}", self.list_url(no), entry.msn);
                return self.tell_trouble(no, "list-refused", text);
            }
        };
        if list.header.msn != entry.msn {
            return;
        }
        self.take_hint(key, entry, &list);
        if let Some(lane) = self.lanes.get_mut(&no) {
            lane.lists.unread.retain(|known| known.header.msn != entry.msn);
            if lane.lists.unread.len() < UNREAD_LIMIT {
                lane.lists.unread.push(list);
            }
        }
    }

    /// The origin's own document does not hold what it must: nothing is waited for in this lane until a
    /// later one does.
    fn distrust(&mut self, no: LaneNo) {
        let now = self.now;
        if let Some(lane) = self.lanes.get_mut(&no) {
            lane.proven = false;
            lane.lists.not_before = now + LIST_BACKOFF;
            lane.lists.unread.clear();
        }
        self.settle_expected(no);
    }

    /// A segment stayed without a list; three in a row and the lane is on HTTP.
    fn note_unlisted(&mut self, no: LaneNo) {
        if let Some(lane) = self.lanes.get_mut(&no) {
            lane.unlisted = lane.unlisted.saturating_add(1);
            if lane.unlisted >= 3 {
                lane.proven = false;
                lane.trouble.get_or_insert("no-list");
            }
        }
    }

    /// A key set arrived, or none will: lanes whose lists were of no use ask again. What waited for it is read next.
    pub(crate) fn reread_lists(&mut self) {
        let lanes: Vec<LaneNo> = self.lanes.keys().copied().collect();
        for no in lanes {
            let unlisted = |l: &Lane| {
                let waiting = !l.lists.unread.is_empty() || l.lists.early.is_some();
                l.lists.last_ok.is_some() && !waiting && l.segments.values().all(|s| s.list.is_none())
            };
            if self.lanes.get(&no).is_some_and(unlisted) {
                self.want_list(no, None);
            }
        }
    }

    /// A body without a list, or with half of one: it may be a moment late.
    pub(crate) fn expect_list_soon(&mut self, key: SegKey) {
        let now = self.now;
        if let Some(seg) = self.seg_mut(key).filter(|s| !s.is_listed() && s.list_tries < 2) {
            seg.list_retry = Some(now + LIST_RETRY);
        }
    }

    pub(crate) fn retry_list(&mut self, key: SegKey) {
        let now = self.now;
        let pending = self.lanes.get(&key.lane).is_some_and(|l| l.lists.open.is_some());
        let Some(seg) = self.seg_mut(key) else { return };
        if seg.list_retry.is_none_or(|at| at > now) {
            return;
        }
        seg.list_retry = None;
        if seg.is_listed() {
            return;
        }
        let none = seg.list.is_none();
        if pending {
            seg.list_retry = Some(now + LIST_RETRY);
        } else if seg.list_tries < 2 {
            seg.list_tries += 1;
            seg.list_retry = Some(now + LIST_RETRY * 5);
            self.want_list(key.lane, Some(key.msn));
            if none {
                self.note_unlisted(key.lane);
            }
        } else if none && !self.has_load(key) && !self.seg(key).is_some_and(|s| s.transferring()) {
            self.forget_segment(key);
        }
    }

    /// Looks again at every segment of a lane that something waits for.
    pub(crate) fn revisit(&mut self, no: LaneNo) {
        let keys: Vec<SegKey> = self
            .lanes
            .get(&no)
            .into_iter()
            .flat_map(|l| l.near(12))
            .map(|(msn, _)| SegKey { lane: no, msn })
            .collect();
        keys.into_iter().for_each(|key| self.decide(key));
    }

    /// The lane's rendition as a checked name.
    pub(crate) fn rendition_name(&self, no: LaneNo) -> Option<Name> {
        Name::new(self.lanes.get(&no)?.rendition.clone()?).ok()
    }

    /// A batch from a neighbour, put together with what is known already.
    pub(crate) fn batch_list(
        &self,
        key: SegKey,
        closed: bool,
        batch: &meshedflow_protocol::wire::ListBatch,
    ) -> Result<SignedList, ListError> {
        let prior = self.seg(key).and_then(|s| s.list.as_ref());
        SignedList::extend_from_batch(
            prior,
            batch.header.as_deref(),
            batch.first,
            &batch.records,
            closed,
            batch.signature,
        )
    }
}
