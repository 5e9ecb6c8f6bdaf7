//! Fetching from the origin: whole, or exactly the missing range, and what comes of it.

use crate::http::{JobKind, MediaGet};
use crate::input::{HttpId, LoadId, Span};
use crate::load::ranges::Rescue;
use crate::mesh::Mesh;
use crate::output::{Output, Purpose, Reason, Source};
use crate::peer::claims::{RESCUE, SUPERSEDES};
use crate::scheduler::election;
use crate::segment::{Mine, SegKey, Transfer};
use crate::time::{Duration, Time};
use crate::url::origin_of;

/// Origins that are remembered to answer no ranges.
pub(crate) const NO_RANGE_LIMIT: usize = 64;

impl Mesh {
    /// Gets what is missing for the waiting loads over HTTP, beside whatever peers still send.
    pub(crate) fn fetch_over_http(&mut self, key: SegKey, reason: Reason) {
        let rescue = self.rescue_of(key);
        if rescue == Rescue::Nothing && self.seg(key).is_some_and(|s| !s.transferring()) {
            // Due no later than the player needs it: looked at again by then.
            return self.tell_due_by_deadline(key);
        }
        if let Some(seg) = self.seg_mut(key) {
            seg.reason.get_or_insert(reason);
        }
        self.tell_fallback(key, reason);
        if self.http_covers_rest(key) {
            return;
        }
        match rescue {
            Rescue::Nothing => {}
            Rescue::Whole => {
                self.start_transfer(key, None, Purpose::Media);
                self.claim(key, SUPERSEDES, None);
                self.cancel_asks_of(key);
            }
            Rescue::Ranges(ranges) => {
                for range in ranges {
                    self.cancel_asks_within(key, range);
                    self.start_transfer(key, Some(range), Purpose::Media);
                    self.claim(key, RESCUE, Some(range));
                }
                self.ask_neighbours(key);
            }
        }
    }

    /// Begins the fetch that the election gave this viewer.
    pub(crate) fn begin_fetch(&mut self, key: SegKey, stage: u8, reason: Reason) {
        let Some(seg) = self.seg_mut(key) else { return };
        seg.reason = Some(reason);
        let known_url = seg.url.is_some();
        if known_url {
            self.tally.elections += 1;
            self.fetch_rest(key, stage);
        } else if self.want_url(key) {
            self.tally.elections += 1;
            self.claim(key, stage, None);
        }
    }

    /// Gets what nobody has brought so far: in ranges where some of it is here.
    fn fetch_rest(&mut self, key: SegKey, stage: u8) {
        match self.rest_of(key) {
            Rescue::Ranges(ranges) => {
                for range in ranges {
                    self.cancel_asks_within(key, range);
                    self.start_transfer(key, Some(range), Purpose::Elected);
                    self.claim(key, stage, Some(range));
                }
            }
            Rescue::Nothing => {}
            Rescue::Whole => {
                self.claim(key, stage, None);
                self.start_transfer(key, None, Purpose::Elected);
            }
        }
    }

    /// Notes and announces this viewer's own fetch.
    fn claim(&mut self, key: SegKey, stage: u8, range: Option<(u32, u32)>) {
        let now = self.now;
        if let Some(seg) = self.seg_mut(key) {
            seg.mine.get_or_insert(Mine { since: now, stage });
        }
        self.say_fetching(key, stage, range);
    }

    /// The list named the URL of a segment that this viewer was elected for.
    pub(crate) fn start_if_elected(&mut self, key: SegKey) {
        let ready = self.seg(key).is_some_and(|s| {
            s.mine.is_some()
                && s.url.is_some()
                && s.transfers.is_empty()
                && s.body.is_none()
                && !s.is_complete()
        });
        if ready {
            if let Some(lane) = self.lanes.get_mut(&key.lane) {
                lane.lists.expected.remove(&key.msn);
            }
            self.fetch_rest(key, 0);
        }
    }

    /// True if running transfers will bring all that is missing.
    pub(crate) fn http_covers_rest(&self, key: SegKey) -> bool {
        let Some(seg) = self.seg(key) else { return false };
        if seg.running().any(|t| t.from == 0 && t.to.is_none()) {
            return true;
        }
        let missing = seg.missing();
        seg.length().is_some() && !missing.is_empty() && missing.iter().all(|i| seg.http_brings(*i))
    }

    /// When a GET on which a load waits, but which was not made for it, counts as hung: a prefetch, or one
    /// that outlived the load it was made for. A load's own GET has the player's limits, except that nobody
    /// waits for it while neighbours hold what it should bring; where the origin is slow they are asked beside it.
    pub(crate) fn hung_at(&self, key: SegKey) -> Option<Time> {
        let seg = self.seg(key).filter(|s| s.transferring())?;
        let running = || seg.transfers.iter().filter(|(_, t)| t.done.is_none()).map(|(http, _)| *http);
        let own = |http: HttpId| self.is_of_load(http);
        let is_players = || running().any(own) && (self.http_is_late(key) || !self.neighbours_cover(key));
        if !self.has_load(key) || is_players() || self.options.mutant("trust-hung-gets") {
            return None;
        }
        let heard = running().filter_map(|http| self.heard_of(http)).max()?;
        let patience = self.http_time(key).max(self.http.ttfb() * 3).max(Duration::from_millis(1_500));
        Some(heard + patience)
    }

    /// When a GET was begun, answered, or last brought a fragment.
    fn heard_of(&self, http: HttpId) -> Option<Time> {
        let job = self.https.get(&http)?;
        let cuts = self.grants.values().filter(|g| g.from == Source::Http(http)).map(|g| g.since);
        Some(cuts.chain(job.head).fold(job.started, Time::max))
    }

    /// Gives up GETs that hang while a load waits on them.
    pub(crate) fn drop_hung(&mut self, key: SegKey) {
        if self.hung_at(key).is_none_or(|at| self.now < at) {
            return;
        }
        self.stop_transfers(key);
        if let Some(seg) = self.seg_mut(key) {
            seg.mine = None;
        }
        self.say_dropped(key);
        self.block_prefetch(key);
    }

    pub(crate) fn start_transfer(
        &mut self,
        key: SegKey,
        range: Option<(u32, u32)>,
        purpose: Purpose,
    ) -> Option<HttpId> {
        let load = self.loads_of(key).first().copied();
        let seg = self.seg(key)?;
        let url = seg.url.clone()?;
        let start = seg.byte_range.map_or(0, |(a, _)| a);
        let asked = match range {
            Some((a, b)) => Some((start + u64::from(a), start + u64::from(b))),
            None => seg.byte_range,
        };
        let purpose = match (range, load) {
            (Some(_), _) => Purpose::Rescue,
            (None, Some(_)) => Purpose::Media,
            (None, None) => purpose,
        };
        let (kind, of) = (JobKind::Segment(key), seg.byte_range);
        let (http, blob) =
            self.get_media(MediaGet { kind, url, range: asked, purpose, lane: key.lane, load });
        let (from, to) = range.map_or((0, None), |(a, b)| (a, Some(b)));
        let transfer = Transfer { of, ..Transfer::new(self.now, blob, from, to, load) };
        if let Some(seg) = self.seg_mut(key) {
            seg.transfers.insert(http, transfer);
            seg.blobs.insert(blob, 0);
        }
        self.grant_transfers(key);
        self.want_list_for(key);
        Some(http)
    }

    /// Gives grants for records that the list names and a transfer brings (or has brought).
    pub(crate) fn grant_transfers(&mut self, key: SegKey) {
        let Some(seg) = self.seg(key) else { return };
        if seg.tainted || seg.quarantined {
            return;
        }
        let count = seg.list.as_ref().map_or(0, |l| l.count());
        let due: Vec<(HttpId, crate::input::BlobId, u32, Vec<u16>)> = seg
            .transfers
            .iter()
            .filter(|(_, t)| t.granted < count)
            .map(|(http, t)| {
                let inside = |i: &u16| seg.bounds(*i).is_some_and(|(a, b)| t.brings(a, b));
                let within_body =
                    |i: &u16| t.done.is_none_or(|len| seg.bounds(*i).is_some_and(|(_, b)| b - t.from <= len));
                (*http, t.blob, t.from, (t.granted..count).filter(inside).filter(within_body).collect())
            })
            .collect();
        for (http, blob, base, records) in due {
            self.grant(key, Source::Http(http), blob, base, &records);
            if let Some(t) = self.seg_mut(key).and_then(|s| s.transfers.get_mut(&http)) {
                t.granted = count;
            }
        }
    }

    /// 200 where a range was asked: the whole body comes instead.
    pub(crate) fn on_segment_head(&mut self, key: SegKey, http: HttpId, status: u16, length: Option<u64>) {
        let now = self.now;
        let Some(seg) = self.seg_mut(key) else { return };
        let signed = seg.length();
        let Some(t) = seg.transfers.get_mut(&http) else { return };
        t.headed = true;
        let (whole, of) = (t.from == 0 && t.to.is_none(), t.of);
        seg.mind_flow(now);
        if status == 200 && of.is_some() {
            return self.on_whole_resource(key, http);
        }
        if status == 200 && !whole {
            return self.on_whole_segment(key, http);
        }
        if let (true, Some(signed), Some(length)) = (whole, signed, length)
            && u64::from(signed) != length
        {
            self.on_other_length(key, http, (length, signed));
        }
    }

    /// The origin knows no ranges: what was to bring a part of the segment brings all of it.
    fn on_whole_segment(&mut self, key: SegKey, http: HttpId) {
        self.drop_grants_of_http(http);
        if let Some(t) = self.seg_mut(key).and_then(|s| s.transfers.get_mut(&http)) {
            (t.from, t.to, t.granted) = (0, None, 0);
        }
        self.forbid_ranges(key);
        self.grant_transfers(key);
    }

    /// The segment is a byte range, and the origin answers with the whole resource. The load that asked gets it, as from
    /// HLS.js's own loader; nothing of it is kept, and nobody fetches such a thing ahead.
    fn on_whole_resource(&mut self, key: SegKey, http: HttpId) {
        self.forbid_ranges(key);
        if !self.is_of_load(http) {
            return self.drop_fetch_ahead(key);
        }
        self.drop_grants_of_http(http);
        if let Some(seg) = self.seg_mut(key) {
            seg.tainted = true;
            if let Some(t) = seg.transfers.get_mut(&http) {
                (t.from, t.to) = (0, None);
            }
        }
        self.warn("ranges-ignored", format!("segment {}: the origin answers a byte range with the whole resource; it is played but not shared", key.msn));
    }

    /// The body is not as long as the origin signed. Where only a hint named the URL, the hint may be wrong.
    fn on_other_length(&mut self, key: SegKey, http: HttpId, (length, signed): (u64, u32)) {
        if !self.is_of_load(http) && self.seg(key).is_some_and(|s| s.name.is_none()) {
            return self.drop_fetch_ahead(key);
        }
        self.taint(key, &format!("{length} bytes where the origin signed {signed}"));
        self.drop_grants_of_http(http);
    }

    /// A load that is still open asked for it.
    fn is_of_load(&self, http: HttpId) -> bool {
        let load = self.https.get(&http).and_then(|job| job.load);
        load.is_some_and(|id| self.loads.contains_key(&id))
    }

    /// Ends a fetch that does not bring what it was begun for; who waits for the segment asks on its own.
    fn drop_fetch_ahead(&mut self, key: SegKey) {
        self.stop_transfers(key);
        if let Some(seg) = self.seg_mut(key) {
            seg.mine = None;
            if seg.name.is_none() {
                seg.url = None;
            }
        }
        self.say_dropped(key);
        self.block_prefetch(key);
        self.decide(key);
    }

    /// A body ended well.
    pub(crate) fn on_segment_body(&mut self, key: SegKey, http: HttpId, length: u32, load: Option<LoadId>) {
        let now = self.now;
        let Some(seg) = self.seg_mut(key) else { return };
        let Some(t) = seg.transfers.get_mut(&http) else { return };
        let asked = t.to.map(|to| to - t.from);
        if length == 0 || asked.is_some_and(|a| a != length) {
            self.note_no_range(key, http);
            return self.on_segment_failed(key, http, load);
        }
        t.done = Some(length);
        let (blob, whole, rest) = (t.blob, t.to.is_none(), length.saturating_sub(t.verified));
        seg.blobs.insert(blob, length);
        seg.flow.arrived(now, rest);
        seg.mind_flow(now);
        if whole {
            seg.body = Some((blob, length));
            seg.body_played = false;
        }
        self.tally.http_bytes(self.seg(key).and_then(|s| s.reason).unwrap_or(Reason::Startup), length);
        if self.seg(key).and_then(|s| s.length()).is_some_and(|signed| whole && signed != length) {
            self.taint(key, "length");
        }
        self.grant_transfers(key);
        self.expect_list_soon(key);
        self.decide(key);
    }

    /// A transfer failed: what verified stays, what waits asks again or learns of it.
    pub(crate) fn on_segment_failed(&mut self, key: SegKey, http: HttpId, load: Option<LoadId>) {
        self.drop_grants_of_http(http);
        let Some(seg) = self.seg_mut(key) else { return };
        let Some(t) = seg.transfers.remove(&http) else { return };
        let ranged = t.to.is_some();
        seg.mine = None;
        self.free_unused_blobs(key);
        self.say_dropped(key);
        let waiting = self.loads_of(key);
        // Nobody depends on a probe: its bytes are asked of neighbours.
        if self.is_probe(http) {
            return self.decide(key);
        }
        if ranged && !waiting.is_empty() {
            return self.refetch_whole(key);
        }
        if waiting.is_empty() || load.is_none() {
            // Sent to the origin by a neighbour's word alone.
            if let Some(conn) = self.seg(key).filter(|s| s.list.is_none()).and_then(|s| s.told_by) {
                self.said_in_vain(conn);
            }
            self.block_prefetch(key);
            return self.decide(key);
        }
        for load in waiting {
            self.loads.remove(&load);
            self.push(Output::LoadFailed { load, http });
        }
    }

    fn refetch_whole(&mut self, key: SegKey) {
        if self.has_load(key) && !self.http_covers_rest(key) {
            self.tell_fallback(key, Reason::NoRange);
            self.start_transfer(key, None, Purpose::Media);
        }
    }

    /// This transfer failed in a way that ranges do; if it asked for one, none is asked for again in this session.
    pub(crate) fn note_no_range(&mut self, key: SegKey, http: HttpId) {
        let ranged = self.seg(key).and_then(|s| s.transfers.get(&http)).is_some_and(|t| t.to.is_some());
        if ranged {
            self.forbid_ranges(key);
        }
    }

    fn forbid_ranges(&mut self, key: SegKey) {
        let Some(url) = self.seg(key).and_then(|s| s.url.as_deref()) else { return };
        let origin = origin_of(url).to_owned();
        if !self.options.mutant("trust-ranges") {
            self.note_without_ranges(origin);
        }
    }

    /// This origin answers no ranges: none is asked for again in this session.
    pub(crate) fn note_without_ranges(&mut self, origin: String) {
        if self.no_range.len() < NO_RANGE_LIMIT {
            self.no_range.insert(origin);
        }
    }

    fn block_prefetch(&mut self, key: SegKey) {
        let now = self.now;
        if let Some(lane) = self.lanes.get_mut(&key.lane) {
            lane.prefetch_blocked_until = now + Duration::from_secs(30);
        }
        self.tally.prefetch_failures += 1;
    }

    /// Stops running transfers of a segment.
    pub(crate) fn stop_transfers(&mut self, key: SegKey) {
        let Some(seg) = self.seg_mut(key) else { return };
        let running: Vec<HttpId> =
            seg.transfers.iter().filter(|(_, t)| t.done.is_none()).map(|(h, _)| *h).collect();
        for http in running {
            self.stop_transfer(key, http);
        }
        self.free_unused_blobs(key);
    }

    /// Another viewer fetches the same segment and began first in the agreed order: leave it to that one,
    /// unless much of it is here already or the player waits.
    pub(crate) fn yield_to(&mut self, key: SegKey, their_ticket: Option<f64>, their_stage: u8) {
        let mine = self.my_ticket(key);
        let Some(seg) = self.seg(key) else { return };
        let Some(m) = seg.mine else { return };
        // Where the origin's answer has not even begun, nothing is lost.
        let idle = seg.transfers.values().all(|t| !t.headed && t.done.is_none());
        let young =
            idle || self.now.since(m.since) < election::CLAIM_SILENCE.max(self.longest_rtt(key.lane) * 2);
        let much = u64::from(seg.verified_bytes()) * 4 > u64::from(seg.length().unwrap_or(u32::MAX));
        let lower = match (their_ticket, mine) {
            (Some(theirs), Some(mine)) => theirs < mine,
            (Some(_), None) => true,
            _ => false,
        };
        let startup = self.lanes.get(&key.lane).is_none_or(|l| l.media_loads <= 2 && self.has_load(key));
        let urgent = self.last_call(key).is_some_and(|at| at <= self.now);
        // The first knower supersedes the elected one. Only one of two may yield, or both begin again and again.
        let superseded = their_stage == SUPERSEDES && m.stage != SUPERSEDES;
        let supersedes = m.stage == SUPERSEDES && their_stage != SUPERSEDES;
        let yields = superseded || lower && !supersedes;
        let believed = !seg.yielded || self.options.mutant("believe-all");
        if young && !much && !startup && !urgent && believed && yields && seg.body.is_none() {
            self.stop_transfers(key);
            if let Some(seg) = self.seg_mut(key) {
                seg.mine = None;
                seg.yielded = true;
            }
            self.say_dropped(key);
        }
    }

    /// The body that the page loaded by itself joins the store, if a list vouches for it.
    pub(crate) fn on_offered(
        &mut self,
        request: crate::input::LoadRequest,
        blob: crate::input::BlobId,
        length: u32,
        took: (Duration, Duration),
    ) {
        if !took.1.is_zero() {
            self.http.sample(self.now, length, took.0, took.1);
        }
        // An origin that ignores ranges gave all of the resource.
        let whole = request.range.is_none_or(|(from, to)| to.saturating_sub(from) == u64::from(length));
        let media =
            request.kind == crate::input::LoadKind::Media && !request.http_only && length > 0 && whole;
        let key = SegKey { lane: request.lane, msn: request.msn };
        if request.kind == crate::input::LoadKind::Init {
            return self.measure_init(&request, blob, length);
        }
        let known = self.lanes.contains_key(&key.lane) && !self.awaits_other_bytes(key, request.range);
        if !media || !known || self.may_mesh() == Err(Reason::Killed) {
            return self.push(Output::FreeBlob(blob));
        }
        self.drop_other_bytes(key, request.range);
        self.tally.delivered(0, length, Reason::Startup);
        self.tally.http_bytes(Reason::Startup, length);
        self.take_offer(key, &request, Span { blob, at: 0, len: length });
    }

    fn take_offer(&mut self, key: SegKey, request: &crate::input::LoadRequest, body: Span) {
        let now = self.now;
        let http = HttpId(self.fresh());
        if let Some(lane) = self.lanes.get_mut(&key.lane) {
            lane.note_request(now, request);
            if lane.bitrate_bps == 0 && request.duration_ms > 0 {
                let bps = u64::from(body.len) * 8_000 / u64::from(request.duration_ms);
                lane.bitrate_bps = u32::try_from(bps).unwrap_or(u32::MAX);
            }
            lane.media_loads += 1;
            lane.bound.delivered(now, key.msn, Duration::from_millis(request.duration_ms.into()));
            lane.knows_of(key.msn);
            let seg = lane.segment(key.msn);
            seg.release.get_or_insert(now);
            seg.blobs.insert(body.blob, body.len);
            let transfer = Transfer::new(now, body.blob, 0, None, None);
            let (done, of) = (Some(body.len), request.range);
            seg.transfers.insert(http, Transfer { done, of, ..transfer });
            seg.flow.arrived(now, 0);
        }
        self.enter_lane(key.lane);
        self.check_fit(key);
        self.prepare_lane(key.lane);
        self.want_list_for(key);
        self.grant_transfers(key);
        self.expect_list_soon(key);
        self.evict();
    }
}
