//! What must hold for any bytes whatever, as a function that the fuzz target, property tests and the replay
//! of the corpus in `tests/fuzz` share. It returns in silence or panics.

use crate::splitter::{Fragment, Limits, SplitError, Splitter, Verdict};

/// Segments: the cuts cover every byte once, within limits, and are the same however the bytes came. The
/// first byte says in what portions they come, the rest is the segment.
pub fn split(bytes: &[u8]) {
    let Some((&portion, bytes)) = bytes.split_first() else { return };
    let limits =
        Limits { fragment_bytes: 400, segment_bytes: 4000, fragments: 60, boxes: 30, moof_bytes: 200 };
    for limits in [limits, Limits::default()] {
        let whole = cuts(limits, bytes, usize::MAX);
        assert_eq!(cuts(limits, bytes, usize::from(portion).max(1)), whole);
        if let Ok((cuts, _)) = whole {
            covers(&cuts, bytes.len(), limits);
        }
    }
}

fn cuts(limits: Limits, bytes: &[u8], portion: usize) -> Result<(Vec<Fragment>, Verdict), SplitError> {
    let mut splitter = Splitter::new(limits);
    let mut cuts = Vec::new();
    for portion in bytes.chunks(portion) {
        cuts.extend(splitter.push(portion)?);
        assert!(
            cuts.is_empty() || splitter.verdict().is_some(),
            "fragments named before it is certain what they are"
        );
    }
    let (last, verdict) = splitter.finish()?;
    cuts.extend(last);
    Ok((cuts, verdict))
}

fn covers(cuts: &[Fragment], length: usize, limits: Limits) {
    let mut end = 0;
    for cut in cuts {
        assert_eq!(cut.offset, end);
        assert!(cut.length > 0 && cut.length <= limits.fragment_bytes);
        end += cut.length;
    }
    assert_eq!(end as usize, length);
    assert!(cuts.len() <= limits.fragments as usize);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use proptest::prelude::*;

    use super::*;

    fn corpus() -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/cmaf");
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    #[test]
    fn the_corpus_replays() {
        assert!(corpus().len() >= 4);
        corpus().iter().for_each(|file| split(&fs::read(file).unwrap()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            split(&bytes);
        }

        /// A seed with one byte changed, or its end cut off.
        #[test]
        fn damaged_seeds_are_survived(seed: prop::sample::Index, at: prop::sample::Index, with: u8, cut: bool) {
            let mut bytes = fs::read(&corpus()[seed.index(corpus().len())]).unwrap();
            let at = at.index(bytes.len().max(1));
            if cut { bytes.truncate(at) } else if let Some(byte) = bytes.get_mut(at) { *byte = with }
            split(&bytes);
        }
    }
}
