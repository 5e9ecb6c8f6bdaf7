//! The vectors of `tests/vectors` are what this version makes of them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where it fails"
)]

#[allow(dead_code, reason = "the generator's own main")]
#[path = "../examples/vectors.rs"]
mod vectors;

use meshedflow_manifest::{Rolling, SegmentState};

#[test]
fn vectors_are_as_this_version_makes_them() {
    let files = vectors::files();
    assert!(files.len() >= 6);
    for (path, content) in files {
        let found = std::fs::read_to_string(&path).unwrap();
        assert!(found == content, "{} differs; see `cargo xtask vectors`", path.display());
    }
}

#[test]
fn a_document_from_the_future_says_what_it_said() {
    let read = |text: &str| Rolling::parse(text.as_bytes()).unwrap();
    let now = read(include_str!("../../../tests/vectors/lists/rolling.mfi.json"));
    let future = read(include_str!("../../../tests/vectors/lists/rolling-future.mfi.json"));
    assert_eq!(future.segments[2].state, SegmentState::Other);
    for (a, b) in now.segments.iter().zip(&future.segments) {
        assert_eq!((a.msn, &a.list), (b.msn, &b.list));
    }
}
