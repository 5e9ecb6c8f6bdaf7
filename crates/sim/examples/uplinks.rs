//! Thin uplinks: `cargo run --release -p meshedflow-sim --example uplinks -- VIEWERS UPLINKS SEEDS [SECONDS]`, such as
//! `4,12 0.6,0.8,1,1.2,1.5,2,3,mixed 1..3`. Uplinks are multiples of the bit rate, `mixed` half 0.3 and half 3. Live,
//! 12 s behind, 1.2 Mb/s of video with 96 kb/s of audio, 20 Mb/s down, 10 ms. A line for each number of viewers and
//! uplink, the mean of the seeds: what the lines carry at most, min(1 - 1/n, sum of uplinks / demand), and what the
//! origin was spared while warm.
#![allow(clippy::print_stdout, clippy::expect_used, reason = "a measurement for people")]

use meshedflow_sim::{Fate, Figures, Link, Outcome, Person, Plan, Stream, play};

/// Bits per second of both renditions.
const BITRATE: u64 = 1_296_000;
/// Downlinks, in bytes per second.
const DOWN: u64 = 2_500_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (viewers, uplinks, seeds, seconds) = match words.as_slice() {
        [viewers, uplinks, seeds] => (viewers, uplinks, seeds, 120),
        [viewers, uplinks, seeds, seconds] => (viewers, uplinks, seeds, seconds.parse().expect("seconds")),
        _ => return println!("expected viewers, uplinks, seeds as 1..3, and seconds if not 120"),
    };
    let (from, to) = seeds.split_once("..").expect("seeds as 1..3");
    let seeds: Vec<u64> = (from.parse().expect("a seed")..=to.parse().expect("a seed")).collect();
    println!("| n | uplink | bound | offload | of bound | copies | back-offs | duplicate + stray | stalls |");
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for n in viewers.split(',').map(|n| n.parse().expect("viewers")) {
        uplinks.split(',').for_each(|uplink| tell(n, uplink, seconds, &seeds));
    }
}

/// Plays all seeds and tells their mean.
fn tell(n: u64, uplink: &str, seconds: u64, seeds: &[u64]) {
    let (mut bound, mut offload, mut copies, mut wasted) = (0.0, 0.0, 0.0, 0.0);
    let (mut stalls, mut back_offs) = (0, 0);
    for seed in seeds {
        let plan = audience(n, uplink, seconds, *seed);
        let outcome = play(&plan, 2);
        let figures = Figures::of(&plan, &outcome);
        bound += (1.0 - 1.0 / n as f64).min(figures.uplinks);
        offload += figures.offload_warm;
        copies += figures.copies_mean;
        wasted += figures.duplicate + figures.waste;
        stalls += figures.stalls;
        back_offs += sum(&outcome, |f| f.back_offs.into());
    }
    let mean = |sum: f64| sum / seeds.len().max(1) as f64;
    println!(
        "| {n} | {uplink} | {:.3} | {:.3} | {:.2} | {:.2} | {:.0} | {:.1} % | {stalls} |",
        mean(bound),
        mean(offload),
        offload / bound,
        mean(copies),
        mean(back_offs as f64),
        mean(wasted) * 100.0,
    );
}

fn sum(outcome: &Outcome, of: fn(&Fate) -> u64) -> u64 {
    outcome.people.iter().map(of).sum()
}

/// All alike but for their uplinks, 1.3 s apart.
fn audience(n: u64, uplink: &str, seconds: u64, seed: u64) -> Plan {
    let times = |v: u64| match uplink {
        "mixed" if v.is_multiple_of(2) => 0.3,
        "mixed" => 3.0,
        times => times.parse().expect("a multiple of the bit rate, or mixed"),
    };
    let person = |v: u64| {
        let up_bytes_per_s = (BITRATE as f64 / 8.0 * times(v)) as u64;
        let link = Link { up_bytes_per_s, down_bytes_per_s: DOWN, latency_us: 10_000 };
        Person::usual(v * 1_300, link)
    };
    let stream = Stream {
        live: true,
        target_ms: 4_000,
        recorded: 0,
        behind: 3,
        rungs_bps: vec![1_200_000],
        audio_bps: 96_000,
        mode: "serve",
        ttfb_ms: 30,
        origin_bytes_per_s: None,
    };
    let warm_ms = (n * 1_300 + 10_000).max(40_000).min(seconds * 500);
    let people = (0..n).map(person).collect();
    Plan { seed, seconds, warm_ms, meshed: true, stream, people, changes: Vec::new() }
}
