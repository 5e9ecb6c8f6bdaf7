//! Many stories at once: `cargo run --release -p meshedflow-sim --example sweep -- SCENARIOS VIEWERS SEEDS [SECONDS]`,
//! such as `all 2,4,8,20 1..6`. A line for each story in which the mesh did harm, with the command that repeats it; then
//! a line for each scenario and number of viewers with the mean offload while warm, beside what was possible.
#![allow(clippy::print_stdout, clippy::expect_used, reason = "a measurement for people")]

use meshedflow_sim::{Figures, Plan, SCENARIOS, Scenario, harm, play};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (names, viewers, seeds, seconds) = match words.as_slice() {
        [names, viewers, seeds] => (names, viewers, seeds, 60),
        [names, viewers, seeds, seconds] => (names, viewers, seeds, seconds.parse().expect("seconds")),
        _ => return println!("expected scenarios or all, viewers, seeds as 1..6, and seconds if not 60"),
    };
    let (from, to) = seeds.split_once("..").expect("seeds as 1..6");
    let seeds: Vec<u64> = (from.parse().expect("a seed")..=to.parse().expect("a seed")).collect();
    let asked = |s: &&Scenario| names == "all" || names.split(',').any(|name| name == s.name);
    let (mut told, mut harmful) = (0, 0);
    for scenario in SCENARIOS.iter().filter(asked) {
        for viewers in viewers.split(',').map(|n| n.parse().expect("viewers")) {
            told += seeds.len();
            harmful += sweep(scenario, viewers, seconds, &seeds);
        }
    }
    println!("harm in {harmful} of {told} stories");
}

/// Tells of all seeds; returns in how many the mesh did harm.
fn sweep(scenario: &Scenario, viewers: usize, seconds: u64, seeds: &[u64]) -> usize {
    let (mut warm, mut possible, mut harmful) = (0.0, 0.0, 0);
    for seed in seeds {
        let plan = scenario.plan(viewers, seconds, *seed);
        let (mesh, plain) = (play(&plan, 2), play(&Plan { meshed: false, ..plan.clone() }, 2));
        let figures = Figures::of(&plan, &mesh);
        let wrong = harm(&mesh, &figures, &Figures::of(&plan, &plain));
        if !wrong.is_empty() {
            harmful += 1;
            println!("{}\n    {}", scenario.command(viewers, seconds, *seed), wrong.join("\n    "));
        }
        warm += figures.offload_warm;
        possible += figures.possible_warm.min(figures.uplinks);
    }
    let mean = |sum: f64| sum * 100.0 / seeds.len().max(1) as f64;
    println!("{} {viewers}: {:.1} % warm of {:.1} %", scenario.name, mean(warm), mean(possible));
    harmful
}
