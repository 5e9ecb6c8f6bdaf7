//! The promises that the mesh does not keep yet, read from `tests/missed-promises.txt`: a story must keep its promise
//! unless the file names it, and what the file names must still be missed.

use std::path::PathBuf;

use meshedflow_sim::Scenario;

/// Entries of the file: fewer, never more.
const MISSED_AT_MOST: usize = 3;

/// Stories that are no scenarios: those of `tests/spreading.rs`.
const STORIES: [&str; 3] = ["eight-on-thin-uplinks", "slow-origin", "uplinks-below-the-bit-rate"];

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// Offload as a share of what is possible: at least so much.
    Offload,
    /// Copies that leave the origin: at most so many.
    Copies,
}

#[derive(Debug)]
struct Missed {
    story: String,
    of: Of,
    promised: f64,
    held: f64,
}

fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/missed-promises.txt"))
}

fn parse(text: &str) -> Result<Vec<Missed>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            entry(line)
                .ok_or_else(|| format!("`{line}`: expected `story offload|copies PROMISED HELD: reason`"))
        })
        .collect()
}

fn entry(line: &str) -> Option<Missed> {
    let (words, reason) = line.split_once(": ")?;
    let mut words = words.split_whitespace();
    let story = words.next()?.to_owned();
    let of = match words.next()? {
        "offload" => Of::Offload,
        "copies" => Of::Copies,
        _ => return None,
    };
    let (promised, held) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let whole = words.next().is_none() && !reason.trim().is_empty() && !of.keeps(held, promised);
    whole.then_some(Missed { story, of, promised, held })
}

impl Of {
    fn keeps(self, seen: f64, bound: f64) -> bool {
        match self {
            Self::Offload => seen >= bound,
            Self::Copies => seen <= bound,
        }
    }
}

fn read() -> Vec<Missed> {
    let text = std::fs::read_to_string(path()).unwrap_or_else(|why| panic!("{}: {why}", path().display()));
    parse(&text).unwrap_or_else(|why| panic!("{}: {why}", path().display()))
}

/// What is wrong with what was seen of a story, in a line; nothing is how it must be.
pub(crate) fn judge(story: &str, of: Of, promised: f64, seen: f64) -> Option<String> {
    judge_by(&read(), story, of, promised, seen)
}

fn judge_by(missed: &[Missed], story: &str, of: Of, promised: f64, seen: f64) -> Option<String> {
    let what = format!("{story}: {of:?} {seen:.3}");
    let kept = of.keeps(seen, promised);
    match missed.iter().find(|m| (m.story.as_str(), m.of) == (story, of)) {
        None if kept => None,
        None => Some(format!("{what}, promised {promised:.3}")),
        Some(m) if m.promised != promised => {
            Some(format!("{what}: promised is {promised}, not {}", m.promised))
        }
        Some(_) if kept => {
            Some(format!("{what}: promised {promised:.3} and kept; strike it from {}", path().display()))
        }
        Some(m) if !of.keeps(seen, m.held) => Some(format!("{what}, held so far {:.3}", m.held)),
        Some(_) => None,
    }
}

#[test]
fn missed_promises_are_of_known_stories_and_only_shrink() {
    let missed = read();
    assert!(
        missed.len() <= MISSED_AT_MOST,
        "{} promises are missed, at most {MISSED_AT_MOST} may be",
        missed.len()
    );
    for (n, m) in missed.iter().enumerate() {
        let known = Scenario::find(&m.story).is_some() || STORIES.contains(&m.story.as_str());
        assert!(known, "{}: no such story", m.story);
        let twice = missed.iter().take(n).any(|other| (&other.story, other.of) == (&m.story, m.of));
        assert!(!twice, "{} is named twice", m.story);
    }
}

#[test]
fn what_is_missed_is_held_and_what_is_kept_is_struck() {
    let missed = parse("# why\nchurn offload 0.75 0.6: slow\nchurn copies 2 3.5: slow\n").unwrap_or_default();
    let judge = |of, promised, seen| judge_by(&missed, "churn", of, promised, seen).unwrap_or_default();
    assert_eq!(judge(Of::Offload, 0.75, 0.6), "");
    assert!(judge(Of::Offload, 0.75, 0.59).contains("held so far"));
    assert!(judge(Of::Offload, 0.75, 0.75).contains("strike it"));
    assert!(judge(Of::Offload, 0.8, 0.7).contains("promised is 0.8"));
    assert_eq!(judge(Of::Copies, 2.0, 3.5), "");
    assert!(
        judge(Of::Copies, 2.0, 3.6).contains("held so far")
            && judge(Of::Copies, 2.0, 2.0).contains("strike it")
    );
    assert!(
        judge_by(&missed, "steady", Of::Offload, 0.95, 0.94)
            .is_some_and(|why| why.contains("promised 0.950"))
    );
    for wrong in [
        "churn offload 0.75: x",
        "churn offload 0.75 0.8: x",
        "churn offload 0.75 0.6:",
        "churn share 1 0: x",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
