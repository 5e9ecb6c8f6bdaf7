//! What is kept of what came, and what goes first.

use meshedflow_core::{HttpInput, Input, Output, PeerCommand, Purpose};
use meshedflow_protocol::wire::{Frame, Request, SegmentRef};

use crate::stage::{FRAGMENT_BYTES, Stage, WINDOW, get};

/// The first segment that is loaded.
const FIRST: u64 = 20;
const FRAGMENTS: u16 = 4;
const LENGTH: u64 = FRAGMENTS as u64 * FRAGMENT_BYTES as u64;

/// A viewer with room for so many segments.
fn with_room_for(segments: u64) -> Stage {
    let options = format!(
        r#""memoryBytes":{},"upload":{{"rateBytesPerS":12500000}},"platform":{{"unixMs":1000000}}"#,
        segments * LENGTH
    );
    Stage::holding(0, FRAGMENTS, &options, FIRST)
}

/// Neighbours come, each with nothing but these segments.
fn met(stage: &mut Stage, has: &[core::ops::RangeInclusive<u64>]) {
    let others: Vec<usize> = (1..=has.len()).collect();
    stage.meet(&others);
    for ((n, other), msns) in others.iter().enumerate().zip(has) {
        stage.introduce(n, *other, |_, _| true, msns.clone());
    }
}

/// The player loads a segment over HTTP, and its list comes with it.
fn load(stage: &mut Stage, msn: u64) {
    let mut asked = stage.load(msn);
    for _ in 0..40 {
        asked.extend(stage.wake(250).unwrap_or_default());
        stage.pass_us(50_000);
        let said = std::mem::take(&mut asked);
        // Grants over a body whose list was here first.
        for output in &said {
            if let Output::Expect(expect) = output {
                let body = stage.origin.body(msn);
                stage.measure(expect, &body);
            }
        }
        for get in said.into_iter().filter_map(get) {
            let more = match get.purpose {
                Purpose::List => {
                    let rolling = stage.origin.rolling(msn + 2 - WINDOW..=msn + 1);
                    stage.tell(Input::Http(get.http, HttpInput::Body(rolling.as_bytes())))
                }
                _ if get.blob.is_some() => stage.finish_get(&get),
                _ => Vec::new(),
            };
            asked.extend(more);
        }
    }
}

/// Which of these segments it would serve to neighbour 0.
fn kept(stage: &mut Stage, msns: core::ops::RangeInclusive<u64>) -> Vec<u64> {
    let serves = |msn: &u64| {
        let segment = SegmentRef { lane: Default::default(), epoch: 7, msn: *msn };
        let request = *msn as u32;
        let ask =
            Request { request, segment, first: 0, count: 1, skip: 0, deadline_ms: 60_000, urgent: false };
        let said = stage.frame(0, &Frame::Request(ask));
        said.iter().any(|output| matches!(output, Output::Peer(_, PeerCommand::SendMedia(..))))
    };
    msns.filter(serves).collect()
}

#[test]
fn the_store_stays_within_its_budget_and_the_oldest_goes_first() {
    let mut stage = with_room_for(4);
    for msn in FIRST + 1..=FIRST + 5 {
        load(&mut stage, msn);
        assert!(stage.mesh.stats().stored_bytes <= 4 * LENGTH, "after segment {msn}");
    }
    met(&mut stage, &[FIRST + 90..=FIRST + 90]);
    assert_eq!(kept(&mut stage, FIRST..=FIRST + 5), [FIRST + 2, FIRST + 3, FIRST + 4, FIRST + 5]);
}

#[test]
fn what_most_neighbours_have_goes_before_what_is_older() {
    let mut stage = with_room_for(4);
    (FIRST + 1..=FIRST + 3).for_each(|msn| load(&mut stage, msn));
    met(&mut stage, &[FIRST + 1..=FIRST + 2, FIRST + 2..=FIRST + 2]);
    load(&mut stage, FIRST + 4);
    assert_eq!(kept(&mut stage, FIRST..=FIRST + 4), [FIRST, FIRST + 1, FIRST + 3, FIRST + 4]);
}
