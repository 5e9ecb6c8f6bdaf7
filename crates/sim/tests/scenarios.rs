//! A short set of scenarios with fixed seeds, and every seed that once failed: no harm to anybody, promises kept.
//!
//! A failure prints the command that tells the same story again, with its table; `--svg` draws it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what panics is a test that fails"
)]

mod missed;

use std::path::{Path, PathBuf};

use meshedflow_sim::{Figures, Plan, SECONDS, Scenario, VIEWERS, harm, play};
use missed::Of;
use serde_json::Value;

/// A story that was told, beside the same world with plain players.
struct Story {
    scenario: &'static Scenario,
    command: String,
    figures: Figures,
    harm: Vec<String>,
}

impl Story {
    fn tell(name: &str, viewers: usize, seconds: u64, seed: u64) -> Self {
        let scenario = Scenario::find(name).unwrap_or_else(|| panic!("no scenario {name}"));
        let plan = scenario.plan(viewers, seconds, seed);
        let (mesh, plain) = (play(&plan, 1), play(&Plan { meshed: false, ..plan.clone() }, 1));
        let figures = Figures::of(&plan, &mesh);
        let harm = harm(&mesh, &figures, &Figures::of(&plan, &plain));
        Self { scenario, command: scenario.command(viewers, seconds, seed), figures, harm }
    }

    /// Offload that one copy of each segment and the uplinks make possible.
    fn possible(&self) -> f64 {
        self.figures.possible_warm.min(self.figures.uplinks)
    }

    /// What went wrong, with the command that repeats it; nothing is how it must be.
    fn wrong(self, more: impl IntoIterator<Item = String>) -> Option<String> {
        let wrong: Vec<String> = self.harm.into_iter().chain(more).collect();
        (!wrong.is_empty()).then(|| format!("{}\n    {}", self.command, wrong.join("\n    ")))
    }
}

/// What went wrong in a story that is kept: `floor` is the least offload while warm, as a share of what is possible.
fn tell(name: &str, viewers: usize, seconds: u64, seed: u64, floor: f64) -> Option<String> {
    let story = Story::tell(name, viewers, seconds, seed);
    let (seen, least) = (story.figures.offload_warm, floor * story.possible());
    let short = (seen < least).then(|| format!("offload {seen:.3} while warm, at least {least:.3} wanted"));
    story.wrong(short)
}

/// Eight viewers, a minute, seed 7: no harm, and what is promised in each scenario, unless the file of missed promises
/// names it.
fn hold(names: &[&str]) {
    let wrong: Vec<String> = names.iter().filter_map(|name| promised(name, 8, 60, 7)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn promised(name: &str, viewers: usize, seconds: u64, seed: u64) -> Option<String> {
    let story = Story::tell(name, viewers, seconds, seed);
    let (promise, figures) = (story.scenario.promise, &story.figures);
    // Where nobody reaches anybody, nothing is all there is.
    let share = if story.possible() > 0.0 { figures.offload_warm / story.possible() } else { 1.0 };
    let offload = missed::judge(name, Of::Offload, promise.offload, share);
    let copies = missed::judge(name, Of::Copies, promise.origin_copies, figures.copies_mean);
    story.wrong(offload.into_iter().chain(copies))
}

#[test]
fn audiences_that_come_and_stay() {
    hold(&["steady", "flash-crowd", "premiere", "clock-skew", "browser-lab"]);
}

#[test]
fn audiences_that_move() {
    hold(&["churn", "mass-seek", "replay", "pause-dvr", "on-demand"]);
    hold(&["rendition-storm", "mixed-renditions", "hidden-tabs", "all-hidden"]);
}

#[test]
fn networks_that_are_in_the_way() {
    hold(&["half-symmetric-nat", "all-symmetric-nat", "slow-uplinks", "lossy-wifi"]);
    hold(&["cellular", "free-riders", "edge-down", "edge-never", "partition"]);
}

#[test]
fn origins_that_falter() {
    hold(&["origin-503", "origin-slow", "whole-segments"]);
}

#[test]
fn viewers_that_mean_harm() {
    hold(&["polluters", "liars", "fetching-liar", "idle-sybils", "cutters"]);
    hold(&["floods"]);
}

#[test]
fn one_thread_and_two_tell_the_same_story() {
    let plan = Scenario::find("evening").map(|s| s.plan(12, 40, 3)).unwrap();
    assert!(play(&plan, 1) == play(&plan, 2));
}

/// A kept seed: a story that failed once.
struct Kept {
    file: PathBuf,
    scenario: String,
    viewers: usize,
    seconds: u64,
    seed: u64,
    /// Least offload, as [`tell`] has it.
    floor: f64,
}

fn kept() -> Vec<Kept> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/seeds");
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "json"));
    files.sort();
    files.into_iter().map(read).collect()
}

fn read(file: PathBuf) -> Kept {
    let json: Value = serde_json::from_slice(&std::fs::read(&file).unwrap())
        .unwrap_or_else(|why| panic!("{}: {why}", file.display()));
    let number = |name: &str| json[name].as_u64().unwrap_or_else(|| panic!("{}: {name}", file.display()));
    let why = json["why"].as_str().unwrap_or_default();
    assert!(why.len() > 20, "{}: `why` says in a sentence what failed", file.display());
    Kept {
        scenario: json["scenario"].as_str().unwrap_or_default().to_owned(),
        viewers: number("viewers") as usize,
        seconds: number("seconds"),
        seed: number("seed"),
        floor: json["offloadFloor"].as_f64().unwrap_or_default(),
        file,
    }
}

#[test]
fn kept_seeds_can_be_told() {
    let kept = kept();
    assert!(!kept.is_empty());
    for k in kept {
        let known = Scenario::find(&k.scenario).is_some();
        assert!(
            known && VIEWERS.contains(&k.viewers) && SECONDS.contains(&k.seconds),
            "{}",
            k.file.display()
        );
    }
}

#[test]
fn what_failed_once_does_not_fail_again() {
    let wrong: Vec<String> = kept()
        .iter()
        .filter_map(|k| {
            Some(format!(
                "{}: {}",
                k.file.display(),
                tell(&k.scenario, k.viewers, k.seconds, k.seed, k.floor)?
            ))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
