//! The directory behind a loop, read whole and checked.

use std::path::Path;

use bytes::Bytes;
use meshedflow_manifest::{Kind, Text, sha256};

use crate::cut::{Cut, cut};
use crate::playlist::{Presentation, Reading, Rendition, Resource, Segment};
use crate::retime::{self, Timing, Track};
use crate::{OriginError, remarks, within};

/// Most bytes of media that a loop keeps in memory.
const LOOP_LIMIT_BYTES: u64 = 1 << 30;

/// A presentation that can be looped.
#[derive(Clone, Debug)]
pub struct LoopSource {
    /// File name of the multivariant playlist.
    pub multivariant: String,
    /// Its text: it names the same renditions live as it does on demand.
    pub multivariant_text: Bytes,
    /// The renditions.
    pub renditions: Vec<LoopRendition>,
}

/// One rendition of a [`LoopSource`].
#[derive(Clone, Debug)]
pub struct LoopRendition {
    /// Its rendition name in signed lists.
    pub name: Text,
    /// Its directory below the stream's, with a slash at the end; empty for the stream's own.
    pub folder: String,
    /// File name of its media playlist.
    pub playlist: String,
    /// File name of its init segment.
    pub init_uri: String,
    /// Bytes of the init segment.
    pub init: Bytes,
    /// SHA-256 of the init segment.
    pub init_digest: [u8; 32],
    /// Its only track.
    pub track: Track,
    /// The segments of one round.
    pub segments: Vec<LoopSegment>,
    /// Length of one round in ticks of the track.
    pub round_ticks: u64,
    /// moof boxes in one round.
    pub round_fragments: u32,
}

/// One segment of a round.
#[derive(Clone, Debug)]
pub struct LoopSegment {
    /// What a signed list says about it.
    pub kind: Kind,
    /// Where it is cut.
    pub cuts: Vec<Cut>,
    bytes: Vec<u8>,
    timing: Timing,
}

impl LoopSource {
    /// Reads the directory `root`, whose multivariant playlist is `entry`.
    pub fn load(root: &Path, entry: &str) -> Result<Self, OriginError> {
        let presentation = Presentation::open(root, entry, &Reading::default())?;
        let path = root.join(entry);
        if let Some(left_out) =
            presentation.remarks.iter().find(|remark| remark.kind == remarks::Kind::Rendition)
        {
            return Err(OriginError::playlist(path, format!("{}: {}", left_out.place, left_out.what)));
        }
        let Some(multivariant) = presentation.multivariant.clone() else {
            return Err(OriginError::playlist(path, "is a media playlist; expected a multivariant playlist"));
        };
        let text = within::read("cannot read playlist", root, Path::new(entry))?;
        let renditions: Vec<_> =
            presentation.renditions.iter().map(|r| LoopRendition::load(root, r)).collect::<Result<_, _>>()?;
        let source = Self { multivariant, multivariant_text: text.into(), renditions };
        source.check(&path)?;
        Ok(source)
    }

    fn check(&self, path: &Path) -> Result<(), OriginError> {
        let bad = |reason| Err(OriginError::playlist(path, reason));
        let Some(first) = self.renditions.first() else { return bad("names no rendition".to_owned()) };
        for (i, rendition) in self.renditions.iter().enumerate() {
            if rendition.segments.len() != first.segments.len() {
                let (a, b) = (first.segments.len(), rendition.segments.len());
                return bad(format!("{} has {b} segments; expected {a} as {}", rendition.name, first.name));
            }
            if !first.lasts_as_long_as(rendition) {
                let (a, b) = (first.round_s(), rendition.round_s());
                return bad(format!(
                    "{} lasts {b:.6} s; expected exactly {a:.6} s as {}, or they drift apart",
                    rendition.name, first.name
                ));
            }
            if self.renditions.iter().take(i).any(|r| r.folder == rendition.folder) {
                return bad(format!(
                    "{}: expected a directory of its own for each rendition",
                    rendition.name
                ));
            }
        }
        Ok(())
    }

    /// Segments in one round.
    pub fn round_segments(&self) -> u64 {
        self.renditions.first().map_or(1, |r| r.segments.len() as u64).max(1)
    }
}

impl LoopRendition {
    fn load(root: &Path, rendition: &Rendition) -> Result<Self, OriginError> {
        let list = &rendition.playlist;
        let bad = |reason: String| OriginError::playlist(root.join(&rendition.path), reason);
        let Some(Segment { init: Some(Resource { uri: init_uri, range: None }), .. }) = list.segments.first()
        else {
            return Err(bad("has no EXT-X-MAP of a whole file; expected CMAF with one init segment".into()));
        };
        if list.segments.iter().any(|s| s.init.as_ref().map(|i| &i.uri) != Some(init_uri)) {
            return Err(bad("has several init segments; expected one for the whole loop".into()));
        }
        if list.segments.iter().any(|s| s.range.is_some() || s.dsn != 0) {
            return Err(bad("has byte ranges or discontinuities; expected one file per segment".into()));
        }
        if let Some((segment, reason)) =
            list.segments.iter().find_map(|s| s.left_out.as_ref().map(|r| (s, r)))
        {
            return Err(bad(format!(
                "line {}: {}; expected a file for each segment",
                segment.line, reason.what
            )));
        }
        if init_uri.contains(['/', '?', '#', '%']) {
            return Err(bad(format!(
                "init segment {init_uri:?}; expected a plain file name beside the playlist"
            )));
        }
        let init_file = rendition.file(init_uri)?;
        let (init_path, init) = (root.join(&init_file), read(root, &init_file)?);
        let track = retime::track_of_init(&init).map_err(|reason| OriginError::media(&init_path, reason))?;
        let segments = read_segments(root, rendition, track)?;
        let (folder, playlist) = split(&rendition.path);
        Ok(Self {
            name: rendition.name.clone(),
            folder,
            playlist,
            init_uri: init_uri.clone(),
            init_digest: sha256(&init),
            init: init.into(),
            track,
            round_ticks: round_ticks(&segments),
            round_fragments: segments.iter().map(|s| s.timing.fragment_ends.len() as u32).sum(),
            segments,
        })
    }

    /// Segment `msn` of the endless stream, and the ticks at which it begins.
    pub fn segment(&self, msn: u64) -> Option<Bytes> {
        let (round, segment) = self.locate(msn)?;
        let mut bytes = segment.bytes.clone();
        let fragments = (round as u32).wrapping_mul(self.round_fragments);
        segment.timing.shift(&mut bytes, round * self.round_ticks, fragments);
        Some(bytes.into())
    }

    /// The round's segment that `msn` repeats, and the number of the round.
    pub fn locate(&self, msn: u64) -> Option<(u64, &LoopSegment)> {
        let count = self.segments.len() as u64;
        let index = usize::try_from(msn.checked_rem(count)?).ok()?;
        Some((msn / count, self.segments.get(index)?))
    }

    /// When segment `msn` begins and ends, in microseconds from the start of the timeline.
    pub fn span_us(&self, msn: u64) -> (u64, u64) {
        self.locate(msn).map_or((0, 0), |(round, s)| {
            (self.ticks_us(round, s.timing.start), self.ticks_us(round, s.timing.end))
        })
    }

    /// When piece `index` of segment `msn` is complete, in microseconds from the start of the timeline.
    pub fn piece_end_us(&self, msn: u64, index: usize) -> u64 {
        self.locate(msn).map_or(0, |(round, s)| {
            // A piece after the last moof (boxes without media) is complete when the segment is.
            let end = s.timing.fragment_ends.get(index).copied().unwrap_or(s.timing.end);
            self.ticks_us(round, end)
        })
    }

    fn ticks_us(&self, round: u64, ticks: u64) -> u64 {
        let ticks = u128::from(round) * u128::from(self.round_ticks) + u128::from(ticks);
        u64::try_from(ticks * 1_000_000 / u128::from(self.track.timescale)).unwrap_or(u64::MAX)
    }

    fn round_s(&self) -> f64 {
        self.round_ticks as f64 / f64::from(self.track.timescale)
    }

    fn lasts_as_long_as(&self, other: &Self) -> bool {
        let ticks = |a: &Self, b: &Self| u128::from(a.round_ticks) * u128::from(b.track.timescale);
        ticks(self, other) == ticks(other, self)
    }
}

fn read_segments(root: &Path, rendition: &Rendition, track: Track) -> Result<Vec<LoopSegment>, OriginError> {
    let mut segments: Vec<LoopSegment> = Vec::new();
    let mut total = 0;
    for segment in &rendition.playlist.segments {
        let file = rendition.file(&segment.uri)?;
        let (path, bytes) = (root.join(&file), read(root, &file)?);
        total += bytes.len() as u64;
        if total > LOOP_LIMIT_BYTES {
            return Err(OriginError::media(
                path,
                format!("loop above {LOOP_LIMIT_BYTES} bytes; expected less"),
            ));
        }
        let timing = retime::timing(&bytes, track).map_err(|reason| OriginError::media(&path, reason))?;
        if let Some(end) = segments.last().map(|s| s.timing.end).filter(|end| *end != timing.start) {
            let reason =
                format!("begins at tick {}; expected {end} where the last segment ended", timing.start);
            return Err(OriginError::media(path, reason));
        }
        let (kind, cuts) = cut(&bytes).map_err(|e| OriginError::media(&path, e.to_string()))?;
        segments.push(LoopSegment { kind, cuts, bytes, timing });
    }
    Ok(segments)
}

fn round_ticks(segments: &[LoopSegment]) -> u64 {
    match (segments.first(), segments.last()) {
        (Some(first), Some(last)) => last.timing.end - first.timing.start,
        _ => 0,
    }
}

fn read(root: &Path, file: &Path) -> Result<Vec<u8>, OriginError> {
    within::read("cannot read media file", root, file)
}

/// Folder with its slash, and file name, as a URL path writes them.
fn split(path: &Path) -> (String, String) {
    let text = path.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
    match text.rsplit_once('/') {
        Some((folder, file)) => (format!("{folder}/"), file.to_owned()),
        None => (String::new(), text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TempDir, media};

    #[test]
    fn the_timeline_is_continuous_for_ever() {
        let source = LoopSource::load(&media(), "master.m3u8").unwrap();
        for rendition in &source.renditions {
            let mut expected = None;
            let mut sequence = 0;
            // Across the first seam, and across one after thirty years.
            for msn in (0..14).chain(236_666_400..236_666_414) {
                let bytes = rendition.segment(msn).unwrap();
                let timing = retime::timing(&bytes, rendition.track).unwrap();
                if msn == 236_666_400 {
                    assert_eq!(timing.start, msn / 6 * rendition.round_ticks);
                } else if let Some(expected) = expected {
                    assert_eq!(timing.start, expected, "{} segment {msn}", rendition.name);
                }
                expected = Some(timing.end);
                let at = bytes.windows(4).position(|w| w == b"mfhd").unwrap() + 8;
                let number = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
                assert!(
                    msn == 236_666_400 || number == sequence + 8 || msn == 0,
                    "{number} after {sequence}"
                );
                sequence = number;
            }
        }
    }

    #[test]
    fn renditions_that_would_drift_are_refused() {
        let dir = TempDir::new();
        copy(&media(), dir.path());
        let playlist = dir.path().join("a64/index.m3u8");
        let text = std::fs::read_to_string(&playlist).unwrap();
        std::fs::write(&playlist, text.replace("#EXTINF:3.989333,\nseg_5.m4s\n", "")).unwrap();
        let error = LoopSource::load(dir.path(), "master.m3u8").unwrap_err().to_string();
        assert!(error.contains("segments; expected"), "{error}");
    }

    #[test]
    fn a_gap_between_segments_is_refused() {
        let dir = TempDir::new();
        copy(&media(), dir.path());
        std::fs::copy(dir.path().join("v216/seg_1.m4s"), dir.path().join("v216/seg_2.m4s")).unwrap();
        let error = LoopSource::load(dir.path(), "master.m3u8").unwrap_err().to_string();
        assert!(error.contains("seg_2.m4s") && error.contains("where the last segment ended"), "{error}");
    }

    fn copy(from: &Path, to: &Path) {
        for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                std::fs::create_dir_all(&target).unwrap();
                copy(&entry.path(), &target);
            } else {
                std::fs::copy(entry.path(), target).unwrap();
            }
        }
    }

    #[test]
    fn a_media_playlist_alone_is_refused() {
        let error = LoopSource::load(&media(), "v360/index.m3u8").unwrap_err().to_string();
        assert!(error.contains("expected a multivariant playlist"), "{error}");
    }
}
