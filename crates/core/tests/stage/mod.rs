//! One real core on a stage: an origin that signs, an edge that proposes, neighbours that tell what they hold. All of it
//! enters through the core's public Inputs, so that tests and benches see what a page would.

#![allow(dead_code, reason = "each test uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a stage that fails is a test that fails"
)]

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use meshedflow_core::config::Options;
use meshedflow_core::measure::Measurer;
use meshedflow_core::{
    BlobId, ConnNo, Expect, HttpFailure, HttpGet, HttpInput, Input, LaneInfo, LaneKind, LaneNo, LoadId,
    LoadKind, LoadRequest, Mesh, Output, PeerCommand, PeerInput, PlayerInput, Purpose, SignalInput, Time,
};
use meshedflow_manifest::identity::resource_id;
use meshedflow_manifest::{
    Ed25519, EncodedList, EpochRange, Header, KeyEntry, KeySetDocument, KeyState, Kind, Record, Rolling,
    SegmentEntry, SegmentState, SignatureCheck, SignedList, Signer, Text, sha256,
};
use meshedflow_protocol::ids::{Name, PeerId};
use meshedflow_protocol::wire::{
    Delta, Elect, Frame, Hello, LaneIndex, ListBatch, Map, MapSegment, SegmentRef, View, encode,
};

/// Bytes of a fragment; each segment is 4 s long.
pub(crate) const FRAGMENT_BYTES: u32 = 16_000;
pub(crate) const EPOCH: u64 = 7;
/// When its lists were signed, Unix seconds; the wall clock of the page says the same.
pub(crate) const ISSUED_AT: u32 = 1_000;
const RENDITION: &str = "v/index.m3u8";
const LANE: LaneNo = LaneNo(0);
/// Segments of the origin's window.
pub(crate) const WINDOW: u64 = 8;
/// What pages of these stories allow, and their clock.
pub(crate) const USUAL: &str = r#""upload":{"rateBytesPerS":1000000000},"platform":{"unixMs":1000000}"#;

/// Signatures checked so far.
#[derive(Clone, Default)]
pub(crate) struct Checks(Arc<AtomicU32>);

impl Checks {
    pub(crate) fn so_far(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl SignatureCheck for Checks {
    fn check(&mut self, key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ed25519::default().check(key, message, signature)
    }
}

/// The origin: segments of so many fragments, each signed when it is asked for.
pub(crate) struct Origin {
    pub(crate) signer: Signer,
    fragments: u16,
}

impl Origin {
    pub(crate) fn new(fragments: u16) -> Self {
        Self { signer: Signer::new([7; 32]), fragments }
    }

    pub(crate) fn length(&self) -> u32 {
        u32::from(self.fragments) * FRAGMENT_BYTES
    }

    /// The bytes of a segment: fragments differ from each other and between segments.
    pub(crate) fn body(&self, msn: u64) -> Vec<u8> {
        (0..self.fragments).flat_map(|i| vec![(msn as u8) ^ (i as u8); FRAGMENT_BYTES as usize]).collect()
    }

    pub(crate) fn list(&self, msn: u64) -> SignedList {
        self.signer.sign_list(self.header(msn), true, records(&self.body(msn)))
    }

    pub(crate) fn header(&self, msn: u64) -> Header {
        Header {
            kid: self.signer.kid(),
            stream: Text::new("s").unwrap(),
            epoch: EPOCH,
            rendition: Text::new(RENDITION).unwrap(),
            kind: Kind::Cmaf,
            msn,
            dsn: 0,
            resource: resource_id(&name(msn)),
            range_base: 0,
            init_digest: [0; 32],
            issued_at: ISSUED_AT,
        }
    }

    /// Its key set.
    pub(crate) fn keys(&self) -> String {
        let key = KeyEntry::new(self.signer.public(), KeyState::Active, 0, 10_000_000_000, vec!["s".into()]);
        KeySetDocument { version: 1, expires: 10_000_000_000, min_epoch: 0, keys: vec![key] }.to_json()
    }

    /// The rolling list of these segments.
    pub(crate) fn rolling(&self, window: RangeInclusive<u64>) -> String {
        let epochs = vec![EpochRange { epoch: EPOCH, first_msn: 0, last_msn: None }];
        rolling(epochs, false, window.map(|msn| self.list(msn)).collect())
    }
}

/// A document of complete segments, or of a recording.
pub(crate) fn rolling(epochs: Vec<EpochRange>, complete: bool, lists: Vec<SignedList>) -> String {
    let entry = |list: SignedList| SegmentEntry {
        msn: list.header.msn,
        name: name(list.header.msn),
        uri: name(list.header.msn),
        duration_ms: 4_000,
        released_age_ms: 1_000,
        state: SegmentState::Complete,
        list: EncodedList::of(&list),
    };
    let rolling = Rolling {
        v: 1,
        stream: Text::new("s").unwrap(),
        rendition: Text::new(RENDITION).unwrap(),
        target_ms: 4_000,
        complete,
        epochs,
        init: Vec::new(),
        segments: lists.into_iter().map(entry).collect(),
    };
    rolling.to_json()
}

/// Records of fragments of [`FRAGMENT_BYTES`], end to end.
pub(crate) fn records(body: &[u8]) -> Vec<Record> {
    let record = |(i, bytes): (usize, &[u8])| Record {
        offset: i as u32 * FRAGMENT_BYTES,
        length: bytes.len() as u32,
        flags: 0,
        sha256: sha256(bytes),
    };
    body.chunks(FRAGMENT_BYTES as usize).enumerate().map(record).collect()
}

fn name(msn: u64) -> String {
    format!("seg_{msn}.m4s")
}

/// The id of neighbour `n`; the core on the stage is number 0.
pub(crate) fn id(n: usize) -> PeerId {
    PeerId::compose(1, 0, n as u32, 1, [n as u8; 6])
}

/// A core, and what its page keeps.
pub(crate) struct Stage {
    pub(crate) mesh: Mesh,
    pub(crate) now: Time,
    pub(crate) checks: Checks,
    pub(crate) origin: Origin,
    /// Connections to neighbours, in the order in which they came.
    pub(crate) conns: Vec<ConnNo>,
    me: usize,
    next_load: u32,
    /// Whole bodies that are in a blob, by segment.
    bodies: BTreeMap<BlobId, u64>,
}

impl Stage {
    /// Viewer `me` in a live lane that nobody else is in. It has loaded segment `msn`, and knows keys and lists.
    pub(crate) fn new(me: usize, fragments: u16, msn: u64) -> Self {
        Self::watching_with("", me, fragments, msn)
    }

    /// The same with more options, as members of a JSON object.
    pub(crate) fn watching_with(more: &str, me: usize, fragments: u16, msn: u64) -> Self {
        Self::empty_with(more, me, fragments).watching(msn)
    }

    /// The same on a page that allows so many neighbours.
    pub(crate) fn limited(me: usize, fragments: u16, msn: u64, max_peers: u16) -> Self {
        Self::allowing(max_peers, me, fragments, USUAL).watching(msn)
    }

    fn watching(self, msn: u64) -> Self {
        let mut stage = self;
        stage.lane();
        let gets: Vec<HttpGet> = stage.load(msn).into_iter().filter_map(get).collect();
        stage.answer_documents(&gets, msn);
        gets.iter().filter(|get| get.blob.is_some()).for_each(|get| drop(stage.finish_get(get)));
        stage
    }

    /// The origin answers what was asked for keys and lists. A key is pinned: that there is no set makes no difference.
    /// Of segments the one after `msn` is out, too.
    fn answer_documents(&mut self, gets: &[HttpGet], msn: u64) {
        for keys in gets.iter().filter(|get| get.purpose == Purpose::Keys) {
            self.tell(Input::Http(keys.http, HttpInput::Failed(HttpFailure::Status(404))));
        }
        let rolling = self.origin.rolling(msn + 2 - WINDOW..=msn + 1);
        for list in gets.iter().filter(|get| get.purpose == Purpose::List) {
            self.tell(Input::Http(list.http, HttpInput::Body(rolling.as_bytes())));
        }
        while self.wake(100).is_some() {}
    }

    /// A viewer with these options who has segment `msn` whole: its body came before its list.
    pub(crate) fn holding(me: usize, fragments: u16, options: &str, msn: u64) -> Self {
        let mut stage = Self::with(me, fragments, options);
        stage.lane();
        let gets: Vec<HttpGet> = stage.load(msn).into_iter().filter_map(get).collect();
        gets.iter().filter(|get| get.blob.is_some()).for_each(|get| drop(stage.finish_get(get)));
        stage.answer_documents(&gets, msn);
        stage
    }

    /// A core that was told nothing but the origin's key.
    pub(crate) fn empty(me: usize, fragments: u16) -> Self {
        Self::with(me, fragments, USUAL)
    }

    /// The same on a page with these options besides the usual ones.
    fn empty_with(more: &str, me: usize, fragments: u16) -> Self {
        Self::with(me, fragments, &format!("{more}{USUAL}"))
    }

    /// The same on a page with these options, besides those that a stage needs.
    pub(crate) fn with(me: usize, fragments: u16, more: &str) -> Self {
        Self::allowing(64, me, fragments, more)
    }

    fn allowing(max_peers: u16, me: usize, fragments: u16, more: &str) -> Self {
        let pin = Origin::new(fragments).signer.public().to_base64url();
        Self::on_page(max_peers, me, fragments, &format!(r#""trustedKeys":["{pin}"],{more}"#))
    }

    /// A core that was told nothing, on a page with these options besides the usual ones.
    pub(crate) fn with_options(me: usize, fragments: u16, more: &str) -> Self {
        Self::on_page(64, me, fragments, &format!("{USUAL},{more}"))
    }

    fn on_page(max_peers: u16, me: usize, fragments: u16, more: &str) -> Self {
        let origin = Origin::new(fragments);
        let options = format!(
            r#"{{"streamId":"s","signalingUrl":"wss://edge.example/mesh","cmafMode":"serve","maxPeers":{max_peers},{more}}}"#
        );
        let (checks, now) = (Checks::default(), Time::from_ms(1_000.0));
        let options = Options::parse(&options).unwrap();
        let mesh = Mesh::with_check(options, 1, now, Box::new(checks.clone()));
        Self { mesh, now, checks, origin, conns: Vec::new(), me, next_load: 0, bodies: BTreeMap::new() }
    }

    /// The player has a playlist.
    pub(crate) fn lane(&mut self) {
        self.tell(Input::Lane(LANE, lane()));
    }

    /// Tells the core; returns what it asks. Bodies that are here are measured at once.
    pub(crate) fn tell(&mut self, input: Input<'_>) -> Vec<Output> {
        self.mesh.handle_input(self.now, input);
        self.outputs()
    }

    fn outputs(&mut self) -> Vec<Output> {
        let mut rest = Vec::new();
        while let Some(output) = self.mesh.poll_output() {
            match output {
                Output::Expect(expect) if self.bodies.contains_key(&expect.blob) => {
                    let body = self.origin.body(self.bodies[&expect.blob]);
                    self.measure(&expect, &body);
                }
                Output::FreeBlob(blob) => {
                    self.bodies.remove(&blob);
                    rest.push(Output::FreeBlob(blob));
                }
                other => rest.push(other),
            }
        }
        rest
    }

    /// All bytes of a grant came, and are those of `segment`.
    pub(crate) fn measure(&mut self, expect: &Expect, segment: &[u8]) {
        let mut from = expect.range.start;
        for cut in &expect.cuts {
            let mut measurer = Measurer::new();
            measurer.update(&segment[(expect.base + from) as usize..(expect.base + cut) as usize]);
            let measured = measurer.finish();
            self.mesh.handle_input(self.now, Input::Measured { grant: expect.grant, measured });
            from = *cut;
        }
    }

    /// Acts on what is due, if that is within so many milliseconds.
    pub(crate) fn wake(&mut self, ms: u64) -> Option<Vec<Output>> {
        let due = self.mesh.poll_timeout()?;
        (due.at <= Time(self.now.0 + ms * 1_000)).then(|| {
            self.now = self.now.max(due.at);
            self.mesh.handle_timeout(self.now);
            self.outputs()
        })
    }

    pub(crate) fn pass_us(&mut self, us: u64) {
        self.now = Time(self.now.0 + us);
    }

    /// The player asks for a segment.
    pub(crate) fn load(&mut self, msn: u64) -> Vec<Output> {
        self.load_as(msn, |_| ())
    }

    /// The same, with a request that differs.
    pub(crate) fn load_as(&mut self, msn: u64, how: impl FnOnce(&mut LoadRequest)) -> Vec<Output> {
        self.next_load += 1;
        let mut request = request(LoadId(self.next_load), msn);
        how(&mut request);
        self.tell(Input::Load(request))
    }

    /// The same by another playlist of the page, in whose directory the segments lie.
    pub(crate) fn load_by(&mut self, lane: LaneNo, playlist: &str, msn: u64) -> Vec<Output> {
        self.next_load += 1;
        let directory = playlist.rsplit_once('/').unwrap().0;
        let url = format!("{directory}/{}", name(msn));
        self.tell(Input::Load(LoadRequest { lane, url, ..request(LoadId(self.next_load), msn) }))
    }

    /// The player has so much.
    pub(crate) fn buffer_ms(&mut self, ahead_ms: u32) {
        self.tell(Input::Player(PlayerInput::Buffer { ahead_ms, rate: 1.0 }));
    }

    /// A GET of media ends well, its bytes true.
    pub(crate) fn finish_get(&mut self, get: &HttpGet) -> Vec<Output> {
        let msn = get.url.rsplit_once("seg_").unwrap().1.strip_suffix(".m4s").unwrap().parse().unwrap();
        self.bodies.insert(get.blob.unwrap(), msn);
        let length = self.origin.length();
        let mut asked =
            self.tell(Input::Http(get.http, HttpInput::Head { status: 200, length: Some(length.into()) }));
        asked.extend(self.tell(Input::Http(get.http, HttpInput::Done { length })));
        asked
    }

    /// The edge lets it in under the id of viewer `me`.
    pub(crate) fn welcome(&mut self, me: usize) -> Vec<Output> {
        self.tell(Input::Signal(SignalInput::Opened));
        let welcome =
            r#"{"welcome":{"peer":"ID","edge":1,"salt":{"current":"00112233445566778899aabbccddeeff"}}}"#;
        self.say(&welcome.replace("ID", &id(me).hex()))
    }

    /// The edge proposes a viewer, who is to be called or will call.
    pub(crate) fn propose(&mut self, other: usize, initiate: bool) -> Vec<Output> {
        let proposal = format!(
            r#"{{"peers":[{{"peer":"{}","lanes":["v/index.m3u8"],"initiate":{initiate}}}]}}"#,
            id(other)
        );
        self.say(&proposal)
    }

    /// A viewer calls.
    pub(crate) fn offer(&mut self, other: usize) -> Vec<Output> {
        self.say(&OFFER.replace("ID", &id(other).hex()))
    }

    /// The edge lets it in and proposes these viewers, who all call; returns what it has to say to them.
    pub(crate) fn meet(&mut self, others: &[usize]) -> Vec<Output> {
        self.welcome(self.me);
        let mut asked = Vec::new();
        for (n, other) in others.iter().enumerate() {
            self.propose(*other, false);
            let answer = self.offer(*other);
            let conn = answer.iter().find_map(|output| match output {
                Output::Peer(conn, PeerCommand::Open { .. }) => Some(*conn),
                _ => None,
            });
            self.conns.push(conn.unwrap());
            asked.extend(self.tell(Input::Peer(conn.unwrap(), PeerInput::Opened)));
            // More than a handful of dials takes time.
            self.pass_us(if n < 24 { 10_000 } else { 6_000_000 });
        }
        asked
    }

    /// The edge says this.
    pub(crate) fn say(&mut self, text: &str) -> Vec<Output> {
        self.tell(Input::Signal(SignalInput::Text(text)))
    }

    /// Neighbour `n` (by order of coming) says hello, and which fragments it holds of which segment; returns what is
    /// asked then.
    pub(crate) fn introduce(
        &mut self,
        n: usize,
        other: usize,
        held: impl Fn(u64, u16) -> bool,
        msns: RangeInclusive<u64>,
    ) -> Vec<Output> {
        let hello = Hello {
            wire: (1, 1),
            peer: id(other),
            uplink_bytes_per_s: 0,
            sharing: 2,
            class: 3,
            lanes: vec![(LaneIndex::default(), Name::new(RENDITION).unwrap())],
        };
        let mut asked = self.frame(n, &Frame::Hello(hello));
        asked.extend(self.tells_of(n, held, msns));
        asked
    }

    /// Neighbour `n` tells in a map which fragments it holds of which segments.
    pub(crate) fn tells_of(
        &mut self,
        n: usize,
        held: impl Fn(u64, u16) -> bool,
        msns: RangeInclusive<u64>,
    ) -> Vec<Output> {
        let segments = msns.map(|msn| self.map_segment(msn, &held)).collect();
        let map = Map {
            lane: LaneIndex::default(),
            epoch: EPOCH,
            elect: Elect { class: 3, first: 0, last: u64::MAX >> 12 },
            view: View::default(),
            queue_ms: 0,
            neighbours: Vec::new(),
            segments,
        };
        self.frame(n, &Frame::Map(map))
    }

    fn map_segment(&self, msn: u64, held: &impl Fn(u64, u16) -> bool) -> MapSegment {
        let list = self.origin.list(msn);
        let count = list.records.len() as u16;
        let mut bits = vec![0_u8; usize::from(count).div_ceil(8)];
        for i in (0..count).filter(|i| held(msn, *i)) {
            bits[usize::from(i / 8)] |= 1 << (i % 8);
        }
        let list_hash = u64::from_be_bytes(sha256(&list.signed_bytes())[..8].try_into().unwrap());
        MapSegment { msn, count, closed: true, list_hash, held: bits }
    }

    /// Neighbour `n` says one thing.
    pub(crate) fn frame(&mut self, n: usize, frame: &Frame) -> Vec<Output> {
        let mut bytes = Vec::new();
        encode(frame, &mut bytes);
        self.tell(Input::Peer(self.conns[n], PeerInput::Frames(&bytes)))
    }

    /// The list of segment `msn`, and nothing of its media.
    pub(crate) fn list_frame(&self, msn: u64) -> Frame {
        tell_list(&self.origin.list(msn), 0)
    }

    /// Has fragment `first` of segment `msn`, whose list is known.
    pub(crate) fn delta(&self, msn: u64, first: u16) -> Frame {
        let MapSegment { count, closed, list_hash, .. } = self.map_segment(msn, &|_, _| false);
        let segment = SegmentRef { lane: LaneIndex::default(), epoch: EPOCH, msn };
        let view = View::default();
        let (held, queue_ms) = (1, 0);
        Frame::Delta(Delta {
            segment,
            count,
            closed,
            list_hash,
            first,
            held,
            queue_ms,
            view,
            offer_to: None,
            batch: None,
        })
    }
}

/// A neighbour has this list, and so many of the first fragments that it names.
pub(crate) fn tell_list(list: &SignedList, held: u16) -> Frame {
    let signed = list.signed_bytes();
    let (head, records) = signed.split_at(signed.len() - 44 * list.records.len());
    // Between the header and the records: closed and count.
    let header = head[..head.len() - 3].to_vec();
    let batch =
        ListBatch { header: Some(header), first: 0, records: records.to_vec(), signature: list.signature };
    Frame::Delta(Delta {
        segment: SegmentRef { lane: LaneIndex::default(), epoch: list.header.epoch, msn: list.header.msn },
        count: list.records.len() as u16,
        closed: list.closed,
        list_hash: u64::from_be_bytes(sha256(&signed)[..8].try_into().unwrap()),
        first: 0,
        held,
        queue_ms: 0,
        view: View::default(),
        offer_to: None,
        batch: Some(batch),
    })
}

/// The GET among the things that a core asks.
pub(crate) fn get(output: Output) -> Option<HttpGet> {
    match output {
        Output::Get(get) => Some(get),
        _ => None,
    }
}

const OFFER: &str = r#"{"signal":{"peer":"ID","dial":1,"kind":"offer","data":{"ufrag":"wX2k","pwd":"3rQbN1yLr7T+fZkUu0dEc8aM","fingerprint":"AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB","setup":"actpass","mid":"0","sctpPort":5000,"maxMessageSize":262144}}}"#;

pub(crate) fn lane() -> LaneInfo {
    lane_at("https://origin.example", RENDITION)
}

/// A media playlist on a host.
pub(crate) fn lane_at(origin: &str, rendition: &str) -> LaneInfo {
    LaneInfo {
        playlist: format!("{origin}/live/v/index.m3u8"),
        origin: origin.into(),
        list_url: format!("{origin}/live/v/index.mfi.json"),
        rendition: Some(rendition.into()),
        alone: false,
        kind: LaneKind::Main,
    }
}

pub(crate) fn request(load: LoadId, msn: u64) -> LoadRequest {
    LoadRequest {
        load,
        lane: LANE,
        url: format!("https://origin.example/live/v/{}", name(msn)),
        name: name(msn),
        kind: LoadKind::Media,
        msn,
        discontinuity: 0,
        duration_ms: 4_000,
        range: None,
        init: None,
        bitrate_bps: 500_000,
        next_bps: 0,
        http_only: false,
        live: true,
        own_setup: false,
    }
}
