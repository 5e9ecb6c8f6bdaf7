//! The survivors that are written down, each below its reason.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// A mutant that no test noticed: its file, and what was altered. Lines move, so their numbers do not count; the same
/// alteration at several places of one function does, once for each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Survivor {
    file: String,
    what: String,
}

impl Survivor {
    /// From a line of cargo-mutants, `file:line:column: what`, or of ours, `file: what`.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let (place, what) = line.split_once(": ").ok_or_else(|| format!("`{line}` names no mutant"))?;
        let file = place.split(':').next().unwrap_or(place);
        Ok(Self { file: file.to_owned(), what: what.to_owned() })
    }
}

impl fmt::Display for Survivor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.what)
    }
}

/// What the list says: how often each may survive.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    may: BTreeMap<Survivor, usize>,
}

impl Accepted {
    /// Reads the list. A paragraph is a reason, in lines that begin with `#`, and the survivors that it is the reason of.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text =
            std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut accepted = Self::default();
        let mut reasoned = false;
        for line in text.lines().map(str::trim) {
            if line.is_empty() {
                reasoned = false;
            } else if line.starts_with('#') {
                reasoned = true;
            } else if reasoned {
                *accepted.may.entry(Survivor::parse(line)?).or_default() += 1;
            } else {
                return Err(format!("`{line}` is accepted without a reason above it"));
            }
        }
        Ok(accepted)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.may.values().sum()
    }

    /// The files that they are in.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.may.keys().map(|survivor| survivor.file.as_str())
    }

    /// Those of `seen` that are not written down, or not that often.
    pub(crate) fn unknown(&self, seen: &[Survivor]) -> Vec<Survivor> {
        beyond(&counted(seen), &self.may)
    }

    /// Those written down for `files` that were not seen, or not that often.
    pub(crate) fn stale(&self, seen: &[Survivor], files: &[&str]) -> Vec<Survivor> {
        let looked = |survivor: &Survivor| files.iter().any(|file| super::matches(file, &survivor.file));
        beyond(&self.may, &counted(seen)).into_iter().filter(looked).collect()
    }
}

fn counted(seen: &[Survivor]) -> BTreeMap<Survivor, usize> {
    let mut counts = BTreeMap::new();
    for survivor in seen {
        *counts.entry(survivor.clone()).or_default() += 1;
    }
    counts
}

/// What the first has more of than the second.
fn beyond(first: &BTreeMap<Survivor, usize>, second: &BTreeMap<Survivor, usize>) -> Vec<Survivor> {
    let more = |(survivor, count): (&Survivor, &usize)| {
        let times = count.saturating_sub(second.get(survivor).copied().unwrap_or_default());
        std::iter::repeat_n(survivor.clone(), times)
    };
    first.iter().flat_map(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# What this file is.\n\n# Both give the same.\na.rs: replace < with <= in f\na.rs: replace < with <= in f\n\n# Only slower.\nb.rs: replace g with ()\n";

    fn seen(lines: &[&str]) -> Vec<Survivor> {
        lines.iter().map(|line| Survivor::parse(line).unwrap()).collect()
    }

    #[test]
    fn lines_may_move_but_nothing_else_survives() {
        let accepted = Accepted::parse(LIST).unwrap();
        assert_eq!(accepted.count(), 3);
        let known = seen(&["a.rs:1:2: replace < with <= in f", "b.rs:9:9: replace g with ()"]);
        assert_eq!(accepted.unknown(&known), []);
        let three = seen(&["a.rs:1:2: replace < with <= in f"; 3]);
        assert_eq!(accepted.unknown(&three), seen(&["a.rs:7:7: replace < with <= in f"]));
        assert_eq!(accepted.unknown(&seen(&["a.rs:1:2: replace h with 1"])).len(), 1);
    }

    #[test]
    fn what_no_longer_survives_must_be_struck() {
        let accepted = Accepted::parse(LIST).unwrap();
        let once = seen(&["a.rs:1:2: replace < with <= in f"]);
        assert_eq!(accepted.stale(&once, &["a.rs"]), once, "one of two places");
        assert_eq!(accepted.stale(&once, &["a.rs", "b.rs"]).len(), 2);
        assert_eq!(accepted.stale(&[], &["c.rs"]), [], "what was not looked at");
    }

    #[test]
    fn each_has_its_reason() {
        assert!(Accepted::parse("a.rs: replace h with 1\n").is_err());
        assert!(Accepted::parse("# why\n\na.rs: replace h with 1\n").is_err(), "a paragraph of its own");
        assert!(Accepted::parse("# why\nnothing of a mutant\n").is_err());
    }
}
