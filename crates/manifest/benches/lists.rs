//! What trust costs: hashing media, verifying a list, reading one. `cargo bench -p meshedflow-manifest`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench that fails is seen")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use meshedflow_manifest::{
    Ed25519, EncodedList, Header, Kind, Measurer, Record, SignedList, Signer, Text, sha256, verify,
};

/// A list of so many fragments of 64 KiB.
fn list(signer: &Signer, fragments: u32) -> SignedList {
    let header = Header {
        kid: signer.kid(),
        stream: Text::new("stream").unwrap(),
        epoch: 1,
        rendition: Text::new("v/index.m3u8").unwrap(),
        kind: Kind::Cmaf,
        msn: 7,
        dsn: 0,
        resource: [1; 16],
        range_base: 0,
        init_digest: [0; 32],
        issued_at: 1_000,
    };
    let record =
        |i: u32| Record { offset: i << 16, length: 1 << 16, flags: 0, sha256: sha256(&i.to_be_bytes()) };
    signer.sign_list(header, true, (0..fragments).map(record).collect())
}

fn hash(c: &mut Criterion) {
    let mut group = c.benchmark_group("hash");
    for size in [16 * 1024, 1024 * 1024] {
        let bytes = vec![7; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("{} KiB", size / 1024), |b| {
            b.iter(|| {
                let mut measurer = Measurer::new();
                measurer.update(black_box(&bytes));
                measurer.finish()
            });
        });
    }
    group.finish();
}

fn lists(c: &mut Criterion) {
    let signer = Signer::new([7; 32]);
    let mut group = c.benchmark_group("list");
    for fragments in [8, 100] {
        let list = list(&signer, fragments);
        let text = EncodedList::of(&list);
        group.bench_function(format!("verify, {fragments} fragments"), |b| {
            b.iter(|| {
                verify(black_box(list.clone()), &signer.public(), None, &mut Ed25519::default()).unwrap()
            });
        });
        group.bench_function(format!("read, {fragments} fragments"), |b| {
            b.iter(|| black_box(&text).decode().unwrap())
        });
    }
    group.finish();
}

criterion_group!(benches, hash, lists);
criterion_main!(benches);
