//! `meshedflow bench sim`: what it prints, what it writes, how it refuses.

mod support;

use support::{TempDir, refused, run, stdout, tree};

const SMALL: [&str; 8] = ["bench", "sim", "--scenario", "steady", "--viewers", "3", "--seconds", "30"];

fn small(more: &[&str]) -> std::process::Output {
    run(&[&SMALL, more].concat())
}

#[test]
fn scenarios_are_listed_with_what_happens_in_them() {
    let list = stdout(&run(&["bench", "sim", "--list"]));
    for name in ["flash-crowd", "churn", "mass-seek", "polluters", "origin-503", "clock-skew"] {
        let line = list.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        assert!(line.len() > 50, "{name}: {list}");
    }
}

#[test]
fn a_run_prints_a_table_and_writes_json_and_svg() {
    let dir = TempDir::new("bench");
    let (json, svg) = (dir.file("a.json"), dir.file("a.svg"));
    let output = small(&["--seed", "7", "--json", &json, "--svg", &svg]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = stdout(&output);
    for row in
        ["offload, warm", "origin copies", "election starts", "stalls", "startup", "signaling", "trace"]
    {
        assert!(table.lines().any(|line| line.starts_with(row)), "{row}: {table}");
    }
    let figures: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(
        (&figures["scenario"], &figures["seed"], &figures["viewers"]),
        (&"steady".into(), &7.into(), &3.into())
    );
    assert_eq!(figures["mesh"]["samples"].as_array().map(Vec::len), Some(30));
    assert!(figures["mesh"]["figures"]["deliveredBytes"].as_u64() > Some(0));
    let chart = std::fs::read_to_string(&svg).unwrap();
    assert!(chart.starts_with("<svg") && chart.ends_with("</svg>\n") && !chart.contains("NaN"));
    assert_eq!(tree(dir.path()).len(), 2, "nothing else is left behind");
}

#[test]
fn the_command_in_the_json_tells_the_same_story_again() {
    let dir = TempDir::new("bench-again");
    let told = |name: &str, args: &[&str]| -> serde_json::Value {
        let file = dir.file(name);
        assert!(run(&[args, &["--json", &file]].concat()).status.success());
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap()
    };
    let first = told("a.json", &[&SMALL[..], &["--seed", "5", "--threads", "1"]].concat());
    let command = first["command"].as_str().unwrap().to_owned();
    let again = told("b.json", &command.split(' ').skip(1).collect::<Vec<_>>());
    for member in ["figures", "samples", "segments", "trace", "events"] {
        assert_eq!(first["mesh"][member], again["mesh"][member], "{member}");
    }
}

#[test]
fn what_cannot_be_run_is_refused_by_name() {
    refused(&["bench", "sim"], &["--scenario"]);
    refused(&["bench", "sim", "--scenario", "flash"], &["--scenario", "flash", "flash-crowd", "--list"]);
    refused(&["bench", "sim", "--scenario", "Zz"], &["--scenario", "Zz", "--list"]);
    for (flag, given, expected) in [
        ("--viewers", "0", "1 to 100000"),
        ("--viewers", "-3", "1 to 100000"),
        ("--viewers", "1e4", "1 to 100000"),
        ("--viewers", "100001", "1 to 100000"),
        ("--seconds", "29", "30 to 86400"),
        ("--seconds", "18446744073709551616", "30 to 86400"),
        ("--threads", "3", "1 to 2"),
        ("--seed", "-1", "0 to 9007199254740992"),
        ("--seed", "", "0 to 9007199254740992"),
    ] {
        refused(&["bench", "sim", "--scenario", "steady", flag, given], &[flag, given, expected]);
    }
}

#[test]
fn files_that_cannot_be_written_are_named_before_anything_runs() {
    let dir = TempDir::new("bench-files");
    std::fs::write(dir.file("old.json"), "old").unwrap();
    let before = tree(dir.path());
    let (folder, missing, good) = (dir.file("."), dir.file("none/a.svg"), dir.file("good.json"));
    // So many viewers would take minutes: the refusal comes first.
    let big = ["bench", "sim", "--scenario", "flash-crowd", "--viewers", "100000"];
    let bad = |more: &[&str], words: &[&str]| refused(&[&big, more].concat(), words);
    bad(&["--json", &good, "--svg", &missing], &["--svg", "none/a.svg", "there is no directory"]);
    bad(&["--json", &folder], &["--json", "is a directory"]);
    bad(&["--json", ""], &["--json", "a value is required"]);
    bad(&["--json", &good, "--svg", &good], &["--svg", "good.json", "another"]);
    assert_eq!(tree(dir.path()), before);
}
