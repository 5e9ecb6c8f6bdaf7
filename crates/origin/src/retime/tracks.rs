//! What an init segment says about its tracks, and lengths of time that hold in every timescale.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::boxes::{child, children, u32_at};

/// A track of an init segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    /// Ticks per second (`mdhd`).
    pub timescale: u32,
    /// Ticks of a sample that does not say otherwise (`trex`).
    pub default_sample_duration: u32,
    /// `hdlr` says that it is video.
    pub is_video: bool,
}

/// All tracks of an init segment, by track ID.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tracks(BTreeMap<u32, Track>);

impl Tracks {
    /// Reads an init segment.
    ///
    /// # Errors
    /// What is missing in it, in words.
    pub fn of_init(init: &[u8]) -> Result<Self, String> {
        let moov = child(init, 0..init.len(), b"moov")?;
        let mut tracks = BTreeMap::new();
        for found in children(init, moov.clone())?.into_iter().filter(|b| &b.kind == b"trak") {
            let (id, timescale, is_video) = track(init, found.body)?;
            let default_sample_duration = default_duration(init, &moov, id)?;
            tracks.insert(id, Track { timescale, default_sample_duration, is_video });
        }
        if tracks.is_empty() {
            return Err("no trak box in moov; expected a track".into());
        }
        Ok(Self(tracks))
    }

    /// The track with this ID.
    pub fn get(&self, id: u32) -> Option<&Track> {
        self.0.get(&id)
    }

    /// ID and track of the one whose times say where segments begin: the first video track, or else the first.
    pub fn lead(&self) -> Option<(u32, Track)> {
        let video = self.0.iter().find(|(_, track)| track.is_video);
        video.or_else(|| self.0.iter().next()).map(|(id, track)| (*id, *track))
    }

    /// All tracks with their IDs.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Track)> {
        self.0.iter().map(|(id, track)| (*id, track))
    }
}

fn track(init: &[u8], trak: Range<usize>) -> Result<(u32, u32, bool), String> {
    let tkhd = child(init, trak.clone(), b"tkhd")?;
    let mdia = child(init, trak, b"mdia")?;
    let mdhd = child(init, mdia.clone(), b"mdhd")?;
    let id = versioned(init, &tkhd, 12, 20).ok_or("tkhd is cut off")?;
    let timescale = versioned(init, &mdhd, 12, 20).ok_or("mdhd is cut off")?;
    if timescale == 0 {
        return Err("timescale 0 in mdhd; expected ticks per second".into());
    }
    let hdlr = child(init, mdia, b"hdlr").unwrap_or_default();
    Ok((id, timescale, init.get(hdlr.start + 8..hdlr.start + 12) == Some(b"vide")))
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

/// A length of time, exact in its own timescale.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    /// In ticks.
    pub ticks: u64,
    /// Ticks per second, not 0.
    pub timescale: u32,
}

impl Length {
    /// So many times this length in ticks of another timescale, rounded down. From the whole product: nothing adds up.
    pub fn times(self, count: u64, timescale: u32) -> u64 {
        let ticks = u128::from(count).saturating_mul(u128::from(self.ticks));
        let ticks = ticks.saturating_mul(u128::from(timescale)) / u128::from(self.timescale.max(1));
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// In seconds.
    pub fn seconds(self) -> f64 {
        self.ticks as f64 / f64::from(self.timescale.max(1))
    }

    /// Compares exactly.
    pub fn compare(self, other: Self) -> Ordering {
        let scaled = |a: Self, b: Self| u128::from(a.ticks) * u128::from(b.timescale);
        scaled(self, other).cmp(&scaled(other, self))
    }
}
