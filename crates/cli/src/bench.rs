//! `meshedflow bench sim`: a scenario in the simulator, beside the same world with plain players.

mod chart;
mod files;
mod json;
mod panel;
mod table;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use meshedflow_sim::{Figures, Outcome, Plan, SCENARIOS, SECONDS, Scenario, VIEWERS, harm, play};

use crate::failure::Failure;
use crate::say;
use files::Files;

/// Measure the mesh.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run a scenario in the deterministic simulator
    Sim(Flags),
}

/// Run a scenario in the deterministic simulator: the real core and the real hub, thousands of viewers, virtual time.
///
/// The same scenario, viewers, seconds and seed tell the same story, on one thread or two; the trace in the table is a
/// hash over all that happened. Beside the mesh runs the same world with plain HLS.js viewers. The command ends with 1
/// if the mesh did harm there: wrong bytes, more stalls, a later start.
#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Flags {
    /// Scenario to run; --list names them all
    #[arg(long, value_name = "NAME", required_unless_present = "list", value_parser = scenario)]
    scenario: Option<&'static Scenario>,
    /// How many viewers are there; each scenario has its own default
    #[arg(long, value_name = "N", value_parser = viewers)]
    viewers: Option<usize>,
    /// How many seconds of playing; each scenario has its own default
    #[arg(long, value_name = "N", value_parser = seconds)]
    seconds: Option<u64>,
    /// Number that decides everything left to chance
    #[arg(long, value_name = "N", default_value = "1", value_parser = seed)]
    seed: u64,
    /// How many processor cores to use: 1 or 2; the outcome is the same
    #[arg(long, value_name = "N", default_value = "2", value_parser = threads)]
    threads: usize,
    /// File to write all figures to, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// File to draw offload, origin copies, stalls and buffers over time into, as SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print the scenarios with their default viewers and seconds, and end
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(command: Command) -> Result<(), Failure> {
    let Command::Sim(flags) = command;
    let Some(scenario) = flags.scenario.filter(|_| !flags.list) else {
        list();
        return Ok(());
    };
    let files = Files::check(flags.json.as_deref(), flags.svg.as_deref())?;
    let viewers = flags.viewers.unwrap_or(scenario.viewers);
    let plan = scenario.plan(viewers, flags.seconds.unwrap_or(scenario.seconds), flags.seed);
    let race = Race::run(scenario, viewers, plan, flags.threads);
    say(table::table(&race));
    files.write(&race)?;
    race.verdict()
}

fn list() {
    for s in SCENARIOS {
        say(format_args!("{:<20}{:>7} viewers {:>5} s   {}", s.name, s.viewers, s.seconds, s.about));
    }
}

/// One world twice: with the mesh, and with plain players.
struct Race {
    scenario: &'static Scenario,
    viewers: usize,
    threads: usize,
    plan: Plan,
    mesh: Side,
    plain: Side,
    harm: Vec<String>,
    short: Vec<String>,
}

/// What came of one of them.
struct Side {
    outcome: Outcome,
    figures: Figures,
    took: Duration,
}

impl Race {
    fn run(scenario: &'static Scenario, viewers: usize, plan: Plan, threads: usize) -> Self {
        let mesh = Side::run(&plan, threads);
        let plain = Side::run(&Plan { meshed: false, ..plan.clone() }, threads);
        let harm = harm(&mesh.outcome, &mesh.figures, &plain.figures);
        let short = scenario.promise.short(&mesh.figures);
        Self { scenario, viewers, threads, plan, mesh, plain, harm, short }
    }

    fn command(&self) -> String {
        self.scenario.command(self.viewers, self.plan.seconds, self.plan.seed)
    }

    fn verdict(&self) -> Result<(), Failure> {
        if self.harm.is_empty() {
            return Ok(());
        }
        let lines: String = self.harm.iter().map(|line| format!("\n  {line}")).collect();
        Err(Failure::Run(format!("the mesh did harm:{lines}\nrepeat it: {}", self.command())))
    }
}

impl Side {
    fn run(plan: &Plan, threads: usize) -> Self {
        let begin = Instant::now();
        let outcome = play(plan, threads);
        Self { figures: Figures::of(plan, &outcome), outcome, took: begin.elapsed() }
    }
}

fn scenario(text: &str) -> Result<&'static Scenario, String> {
    if let Some(found) = Scenario::find(text) {
        return Ok(found);
    }
    let near: Vec<&str> =
        SCENARIOS.iter().map(|s| s.name).filter(|name| resembles(name, text)).take(3).collect();
    let meant =
        if near.is_empty() { String::new() } else { format!(" (did you mean {}?)", near.join(" or ")) };
    Err(format!("no such scenario{meant}; expected one that --list names"))
}

/// Shares a word of three letters or more with it.
fn resembles(name: &str, text: &str) -> bool {
    let words = |s: &str| -> Vec<String> {
        let lower = s.to_lowercase();
        lower.split(|c: char| !c.is_alphanumeric()).filter(|w| w.len() > 2).map(str::to_owned).collect()
    };
    let theirs = words(text);
    words(name).iter().any(|a| theirs.iter().any(|b| a.starts_with(b.as_str()) || b.starts_with(a.as_str())))
}

fn viewers(text: &str) -> Result<usize, String> {
    whole(text, *VIEWERS.start() as u64, *VIEWERS.end() as u64).map(|n| n as usize)
}

fn seconds(text: &str) -> Result<u64, String> {
    whole(text, *SECONDS.start(), *SECONDS.end())
}

fn seed(text: &str) -> Result<u64, String> {
    // As large as a JSON number stays exact.
    whole(text, 0, 1 << 53)
}

fn threads(text: &str) -> Result<usize, String> {
    whole(text, 1, 2).map(|n| n as usize)
}

fn whole(text: &str, from: u64, to: u64) -> Result<u64, String> {
    let number = text.parse().ok().filter(|n| (from..=to).contains(n));
    number.ok_or_else(|| format!("expected a whole number from {from} to {to}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_told_the_range() {
        assert_eq!((viewers("10000"), seconds("60"), threads("2")), (Ok(10_000), Ok(60), Ok(2)));
        for text in ["0", "-1", "1e3", "", "x", "100001", "99999999999999999999"] {
            assert_eq!(viewers(text), Err("expected a whole number from 1 to 100000".into()), "{text}");
        }
        assert!(threads("3").is_err() && seconds("29").is_err() && seed("9007199254740993").is_err());
    }

    #[test]
    fn a_scenario_that_is_nearly_named_is_offered() {
        for (text, meant) in [("flash", "flash-crowd"), ("Origin_503", "origin-503"), ("dvr", "pause-dvr")] {
            let error = scenario(text).err().unwrap_or_default();
            assert!(error.contains(meant), "{text}: {error}");
        }
        let error = scenario("zzz").err().unwrap_or_default();
        assert!(error.contains("--list") && !error.contains("mean"), "{error}");
    }
}
