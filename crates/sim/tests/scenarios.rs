//! A short set of scenarios with fixed seeds, and every seed that once failed: no harm to anybody, promises kept.
//!
//! A failure prints the command that tells the same story again, with its table; `--svg` draws it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a file that cannot be read is a test that fails")]

use std::path::{Path, PathBuf};

use meshedflow_sim::{Figures, Plan, SECONDS, Scenario, VIEWERS, harm, play};
use serde_json::Value;

/// What went wrong in a story, with the command that repeats it; nothing is how it must be.
fn tell(name: &str, viewers: usize, seconds: u64, seed: u64) -> Option<String> {
    let scenario = Scenario::find(name).unwrap_or_else(|| panic!("no scenario {name}"));
    let plan = scenario.plan(viewers, seconds, seed);
    let (mesh, plain) = (play(&plan, 1), play(&Plan { meshed: false, ..plan.clone() }, 1));
    let figures = Figures::of(&plan, &mesh);
    let mut wrong = harm(&mesh, &figures, &Figures::of(&plan, &plain));
    wrong.extend(scenario.promise.short(&figures));
    let command = scenario.command(viewers, seconds, seed);
    (!wrong.is_empty()).then(|| format!("{command}\n    {}", wrong.join("\n    ")))
}

fn hold(stories: &[(&str, usize, u64, u64)]) {
    let wrong: Vec<String> =
        stories.iter().filter_map(|(name, n, s, seed)| tell(name, *n, *s, *seed)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn audiences_that_come_and_stay() {
    hold(&[
        ("steady", 8, 60, 7),
        ("flash-crowd", 20, 90, 7),
        ("premiere", 8, 60, 7),
        ("clock-skew", 8, 60, 7),
    ]);
}

/// A kept seed: a story that failed once.
struct Kept {
    file: PathBuf,
    scenario: String,
    viewers: usize,
    seconds: u64,
    seed: u64,
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
            Some(format!("{}: {}", k.file.display(), tell(&k.scenario, k.viewers, k.seconds, k.seed)?))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
