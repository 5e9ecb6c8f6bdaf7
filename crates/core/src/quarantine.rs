//! How often two signed lists disagreed lately, by the origin whose lane it was: what one signer does wrong says nothing
//! of another's lists.

use crate::input::LaneNo;
use crate::lane::Lane;
use crate::mesh::Mesh;
use crate::output::Reason;
use crate::segment::SegKey;
use crate::time::{Duration, Time};

/// So many segments within so long, and nothing is shared until the first of them is that old: one mishap of a signer
/// costs its segment, three in a row mean that something is wrong with it, three in a month do not.
const TOO_MANY: usize = 3;
const WITHIN: Duration = Duration::from_secs(3_600);

/// The last quarantines, newest first.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quarantines([Option<Time>; TOO_MANY]);

impl Quarantines {
    pub(crate) fn note(&mut self, now: Time) {
        self.0.rotate_right(1);
        self.0[0] = Some(now);
    }

    /// Until when nothing is shared, if there were too many.
    pub(crate) fn until(&self, now: Time) -> Option<Time> {
        let first = self.0.iter().copied().min().flatten()?;
        Some(first + WITHIN).filter(|until| now < *until)
    }
}

/// Origins remembered; each of them has signed what contradicts itself.
pub(crate) const DISPUTING_LIMIT: usize = 16;

/// The last quarantines of each origin, the one that had none for longest first.
#[derive(Debug, Default)]
pub(crate) struct Disputes(Vec<(String, Quarantines)>);

impl Disputes {
    pub(crate) fn note(&mut self, origin: &str, now: Time) {
        let known = self.0.iter().position(|(of, _)| of == origin).map(|at| self.0.remove(at));
        if self.0.len() >= DISPUTING_LIMIT {
            self.0.remove(0);
        }
        let (of, mut last) = known.unwrap_or_else(|| (origin.to_owned(), Quarantines::default()));
        last.note(now);
        self.0.push((of, last));
    }

    /// Nothing is shared in lanes of this origin.
    pub(crate) fn stop(&self, origin: &str, now: Time) -> bool {
        self.0.iter().any(|(of, last)| of == origin && last.until(now).is_some())
    }

    /// Until when nothing is shared in lanes of some origin.
    pub(crate) fn until(&self, now: Time) -> Option<Time> {
        self.0.iter().filter_map(|(_, last)| last.until(now)).min()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Mesh {
    /// Signers of all lanes that this page knows contradicted themselves too often.
    pub(crate) fn disputes_stop_all(&self) -> bool {
        let well = |l: &Lane| l.anchor.is_some() && !self.disputes.stop(&l.info.origin, self.now);
        self.disputes.until(self.now).is_some() && !self.lanes.values().any(well)
    }

    /// The signer of this lane contradicted itself too often.
    pub(crate) fn is_stopped(&self, no: LaneNo) -> bool {
        self.lanes.get(&no).is_some_and(|lane| self.disputes.stop(&lane.info.origin, self.now))
    }

    /// Where nothing is shared any more nobody is waited for, and what the player asked for comes from the origin.
    pub(crate) fn leave_stopped_lanes(&mut self) {
        for key in self.asked_in_stopped_lanes() {
            self.cancel_asks_of(key);
        }
        for key in self.awaited_segments() {
            if self.is_stopped(key.lane) && !self.try_finish(key) {
                self.fetch_over_http(key, Reason::Quarantine);
            }
        }
    }

    fn asked_in_stopped_lanes(&self) -> Vec<SegKey> {
        let asked = |no: LaneNo| {
            let lane = self.lanes.get(&no).filter(|_| self.is_stopped(no));
            let segments = lane.into_iter().flat_map(|l| l.segments.iter());
            segments.filter(|(_, s)| !s.asked.is_empty()).map(move |(msn, _)| SegKey { lane: no, msn: *msn })
        };
        self.lanes.keys().flat_map(|no| asked(*no)).collect()
    }

    /// Why a lane takes no part, if it does not.
    pub(crate) fn lane_refusal(&self, lane: &Lane) -> Option<Reason> {
        let disputed = || self.disputes.stop(&lane.info.origin, self.now).then_some(Reason::Quarantine);
        lane.refused.or_else(disputed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_within_an_hour_are_too_many_and_an_hour_later_they_are_not() {
        let minute = |n: u64| Time(n * 60_000_000);
        let mut q = Quarantines::default();
        q.note(minute(0));
        q.note(minute(40));
        assert_eq!(q.until(minute(40)), None);
        q.note(minute(59));
        assert_eq!(q.until(minute(59)), Some(minute(60)));
        assert_eq!(q.until(minute(60)), None, "one of them is an hour old");
        q.note(minute(70));
        assert_eq!(q.until(minute(70)), Some(minute(100)));
        for month in [0, 43_200, 86_400] {
            q.note(minute(1_000 + month));
            assert_eq!(q.until(minute(1_000 + month)), None, "one a month");
        }
    }

    #[test]
    fn origins_that_contradict_themselves_are_judged_one_by_one_and_not_remembered_without_end() {
        let mut disputes = Disputes::default();
        let now = Time(1);
        (0..3).for_each(|_| disputes.note("https://a.example", now));
        disputes.note("https://b.example", now);
        assert!(disputes.stop("https://a.example", now) && !disputes.stop("https://b.example", now));
        (0..100).for_each(|n| disputes.note(&format!("https://{n}.example"), now));
        assert_eq!(disputes.len(), DISPUTING_LIMIT);
    }
}
