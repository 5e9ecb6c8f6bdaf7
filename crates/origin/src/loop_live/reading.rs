//! Reads one round of a rendition: its segments, when they play, and whether they can be moved in time.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use meshedflow_manifest::{Kind, sha256};

use super::rendition::{LoopFile, LoopInit, LoopRendition, LoopSegment, MICRO, Seam};
use super::timeline::{Plays, Timeline};
use crate::cut::{Cut, cut};
use crate::playlist::{ByteRange, MediaPlaylist, Rendition, Resource, Segment};
use crate::retime::{self, Length, Timing, Tracks};
use crate::{OriginError, within};

/// Most bytes of media that a rendition keeps in memory.
const LOOP_LIMIT_BYTES: usize = 1 << 30;
/// Least time for each segment of a round, in microseconds: a shorter one would sign lists all day.
const SEGMENT_LEAST_US: u64 = 10_000;
/// Longest segment, in seconds.
const SEGMENT_MOST_S: f64 = 86_400.0;
const INDEPENDENT: &str = "#EXT-X-INDEPENDENT-SEGMENTS";

/// A rendition by itself.
pub(super) struct Round {
    /// Not settled yet: `round` and `seam`.
    pub(super) rendition: LoopRendition,
    /// How long it plays.
    pub(super) length: Length,
    /// moof boxes; `None` if it cannot be moved in time.
    pub(super) fragments: Option<u32>,
}

/// Reads a rendition of the directory `root`; `prefix` is what the names of its media begin with.
pub(super) fn round(root: &Path, rendition: &Rendition, prefix: String) -> Result<Round, OriginError> {
    let list = &rendition.playlist;
    let bad = |reason: String| OriginError::playlist(root.join(&rendition.path), reason);
    check(list).map_err(bad)?;
    let mut reader =
        Reader { root, rendition, prefix, files: BTreeMap::new(), inits: Vec::new(), parts: Vec::new() };
    let (mut segments, mut timeline) = (Vec::new(), Timeline::default());
    for segment in &list.segments {
        let read = reader.segment(segment, &mut timeline);
        segments.push(read.map_err(|error| bad(format!("line {}: {error}", segment.line)))?);
    }
    let length = timeline.length();
    let (n, us) = (segments.len() as u64, length.times(1, MICRO));
    if us < n * SEGMENT_LEAST_US {
        return Err(bad(format!(
            "its {n} segments last {us} µs; expected at least {SEGMENT_LEAST_US} µs each"
        )));
    }
    close_up(&mut segments);
    let fragments = moves(&segments);
    Ok(Round { rendition: reader.finish(segments, length)?, length, fragments })
}

/// Can this playlist be looped, as far as it says itself?
fn check(list: &MediaPlaylist) -> Result<(), String> {
    if !list.ended {
        return Err(
            "has no EXT-X-ENDLIST: it is live, or not finished; expected a finished playlist to loop".into(),
        );
    }
    if let Some(encrypted) = &list.encrypted {
        return Err(format!(
            "line {}: encrypted by METHOD={} of EXT-X-KEY; expected segments in the clear",
            encrypted.line, encrypted.method
        ));
    }
    let left_out = list.segments.iter().find_map(|s| s.left_out.as_ref().map(|why| (s.line, why)));
    if let Some((line, why)) = left_out {
        let says = why.kind.says().trim_start_matches("segment left out: ");
        return Err(format!("line {line}: {says}: {}; expected media for each segment of a loop", why.what));
    }
    let begins_without = list.segments.first().is_some_and(|s| s.init.is_none());
    if let Some(later) = list.segments.iter().find(|s| s.init.is_some()).filter(|_| begins_without) {
        return Err(format!(
            "line {}: the first EXT-X-MAP; expected one for all segments or for none, as nothing takes it back in the next round",
            later.line
        ));
    }
    Ok(())
}

/// Each segment ends where the next begins, as a playlist says it.
fn close_up(segments: &mut [LoopSegment]) {
    let begins: Vec<_> = segments.iter().skip(1).map(|s| s.begins_us).collect();
    segments.iter_mut().zip(begins).for_each(|(segment, next)| segment.ends_us = next);
}

/// moof boxes in a round that can be moved: one init segment, one timeline, times of 64 bits.
fn moves(segments: &[LoopSegment]) -> Option<u32> {
    let fragments = segments.iter().map(|segment| {
        let timing = segment.timing.as_ref().filter(|timing| timing.can_move())?;
        let alone = segment.dsn == 0 && segment.init == Some(0);
        u32::try_from(timing.fragment_ends.len()).ok().filter(|_| alone)
    });
    fragments.sum()
}

struct Reader<'a> {
    root: &'a Path,
    rendition: &'a Rendition,
    prefix: String,
    files: BTreeMap<std::path::PathBuf, Bytes>,
    inits: Vec<(Resource, LoopInit, Option<Tracks>)>,
    /// Files of which segments are ranges.
    parts: Vec<(std::path::PathBuf, LoopFile)>,
}

impl Reader<'_> {
    fn segment(&mut self, segment: &Segment, timeline: &mut Timeline) -> Result<LoopSegment, OriginError> {
        let file = self.rendition.file(&segment.uri)?;
        let path = self.root.join(&file);
        let bad = |reason: String| OriginError::media(&path, reason);
        let bytes = self.bytes(&segment.uri, segment.range)?;
        let init = segment.init.as_ref().map(|init| self.init(init)).transpose()?;
        let tracks = init.and_then(|init| self.inits.get(init)).and_then(|(_, _, tracks)| tracks.as_ref());
        let timing = times(&bytes, tracks, init.is_some()).map_err(bad)?;
        let plays =
            Plays::of(timing.as_ref().zip(tracks), segment.duration_s, SEGMENT_MOST_S).map_err(bad)?;
        let dsn = segment.dsn.saturating_sub(self.rendition.playlist.segments.first().map_or(0, |s| s.dsn));
        let (begins_us, ends_us, fragment_ends_us) = timeline.place(&plays, (dsn, init)).map_err(bad)?;
        let (kind, cuts) = cut(&bytes).map_err(|e| bad(e.to_string()))?;
        let extension = extension(&bytes, timing.is_some(), &segment.uri);
        let part_of = segment.range.map(|range| (self.part(&file, extension), range));
        let piece_ends_us = match kind {
            Kind::Cmaf => fragment_ends_us,
            _ => by_bytes(&cuts, begins_us..ends_us),
        };
        Ok(LoopSegment {
            kind,
            cuts,
            dsn,
            init,
            part_of,
            extension,
            begins_us,
            ends_us,
            piece_ends_us,
            bytes,
            timing,
        })
    }

    /// The bytes of a file, or of a range of it, that are there.
    fn bytes(&mut self, uri: &str, range: Option<ByteRange>) -> Result<Bytes, OriginError> {
        let file = self.rendition.file(uri)?;
        let path = self.root.join(&file);
        let whole = match self.files.get(&file) {
            Some(known) => known.clone(),
            None => {
                let read = Bytes::from(within::read("cannot read media file", self.root, &file)?);
                self.files.insert(file, read.clone());
                read
            }
        };
        if self.files.values().map(Bytes::len).sum::<usize>() > LOOP_LIMIT_BYTES {
            return Err(OriginError::media(
                path,
                format!("loop above {LOOP_LIMIT_BYTES} bytes; expected less"),
            ));
        }
        let (from, length) = range.map_or((0, whole.len() as u64), |range| (range.offset, range.length));
        let to = usize::try_from(from.saturating_add(length)).ok().filter(|to| *to <= whole.len());
        match (usize::try_from(from), to) {
            (Ok(from), Some(to)) if to > from => Ok(whole.slice(from..to)),
            (Ok(_), Some(_)) => Err(OriginError::media(path, "is empty; expected media")),
            _ => {
                let reason =
                    format!("bytes {from} to {}; the file has {}", from.saturating_add(length), whole.len());
                Err(OriginError::media(path, reason))
            }
        }
    }

    /// An init segment by its place, read if it is new.
    fn init(&mut self, resource: &Resource) -> Result<usize, OriginError> {
        if let Some(known) = self.inits.iter().position(|(known, ..)| known == resource) {
            return Ok(known);
        }
        let bytes = self.bytes(&resource.uri, resource.range)?;
        let path = self.root.join(self.rendition.file(&resource.uri)?);
        let tracks = is_boxes(&bytes).then(|| Tracks::of_init(&bytes)).transpose();
        let tracks = tracks.map_err(|reason| OriginError::media(path, format!("init segment: {reason}")))?;
        let place = self.inits.len();
        let number = if place == 0 { String::new() } else { format!("_{place}") };
        let uri = format!("{}init{number}.mp4", self.prefix);
        self.inits.push((resource.clone(), LoopInit { uri, digest: sha256(&bytes), bytes }, tracks));
        Ok(place)
    }

    /// The place of a file of which segments are ranges.
    fn part(&mut self, file: &Path, extension: &str) -> usize {
        if let Some(known) = self.parts.iter().position(|(path, _)| path == file) {
            return known;
        }
        let uri = format!("{}file_{}.{extension}", self.prefix, self.parts.len());
        let bytes = self.files.get(file).cloned().unwrap_or_default();
        self.parts.push((file.to_path_buf(), LoopFile { uri, bytes }));
        self.parts.len() - 1
    }

    fn finish(self, segments: Vec<LoopSegment>, round: Length) -> Result<LoopRendition, OriginError> {
        let (folder, playlist) = split(&self.rendition.path);
        let text = within::read("cannot read playlist", self.root, &self.rendition.path)?;
        let text = String::from_utf8_lossy(&text);
        Ok(LoopRendition {
            name: self.rendition.name.clone(),
            folder,
            playlist,
            prefix: self.prefix,
            independent: text.lines().any(|line| line.trim_end() == INDEPENDENT),
            inits: self.inits.into_iter().map(|(_, init, _)| init).collect(),
            files: self.parts.into_iter().map(|(_, file)| file).collect(),
            seam: Seam::Discontinuity { count: segments.last().map_or(0, |s| s.dsn).saturating_add(1) },
            segments,
            round,
        })
    }
}

/// When a segment of fragmented MP4 plays; `None` for all else.
fn times(bytes: &[u8], tracks: Option<&Tracks>, has_init: bool) -> Result<Option<Timing>, String> {
    match tracks {
        Some(tracks) => retime::timing(bytes, tracks).map(Some),
        None if !is_boxes(bytes) => Ok(None),
        None if has_init => {
            Err("is MP4, but what its EXT-X-MAP names is none; expected its init segment".into())
        }
        None => Err("is MP4 without an EXT-X-MAP; expected fragmented MP4 with its init segment".into()),
    }
}

/// Does it begin with a box of ISO BMFF that media begins with?
fn is_boxes(bytes: &[u8]) -> bool {
    let first = bytes.get(4..8).unwrap_or_default();
    [b"ftyp", b"styp", b"moov", b"moof", b"sidx"].iter().any(|kind| *kind == first)
}

/// When each piece of a segment is complete, if its bytes come evenly.
fn by_bytes(cuts: &[Cut], span_us: std::ops::Range<u64>) -> Vec<u64> {
    let whole = cuts.last().map_or(1, Cut::end).max(1) as u64;
    let length = span_us.end.saturating_sub(span_us.start);
    cuts.iter().map(|cut| span_us.start + length.saturating_mul(cut.end() as u64) / whole).collect()
}

/// What the segment's file name ends with: by what it holds, or else, of a few kinds of audio, by its source's name.
fn extension(bytes: &[u8], is_mp4: bool, uri: &str) -> &'static str {
    let path = uri.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    match bytes {
        _ if is_mp4 => "m4s",
        [0x47, ..] => "ts",
        [b'W', b'E', b'B', b'V', b'T', b'T', ..] | [0xef, 0xbb, 0xbf, b'W', ..] => "vtt",
        _ => ["aac", "mp3", "ac3", "ec3"].into_iter().find(|end| path.ends_with(end)).unwrap_or("bin"),
    }
}

/// Folder with its slash, and file name, as a URL path writes them.
fn split(path: &Path) -> (String, String) {
    let text = path.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
    match text.rsplit_once('/') {
        Some((folder, file)) => (format!("{folder}/"), file.to_owned()),
        None => (String::new(), text),
    }
}
