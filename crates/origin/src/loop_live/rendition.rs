//! One rendition of a loop: the segments of a round, and what they are in each round.

use bytes::Bytes;
use meshedflow_manifest::{Kind, Text};

use crate::cut::Cut;
use crate::playlist::ByteRange;
use crate::retime::{Length, Timing};

/// Microseconds of a second.
pub(super) const MICRO: u32 = 1_000_000;

/// One rendition of a [`LoopSource`](super::LoopSource).
#[derive(Clone, Debug)]
pub struct LoopRendition {
    /// Its rendition name in signed lists.
    pub name: Text,
    /// Its directory below the stream's, with a slash at the end; empty for the stream's own.
    pub folder: String,
    /// File name of its media playlist.
    pub playlist: String,
    /// What its media begins with in names: empty, unless other renditions have the same directory.
    pub prefix: String,
    /// Whether its playlist promises `EXT-X-INDEPENDENT-SEGMENTS`.
    pub independent: bool,
    /// Its init segments; none with media that needs none.
    pub inits: Vec<LoopInit>,
    /// Files of which segments are byte ranges.
    pub files: Vec<LoopFile>,
    /// The segments of one round.
    pub segments: Vec<LoopSegment>,
    /// How much later each round plays than the one before.
    pub round: Length,
    /// How the next round follows.
    pub seam: Seam,
}

/// How one round of a loop follows another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seam {
    /// The media is moved in time: a player sees one timeline.
    Moved {
        /// moof boxes in one round.
        fragments: u32,
    },
    /// The same bytes again, behind `EXT-X-DISCONTINUITY`.
    Discontinuity {
        /// Discontinuities in one round, the one before it included.
        count: u32,
    },
}

/// An init segment.
#[derive(Clone, Debug)]
pub struct LoopInit {
    /// Its file name, also its signed name.
    pub uri: String,
    /// Its bytes.
    pub bytes: Bytes,
    /// Their SHA-256.
    pub digest: [u8; 32],
}

/// A file that is the same in each round.
#[derive(Clone, Debug)]
pub struct LoopFile {
    /// Its file name, also its signed name.
    pub uri: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// One segment of a round.
#[derive(Clone, Debug)]
pub struct LoopSegment {
    /// What a signed list says about it.
    pub kind: Kind,
    /// Where it is cut.
    pub cuts: Vec<Cut>,
    /// Discontinuities before it in its round.
    pub dsn: u32,
    /// Its init segment, by place in the rendition.
    pub init: Option<usize>,
    /// Which file it is a range of, by place in the rendition; `None`: it is a resource of its own.
    pub part_of: Option<(usize, ByteRange)>,
    /// What its file name ends with, behind a dot.
    pub extension: &'static str,
    /// When it begins, in microseconds from the start of the round.
    pub begins_us: u64,
    /// When it ends, likewise.
    pub ends_us: u64,
    /// When each of its pieces is complete, likewise.
    pub(super) piece_ends_us: Vec<u64>,
    pub(super) bytes: Bytes,
    pub(super) timing: Option<Timing>,
}

impl LoopRendition {
    /// Bytes of segment `msn` of the endless stream.
    pub fn segment(&self, msn: u64) -> Option<Bytes> {
        let (round, segment) = self.locate(msn)?;
        let (Seam::Moved { fragments }, Some(timing)) = (self.seam, &segment.timing) else {
            return Some(segment.bytes.clone());
        };
        let mut bytes = segment.bytes.to_vec();
        timing.shift(&mut bytes, round, self.round, (round as u32).wrapping_mul(fragments));
        Some(bytes.into())
    }

    /// The round's segment that `msn` repeats, and the number of the round.
    pub fn locate(&self, msn: u64) -> Option<(u64, &LoopSegment)> {
        let count = self.segments.len() as u64;
        let index = usize::try_from(msn.checked_rem(count)?).ok()?;
        Some((msn / count, self.segments.get(index)?))
    }

    /// File name of segment `msn`, also its signed name.
    pub fn uri(&self, msn: u64) -> Option<String> {
        let (_, segment) = self.locate(msn)?;
        match segment.part_of {
            Some((file, _)) => self.files.get(file).map(|file| file.uri.clone()),
            None => Some(format!("{}seg_{msn}.{}", self.prefix, segment.extension)),
        }
    }

    /// Discontinuity sequence number of segment `msn`.
    pub fn dsn(&self, msn: u64) -> u64 {
        let Some((round, segment)) = self.locate(msn) else { return 0 };
        match self.seam {
            Seam::Moved { .. } => 0,
            Seam::Discontinuity { count } => {
                round.saturating_mul(count.into()).saturating_add(segment.dsn.into())
            }
        }
    }

    /// When segment `msn` begins and ends, in microseconds from the start of the timeline.
    pub fn span_us(&self, msn: u64) -> (u64, u64) {
        self.locate(msn)
            .map_or((0, 0), |(round, s)| (self.at_us(round, s.begins_us), self.at_us(round, s.ends_us)))
    }

    /// When piece `index` of segment `msn` is complete, in microseconds from the start of the timeline.
    pub fn piece_end_us(&self, msn: u64, index: usize) -> u64 {
        self.locate(msn).map_or(0, |(round, s)| {
            let end = s.piece_ends_us.get(index).copied().unwrap_or(s.ends_us);
            self.at_us(round, end)
        })
    }

    /// Of all rounds before it together: nothing adds up.
    fn at_us(&self, round: u64, in_round_us: u64) -> u64 {
        self.round.times(round, MICRO).saturating_add(in_round_us)
    }
}
