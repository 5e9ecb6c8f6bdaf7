//! What an attached player told; everything works without it, better with it.

use crate::input::{KnownSegment, LaneNo};
use crate::mesh::Mesh;
use crate::segment::SegKey;
use crate::time::{Duration, Time};

/// Of a playlist the newest segments are of interest, and those that the player will ask for next.
const NEWEST: u64 = 9;

/// The player as last heard of.
#[derive(Debug, Default)]
pub(crate) struct Player {
    heard: Option<(Time, Duration, f64)>,
    pub(crate) hidden: bool,
}

impl Player {
    pub(crate) fn buffer(&mut self, now: Time, ahead_ms: u32, rate: f64) {
        self.heard = Some((now, Duration::from_millis(ahead_ms.into()), rate));
    }

    /// Buffer ahead and rate, if heard of within the last 2 s.
    pub(crate) fn ahead(&self, now: Time) -> Option<(Duration, f64)> {
        let (at, ahead, rate) = self.heard?;
        let age = now.since(at);
        (age < Duration::from_secs(2))
            .then(|| (ahead.saturating_sub(age.mul_f64(rate.clamp(0.0, 4.0))), rate))
    }
}

impl Mesh {
    /// The player's own playlist names segments, with URLs to fetch them from.
    pub(crate) fn on_playlist(&mut self, no: LaneNo, target_ms: u32, segments: Vec<KnownSegment>) {
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        if target_ms > 0 {
            lane.target = Duration::from_millis(target_ms.into());
        }
        let newest = segments.last().map(|s| s.msn);
        let newer_than = newest.map_or(0, |n| n.saturating_sub(NEWEST));
        // A page that tells of all makes no table of it here.
        let near: Vec<KnownSegment> =
            segments.into_iter().filter(|s| s.msn > newer_than || lane.is_ahead(s.msn)).collect();
        let keys: Vec<SegKey> = near.iter().map(|s| SegKey { lane: no, msn: s.msn }).collect();
        near.into_iter().for_each(|s| lane.note_known(s));
        keys.into_iter().for_each(|key| self.check_fit(key));
        if let Some(msn) = newest {
            self.learned(SegKey { lane: no, msn }, Duration::ZERO, true, 0);
        }
    }
}
