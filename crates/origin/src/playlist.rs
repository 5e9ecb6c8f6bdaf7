//! HLS playlists as files: what they name, and which file on disk that is.
//!
//! Parsing is quick-m3u8's; here only the few facts that signing needs are kept. References are resolved
//! like a player does (WHATWG URLs) against a made-up host, so that a name computed here equals the name
//! that a viewer computes; a reference that leaves the directory is refused.

use std::path::{Path, PathBuf};

use meshedflow_manifest::{Text, identity};
use quick_m3u8::config::ParsingOptionsBuilder;
use quick_m3u8::tag::{KnownTag, hls::Tag};
use quick_m3u8::{HlsLine, Reader};
use url::Url;

use crate::OriginError;
use crate::remarks::Kind;

/// A media playlist (RFC 8216bis section 4.4.3) with its segments in order.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaPlaylist {
    /// `EXT-X-TARGETDURATION` in seconds.
    pub target_duration_s: u32,
    /// `EXT-X-MEDIA-SEQUENCE`, 0 by default.
    pub media_sequence: u64,
    /// True with `EXT-X-ENDLIST`.
    pub ended: bool,
    /// The segments.
    pub segments: Vec<Segment>,
}

/// One segment of a [`MediaPlaylist`].
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Media sequence number.
    pub msn: u64,
    /// Discontinuity sequence number.
    pub dsn: u32,
    /// The URI as written.
    pub uri: String,
    /// `EXTINF` in seconds.
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

/// A playlist of either kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Playlist {
    /// URIs of the media playlists that a multivariant playlist names, without repetition.
    Multivariant(Vec<String>),
    /// A media playlist.
    Media(MediaPlaylist),
}

/// Reads the playlist file `path`.
pub fn read(path: &Path) -> Result<Playlist, OriginError> {
    let text = std::fs::read_to_string(path).map_err(OriginError::io("cannot read playlist", path))?;
    parse(&text).map_err(|reason| OriginError::playlist(path, reason))
}

/// Parses a playlist; an error says what is wrong and what was expected.
pub fn parse(text: &str) -> Result<Playlist, String> {
    let options = ParsingOptionsBuilder::new().with_parsing_for_all_tags().build();
    let mut reader = Reader::from_str(text, options);
    let mut building = Building::default();
    let mut number = 0_usize;
    while let Some(line) = reader
        .read_line()
        .map_err(|e| format!("line {:?}: {}; expected an HLS tag or URI", e.errored_line, e.error))?
    {
        number += 1;
        building.number = number;
        building.line(line).map_err(|reason| format!("line {number}: {reason}"))?;
    }
    building.finish()
}

#[derive(Default)]
struct Building {
    seen_m3u: bool,
    target_duration_s: Option<u32>,
    media_sequence: u64,
    dsn: u32,
    ended: bool,
    segments: Vec<Segment>,
    media: Vec<String>,
    duration_s: Option<f64>,
    range: Option<(u64, Option<u64>)>,
    init: Option<Resource>,
    variant_follows: bool,
    gap: bool,
    number: usize,
}

impl Building {
    fn line(&mut self, line: HlsLine<'_>) -> Result<(), String> {
        match line {
            HlsLine::KnownTag(KnownTag::Hls(tag)) => self.tag(&tag),
            HlsLine::Uri(uri) => self.uri(&uri),
            HlsLine::UnknownTag(tag) => unsupported(tag.name()),
            _ => Ok(()),
        }
    }

    fn tag(&mut self, tag: &Tag<'_>) -> Result<(), String> {
        match tag {
            Tag::M3u(_) => self.seen_m3u = true,
            Tag::Targetduration(t) => self.target_duration_s = u32::try_from(t.target_duration()).ok(),
            Tag::MediaSequence(t) => self.media_sequence = t.media_sequence(),
            Tag::DiscontinuitySequence(t) => {
                self.dsn = u32::try_from(t.discontinuity_sequence())
                    .map_err(|_| "EXT-X-DISCONTINUITY-SEQUENCE above 2^32".to_owned())?;
            }
            Tag::Discontinuity(_) => self.dsn = self.dsn.saturating_add(1),
            Tag::Gap(_) => self.gap = true,
            Tag::Endlist(_) => self.ended = true,
            Tag::Inf(t) => self.duration_s = Some(t.duration()),
            Tag::Byterange(t) => self.range = Some((t.length(), t.offset())),
            Tag::Map(t) => {
                let range = t.byterange().map(|r| ByteRange { offset: r.offset, length: r.length });
                self.init = Some(Resource { uri: t.uri().to_owned(), range });
            }
            Tag::Media(t) => self.media.extend(t.uri().map(str::to_owned)),
            Tag::StreamInf(_) => self.variant_follows = true,
            _ => {}
        }
        Ok(())
    }

    fn uri(&mut self, uri: &str) -> Result<(), String> {
        if std::mem::take(&mut self.variant_follows) {
            self.media.push(uri.to_owned());
            return Ok(());
        }
        let duration_s = self
            .duration_s
            .take()
            .ok_or_else(|| format!("URI {uri:?} without EXTINF or EXT-X-STREAM-INF before it"))?;
        let range =
            self.range.take().map(|(length, offset)| self.resolve_range(uri, length, offset)).transpose()?;
        let msn = self.media_sequence.saturating_add(self.segments.len() as u64);
        let init = self.init.clone();
        let (line, left_out) = (self.number, self.gap_before(uri));
        let uri = uri.to_owned();
        self.segments.push(Segment { msn, dsn: self.dsn, uri, duration_s, range, init, line, left_out });
        Ok(())
    }

    fn gap_before(&mut self, uri: &str) -> Option<LeftOut> {
        std::mem::take(&mut self.gap).then(|| LeftOut { kind: Kind::Gap, what: format!("{uri:?}") })
    }

    /// A range without offset begins where the previous segment of the same file ended (4.4.4.2).
    fn resolve_range(&self, uri: &str, length: u64, offset: Option<u64>) -> Result<ByteRange, String> {
        let previous = self.segments.last().filter(|s| s.uri == uri).and_then(|s| s.range);
        let offset =
            offset.or_else(|| previous.map(|r| r.offset.saturating_add(r.length))).ok_or_else(|| {
                format!(
                    "EXT-X-BYTERANGE of {uri:?} has no offset and does not follow a range of the same file"
                )
            })?;
        Ok(ByteRange { offset, length })
    }

    fn finish(mut self) -> Result<Playlist, String> {
        if !self.seen_m3u {
            return Err("no #EXTM3U; expected an HLS playlist".into());
        }
        if !self.media.is_empty() {
            let mut seen = std::collections::BTreeSet::new();
            self.media.retain(|uri| seen.insert(uri.clone()));
            return Ok(Playlist::Multivariant(self.media));
        }
        // MEDIA-SEQUENCE must precede the first segment (4.4.3.2), but number once more to be sure.
        for (i, segment) in self.segments.iter_mut().enumerate() {
            segment.msn = self.media_sequence.saturating_add(i as u64);
        }
        let target_duration_s =
            self.target_duration_s.ok_or("no #EXT-X-TARGETDURATION; expected a media playlist with one")?;
        if self.segments.is_empty() {
            return Err("no segment; expected at least one EXTINF with a URI".into());
        }
        Ok(Playlist::Media(MediaPlaylist {
            target_duration_s,
            media_sequence: self.media_sequence,
            ended: self.ended,
            segments: self.segments,
        }))
    }
}

/// Variables change URIs, and skipped segments hide them: signing either would sign the wrong name.
fn unsupported(tag: &str) -> Result<(), String> {
    match tag {
        "-X-DEFINE" | "-X-SKIP" => Err(format!("#EXT{tag} is not supported; expected a plain playlist")),
        _ => Ok(()),
    }
}

/// One media playlist of a directory.
#[derive(Clone, Debug)]
pub struct Rendition {
    /// Its rendition name: the playlist's path relative to the multivariant playlist, or `main`.
    pub name: Text,
    /// Its path relative to the directory.
    pub path: PathBuf,
    /// Its URL, as if the directory were the root of a host.
    pub url: Url,
    /// What it says.
    pub playlist: MediaPlaylist,
}

/// All of a directory's renditions.
#[derive(Clone, Debug)]
pub struct Presentation {
    /// The directory.
    pub root: PathBuf,
    /// File name of the multivariant playlist, if there is one.
    pub multivariant: Option<String>,
    /// The renditions in the order in which the multivariant playlist names them.
    pub renditions: Vec<Rendition>,
}

/// The made-up host that references are resolved against; never requested, never written anywhere.
const BASE: &str = "http://directory.invalid/";

impl Presentation {
    /// Opens the presentation whose entry playlist (multivariant or media) is `root/entry`.
    pub fn open(root: &Path, entry: &str) -> Result<Self, OriginError> {
        let path = root.join(entry);
        let url = Url::parse(BASE)
            .and_then(|base| base.join(entry))
            .map_err(|e| OriginError::playlist(&path, format!("its name is no URL: {e}")))?;
        let (multivariant, renditions) = match read(&path)? {
            Playlist::Media(playlist) => {
                let name = identity::rendition_of(None, &url)
                    .map_err(|e| OriginError::playlist(&path, e.to_string()))?;
                (None, vec![Rendition { name, path: entry.into(), url, playlist }])
            }
            Playlist::Multivariant(uris) => {
                let open = |uri: &String| Self::open_rendition(root, &path, &url, uri);
                (Some(entry.to_owned()), uris.iter().map(open).collect::<Result<_, _>>()?)
            }
        };
        Ok(Self { root: root.to_path_buf(), multivariant, renditions })
    }

    fn open_rendition(root: &Path, master: &Path, base: &Url, uri: &str) -> Result<Rendition, OriginError> {
        let bad = |reason: String| OriginError::playlist(master, reason);
        let url = base.join(uri).map_err(|e| bad(format!("rendition {uri:?}: {e}")))?;
        let name = identity::rendition_of(Some(base), &url).map_err(|e| bad(e.to_string()))?;
        let path = local_path(&url).map_err(|reason| bad(format!("rendition {uri:?}: {reason}")))?;
        match read(&root.join(&path))? {
            Playlist::Media(playlist) => Ok(Rendition { name, path, url, playlist }),
            Playlist::Multivariant(_) => {
                Err(bad(format!("{uri:?} is a multivariant playlist; expected a media playlist")))
            }
        }
    }
}

impl Rendition {
    /// The file that `uri` of this playlist names, relative to the presentation's root.
    pub fn file(&self, uri: &str) -> Result<PathBuf, OriginError> {
        let bad = |reason: String| OriginError::playlist(&self.path, format!("{uri:?}: {reason}"));
        let url = self.url.join(uri).map_err(|e| bad(e.to_string()))?;
        local_path(&url).map_err(bad)
    }

    /// The signed name of `uri` (manifest's `identity`).
    pub fn resource_name(&self, uri: &str) -> Result<String, OriginError> {
        identity::name_of(&self.url, uri)
            .map_err(|e| OriginError::playlist(&self.path, format!("{uri:?}: {e}")))
    }
}

/// Path below the directory of a resolved reference.
pub(crate) fn local_path(url: &Url) -> Result<PathBuf, String> {
    if url.as_str().strip_prefix(BASE).is_none() {
        return Err("names another host; expected a file of this directory".into());
    }
    let mut path = PathBuf::new();
    for component in url.path().trim_start_matches('/').split('/') {
        let decoded = percent_decode(component).ok_or("is not UTF-8 once percent-decoded")?;
        if decoded.is_empty() || decoded == "." || decoded == ".." || decoded.contains(['/', '\\', '\0']) {
            return Err(format!("has the path component {decoded:?}; expected a file of this directory"));
        }
        path.push(decoded);
    }
    Ok(path)
}

/// Decodes `%XX` (RFC 3986 section 2.1); `None` if the result is not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let digits = (byte == b'%').then(|| Some((hex(ahead.next()?)?, hex(ahead.next()?)?))).flatten();
        match digits {
            Some((high, low)) => {
                out.push(high << 4 | low);
                bytes = ahead;
            }
            None => out.push(byte),
        }
    }
    String::from_utf8(out).ok()
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(text: &str) -> MediaPlaylist {
        match parse(text).unwrap() {
            Playlist::Media(media) => media,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_media_playlist_numbers_its_segments() {
        let list = media(
            "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:2\n\
             #EXT-X-MAP:URI=\"i.mp4\"\n#EXTINF:4.0,\na.m4s\n#EXT-X-DISCONTINUITY\n#EXTINF:3.5,\nb.m4s\n#EXT-X-ENDLIST\n",
        );
        let facts: Vec<_> =
            list.segments.iter().map(|s| (s.msn, s.dsn, s.uri.as_str(), s.duration_s)).collect();
        assert_eq!(facts, [(7, 2, "a.m4s", 4.0), (8, 3, "b.m4s", 3.5)]);
        assert_eq!(list.segments[1].init, Some(Resource { uri: "i.mp4".into(), range: None }));
        assert!(list.ended);
    }

    #[test]
    fn byte_ranges_continue_where_the_last_one_ended() {
        let list = media(
            "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n#EXT-X-BYTERANGE:100@50\nall.mp4\n\
             #EXTINF:4,\n#EXT-X-BYTERANGE:10\nall.mp4\n",
        );
        assert_eq!(list.segments[1].range, Some(ByteRange { offset: 150, length: 10 }));
        let lost = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n#EXT-X-BYTERANGE:100\nall.mp4\n";
        assert!(parse(lost).unwrap_err().contains("no offset"));
    }

    #[test]
    fn a_multivariant_playlist_names_each_rendition_once() {
        let text = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"m\",URI=\"a/i.m3u8\"\n\
                    #EXT-X-STREAM-INF:BANDWIDTH=1\nv/i.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\nv/i.m3u8\n";
        assert_eq!(parse(text).unwrap(), Playlist::Multivariant(vec!["a/i.m3u8".into(), "v/i.m3u8".into()]));
    }

    #[test]
    fn what_is_not_a_playlist_is_named() {
        for (text, expected) in [
            ("hello", "without EXTINF"),
            ("#EXTM3U\n#EXTINF:4,\na\n", "TARGETDURATION"),
            ("#EXTM3U\n#EXT-X-TARGETDURATION:4\n", "no segment"),
            ("#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na\n", "#EXTM3U"),
        ] {
            let reason = parse(text).unwrap_err();
            assert!(reason.contains(expected), "{text:?}: {reason}");
        }
    }

    #[test]
    fn references_out_of_the_directory_are_refused() {
        let url = |text: &str| Url::parse(BASE).unwrap().join(text).unwrap();
        assert_eq!(local_path(&url("a/b%20c.m4s?x#y")).unwrap(), PathBuf::from("a/b c.m4s"));
        assert!(local_path(&url("//other/a")).is_err());
        assert!(local_path(&url("a%2Fb")).is_err());
        assert!(local_path(&url("%00")).is_err());
        // The URL parser itself keeps `..` below the root.
        assert_eq!(local_path(&url("../../etc/passwd")).unwrap(), PathBuf::from("etc/passwd"));
    }
}
