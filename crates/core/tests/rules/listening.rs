//! What neighbours say: how much of it is heeded, checked and passed on, and when it no longer counts.

use meshedflow_core::measure::Measurer;
use meshedflow_core::{Expect, Input, Output, PeerCommand, Purpose, Source};
use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::wire::{Delta, Fetching, Frame, Frames, ListBatch, Request, SegmentRef};

use crate::stage::{FRAGMENT_BYTES, Stage, id};

/// The newest segment that the viewer's player asked for; the next one is in the origin's list as well.
const MSN: u64 = 20;
const EPOCH: u64 = 7;

/// A viewer with neighbours who have said hello, and hold what `held` says of the segment after [`MSN`].
fn among(neighbours: usize) -> Stage {
    met(neighbours, |_| false).0
}

/// The same with neighbours of whom some hold the segment after [`MSN`], and what is asked of them.
fn met(neighbours: usize, held: impl Fn(usize) -> bool) -> (Stage, Vec<Output>) {
    let mut stage = Stage::new(0, 8, MSN);
    stage.buffer_ms(12_000);
    let others: Vec<usize> = (1..=neighbours).collect();
    let mut asked = stage.meet(&others);
    for (n, other) in others.iter().enumerate() {
        asked.extend(stage.introduce(n, *other, |_, _| held(n), MSN + 1..=MSN + 1));
    }
    (stage, asked)
}

fn about(msn: u64) -> SegmentRef {
    SegmentRef { lane: Default::default(), epoch: EPOCH, msn }
}

/// Frames among these outputs, with the neighbour that each goes to.
fn frames(stage: &Stage, outputs: &[Output]) -> Vec<(usize, Frame)> {
    let to = |conn| stage.conns.iter().position(|known| *known == conn).unwrap();
    let sent = outputs.iter().filter_map(|output| match output {
        Output::Peer(conn, PeerCommand::Send(bytes)) => Some((to(*conn), bytes)),
        _ => None,
    });
    sent.flat_map(|(n, bytes)| Frames::new(bytes).flatten().map(move |frame| (n, frame))).collect()
}

fn closed(stage: &Stage, outputs: &[Output], n: usize) -> bool {
    outputs.contains(&Output::Peer(stage.conns[n], PeerCommand::Close))
}

/// Lets time pass with neighbours who answer pings and tell nothing else; returns what was asked meanwhile.
fn quiet_ms(stage: &mut Stage, ms: u64) -> Vec<Output> {
    let end = stage.now.0 + ms * 1_000;
    let mut all = Vec::new();
    while let Some(said) = stage.wake((end.saturating_sub(stage.now.0)) / 1_000) {
        for (n, frame) in frames(stage, &said) {
            if let Frame::Ping { nonce } = frame {
                all.extend(stage.frame(n, &Frame::Pong { nonce, hold_ms: 0 }));
            }
        }
        all.extend(said);
    }
    stage.now.0 = end;
    all
}

// ---- lists

/// Signatures cost milliseconds: of one neighbour 32 at once, then eight a second.
#[test]
fn lists_of_one_neighbour_are_verified_within_its_budget() {
    let mut stage = among(1);
    let before = stage.checks.so_far();
    let shown = |stage: &mut Stage, msns: core::ops::Range<u64>| {
        for msn in msns {
            let frame = stage.list_frame(msn);
            stage.frame(0, &frame);
        }
        stage.checks.so_far() - before
    };
    assert_eq!(shown(&mut stage, MSN + 2..MSN + 42), 32);
    stage.pass_us(1_000_000);
    assert_eq!(shown(&mut stage, MSN + 42..MSN + 60), 40);
}

/// All neighbours share what the page can bear: 64 at once, then 32 a second.
#[test]
fn lists_of_all_neighbours_are_verified_within_the_pages_budget() {
    let mut stage = among(6);
    let before = stage.checks.so_far();
    let shown = |stage: &mut Stage, msns: core::ops::Range<u64>| {
        for msn in msns {
            let frame = stage.list_frame(msn);
            stage.frame((msn % 6) as usize, &frame);
        }
        stage.checks.so_far() - before
    };
    shown(&mut stage, 0..MSN - 8);
    assert_eq!(shown(&mut stage, MSN + 2..MSN + 64), 64);
    stage.pass_us(500_000);
    assert_eq!(shown(&mut stage, MSN + 2..MSN + 65), 75, "all that were left");
}

/// What verified once is not verified again, whoever shows it.
#[test]
fn a_list_is_verified_once() {
    let mut stage = among(5);
    let before = stage.checks.so_far();
    let frame = stage.list_frame(MSN + 2);
    for n in 0..5 {
        stage.frame(n, &frame);
        stage.frame(n, &frame);
    }
    assert_eq!(stage.checks.so_far() - before, 1);
}

/// Of places where the player is not going no list is verified.
#[test]
fn lists_far_from_the_player_are_left_unread() {
    let mut stage = among(1);
    let before = stage.checks.so_far();
    for msn in [MSN + 65, MSN + 5_000] {
        let frame = stage.list_frame(msn);
        stage.frame(0, &frame);
    }
    assert_eq!(stage.checks.so_far(), before);
    let frame = stage.list_frame(MSN + 64);
    stage.frame(0, &frame);
    assert_eq!(stage.checks.so_far(), before + 1);
}

fn altered(stage: &Stage, alter: impl Fn(&mut ListBatch)) -> Frame {
    let mut frame = stage.list_frame(MSN + 2);
    if let Frame::Delta(Delta { batch: Some(batch), .. }) = &mut frame {
        alter(batch);
    }
    frame
}

/// A false signature under a key that is known is a lie; a key that nobody knows may be the next one.
#[test]
fn a_false_signature_ends_a_neighbour_and_an_unknown_key_does_not() {
    let mut stage = among(2);
    let forged = altered(&stage, |batch| batch.signature[0] ^= 1);
    let said = stage.frame(0, &forged);
    assert!(closed(&stage, &said, 0));
    let before = stage.checks.so_far();
    let magic = b"meshedflow/fraglist/v1\0".len();
    let foreign = altered(&stage, |batch| batch.header.as_mut().unwrap()[magic] ^= 1);
    let said = stage.frame(1, &foreign);
    assert!(!closed(&stage, &said, 1));
    assert_eq!(stage.checks.so_far(), before, "nothing to verify it with");
}

// ---- bytes

fn asked_of_peers(outputs: Vec<Output>) -> Vec<Expect> {
    let expect = |output| match output {
        Output::Expect(expect) if matches!(expect.from, Source::Peer(..)) => Some(expect),
        _ => None,
    };
    outputs.into_iter().filter_map(expect).collect()
}

/// The first fragment of a grant came, with other bytes than the origin's.
fn false_fragment(stage: &mut Stage, expect: &Expect) -> Vec<Output> {
    let mut measurer = Measurer::new();
    measurer.update(&vec![255; FRAGMENT_BYTES as usize]);
    stage.tell(Input::Measured { grant: expect.grant, measured: measurer.finish() })
}

/// Once may be an accident of its own; a neighbour whose bytes are false twice is closed, and told of to the edge.
#[test]
fn two_fragments_of_false_bytes_end_a_neighbour() {
    let (mut stage, asked) = met(1, |_| true);
    let mut strikes = 0;
    let mut asked = asked_of_peers(asked);
    for _ in 0..40 {
        let Some(expect) = asked.pop() else {
            let said = stage.wake(500).unwrap_or_default();
            asked.extend(asked_of_peers(said));
            continue;
        };
        strikes += 1;
        let said = false_fragment(&mut stage, &expect);
        let over = closed(&stage, &said, 0);
        assert_eq!(over, strikes == 2, "after {strikes} false fragments");
        if over {
            let told = said.iter().any(|o| matches!(o, Output::Say(text) if text.contains(&id(1).hex())));
            assert!(told, "the edge is told: {said:?}");
            return;
        }
        asked.extend(asked_of_peers(said));
    }
    panic!("only {strikes} fragments were asked of it");
}

// ---- what is told of holding

/// Who has not told for longer than maps last is asked for nothing.
#[test]
fn a_map_counts_for_half_a_minute() {
    for (quiet, counts) in [(29_000, true), (31_000, false)] {
        let mut stage = among(1);
        // It holds one segment further on than anybody fetches ahead.
        stage.tells_of(0, |_, _| true, MSN + 3..=MSN + 3);
        let frame = stage.list_frame(MSN + 3);
        stage.frame(0, &frame);
        quiet_ms(&mut stage, quiet);
        stage.buffer_ms(12_000);
        let asked = asked_of_peers(stage.load(MSN + 3));
        assert_eq!(!asked.is_empty(), counts, "{quiet} ms after its map");
    }
}

/// Fragments are asked for only of who told of them.
#[test]
fn nobody_is_asked_for_what_it_does_not_hold() {
    let (stage, asked) = met(2, |n| n == 1);
    let asked = asked_of_peers(asked);
    assert!(!asked.is_empty());
    for expect in asked {
        assert!(matches!(expect.from, Source::Peer(conn, _) if conn == stage.conns[1]), "{expect:?}");
    }
}

/// A segment above a quarter of the store is neither asked of others nor kept for them.
#[test]
fn what_is_above_a_quarter_of_the_store_stays_on_http() {
    let length = 8 * u64::from(FRAGMENT_BYTES);
    for (memory, fits) in [(4 * length, true), (4 * length - 4, false)] {
        let options = format!(
            r#""memoryBytes":{memory},"upload":{{"rateBytesPerS":12500000}},"platform":{{"unixMs":1000000}}"#
        );
        let mut stage = Stage::holding(0, 8, &options, MSN);
        stage.meet(&[1]);
        stage.buffer_ms(12_000);
        let mut said = stage.introduce(0, 1, |_, _| true, MSN + 1..=MSN + 1);
        said.extend(stage.load(MSN + 1));
        let by_http =
            said.iter().any(|output| matches!(output, Output::Get(get) if get.purpose == Purpose::Media));
        assert_eq!((by_http, asked_of_peers(said).is_empty()), (!fits, !fits), "{memory} B of memory");
    }
}

// ---- news

fn told_known(stage: &Stage, outputs: &[Output]) -> Vec<(usize, u64, u8)> {
    let known = |(n, frame)| match frame {
        Frame::Known { segment, hops, .. } => Some((n, segment.msn, hops)),
        _ => None,
    };
    frames(stage, outputs).into_iter().filter_map(known).collect()
}

/// News of a segment go on once, to all but who brought them.
#[test]
fn news_are_passed_on_once() {
    let mut stage = among(3);
    stage.pass_us(3_000_000);
    let known = |hops| Frame::Known { segment: about(MSN + 2), age_ms: 0, hops };
    let said = stage.frame(0, &known(0));
    assert_eq!(told_known(&stage, &said), [(1, MSN + 2, 1), (2, MSN + 2, 1)]);
    let again = stage.frame(1, &known(0));
    assert_eq!(told_known(&stage, &again), []);
}

#[test]
fn news_from_two_hops_away_go_no_further() {
    let mut stage = among(3);
    stage.pass_us(3_000_000);
    let known = |hops| Frame::Known { segment: about(MSN + 2), age_ms: 0, hops };
    let said = stage.frame(0, &known(1));
    assert_eq!(told_known(&stage, &said), []);
    let mut stage = among(3);
    stage.pass_us(3_000_000);
    stage.frame(0, &known(2));
    let own = stage.frame(1, &known(0));
    assert_eq!(told_known(&stage, &own).len(), 2, "what came from further was no news here");
}

/// Segments come one after the other, and not much sooner than their duration.
#[test]
fn news_are_believed_of_the_next_segment_and_not_too_early() {
    let believed = |wait_ms: u64, msn: u64| {
        let mut stage = among(2);
        // The list said of the newest one that it was a second old then.
        stage.pass_us(wait_ms * 1_000);
        let said = stage.frame(0, &Frame::Known { segment: about(msn), age_ms: 0, hops: 0 });
        !told_known(&stage, &said).is_empty()
    };
    assert!(!believed(1_500, MSN + 2), "2.5 s of 4 s after the one before");
    assert!(believed(2_500, MSN + 2));
    for msn in [MSN - 1, MSN, MSN + 1, MSN + 3, u64::MAX] {
        assert!(!believed(2_500, msn), "segment {msn}");
    }
}

/// What was told of a segment that is not the next one changes nothing.
#[test]
fn news_of_a_later_segment_do_not_hide_the_next_one() {
    let mut stage = among(3);
    stage.pass_us(3_000_000);
    stage.frame(0, &Frame::Known { segment: about(MSN + 3), age_ms: 0, hops: 0 });
    let said = stage.frame(1, &Frame::Known { segment: about(MSN + 2), age_ms: 0, hops: 0 });
    assert_eq!(told_known(&stage, &said).len(), 2);
}

// ---- claims

fn claim(msn: u64, fetcher: PeerId) -> Frame {
    Frame::Fetching(Fetching { segment: about(msn), fetcher, stage: 0, range: None, age_ms: 0, hops: 0 })
}

fn relayed(stage: &Stage, outputs: &[Output], fetcher: PeerId) -> Vec<(usize, u8)> {
    let passed = |(n, frame)| match frame {
        Frame::Fetching(f) if f.fetcher == fetcher => Some((n, f.hops)),
        _ => None,
    };
    frames(stage, outputs).into_iter().filter_map(passed).collect()
}

/// Where not all see the same viewers, a claim goes on once, to all but who made it.
#[test]
fn a_claim_is_passed_on_once() {
    let mut stage = among(3);
    let said = stage.frame(0, &claim(MSN + 1, id(1)));
    assert_eq!(relayed(&stage, &said, id(1)), [(1, 1), (2, 1)]);
    let again = stage.frame(0, &claim(MSN + 1, id(1)));
    assert_eq!(relayed(&stage, &again, id(1)), []);
}

/// Where all see the same viewers, all have heard the claim from its fetcher.
#[test]
fn in_a_clique_claims_are_not_passed_on() {
    let (mut stage, said) = met(3, |_| false);
    let mine = frames(&stage, &said).into_iter().rev().find_map(|(_, frame)| match frame {
        Frame::Map(map) => Some(map.view),
        _ => None,
    });
    let mine = mine.unwrap();
    for n in 0..3 {
        let Frame::Delta(delta) = stage.delta(MSN + 1, 0) else { return };
        stage.frame(n, &Frame::Delta(Delta { held: 0, view: mine, ..delta }));
    }
    let said = stage.frame(0, &claim(MSN + 1, id(1)));
    assert_eq!(relayed(&stage, &said, id(1)), []);
    let Frame::Delta(delta) = stage.delta(MSN + 1, 0) else { return };
    stage.frame(2, &Frame::Delta(Delta { held: 0, ..delta }));
    let said = stage.frame(1, &claim(MSN, id(2)));
    assert_eq!(relayed(&stage, &said, id(2)), [(0, 1), (2, 1)], "one who sees others is enough");
}

/// Nobody speaks for another as if it were that one, and hops do not lie.
#[test]
fn a_claim_is_made_by_its_fetcher_or_says_that_it_was_passed_on() {
    let mut stage = among(3);
    let said = stage.frame(0, &claim(MSN + 1, id(9)));
    assert_eq!(relayed(&stage, &said, id(9)), [], "not its own, but said to be");
    let Frame::Fetching(own) = claim(MSN + 1, id(1)) else { return };
    let said = stage.frame(0, &Frame::Fetching(Fetching { hops: 1, ..own }));
    assert_eq!(relayed(&stage, &said, id(1)), [], "its own, but said to be passed on");
    let said = stage.frame(0, &Frame::Fetching(Fetching { fetcher: id(9), hops: 1, ..own }));
    assert_eq!(relayed(&stage, &said, id(9)), [], "one hop is as far as claims travel in a small lane");
}

/// Four at once and two a second of one neighbour's claims are passed on.
#[test]
fn claims_of_one_neighbour_are_passed_on_within_its_budget() {
    let mut stage = among(3);
    let passed = |stage: &mut Stage, msns: core::ops::RangeInclusive<u64>| {
        msns.filter(|msn| {
            let said = stage.frame(0, &claim(*msn, id(1)));
            !relayed(stage, &said, id(1)).is_empty()
        })
        .count()
    };
    assert_eq!(passed(&mut stage, MSN - 5..=MSN), 4);
    let said = stage.frame(1, &claim(MSN, id(2)));
    assert!(!relayed(&stage, &said, id(2)).is_empty(), "another neighbour has a budget of its own");
    stage.pass_us(500_000);
    assert_eq!(passed(&mut stage, MSN + 1..=MSN + 1), 1);
}

/// Of whose last five claims three came to nothing, nobody hears for a minute.
#[test]
fn who_claims_in_vain_is_not_listened_to_for_a_minute() {
    let heeded = |in_vain: u64, wait_ms: u64| {
        let mut stage = among(3);
        for msn in MSN + 2 - in_vain..=MSN + 1 {
            stage.frame(0, &claim(msn, id(1)));
        }
        quiet_ms(&mut stage, 6_000);
        // Whoever is asked again finds out what its words were worth.
        stage.frame(0, &claim(MSN - 6, id(1)));
        quiet_ms(&mut stage, wait_ms);
        let said = stage.frame(0, &Frame::Known { segment: about(MSN + 2), age_ms: 0, hops: 0 });
        !told_known(&stage, &said).is_empty()
    };
    assert!(heeded(0, 100) && heeded(2, 100));
    assert!(!heeded(3, 100) && !heeded(3, 59_000));
    assert!(heeded(3, 61_000));
}

/// Once consent is withdrawn nobody is served.
#[test]
fn who_withdraws_consent_serves_nobody() {
    let mut stage = among(1);
    stage.tell(Input::Consent(false));
    let ask = Request {
        request: 1,
        segment: about(MSN),
        first: 0,
        count: 1,
        skip: 0,
        deadline_ms: 5_000,
        urgent: false,
    };
    let said = stage.frame(0, &Frame::Request(ask));
    let served = said.iter().any(|output| matches!(output, Output::Peer(_, PeerCommand::SendMedia(..))));
    assert!(!served, "{said:?}");
}
