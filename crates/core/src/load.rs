//! One HLS.js request: it waits on its segment, or goes to the origin on its own.

pub(crate) mod assembly;
pub(crate) mod follow;
pub(crate) mod probe;
pub(crate) mod ranges;
pub(crate) mod rate;
pub(crate) mod rescue;
pub(crate) mod source;
pub(crate) mod turns;

use crate::http::{JobKind, MediaGet};
use crate::input::{BlobId, Due, HttpId, LaneNo, LoadId, LoadKind, LoadRequest, Span};
use crate::lane::Lane;
use crate::mesh::Mesh;
use crate::output::{Event, Loaded, Output, Purpose, Reason};
use crate::segment::SegKey;
use crate::sorted::SortedSet;
use crate::time::{Duration, Time};

/// An open load.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) request: LoadRequest,
    pub(crate) asked: Time,
    pub(crate) route: Route,
    /// As last told to the page.
    pub(crate) due: Option<Due>,
    pub(crate) fell_back: Option<Reason>,
    /// Bytes last told as progress.
    pub(crate) told: u32,
}

/// Where a load's bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The segment of its lane, from whoever has it.
    Segment(SegKey),
    /// A GET of its own.
    Direct(HttpId, BlobId),
}

impl Mesh {
    pub(crate) fn on_load(&mut self, request: LoadRequest) {
        if !self.lanes.contains_key(&request.lane) || request.http_only || request.kind != LoadKind::Media {
            return self.load_directly(request, Reason::HttpOnly);
        }
        let key = SegKey { lane: request.lane, msn: request.msn };
        if self.fetches_other_bytes(key, &request) {
            return self.load_directly(request, Reason::HttpOnly);
        }
        self.drop_other_bytes(key, request.range);
        if let Some(lane) = self.lanes.get_mut(&key.lane) {
            lane.note_request(self.now, &request);
            lane.media_loads += 1;
        }
        self.enter_lane(key.lane);
        self.note_level(&request);
        self.check_fit(key);
        let load = Load {
            asked: self.now,
            route: Route::Segment(key),
            due: None,
            fell_back: None,
            told: 0,
            request,
        };
        self.loads.insert(load.request.load, load);
        self.prepare_lane(key.lane);
        self.take_from_index(key.lane);
        self.learned(key, Duration::ZERO, true, 0);
        self.decide(key);
        // What is here already counts: the player's rule for slow loads is blind before the first byte.
        self.tell_progress(key);
    }

    /// Loads wait for other bytes, or a transfer is on from another URL and no list says that it brings what is asked.
    fn fetches_other_bytes(&self, key: SegKey, request: &LoadRequest) -> bool {
        self.seg(key).is_some_and(|seg| {
            let elsewhere =
                seg.list.is_none() && seg.transferring() && seg.url.as_ref() != Some(&request.url);
            elsewhere || self.awaits_other_bytes(key, request.range)
        })
    }

    /// Loads wait for other bytes of a resource under this number.
    pub(crate) fn awaits_other_bytes(&self, key: SegKey, range: Option<(u64, u64)>) -> bool {
        self.seg(key).is_some_and(|seg| seg.byte_range != range) && self.has_load(key)
    }

    /// What was fetched ahead is not what the player asks for: a hint was wrong, or the playlist has changed.
    pub(crate) fn drop_other_bytes(&mut self, key: SegKey, range: Option<(u64, u64)>) {
        if !self.seg(key).is_some_and(|s| s.fetches_other_than(range)) {
            return;
        }
        self.give_up(key);
        self.drop_grants_of(key);
        if let Some(seg) = self.seg_mut(key) {
            seg.transfers.clear();
            (seg.body, seg.body_played, seg.tainted) = (None, false, false);
        }
        self.free_unused_blobs(key);
    }

    fn load_directly(&mut self, request: LoadRequest, reason: Reason) {
        let get = MediaGet {
            kind: JobKind::Direct(request.load),
            url: request.url.clone(),
            range: request.range,
            purpose: Purpose::Media,
            lane: request.lane,
            load: Some(request.load),
        };
        let (http, blob) = self.get_media(get);
        let id = request.load;
        let asked = self.now;
        let load =
            Load { request, asked, route: Route::Direct(http, blob), due: None, fell_back: None, told: 0 };
        self.loads.insert(id, load);
        self.tell_due(id, None, reason);
    }

    /// The body of a direct load is there: deliver it, and remember what an init segment hashes to.
    pub(crate) fn on_direct_body(&mut self, id: LoadId, _http: HttpId, length: u32) {
        let Some(load) = self.loads.remove(&id) else { return };
        let Route::Direct(_, blob) = load.route else { return };
        self.tally.http_bytes(Reason::HttpOnly, length);
        self.push(Output::Loaded(Loaded {
            load: id,
            parts: vec![Span { blob, at: 0, len: length }],
            from_peers: 0,
            from_http: length,
            report_bps: None,
            report_ttfb_ms: 0,
            reason: Reason::HttpOnly,
        }));
        self.measure_init(&load.request, blob, length);
    }

    pub(crate) fn on_direct_failed(&mut self, id: LoadId, http: HttpId) {
        if let Some(Load { route: Route::Direct(_, blob), .. }) = self.loads.remove(&id) {
            self.push(Output::LoadFailed { load: id, http });
            self.push(Output::FreeBlob(blob));
        }
    }

    pub(crate) fn on_load_aborted(&mut self, id: LoadId) {
        let Some(load) = self.loads.remove(&id) else { return };
        match load.route {
            Route::Direct(http, blob) => {
                self.https.remove(&http);
                self.push(Output::AbortGet(http));
                self.push(Output::FreeBlob(blob));
            }
            Route::Segment(key) => self.detach(key),
        }
    }

    /// The player left: what others depend on goes on, the rest stops at once.
    fn detach(&mut self, key: SegKey) {
        if !self.has_load(key) && !self.serves_others(key) {
            self.give_up(key);
        }
    }

    /// Stops all that would bring a segment, and says so.
    fn give_up(&mut self, key: SegKey) {
        self.stop_transfers(key);
        self.cancel_asks_of(key);
        self.say_dropped(key);
        // Else the list that names its URL would begin the fetch again.
        if let Some(seg) = self.seg_mut(key) {
            seg.mine = None;
        }
    }

    /// Others wait for this viewer's fetch. One that already took half of what it plays helps nobody, and the
    /// player may have left it for a lower level, which needs the line.
    fn serves_others(&self, key: SegKey) -> bool {
        let young = |s: &crate::segment::Segment| {
            s.mine.is_some_and(|m| s.duration.is_zero() || self.now.since(m.since) < s.duration / 2)
        };
        let wanted = || self.electable(key.lane, Some(key.msn)).next().is_some();
        self.seg(key).is_some_and(young) && wanted() && !self.line_is_thin() && !self.serves_other_than(key)
    }

    /// One segment for others alone is enough.
    fn serves_other_than(&self, key: SegKey) -> bool {
        let fetched = |s: &crate::segment::Segment| s.mine.is_some() && s.transferring();
        let detached = |no: LaneNo, msn: u64| {
            SegKey { lane: no, msn } != key && !self.has_load(SegKey { lane: no, msn })
        };
        self.lanes
            .iter()
            .filter(|(_, l)| l.left)
            .any(|(no, l)| l.segments.iter().any(|(msn, s)| fetched(s) && detached(*no, *msn)))
    }

    /// The player is in this lane now, and in no other of its kind: what was begun ahead in those only takes from
    /// what it needs.
    pub(crate) fn enter_lane(&mut self, no: LaneNo) {
        let Some(kind) = self.lanes.get_mut(&no).map(|l| (l.left = false, l.info.kind).1) else { return };
        let mut ahead = Vec::new();
        for (other, lane) in self.lanes.iter_mut().filter(|(other, l)| **other != no && l.info.kind == kind) {
            if !core::mem::replace(&mut lane.left, true) {
                lane.left_since = self.now;
                let open = lane.segments.iter().filter(|(_, s)| s.transferring());
                ahead.extend(open.map(|(msn, _)| SegKey { lane: *other, msn: *msn }));
            }
        }
        for key in ahead {
            self.detach(key);
        }
        self.tell_lanes();
    }

    /// The origin's line brings less than twice what is played: other viewers fetch for all sooner than this one.
    pub(crate) fn line_is_thin(&self) -> bool {
        let bps = self.played_bps().max().unwrap_or(0);
        self.http_bps().is_some_and(|http| http < f64::from(bps) * 2.0)
    }

    /// Bit rates of what is played.
    fn played_bps(&self) -> impl Iterator<Item = u32> {
        self.lanes.values().filter(|l| l.is_active(self.now)).map(|l| l.bitrate_bps)
    }

    /// This viewer is known to send too slowly to be the one whom a segment reaches first.
    pub(crate) fn uplink_is_thin(&self) -> bool {
        let bps: u32 = self.played_bps().sum();
        self.uploads.channels.rate().is_some_and(|up| up * 8.0 < f64::from(bps) * 2.0)
    }

    /// A thin line is not spent on what nobody waits for yet where no other viewer would fetch in turn, or while what
    /// comes before it is not there: the origin may have one thin line for all.
    pub(crate) fn needs_its_line(&self, key: SegKey) -> bool {
        let alone = || self.electable(key.lane, None).next().is_none();
        self.line_is_thin() && (alone() || !self.comes_next(key))
    }

    /// All between what the player asked for and this segment is here, or whole at a neighbour.
    fn comes_next(&self, key: SegKey) -> bool {
        let Some(from) = self.lanes.get(&key.lane).and_then(|l| l.last_requested) else { return true };
        (from..key.msn).map(|msn| SegKey { msn, ..key }).all(|before| {
            let listed = self.seg(before).is_some_and(|s| s.list.is_some());
            self.seg(before).is_some_and(|s| s.is_complete()) || listed && self.neighbours_cover(before)
        })
    }

    /// A load waits whose player has nothing: before its first frame, after a seek, in a stall. The line is that load's
    /// alone.
    pub(crate) fn is_starved(&self) -> bool {
        let waits =
            |key: SegKey| self.lanes.get(&key.lane).is_some_and(|l| l.is_media() && self.has_nothing(l));
        self.awaited_segments().into_iter().any(waits)
    }

    fn has_nothing(&self, lane: &Lane) -> bool {
        lane.bound.segments() == 0 || self.ahead_of_player(lane).is_zero()
    }

    pub(crate) fn has_load(&self, key: SegKey) -> bool {
        self.loads.values().any(|l| l.route == Route::Segment(key))
    }

    /// The segments that loads wait for.
    pub(crate) fn awaited_segments(&self) -> SortedSet<SegKey> {
        let segment_of = |l: &Load| match l.route {
            Route::Segment(key) => Some(key),
            Route::Direct(..) => None,
        };
        self.loads.values().filter_map(segment_of).collect()
    }

    pub(crate) fn loads_of(&self, key: SegKey) -> Vec<LoadId> {
        self.loads.iter().filter(|(_, l)| l.route == Route::Segment(key)).map(|(id, _)| *id).collect()
    }

    /// Tells the page until when the core answers for a load, if that changed.
    pub(crate) fn tell_due(&mut self, id: LoadId, at: Due, reason: Reason) {
        let Some(load) = self.loads.get_mut(&id) else { return };
        if load.due == Some(at) {
            return;
        }
        load.due = Some(at);
        self.push(Output::Due { load: id, at, reason });
    }

    /// Tells once per load that it goes over HTTP, and why.
    pub(crate) fn tell_fallback(&mut self, key: SegKey, reason: Reason) {
        for id in self.loads_of(key) {
            let Some(load) = self.loads.get_mut(&id) else { continue };
            if load.fell_back.replace(reason).is_none() {
                self.tally.fallback(reason);
                self.push(Output::Event(Event::Fallback { load: id, reason }));
            }
            self.tell_due(id, None, reason);
        }
    }
}
