//! What a viewer says that it fetches, it does fetch: neighbours hold back for it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a story that fails is a test that fails"
)]

mod stage;

use meshedflow_core::{ConnNo, HttpFailure, HttpGet, HttpInput, Input, Output, PeerCommand, Purpose};
use meshedflow_protocol::wire::{Frame, Frames, SegmentRef};
use stage::Stage;

/// Segment 30 was played, 31 is listed; a neighbour may tell of what follows.
const LISTED: u64 = 31;

/// A viewer with one neighbour, and what it said and asked so far.
struct Story {
    stage: Stage,
    /// List GETs under way, with the segments that they wait for.
    lists: Vec<(HttpGet, u64)>,
    /// Media GETs that were made, by segment.
    fetched: Vec<u64>,
    /// Claims that were made and not taken back.
    claimed: Vec<u64>,
    claims: u32,
}

impl Story {
    fn new() -> Self {
        let mut stage = Stage::new(0, 4, LISTED - 1);
        stage.meet(&[1]);
        stage.introduce(0, 1, |_, _| false, LISTED - 1..=LISTED);
        let mut story =
            Self { stage, lists: Vec::new(), fetched: Vec::new(), claimed: Vec::new(), claims: 0 };
        // Long enough in the lane to be elected; what is listed is fetched meanwhile.
        story.pass(4_000);
        assert_eq!(story.claimed, [LISTED]);
        story.claimed.clear();
        story.claims = 0;
        story
    }

    fn pass(&mut self, ms: u64) {
        let until = self.stage.now.0 + ms * 1_000;
        while let Some(outputs) = self.stage.wake((until - self.stage.now.0) / 1_000) {
            self.note(outputs);
        }
        self.stage.pass_us(until - self.stage.now.0);
    }

    /// The neighbour tells of a new segment; its channel lives.
    fn known(&mut self, msn: u64) {
        let segment = SegmentRef { lane: Default::default(), epoch: 7, msn };
        let outputs = self.stage.frame(0, &Frame::Known { segment, age_ms: 0, hops: 0 });
        self.note(outputs);
    }

    fn note(&mut self, outputs: Vec<Output>) {
        let (mut frames, mut more) = (Vec::new(), Vec::new());
        for output in outputs {
            match output {
                Output::Get(get) if get.purpose == Purpose::List => {
                    let until = get.url.rsplit_once("_msn=").and_then(|(_, n)| n.parse().ok()).unwrap_or(0);
                    self.lists.push((get, until));
                }
                // The key is pinned.
                Output::Get(get) if get.purpose == Purpose::Keys => {
                    let why = HttpInput::Failed(HttpFailure::Status(404));
                    more.extend(self.stage.tell(Input::Http(get.http, why)));
                }
                Output::Get(get) if get.blob.is_some() => {
                    let name = get.url.rsplit_once("seg_").unwrap().1;
                    self.fetched.push(name.strip_suffix(".m4s").unwrap().parse().unwrap());
                }
                Output::Peer(conn, PeerCommand::Send(bytes)) => {
                    frames.extend(Frames::new(&bytes).map(|f| (conn, f.unwrap())));
                }
                _ => {}
            }
        }
        frames.into_iter().for_each(|(conn, frame)| self.heard(conn, frame));
        if !more.is_empty() {
            self.note(more);
        }
    }

    /// The neighbour hears a frame: a claim must be backed by a GET by then.
    fn heard(&mut self, conn: ConnNo, frame: Frame) {
        assert_eq!(conn, self.stage.conns[0]);
        match frame {
            Frame::Fetching(f) => {
                let msn = f.segment.msn;
                let listed = self.lists.iter().any(|(_, until)| *until >= msn);
                assert!(
                    listed || self.fetched.contains(&msn),
                    "claims {msn}, and asks nobody for it or its URL"
                );
                self.claimed.push(msn);
                self.claims += 1;
            }
            Frame::Dropped(segment) => self.claimed.retain(|msn| *msn != segment.msn),
            Frame::Ping { nonce } => {
                let outputs = self.stage.frame(0, &Frame::Pong { nonce, hold_ms: 0 });
                self.note(outputs);
            }
            _ => {}
        }
    }

    /// The list GET under way fails.
    fn refuse_list(&mut self) {
        let (get, _) = self.lists.pop().expect("a list was asked for");
        let outputs = self.stage.tell(Input::Http(get.http, HttpInput::Failed(HttpFailure::Status(503))));
        self.note(outputs);
    }
}

#[test]
fn a_claim_waits_until_the_list_may_be_asked_for() {
    let mut story = Story::new();
    story.known(LISTED + 1);
    story.pass(1_000);
    assert_eq!(story.claimed, [LISTED + 1], "the list is under way, and names the URL");
    story.refuse_list();
    assert!(story.claimed.is_empty(), "without a list there is no fetch, and that is said");
    story.pass(3_000);
    for ahead in 2..6 {
        story.known(LISTED + ahead);
        story.pass(3_900);
        if !story.lists.is_empty() {
            story.refuse_list();
        }
        assert!(story.claimed.is_empty(), "{:?}", story.claimed);
    }
    assert!(story.claims <= 3, "{} claims while the list cannot be had", story.claims);
}

/// A GET that waits for one segment does not name the next one, and answers for no claim about it.
#[test]
fn a_list_under_way_for_another_segment_backs_no_claim() {
    let mut story = Story::new();
    story.known(LISTED + 1);
    story.pass(4_000);
    story.known(LISTED + 2);
    story.pass(3_000);
    assert_eq!(story.lists.len(), 1, "one GET of a lane at a time");
    assert_eq!(story.claimed, [LISTED + 1]);
    let (get, until) = story.lists.pop().unwrap();
    assert_eq!(until, LISTED + 1);
    // It names both: both are fetched, or claimed by none.
    let rolling = story.stage.origin.rolling(LISTED - 2..=LISTED + 2);
    let outputs = story.stage.tell(Input::Http(get.http, HttpInput::Body(rolling.as_bytes())));
    story.note(outputs);
    story.pass(500);
    assert!(story.fetched.contains(&(LISTED + 2)), "{:?}", story.fetched);
}

/// A list that does not name what it was asked for ends the claim; nobody asks for it again and again.
#[test]
fn a_list_that_does_not_name_the_segment_ends_the_claim() {
    let mut story = Story::new();
    story.known(LISTED + 1);
    story.pass(1_000);
    let (get, _) = story.lists.pop().unwrap();
    let rolling = story.stage.origin.rolling(LISTED - 2..=LISTED);
    let outputs = story.stage.tell(Input::Http(get.http, HttpInput::Body(rolling.as_bytes())));
    story.note(outputs);
    assert!(story.claimed.is_empty(), "{:?}", story.claimed);
    story.pass(5_000);
    assert!(story.claimed.is_empty() && story.lists.len() <= 1, "{:?} {:?}", story.claimed, story.lists);
}

/// Keys that come late are waited for, and if the list is of no use then, what waited for it is told.
#[test]
fn a_list_that_nobody_trusts_ends_the_claim() {
    let mut story = Story::new();
    story.known(LISTED + 1);
    story.pass(1_000);
    assert_eq!(story.claimed, [LISTED + 1]);
    let (get, _) = story.lists.pop().unwrap();
    let rolling = story
        .stage
        .origin
        .rolling(LISTED - 2..=LISTED + 1)
        .replace("\"stream\":\"s\"", "\"stream\":\"other\"");
    let outputs = story.stage.tell(Input::Http(get.http, HttpInput::Body(rolling.as_bytes())));
    story.note(outputs);
    assert!(story.claimed.is_empty(), "{:?}", story.claimed);
    assert!(!story.fetched.contains(&(LISTED + 1)));
}
