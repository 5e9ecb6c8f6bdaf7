//! What is cut where.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod support;

use meshedflow_cmaf::{Limits, NotCmaf, SplitError, Splitter, TILE_BYTES, TS_TILE_BYTES, Verdict};
use proptest::prelude::*;
use support::{boxed, chunk, cuts, feed, large, moof, moof_of, sample, split};

#[test]
fn each_mdat_ends_a_fragment() {
    let (a, b) = (chunk(true, 500), chunk(false, 300));
    let (la, lb) = (a.len() as u32, b.len() as u32);
    assert_eq!(cuts(&[a, b].concat()), (vec![(0, la, true), (la, lb, false)], Verdict::Cmaf));
}

#[test]
fn a_fragment_is_named_with_its_last_byte_and_not_before() {
    let bytes = chunk(true, 500);
    let mut splitter = Splitter::new(Limits::default());
    let (last, before) = bytes.split_last().unwrap();
    assert_eq!(splitter.push(before), Ok(vec![]));
    assert_eq!(splitter.verdict(), None);
    assert_eq!(splitter.push(&[*last]).unwrap()[0].length, bytes.len() as u32);
    assert_eq!(splitter.verdict(), Some(Verdict::Cmaf));
    assert_eq!(splitter.position(), bytes.len() as u32);
}

#[test]
fn boxes_before_a_moof_belong_to_its_fragment() {
    let head = [&b"styp"[..], b"sidx", b"emsg", b"prft", b"free", b"abcd"];
    let head: Vec<u8> = head.iter().flat_map(|kind| boxed((*kind).try_into().unwrap(), &[1; 20])).collect();
    let bytes = [head, large(b"uuid", &[2; 16]), chunk(true, 10)].concat();
    assert_eq!(cuts(&bytes).0, [(0, bytes.len() as u32, true)]);
}

#[test]
fn boxes_after_the_last_mdat_make_a_fragment_of_their_own() {
    let bytes = [chunk(true, 10), boxed(b"mfra", &[0; 12]), boxed(b"free", &[])].concat();
    let first = chunk(true, 10).len() as u32;
    assert_eq!(cuts(&bytes), (vec![(0, first, true), (first, 28, false)], Verdict::Cmaf));
}

#[test]
fn sizes_of_64_bits_and_open_ones_are_read() {
    let bytes =
        [moof(true), large(b"mdat", &[0; 100]), moof(false), b"\0\0\0\0mdat".to_vec(), vec![0; 70]].concat();
    let first = (moof(true).len() + 116) as u32;
    let second = (moof(false).len() + 78) as u32;
    assert_eq!(cuts(&bytes), (vec![(0, first, true), (first, second, false)], Verdict::Cmaf));
}

#[test]
fn empty_boxes_count_too() {
    let bytes = [moof(true), boxed(b"mdat", &[]), boxed(b"moof", &[]), boxed(b"mdat", &[])].concat();
    let first = moof(true).len() as u32 + 8;
    assert_eq!(cuts(&bytes), (vec![(0, first, true), (first, 16, false)], Verdict::Cmaf));
    assert_eq!(cuts(&[]), (vec![], Verdict::Opaque(NotCmaf::Incomplete)));
}

#[test]
fn mpeg_ts_is_tiled_by_whole_packets() {
    let mut bytes = vec![0xff; 188 * 1000];
    bytes.iter_mut().step_by(188).for_each(|sync| *sync = 0x47);
    let (found, verdict) = cuts(&bytes);
    assert_eq!(found[..2], [(0, TS_TILE_BYTES, false), (TS_TILE_BYTES, TS_TILE_BYTES, false)]);
    assert_eq!(found[2], (2 * 65_424, 57_152, false));
    assert_eq!(verdict, Verdict::Opaque(NotCmaf::NotABox(0)));
}

#[test]
fn everything_else_is_tiled_by_64_kibibytes() {
    let texts =
        [&b"WEBVTT - some title\n\n"[..], b"\xff\xf1\x50\x80\x2e\x7f\xfc\xde", b"ID3\x04\0\0\0\0\0\x3fPRIV"];
    for text in texts {
        let bytes = [text, &[0; 70_000]].concat();
        let (found, verdict) = cuts(&bytes);
        assert_eq!(found, [(0, TILE_BYTES, false), (TILE_BYTES, bytes.len() as u32 - TILE_BYTES, false)]);
        assert!(matches!(verdict, Verdict::Opaque(_)), "{verdict:?}");
    }
}

#[test]
fn tiles_of_a_growing_segment_are_named_early() {
    let mut splitter = Splitter::opaque(Limits::default(), 1000);
    assert_eq!(splitter.verdict(), Some(Verdict::Opaque(NotCmaf::Asked)));
    assert_eq!(splitter.push(&[0; 999]).unwrap().len(), 0);
    assert_eq!(splitter.push(&[0; 1001]).unwrap().len(), 2);
    assert_eq!(splitter.push(&[0; 1]).unwrap().len(), 0);
    assert_eq!(splitter.finish().unwrap().0[0].offset, 2000);
}

#[test]
fn says_why_a_segment_is_tiled() {
    let why = |bytes: &[u8]| match cuts(bytes).1 {
        Verdict::Opaque(why) => why,
        Verdict::Cmaf => panic!("cmaf"),
    };
    assert_eq!(why(&[boxed(b"styp", &[0; 4]), boxed(b"mdat", &[0; 4])].concat()), NotCmaf::MdatFirst(12));
    assert_eq!(why(&[boxed(b"styp", &[0; 4]), vec![0; 9]].concat()), NotCmaf::NotABox(12));
    assert_eq!(why(b"\0\0\0\0moof____"), NotCmaf::OpenBox(0));
    assert_eq!(why(b"\x01\0\0\x01free____"), NotCmaf::TooLong(0));
    assert_eq!(why(b"\0\0\0\x01free\xff\xff\xff\xff\xff\xff\xff\xff"), NotCmaf::TooLong(0));
    assert_eq!(why(&moof(true)), NotCmaf::Incomplete);
    assert_eq!(why(&chunk(true, 50)[..chunk(true, 50).len() - 1]), NotCmaf::Incomplete);
    assert_eq!(why(b"\0\0\0\x08mo"), NotCmaf::Incomplete);
    let limits = Limits { boxes: 2, ..Limits::default() };
    let three = [boxed(b"free", &[]), boxed(b"free", &[]), chunk(true, 4)].concat();
    let verdict = split(limits, &three, &[usize::MAX]).unwrap().1;
    assert_eq!(verdict, Verdict::Opaque(NotCmaf::TooManyBoxes(16)));
}

#[test]
fn what_was_named_stays_when_the_rest_turns_out_to_be_damaged() {
    let good = chunk(true, 50);
    let at = good.len() as u32;
    let bytes = [good, vec![0; 2 * TILE_BYTES as usize]].concat();
    let expected = vec![(0, at, true), (at, TILE_BYTES, false), (at + TILE_BYTES, TILE_BYTES, false)];
    assert_eq!(cuts(&bytes), (expected, Verdict::Cmaf));
}

#[test]
fn no_fragment_is_longer_than_allowed() {
    let limits = Limits { fragment_bytes: 100_000, ..Limits::default() };
    for mdat in [boxed(b"mdat", &[0; 100_000]), [b"\0\0\0\0mdat".to_vec(), vec![0; 100_000]].concat()] {
        let bytes = [chunk(true, 10), moof(true), mdat].concat();
        let (found, verdict) = split(limits, &bytes, &[usize::MAX]).unwrap();
        assert_eq!(verdict, Verdict::Cmaf);
        assert!(found.iter().all(|f| f.length <= limits.fragment_bytes));
        assert_eq!(found[1].length, TILE_BYTES);
        assert_eq!(found.iter().map(|f| f.length).sum::<u32>(), bytes.len() as u32);
    }
}

#[test]
fn a_segment_is_bounded_in_bytes_and_fragments() {
    let limits = Limits { segment_bytes: 100, ..Limits::default() };
    let mut splitter = Splitter::new(limits);
    assert_eq!(splitter.push(&[0; 100]).map(|_| ()), Ok(()));
    assert_eq!(splitter.push(&[0; 1]), Err(SplitError::TooLong(100)));
    let limits = Limits { fragments: 3, ..Limits::default() };
    assert!(split(limits, &chunk(true, 1).repeat(3), &[7]).is_ok());
    assert_eq!(split(limits, &chunk(true, 1).repeat(4), &[7]), Err(SplitError::TooManyFragments(3)));
    let whole = feed(Splitter::opaque(Limits::default(), TILE_BYTES), &vec![0; 64 << 20], &[1 << 20]);
    assert_eq!(whole.unwrap().0.len(), 1024);
}

#[test]
fn independence_is_the_first_samples_sync_flag() {
    let first = |moof: Vec<u8>| cuts(&[moof, boxed(b"mdat", &[0])].concat()).0[0].2;
    let trun = |flags: u32, rest: &[u8]| [&flags.to_be_bytes()[..], &[0, 0, 0, 1], rest].concat();
    for sync in [true, false] {
        // In the trun's sample table, behind duration and size.
        assert_eq!(first(moof_of(&[0; 8], &trun(0x700, &[&[0; 8], &sample(sync)[..]].concat()))), sync);
        // In the tfhd's default, behind every other field.
        let tfhd = [&0x3bu32.to_be_bytes()[..], &[0, 0, 0, 1], &[0; 8], &[0; 12], &sample(sync)].concat();
        assert_eq!(first(moof_of(&tfhd, &trun(0x200, &[0; 4]))), sync);
        // The trun's word counts before the default.
        let tfhd = [&0x20u32.to_be_bytes()[..], &[0, 0, 0, 1], &sample(!sync)].concat();
        assert_eq!(first(moof_of(&tfhd, &trun(0x4, &sample(sync)))), sync);
    }
    // In the init segment only: not known here.
    assert!(!first(moof_of(&[0; 8], &trun(0x200, &[0; 4]))));
    assert!(!first(moof_of(&0x20u32.to_be_bytes(), &[])));
    assert!(!first(boxed(b"moof", b"\0\0\0\x09traf")));
}

#[test]
fn every_track_must_begin_with_a_sync_sample() {
    let traf = |sync| {
        let trun = [&4u32.to_be_bytes()[..], &[0, 0, 0, 1], &sample(sync)].concat();
        boxed(b"traf", &[boxed(b"tfhd", &[0; 8]), boxed(b"trun", &trun)].concat())
    };
    let of =
        |a, b| cuts(&[boxed(b"moof", &[traf(a), traf(b)].concat()), boxed(b"mdat", &[])].concat()).0[0].2;
    assert!(of(true, true) && !of(true, false) && !of(false, true));
}

#[test]
fn the_moof_next_to_the_mdat_decides() {
    let first = |a, b| cuts(&[a, b, boxed(b"mdat", &[])].concat()).0[0].2;
    assert!(first(boxed(b"moof", &[]), moof(true)));
    assert!(!first(moof(true), boxed(b"moof", &[])));
}

#[test]
fn a_moof_too_long_to_keep_is_passed_over() {
    let limits = Limits { moof_bytes: 64, ..Limits::default() };
    let (found, verdict) = split(limits, &chunk(true, 10), &[usize::MAX]).unwrap();
    assert_eq!((found.len(), found[0].independent, verdict), (1, false, Verdict::Cmaf));
}

/// Pieces of which segments, good and damaged, are made.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let body = || prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        4 => (any::<bool>(), 0..60usize).prop_map(|(sync, media)| chunk(sync, media)),
        2 => body().prop_map(|body| boxed(b"emsg", &body)),
        1 => body().prop_map(|body| large(b"mdat", &body)),
        1 => body().prop_map(|body| boxed(b"mdat", &body)),
        1 => any::<bool>().prop_map(moof),
        1 => Just(b"\0\0\0\0mdat".to_vec()),
        1 => body(),
    ]
}

fn small() -> Limits {
    Limits { fragment_bytes: 200, segment_bytes: 4000, fragments: 60, boxes: 30, moof_bytes: 100 }
}

proptest! {
    #[test]
    fn any_portions_give_the_same_cuts(
        pieces in prop::collection::vec(piece(), 0..12),
        portions in prop::collection::vec(1..90usize, 1..8),
    ) {
        let bytes = pieces.concat();
        let whole = split(small(), &bytes, &[usize::MAX]);
        prop_assert_eq!(&split(small(), &bytes, &portions), &whole);
        prop_assert_eq!(&split(small(), &bytes, &[1]), &whole);
    }

    #[test]
    fn every_byte_lies_in_exactly_one_fragment(pieces in prop::collection::vec(piece(), 0..12)) {
        let bytes = pieces.concat();
        if let Ok((cuts, _)) = split(small(), &bytes, &[13]) {
            let mut end = 0;
            for cut in cuts {
                prop_assert_eq!(cut.offset, end);
                prop_assert!(cut.length > 0 && cut.length <= small().fragment_bytes);
                end += cut.length;
            }
            prop_assert_eq!(end as usize, bytes.len());
        }
    }
}
