//! How many tests passed and failed, read from what test runners print.

use std::ops::AddAssign;

/// Tests, or checks that count as one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Those that passed.
    pub(crate) passed: u32,
    /// Those that failed, could not start, or did not end.
    pub(crate) failed: u32,
    /// Those of the passed that had failed beside others, and passed by themselves.
    pub(crate) only_alone: u32,
}

impl Counts {
    /// One check, passed.
    pub(crate) const PASSED: Self = Self { passed: 1, failed: 0, only_alone: 0 };
    /// One check, failed.
    pub(crate) const FAILED: Self = Self { passed: 0, failed: 1, only_alone: 0 };
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.only_alone += other.only_alone;
    }
}

/// What a program's output must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Anything: the exit code alone decides, and the program counts as one check.
    Nothing,
    /// A runner's summary, of no test perhaps: a binary without tests is one of Cargo's.
    Summary,
    /// A runner's summary with at least one test: a suite that runs nothing proves nothing.
    Tests,
}

/// Turns a program's end into counts, and into a complaint if something is wrong. The exit code is believed when
/// it says failure; when it says success, the printed counts must agree.
pub(crate) fn judge(ok: bool, reason: &str, output: &str, expect: Expect) -> (Counts, Result<(), String>) {
    let found = if expect == Expect::Nothing { None } else { read(output) };
    let wrong = |counts, complaint: &str| (counts, Err(complaint.to_owned()));
    match (ok, found) {
        (true, None) if expect == Expect::Nothing => (Counts::PASSED, Ok(())),
        (true, None) => wrong(Counts::FAILED, "printed no summary of tests"),
        (true, Some(Counts { passed: 0, failed: 0, .. })) if expect == Expect::Tests => {
            wrong(Counts::FAILED, "ran no test")
        }
        (true, Some(counts)) if counts.failed == 0 => (counts, Ok(())),
        (true, Some(counts)) => wrong(counts, "ended well, yet reports failed tests"),
        (false, found) => {
            let counts = found.unwrap_or_default();
            wrong(Counts { failed: counts.failed.max(1), ..counts }, reason)
        }
    }
}

/// Adds up every summary in the output: Rust's (`test result: ...`), Node's (`# pass 3`, or with an information
/// sign), and our own runners' (`3 passed, 0 failed`, before it `1 of them only alone`).
fn read(output: &str) -> Option<Counts> {
    let mut total = None::<Counts>;
    for line in output.lines() {
        if let Some(counts) = read_line(&plain(line)) {
            *total.get_or_insert_default() += counts;
        }
    }
    total
}

fn read_line(line: &str) -> Option<Counts> {
    if let Some(rest) = line.strip_prefix("test result: ") {
        return Some(outcome(before(rest, " passed")?, before(rest, " failed")?));
    }
    if let Some(rest) = line.strip_prefix("# ").or_else(|| line.strip_prefix("\u{2139} ")) {
        let (word, number) = rest.split_once(' ')?;
        let number = number.trim().parse().ok()?;
        return match word {
            "pass" => Some(outcome(number, 0)),
            "fail" | "cancelled" => Some(outcome(0, number)),
            _ => None,
        };
    }
    if let Some((alone, _)) = line.split_once(" of them only alone") {
        return Some(Counts { only_alone: alone.parse().ok()?, ..Counts::default() });
    }
    let (passed, failed) = line.trim().split_once(" passed, ")?;
    Some(outcome(passed.parse().ok()?, failed.strip_suffix(" failed")?.parse().ok()?))
}

fn outcome(passed: u32, failed: u32) -> Counts {
    Counts { passed, failed, only_alone: 0 }
}

/// The number that stands before `word`.
fn before(text: &str, word: &str) -> Option<u32> {
    text.split_once(word)?.0.rsplit(' ').next()?.parse().ok()
}

/// The line without terminal colours.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            let _ = rest.by_ref().find(char::is_ascii_alphabetic);
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUST: &str =
        "running 3 tests\n...\ntest result: ok. 3 passed; 0 failed; 1 ignored; finished in 0.1s\n";

    fn counts(passed: u32, failed: u32) -> Option<Counts> {
        Some(outcome(passed, failed))
    }

    #[test]
    fn every_runner_is_understood() {
        assert_eq!(read(RUST), counts(3, 0));
        assert_eq!(read(&RUST.repeat(2)), counts(6, 0));
        assert_eq!(read("# tests 9\n# pass 7\n# fail 1\n# cancelled 1\n# skipped 0\n"), counts(7, 2));
        assert_eq!(read("\u{2139} pass 4\n\u{2139} fail 0\n"), counts(4, 0));
        assert_eq!(read("\u{1b}[34m\u{2139} pass 4\u{1b}[39m\n"), counts(4, 0));
        assert_eq!(read("chatter\n12 passed, 1 failed\n"), counts(12, 1));
        let alone = Some(Counts { passed: 24, failed: 0, only_alone: 1 });
        assert_eq!(read("1 of them only alone: no-edge\n24 passed, 0 failed\n"), alone);
        assert_eq!(read("the test passed, nothing failed\n# a heading\n"), None);
    }

    #[test]
    fn the_exit_code_and_the_counts_must_agree() {
        assert_eq!(judge(true, "", RUST, Expect::Tests).0, outcome(3, 0));
        assert!(judge(true, "", "1 passed, 1 failed", Expect::Tests).1.is_err());
        assert_eq!(judge(false, "crashed", RUST, Expect::Tests), (outcome(3, 1), Err("crashed".into())));
    }

    #[test]
    fn a_suite_that_ran_nothing_fails() {
        for output in ["", "0 passed, 0 failed"] {
            assert_eq!(judge(true, "", output, Expect::Tests).0, Counts::FAILED, "{output:?}");
        }
        assert_eq!(judge(true, "", "0 passed, 0 failed", Expect::Summary).1, Ok(()));
        assert_eq!(judge(true, "", "", Expect::Summary).0, Counts::FAILED);
        assert_eq!(judge(true, "", "", Expect::Nothing).0, Counts::PASSED);
    }
}
