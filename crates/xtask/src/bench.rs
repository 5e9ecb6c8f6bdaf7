//! `cargo xtask bench browser`: what a page's viewers get, beside what they would get otherwise.
//!
//! The bench itself is `tests/bench/bench.mjs`; here the machine is looked at, everything is built as for the demo, and the
//! words are handed on. What they may be is known in one place, `tests/bench/options.mjs`, which is
//! asked before anything is built.

use std::process::Command;

use crate::shell::{self, program, root};
use crate::{Failure, build, demo, machine};

pub(crate) const NAME: &str = "bench";
/// What it can measure.
const KINDS: &[&str] = &["browser"];

/// Runs `bench <kind> [options]`.
pub(crate) fn run(words: &[String]) -> Result<(), Failure> {
    let expected = || Failure::Usage(format!("`{NAME}` expects what to measure: {}", KINDS.join(" or ")));
    let (kind, options) = words.split_first().ok_or_else(expected)?;
    if !KINDS.contains(&kind.as_str()) {
        return Err(expected());
    }
    shell::told("npm packages", machine::check_npm)?;
    if !measures(options)? {
        return finish(&mut script(options));
    }
    shell::told("what this machine has", || {
        machine::check_build()?;
        machine::check_packages(machine::BROWSER_LAB)
    })?;
    shell::told("the SDK with its wasm module (minutes, the first time)", build::page)?;
    let site = shell::told("the site", demo::site)?;
    shell::told("the meshedflow command (a minute, the first time)", build::command_line)?;
    finish(script(options).env("MESHEDFLOW_BIN", build::meshedflow()).env("MESHEDFLOW_SITE", site))
}

/// Is there something to measure? An error where the options are wrong: the script has said why.
fn measures(options: &[String]) -> Result<bool, Failure> {
    if options.iter().any(|word| ["--list", "--report", "--help"].contains(&word.as_str())) {
        return Ok(false);
    }
    let mut asked = options.to_vec();
    asked.push("--list".into());
    match script(&asked).output() {
        Ok(output) if output.status.success() => Ok(true),
        Ok(output) => Err(Failure::Failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
        Err(error) => Err(Failure::Failed(format!("cannot start node: {error}"))),
    }
}

fn script(options: &[String]) -> Command {
    let mut command = program("node", &["tests/bench/bench.mjs"]);
    command.args(options).current_dir(root()).env("CARGO_TARGET_DIR", shell::target_dir());
    command
}

fn finish(command: &mut Command) -> Result<(), Failure> {
    Ok(shell::run(command)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_measured_is_a_usage_error() {
        for words in [vec![], vec!["brwoser".to_owned()], vec!["--seconds".to_owned()]] {
            assert!(matches!(run(&words), Err(Failure::Usage(_))), "{words:?} was accepted");
        }
    }
}
