//! An HLS player: polls a live playlist, loads segments in order, plays, stalls, seeks, pauses, switches.

use crate::event::Micros;

/// Media kept ahead at most, as HLS.js does by default.
const AHEAD_US: Micros = 30_000_000;

/// What is watched, as far as the player must know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Show {
    pub(super) target: Micros,
    pub(super) live: bool,
    /// Segments behind the newest at which playback begins.
    pub(super) behind: u64,
    /// Renditions are demuxed: audio is loaded for itself.
    pub(super) tracks: usize,
}

/// One viewer's player.
#[derive(Debug)]
pub(super) struct Screen {
    show: Show,
    joined: Micros,
    /// When the playlist was last read, and what it named.
    polled: Micros,
    pub(super) known: u64,
    /// Next segment to load, by track; 0 before the first poll.
    next: [u64; 2],
    pub(super) loading: [Option<u32>; 2],
    /// No load before then: the last one failed.
    retry_at: [Micros; 2],
    /// Where the buffer ends, and the playhead, in media time.
    ends: [Micros; 2],
    head: Micros,
    last: Micros,
    started: bool,
    paused: bool,
    starving: bool,
    /// Waits for media after a seek: no stall.
    seeking: bool,
    pub(super) rung: usize,
    pub(super) stalls: u32,
    pub(super) stalled_us: Micros,
    pub(super) played_us: Micros,
    pub(super) startup_us: Option<Micros>,
}

impl Screen {
    pub(super) fn new(now: Micros, show: Show) -> Self {
        Self {
            show,
            joined: now,
            polled: now,
            known: 0,
            next: [0; 2],
            loading: [None; 2],
            retry_at: [0; 2],
            ends: [0; 2],
            head: 0,
            last: now,
            started: false,
            paused: false,
            starving: false,
            seeking: false,
            rung: 0,
            stalls: 0,
            stalled_us: 0,
            played_us: 0,
            startup_us: None,
        }
    }

    /// Media ahead of the playhead.
    pub(super) fn ahead(&self) -> Micros {
        let end = self.ends[..self.show.tracks].iter().min().copied().unwrap_or(0);
        end.saturating_sub(self.head)
    }

    /// Is it meant to play, and has it begun?
    pub(super) fn is_playing(&self) -> bool {
        self.started && !self.paused && !self.seeking
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.is_playing() && self.starving
    }

    /// A recording that has been seen to its end.
    fn is_over(&self) -> bool {
        !self.show.live && self.known > 0 && self.head >= self.known * self.show.target
    }

    /// Time passed: play what is buffered.
    pub(super) fn advance(&mut self, now: Micros) {
        let passed = now.saturating_sub(self.last);
        self.last = self.last.max(now);
        if !self.is_playing() || passed == 0 || self.is_over() {
            return;
        }
        let ahead = self.ahead();
        let plays = passed.min(ahead);
        self.head += plays;
        self.played_us += plays;
        let starving = plays < passed && !self.is_over();
        if starving {
            self.stalled_us += passed - plays;
            self.stalls += u32::from(!self.starving);
        }
        self.starving = starving;
    }

    /// The playlist is read now, if it is time.
    pub(super) fn poll(&mut self, now: Micros, newest: u64) {
        if self.known == 0 {
            self.known = newest;
            let first =
                if self.show.live { newest.saturating_sub(self.show.behind).max(1) } else { self.first() };
            self.go_to(first);
        } else if self.show.live && now >= self.poll_at() {
            self.polled = now;
            self.known = self.known.max(newest);
        }
    }

    /// A recording begins with its first segment, or later for those who are ahead; 1 for all here.
    fn first(&self) -> u64 {
        1 + self.show.behind
    }

    fn go_to(&mut self, msn: u64) {
        self.next = [msn; 2];
        self.head = (msn - 1) * self.show.target;
        self.ends = [self.head; 2];
    }

    /// Every target duration, twice as often while there is nothing new.
    fn poll_at(&self) -> Micros {
        let dry = self.next.iter().take(self.show.tracks).all(|n| *n > self.known);
        self.polled + if dry { self.show.target / 2 } else { self.show.target }
    }

    /// Which segment of a track to ask for now, if any.
    pub(super) fn wants(&self, now: Micros, track: usize) -> Option<u64> {
        let next = self.next[track];
        let full = self.ends[track] >= self.head + AHEAD_US;
        let free = self.loading[track].is_none() && now >= self.retry_at[track];
        let here = track < self.show.tracks;
        (here && free && next > 0 && next <= self.known && !full).then_some(next)
    }

    /// When to look again.
    pub(super) fn look_at(&self, now: Micros) -> Option<Micros> {
        let mut at = self.show.live.then(|| self.poll_at());
        for track in 0..self.show.tracks {
            if self.loading[track].is_some() || self.next[track] > self.known {
                continue;
            }
            let room = (self.ends[track] + 1).saturating_sub(self.head + AHEAD_US);
            let idle = room > 0 && !self.is_playing();
            let when = (!idle).then(|| (now + room).max(self.retry_at[track]));
            at = at.into_iter().chain(when).min();
        }
        at.map(|at| at.max(now + 1_000))
    }

    /// A segment arrived.
    pub(super) fn deliver(&mut self, now: Micros, track: usize, msn: u64) {
        self.loading[track] = None;
        if self.next[track] != msn {
            return;
        }
        self.next[track] = msn + 1;
        self.ends[track] = msn * self.show.target;
        if self.ahead() == 0 {
            return;
        }
        if !self.started {
            self.started = true;
            self.startup_us = Some(now - self.joined);
        }
        self.seeking = false;
        self.last = now;
    }

    pub(super) fn failed(&mut self, now: Micros, track: usize) {
        self.loading[track] = None;
        self.retry_at[track] = now + 1_000_000;
    }

    pub(super) fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Jumps; true if loads under way are of no use any more.
    pub(super) fn seek(&mut self, by: i64) -> bool {
        let to = self.head.saturating_add_signed(by * self.show.target as i64);
        let last = self.known.saturating_sub(1) * self.show.target;
        self.jump(to.min(last))
    }

    /// Jumps to where a viewer who joins now would begin.
    pub(super) fn seek_live(&mut self) -> bool {
        self.jump(self.known.saturating_sub(self.show.behind + 1) * self.show.target)
    }

    fn jump(&mut self, to: Micros) -> bool {
        if !self.started {
            return false;
        }
        let end = self.head + self.ahead();
        self.starving = false;
        if (self.head..end).contains(&to) {
            self.head = to;
            return false;
        }
        self.seeking = true;
        self.go_to(to / self.show.target + 1);
        self.loading = [None; 2];
        self.retry_at = [0; 2];
        true
    }
}
