//! The stages of `cargo xtask test`, in order, with their budgets in seconds.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::binaries::{self, Binary};
use crate::demo::browser_script;
use crate::shell::{self, cargo, npm_bin, program, xtask};
use crate::{machine, tidy};

/// A group of steps with one budget.
pub(crate) struct Stage {
    /// What `--stage` calls it.
    pub(crate) name: &'static str,
    /// Seconds from scratch on two idle cores.
    pub(crate) budget_s: u64,
    /// Stages without which this one cannot work.
    pub(crate) needs: &'static [&'static str],
    /// What is done, decided when the stage begins; `true` asks also for what takes long.
    pub(crate) steps: fn(bool) -> Result<Vec<Step>, String>,
}

/// One thing that is done, and reported, by itself.
pub(crate) struct Step {
    /// What it is called in reports.
    pub(crate) name: String,
    /// What it takes.
    pub(crate) work: Work,
}

/// The kinds of work.
pub(crate) enum Work {
    /// A function of our own.
    Check(fn() -> Result<(), String>),
    /// A program whose exit code decides.
    Program(Command),
    /// A test runner that must run at least one test.
    Tests(Command),
    /// A Rust test binary.
    TestBinary(Command),
}

impl Step {
    /// A named piece of work.
    pub(crate) fn new(name: impl Into<String>, work: Work) -> Self {
        Self { name: name.into(), work }
    }
}

/// All stages.
pub(crate) const STAGES: &[Stage] = &[
    Stage { name: "tools", budget_s: 120, needs: &[], steps: tools },
    Stage { name: "native", budget_s: 300, needs: &["tools"], steps: native },
    Stage { name: "tests", budget_s: 120, needs: &["tools"], steps: tests },
    Stage { name: "wasm", budget_s: 120, needs: &["tools"], steps: wasm },
    Stage { name: "wasm-tests", budget_s: 90, needs: &["tools"], steps: wasm_tests },
    Stage { name: "typescript", budget_s: 60, needs: &["wasm"], steps: typescript },
    Stage { name: "sim", budget_s: 180, needs: &["tools"], steps: sim },
    Stage { name: "browsers", budget_s: 950, needs: &["wasm"], steps: browsers },
    Stage { name: "engines", budget_s: 120, needs: &["wasm"], steps: engines },
    Stage { name: "tidy", budget_s: 10, needs: &[], steps: tidy },
];

fn tools(_: bool) -> Result<Vec<Step>, String> {
    Ok(vec![
        Step::new("compilers and the wasm target", Work::Check(machine::check_build)),
        Step::new("clippy and rustfmt", Work::Check(machine::check_components)),
        Step::new("npm packages", Work::Check(machine::check_npm)),
        Step::new("wasm-bindgen", Work::Check(|| crate::wasm::tools(&shell::root()))),
        Step::new("browser and network tools", Work::Check(|| machine::check_packages(machine::BROWSER_LAB))),
        Step::new("other engines", Work::Check(|| machine::check_packages(machine::ENGINES))),
    ])
}

/// One profile and one set of features throughout, so that each dependency is compiled once.
fn native(_: bool) -> Result<Vec<Step>, String> {
    let apart = |manifest| ["fmt", "--manifest-path", manifest, "--", "--check", "-l"];
    let clippy = ["clippy", "--workspace", "--locked", "--all-targets", "--quiet", "--", "-D", "warnings"];
    let mut doc = cargo(&["doc", "--workspace", "--locked", "--no-deps", "--quiet"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    Ok(vec![
        Step::new("formatting", Work::Program(cargo(&["fmt", "--all", "--", "--check", "-l"]))),
        Step::new("formatting of bindgen", Work::Program(cargo(&apart("crates/bindgen/Cargo.toml")))),
        Step::new("formatting of the fuzz targets", Work::Program(cargo(&apart("tests/fuzz/Cargo.toml")))),
        Step::new("build of all programs and tests", Work::Check(build_all)),
        Step::new("clippy", Work::Program(cargo(&clippy))),
        Step::new("documentation", Work::Program(doc)),
    ])
}

fn build_all() -> Result<(), String> {
    binaries::build().map(drop)
}

fn tests(_: bool) -> Result<Vec<Step>, String> {
    let mut steps = test_binaries(|binary| !binary.of_sim)?;
    let doctests = ["test", "--workspace", "--locked", "--doc", "--quiet"];
    steps.push(Step::new("examples in the documentation", Work::TestBinary(cargo(&doctests))));
    Ok(steps)
}

fn sim(_: bool) -> Result<Vec<Step>, String> {
    let mut steps = test_binaries(|binary| binary.of_sim)?;
    let mutants =
        ["test", "--workspace", "--locked", "--features", "meshedflow-sim/mutants", "--test", "mutants"];
    steps.push(Step::new("each defence switched off is noticed", Work::Tests(cargo(&mutants))));
    Ok(steps)
}

fn test_binaries(wanted: fn(&Binary) -> bool) -> Result<Vec<Step>, String> {
    let all = binaries::build()?;
    let chosen = all.iter().filter(|binary| wanted(binary));
    Ok(chosen.map(|binary| Step::new(&*binary.name, Work::TestBinary(binary.command()))).collect())
}

fn wasm(_: bool) -> Result<Vec<Step>, String> {
    Ok(vec![Step::new("the wasm module and its gates", Work::Program(xtask(&["wasm"])?))])
}

fn wasm_tests(_: bool) -> Result<Vec<Step>, String> {
    Ok(vec![Step::new("wasm tests in Chromium", Work::Tests(xtask(&["wasm-test"])?))])
}

fn typescript(_: bool) -> Result<Vec<Step>, String> {
    Ok(vec![
        Step::new("types", Work::Program(npm_bin("tsc", &["--noEmit", "-p", "js"]))),
        Step::new("the SDK", Work::Check(crate::build::sdk)),
        Step::new("the npm package", Work::Check(|| crate::pack::fill().map(drop))),
        Step::new("unit tests", Work::Tests(node_tests("js")?)),
        Step::new("golden vectors", Work::Tests(node_tests("tests/vectors")?)),
        Step::new("the bench's own arithmetic", Work::Tests(node_tests("tests/bench")?)),
        Step::new("how browser tests are judged", Work::Tests(node_tests("tests/browser")?)),
        Step::new("size budget", Work::Program(xtask(&["size"])?)),
    ])
}

/// What browsers load; without it there is nothing to test in them.
fn page_and_server() -> Result<(), String> {
    shell::told("the SDK", crate::build::page)?;
    shell::told("the site", crate::demo::site)?;
    shell::told("the meshedflow command", build_all)
}

fn browsers(long: bool) -> Result<Vec<Step>, String> {
    page_and_server()?;
    shell::told("the SDK that tests break", || crate::wasm::build_breakable(&shell::root()))?;
    let script = |path| {
        let mut command = browser_script(path);
        command.args(long.then_some("--long"));
        Work::Tests(command)
    };
    Ok(vec![
        Step::new("HLS.js contract", script("tests/browser/contract/run.mjs")),
        Step::new("end to end", script("tests/browser/e2e.mjs")),
    ])
}

fn engines(_: bool) -> Result<Vec<Step>, String> {
    page_and_server()?;
    let run = browser_script("tests/browser/engines/run.mjs");
    Ok(vec![Step::new("Chromium 80 and 92, Firefox, WebKit", Work::Tests(run))])
}

fn tidy(_: bool) -> Result<Vec<Step>, String> {
    Ok(tidy::RULES.iter().map(|rule| Step::new(rule.name, Work::Check(rule.check))).collect())
}

/// Node's test runner over every `*.test.mjs` below a directory; the files are named one by one, since releases
/// of Node differ in what they make of a directory.
fn node_tests(dir: &str) -> Result<Command, String> {
    let mut files = Vec::new();
    collect_tests(&shell::root().join(dir), &mut files);
    if files.is_empty() {
        return Err(format!("no *.test.mjs file below {dir}"));
    }
    files.sort();
    let mut command = program("node", &["--test", "--test-reporter=spec"]);
    command.args(files);
    Ok(command)
}

fn collect_tests(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && name != "node_modules" && name != "dist" {
            collect_tests(&path, files);
        } else if name.to_string_lossy().ends_with(".test.mjs") {
            files.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_need_only_earlier_ones() {
        for (index, stage) in STAGES.iter().enumerate() {
            for need in stage.needs {
                let found = STAGES.iter().position(|other| other.name == *need);
                assert!(found.is_some_and(|at| at < index), "{} needs {need}", stage.name);
            }
        }
    }

    #[test]
    fn a_directory_without_tests_is_an_error() {
        assert!(node_tests("crates/xtask").is_err());
    }
}
