//! Where the segments of a round lie in time.

use std::ops::Range;

use super::rendition::MICRO;
use crate::retime::{Length, Timing, Tracks, follows};

/// How long a segment plays.
pub(super) enum Plays {
    /// As the leading track of fragmented MP4 says.
    Ticks { track: u32, timescale: u32, span: Range<u64>, fragment_ends: Vec<u64> },
    /// As the playlist says, in microseconds.
    Micro(u64),
}

/// Discontinuity and init segment: within both, times of the media go on.
type Stretch = (u32, Option<usize>);

/// Segments one after the other.
#[derive(Default)]
pub(super) struct Timeline {
    stretch: Option<Stretch>,
    /// Where the stretch begins, in microseconds of the round and in ticks.
    base: (u64, u64),
    /// Where the last segment ends, likewise.
    end: (u64, u64),
    /// Of a single stretch of ticks.
    exact: Option<Length>,
}

impl Plays {
    /// What is known of a segment: its media's times, or else the playlist's word.
    pub(super) fn of(timing: Option<(&Timing, &Tracks)>, said_s: f64, most_s: f64) -> Result<Self, String> {
        let Some((timing, tracks)) = timing else {
            return match said_s > 0.0 && said_s <= most_s {
                true => Ok(Self::Micro((said_s * f64::from(MICRO)).round() as u64)),
                false => Err(format!("EXTINF of {said_s} s; expected more than 0, at most {most_s}")),
            };
        };
        let (track, lead) = tracks.lead().ok_or("no track in its init segment")?;
        let span = timing.lead(tracks).ok_or_else(|| {
            format!("no fragment of track {track}; expected the leading track in each segment of a loop")
        })?;
        let most = (most_s * f64::from(lead.timescale)) as u64;
        if !(1..=most).contains(&(span.end - span.start)) {
            let (ticks, scale) = (span.end - span.start, lead.timescale);
            return Err(format!(
                "track {track} plays {ticks} ticks at {scale} a second; expected 1 to {most}"
            ));
        }
        let fragment_ends = timing.fragment_ends.clone();
        Ok(Self::Ticks { track, timescale: lead.timescale, span, fragment_ends })
    }
}

impl Timeline {
    /// Puts a segment behind the last one: begin, end, and ends of its fragments, in microseconds of the round.
    pub(super) fn place(&mut self, plays: &Plays, stretch: Stretch) -> Result<(u64, u64, Vec<u64>), String> {
        let begins_us = self.end.0;
        let first = self.stretch.is_none();
        let goes_on = self.stretch.replace(stretch) == Some(stretch);
        let Plays::Ticks { track, timescale, span, fragment_ends } = plays else {
            let Plays::Micro(us) = plays else { return Ok((begins_us, begins_us, Vec::new())) };
            (self.end, self.exact) = ((begins_us + us, 0), None);
            return Ok((begins_us, begins_us + us, vec![begins_us + us]));
        };
        if goes_on {
            follows(*track, *timescale, self.end.1, span.start, "segment")?;
        } else {
            self.base = (begins_us, span.start);
        }
        let at = |ticks: u64| Length { ticks: ticks.saturating_sub(self.base.1), timescale: *timescale };
        let micro = |ticks: u64| self.base.0 + at(ticks).times(1, MICRO);
        let placed =
            (micro(span.start), micro(span.end), fragment_ends.iter().map(|end| micro(*end)).collect());
        self.exact = Some(at(span.end)).filter(|_| first || goes_on && self.exact.is_some());
        self.end = (placed.1, span.end);
        Ok(placed)
    }

    /// How long all segments play: exact, if they are one stretch of ticks.
    pub(super) fn length(&self) -> Length {
        self.exact.unwrap_or(Length { ticks: self.end.0, timescale: MICRO })
    }
}
