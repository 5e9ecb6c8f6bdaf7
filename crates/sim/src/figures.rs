//! What an outcome amounts to: the figures of tables, charts and promises.

use crate::outcome::{Fate, Outcome, Sample};
use crate::plan::{Act, Nat, Person, Plan};
use crate::viewer::Evil;

/// Who leaves sooner did not wait for a first frame.
const PATIENCE_MS: u64 = 5_000;

/// A story in numbers. Shares are of one; "warm" is from the plan's `warm_ms` on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Viewers that came and mean well.
    pub viewers: usize,
    /// Bytes that players received, all of them.
    pub delivered_bytes: u64,
    /// Media bytes that left the origin.
    pub origin_bytes: u64,
    /// Share of delivered bytes that the origin did not send, in all.
    pub offload_whole: f64,
    /// The same while warm.
    pub offload_warm: f64,
    /// What would be left if the origin sent each segment once to all who can reach each other, in all.
    pub possible_whole: f64,
    /// The same while warm.
    pub possible_warm: f64,
    /// Share of delivered bytes that the uplinks of those who share could carry at most, while warm.
    pub uplinks: f64,
    /// Copies of a video segment that left the origin, on average while warm.
    pub copies_mean: f64,
    /// The most of any.
    pub copies_most: f64,
    /// Elections that began a fetch, per warm video segment.
    pub elections: f64,
    /// Stalls of honest viewers.
    pub stalls: u64,
    /// Milliseconds of them.
    pub stalled_ms: u64,
    /// Honest viewers who stalled.
    pub who_stalled: usize,
    /// First frame, median.
    pub startup_ms: u64,
    /// First frame, worst.
    pub startup_worst_ms: u64,
    /// Honest viewers who never saw a first frame, though they waited for five seconds.
    pub never_started: usize,
    /// First open connection after coming, median of those who got one.
    pub connect_ms: u64,
    /// The slowest of twenty.
    pub connect_slow_ms: u64,
    /// Viewers who got one.
    pub connected: usize,
    /// Bytes that arrived twice, and bytes that arrived for nothing, per delivered byte.
    pub duplicate: f64,
    /// The latter.
    pub waste: f64,
    /// Bytes between a viewer and the edge, on average.
    pub signaling_bytes: u64,
    /// Loads that the page would have taken over.
    pub takeovers: u64,
    /// Loads that failed.
    pub failed: u64,
    /// Loads with wrong bytes.
    pub corrupt: u64,
    /// Fragments turned away at the door.
    pub refused: u64,
}

impl Figures {
    /// Counts.
    pub fn of(plan: &Plan, outcome: &Outcome) -> Self {
        let honest: Vec<&Fate> = honest(plan, outcome).collect();
        let mut figures = Self { viewers: honest.len(), ..Self::default() };
        figures.count_bytes(plan, outcome);
        figures.count_segments(plan, outcome);
        figures.count_people(&honest);
        figures.never_started = never_started(plan, outcome);
        figures
    }

    fn count_bytes(&mut self, plan: &Plan, outcome: &Outcome) {
        let last = outcome.samples.last().copied().unwrap_or_default();
        let warm = outcome.samples.iter().rfind(|s| s.at_ms <= plan.warm_ms).copied().unwrap_or_default();
        self.delivered_bytes = delivered(&last);
        self.origin_bytes = last.origin_bytes;
        self.offload_whole = saved(last.origin_bytes, delivered(&last));
        let late = delivered(&last) - delivered(&warm);
        self.offload_warm = saved(last.origin_bytes - warm.origin_bytes, late);
        let groups = groups(plan);
        let once = |from: u64| -> (u64, u64) {
            let seen = outcome.segments.iter().filter(|s| s.delivered > 0 && s.released_ms >= from);
            seen.fold((0, 0), |(one, all), s| {
                (one + s.size * u64::from(s.delivered.min(groups)), all + s.size * u64::from(s.delivered))
            })
        };
        let (one, all) = once(0);
        self.possible_whole = saved(one, all);
        let (one, all) = if plan.stream.live { once(plan.warm_ms) } else { (one, all) };
        self.possible_warm = saved(one, all);
        self.uplinks = uplinks(plan) / (late.max(1) as f64);
    }

    fn count_segments(&mut self, plan: &Plan, outcome: &Outcome) {
        let video = plan.stream.rungs_bps.len();
        let warm: Vec<_> = settled(plan, outcome).filter(|s| s.lane < video).collect();
        let copies = |s: &&crate::SegmentFate| s.origin_bytes as f64 / s.size.max(1) as f64;
        let count = warm.len().max(1) as f64;
        self.copies_mean = warm.iter().map(copies).sum::<f64>() / count;
        self.copies_most = warm.iter().map(copies).fold(0.0, f64::max);
        self.elections = warm.iter().map(|s| f64::from(s.elected)).sum::<f64>() / count;
    }

    fn count_people(&mut self, honest: &[&Fate]) {
        let sum = |of: fn(&Fate) -> u64| honest.iter().map(|f| of(f)).sum::<u64>();
        self.stalls = sum(|f| f.stalls.into());
        self.stalled_ms = sum(|f| f.stalled_ms);
        self.who_stalled = honest.iter().filter(|f| f.stalls > 0).count();
        let (startups, connects) =
            (sorted(honest.iter().map(|f| f.startup_ms)), sorted(honest.iter().map(|f| f.connect_ms)));
        (self.startup_ms, self.startup_worst_ms) = (part(&startups, 0.5), part(&startups, 1.0));
        (self.connect_ms, self.connect_slow_ms) = (part(&connects, 0.5), part(&connects, 0.95));
        self.connected = connects.len();
        let all = sum(|f| f.from_peers + f.from_http).max(1) as f64;
        self.duplicate = sum(|f| f.duplicate) as f64 / all;
        self.waste = sum(|f| f.stray) as f64 / all;
        self.signaling_bytes = sum(|f| f.signaling) / honest.len().max(1) as u64;
        (self.takeovers, self.failed) = (sum(|f| f.takeovers.into()), sum(|f| f.failed.into()));
        (self.corrupt, self.refused) = (sum(|f| f.corrupt.into()), sum(|f| f.refused.into()));
    }
}

/// Of those who mean well: into how many groups address translation parts them, none of which can reach another. Each needs
/// a copy of its own.
fn groups(plan: &Plan) -> u32 {
    let mut left: Vec<Nat> = plan.people.iter().filter(|p| p.evil == Evil::No).map(|p| p.nat).collect();
    let mut count = 0;
    while let Some(one) = left.pop() {
        count += 1;
        let mut reached = vec![one];
        while let Some(from) = reached.pop() {
            let (near, far) = left.into_iter().partition(|nat| from.reaches(*nat));
            reached.extend::<Vec<Nat>>(near);
            left = far;
        }
    }
    count
}

/// Bytes that those who share could send while the mesh is warm.
fn uplinks(plan: &Plan) -> f64 {
    let end = plan.seconds * 1_000;
    let there_ms = |p: &Person| leaves(p, end).saturating_sub(p.arrive_ms.max(plan.warm_ms));
    let sharing = plan.people.iter().filter(|p| p.uploads && !p.cellular && p.evil == Evil::No);
    sharing.map(|p| p.link.up_bytes_per_s as f64 * there_ms(p) as f64 / 1e3).sum()
}

/// Honest viewers who were there long enough, and saw nothing.
fn never_started(plan: &Plan, outcome: &Outcome) -> usize {
    let pairs = plan.people.iter().zip(&outcome.people);
    let waited = |p: &Person| leaves(p, plan.seconds * 1_000).saturating_sub(p.arrive_ms) >= PATIENCE_MS;
    pairs.filter(|(p, f)| p.evil == Evil::No && f.came && f.startup_ms.is_none() && waited(p)).count()
}

/// When a viewer leaves; the end, unless before.
fn leaves(p: &Person, end_ms: u64) -> u64 {
    let gone = p.acts.iter().find(|(_, a)| matches!(a, Act::Vanish | Act::Quit));
    gone.map_or(end_ms, |(at, _)| *at)
}

/// Those who came and mean well.
fn honest<'a>(plan: &'a Plan, outcome: &'a Outcome) -> impl Iterator<Item = &'a Fate> {
    let pairs = plan.people.iter().zip(&outcome.people);
    pairs.filter(|(p, f)| p.evil == Evil::No && f.came).map(|(_, f)| f)
}

/// Segments that came to be while the mesh was warm and that everybody had time to ask for; all of a recording.
pub fn settled<'a>(
    plan: &'a Plan,
    outcome: &'a Outcome,
) -> impl Iterator<Item = &'a crate::outcome::SegmentFate> {
    let late = (plan.stream.behind + 3) * plan.stream.target_ms;
    let until = (plan.seconds * 1_000).saturating_sub(late);
    let during = move |ms: u64| !plan.stream.live || (plan.warm_ms..=until).contains(&ms);
    outcome.segments.iter().filter(move |s| s.delivered > 0 && during(s.released_ms))
}

fn delivered(s: &Sample) -> u64 {
    s.from_peers + s.from_http
}

fn saved(sent: u64, delivered: u64) -> f64 {
    if delivered == 0 { 0.0 } else { 1.0 - sent as f64 / delivered as f64 }
}

fn sorted(of: impl Iterator<Item = Option<u64>>) -> Vec<u64> {
    let mut known: Vec<u64> = of.flatten().collect();
    known.sort_unstable();
    known
}

/// The value below which this share lies; 0 of none.
fn part(sorted: &[u64], share: f64) -> u64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).ceil() as usize).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn warm_figures_leave_the_beginning_out() {
        let plan = Scenario::find("steady").unwrap().plan(2, 60, 1);
        let sample = |at_ms, from_peers, from_http, origin_bytes| Sample {
            at_ms,
            from_peers,
            from_http,
            origin_bytes,
            ..Sample::default()
        };
        let samples = vec![sample(plan.warm_ms, 0, 100, 100), sample(60_000, 400, 600, 600)];
        let figures = Figures::of(&plan, &Outcome { samples, ..Outcome::default() });
        assert!(
            (figures.offload_whole - 0.4).abs() < 1e-9 && (figures.offload_warm - 4.0 / 9.0).abs() < 1e-9
        );
    }

    #[test]
    fn who_can_reach_nobody_needs_a_copy_of_its_own() {
        let mut plan = Scenario::find("steady").unwrap().plan(5, 60, 1);
        let mut groups_of = |nats: [Nat; 5]| {
            plan.people.iter_mut().zip(nats).for_each(|(p, nat)| p.nat = nat);
            groups(&plan)
        };
        use Nat::{Cone, Open, Symmetric};
        assert_eq!(groups_of([Cone, Cone, Cone, Cone, Cone]), 1);
        assert_eq!(groups_of([Cone, Symmetric, Cone, Symmetric, Cone]), 3);
        assert_eq!(groups_of([Symmetric; 5]), 5);
        assert_eq!(groups_of([Cone, Symmetric, Open, Symmetric, Cone]), 1, "all reach the open one");
    }

    #[test]
    fn uplinks_count_while_their_owners_are_there_and_share() {
        let mut plan = Scenario::find("steady").unwrap().plan(3, 60, 1);
        for p in &mut plan.people {
            p.link.up_bytes_per_s = 1_000;
        }
        plan.people[0].uploads = false;
        plan.people[1].acts = vec![(plan.warm_ms + 2_000, Act::Quit)];
        let seconds = (60_000 - plan.warm_ms) / 1_000;
        assert!((uplinks(&plan) - (2_000 + seconds * 1_000) as f64).abs() < 1_000.0);
    }

    #[test]
    fn evil_viewers_and_those_who_never_came_count_for_nothing() {
        let mut plan = Scenario::find("steady").unwrap().plan(3, 60, 1);
        plan.people[1].evil = Evil::Flips;
        let fate = |came, startup_ms| Fate { came, startup_ms, stalls: 1, ..Fate::default() };
        let people = vec![fate(true, Some(300)), fate(true, None), fate(false, None)];
        let figures = Figures::of(&plan, &Outcome { people, ..Outcome::default() });
        assert_eq!((figures.viewers, figures.stalls, figures.never_started), (1, 1, 0));
        assert_eq!((figures.startup_ms, figures.startup_worst_ms), (300, 300));
    }
}
