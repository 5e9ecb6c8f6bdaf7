//! Two hours of a film in six renditions, played to the end with a switch every few segments: what the core keeps of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a story that fails is a test that fails"
)]

use std::ops::RangeInclusive;

use meshedflow_core::config::Options;
use meshedflow_core::measure::Measurer;
use meshedflow_core::{
    Expect, HttpFailure, HttpGet, HttpInput, Input, LaneInfo, LaneKind, LaneNo, LoadId, LoadKind,
    LoadRequest, Mesh, Output, Purpose, Time,
};
use meshedflow_manifest::identity::resource_id;
use meshedflow_manifest::{
    EncodedList, EpochRange, Header, Kind, Record, Rolling, SegmentEntry, SegmentState, SignatureCheck,
    SignedList, Signer, Text, sha256,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const SEGMENTS: u64 = 1_800;
const RENDITIONS: u16 = 6;
/// Fragments of a segment, as at two a second, and their bytes: the media itself lies elsewhere.
const FRAGMENTS: u32 = 16;
const FRAGMENT_BYTES: u32 = 100;
/// What the heap of a module may take, whatever is played.
const LIMIT_BYTES: usize = 8 << 20;
const EPOCH: u64 = 7;

/// A signature says nothing about memory.
struct Anyone;

impl SignatureCheck for Anyone {
    fn check(&mut self, _: &[u8; 32], _: &[u8], _: &[u8; 64]) -> bool {
        true
    }
}

fn rendition(no: u16) -> String {
    format!("v{no}/index.m3u8")
}

fn body() -> Vec<u8> {
    vec![7; (FRAGMENTS * FRAGMENT_BYTES) as usize]
}

fn entry(no: u16, msn: u64, signer: &Signer) -> SegmentEntry {
    let name = format!("seg_{msn}.m4s");
    let digest = sha256(&[7; FRAGMENT_BYTES as usize]);
    let record = |i| Record { offset: i * FRAGMENT_BYTES, length: FRAGMENT_BYTES, flags: 0, sha256: digest };
    let header = Header {
        kid: signer.public().kid(),
        stream: Text::new("s").unwrap(),
        epoch: EPOCH,
        rendition: Text::new(rendition(no)).unwrap(),
        kind: Kind::Cmaf,
        msn,
        dsn: 0,
        resource: resource_id(&name),
        range_base: 0,
        init_digest: [0; 32],
        issued_at: 1_000,
    };
    let list = SignedList {
        header,
        closed: true,
        records: (0..FRAGMENTS).map(record).collect(),
        signature: [1; 64],
    };
    SegmentEntry {
        msn,
        uri: name.clone(),
        name,
        duration_ms: 4_000,
        released_age_ms: 0,
        state: SegmentState::Complete,
        list: EncodedList::of(&list),
    }
}

fn document(no: u16, msns: RangeInclusive<u64>, signer: &Signer) -> String {
    let rolling = Rolling {
        v: 1,
        stream: Text::new("s").unwrap(),
        rendition: Text::new(rendition(no)).unwrap(),
        target_ms: 4_000,
        complete: true,
        epochs: vec![EpochRange { epoch: EPOCH, first_msn: 0, last_msn: None }],
        init: Vec::new(),
        segments: msns.map(|msn| entry(no, msn, signer)).collect(),
    };
    rolling.to_json()
}

fn lane(no: u16) -> LaneInfo {
    LaneInfo {
        playlist: format!("https://origin.example/film/{}", rendition(no)),
        origin: "https://origin.example".into(),
        list_url: format!("https://origin.example/film/v{no}/index.mfi.json"),
        rendition: Some(rendition(no)),
        alone: false,
        kind: LaneKind::Main,
    }
}

fn request(no: u16, load: u32, msn: u64) -> LoadRequest {
    LoadRequest {
        load: LoadId(load),
        lane: LaneNo(no),
        url: format!("https://origin.example/film/v{no}/seg_{msn}.m4s"),
        name: format!("seg_{msn}.m4s"),
        kind: LoadKind::Media,
        msn,
        discontinuity: 0,
        duration_ms: 4_000,
        range: None,
        init: None,
        bitrate_bps: 1_000_000,
        next_bps: 0,
        http_only: false,
        live: false,
        own_setup: false,
    }
}

/// A page that plays, and an origin that answers at once.
struct Page {
    mesh: Mesh,
    now: Time,
    documents: Vec<String>,
    /// The origin knows ranges.
    ranges: bool,
    /// List bytes that were asked for, and segments that were delivered.
    listed: usize,
    delivered: u32,
}

impl Page {
    fn tell(&mut self, input: Input<'_>) {
        self.mesh.handle_input(self.now, input);
        self.perform();
    }

    fn perform(&mut self) {
        while let Some(output) = self.mesh.poll_output() {
            match output {
                Output::Get(get) => self.answer(&get),
                Output::Expect(expect) => self.measure(&expect),
                Output::Loaded(_) => self.delivered += 1,
                _ => {}
            }
        }
    }

    fn answer(&mut self, get: &HttpGet) {
        let http = get.http;
        match get.purpose {
            Purpose::List => {
                let no: usize =
                    get.url.split_once("/v").unwrap().1.split_once('/').unwrap().0.parse().unwrap();
                // As a driver hands it over: a copy of its own.
                let document = self.documents[no].as_bytes();
                let body = match get.range.filter(|_| self.ranges) {
                    Some((from, to)) => document[from as usize..to as usize].to_vec(),
                    None => document.to_vec(),
                };
                self.listed += body.len();
                self.tell(Input::Http(http, HttpInput::Body(&body)));
            }
            Purpose::Keys | Purpose::Policy => {
                self.tell(Input::Http(http, HttpInput::Failed(HttpFailure::Status(404))));
            }
            Purpose::Media | Purpose::Elected | Purpose::Rescue => {
                let length = FRAGMENTS * FRAGMENT_BYTES;
                self.tell(Input::Http(http, HttpInput::Head { status: 200, length: Some(length.into()) }));
                self.tell(Input::Http(http, HttpInput::Done { length }));
            }
        }
    }

    fn measure(&mut self, expect: &Expect) {
        let mut from = expect.range.start;
        for cut in &expect.cuts {
            let mut measurer = Measurer::new();
            measurer.update(&body()[from as usize..*cut as usize]);
            from = *cut;
            self.tell(Input::Measured { grant: expect.grant, measured: measurer.finish() });
        }
    }

    fn pass(&mut self, ms: u64) {
        let until = Time(self.now.0 + ms * 1_000);
        while let Some(due) = self.mesh.poll_timeout().filter(|due| due.at <= until) {
            self.now = self.now.max(due.at);
            self.mesh.handle_timeout(self.now);
            self.perform();
        }
        self.now = until;
    }
}

/// Which rendition a segment is played in.
type Rung = fn(u64) -> u16;

/// Plays, and returns the list bytes that were read, and of the heap the most and what is kept.
fn play(documents: Vec<String>, ranges: bool, rung: Rung, segments: u64) -> (usize, usize, usize) {
    let signer = Signer::new([7; 32]);
    let options = format!(
        r#"{{"streamId":"s","signalingUrl":"wss://edge.example/mesh","trustedKeys":["{}"]}}"#,
        signer.public().to_base64url()
    );
    let now = Time::from_ms(1_000.0);
    let floor = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let mesh = Mesh::with_check(Options::parse(&options).unwrap(), 1, now, Box::new(Anyone));
    let mut page = Page { mesh, now, documents, ranges, listed: 0, delivered: 0 };
    (0..RENDITIONS).for_each(|no| page.tell(Input::Lane(LaneNo(no), lane(no))));
    for msn in 0..segments {
        page.tell(Input::Load(request(rung(msn), msn as u32 + 1, msn)));
        page.pass(4_000);
    }
    let (peak, kept) = (MEMORY.peak_usage() - floor, MEMORY.current_usage() - floor);
    assert_eq!(u64::from(page.delivered), segments);
    // All was verified, and so was kept for others, as long as there was room.
    assert!(page.mesh.stats().stored_bytes >= 512 * u64::from(FRAGMENTS * FRAGMENT_BYTES));
    let over: Vec<_> = page.mesh.sizes().into_iter().filter(|t| t.entries > t.bound).collect();
    assert!(over.is_empty(), "{over:?}");
    (page.listed, peak, kept)
}

/// Up and down the ladder, each rung for twenty seconds.
fn ladder(msn: u64) -> u16 {
    let turns = 2 * RENDITIONS - 2;
    let step = (msn / 5 % u64::from(turns)) as u16;
    step.min(turns - step)
}

#[test]
fn six_renditions_of_a_long_film_take_less_than_eight_mebibytes() {
    let signer = Signer::new([7; 32]);
    let documents: Vec<String> = (0..RENDITIONS).map(|no| document(no, 0..=SEGMENTS - 1, &signer)).collect();
    let (one, all) = (documents[0].len(), documents.iter().map(String::len).sum::<usize>());
    assert!(all > LIMIT_BYTES, "all documents are {all} bytes: more than may be kept");
    let two: Rung = |msn| (msn / 300 % 2) as u16;
    let stories: [(&str, bool, Rung, usize); 3] = [
        // Each document once whole, and once more in parts.
        ("two rungs", true, two, 2 * 2 * one),
        ("all rungs", true, ladder, 2 * all),
        // Whole each time, which a cache may answer.
        ("all rungs, no ranges", false, ladder, (2 + one / (200 << 10)) * all),
    ];
    for (story, ranges, rung, most) in stories {
        // Without ranges, until every table is full.
        let segments = if ranges { SEGMENTS } else { 800 };
        let (listed, peak, kept) = play(documents.clone(), ranges, rung, segments);
        println!("{story}: peak {peak} bytes, kept {kept}, lists read {listed}; a document has {one}");
        assert!(
            peak < LIMIT_BYTES,
            "{story}: {peak} bytes, {kept} in the end; expected less than {LIMIT_BYTES}"
        );
        assert!(listed <= most, "{story}: {listed} bytes of lists; expected at most {most}");
    }
}
