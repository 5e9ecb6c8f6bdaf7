//! Whether decoding may begin at a fragment: the sync flag of the first sample of every track.

use crate::header::{self, Read, Size};

/// `sample_is_non_sync_sample` (ISO/IEC 14496-12 section 8.8.3.1).
const NON_SYNC: u32 = 0x0001_0000;

/// Whether the first sample of each `traf` in this `moof` body is a sync sample.
///
/// Flags that stand in the init segment alone (`trex`) are not seen here: then the answer is no.
pub(crate) fn is_independent(moof: &[u8]) -> bool {
    let mut trafs = children(moof).filter(|(kind, _)| kind == b"traf").peekable();
    trafs.peek().is_some()
        && trafs.all(|(_, traf)| first_sample_flags(traf).is_some_and(|f| f & NON_SYNC == 0))
}

fn first_sample_flags(traf: &[u8]) -> Option<u32> {
    let mut default = None;
    for (kind, body) in children(traf) {
        match &kind {
            b"tfhd" => default = tfhd_default_flags(body),
            b"trun" => return trun_first_flags(body).or(default),
            _ => {}
        }
    }
    None
}

/// `default_sample_flags` of a `tfhd` (section 8.8.7), behind the fields that its flags announce.
fn tfhd_default_flags(body: &[u8]) -> Option<u32> {
    let flags = u32_at(body, 0)? & 0x00ff_ffff;
    let before = [(0x01, 8), (0x02, 4), (0x08, 4), (0x10, 4)];
    let at = 8 + before.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, bytes)| bytes).sum::<usize>();
    (flags & 0x20 != 0).then(|| u32_at(body, at))?
}

/// The first sample's flags, if the `trun` (section 8.8.8) itself has them.
fn trun_first_flags(body: &[u8]) -> Option<u32> {
    let flags = u32_at(body, 0)? & 0x00ff_ffff;
    let table = 8 + if flags & 0x01 != 0 { 4 } else { 0 };
    if flags & 0x04 != 0 {
        return u32_at(body, table);
    }
    let before = [0x100, 0x200].iter().filter(|flag| flags & **flag != 0).count() * 4;
    (flags & 0x400 != 0).then(|| u32_at(body, table + before))?
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_be_bytes(*chunk))
}

/// The boxes in a box's body, up to the first that does not fit.
fn children(mut body: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    core::iter::from_fn(move || {
        let Read::Header(header, length) = header::read(body) else { return None };
        let Size::Body(size) = header.size else { return None };
        let (child, rest) = body.get(length..)?.split_at_checked(usize::try_from(size).ok()?)?;
        body = rest;
        Some((header.kind, child))
    })
}
