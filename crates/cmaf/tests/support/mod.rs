//! Boxes in a few words, for the tests.
#![allow(dead_code, reason = "each test file uses its own part")]

use meshedflow_cmaf::{Fragment, Limits, SplitError, Splitter, Verdict};

/// A box with a 32-bit size.
pub(crate) fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(8 + body.len() as u32).to_be_bytes(), &kind[..], body].concat()
}

/// A box with a 64-bit size.
pub(crate) fn large(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 1], &kind[..], &(16 + body.len() as u64).to_be_bytes(), body].concat()
}

/// A full box's version and flags.
fn flags(flags: u32) -> [u8; 4] {
    flags.to_be_bytes()
}

/// A `moof` of one track whose first sample is a sync sample or not, by the `trun`'s own first flags.
pub(crate) fn moof(sync: bool) -> Vec<u8> {
    moof_of(&[0; 4], &[&flags(0x205)[..], &[0, 0, 0, 1], &[0; 4], &sample(sync), &[0, 0, 0, 9]].concat())
}

/// A `moof` with these bodies of `tfhd` (track id 1 put in by the caller) and `trun`.
pub(crate) fn moof_of(tfhd: &[u8], trun: &[u8]) -> Vec<u8> {
    let traf = [boxed(b"tfhd", tfhd), boxed(b"tfdt", &[0; 8]), boxed(b"trun", trun)].concat();
    boxed(b"moof", &[boxed(b"mfhd", &[0; 8]), boxed(b"traf", &traf)].concat())
}

/// Sample flags as encoders write them.
pub(crate) fn sample(sync: bool) -> [u8; 4] {
    flags(if sync { 0x0200_0000 } else { 0x0101_0000 })
}

/// `moof` and `mdat`.
pub(crate) fn chunk(sync: bool, media: usize) -> Vec<u8> {
    [moof(sync), boxed(b"mdat", &vec![0xaa; media])].concat()
}

/// All cuts of `bytes` given in portions of these lengths, over and over.
pub(crate) fn split(
    limits: Limits,
    bytes: &[u8],
    portions: &[usize],
) -> Result<(Vec<Fragment>, Verdict), SplitError> {
    feed(Splitter::new(limits), bytes, portions)
}

/// The same with a splitter made by the caller.
pub(crate) fn feed(
    mut splitter: Splitter,
    bytes: &[u8],
    portions: &[usize],
) -> Result<(Vec<Fragment>, Verdict), SplitError> {
    let mut cuts = Vec::new();
    let mut rest = bytes;
    for portion in portions.iter().cycle() {
        let (now, later) = rest.split_at((*portion).max(1).min(rest.len()));
        cuts.extend(splitter.push(now)?);
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    let (last, verdict) = splitter.finish()?;
    cuts.extend(last);
    Ok((cuts, verdict))
}

/// Offsets, lengths and independence of the cuts of `bytes`, and the verdict.
pub(crate) fn cuts(bytes: &[u8]) -> (Vec<(u32, u32, bool)>, Verdict) {
    let (cuts, verdict) = split(Limits::default(), bytes, &[usize::MAX]).unwrap();
    (cuts.iter().map(|f| (f.offset, f.length, f.independent)).collect(), verdict)
}
