//! A core on the stage that watches a live stream, with two neighbours: what it takes from them, and what it does then.

#![allow(dead_code, reason = "each test uses its part")]
#![allow(clippy::expect_used, clippy::panic, reason = "a watcher that fails is a test that fails")]

use meshedflow_core::{
    BlobId, ConnNo, Event, Expect, HttpFailure, HttpGet, HttpInput, Input, LaneNo, Loaded, Output,
    PeerCommand, PlayerInput, Purpose, Source,
};
use meshedflow_manifest::{Header, KeyEntry, KeySetDocument, KeyState, SignedList, Signer};
use meshedflow_protocol::wire::{Frame, Frames, LaneIndex, Request, SegmentRef};

use crate::stage::{EPOCH, Stage, get, lane_at, records, tell_list};

pub(crate) const HOME: &str = "https://origin.example";
pub(crate) const FRAGMENTS: u16 = 4;
/// What the player asked for, and what a neighbour tells of: no document of the origin has it yet.
pub(crate) const WATCHED: u64 = 20;
pub(crate) const NEXT: u64 = 22;

/// Somebody else's key.
pub(crate) fn thief() -> Signer {
    Signer::new([9; 32])
}

pub(crate) fn home_key() -> Signer {
    Signer::new([7; 32])
}

pub(crate) fn pin() -> String {
    format!(r#""trustedKeys":["{}"]"#, home_key().public().to_base64url())
}

/// A key set: version, lowest epoch, keys of stream "s".
pub(crate) fn document(version: u32, min_epoch: u64, keys: &[(&Signer, KeyState)]) -> KeySetDocument {
    let entry = |(signer, state): &(&Signer, KeyState)| {
        KeyEntry::new(signer.public(), *state, 0, 10_000_000_000, vec!["s".into()])
    };
    KeySetDocument { version, expires: 10_000_000_000, min_epoch, keys: keys.iter().map(entry).collect() }
}

pub(crate) fn key_set(version: u32, min_epoch: u64, keys: &[(&Signer, KeyState)]) -> String {
    document(version, min_epoch, keys).to_json()
}

pub(crate) fn usual() -> String {
    key_set(1, 0, &[(&home_key(), KeyState::Active)])
}

/// Key sets by origin; of others there is no answer.
pub(crate) type KeySets<'a> = &'a [(&'a str, &'a str)];

/// A core in a live lane that has watched segment 20; `lanes` are others that its page has, by origin.
pub(crate) struct Viewer {
    pub(crate) stage: Stage,
    pub(crate) unanswered: Vec<HttpGet>,
}

impl Viewer {
    pub(crate) fn watching(options: &str, sets: KeySets<'_>) -> Self {
        Self::with_document(options, sets, |stage| stage.origin.rolling(14..=21))
    }

    pub(crate) fn with_document(
        options: &str,
        sets: KeySets<'_>,
        list: impl FnOnce(&Stage) -> String,
    ) -> Self {
        let mut viewer = Self { stage: Stage::with_options(0, FRAGMENTS, options), unanswered: Vec::new() };
        viewer.stage.lane();
        let asked = viewer.stage.load(WATCHED);
        viewer.note(asked);
        let media = viewer.take(|g| g.purpose == Purpose::Media).expect("the first segment comes over HTTP");
        viewer.stage.finish_get(&media);
        sets.iter().for_each(|(origin, set)| drop(viewer.keys(origin, set)));
        let list = list(&viewer.stage);
        viewer.list(&list);
        viewer.settle();
        viewer.stage.meet(&[1, 2]);
        for n in 0..2 {
            viewer.stage.introduce(n, n + 1, |_, _| false, 14..=21);
        }
        viewer
    }

    pub(crate) fn note(&mut self, outputs: Vec<Output>) {
        self.unanswered.extend(outputs.into_iter().filter_map(get));
    }

    pub(crate) fn take(&mut self, which: impl Fn(&HttpGet) -> bool) -> Option<HttpGet> {
        let at = self.unanswered.iter().position(which)?;
        Some(self.unanswered.swap_remove(at))
    }

    /// The key set of an origin arrives.
    pub(crate) fn keys(&mut self, origin: &str, set: &str) -> Vec<Output> {
        let of =
            |g: &HttpGet| g.purpose == Purpose::Keys && g.url.starts_with(&format!("{origin}/.well-known/"));
        let get = self.take(of).unwrap_or_else(|| panic!("nobody asked for the keys of {origin}"));
        self.stage.tell(Input::Http(get.http, HttpInput::Body(set.as_bytes())))
    }

    /// The origin's document arrives.
    pub(crate) fn list(&mut self, body: &str) -> Vec<Output> {
        let get = self.take(|g| g.purpose == Purpose::List).expect("the list was asked for");
        self.stage.tell(Input::Http(get.http, HttpInput::Body(body.as_bytes())))
    }

    /// What is due within 600 ms is done.
    pub(crate) fn settle(&mut self) -> Vec<Output> {
        self.pass(600)
    }

    /// Time passes; neighbours answer pings, and GETs wait for an answer.
    pub(crate) fn pass(&mut self, ms: u64) -> Vec<Output> {
        let end = self.stage.now.0 + ms * 1_000;
        let mut all = Vec::new();
        while self.stage.now.0 < end {
            let left = (end - self.stage.now.0) / 1_000;
            let Some(outputs) = self.stage.wake(left) else { break };
            for nonce in frames(&outputs).into_iter().filter_map(|(_, f)| ping(f)) {
                (0..2).for_each(|n| drop(self.stage.frame(n, &Frame::Pong { nonce, hold_ms: 0 })));
            }
            self.note(outputs.iter().filter_map(|o| get(o.clone())).map(Output::Get).collect());
            all.extend(outputs);
        }
        self.stage.pass_us(end.saturating_sub(self.stage.now.0));
        all
    }

    /// Another playlist of the page, on another host, with a request in it.
    pub(crate) fn open_lane(&mut self, no: u16, origin: &str, rendition: &str) {
        self.stage.tell(Input::Lane(LaneNo(no), lane_at(origin, rendition)));
        let asked = self.stage.load_as(1, |r| {
            (r.lane, r.url) = (LaneNo(no), format!("{origin}/live/v/seg_1.m4s"));
        });
        let load = asked.iter().filter_map(|o| get(o.clone())).find_map(|g| g.load);
        self.note(asked);
        self.stage.tell(Input::LoadAborted(load.expect("its media is asked for")));
    }

    /// What was asked of the origin's document so far fails.
    pub(crate) fn forget_lists(&mut self) {
        while let Some(get) = self.take(|g| g.purpose == Purpose::List) {
            self.stage.tell(Input::Http(get.http, HttpInput::Failed(HttpFailure::Network)));
        }
        self.pass(16_000);
    }

    /// The player goes on where it was.
    pub(crate) fn goes_on(&mut self) {
        let asked = self.stage.load(WATCHED + 1);
        media_gets(&asked).iter().for_each(|get| drop(self.stage.finish_get(get)));
        self.settle();
    }

    /// A list is taken, whether or not its media is wanted now.
    pub(crate) fn reads(&mut self, list: &SignedList) {
        let before = self.stage.checks.so_far();
        self.offered(1, list);
        assert_eq!(self.stage.checks.so_far(), before + 1);
    }

    /// A neighbour tells of a list, and that it holds all that the list names.
    pub(crate) fn offered(&mut self, n: usize, list: &SignedList) -> Vec<Output> {
        self.stage.frame(n, &tell_list(list, list.records.len() as u16))
    }

    /// A list, signed by whom one likes, of whatever one likes.
    pub(crate) fn list_by(&self, signer: &Signer, msn: u64, how: impl FnOnce(&mut Header)) -> SignedList {
        let mut header = Header { kid: signer.kid(), ..self.stage.origin.header(msn) };
        how(&mut header);
        signer.sign_list(header, true, records(&forged(&self.stage.origin.body(msn))))
    }

    /// The origin's own list, with another header.
    pub(crate) fn list_like(&self, msn: u64, how: impl FnOnce(&mut Header)) -> SignedList {
        let mut header = self.stage.origin.header(msn);
        how(&mut header);
        home_key().sign_list(header, true, records(&self.stage.origin.body(msn)))
    }

    /// Nobody is asked for what this list names, and no signature is checked for it.
    pub(crate) fn refuses_unread(&mut self, list: &SignedList) {
        let before = self.stage.checks.so_far();
        let outputs = self.offered(0, list);
        assert_eq!(grants(&outputs), Vec::<Expect>::new());
        assert_eq!(self.stage.checks.so_far(), before, "no signature is checked");
    }

    pub(crate) fn accepts(&mut self, list: &SignedList) -> Vec<Expect> {
        let outputs = self.offered(0, list);
        let given = grants(&outputs);
        assert!(!given.is_empty(), "the neighbour is asked: {outputs:?}");
        given
    }

    /// Fragments of a segment, from whom they were asked, all come.
    pub(crate) fn bring(&mut self, grants: &[Expect], body: &[u8]) -> Vec<Output> {
        grants.iter().for_each(|expect| self.stage.measure(expect, body));
        self.stage.tell(Input::Player(PlayerInput::Hidden(false)))
    }

    /// A neighbour asks for the first fragment of a segment.
    pub(crate) fn asked_for(&mut self, n: usize, msn: u64) -> Vec<Frame> {
        let outputs = self.stage.frame(n, &requests(77, msn, 0));
        frames(&outputs).into_iter().map(|(_, frame)| frame).collect()
    }

    pub(crate) fn warnings(outputs: &[Output]) -> Vec<&'static str> {
        let code = |o: &Output| match o {
            Output::Event(Event::Warn { code, .. }) => Some(*code),
            _ => None,
        };
        outputs.iter().filter_map(code).collect()
    }
}

/// A request for one fragment.
pub(crate) fn requests(request: u32, msn: u64, first: u16) -> Frame {
    let segment = SegmentRef { lane: LaneIndex::default(), epoch: EPOCH, msn };
    Frame::Request(Request { request, segment, first, count: 1, skip: 0, deadline_ms: 60_000, urgent: false })
}

pub(crate) fn ping(frame: Frame) -> Option<u32> {
    match frame {
        Frame::Ping { nonce } => Some(nonce),
        _ => None,
    }
}

/// What no origin ever published.
pub(crate) fn forged(body: &[u8]) -> Vec<u8> {
    body.iter().map(|b| !b).collect()
}

/// Grants to neighbours.
pub(crate) fn grants(outputs: &[Output]) -> Vec<Expect> {
    let of_peer = |o: &Output| match o {
        Output::Expect(e) if matches!(e.from, Source::Peer(..)) => Some(e.clone()),
        _ => None,
    };
    outputs.iter().filter_map(of_peer).collect()
}

pub(crate) fn frames(outputs: &[Output]) -> Vec<(ConnNo, Frame)> {
    let mut all = Vec::new();
    for output in outputs {
        if let Output::Peer(conn, PeerCommand::Send(bytes)) = output {
            all.extend(Frames::new(bytes).flatten().map(|frame| (*conn, frame)));
        }
    }
    all
}

pub(crate) fn loaded(outputs: &[Output]) -> Vec<Loaded> {
    let of = |o: &Output| match o {
        Output::Loaded(loaded) => Some(loaded.clone()),
        _ => None,
    };
    outputs.iter().filter_map(of).collect()
}

pub(crate) fn freed(outputs: &[Output], blob: BlobId) -> bool {
    outputs.iter().any(|o| matches!(o, Output::FreeBlob(b) if *b == blob))
}

pub(crate) fn media_gets(outputs: &[Output]) -> Vec<HttpGet> {
    outputs.iter().filter_map(|o| get(o.clone())).filter(|g| g.blob.is_some()).collect()
}

/// A pinned page, whose origin revokes the key once the page has media by it.
pub(crate) fn revoked_while(set: &str) -> (Viewer, Vec<Expect>, Vec<Output>) {
    let mut viewer = Viewer::watching(&pin(), &[]);
    let list = viewer.stage.origin.list(NEXT);
    let open = viewer.accepts(&list);
    let outputs = viewer.keys(HOME, set);
    (viewer, open, outputs)
}
