//! `cargo xtask test`: every check, stage by stage, with seconds, counts and one closing line.
//!
//! A stage that fails does not stop the others, except those that cannot work without it: they are reported as
//! not run, and count as failed. A check that is no test runner (formatting, lints, a build) counts as one.
//!
//! # Budgets
//!
//! Each stage has a budget: what it may take from scratch on two cores that do nothing else. Over it, a warning
//! stands beside the stage. A budget is not a hard limit, since shared machines run at a third of their speed now
//! and then, and a check that goes red by chance teaches everybody to ignore it. Under `CI` or `--strict` a stage
//! is stopped, and fails, at [`HARD_LIMIT`] times its budget: that far out it is hung, or something has become
//! slower by its nature. Locally nothing is stopped; that is what Ctrl-C is for.

mod binaries;
mod counts;
mod stages;

use std::time::{Duration, Instant};

use crate::flags::Flags;
use crate::{Failure, shell};
use counts::{Counts, Expect};
use stages::{STAGES, Stage, Step, Work};

/// A stage is stopped at this multiple of its budget: twice the slowdown seen on a box shared by eight builds of
/// this repository would still pass, a hang does not.
const HARD_LIMIT: u64 = 4;

/// How a stage went.
struct Outcome {
    name: &'static str,
    seconds: u64,
    budget_s: u64,
    counts: Counts,
    complaints: Vec<String>,
}

/// Runs all stages, or the one that `--stage` names; with `--long` each with all that it has.
pub(crate) fn run(flags: &Flags) -> Result<(), Failure> {
    let only = flags.text("stage");
    if let Some(name) = only
        && !STAGES.iter().any(|stage| stage.name == name)
    {
        let names: Vec<&str> = STAGES.iter().map(|stage| stage.name).collect();
        return Err(Failure::Usage(format!("no stage `{name}`; there are {}", names.join(", "))));
    }
    let strict = flags.has("strict") || is_set(std::env::var("CI").ok().as_deref());
    let mut outcomes: Vec<Outcome> = Vec::new();
    for stage in STAGES.iter().filter(|stage| only.is_none_or(|name| name == stage.name)) {
        let broken = stage.needs.iter().find(|need| outcomes.iter().any(|o| o.name == **need && o.failed()));
        outcomes.push(match broken {
            Some(need) => Outcome::not_run(stage, need),
            None => run_stage(stage, How { strict, long: flags.has("long") }),
        });
    }
    close(&outcomes)
}

/// What was asked for.
#[derive(Clone, Copy)]
struct How {
    /// A stage is stopped at its hard limit.
    strict: bool,
    /// Also what takes long and seldom finds anything.
    long: bool,
}

/// Is an environment switch such as `CI` on?
fn is_set(value: Option<&str>) -> bool {
    !matches!(value, None | Some("" | "0" | "false"))
}

impl Outcome {
    fn new(stage: &Stage) -> Self {
        let Stage { name, budget_s, .. } = *stage;
        Self { name, seconds: 0, budget_s, counts: Counts::default(), complaints: Vec::new() }
    }

    fn not_run(stage: &Stage, need: &str) -> Self {
        let mut outcome = Self::new(stage);
        outcome.add(Counts::FAILED, Some(format!("not run, because `{need}` failed")));
        outcome
    }

    fn failed(&self) -> bool {
        self.counts.failed > 0
    }

    fn add(&mut self, counts: Counts, complaint: Option<String>) {
        self.counts += counts;
        self.complaints.extend(complaint);
    }
}

fn run_stage(stage: &Stage, How { strict, long }: How) -> Outcome {
    say!("\n== {} (budget {} s)", stage.name, stage.budget_s);
    let started = Instant::now();
    let hard = Duration::from_secs(stage.budget_s * HARD_LIMIT);
    let mut outcome = Outcome::new(stage);
    match (stage.steps)(long) {
        Err(error) => outcome.add(Counts::FAILED, Some(error)),
        Ok(steps) => {
            for step in steps {
                let left = strict.then(|| hard.saturating_sub(started.elapsed()));
                run_step(step, left, &mut outcome);
            }
        }
    }
    outcome.seconds = started.elapsed().as_secs();
    if strict && started.elapsed() > hard {
        let complaint =
            format!("took {} s, more than the hard limit of {} s", outcome.seconds, hard.as_secs());
        outcome.add(Counts::FAILED, Some(complaint));
    }
    outcome
}

fn run_step(step: Step, left: Option<Duration>, outcome: &mut Outcome) {
    let Step { name, work } = step;
    let mut counts = Counts::FAILED;
    let told = shell::told(&name, || {
        let verdict;
        (counts, verdict) = do_work(work, left);
        verdict
    });
    if let Err(complaint) = &told {
        say!("   FAILED: {complaint}");
    }
    outcome.add(counts, told.err().map(|complaint| format!("{name}: {complaint}")));
}

fn do_work(work: Work, left: Option<Duration>) -> (Counts, Result<(), String>) {
    let (mut command, expect) = match work {
        Work::Check(check) => {
            let verdict = check();
            return (if verdict.is_ok() { Counts::PASSED } else { Counts::FAILED }, verdict);
        }
        Work::Program(command) => (command, Expect::Nothing),
        Work::Tests(command) => (command, Expect::Tests),
        Work::TestBinary(command) => (command, Expect::Summary),
    };
    let end = shell::watch(&mut command, left);
    counts::judge(end.ok, &end.reason, &end.output, expect)
}

fn close(outcomes: &[Outcome]) -> Result<(), Failure> {
    say!("\n{}", table(outcomes));
    let mut total = Counts::default();
    for outcome in outcomes {
        total += outcome.counts;
        for complaint in &outcome.complaints {
            say!("FAILED {}: {complaint}", outcome.name);
        }
    }
    say!("{} of them only alone", total.only_alone);
    say!("{} passed, {} failed", total.passed, total.failed);
    if total.failed == 0 { Ok(()) } else { Err(Failure::Failed("not everything passed".into())) }
}

fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::from("stage          seconds  budget  passed  failed\n");
    for o in outcomes {
        let Counts { passed, failed, only_alone } = o.counts;
        text += &format!("{:<14} {:>7} {:>7} {passed:>7} {failed:>7}", o.name, o.seconds, o.budget_s);
        if only_alone > 0 {
            text += &format!("  {only_alone} only alone");
        }
        text += if o.seconds > o.budget_s { "  OVER BUDGET\n" } else { "\n" };
    }
    let seconds: u64 = outcomes.iter().map(|o| o.seconds).sum();
    text + &format!("{:<14} {seconds:>7}\n", "all")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(seconds: u64, passed: u32, failed: u32) -> Outcome {
        let counts = Counts { passed, failed, only_alone: 0 };
        Outcome { name: "tests", seconds, budget_s: 120, counts, complaints: Vec::new() }
    }

    #[test]
    fn one_failure_decides() {
        assert!(close(&[outcome(1, 5, 0), outcome(1, 2, 0)]).is_ok());
        assert!(close(&[outcome(1, 5, 0), outcome(1, 2, 1)]).is_err());
    }

    #[test]
    fn over_budget_is_said_aloud() {
        assert!(!table(&[outcome(120, 1, 0)]).contains("OVER"));
        assert!(table(&[outcome(121, 1, 0)]).contains("OVER"));
    }

    #[test]
    fn what_passed_only_alone_is_told_beside_its_stage() {
        let mut once = outcome(1, 5, 0);
        assert!(!table(&[once]).contains("only alone"));
        once = outcome(1, 5, 0);
        once.counts.only_alone = 1;
        assert!(table(&[once]).contains("1 only alone"));
    }

    #[test]
    fn ci_counts_as_set_unless_it_says_no() {
        assert!(is_set(Some("true")) && is_set(Some("1")));
        assert!(!is_set(None) && !is_set(Some("")) && !is_set(Some("false")) && !is_set(Some("0")));
    }

    #[test]
    fn a_failing_step_fails_its_stage_and_a_hung_one_is_stopped() {
        fn steps(_: bool) -> Result<Vec<Step>, String> {
            Ok(vec![
                Step::new("good", Work::Program(shell::program("true", &[]))),
                Step::new("bad", Work::Program(shell::program("false", &[]))),
                Step::new("hung", Work::Program(shell::program("sleep", &["60"]))),
            ])
        }
        let stage = Stage { name: "trial", budget_s: 0, needs: &[], steps };
        let strict = How { strict: true, long: false };
        let outcome = run_stage(&stage, strict);
        let complaints = outcome.complaints.join("\n");
        for word in ["bad: ", "hung: `sleep 60` was stopped", "hard limit"] {
            assert!(complaints.contains(word), "{word:?} is missing in {complaints}");
        }
        assert!(
            run_stage(&Stage { budget_s: 60, steps: |_| Ok(Vec::new()), ..stage }, strict)
                .complaints
                .is_empty()
        );
    }
}
