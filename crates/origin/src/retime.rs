//! Moves a CMAF segment in time, in place.
//!
//! A loop plays the same segments again and again; to a player they must look like one endless stream. So
//! each round adds the loop's length to `tfdt` (baseMediaDecodeTime) and to `sidx` (earliest presentation
//! time), and the number of fragments to `mfhd` (sequence number). Sizes never change, hence neither do
//! offsets: fragment cuts found once hold in every round. All arithmetic is in the track's own timescale,
//! so nothing drifts however long it runs. 32-bit times (`tfdt` version 0) would wrap after hours and are
//! refused.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::boxes::{child, children, put, u32_at, u64_at};

/// What an init segment says about its only track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    /// Ticks per second (`mdhd`).
    pub timescale: u32,
    /// Ticks of a sample that does not say otherwise (`trex`).
    pub default_sample_duration: u32,
}

/// Where a segment lies in time, and which numbers to change to move it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Timing {
    /// Decode time of the first sample in ticks.
    pub start: u64,
    /// Decode time after the last sample in ticks.
    pub end: u64,
    /// Decode time after the last sample of each moof in ticks, in order.
    pub fragment_ends: Vec<u64>,
    /// Byte offsets of 64-bit times.
    times: Vec<usize>,
    /// Byte offsets of 32-bit sequence numbers.
    sequences: Vec<usize>,
}

/// Reads the init segment of a CMAF track (one track per file, CMAF section 7.3.1).
pub fn track_of_init(init: &[u8]) -> Result<Track, String> {
    let moov = child(init, 0..init.len(), b"moov")?;
    let mut timescales = BTreeMap::new();
    for found in children(init, moov.clone())?.into_iter().filter(|b| &b.kind == b"trak") {
        let tkhd = child(init, found.body.clone(), b"tkhd")?;
        let mdia = child(init, found.body, b"mdia")?;
        let mdhd = child(init, mdia, b"mdhd")?;
        let track = versioned(init, &tkhd, 12, 20).ok_or("tkhd is cut off")?;
        timescales.insert(track, versioned(init, &mdhd, 12, 20).ok_or("mdhd is cut off")?);
    }
    let (1, Some((track, timescale))) = (timescales.len(), timescales.pop_first()) else {
        return Err(format!("{} tracks; expected one, as CMAF has it", timescales.len()));
    };
    if timescale == 0 {
        return Err("timescale 0 in mdhd; expected ticks per second".into());
    }
    Ok(Track { timescale, default_sample_duration: default_duration(init, &moov, track)? })
}

/// The u32 at `v0` or `v1` bytes into a full box of version 0 or 1.
fn versioned(bytes: &[u8], body: &Range<usize>, v0: usize, v1: usize) -> Option<u32> {
    let version = bytes.get(body.start)?;
    u32_at(bytes, body.start + if *version == 0 { v0 } else { v1 })
}

fn default_duration(init: &[u8], moov: &Range<usize>, track: u32) -> Result<u32, String> {
    let Ok(mvex) = child(init, moov.clone(), b"mvex") else {
        return Err("no mvex box in moov; expected the init segment of a fragmented file".into());
    };
    let trex = children(init, mvex)?
        .into_iter()
        .find(|b| &b.kind == b"trex" && u32_at(init, b.body.start + 4) == Some(track));
    Ok(trex.and_then(|b| u32_at(init, b.body.start + 12)).unwrap_or(0))
}

/// Reads when a segment plays.
pub fn timing(segment: &[u8], track: Track) -> Result<Timing, String> {
    let mut timing = Timing::default();
    for found in children(segment, 0..segment.len())? {
        match &found.kind {
            b"sidx" => timing.sidx(segment, found.body)?,
            b"moof" => timing.moof(segment, found.body, track)?,
            _ => {}
        }
    }
    if timing.fragment_ends.is_empty() {
        return Err("no moof box; expected a CMAF segment".into());
    }
    Ok(timing)
}

impl Timing {
    /// Adds `ticks` to every time and `fragments` to every sequence number of the segment this was read from.
    pub fn shift(&self, segment: &mut [u8], ticks: u64, fragments: u32) {
        for &at in &self.times {
            let time = u64_at(segment, at).unwrap_or(0).wrapping_add(ticks);
            put(segment, at, &time.to_be_bytes());
        }
        for &at in &self.sequences {
            let number = u32_at(segment, at).unwrap_or(0).wrapping_add(fragments);
            put(segment, at, &number.to_be_bytes());
        }
    }

    fn sidx(&mut self, bytes: &[u8], body: Range<usize>) -> Result<(), String> {
        match bytes.get(body.start) {
            Some(1) if body.len() >= 28 => self.times.push(body.start + 12),
            _ => return Err("sidx of version 0; expected version 1 (64-bit times)".into()),
        }
        Ok(())
    }

    fn moof(&mut self, bytes: &[u8], body: Range<usize>, track: Track) -> Result<(), String> {
        let mfhd = child(bytes, body.clone(), b"mfhd")?;
        u32_at(bytes, mfhd.start + 4).ok_or("mfhd is cut off")?;
        self.sequences.push(mfhd.start + 4);
        let traf = child(bytes, body, b"traf")?;
        let tfdt = child(bytes, traf.clone(), b"tfdt")?;
        if bytes.get(tfdt.start) != Some(&1) {
            return Err("tfdt of version 0; expected version 1 (64-bit times)".into());
        }
        let start = u64_at(bytes, tfdt.start + 4).ok_or("tfdt is cut off")?;
        self.times.push(tfdt.start + 4);
        if self.fragment_ends.is_empty() {
            self.start = start;
        } else if start != self.end {
            return Err(format!(
                "fragment begins at tick {start}; expected {} where the last one ended",
                self.end
            ));
        }
        self.end = start + duration(bytes, traf, track)?;
        self.fragment_ends.push(self.end);
        Ok(())
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
    truns.map(|b| run_duration(bytes, &b.body, default)).sum()
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
    use crate::testing::media;

    fn load(name: &str) -> Vec<u8> {
        std::fs::read(media().join(name)).unwrap()
    }

    #[test]
    fn the_demo_media_lies_end_to_end_and_lasts_24_seconds() {
        for (rendition, timescale, end) in
            [("v360", 12288, 294_912), ("v216", 12288, 294_912), ("a64", 48000, 1_152_000)]
        {
            let track = track_of_init(&load(&format!("{rendition}/init.mp4"))).unwrap();
            assert_eq!(track.timescale, timescale);
            let mut at = 0;
            for i in 0..6 {
                let timing = timing(&load(&format!("{rendition}/seg_{i}.m4s")), track).unwrap();
                assert_eq!(timing.start, at, "{rendition} segment {i}");
                assert_eq!(timing.fragment_ends.len(), 8);
                at = timing.end;
            }
            assert_eq!(at, end, "{rendition}");
        }
    }

    #[test]
    fn shifting_changes_times_and_sequence_numbers_only() {
        let track = track_of_init(&load("v216/init.mp4")).unwrap();
        let original = load("v216/seg_3.m4s");
        let before = timing(&original, track).unwrap();
        let mut moved = original.clone();
        // Beyond 32 bits, where a careless rewrite would wrap.
        before.shift(&mut moved, 1 << 40, 48);
        let after = timing(&moved, track).unwrap();
        assert_eq!(after.start, before.start + (1 << 40));
        assert_eq!(after.end, before.end + (1 << 40));
        let changed = original.iter().zip(&moved).filter(|(a, b)| a != b).count();
        assert!((1..=8 * 12).contains(&changed), "{changed} bytes changed");
        let mfhd = before.sequences[0];
        assert_eq!(u32_at(&moved, mfhd), u32_at(&original, mfhd).map(|n| n + 48));
    }

    #[test]
    fn a_32_bit_tfdt_is_refused() {
        let track = track_of_init(&load("v216/init.mp4")).unwrap();
        let mut bytes = load("v216/seg_0.m4s");
        let at = bytes.windows(4).position(|w| w == b"tfdt").unwrap() + 4;
        bytes[at] = 0;
        assert!(timing(&bytes, track).unwrap_err().contains("64-bit"));
        assert!(timing(b"\0\0\0\x08free", track).unwrap_err().contains("no moof"));
    }
}
