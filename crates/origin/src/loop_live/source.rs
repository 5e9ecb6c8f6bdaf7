//! The directory behind a loop, read whole and checked.

use std::path::Path;

use bytes::Bytes;

use super::reading::{self, Round};
use super::rendition::{LoopRendition, MICRO, Seam};
use crate::playlist::{Presentation, Reading};
use crate::remarks::{Kind, Remark, Remarks};
use crate::retime::{Length, TENTH};
use crate::{OriginError, within};

/// By how much a rendition may be shorter than the longest, in seconds: players jump over gaps like that.
const GAP_MOST_S: f64 = 0.5;
/// How many times more segments a rendition may have than another: so much longer are its playlists and lists.
const SEGMENTS_MOST_TIMES: usize = 8;

/// A presentation that can be looped.
#[derive(Clone, Debug)]
pub struct LoopSource {
    /// The multivariant playlist; `None` if a media playlist stands alone.
    pub multivariant: Option<Multivariant>,
    /// The renditions.
    pub renditions: Vec<LoopRendition>,
    /// What viewers do not share, and why.
    pub remarks: Remarks,
}

/// A multivariant playlist: it names the same renditions live as it does on demand.
#[derive(Clone, Debug)]
pub struct Multivariant {
    /// Its file name.
    pub file: String,
    /// Its text.
    pub text: Bytes,
}

impl LoopSource {
    /// Reads the directory `root`, whose multivariant or only media playlist is `entry`.
    ///
    /// # Errors
    /// Which file, what is wrong with it, and what was expected.
    pub fn load(root: &Path, entry: &str) -> Result<Self, OriginError> {
        let presentation = Presentation::open(root, entry, &Reading::default())?;
        let path = root.join(entry);
        if let Some(left_out) = presentation.remarks.iter().find(|remark| remark.kind == Kind::Rendition) {
            return Err(OriginError::playlist(path, format!("{}: {}", left_out.place, left_out.what)));
        }
        let mut remarks = Remarks::default();
        presentation.remarks.iter().cloned().for_each(|remark| remarks.add(remark));
        let multivariant = match &presentation.multivariant {
            Some(file) => Some(Multivariant { file: file.clone(), text: text(root, entry)? }),
            None => None,
        };
        let mut rounds = Vec::new();
        for (index, rendition) in presentation.renditions.iter().enumerate() {
            let folder = |path: &Path| path.parent().map(Path::to_path_buf);
            let others =
                presentation.renditions.iter().filter(|r| folder(&r.path) == folder(&rendition.path));
            let prefix = if others.count() > 1 { format!("r{index}_") } else { String::new() };
            rounds.push(reading::round(root, rendition, prefix)?);
        }
        let bad = |reason| OriginError::playlist(&path, reason);
        let longest = rounds.iter().max_by(|a, b| a.length.compare(b.length));
        let longest = longest.ok_or_else(|| bad("names no rendition".to_owned()))?;
        for round in &rounds {
            alike(longest, round).map_err(bad)?.into_iter().for_each(|remark| remarks.add(remark));
        }
        let length = longest.length;
        let renditions = together(rounds, length);
        Ok(Self { multivariant, renditions, remarks })
    }

    /// The same with another file name for the entry playlist.
    ///
    /// # Errors
    /// [`OriginError::Playlist`] if a rendition has that name.
    pub fn named(mut self, entry: &str) -> Result<Self, OriginError> {
        match (&mut self.multivariant, self.renditions.as_mut_slice()) {
            (None, [only]) => (only.folder, only.playlist) = (String::new(), entry.to_owned()),
            (Some(multivariant), renditions) => {
                if let Some(taken) = renditions.iter().find(|r| r.folder.is_empty() && r.playlist == entry) {
                    let reason =
                        format!("names a rendition {}; expected another name for it", taken.playlist);
                    return Err(OriginError::playlist(&multivariant.file, reason));
                }
                multivariant.file = entry.to_owned();
            }
            _ => {}
        }
        Ok(self)
    }

    /// Segments of `rendition` that play about as long as `count` of the one with the fewest segments in a round.
    pub(super) fn window(&self, rendition: &LoopRendition, count: usize) -> usize {
        let fewest = self.renditions.iter().map(|r| r.segments.len()).min().unwrap_or(1).max(1);
        count.saturating_mul(rendition.segments.len()).div_ceil(fewest)
    }

    /// The segment of `rendition` that plays when segment `msn` of the first rendition begins: the same, if they have the
    /// same number of segments.
    pub(super) fn beside(&self, rendition: &LoopRendition, msn: u64) -> u64 {
        let first = self.renditions.first().filter(|first| first.segments.len() != rendition.segments.len());
        let Some((round, segment)) = first.and_then(|first| first.locate(msn)) else { return msn };
        let begun = rendition.segments.iter().rposition(|s| s.begins_us <= segment.begins_us);
        round.saturating_mul(rendition.segments.len() as u64).saturating_add(begun.unwrap_or(0) as u64)
    }
}

fn text(root: &Path, entry: &str) -> Result<Bytes, OriginError> {
    within::read("cannot read playlist", root, Path::new(entry)).map(Bytes::from)
}

/// All renditions move by the same length, or none does: so they stay in step.
fn together(rounds: Vec<Round>, longest: Length) -> Vec<LoopRendition> {
    let moved = rounds.iter().all(|round| round.fragments.is_some());
    let length = match moved {
        true => longest,
        false => Length { ticks: longest.times(1, MICRO), timescale: MICRO },
    };
    rounds.into_iter().map(|round| round.settle(length, moved)).collect()
}

/// Discontinuities are numbered alike in all renditions; one that is a little shorter than the others has a gap.
fn alike(longest: &Round, round: &Round) -> Result<Option<Remark>, String> {
    let [(a, n), (b, m)] = [longest, round].map(|r| (&r.rendition, r.rendition.segments.len()));
    if a.seam != b.seam {
        let [i, j] = [a, b].map(|r| r.segments.last().map_or(0, |last| last.dsn));
        return Err(format!("{} has {j} discontinuities; expected {i} as {}", b.name, a.name));
    }
    if n.max(m) > SEGMENTS_MOST_TIMES * n.min(m) {
        let times = SEGMENTS_MOST_TIMES;
        return Err(format!(
            "{} has {m} segments; expected at most {times} times more or less than the {n} of {}",
            b.name, a.name
        ));
    }
    let [x, y] = [longest, round].map(|r| r.length.seconds());
    let what = format!("lasts {y:.6} s; expected {x:.6} s as {}", a.name);
    match x - y {
        gap if gap > GAP_MOST_S => Err(format!("{} {what}, or at most {GAP_MOST_S} s less", b.name)),
        gap if gap > 1.0 / f64::from(TENTH) => {
            Ok(Some(Remark { kind: Kind::Shorter, place: b.name.to_string(), what }))
        }
        _ => Ok(None),
    }
}

impl Round {
    /// The rendition, once it is known how all of them go on.
    fn settle(self, round: Length, moved: bool) -> LoopRendition {
        let Self { mut rendition, fragments, .. } = self;
        rendition.round = round;
        if let Some(last) = rendition.segments.last_mut() {
            last.ends_us = round.times(1, MICRO).max(last.ends_us);
        }
        if let Some(fragments) = fragments.filter(|_| moved) {
            rendition.seam = Seam::Moved { fragments };
            // Each round has other bytes: no file can hold them all.
            rendition.files.clear();
            rendition.segments.iter_mut().for_each(|segment| segment.part_of = None);
        }
        rendition
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::retime::{self, Tracks};
    use crate::testing::{TempDir, media};

    #[test]
    fn the_timeline_is_continuous_for_ever() {
        let source = LoopSource::load(&media(), "master.m3u8").unwrap();
        for rendition in &source.renditions {
            let tracks = Tracks::of_init(&rendition.inits[0].bytes).unwrap();
            let timescale = tracks.lead().unwrap().1.timescale;
            let mut expected = None;
            let mut sequence = 0;
            // Across the first seam, and across one after thirty years.
            for msn in (0..14).chain(236_666_400..236_666_414) {
                let bytes = rendition.segment(msn).unwrap();
                let span = retime::timing(&bytes, &tracks).unwrap().lead(&tracks).unwrap();
                if msn == 236_666_400 {
                    assert_eq!(span.start, rendition.round.times(msn / 6, timescale));
                } else if let Some(expected) = expected {
                    assert_eq!(span.start, expected, "{} segment {msn}", rendition.name);
                }
                expected = Some(span.end);
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
        assert!(error.contains("a64/index.m3u8 lasts 20") && error.contains("expected 24"), "{error}");
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
}
