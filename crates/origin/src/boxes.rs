//! Just enough ISO-BMFF (ISO/IEC 14496-12) to walk boxes and to read and patch numbers in place.

use std::ops::Range;

/// A box inside a byte buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its four-character code.
    pub(crate) kind: [u8; 4],
    /// Where its payload is.
    pub(crate) body: Range<usize>,
}

/// The boxes that fill `range` of `bytes`, or where and why they do not.
pub(crate) fn children(bytes: &[u8], range: Range<usize>) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let (kind, header, size) = header(bytes, at, range.end)?;
        found.push(Found { kind, body: at + header..at + size });
        at += size;
    }
    Ok(found)
}

/// Kind, header length and whole length of the box at `at`.
fn header(bytes: &[u8], at: usize, end: usize) -> Result<([u8; 4], usize, usize), String> {
    let short = || format!("box header at byte {at} is cut off");
    let kind = bytes.get(at + 4..at + 8).and_then(|k| k.try_into().ok()).ok_or_else(short)?;
    let (header, size) = match u32_at(bytes, at).ok_or_else(short)? {
        0 => (8, (end - at) as u64),
        1 => (16, u64_at(bytes, at + 8).ok_or_else(short)?),
        size => (8, u64::from(size)),
    };
    let fits = size >= header as u64 && size <= (end - at) as u64;
    match usize::try_from(size) {
        Ok(size) if fits => Ok((kind, header, size)),
        _ => Err(format!("box at byte {at} has size {size}; expected {header} to {}", end - at)),
    }
}

/// The only child of this kind in `range`.
pub(crate) fn child(bytes: &[u8], range: Range<usize>, kind: &[u8; 4]) -> Result<Range<usize>, String> {
    children(bytes, range)?
        .into_iter()
        .find(|b| &b.kind == kind)
        .map(|b| b.body)
        .ok_or_else(|| format!("no {} box", String::from_utf8_lossy(kind)))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_be_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_be_bytes)
}

/// Overwrites bytes; the caller read the same place before, so it exists.
pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_walked_and_lies_about_sizes_named() {
        let bytes = b"\0\0\0\x08free\0\0\0\x01mdat\0\0\0\0\0\0\0\x12xx\0\0\0\0tail.";
        let found = children(bytes, 0..bytes.len()).unwrap();
        let kinds: Vec<_> = found.iter().map(|b| (&b.kind, b.body.clone())).collect();
        assert_eq!(kinds, [(b"free", 8..8), (b"mdat", 24..26), (b"tail", 34..35)]);
        assert!(children(b"\0\0\0\x07free", 0..8).unwrap_err().contains("size 7"));
        assert!(children(b"\0\0\0\x09free", 0..8).unwrap_err().contains("size 9"));
        assert!(children(b"\0\0\0\x08fre", 0..7).unwrap_err().contains("cut off"));
    }
}
