//! A small HLS player: polls a live playlist once per target duration, loads segments in order, plays.

use crate::event::Micros;

/// One viewer's player over both lanes.
#[derive(Debug)]
pub(crate) struct Player {
    pub(crate) joined: Micros,
    /// When this player polls its playlist, within a target duration.
    pub(crate) phase: Micros,
    pub(crate) known_newest: u64,
    pub(crate) next: [Option<u64>; 2],
    pub(crate) loading: [Option<u32>; 2],
    /// Media delivered per lane, in microseconds.
    pub(crate) delivered: [Micros; 2],
    pub(crate) playing_since: Option<Micros>,
    pub(crate) played: Micros,
    pub(crate) last_tick: Micros,
    pub(crate) stalls: u32,
    pub(crate) stalled_us: Micros,
    stalling: bool,
    /// Begins so many segments before the place where others do.
    behind: u64,
    pub(crate) startup_us: Option<Micros>,
}

/// Segments behind the newest at which playback begins.
const BEHIND: u64 = 2;
/// Buffered at most, in segments.
const BUFFER: u64 = 4;

impl Player {
    pub(crate) fn new(now: Micros, phase: Micros, behind: u64) -> Self {
        Self {
            joined: now,
            phase,
            known_newest: 0,
            next: [None; 2],
            loading: [None; 2],
            delivered: [0; 2],
            playing_since: None,
            played: 0,
            last_tick: now,
            stalls: 0,
            stalled_us: 0,
            stalling: false,
            behind,
            startup_us: None,
        }
    }

    /// Time passed: play what is buffered.
    pub(crate) fn advance(&mut self, now: Micros) {
        let passed = now - self.last_tick;
        self.last_tick = now;
        if self.playing_since.is_none() {
            return;
        }
        let buffered = self.delivered.iter().min().copied().unwrap_or(0) - self.played;
        self.played += passed.min(buffered);
        let starving = buffered < passed;
        if starving {
            self.stalled_us += passed - buffered;
            self.stalls += u32::from(!self.stalling);
        }
        self.stalling = starving;
    }

    /// Which segment of a lane to ask for now, if any.
    pub(crate) fn wants(
        &mut self,
        now: Micros,
        lane: usize,
        newest: u64,
        target: Micros,
        live: bool,
    ) -> Option<u64> {
        let polls = (now + self.phase) / target;
        let last_poll = (polls * target).saturating_sub(self.phase);
        if self.known_newest == 0 || now - last_poll < 60_000 {
            self.known_newest = newest;
        }
        let start = if live { self.known_newest.saturating_sub(BEHIND + self.behind).max(1) } else { 1 };
        let next = *self.next[lane].get_or_insert(start);
        let full = self.delivered[lane] >= self.played + BUFFER * target;
        (self.loading[lane].is_none() && next <= self.known_newest && !full).then_some(next)
    }

    /// A segment arrived.
    pub(crate) fn deliver(&mut self, now: Micros, lane: usize, target: Micros) {
        self.loading[lane] = None;
        self.next[lane] = self.next[lane].map(|n| n + 1);
        self.delivered[lane] += target;
        if self.playing_since.is_none() && self.delivered.iter().all(|d| *d > 0) {
            self.playing_since = Some(now);
            self.startup_us = Some(now - self.joined);
        }
    }
}
