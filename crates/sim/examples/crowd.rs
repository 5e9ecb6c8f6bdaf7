//! How fast the simulator is: `cargo run --release -p meshedflow-sim --example crowd -- VIEWERS SECONDS THREADS`.
//!
//! A live crowd over mixed lines, 12 s behind. Prints events and their cost; resident memory where the system tells.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement for people"
)]

use std::time::Instant;

use meshedflow_sim::{Link, Outcome, Person, Plan, Stream, play};

fn main() {
    let args: Vec<u64> = std::env::args().skip(1).map(|a| a.parse().expect("a number")).collect();
    let (viewers, seconds, threads, up) = match args.as_slice() {
        [viewers, seconds, threads] => (viewers, seconds, threads, None),
        [viewers, seconds, threads, up] => (viewers, seconds, threads, Some(*up)),
        _ => {
            return println!(
                "expected viewers, seconds, threads and, if all are alike, their uplink in bytes/s"
            );
        }
    };
    let mut plan = crowd(*viewers, *seconds);
    if let Some(up) = up {
        plan.people.iter_mut().for_each(|p| p.link.up_bytes_per_s = up);
    }
    let before = resident();
    let begun = Instant::now();
    let outcome = play(&plan, *threads as usize);
    let took = begun.elapsed();
    let grown = resident().saturating_sub(before) / viewers;
    let viewer_seconds: u64 = outcome.samples.iter().map(|s| u64::from(s.viewers)).sum();
    let (events, us) = (outcome.events, took.as_secs_f64() * 1e6);
    println!(
        "{viewers} viewers, {seconds} s, {threads} threads: {:.1} s, trace {:016x}",
        took.as_secs_f64(),
        outcome.trace
    );
    println!(
        "{events} events, {:.1} per viewer-second, {:.2} us each (thread time at most {:.2}), {grown} bytes resident per viewer at the end",
        events as f64 / viewer_seconds as f64,
        us / events as f64,
        us * *threads as f64 / events as f64,
    );
    let last = outcome.samples.last().copied().unwrap_or_default();
    println!("{last:?}");
    tell(&outcome, *seconds, last.origin_bytes);
}

/// What came of it for viewers and origin.
fn tell(outcome: &Outcome, seconds: u64, origin_bytes: u64) {
    let peers: u64 = outcome.people.iter().map(|p| p.from_peers).sum();
    let all: u64 = outcome.people.iter().map(|p| p.from_peers + p.from_http).sum();
    println!(
        "offload {:.4}, by cores {:.4}",
        1.0 - origin_bytes as f64 / all as f64,
        peers as f64 / all as f64
    );
    let late: Vec<_> = outcome
        .segments
        .iter()
        .filter(|s| s.released_ms > seconds * 500 && s.released_ms + 20_000 < seconds * 1_000)
        .collect();
    let n = late.len().max(1) as f64;
    println!(
        "later half: {:.2} starts, {:.2} requests, {:.2} copies, {:.1} viewers a segment",
        late.iter().map(|s| f64::from(s.elected)).sum::<f64>() / n,
        late.iter().map(|s| f64::from(s.requests)).sum::<f64>() / n,
        late.iter().map(|s| s.origin_bytes as f64 / s.size as f64).sum::<f64>() / n,
        late.iter().map(|s| f64::from(s.delivered)).sum::<f64>() / n,
    );
    let sum = |f: fn(&meshedflow_sim::Fate) -> u64| outcome.people.iter().map(f).sum::<u64>();
    println!(
        "stalls {}, takeovers {}, failed {}, corrupt {}, duplicate {}, stray {}, refused {}",
        sum(|p| p.stalls.into()),
        sum(|p| p.takeovers.into()),
        sum(|p| p.failed.into()),
        sum(|p| p.corrupt.into()),
        sum(|p| p.duplicate),
        sum(|p| p.stray),
        sum(|p| p.refused.into()),
    );
    let mut reasons = std::collections::BTreeMap::new();
    for (reason, n) in outcome.people.iter().flat_map(|p| &p.reasons) {
        *reasons.entry(*reason).or_insert(0) += n;
    }
    println!("{reasons:?}");
    outcome.faults.iter().take(5).for_each(|f| println!("FAULT {f}"));
}

fn crowd(viewers: u64, seconds: u64) -> Plan {
    let person = |v: u64| {
        let up_bytes_per_s = [250_000, 500_000, 1_250_000, 2_500_000][(v * 7 % 4) as usize];
        let link = Link { up_bytes_per_s, down_bytes_per_s: 6_250_000, latency_us: 8_000 + v * 131 % 20_000 };
        Person::usual(v * 20_000 / viewers.max(1), link)
    };
    let stream = Stream {
        live: true,
        target_ms: 4_000,
        recorded: 0,
        behind: 3,
        rungs_bps: vec![1_200_000],
        audio_bps: 0,
        mode: "serve",
        ttfb_ms: 40,
        origin_bytes_per_s: None,
    };
    Plan {
        seed: 7,
        seconds,
        warm_ms: 40_000,
        meshed: true,
        stream,
        people: (0..viewers).map(person).collect(),
        changes: Vec::new(),
    }
}

/// Resident bytes of this process, where /proc tells.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm");
    let pages = pages.ok().and_then(|s| s.split_whitespace().nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}
