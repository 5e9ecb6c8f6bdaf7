//! What the mesh costs a processor: a decision among many neighbours, and a fragment from the request to the door.
//!
//! `cargo bench -p meshedflow-core`. Cores are real and driven through their public Inputs.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench that fails is seen")]

#[path = "../tests/stage/mod.rs"]
mod stage;

use std::collections::VecDeque;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use meshedflow_core::measure::Measurer;
use meshedflow_core::wire::peek_data;
use meshedflow_core::{Expect, Input, Output, PeerCommand, PeerInput, Source};
use stage::{Origin, Stage, get};

/// The segment that everything is about; the one before was loaded from the origin.
const WANTED: u64 = 20;

/// A viewer whose player waits for a segment of `fragments` fragments, of which each of `neighbours` holds two thirds.
fn waiting(neighbours: usize, fragments: u16) -> Stage {
    let mut stage = Stage::new(0, fragments, WANTED - 1);
    let others: Vec<usize> = (1..=neighbours).collect();
    stage.meet(&others);
    for (n, other) in others.iter().enumerate() {
        stage.introduce(n, *other, |_, i| (usize::from(i) + n) % 3 != 0, WANTED..=WANTED);
    }
    if neighbours > 0 {
        stage.frame(0, &stage.list_frame(WANTED));
    }
    stage.buffer_ms(12_000);
    stage.load(WANTED);
    stage
}

/// Decisions of one viewer with 50 neighbours and 100 fragments in the segment it waits for.
fn decisions(c: &mut Criterion) {
    const NEWS: u16 = 100;
    let mut group = c.benchmark_group("decide, 50 peers x 100 fragments");
    group.throughput(Throughput::Elements(NEWS.into())).sample_size(20);
    group.bench_function("a neighbour has one more fragment", |b| {
        let frames: Vec<_> = (0..NEWS).map(|i| waiting(0, 100).delta(WANTED, i)).collect();
        b.iter_batched_ref(
            || waiting(50, 100),
            |stage| {
                for (i, news) in frames.iter().enumerate() {
                    stage.pass_us(500);
                    stage.frame(i % 50, news);
                    stage.mesh.poll_timeout();
                }
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("the clock rings", |b| {
        b.iter_batched_ref(
            || waiting(50, 100),
            |stage| {
                for _ in 0..NEWS {
                    stage.pass_us(500);
                    stage.mesh.handle_timeout(stage.now);
                    stage.mesh.poll_timeout();
                }
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Bytes of a grant that came so far.
struct Coming {
    end: usize,
    expect: Expect,
    measurer: Measurer,
    at: u32,
}

/// Milliseconds in which nothing may be said before a talk is over.
const SILENCE: u32 = 50;

/// Hands over what each of two cores asks of the other, until `done`. Media is measured as it arrives.
fn talk(ends: &mut [Stage; 2], body: &[u8], asked: Vec<(usize, Output)>, done: impl Fn(&[Stage; 2]) -> bool) {
    let mut queue: VecDeque<(usize, Output)> = asked.into();
    let mut coming: Vec<Coming> = Vec::new();
    let mut turns = 0;
    while !done(ends) {
        let Some((from, output)) = queue.pop_front() else {
            turns += 1;
            if turns > SILENCE {
                return;
            }
            for (n, end) in ends.iter_mut().enumerate() {
                let drained = end.tell(Input::Peer(end.conns[0], PeerInput::Drained));
                let due = end.wake(5).into_iter().flatten();
                queue.extend(drained.into_iter().chain(due).map(|output| (n, output)));
                end.pass_us(1_000);
            }
            continue;
        };
        let to = 1 - from;
        let conn = ends[to].conns[0];
        let answer = match output {
            Output::Peer(_, PeerCommand::Send(frames) | PeerCommand::SendData(frames)) => {
                ends[to].tell(Input::Peer(conn, PeerInput::Frames(&frames)))
            }
            Output::Peer(_, PeerCommand::SendMedia(mut message, span)) => {
                message.resize(message.len() + span.len as usize, 0);
                let peek = peek_data(&message).unwrap();
                let source = Source::Peer(conn, peek.request);
                let grant = coming.iter_mut().find(|c| c.end == to && c.expect.from == source);
                let Some(grant) = grant else { continue };
                let bytes = &body[peek.offset as usize..(peek.offset + span.len) as usize];
                grant.measurer.update(bytes);
                grant.at += span.len;
                if !grant.expect.cuts.contains(&grant.at) {
                    continue;
                }
                let measured = grant.measurer.finish();
                ends[to].tell(Input::Measured { grant: grant.expect.grant, measured })
            }
            Output::Expect(expect) => {
                let at = expect.range.start;
                coming.push(Coming { end: from, expect, measurer: Measurer::new(), at });
                continue;
            }
            _ => continue,
        };
        queue.extend(answer.into_iter().map(|output| (to, output)));
    }
}

/// Two cores: one has a segment, the other asks for it; all of it is sent, hashed, verified and announced.
fn fragments(c: &mut Criterion) {
    const FRAGMENTS: u16 = 64;
    let pair = || {
        let mut ends = [Stage::new(1, FRAGMENTS, WANTED), Stage::new(2, FRAGMENTS, WANTED - 2)];
        // Who has two segments can wait for a neighbour.
        let second = ends[1].load(WANTED - 1);
        for get in second.into_iter().filter_map(get).filter(|get| get.blob.is_some()) {
            ends[1].finish_get(&get);
        }
        let hellos: Vec<_> = [(0, [2]), (1, [1])]
            .into_iter()
            .flat_map(|(end, other)| ends[end].meet(&other).into_iter().map(move |o| (end, o)))
            .collect();
        talk(&mut ends, &[], hellos, |_| false);
        ends[1].buffer_ms(12_000);
        ends
    };
    let body = Origin::new(FRAGMENTS).body(WANTED);
    let mut group = c.benchmark_group("two cores");
    group.throughput(Throughput::Elements(FRAGMENTS.into())).sample_size(20);
    group.bench_function("a fragment of 16 kB, from the request to the door", |b| {
        b.iter_batched_ref(
            pair,
            |ends| {
                let asked = ends[1].load(WANTED).into_iter().map(|output| (1, output)).collect();
                let all = u64::from(ends[1].origin.length());
                let done = |ends: &[Stage; 2]| ends[1].mesh.stats().delivered_peer_bytes == all;
                talk(ends, &body, asked, done);
                assert!(done(ends), "not all came: {:?}", ends[1].mesh.stats());
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, decisions, fragments);
criterion_main!(benches);
