//! What the words between viewers cost: writing and reading the frames that are many. `cargo bench -p meshedflow-protocol`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench that fails is seen")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::wire::{
    DataHeader, Delta, Elect, Frame, Frames, LaneIndex, ListBatch, Map, MapSegment, SegmentRef, View, encode,
    encode_data_head, peek_data,
};

const VIEW: View = View { count: 8, xor: 0x0123_4567_89ab_cdef };
const EPOCH: u64 = 1_700_000_000;

fn newest() -> SegmentRef {
    SegmentRef { lane: LaneIndex::default(), epoch: EPOCH, msn: 4_812 }
}

fn delta(batch: Option<ListBatch>) -> Frame {
    Frame::Delta(Delta {
        segment: newest(),
        count: 8,
        closed: false,
        list_hash: u64::MAX,
        first: 7,
        held: 1,
        queue_ms: 12,
        view: VIEW,
        offer_to: None,
        batch,
    })
}

fn batch() -> ListBatch {
    ListBatch { header: Some(vec![7; 140]), first: 0, records: vec![7; 44 * 8], signature: [7; 64] }
}

fn map() -> Frame {
    let segment = |msn| MapSegment { msn, count: 8, closed: true, list_hash: msn, held: vec![0xff] };
    Frame::Map(Map {
        lane: LaneIndex::default(),
        epoch: EPOCH,
        elect: Elect { class: 3, first: 4_800, last: 4_830 },
        view: VIEW,
        queue_ms: 12,
        neighbours: (0..8).map(|n| PeerId::compose(1, 0, n, 1, [7; 6])).collect(),
        segments: (4_800..4_816).map(segment).collect(),
    })
}

fn frames(c: &mut Criterion) {
    let mut group = c.benchmark_group("frame");
    for (name, frame) in
        [("delta", delta(None)), ("delta with a list", delta(Some(batch()))), ("map of 16", map())]
    {
        let mut bytes = Vec::new();
        encode(&frame, &mut bytes);
        let mut room = Vec::with_capacity(bytes.len());
        group.bench_function(format!("write {name}"), |b| {
            b.iter(|| {
                room.clear();
                encode(black_box(&frame), &mut room);
            });
        });
        group.bench_function(format!("read {name}"), |b| {
            b.iter(|| Frames::new(black_box(&bytes)).next().unwrap().unwrap());
        });
    }
    group.finish();
}

fn media(c: &mut Criterion) {
    const BYTES: usize = 16_000;
    let header = DataHeader { request: 4_711, offset: 160_000, batch: None };
    let mut message = Vec::new();
    encode_data_head(&header, BYTES, &mut message);
    message.resize(message.len() + BYTES, 7);
    let mut group = c.benchmark_group("frame");
    let mut room = Vec::with_capacity(32);
    group.bench_function("write the head of 16 kB of media", |b| {
        b.iter(|| {
            room.clear();
            encode_data_head(black_box(&header), BYTES, &mut room);
        });
    });
    group.bench_function("read the head of 16 kB of media", |b| {
        b.iter(|| peek_data(black_box(&message)).unwrap())
    });
    group.finish();
}

criterion_group!(benches, frames, media);
criterion_main!(benches);
