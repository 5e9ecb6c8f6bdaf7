//! Putting a segment together: only verified fragments, or one whole body as HTTP gave it.

use crate::input::{BlobId, GrantId, LoadId, LoadKind, LoadRequest, Span};
use crate::load::rate::Origin;
use crate::mesh::Mesh;
use crate::output::{Event, Expect, Loaded, Output, Reason, Source};
use crate::segment::{SegKey, Segment};
use crate::time::Duration;
use crate::verify::{Mismatch, Verified};

/// What the player may get. Nothing else converts into bytes for it.
enum Playable {
    /// Every fragment verified.
    Verified(Vec<Span>),
    /// One body from the origin, as plain HLS.js would have got it.
    OriginHttp(Span),
}

impl Mesh {
    /// A fragment passed the door.
    pub(crate) fn on_verified(&mut self, key: SegKey, v: Verified, took: Duration, over: bool) {
        let (index, span, from) = (v.key().index, v.span(), v.from());
        let len = span.len;
        let now = self.now;
        if let Source::Peer(conn, request) = from {
            self.on_peer_fragment(key, conn, request, len, took, over);
        }
        let Some(seg) = self.seg_mut(key) else { return };
        seg.asked.remove(&index);
        if seg.fragments.contains_key(&index) {
            self.tally.duplicate_bytes += u64::from(len);
            return;
        }
        seg.fragments.insert(index, v);
        // How long the body of a GET is, is known only when it ends, and this fragment may end it.
        let kept = seg.blobs.entry(span.blob).or_default();
        *kept = (*kept).max(span.at + len);
        let mut fresh = len;
        match from {
            Source::Peer(..) => seg.peer_bytes += len,
            Source::Http(http) => {
                seg.http_bytes += len;
                if let Some(transfer) = seg.transfers.get_mut(&http) {
                    transfer.verified += len;
                    // A body that has ended was counted then.
                    fresh = if transfer.done.is_some() { 0 } else { len };
                }
            }
            Source::Offered => seg.http_bytes += len,
        }
        if fresh > 0 {
            seg.flow.arrived(now, fresh);
        }
        seg.mind_flow(now);
        self.announce(key, index);
        self.tell_progress(key);
        self.decide(key);
    }

    /// A fragment did not pass the door.
    pub(crate) fn on_mismatch(&mut self, key: SegKey, index: u16, from: Source, why: Mismatch) {
        self.tally.verify_failures += 1;
        match from {
            Source::Peer(conn, request) => {
                if let Some(seg) = self.seg_mut(key) {
                    seg.shunned.insert(conn);
                }
                self.cancel_ask(conn, request);
                self.strike(conn, &format!("fragment {index} of segment {}: {why}", key.msn));
            }
            Source::Http(http) => {
                self.taint(key, &why.to_string());
                self.drop_grants_of_http(http);
            }
            Source::Offered => self.taint(key, &why.to_string()),
        }
        self.decide(key);
    }

    /// The origin's own bytes differ from its list: play them, keep nothing of them.
    pub(crate) fn taint(&mut self, key: SegKey, why: &str) {
        if let Some(seg) = self.seg_mut(key) {
            seg.tainted = true;
        }
        self.warn(
            "http-mismatch",
            format!(
                "segment {} over HTTP differs from its signed list ({why}); it is played but not shared",
                key.msn
            ),
        );
    }

    /// Delivers the segment to every load that waits for it, if it can be.
    pub(crate) fn try_finish(&mut self, key: SegKey) -> bool {
        // Segments that are still coming, or that are all here with nothing left to settle, are looked at often.
        if !self.is_playable(key) {
            return false;
        }
        let loads = self.loads_of(key);
        if loads.is_empty() && self.seg(key).is_some_and(Segment::is_settled) {
            return true;
        }
        let Some(playable) = self.playable(key) else { return false };
        let played = !loads.is_empty() && matches!(playable, Playable::OriginHttp(_));
        let starved = self.is_starved();
        for id in loads {
            self.deliver(key, id, &playable);
        }
        if let Some(seg) = self.seg_mut(key).filter(|_| played) {
            seg.body_played = true;
        }
        self.settle(key);
        if starved && !self.is_starved() {
            // What was put off so far.
            self.lanes.keys().copied().collect::<Vec<_>>().into_iter().for_each(|no| self.revisit(no));
        }
        true
    }

    fn is_playable(&self, key: SegKey) -> bool {
        self.seg(key).is_some_and(|seg| {
            let verified = seg.is_complete() && !seg.tainted && !seg.mismatch && !seg.quarantined;
            seg.body.is_some() && !seg.body_played || verified && self.init_fits(key)
        })
    }

    fn playable(&self, key: SegKey) -> Option<Playable> {
        let seg = self.seg(key).filter(|_| self.is_playable(key))?;
        Some(match seg.body.filter(|_| !seg.body_played) {
            Some((blob, len)) => Playable::OriginHttp(Span { blob, at: 0, len }),
            None => Playable::Verified(seg.spans()),
        })
    }

    fn deliver(&mut self, key: SegKey, id: LoadId, playable: &Playable) {
        let Some(load) = self.loads.remove(&id) else { return };
        let parts = match playable {
            Playable::Verified(spans) => spans.clone(),
            Playable::OriginHttp(span) => vec![*span],
        };
        let length: u32 = parts.iter().map(|s| s.len).sum();
        let Some(seg) = self.seg(key) else { return };
        let from_peers =
            if matches!(playable, Playable::OriginHttp(_)) { 0 } else { seg.peer_bytes.min(length) };
        let origin = self.origin_of_load(seg, &load, from_peers);
        let reason = load.fell_back.unwrap_or_else(|| match origin {
            Origin::Store => Reason::Store,
            Origin::Peers => Reason::Peer,
            Origin::Http | Origin::HttpBefore => seg.reason.unwrap_or(Reason::Elected),
        });
        let done = Loaded {
            load: id,
            parts,
            from_peers,
            from_http: length - from_peers,
            report_bps: self.report_bps(seg, &load, &origin, length),
            report_ttfb_ms: u32::try_from(self.http.ttfb().as_millis()).unwrap_or(100).max(1),
            reason,
        };
        self.note_speed(key, &load.request, from_peers, length);
        self.account(key, &load.request, &done);
        self.push(Output::Loaded(done));
    }

    fn account(&mut self, key: SegKey, r: &LoadRequest, done: &Loaded) {
        let now = self.now;
        self.tally.delivered(done.from_peers, done.from_http, done.reason);
        let peers = self.seg(key).map_or(0, |s| s.senders.len());
        if let Some(lane) = self.lanes.get_mut(&key.lane) {
            lane.bound.delivered(now, key.msn, Duration::from_millis(r.duration_ms.into()));
        }
        self.push(Output::Event(Event::Segment {
            lane: key.lane,
            msn: key.msn,
            from_peers: done.from_peers,
            from_http: done.from_http,
            peers: u32::try_from(peers).unwrap_or(u32::MAX),
            reason: done.reason,
        }));
    }

    /// Nothing more is needed for this segment: stop what still runs, free what nobody verified.
    fn settle(&mut self, key: SegKey) {
        let complete = self.seg(key).is_some_and(Segment::is_complete);
        if complete {
            self.stop_transfers(key);
            self.cancel_asks_of(key);
            if let Some(seg) = self.seg_mut(key) {
                seg.body = None;
            }
            self.free_unused_blobs(key);
        } else if self.seg(key).is_some_and(|s| s.tainted) && !self.has_load(key) {
            self.forget_segment(key);
        }
        self.evict();
    }

    /// Frees blobs of which no verified fragment remains.
    pub(crate) fn free_unused_blobs(&mut self, key: SegKey) {
        let Some(seg) = self.seg_mut(key) else { return };
        let used: crate::sorted::SortedSet<BlobId> = seg
            .fragments
            .values()
            .map(|v| v.span().blob)
            .chain(seg.transfers.values().filter(|t| t.done.is_none()).map(|t| t.blob))
            .chain(seg.body.map(|(b, _)| b))
            .collect();
        let idle: Vec<BlobId> = seg.blobs.keys().filter(|b| !used.contains(b)).copied().collect();
        let pending: crate::sorted::SortedSet<BlobId> = self.grants.values().map(|g| g.blob).collect();
        for blob in idle.into_iter().filter(|b| !pending.contains(b)) {
            if let Some(seg) = self.seg_mut(key) {
                seg.blobs.remove(&blob);
            }
            self.push(Output::FreeBlob(blob));
        }
    }

    /// Tells the loads of a segment what is usable. Bytes of a load's own GETs the page counts as they arrive.
    pub(crate) fn tell_progress(&mut self, key: SegKey) {
        for load in self.loads_of(key) {
            let Some(seg) = self.seg(key) else { return };
            let (verified, total) = (seg.verified_beside(load), seg.length());
            if let Some(l) = self.loads.get_mut(&load).filter(|l| l.told < verified) {
                l.told = verified;
                self.push(Output::Progress { load, verified, total });
            }
        }
    }

    /// True if the init segment that HLS.js read is the one the list binds to. Unknown yet: not usable yet.
    pub(crate) fn init_fits(&self, key: SegKey) -> bool {
        let Some(lane) = self.lanes.get(&key.lane) else { return false };
        let Some(seg) = lane.segments.get(&key.msn) else { return false };
        let Some(list) = seg.list.as_ref() else { return false };
        let signed = list.header().init_digest;
        match &seg.init {
            None => signed == [0; 32],
            Some(name) => lane.inits.get(name) == Some(&signed),
        }
    }

    /// The player asked for this segment, and its init segment is known not to be the one that the list binds to.
    pub(crate) fn init_is_another(&self, key: SegKey) -> bool {
        let Some(lane) = self.lanes.get(&key.lane) else { return false };
        let Some(seg) = lane.segments.get(&key.msn).filter(|s| s.name.is_some()) else { return false };
        let read = seg.init.as_ref().is_none_or(|name| lane.inits.contains_key(name));
        seg.list.is_some() && read && !self.init_fits(key)
    }

    /// An init segment arrived over HTTP: its digest decides which lists fit.
    pub(crate) fn measure_init(&mut self, r: &LoadRequest, blob: BlobId, length: u32) {
        if r.kind != LoadKind::Init || length == 0 {
            self.push(Output::FreeBlob(blob));
            return;
        }
        let grant = GrantId(self.fresh());
        self.inits.insert(grant, (r.lane, init_name(r), blob));
        let from = Source::Offered;
        self.push(Output::Expect(Expect {
            grant,
            from,
            blob,
            range: 0..length,
            base: 0,
            cuts: vec![length],
        }));
    }

    /// The digest of an init segment.
    pub(crate) fn on_init_measured(&mut self, id: GrantId, measured: &meshedflow_manifest::Measured) -> bool {
        let Some((lane, name, blob)) = self.inits.remove(&id) else { return false };
        self.push(Output::FreeBlob(blob));
        let Some(l) = self.lanes.get_mut(&lane) else { return true };
        if l.inits.len() >= 16 {
            l.inits.pop_first();
        }
        l.inits.insert(name, *measured.sha256());
        let waiting = self.awaited_segments();
        for key in waiting.into_iter().filter(|key| key.lane == lane) {
            self.check_fit(key);
            self.decide(key);
        }
        true
    }
}

/// The name under which an init segment is remembered, as [`LoadRequest::init`] writes it.
fn init_name(r: &LoadRequest) -> String {
    match r.range {
        Some((start, end)) => format!("{}@{start}-{end}", r.name),
        None => r.name.clone(),
    }
}
