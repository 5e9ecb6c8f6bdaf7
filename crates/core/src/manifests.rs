//! When to GET a list, and what a list must be to count.

use meshedflow_manifest::{
    Anchor, KeyRefusal, KeyUse, Kind, ListError, Rolling, RollingError, SegmentEntry, SignedList,
    VerifyError, identity::resource_id, verify,
};
use meshedflow_protocol::ids::Name;

use crate::http::{JobKind, failure_text};
use crate::index::Index;
use crate::input::{HttpFailure, LaneNo};
use crate::lane::{Lane, UNREAD_LIMIT};
use crate::mesh::Mesh;
use crate::output::{Purpose, Reason};
use crate::segment::{SegKey, Segment};
use crate::time::{Duration, Wakeup};

/// Longest document that is kept while the keys are on their way.
const EARLY_LIMIT_BYTES: usize = 256 << 10;
/// A missing list is asked for once more after this.
const LIST_RETRY: Duration = Duration::from_millis(300);
/// A lane whose list cannot be had is left alone for this long.
const LIST_BACKOFF: Duration = Duration::from_secs(15);

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
            self.warn(
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
        if self.keys.awaited() {
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
                self.warn("list-refused", format!("{url}: {why}; its segments stay on HTTP"));
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
            self.warn(
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
        let anchor = Anchor::new(&rolling.epochs, self.keys.min_epoch());
        let Some(no) = self.settle_twin(no, &rolling) else { return };
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        lane.lists.last_ok = Some(now);
        lane.lists.failures = 0;
        let rendition_fits = lane.rendition.as_deref().is_none_or(|r| r == rolling.rendition.as_str());
        if !stream_fits || !rendition_fits {
            lane.refused = Some(Reason::ListMismatch);
            let (url, wanted) =
                (lane.info.list_url.clone(), (self.options.stream_id.clone(), lane.rendition.clone()));
            return self.warn(
                "list-mismatch",
                format!(
                    "{url} is for stream {} rendition {}; expected stream {} rendition {}",
                    rolling.stream.as_str(),
                    rolling.rendition.as_str(),
                    wanted.0,
                    wanted.1.unwrap_or_else(|| "of that playlist".into())
                ),
            );
        }
        let anchor = match anchor {
            Ok(anchor) => anchor,
            Err(why) => return self.warn("epochs-refused", format!("{}: {why}", self.list_url(no))),
        };
        self.anchor_lane(no, &rolling, anchor);
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
                ListVerdict::NoKey => {
                    let url = self.list_url(no);
                    let text = format!(
                        "{url}: no trusted key signed segment {}; its segments stay on HTTP",
                        key.msn
                    );
                    self.warn("no-trusted-key", text);
                    self.distrust(no);
                }
                ListVerdict::False => self.distrust(no),
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

    /// One document that waited for the keys, or one more list of each lane.
    pub(crate) fn tick_lists(&mut self) {
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
        let early = |l: &Lane| l.lists.early.is_some() && !self.keys.awaited();
        self.lanes.iter().find(|(_, l)| early(l)).map(|(no, _)| *no)
    }

    pub(crate) fn lists_wakeup(&self) -> Option<Wakeup> {
        let unread = self.lanes.values().any(|lane| !lane.lists.unread.is_empty());
        let now = (unread || self.early_document().is_some()).then_some(self.now);
        let at = now.or_else(|| self.quarantines.until(self.now))?;
        Some(Wakeup { at, reason: "unread list" })
    }

    pub(crate) fn list_url(&self, no: LaneNo) -> String {
        self.lanes.get(&no).map(|l| l.info.list_url.clone()).unwrap_or_default()
    }

    fn anchor_lane(&mut self, no: LaneNo, rolling: &Rolling, anchor: Anchor) {
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        lane.rendition.get_or_insert_with(|| rolling.rendition.as_str().to_owned());
        lane.ended = Some(rolling.complete);
        lane.live = !rolling.complete;
        if rolling.target_ms > 0 {
            lane.target = Duration::from_millis(rolling.target_ms.into());
        }
        match &mut lane.anchor {
            Some(old) => {
                if let Err(why) = old.advance(anchor) {
                    let url = lane.info.list_url.clone();
                    return self.warn("epochs-refused", format!("{url}: {why}"));
                }
            }
            none => *none = Some(anchor),
        }
        self.join_lane();
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
                return self
                    .warn("list-refused", format!("{} segment {}: {why}", self.list_url(no), entry.msn));
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
            lane.proven &= lane.unlisted < 3;
        }
    }

    /// The one place where a list comes to count.
    pub(crate) fn learn_list(&mut self, key: SegKey, list: SignedList, via_https: bool) -> ListVerdict {
        if !self.list_is_for(key, &list) {
            return ListVerdict::Unusable;
        }
        let prior = self.seg(key).and_then(|s| s.list.as_ref());
        let count = u16::try_from(list.records.len()).unwrap_or(u16::MAX);
        if prior.is_some_and(|p| p.covers(count, list.closed) && p.header() == &list.header && !via_https) {
            return ListVerdict::Known;
        }
        if prior.is_some_and(|p| p.signed_list() == &list) {
            return ListVerdict::Known;
        }
        let use_ = KeyUse { via_https, issued_at: list.header.issued_at, now_unix: self.unix_now() };
        if self.options.mutant("trust-any-key") {
            return self.trust_blindly(key, list);
        }
        let found = self.keys.find(&list.header.kid, list.header.stream.as_str(), use_);
        let trusted = match found {
            Ok(key) => key,
            Err(why) => {
                if why == KeyRefusal::Unknown {
                    self.reread_keys_for_unknown_kid();
                }
                return ListVerdict::NoKey;
            }
        };
        let Some(lane) = self.lanes.get_mut(&key.lane) else { return ListVerdict::Unusable };
        let prior = lane.segments.get(&key.msn).and_then(|s| s.list.as_ref());
        match verify(list, &trusted, prior, &mut self.check) {
            Ok(verified) => self.keep_list(key, verified),
            Err(VerifyError::Signature | VerifyError::Key { .. }) => {
                self.tally.false_signatures += 1;
                if via_https {
                    self.warn(
                        "list-signature",
                        format!(
                            "{} segment {}: the signature is false; its segments stay on HTTP",
                            self.list_url(key.lane),
                            key.msn
                        ),
                    );
                }
                ListVerdict::False
            }
            Err(VerifyError::Disagrees(_)) => self.quarantine(key),
            Err(_) => ListVerdict::Unusable,
        }
    }

    /// For the mutant that shows what keys are good for: any list counts, as if a trusted key had signed it.
    #[cfg(feature = "mutants")]
    fn trust_blindly(&mut self, key: SegKey, mut list: SignedList) -> ListVerdict {
        struct Anyone;
        impl meshedflow_manifest::SignatureCheck for Anyone {
            fn check(&mut self, _: &[u8; 32], _: &[u8], _: &[u8; 64]) -> bool {
                true
            }
        }
        let Some(stand_in) = self.keys.any() else { return ListVerdict::NoKey };
        list.header.kid = stand_in.kid();
        match verify(list, &stand_in, None, &mut Anyone) {
            Ok(verified) => self.keep_list(key, verified),
            Err(_) => ListVerdict::Unusable,
        }
    }

    #[cfg(not(feature = "mutants"))]
    fn trust_blindly(&mut self, _: SegKey, _: SignedList) -> ListVerdict {
        ListVerdict::NoKey
    }

    /// Stream, rendition, sequence, kind and epoch as this viewer knows them, not as the list says.
    fn list_is_for(&self, key: SegKey, list: &SignedList) -> bool {
        let Some(lane) = self.lanes.get(&key.lane) else { return false };
        let h = &list.header;
        let stream = h.stream.as_str() == self.options.stream_id || self.options.mutant("ignore-stream");
        stream
            && lane.rendition.as_deref() == Some(h.rendition.as_str())
            && h.msn == key.msn
            && h.kind != Kind::Init
            && lane.anchor.as_ref().and_then(|a| a.epoch_for(key.msn)) == Some(h.epoch)
    }

    fn keep_list(&mut self, key: SegKey, verified: meshedflow_manifest::VerifiedList) -> ListVerdict {
        let now = self.now;
        let Some(lane) = self.lanes.get_mut(&key.lane) else { return ListVerdict::Unusable };
        let seg = lane.segment(key.msn);
        // What still grows is not there to be fetched, and nobody is elected to.
        if verified.closed() {
            seg.release.get_or_insert(now);
            seg.list_retry = None;
        }
        let released = seg.release.is_some();
        seg.list = Some(verified);
        if released {
            lane.knows_of(key.msn);
        }
        lane.proven = true;
        lane.unlisted = 0;
        self.check_fit(key);
        self.grant_transfers(key);
        ListVerdict::News
    }

    /// The list must be about exactly what HLS.js asked for: resource, discontinuity, range.
    pub(crate) fn check_fit(&mut self, key: SegKey) {
        let Some(seg) = self.seg_mut(key) else { return };
        let Some(list) = seg.list.as_ref() else { return };
        let h = list.header();
        let resource = seg.name.as_ref().is_none_or(|name| resource_id(name) == h.resource);
        let discontinuity = seg.discontinuity.is_none_or(|d| d == h.dsn);
        let range = match seg.byte_range {
            Some((a, b)) => {
                let length = b.saturating_sub(a);
                h.range_base == a && (!list.closed() || u64::from(list.length()) == length)
            }
            None => seg.url.is_none() || h.range_base == 0,
        };
        seg.mismatch = !(resource && discontinuity && range);
        if seg.mismatch {
            self.warn("list-mismatch", format!("the list of segment {} is not about the resource, discontinuity or range that the player asked for", key.msn));
        }
    }

    fn quarantine(&mut self, key: SegKey) -> ListVerdict {
        if let Some(seg) = self.seg_mut(key) {
            seg.quarantined = true;
        }
        self.quarantines.note(self.now);
        self.part_twins(key.lane);
        self.warn(
            "quarantine",
            format!("two signed lists of segment {} disagree; it stays on HTTP", key.msn),
        );
        self.review_sharing();
        ListVerdict::Quarantine
    }

    /// Forgets a list and all that it vouched for.
    pub(crate) fn drop_list(&mut self, key: SegKey) {
        self.cancel_asks_of(key);
        self.drop_grants_of(key);
        if let Some(seg) = self.seg_mut(key) {
            seg.list = None;
            seg.fragments.clear();
            seg.quarantined = true;
        }
        self.free_unused_blobs(key);
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
