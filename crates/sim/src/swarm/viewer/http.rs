//! GETs at the origin: documents at once, bodies as the origin's share and the downlink allow.

use meshedflow_core::{BlobId, HttpFailure, HttpGet, HttpId, HttpInput, Input, LoadId, Purpose};

use super::{Served, Viewer};
use crate::event::Micros;
use crate::origin::OriginFault;
use crate::swarm::content::{Get, Piece};
use crate::swarm::post::What;
use crate::swarm::shard::Desk;

/// A body moves in strides that end where fragments do, and are no longer than this.
const STRIDE_BYTES: u32 = 128 * 1024;

impl Viewer {
    pub(super) fn get(&mut self, desk: &mut Desk<'_>, get: HttpGet) {
        let source = &desk.scene.source;
        let (http, ttfb) = (get.http, source.ttfb_us);
        if get.url.ends_with("keys.json") {
            let body = source.keys.clone();
            return self.plan(desk, ttfb, What::Document { http, body });
        }
        let Some((lane, msn)) = source.list_lane(&get.url) else { return self.get_media(desk, &get) };
        let awaited = msn.map(|msn| source.released(msn)).filter(|at| *at > desk.now);
        match awaited {
            None => self.get_list(desk, http, lane),
            // What changed is written when the next window begins.
            Some(at) => self.plan(desk, at - desk.now + desk.scene.window_us, What::Listed { http, lane }),
        }
    }

    /// A lane's list is asked for, or what it waits for is there.
    pub(super) fn get_list(&mut self, desk: &mut Desk<'_>, http: HttpId, lane: usize) {
        let source = &desk.scene.source;
        let ttfb = source.ttfb_us;
        match source.list(lane) {
            Some(body) => {
                self.fate.list_requests += 1;
                self.fate.list_bytes += body.len() as u64;
                self.plan(desk, ttfb, What::Document { http, body });
            }
            None => self.plan(desk, ttfb, What::Refused { http, status: 404 }),
        }
    }

    fn get_media(&mut self, desk: &mut Desk<'_>, get: &HttpGet) {
        let (source, http) = (&desk.scene.source, get.http);
        let elected = get.purpose == Purpose::Elected;
        match source.fault {
            OriginFault::RefusesElected if elected => {
                return self.plan(desk, 1, What::Refused { http, status: 503 });
            }
            OriginFault::HangsElected if elected => return,
            _ => {}
        }
        let Some((lane, msn)) = source.parse(&get.url) else {
            return self.fault(desk, &format!("a GET of {}, which no playlist names", get.url));
        };
        let Some(blob) = get.blob else { return };
        self.get_segment(desk, Wanted { http, blob, lane, msn, range: get.range, elected, load: None });
    }

    /// Plain HLS.js: every segment from the origin.
    pub(super) fn get_plainly(&mut self, desk: &mut Desk<'_>, load: u32, lane: usize, msn: u64) {
        self.next_http += 1;
        let (http, blob) = (HttpId(self.next_http), BlobId(self.next_http));
        let wanted = Wanted { http, blob, lane, msn, range: None, elected: false, load: Some(load) };
        self.driver.gets.insert(http, wanted.get(Piece::default(), 0));
        self.get_segment(desk, wanted);
    }

    fn get_segment(&mut self, desk: &mut Desk<'_>, w: Wanted) {
        let source = &desk.scene.source;
        let status = if source.refuses { 503 } else { 404 };
        if source.refuses || w.msn > source.newest(desk.now) {
            return self.plan(desk, source.ttfb_us, What::Refused { http: w.http, status });
        }
        let empty = source.fault == OriginFault::Empty && w.msn == 12;
        let size = if empty { 0 } else { source.lanes[w.lane].size };
        let range = w.range.filter(|_| source.fault != OriginFault::NoRange && !empty);
        let (from, to) = range.map_or((0, size), |(a, b)| (a as u32, (b as u32).min(size)));
        let body = Piece { lane: w.lane as u8, harmed: false, msn: w.msn as u32, off: from, len: to - from };
        let entry = self.log.len();
        self.log.push(Served {
            lane: w.lane as u8,
            elected: w.elected,
            msn: w.msn as u32,
            at: desk.now,
            from,
            bytes: 0,
        });
        self.driver.blobs.insert(w.blob, Default::default());
        self.driver.gets.insert(w.http, w.get(body, entry));
        let status = if range.is_some() { 206 } else { 200 };
        self.plan(desk, source.ttfb_us, What::Head { http: w.http, status, length: body.len });
    }

    pub(super) fn on_head(&mut self, desk: &mut Desk<'_>, http: HttpId, status: u16, length: u32) {
        if !self.driver.gets.contains_key(&http) {
            return;
        }
        self.feed(desk, Input::Http(http, HttpInput::Head { status, length: Some(length.into()) }));
        self.stride(desk, http);
    }

    /// Plans the arrival of the body's next bytes.
    fn stride(&mut self, desk: &mut Desk<'_>, http: HttpId) {
        let Some(get) = self.driver.gets.get(&http) else { return };
        let at = get.body.off + get.there;
        let end = get.body.off + get.body.len;
        if at >= end {
            return self.body_over(desk, http);
        }
        let cut = desk.scene.source.next_cut(get.body.lane.into(), at).min(end).min(at + STRIDE_BYTES);
        let (bytes, upto, entry) = (u64::from(cut - at), cut - get.body.off, get.entry);
        let sent: Micros = desk.now + bytes * 1_000_000 / desk.scene.source.share_bytes_per_s.max(1);
        let here = self.down.receive(desk.now, sent, bytes, self.link.down_bytes_per_s);
        self.log[entry].bytes += cut - at;
        self.plan(desk, here - desk.now, What::Bytes { http, upto });
    }

    pub(super) fn on_bytes(&mut self, desk: &mut Desk<'_>, http: HttpId, upto: u32) {
        let source = &desk.scene.source;
        self.driver.http_bytes(source, http, upto, &mut self.told);
        self.settle(desk);
        self.stride(desk, http);
    }

    fn body_over(&mut self, desk: &mut Desk<'_>, http: HttpId) {
        let Some(get) = self.driver.gets.remove(&http) else { return };
        match get.load {
            Some(load) => {
                self.driver.blobs.remove(&get.blob);
                self.delivered(desk, load, 0, get.body.len);
            }
            None => self.feed(desk, Input::Http(http, HttpInput::Done { length: get.body.len })),
        }
    }

    pub(super) fn on_refused(&mut self, desk: &mut Desk<'_>, http: HttpId, status: u16) {
        if self.mesh.is_none() {
            let Some(load) = self.driver.gets.remove(&http).and_then(|get| get.load) else { return };
            return self.load_failed(desk, LoadId(load));
        }
        self.feed(desk, Input::Http(http, HttpInput::Failed(HttpFailure::Status(status))));
    }
}

/// A segment, or a range of it.
struct Wanted {
    http: HttpId,
    blob: BlobId,
    lane: usize,
    msn: u64,
    range: Option<(u64, u64)>,
    elected: bool,
    load: Option<u32>,
}

impl Wanted {
    fn get(&self, body: Piece, entry: usize) -> Get {
        Get { blob: self.blob, body, there: 0, entry, load: self.load }
    }
}
