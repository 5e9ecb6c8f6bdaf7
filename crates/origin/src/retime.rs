//! Moves a segment of fragmented MP4 in time, in place.
//!
//! A loop plays the same segments again and again; to a player they must look like one endless stream. So
//! each round adds the loop's length to every `tfdt` (baseMediaDecodeTime) and `sidx` (earliest presentation
//! time), each in the timescale of its own track, and the number of fragments to `mfhd` (sequence number).
//! Sizes never change, hence neither do offsets: fragment cuts found once hold in every round. All tracks move by
//! the same exact length, so nothing drifts however long it runs. 32-bit times (`tfdt` version 0) would wrap after
//! hours: such segments stay as they are ([`Timing::can_move`]).

mod tracks;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::boxes::{child, children, put, u32_at, u64_at};

pub use tracks::{Length, Track, Tracks};

/// What a player passes over between two fragments without a stall, in parts of a second.
pub(crate) const TENTH: u32 = 10;

/// Where a segment lies in time, and which numbers to change to move it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Timing {
    /// Decode times in ticks, by track: of the first sample, and after the last one.
    pub spans: BTreeMap<u32, Range<u64>>,
    /// Decode time of the leading track after each moof in ticks, in order.
    pub fragment_ends: Vec<u64>,
    /// There are 32-bit times.
    narrow: bool,
    /// Byte offsets of 64-bit times, and their timescales.
    times: Vec<(usize, u32)>,
    /// Byte offsets of 32-bit sequence numbers.
    sequences: Vec<usize>,
}

/// Reads when a segment plays.
///
/// # Errors
/// What is missing or contradicts itself, in words.
pub fn timing(segment: &[u8], tracks: &Tracks) -> Result<Timing, String> {
    let mut timing = Timing::default();
    for found in children(segment, 0..segment.len())? {
        match &found.kind {
            b"sidx" => timing.sidx(segment, found.body)?,
            b"moof" => timing.moof(segment, found.body, tracks)?,
            _ => {}
        }
    }
    if timing.fragment_ends.is_empty() {
        return Err("no moof box; expected a segment of fragmented MP4".into());
    }
    Ok(timing)
}

/// Does a track go on at `start` where it ended at `end`, as far as a player notices?
///
/// # Errors
/// Where it begins and where it was expected to; `place` is what ended there.
pub(crate) fn follows(track: u32, timescale: u32, end: u64, start: u64, place: &str) -> Result<(), String> {
    if start.abs_diff(end) * u64::from(TENTH) <= u64::from(timescale) {
        return Ok(());
    }
    Err(format!(
        "track {track} begins at tick {start}; expected {end} where the last {place} ended ({timescale} ticks a second)"
    ))
}

impl Timing {
    /// When the leading track plays in ticks, if it does here.
    pub fn lead(&self, tracks: &Tracks) -> Option<Range<u64>> {
        tracks.lead().and_then(|(id, _)| self.spans.get(&id)).cloned()
    }

    /// Can it be moved? Not if its times have 32 bits.
    pub fn can_move(&self) -> bool {
        !self.narrow
    }

    /// Adds `rounds` times `length` to every time and `fragments` to every sequence number of the segment this was read
    /// from.
    pub fn shift(&self, segment: &mut [u8], rounds: u64, length: Length, fragments: u32) {
        for &(at, timescale) in &self.times {
            let time = u64_at(segment, at).unwrap_or(0).wrapping_add(length.times(rounds, timescale));
            put(segment, at, &time.to_be_bytes());
        }
        for &at in &self.sequences {
            let number = u32_at(segment, at).unwrap_or(0).wrapping_add(fragments);
            put(segment, at, &number.to_be_bytes());
        }
    }

    fn sidx(&mut self, bytes: &[u8], body: Range<usize>) -> Result<(), String> {
        match (bytes.get(body.start), u32_at(bytes, body.start + 8)) {
            (Some(0), Some(_)) => self.narrow = true,
            (Some(_), Some(timescale)) if body.len() >= 28 => self.times.push((body.start + 12, timescale)),
            _ => return Err("sidx is cut off".into()),
        }
        Ok(())
    }

    fn moof(&mut self, bytes: &[u8], body: Range<usize>, tracks: &Tracks) -> Result<(), String> {
        let mfhd = child(bytes, body.clone(), b"mfhd")?;
        u32_at(bytes, mfhd.start + 4).ok_or("mfhd is cut off")?;
        self.sequences.push(mfhd.start + 4);
        let trafs: Vec<_> = children(bytes, body)?.into_iter().filter(|b| &b.kind == b"traf").collect();
        if trafs.is_empty() {
            return Err("no traf box".into());
        }
        for traf in trafs {
            self.traf(bytes, traf.body, tracks)?;
        }
        self.fragment_ends.push(self.lead(tracks).map_or(0, |span| span.end));
        Ok(())
    }

    fn traf(&mut self, bytes: &[u8], traf: Range<usize>, tracks: &Tracks) -> Result<(), String> {
        let tfhd = child(bytes, traf.clone(), b"tfhd")?;
        let id = u32_at(bytes, tfhd.start + 4).ok_or("tfhd is cut off")?;
        let track = tracks.get(id).ok_or_else(|| format!("track {id}; expected one of the init segment"))?;
        let start = self.decode_time(bytes, child(bytes, traf.clone(), b"tfdt")?, track.timescale)?;
        let is_lead = tracks.lead().is_some_and(|(lead, _)| lead == id);
        // Of the others, some have gaps by nature: text, metadata.
        if let Some(span) = self.spans.get(&id).filter(|_| is_lead) {
            follows(id, track.timescale, span.end, start, "fragment")?;
        }
        let end = start.saturating_add(duration(bytes, traf, *track)?);
        self.spans.entry(id).or_insert(start..end).end = end;
        Ok(())
    }

    fn decode_time(&mut self, bytes: &[u8], tfdt: Range<usize>, timescale: u32) -> Result<u64, String> {
        let at = tfdt.start + 4;
        let time = match bytes.get(tfdt.start) {
            Some(0) => {
                self.narrow = true;
                u32_at(bytes, at).map(u64::from)
            }
            _ => {
                self.times.push((at, timescale));
                u64_at(bytes, at)
            }
        };
        time.filter(|time| *time < 1 << 62).ok_or_else(|| "tfdt is cut off, or beyond all times".into())
    }
}

/// Ticks that a track fragment plays.
fn duration(bytes: &[u8], traf: Range<usize>, track: Track) -> Result<u64, String> {
    let tfhd = child(bytes, traf.clone(), b"tfhd")?;
    let flags = flags(bytes, &tfhd).ok_or("tfhd is cut off")?;
    let default = if flags & 0x8 == 0 {
        track.default_sample_duration
    } else {
        let before = if flags & 0x1 == 0 { 0 } else { 8 } + if flags & 0x2 == 0 { 0 } else { 4 };
        u32_at(bytes, tfhd.start + 8 + before).ok_or("tfhd is cut off")?
    };
    let truns = children(bytes, traf)?.into_iter().filter(|b| &b.kind == b"trun");
    truns
        .map(|b| run_duration(bytes, &b.body, default))
        .try_fold(0, |sum: u64, run| Ok(sum.saturating_add(run?)))
}

fn run_duration(bytes: &[u8], trun: &Range<usize>, default: u32) -> Result<u64, String> {
    let short = "trun is cut off";
    let flags = flags(bytes, trun).ok_or(short)?;
    let count = u32_at(bytes, trun.start + 4).ok_or(short)?;
    if flags & 0x100 == 0 {
        return Ok(u64::from(count) * u64::from(default));
    }
    let optional = |bit: u32| if flags & bit == 0 { 0 } else { 4 };
    let first = trun.start + 8 + optional(0x1) + optional(0x4);
    let stride = 4 + optional(0x200) + optional(0x400) + optional(0x800);
    if trun.end.saturating_sub(first) / stride < count as usize {
        return Err(short.into());
    }
    let durations = (0..count as usize).map(|i| u64::from(u32_at(bytes, first + i * stride).unwrap_or(0)));
    Ok(durations.sum())
}

fn flags(bytes: &[u8], body: &Range<usize>) -> Option<u32> {
    u32_at(bytes, body.start).map(|word| word & 0x00ff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fixtures, media};

    fn load(name: &str) -> Vec<u8> {
        std::fs::read(media().join(name)).unwrap()
    }

    fn tracks(rendition: &str) -> Tracks {
        Tracks::of_init(&load(&format!("{rendition}/init.mp4"))).unwrap()
    }

    fn span(timing: &Timing) -> Range<u64> {
        timing.spans.values().next().cloned().unwrap()
    }

    #[test]
    fn the_demo_media_lies_end_to_end_and_lasts_24_seconds() {
        for (rendition, timescale, end) in
            [("v360", 12288, 294_912), ("v216", 12288, 294_912), ("a64", 48000, 1_152_000)]
        {
            let tracks = tracks(rendition);
            assert_eq!(tracks.lead().unwrap().1.timescale, timescale);
            let mut at = 0;
            for i in 0..6 {
                let timing = timing(&load(&format!("{rendition}/seg_{i}.m4s")), &tracks).unwrap();
                assert_eq!(span(&timing).start, at, "{rendition} segment {i}");
                assert_eq!(timing.fragment_ends.len(), 8);
                at = span(&timing).end;
            }
            assert_eq!(at, end, "{rendition}");
        }
    }

    #[test]
    fn shifting_changes_times_and_sequence_numbers_only() {
        let tracks = tracks("v216");
        let original = load("v216/seg_3.m4s");
        let before = timing(&original, &tracks).unwrap();
        let mut moved = original.clone();
        // Beyond 32 bits, where a careless rewrite would wrap.
        let length = Length { ticks: 1 << 30, timescale: 12288 };
        before.shift(&mut moved, 1 << 10, length, 48);
        let (before_at, after_at) = (span(&before), span(&timing(&moved, &tracks).unwrap()));
        assert_eq!(after_at, before_at.start + (1 << 40)..before_at.end + (1 << 40));
        let changed = original.iter().zip(&moved).filter(|(a, b)| a != b).count();
        assert!((1..=8 * 12).contains(&changed), "{changed} bytes changed");
        let mfhd = before.sequences[0];
        assert_eq!(u32_at(&moved, mfhd), u32_at(&original, mfhd).map(|n| n + 48));
    }

    #[test]
    fn each_track_of_a_muxed_segment_moves_by_its_own_timescale() {
        let file = |name: &str| std::fs::read(fixtures().join("fmp4").join(name)).unwrap();
        let tracks = Tracks::of_init(&file("init.mp4")).unwrap();
        let scales: Vec<_> = tracks.iter().map(|(id, track)| (id, track.timescale)).collect();
        assert_eq!((scales.len(), tracks.lead().unwrap().1.is_video), (2, true));
        let original = file("index1.m4s");
        let before = timing(&original, &tracks).unwrap();
        // Two tfdt and two sidx; a third of a second is whole in neither timescale.
        assert_eq!(before.times.len(), 4);
        let mut moved = original.clone();
        before.shift(&mut moved, 7, Length { ticks: 1, timescale: 3 }, 0);
        let after = timing(&moved, &tracks).unwrap();
        for (id, timescale) in scales {
            assert_eq!(after.spans[&id].start - before.spans[&id].start, u64::from(timescale) * 7 / 3);
        }
        for (at, timescale) in before.times.iter().take(2) {
            let time = |bytes| u64_at(bytes, *at).unwrap();
            assert_eq!(time(&moved) - time(&original), u64::from(*timescale) * 7 / 3);
        }
    }

    #[test]
    fn a_32_bit_tfdt_is_read_and_cannot_be_moved() {
        let tracks = tracks("v216");
        let mut bytes = load("v216/seg_0.m4s");
        assert!(timing(&bytes, &tracks).unwrap().can_move());
        for at in 0..bytes.len() - 4 {
            if &bytes[at..at + 4] == b"tfdt" {
                bytes[at + 4] = 0;
                let low: [u8; 4] = bytes[at + 12..at + 16].try_into().unwrap();
                bytes[at + 8..at + 12].copy_from_slice(&low);
            }
        }
        let narrow = timing(&bytes, &tracks).unwrap();
        assert!(!narrow.can_move() && span(&narrow) == (0..49152), "{narrow:?}");
        assert!(timing(b"\0\0\0\x08free", &tracks).unwrap_err().contains("no moof"));
    }
}
