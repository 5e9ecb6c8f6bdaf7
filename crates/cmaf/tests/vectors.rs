//! The vectors of `tests/vectors/cmaf`, and the demo's own media.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod support;

use std::path::Path;

use meshedflow_cmaf::Verdict;
use serde::Deserialize;
use support::cuts;

#[derive(Deserialize)]
struct Vector {
    story: String,
    hex: String,
    fragments: Vec<(u32, u32, bool)>,
    verdict: String,
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn segments_are_cut_as_written_down() {
    let text = include_str!("../../../tests/vectors/cmaf/segments.json");
    let vectors: Vec<Vector> = serde_json::from_str(text).unwrap();
    assert!(vectors.len() >= 20);
    for Vector { story, hex, fragments, verdict } in vectors {
        let (found, kind) = cuts(&unhex(&hex));
        assert_eq!(found, fragments, "{story}");
        let kind = if kind == Verdict::Cmaf { "cmaf" } else { "opaque" };
        assert_eq!(kind, verdict, "{story}");
    }
}

/// Ends of `mdat` boxes by walking the whole file, which has 32-bit sizes only.
fn mdat_ends(bytes: &[u8]) -> Vec<u32> {
    let mut ends = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        if bytes[at + 4..at + 8] == *b"mdat" {
            ends.push((at + size) as u32);
        }
        at += size;
    }
    assert_eq!(at, bytes.len());
    ends
}

#[test]
fn the_demos_segments_are_cut_at_each_half_second() {
    let media = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/media");
    for rendition in ["v360", "v216", "a64"] {
        for n in 0..6 {
            let bytes = std::fs::read(media.join(rendition).join(format!("seg_{n}.m4s"))).unwrap();
            let (found, verdict) = cuts(&bytes);
            let ends: Vec<u32> = found.iter().map(|(offset, length, _)| offset + length).collect();
            assert_eq!((verdict, &ends), (Verdict::Cmaf, &mdat_ends(&bytes)), "{rendition} {n}");
            assert!((8..=9).contains(&found.len()), "{rendition} {n}: {} fragments", found.len());
            assert!(found[0].2, "{rendition} {n} begins with a sync sample");
        }
    }
}
