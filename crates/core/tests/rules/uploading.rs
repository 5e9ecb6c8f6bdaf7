//! Uploading, politely.

use meshedflow_core::{ConnNo, Input, Output, PeerCommand, PeerInput, PlayerInput, SignalInput};
use meshedflow_protocol::wire::{Frame, Frames, RejectReason, Request, SegmentRef};

use crate::stage::{FRAGMENT_BYTES, Stage};

/// The segment that the viewer on the stage has whole.
const MSN: u64 = 20;
const FAST: &str = r#""upload":{"rateBytesPerS":12500000},"platform":{"unixMs":1000000}"#;

/// A viewer that has a segment of 64 fragments and may give what `options` say, with so many neighbours who have nothing.
fn giver(options: &str, neighbours: usize) -> Stage {
    let mut stage = Stage::holding(0, 64, options, MSN);
    let others: Vec<usize> = (1..=neighbours).collect();
    stage.meet(&others);
    for (n, other) in others.iter().enumerate() {
        stage.introduce(n, *other, |_, _| false, MSN..=MSN);
    }
    stage
}

/// What neighbour `n` gets to hear when it asks for these fragments, as request `request`.
fn asks(stage: &mut Stage, n: usize, request: u32, first: u16, count: u16) -> Vec<Output> {
    let segment = SegmentRef { lane: Default::default(), epoch: 7, msn: MSN };
    let ask = Request { request, segment, first, count, skip: 0, deadline_ms: 5_000, urgent: false };
    stage.frame(n, &Frame::Request(ask))
}

fn media_bytes(outputs: &[Output], to: ConnNo) -> u32 {
    let media = outputs.iter().filter_map(|output| match output {
        Output::Peer(conn, PeerCommand::SendMedia(_, span)) if *conn == to => Some(span.len),
        _ => None,
    });
    media.sum()
}

fn rejected(outputs: &[Output]) -> Option<RejectReason> {
    let sent = outputs.iter().filter_map(|output| match output {
        Output::Peer(_, PeerCommand::Send(bytes)) => Some(bytes),
        _ => None,
    });
    sent.flat_map(|bytes| Frames::new(bytes).flatten()).find_map(|frame| match frame {
        Frame::Reject { reason, .. } => Some(reason),
        _ => None,
    })
}

/// Lets time pass in which every channel drains at once; returns what each neighbour got.
fn drain(stage: &mut Stage, ms: u64) -> Vec<u32> {
    let conns = stage.conns.clone();
    let mut got = vec![0; conns.len()];
    let end = stage.now.0 + ms * 1_000;
    while stage.now.0 < end {
        stage.pass_us(5_000);
        let mut said = stage.wake(0).unwrap_or_default();
        for conn in &conns {
            said.extend(stage.tell(Input::Peer(*conn, PeerInput::Drained)));
        }
        for (bytes, conn) in got.iter_mut().zip(&conns) {
            *bytes += media_bytes(&said, *conn);
        }
    }
    got
}

#[test]
fn a_neighbour_gets_the_same_fragment_twice_and_no_more() {
    let mut stage = giver(FAST, 2);
    let (one, two) = (stage.conns[0], stage.conns[1]);
    for request in 1..=2 {
        assert_eq!(media_bytes(&asks(&mut stage, 0, request, 3, 1), one), FRAGMENT_BYTES, "time {request}");
        drain(&mut stage, 50);
    }
    let third = asks(&mut stage, 0, 3, 3, 1);
    assert_eq!((rejected(&third), media_bytes(&third, one)), (Some(RejectReason::Repeated), 0));
    let beside = asks(&mut stage, 0, 4, 2, 2);
    assert_eq!(
        (rejected(&beside), media_bytes(&beside, one)),
        (Some(RejectReason::Repeated), 0),
        "among others"
    );
    assert_eq!(media_bytes(&asks(&mut stage, 0, 5, 4, 1), one), FRAGMENT_BYTES, "another fragment");
    drain(&mut stage, 50);
    assert_eq!(media_bytes(&asks(&mut stage, 1, 1, 3, 1), two), FRAGMENT_BYTES, "another neighbour");
}

#[test]
fn the_upload_rate_holds_over_all_neighbours() {
    let mut stage = giver(r#""upload":{"rateBytesPerS":100000},"platform":{"unixMs":1000000}"#, 3);
    let mut begun = 0;
    for n in 0..3 {
        let conn = stage.conns[n];
        begun += media_bytes(&asks(&mut stage, n, 1, n as u16 * 20, 20), conn);
    }
    let sent: u32 = begun + drain(&mut stage, 4_000).iter().sum::<u32>();
    // A quarter of a second may go at once.
    assert!((380_000..=426_000).contains(&sent), "{sent} B in 4 s at 100 kB/s");
}

#[test]
fn one_neighbour_gets_two_of_four_slots_of_the_rate() {
    let upload = |slots: u8| {
        let options =
            format!(r#""upload":{{"rateBytesPerS":200000,"slots":{slots}}},"platform":{{"unixMs":1000000}}"#);
        let mut stage = giver(&options, 1);
        let conn = stage.conns[0];
        let begun = media_bytes(&asks(&mut stage, 0, 1, 0, 60), conn);
        begun + drain(&mut stage, 4_000)[0]
    };
    let (half, all) = (upload(4), upload(2));
    assert!((380_000..=460_000).contains(&half), "{half} B in 4 s of 800 kB");
    assert!(all > 760_000, "{all} B in 4 s where two slots are all");
}

#[test]
fn a_session_ends_giving_at_its_limit() {
    let mut stage =
        giver(r#""upload":{"rateBytesPerS":12500000,"sessionBytes":40000},"platform":{"unixMs":1000000}"#, 1);
    let conn = stage.conns[0];
    let mut sent = 0;
    for request in 1..=2 {
        let said = asks(&mut stage, 0, request, request as u16, 1);
        assert_eq!(rejected(&said), None, "request {request}");
        sent += media_bytes(&said, conn) + drain(&mut stage, 200)[0];
    }
    assert_eq!(sent, 2 * FRAGMENT_BYTES);
    assert_eq!(
        rejected(&asks(&mut stage, 0, 3, 3, 1)),
        Some(RejectReason::Capped),
        "a third would be too much"
    );
}

#[test]
fn nothing_is_given_where_page_or_user_say_no() {
    for options in [
        r#""upload":{"rateBytesPerS":0},"platform":{"unixMs":1000000}"#,
        r#""upload":{"slots":0},"platform":{"unixMs":1000000}"#,
        r#""platform":{"unixMs":1000000,"saveData":true}"#,
        r#""platform":{"unixMs":1000000,"cellular":true}"#,
    ] {
        let mut stage = giver(options, 1);
        let said = asks(&mut stage, 0, 1, 0, 1);
        assert_eq!(rejected(&said), Some(RejectReason::Capped), "{options}");
        assert_eq!(media_bytes(&said, stage.conns[0]) + drain(&mut stage, 500)[0], 0, "{options}");
    }
}

/// The link may become a metered one, and a user may begin to save data, while others are served.
#[test]
fn who_turns_cellular_or_saves_data_stops_giving() {
    for (save_data, cellular) in [(true, false), (false, true)] {
        let mut stage = giver(FAST, 1);
        assert_eq!(rejected(&asks(&mut stage, 0, 1, 0, 1)), None);
        stage.tell(Input::Player(PlayerInput::Network { save_data, cellular }));
        assert_eq!(rejected(&asks(&mut stage, 0, 2, 1, 1)), Some(RejectReason::Capped));
        stage.tell(Input::Player(PlayerInput::Network { save_data: false, cellular: false }));
        assert_eq!(rejected(&asks(&mut stage, 0, 3, 2, 1)), None);
    }
}

#[test]
fn a_few_requests_wait_and_the_rest_are_told_to_go_elsewhere() {
    let slow = r#""upload":{"rateBytesPerS":4000000},"platform":{"unixMs":1000000}"#;
    let mut stage = giver(slow, 10);
    // Each waits: its channel is full from the first on.
    let refused = |stage: &mut Stage, n: usize, times: u32| {
        (1..=times).find(|r| rejected(&asks(stage, n, *r, *r as u16, 1)) == Some(RejectReason::Busy))
    };
    let served_at_once = 4;
    let first = refused(&mut stage, 0, 40).unwrap();
    assert!((9..=9 + served_at_once).contains(&first), "eight of one neighbour wait, not {first}");
    let mut waiting = 8;
    for n in 1..10 {
        let refused = refused(&mut stage, n, 8).unwrap_or(9);
        waiting += refused - 1;
    }
    assert!((64..=64 + served_at_once).contains(&waiting), "64 of all wait, not {waiting}");
}

/// Nobody is promised what would come after it is needed.
#[test]
fn who_cannot_wait_is_told_so() {
    let mut stage = giver(r#""upload":{"rateBytesPerS":50000},"platform":{"unixMs":1000000}"#, 2);
    asks(&mut stage, 0, 1, 0, 20);
    let segment = SegmentRef { lane: Default::default(), epoch: 7, msn: MSN };
    let ask = |deadline_ms| {
        Frame::Request(Request {
            request: 1,
            segment,
            first: 1,
            count: 1,
            skip: 0,
            deadline_ms,
            urgent: true,
        })
    };
    assert_eq!(rejected(&stage.frame(1, &ask(2_000))), Some(RejectReason::Busy), "six seconds are queued");
    assert_eq!(rejected(&stage.frame(1, &ask(20_000))), None);
}

#[test]
fn what_is_not_held_is_not_served() {
    let mut stage = giver(FAST, 1);
    let about = |msn, epoch, first| {
        let segment = SegmentRef { lane: Default::default(), epoch, msn };
        Frame::Request(Request {
            request: 9,
            segment,
            first,
            count: 1,
            skip: 0,
            deadline_ms: 5_000,
            urgent: false,
        })
    };
    for (why, frame) in [
        ("a segment of which only the list is here", about(MSN + 1, 7, 0)),
        ("an epoch of which it is not", about(MSN, 6, 0)),
        ("a fragment beyond the list", about(MSN, 7, 64)),
    ] {
        assert_eq!(rejected(&stage.frame(0, &frame)), Some(RejectReason::NotHeld), "{why}");
    }
}

/// A request that was cancelled takes none of the rate.
#[test]
fn nothing_more_is_sent_of_what_was_cancelled() {
    let mut stage = giver(r#""upload":{"rateBytesPerS":100000},"platform":{"unixMs":1000000}"#, 1);
    asks(&mut stage, 0, 1, 0, 30);
    stage.frame(0, &Frame::Cancel { request: 1 });
    assert_eq!(drain(&mut stage, 2_000)[0], 0);
}

/// Urgent requests go first within what one neighbour asked for.
#[test]
fn of_one_neighbours_requests_the_urgent_one_goes_first() {
    let mut stage = giver(r#""upload":{"rateBytesPerS":100000},"platform":{"unixMs":1000000}"#, 1);
    asks(&mut stage, 0, 1, 0, 20);
    let segment = SegmentRef { lane: Default::default(), epoch: 7, msn: MSN };
    let ask = Request { request: 2, segment, first: 40, count: 1, skip: 0, deadline_ms: 9_000, urgent: true };
    stage.frame(0, &Frame::Request(ask));
    let mut ended = Vec::new();
    while ended.is_empty() {
        stage.pass_us(5_000);
        let mut said = stage.wake(0).unwrap_or_default();
        let conn = stage.conns[0];
        said.extend(stage.tell(Input::Peer(conn, PeerInput::Drained)));
        ended.extend(said.iter().filter_map(|output| match output {
            Output::Peer(_, PeerCommand::SendData(bytes)) => Frames::new(bytes).flatten().next(),
            _ => None,
        }));
        assert!(stage.now.0 < 60_000_000, "nothing ended");
    }
    assert!(matches!(ended[0], Frame::Done { request: 2 }), "{ended:?}");
}

/// Who is gone gets nothing more, and takes nothing from those who stay.
#[test]
fn a_neighbour_that_leaves_takes_its_requests_with_it() {
    let mut stage = giver(r#""upload":{"rateBytesPerS":100000},"platform":{"unixMs":1000000}"#, 3);
    let stays = stage.conns[1];
    asks(&mut stage, 0, 1, 0, 20);
    let begun = media_bytes(&asks(&mut stage, 1, 1, 20, 10), stays);
    let gone = stage.conns[0];
    stage.tell(Input::Peer(gone, PeerInput::Closed));
    let got = drain(&mut stage, 3_000);
    assert_eq!((got[0], begun + got[1]), (0, 10 * FRAGMENT_BYTES));
}

/// A policy that allows less counts for what is being served, too.
#[test]
fn a_lower_rate_holds_at_once() {
    let mut stage = giver(r#""upload":{"rateBytesPerS":400000},"platform":{"unixMs":1000000}"#, 2);
    asks(&mut stage, 0, 1, 0, 30);
    asks(&mut stage, 1, 1, 30, 30);
    drain(&mut stage, 500);
    let push = r#"{"policy":{"tighten":{"upload":{"rateBytesPerS":50000}}}}"#;
    stage.tell(Input::Signal(SignalInput::Text(push)));
    let sent: u32 = drain(&mut stage, 4_000).iter().sum();
    assert!((150_000..=220_000).contains(&sent), "{sent} B in 4 s at 50 kB/s");
}

/// A policy may ask that a viewer gives no more than it takes, beyond an advance of 4 MB.
#[test]
fn who_takes_nothing_gives_no_more_than_the_advance() {
    let mut stage = giver(FAST, 10);
    let push = r#"{"policy":{"tighten":{"upload":{"ratio":0.0}}}}"#;
    stage.tell(Input::Signal(SignalInput::Text(push)));
    let mut sent = 0;
    let mut refused = None;
    for (n, request) in (0..10).flat_map(|n| [(n, 1), (n, 2)]) {
        let conn = stage.conns[n];
        let said = asks(&mut stage, n, request, 0, 64);
        sent += media_bytes(&said, conn) + drain(&mut stage, 1_000)[n];
        refused = refused.or_else(|| rejected(&said));
    }
    assert_eq!(refused, Some(RejectReason::Capped));
    assert!((4_000_000..5_100_000).contains(&sent), "{sent} B given, the last request whole");
}

/// Neighbours who asked for much, and answer a ping when and as they like.
struct Answering {
    stage: Stage,
    /// What is on its way back: when it comes, from whom, the nonce.
    pongs: Vec<(u64, usize, u32)>,
}

impl Answering {
    /// For so long each answers after so many milliseconds, of which it says to have held the answer `hold_ms`.
    fn pass(&mut self, seconds: u64, late_ms: [u64; 3], hold_ms: u32) {
        let end = self.stage.now.0 + seconds * 1_000_000;
        while self.stage.now.0 < end {
            self.stage.pass_us(5_000);
            let now = self.stage.now.0;
            let mut said = self.stage.wake(0).unwrap_or_default();
            for conn in self.stage.conns.clone() {
                said.extend(self.stage.tell(Input::Peer(conn, PeerInput::Drained)));
            }
            let (due, later) = self.pongs.drain(..).partition(|(at, ..)| *at <= now);
            self.pongs = later;
            let due: Vec<_> = due;
            due.into_iter()
                .for_each(|(_, n, nonce)| said.extend(self.stage.frame(n, &Frame::Pong { nonce, hold_ms })));
            for (n, nonce) in pings(&self.stage, &said) {
                self.pongs.push((now + late_ms[n] * 1_000, n, nonce));
            }
        }
    }
}

fn pings(stage: &Stage, outputs: &[Output]) -> Vec<(usize, u32)> {
    let mut all = Vec::new();
    for output in outputs {
        let Output::Peer(conn, PeerCommand::Send(bytes)) = output else { continue };
        let n = stage.conns.iter().position(|known| known == conn).unwrap();
        all.extend(Frames::new(bytes).flatten().filter_map(|frame| match frame {
            Frame::Ping { nonce } => Some((n, nonce)),
            _ => None,
        }));
    }
    all
}

/// How often a viewer sends less because of delays, while pongs come so late that all came at once before.
fn back_offs(late_ms: [u64; 3], hold_ms: u32) -> u32 {
    let stage = giver(r#""upload":{"rateBytesPerS":60000},"platform":{"unixMs":1000000}"#, 3);
    let mut all = Answering { stage, pongs: Vec::new() };
    (0..3).for_each(|n| drop(asks(&mut all.stage, n, 1, 0, 60)));
    all.pass(5, [10; 3], 0);
    assert_eq!(all.stage.mesh.stats().back_offs, 0);
    all.pass(8, late_ms, hold_ms);
    all.stage.mesh.stats().back_offs
}

/// A line that what this viewer sends has filled delays all neighbours; one neighbour's slow line is none of its.
#[test]
fn a_viewer_sends_less_once_its_own_line_is_slow() {
    assert!(back_offs([1_500; 3], 0) > 0, "all wait");
    assert_eq!(back_offs([1_500, 10, 10], 0), 0, "the line of one neighbour");
    assert!(back_offs([1_500, 1_500, 10], 0) > 0, "one who says that nothing is slow");
}

/// What a neighbour's own media hold back says nothing about the way.
#[test]
fn an_answer_that_waited_behind_the_answerers_own_media_is_not_late() {
    assert_eq!(back_offs([1_500; 3], 1_490), 0);
}
