//! HLS playlists as files: what they name, and which file on disk that is.
//!
//! A viewer names a segment by what HLS.js makes of the playlist, so that is what is read here, odd playlists
//! included: `lines` and `attributes` take the text apart by the rules of HLS.js's own search, `media` and
//! `multivariant` number and name what is found, `variables` are substituted where HLS.js does so, `resolve` joins
//! URLs as it does and `paths` tells which file of the directory a URL is. A playlist that HLS.js refuses is
//! refused with its line. What it plays is named here as it names it there, or is left out of the lists and said.
//!
//! `tests/vectors/playlists` has playlists of each kind; a test grows thousands from them and compares this with HLS.js's
//! own parser.

mod attributes;
mod lines;
mod media;
mod multivariant;
mod paths;
mod presentation;
mod resolve;
mod text;
mod variables;

pub use paths::Site;
pub(crate) use paths::percent_decode;
pub use presentation::{Presentation, Reading, Rendition};

use crate::remarks::Kind;

/// A media playlist (RFC 8216bis section 4.4.3) with its segments in order.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaPlaylist {
    /// `EXT-X-TARGETDURATION` in seconds, at most 2^32 - 1.
    pub target_duration_s: u32,
    /// `EXT-X-MEDIA-SEQUENCE`, 0 by default.
    pub media_sequence: u64,
    /// True with `EXT-X-ENDLIST`.
    pub ended: bool,
    /// The first `EXT-X-KEY` that encrypts a segment.
    pub encrypted: Option<Encrypted>,
    /// The segments.
    pub segments: Vec<Segment>,
}

/// How segments of a [`MediaPlaylist`] are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encrypted {
    /// `METHOD`, as written; empty without one.
    pub method: String,
    /// Line of the first segment, from 1.
    pub line: usize,
}

/// One segment of a [`MediaPlaylist`].
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Media sequence number.
    pub msn: u64,
    /// Discontinuity sequence number.
    pub dsn: u32,
    /// The URI as written, its variables replaced.
    pub uri: String,
    /// `EXTINF` in seconds; 0 without one.
    pub duration_s: f64,
    /// `EXT-X-BYTERANGE`.
    pub range: Option<ByteRange>,
    /// The `EXT-X-MAP` in force.
    pub init: Option<Resource>,
    /// Line of the URI in the playlist, from 1.
    pub line: usize,
    /// Set if the segment cannot be in a list: it keeps its number, and the signer says why.
    pub left_out: Option<LeftOut>,
}

/// Why a segment is in no list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// What kind of reason.
    pub kind: Kind,
    /// What stands in the playlist, and what was expected.
    pub what: String,
}

/// A file, or a byte range of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    /// The URI as written.
    pub uri: String,
    /// The range, if the playlist names one.
    pub range: Option<ByteRange>,
}

/// A byte range of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteRange {
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
}

/// Reads a media playlist that was loaded from `url` and belongs to no multivariant playlist.
///
/// # Errors
/// What HLS.js would refuse, with its line and what was expected.
pub fn read_media(bytes: &[u8], url: &url::Url) -> Result<MediaPlaylist, String> {
    media::parse(&text::decode(bytes), url, None)
}

/// Is this a multivariant playlist, by its tags?
pub(crate) fn is_multivariant(bytes: &[u8]) -> bool {
    let text = text::decode(bytes);
    !multivariant::is_media(&text) && text.contains("#EXT-X-STREAM-INF:")
}
