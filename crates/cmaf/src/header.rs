//! Box headers (ISO/IEC 14496-12 section 4.2).

/// Longest header that is read: size, type and 64-bit size. The 16 bytes of a `uuid` type count as body.
pub(crate) const HEADER_LIMIT_BYTES: usize = 16;

/// Where a box ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// So many bytes after the header.
    Body(u64),
    /// At the end of the file.
    ToEnd,
}

/// A box header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: [u8; 4],
    pub(crate) size: Size,
}

/// What a beginning of bytes says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// So many bytes are needed to say.
    More(usize),
    /// A header of so many bytes.
    Header(Header, usize),
    /// No box begins like this.
    NotABox,
}

/// Reads the header at the start of `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Read {
    let Some((&[a, b, c, d, ref kind @ ..], rest)) = bytes.split_first_chunk::<8>() else {
        return Read::More(8);
    };
    if !kind.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Read::NotABox;
    }
    let (size, header) = match u32::from_be_bytes([a, b, c, d]) {
        0 => return Read::Header(Header { kind: *kind, size: Size::ToEnd }, 8),
        1 => match rest.first_chunk() {
            Some(large) => (u64::from_be_bytes(*large), 16),
            None => return Read::More(16),
        },
        small => (u64::from(small), 8),
    };
    let least = header as u64 + if kind == b"uuid" { 16 } else { 0 };
    if size < least {
        return Read::NotABox;
    }
    Read::Header(Header { kind: *kind, size: Size::Body(size - header as u64) }, header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(kind: &[u8; 4], bytes: u64, header: usize) -> Read {
        Read::Header(Header { kind: *kind, size: Size::Body(bytes) }, header)
    }

    #[test]
    fn reads_small_large_and_open_sizes() {
        assert_eq!(read(b"\0\0\0\x10mdat"), body(b"mdat", 8, 8));
        assert_eq!(read(b"\0\0\0\x01mdat\0\0\0\x01\0\0\0\0"), body(b"mdat", (1 << 32) - 16, 16));
        assert_eq!(read(b"\0\0\0\0mdat"), Read::Header(Header { kind: *b"mdat", size: Size::ToEnd }, 8));
        assert_eq!(read(b"\0\0\0\x18uuid"), body(b"uuid", 16, 8));
    }

    #[test]
    fn asks_for_more() {
        assert_eq!(read(b""), Read::More(8));
        assert_eq!(read(b"\0\0\0\x08moo"), Read::More(8));
        assert_eq!(read(b"\0\0\0\x01mdat\0\0\0\0\0\0\0"), Read::More(16));
    }

    #[test]
    fn refuses_sizes_below_the_header_and_types_that_are_not_text() {
        assert_eq!(read(b"\0\0\0\x07free"), Read::NotABox);
        assert_eq!(read(b"\0\0\0\x17uuid"), Read::NotABox);
        assert_eq!(read(b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x0f"), Read::NotABox);
        assert_eq!(read(b"\x47\x40\x11\x10\0\x42\xf0\x25"), Read::NotABox);
    }
}
