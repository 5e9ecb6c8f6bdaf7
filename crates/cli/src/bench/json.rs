//! The race as JSON: figures of both sides, what was promised, and the series that the chart draws.

use meshedflow_sim::{Figures, Sample, SegmentFate};
use serde_json::{Value, json};

use super::{Race, Side};

/// Rises when a member changes its meaning or goes.
const VERSION: u32 = 1;

/// The whole document.
pub(super) fn json(race: &Race) -> String {
    let plan = &race.plan;
    let document = json!({
        "version": VERSION,
        "scenario": race.scenario.name,
        "about": race.scenario.about,
        "viewers": race.viewers,
        "seconds": plan.seconds,
        "seed": plan.seed,
        "warmMs": plan.warm_ms,
        "command": race.command(),
        "stream": {
            "live": plan.stream.live,
            "segmentMs": plan.stream.target_ms,
            "renditionsBps": plan.stream.rungs_bps,
            "audioBps": plan.stream.audio_bps,
            "mode": plan.stream.mode,
        },
        "mesh": side(&race.mesh),
        "plain": side(&race.plain),
        "promise": {
            "offloadShareOfPossible": race.scenario.promise.offload,
            "originCopies": finite(race.scenario.promise.origin_copies),
            "short": race.short,
        },
        "harm": race.harm,
        "run": { "threads": race.threads },
    });
    format!("{document:#}\n")
}

fn side(side: &Side) -> Value {
    let outcome = &side.outcome;
    json!({
        "figures": figures(&side.figures),
        "events": outcome.events,
        "trace": format!("{:016x}", outcome.trace),
        "coreBytes": outcome.core_bytes,
        "wallMs": side.took.as_millis() as u64,
        "samples": outcome.samples.iter().map(sample).collect::<Vec<_>>(),
        "segments": outcome.segments.iter().map(segment).collect::<Vec<_>>(),
    })
}

fn figures(f: &Figures) -> Value {
    json!({
        "viewers": f.viewers,
        "deliveredBytes": f.delivered_bytes,
        "originBytes": f.origin_bytes,
        "offloadWarm": f.offload_warm,
        "offloadWhole": f.offload_whole,
        "possibleWarm": f.possible_warm,
        "possibleWhole": f.possible_whole,
        "possibleByUplinksWarm": f.uplinks,
        "originCopiesMean": f.copies_mean,
        "originCopiesMost": f.copies_most,
        "electionStarts": f.elections,
        "stalls": f.stalls,
        "stalledMs": f.stalled_ms,
        "viewersStalled": f.who_stalled,
        "startupMedianMs": f.startup_ms,
        "startupWorstMs": f.startup_worst_ms,
        "neverStarted": f.never_started,
        "connectMedianMs": f.connect_ms,
        "connectP95Ms": f.connect_slow_ms,
        "connected": f.connected,
        "duplicateShare": f.duplicate,
        "wasteShare": f.waste,
        "signalingBytes": f.signaling_bytes,
        "takeovers": f.takeovers,
        "failedLoads": f.failed,
        "corruptLoads": f.corrupt,
        "fragmentsTurnedAway": f.refused,
    })
}

fn sample(s: &Sample) -> Value {
    json!({
        "atMs": s.at_ms,
        "viewers": s.viewers,
        "fromPeers": s.from_peers,
        "fromHttp": s.from_http,
        "originBytes": s.origin_bytes,
        "stalls": s.stalls,
        "stalledNow": s.stalled_now,
        "bufferMeanMs": s.buffer_mean_ms,
        "bufferLowMs": s.buffer_low_ms,
    })
}

fn segment(s: &SegmentFate) -> Value {
    json!({
        "lane": s.lane,
        "msn": s.msn,
        "bytes": s.size,
        "releasedMs": s.released_ms,
        "originBytes": s.origin_bytes,
        "requests": s.requests,
        "elected": s.elected,
        "delivered": s.delivered,
    })
}

fn finite(n: f64) -> Option<f64> {
    Some(n).filter(|n| n.is_finite())
}
