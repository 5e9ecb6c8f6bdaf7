//! Plays a plan to its end and counts what came of it.

use std::collections::BTreeMap;

use meshedflow_core::Stats;

use crate::origin::LANES;
use crate::outcome::{Fate, Outcome, Sample, SegmentFate};
use crate::plan::{Act, Change, Plan};
use crate::viewer::{Evil, Report};
use crate::world::{Setup, World};

/// Plays `plan` on so many threads; the outcome is the same for any number of them.
pub fn play(plan: &Plan, _threads: usize) -> Outcome {
    let mut world = World::new(setup(plan));
    let mut outcome = Outcome::default();
    let mut acts: Vec<(u64, usize)> = Vec::new();
    for (v, p) in plan.people.iter().enumerate() {
        acts.extend(p.acts.iter().filter(|a| matches!(a.1, Act::Vanish | Act::Quit)).map(|a| (a.0, v)));
    }
    acts.sort_unstable();
    let mut gone = BTreeMap::new();
    for second in 1..=plan.seconds {
        world.run_ms(1_000);
        for (at, v) in acts.iter().filter(|(at, _)| at / 1_000 + 1 == second) {
            world.vanish(*v);
            gone.insert(*v, *at);
        }
        for (_, change) in plan.changes.iter().filter(|(at, _)| at / 1_000 + 1 == second) {
            if let Change::Edge(up) = change {
                world.set_edge(*up);
            }
        }
        outcome.samples.push(sample(&world, second, gone.len()));
    }
    outcome.people = world.reports().iter().map(fate).collect();
    outcome.segments = segments(&world, plan);
    outcome
}

fn setup(plan: &Plan) -> Setup {
    let bytes = |bps: u32| (u64::from(bps) * plan.stream.target_ms / 8_000) as u32;
    let people = || plan.people.iter().enumerate();
    Setup {
        seed: plan.seed,
        arrivals_ms: plan.people.iter().map(|p| p.arrive_ms).collect(),
        links: people().map(|(i, p)| (i, p.link)).collect(),
        target_ms: plan.stream.target_ms,
        live: plan.stream.live,
        mode: plan.stream.mode,
        ttfb_ms: plan.stream.ttfb_ms,
        own_setups: people().filter(|(_, p)| p.own_setup).map(|(i, _)| i).collect(),
        evil: people().filter(|(_, p)| p.evil != Evil::No).map(|(i, p)| (i, p.evil)).collect(),
        edge: plan.meshed,
        sizes: [bytes(plan.stream.rungs_bps[0]), bytes(plan.stream.audio_bps)],
        recorded: plan.stream.recorded,
        behind: people().filter(|(_, p)| p.behind > 0).map(|(i, p)| (i, p.behind)).collect(),
        ..Setup::default()
    }
}

fn sample(world: &World, second: u64, gone: usize) -> Sample {
    let reports = world.reports();
    let came = reports.iter().filter(|r| r.stats.is_some()).count();
    Sample {
        at_ms: second * 1_000,
        viewers: came.saturating_sub(gone) as u32,
        from_peers: reports.iter().map(|r| r.from_peers).sum(),
        from_http: reports.iter().map(|r| r.from_http).sum(),
        origin_bytes: world.origin.log.values().flatten().map(|b| u64::from(*b)).sum(),
        stalls: reports.iter().map(|r| u64::from(r.stalls)).sum(),
        ..Sample::default()
    }
}

fn fate(r: &Report) -> Fate {
    let count = |of: fn(&Stats) -> u64| r.stats.as_ref().map_or(0, of);
    Fate {
        came: r.stats.is_some(),
        startup_ms: Some(r.startup_ms).filter(|ms| *ms < 1 << 40),
        connect_ms: None,
        delivered: r.delivered,
        from_peers: r.from_peers,
        from_http: r.from_http,
        stalls: r.stalls,
        stalled_ms: r.stalled_ms,
        takeovers: r.takeovers,
        failed: r.failed,
        corrupt: r.corrupt,
        uploaded: count(|s| s.uploaded_bytes),
        duplicate: count(|s| s.duplicate_bytes),
        stray: count(|s| s.stray_bytes),
        refused: count(|s| s.verify_failures.into()) as u32,
        signaling: 0,
        elections: count(|s| s.elections.into()) as u32,
    }
}

fn segments(world: &World, plan: &Plan) -> Vec<SegmentFate> {
    let sizes = setup(plan).sizes;
    let all = (0..LANES.len()).flat_map(|lane| (1..=world.newest()).map(move |msn| (lane, msn)));
    all.map(|(lane, msn)| SegmentFate {
        lane,
        msn,
        size: sizes[lane].into(),
        released_ms: msn.saturating_sub(6) * plan.stream.target_ms,
        origin_bytes: (world.copies(lane, msn) * f64::from(sizes[lane])) as u64,
        requests: world.requests(lane, msn) as u32,
        elected: 0,
        delivered: plan.people.len() as u32,
    })
    .filter(|s| s.requests > 0)
    .collect()
}
