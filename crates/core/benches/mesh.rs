//! What the mesh costs a processor: a decision among many neighbours.
//!
//! `cargo bench -p meshedflow-core`. Cores are real and driven through their public Inputs.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench that fails is seen")]

#[path = "../tests/stage/mod.rs"]
mod stage;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use stage::Stage;

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

criterion_group!(benches, decisions);
criterion_main!(benches);
