//! What a list must be to count, and what becomes of one that does not, or no more.

use meshedflow_manifest::{
    KeyRefusal, KeyUse, Kind, PublicKey, SignedList, VerifiedList, VerifyError, identity::resource_id, verify,
};

use super::ListVerdict;
use crate::input::{HttpId, LaneNo};
use crate::mesh::Mesh;
use crate::segment::SegKey;

/// Live lists of neighbours were signed so many seconds before or after the newest that the origin itself brought.
const ISSUED_WITHIN_S: u32 = 3_600;
/// From here on the origin's document is read again, so that the newest list known of it does not fall behind.
const ISSUED_AHEAD_S: u32 = 2_700;
/// Disputed segments remembered per lane; with three the mesh is off.
pub(crate) const DISPUTED_LIMIT: usize = 64;

impl Mesh {
    /// The one place where a list comes to count.
    pub(crate) fn learn_list(&mut self, key: SegKey, list: SignedList, via_https: bool) -> ListVerdict {
        if !self.list_is_for(key, &list) || self.is_disputed(key) {
            return ListVerdict::Unusable;
        }
        if self.knows_list(key, &list, via_https) {
            return ListVerdict::Known;
        }
        if !via_https && !self.is_current(key, &list) {
            return ListVerdict::Unusable;
        }
        if self.options.mutant("trust-any-key") {
            return self.trust_blindly(key, list);
        }
        let Some(trusted) = self.trusted_key(key, &list, via_https) else { return ListVerdict::NoKey };
        let Some(lane) = self.lanes.get_mut(&key.lane) else { return ListVerdict::Unusable };
        let prior = lane.segments.get(&key.msn).and_then(|s| s.list.as_ref());
        match verify(list, &trusted, prior, &mut self.check) {
            Ok(verified) => {
                self.note_issued(key.lane, verified.header().issued_at, via_https);
                self.keep_list(key, verified)
            }
            Err(VerifyError::Signature | VerifyError::Key { .. }) => {
                self.tally.false_signatures += 1;
                if via_https {
                    let text = format!(
                        "{} segment {}: the signature is false; its segments stay on HTTP",
                        self.list_url(key.lane),
                        key.msn
                    );
                    self.distrust(key.lane);
                    self.tell_trouble(key.lane, "list-signature", text);
                }
                ListVerdict::False
            }
            Err(VerifyError::Disagrees(_)) => self.quarantine(key),
            Err(_) => ListVerdict::Unusable,
        }
    }

    /// The list says what is known, or less of it. A neighbour's is not looked at then; the origin's own, if it is of the
    /// same header, shows how far the origin is.
    fn knows_list(&mut self, key: SegKey, list: &SignedList, via_https: bool) -> bool {
        let Some(prior) = self.seg(key).and_then(|s| s.list.as_ref()) else { return false };
        let count = u16::try_from(list.records.len()).unwrap_or(u16::MAX);
        let same_header = prior.header() == &list.header;
        let same = prior.signed_list() == list;
        let known = same || prior.covers(count, list.closed) && same_header && !via_https;
        if via_https && same_header {
            self.note_issued(key.lane, list.header.issued_at, true);
        }
        known
    }

    /// The key that signed it, if that counts in this lane.
    fn trusted_key(&mut self, key: SegKey, list: &SignedList, via_https: bool) -> Option<PublicKey> {
        let use_ = KeyUse { via_https, issued_at: list.header.issued_at, now_unix: self.unix_now() };
        let origin = self.lanes.get(&key.lane)?.info.origin.clone();
        let found = self.keys.find(&list.header.kid, list.header.stream.as_str(), &origin, use_);
        if found == Err(KeyRefusal::Unknown) {
            self.reread_keys_for_unknown_kid(&origin);
        }
        if let Err(why) = found
            && via_https
        {
            self.distrust(key.lane);
            self.tell_refused_key(key, &origin, why);
        }
        found.ok()
    }

    /// A live list of a neighbour was signed about when the newest was that the origin itself brought: yesterday's words,
    /// and tomorrow's, are of no use, whoever signed them.
    fn is_current(&mut self, key: SegKey, list: &SignedList) -> bool {
        let Some(lane) = self.lanes.get(&key.lane).filter(|l| l.live) else { return true };
        let Some(newest) = lane.lists.issued_at else { return false };
        let issued = list.header.issued_at;
        if issued > newest.saturating_add(ISSUED_AHEAD_S) {
            self.want_fresh_document(key.lane);
        }
        issued.abs_diff(newest) <= ISSUED_WITHIN_S
    }

    /// Only what the origin itself brought, and a key that counts signed, is the measure of others.
    fn note_issued(&mut self, no: LaneNo, issued_at: u32, via_https: bool) {
        if let Some(lane) = self.lanes.get_mut(&no).filter(|_| via_https) {
            lane.lists.issued_at = lane.lists.issued_at.max(Some(issued_at));
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
    fn list_is_for(&mut self, key: SegKey, list: &SignedList) -> bool {
        let Some(lane) = self.lanes.get(&key.lane) else { return false };
        let h = &list.header;
        let stream = h.stream.as_str() == self.options.stream_id || self.options.mutant("ignore-stream");
        let fits = stream
            && lane.rendition.as_deref() == Some(h.rendition.as_str())
            && h.msn == key.msn
            && h.kind != Kind::Init;
        let Some(anchor) = lane.anchor.as_ref().filter(|_| fits) else { return false };
        let (named, unheard_of) = (anchor.epoch_for(key.msn), h.epoch > anchor.newest());
        if unheard_of {
            self.want_fresh_document(key.lane);
        }
        named == Some(h.epoch)
    }

    fn keep_list(&mut self, key: SegKey, verified: VerifiedList) -> ListVerdict {
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
        lane.trouble = None;
        self.check_fit(key);
        self.grant_transfers(key);
        ListVerdict::News
    }

    /// The list must be about exactly what HLS.js asked for: resource, discontinuity, range, init segment.
    pub(crate) fn check_fit(&mut self, key: SegKey) {
        let swapped = self.init_is_another(key);
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
        seg.mismatch = !(resource && discontinuity && range) || swapped;
        if seg.mismatch {
            self.note_trouble(key.lane, "list-mismatch");
            self.warn("list-mismatch", format!("the list of segment {} is not about the resource, discontinuity, range or init segment that the player asked for", key.msn));
        }
    }

    /// Neither of two lists counts, nor anything that came by them.
    fn quarantine(&mut self, key: SegKey) -> ListVerdict {
        if let Some(lane) = self.lanes.get_mut(&key.lane) {
            if lane.lists.disputed.len() >= DISPUTED_LIMIT {
                let first = lane.lists.disputed.iter().next().copied();
                first.map(|msn| lane.lists.disputed.remove(&msn));
            }
            lane.lists.disputed.insert(key.msn);
        }
        if let Some(lane) = self.lanes.get(&key.lane) {
            self.disputes.note(&lane.info.origin, self.now);
        }
        self.part_twins(key.lane);
        self.warn(
            "quarantine",
            format!("two signed lists of segment {} disagree; it stays on HTTP", key.msn),
        );
        self.drop_list(key);
        self.review_sharing();
        self.leave_stopped_lanes();
        ListVerdict::Quarantine
    }

    /// Two lists disagreed, or a revoked key signed it: the segment comes over HTTP alone, whatever is shown now.
    fn is_disputed(&self, key: SegKey) -> bool {
        let lane = self.lanes.get(&key.lane);
        lane.is_some_and(|l| l.lists.disputed.contains(&key.msn))
            || self.seg(key).is_some_and(|s| s.quarantined)
    }

    /// Forgets a list and all that it vouched for, and takes no other.
    pub(crate) fn drop_list(&mut self, key: SegKey) {
        if let Some(seg) = self.seg_mut(key) {
            seg.quarantined = true;
        }
        self.void_list(key);
        self.decide(key);
    }

    /// Forgets a list and all that it vouched for. A whole body on its way from the origin needs no list to be played.
    pub(super) fn void_list(&mut self, key: SegKey) {
        self.cancel_asks_of(key);
        self.drop_grants_of(key);
        self.uploads.forget_segment(key);
        self.peers.values_mut().for_each(|p| {
            p.shown.remove(&key);
        });
        let Some(seg) = self.seg_mut(key) else { return };
        (seg.list, seg.mismatch, seg.peer_bytes, seg.http_bytes) = (None, false, 0, 0);
        seg.fragments.clear();
        seg.senders.clear();
        seg.transfers.values_mut().for_each(|t| (t.granted, t.verified) = (0, 0));
        let ranged = seg.transfers.iter().filter(|(_, t)| t.done.is_none() && t.to.is_some());
        let ranged: Vec<HttpId> = ranged.map(|(http, _)| *http).collect();
        ranged.into_iter().for_each(|http| self.stop_transfer(key, http));
        self.free_unused_blobs(key);
        if self.seg(key).is_some_and(|s| s.mine.is_some() && !s.transferring()) {
            if let Some(seg) = self.seg_mut(key) {
                seg.mine = None;
            }
            self.say_dropped(key);
        }
    }
}
