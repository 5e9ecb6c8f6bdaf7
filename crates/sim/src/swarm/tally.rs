//! Counting: the world once a second, and all of it at the end.

use std::collections::BTreeMap;

use super::shard::Shard;
use super::source::Source;
use super::viewer::{Viewer, mix};
use crate::event::Micros;
use crate::outcome::{Fate, Outcome, Sample, SegmentFate};
use crate::plan::Plan;

/// Faults that are told; more of them say nothing new.
const FAULTS: usize = 100;

/// What was counted while the world moved.
#[derive(Debug, Default)]
pub(super) struct Tally {
    samples: Vec<Sample>,
}

impl Tally {
    /// The world now; players are up to date.
    pub(super) fn sample(&mut self, now: Micros, shards: &[Shard]) {
        let mut s = Sample { at_ms: now / 1_000, ..Sample::default() };
        let mut ahead: Vec<u64> = Vec::new();
        for v in everyone(shards) {
            s.from_peers += v.fate.from_peers;
            s.from_http += v.fate.from_http;
            s.origin_bytes += v.log.iter().map(|g| u64::from(g.bytes)).sum::<u64>();
            s.stalls += u64::from(v.screen.stalls);
            if v.gone {
                continue;
            }
            s.viewers += 1;
            s.stalled_now += u32::from(v.screen.is_stalled());
            if v.screen.is_playing() {
                ahead.push(v.screen.ahead() / 1_000);
            }
        }
        ahead.sort_unstable();
        let (sum, n) = (ahead.iter().sum::<u64>(), ahead.len());
        s.buffer_mean_ms = (sum / n.max(1) as u64) as u32;
        s.buffer_low_ms = ahead.get(n / 20).copied().unwrap_or(0) as u32;
        self.samples.push(s);
    }

    /// All that came of it.
    pub(super) fn outcome(self, plan: &Plan, source: &Source, shards: Vec<Shard>) -> Outcome {
        let mut outcome = Outcome { samples: self.samples, ..Outcome::default() };
        let mut viewers: Vec<Box<Viewer>> = shards.into_iter().flat_map(|s| s.viewers).flatten().collect();
        viewers.sort_by_key(|v| v.index);
        outcome.people.resize(plan.people.len(), Fate::default());
        let mut segments: BTreeMap<(usize, u64), SegmentFate> = BTreeMap::new();
        for mut v in viewers {
            v.close_books();
            outcome.events += v.events;
            outcome.trace = mix(outcome.trace ^ v.trace, u64::from(v.index));
            outcome.faults.append(&mut v.faults);
            count_segments(&v, source, &mut segments);
            outcome.people[v.index as usize] = core::mem::take(&mut v.fate);
        }
        outcome.faults.truncate(FAULTS);
        outcome.segments = segments.into_values().collect();
        outcome
    }
}

fn everyone(shards: &[Shard]) -> impl Iterator<Item = &Viewer> {
    shards.iter().flat_map(|s| &s.viewers).flatten().map(|v| &**v)
}

fn count_segments(v: &Viewer, source: &Source, segments: &mut BTreeMap<(usize, u64), SegmentFate>) {
    for served in &v.log {
        let s = segment(source, segments, served.lane, served.msn);
        s.origin_bytes += u64::from(served.bytes);
        s.requests += 1;
        s.elected += u32::from(served.elected);
    }
    for (lane, msn) in &v.got {
        segment(source, segments, *lane, *msn).delivered += 1;
    }
}

fn segment<'a>(
    source: &Source,
    segments: &'a mut BTreeMap<(usize, u64), SegmentFate>,
    lane: u8,
    msn: u32,
) -> &'a mut SegmentFate {
    let (lane, msn) = (usize::from(lane), u64::from(msn));
    let (size, released_ms) = (source.lanes[lane].size.into(), source.released(msn) / 1_000);
    let blank = SegmentFate { lane, msn, size, released_ms, ..SegmentFate::default() };
    segments.entry((lane, msn)).or_insert(blank)
}
