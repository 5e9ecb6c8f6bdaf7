//! Following: where the origin is slow, several viewers who fetch the same segment take from one another. Whoever sees
//! a neighbour ahead of it, and gets from that one what it has, leaves the rest to it for as long as that goes on.

use crate::input::HttpId;
use crate::mesh::Mesh;
use crate::output::Source;
use crate::segment::{SegKey, Segment, Transfer};
use crate::time::{Duration, Time};

/// A body that flows for less tells nothing of its pace; a fragment that takes longer is slow.
const PACE: Duration = Duration::from_millis(500);
/// How often it is looked at, in microseconds.
const CHECK_US: u64 = 250_000;
/// Others are waited for during this part of what HTTP would need.
const PART: u32 = 8;
/// Mere words are waited for no longer than this.
const WORDS: Duration = Duration::from_secs(1);

impl Mesh {
    /// A player waits for it, and HTTP alone would come too late.
    pub(crate) fn http_is_late(&self, key: SegKey) -> bool {
        self.deadline(key).is_some_and(|at| at <= self.now + self.http_time(key))
    }

    /// How long it takes at least until a running GET has brought this fragment, by what it has shown so far. `None`:
    /// none brings it.
    pub(crate) fn http_brings_in(&self, seg: &Segment, i: u16) -> Option<Duration> {
        let (a, b) = seg.bounds(i)?;
        let running = seg.transfers.iter().filter(|(_, t)| t.done.is_none() && t.brings(a, b));
        running.map(|(http, t)| self.pace_to(*http, t, b)).min()
    }

    fn pace_to(&self, http: HttpId, t: &Transfer, end: u32) -> Duration {
        let Some(job) = self.https.get(&http) else { return Duration::ZERO };
        let Some(head) = job.head else {
            // What is late is taken to be late by as much again.
            return self.now.since(job.started + self.http.ttfb() + PACE);
        };
        let Some(grant) = self.grants.values().find(|g| g.from == Source::Http(http)) else {
            return Duration::ZERO;
        };
        let Some((_, at, len)) = grant.cuts.front() else { return Duration::ZERO };
        let flowing = self.now.since(head);
        if flowing < PACE {
            return Duration::ZERO;
        }
        let here = at + len;
        let beyond = (end - t.from).saturating_sub(here);
        let rate = f64::from(here) / flowing.as_secs_f64();
        self.now.since(grant.since.max(head) + PACE) + Duration::from_secs_f64(f64::from(beyond) / rate)
    }

    /// Where HTTP alone would be late: until when a neighbour that fetches this segment is left to it. It leads, as far
    /// as can be seen, or it says that it has begun. Those who follow one neighbour do not all lose patience at once.
    pub(crate) fn led_until(&self, key: SegKey) -> Option<Time> {
        let seg = self.seg(key).filter(|_| self.http_is_late(key))?;
        let http = self.http_time(key);
        let fragment = self.http_forecast(seg, seg.bounds(0).map_or(0, |(a, b)| b - a)) * 3 / 2;
        let patience = (http / PART).max(fragment).mul_f64(1.0 + self.my_share(key));
        let words =
            seg.hearsay.words().filter(|_| !seg.transferring()).map(|at| at + (http / PART).min(WORDS));
        let led = self.leader(key, seg).and_then(|(sends, claimed)| {
            let begun = sends.then_some(claimed);
            begun.max(seg.hearsay.proof()).map(|at| at + patience)
        });
        words.max(led).filter(|until| self.now < *until)
    }

    /// A neighbour that has not kept this viewer waiting fetches it, and is further: has it sent some of it, and when
    /// did it begin? Of two that are as far the one that began first leads, or has the lower lot; whoever fetches nothing
    /// leads nobody.
    fn leader(&self, key: SegKey, seg: &Segment) -> Option<(bool, Time)> {
        let (mine, fetching) = (seg.held().count(), seg.transferring());
        let leads = |p: &crate::peer::Peer| {
            let theirs = p.remote.get(&key.lane)?.segments.get(&key.msn)?.held.count();
            let sends = seg.senders.contains(&p.id) || p.peer_bytes > 0 && p.failures == 0;
            let keeps_word = p.failures == 0 || self.counts(p) && sends;
            let claimed = seg.hearsay.claimed_by(p.id)?;
            let first = seg.mine.filter(|_| fetching).is_none_or(|m| {
                let lower = self.share_of(key, p.id) < self.my_share(key);
                claimed + PACE < m.since || lower && claimed < m.since + PACE
            });
            let ahead = theirs > mine || theirs == mine && first;
            (p.is_open() && keeps_word && ahead).then_some((sends, claimed))
        };
        self.peers.values().filter_map(leads).max()
    }

    /// Gives this viewer's own GET up to a neighbour that leads, once nothing is left that only the GET would bring.
    pub(crate) fn follow(&mut self, key: SegKey) {
        let Some(seg) = self.seg(key).filter(|s| s.transferring() && s.length().is_some()) else { return };
        if self.leader(key, seg).is_none() || self.led_until(key).is_none() {
            return;
        }
        let holders = self.holders(key);
        let needed = |i: &u16| {
            let slow = self.http_brings_in(seg, *i).is_none_or(|by| !by.is_zero());
            !(slow && (seg.asked.contains_key(i) || holders.iter().all(|h| !h.has(*i))))
        };
        if seg.missing().iter().any(needed) {
            return;
        }
        self.stop_transfers(key);
        if let Some(seg) = self.seg_mut(key) {
            seg.mine = None;
        }
        self.say_dropped(key);
    }

    /// When to see again whether a running GET is slow, where neighbours hold what it should bring.
    pub(crate) fn pace_check(&self, key: SegKey) -> Option<Time> {
        let seg = self.seg(key).filter(|s| s.transferring() && self.http_is_late(key))?;
        let beside =
            |(_, p): (_, &crate::peer::Peer)| self.held_by(p, key, seg).is_some_and(|t| !t.held.is_empty());
        let beats = self.now.0 / CHECK_US + 1;
        self.peers.iter().any(beside).then(|| Time(beats * CHECK_US))
    }
}
