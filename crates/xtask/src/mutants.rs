//! `cargo xtask mutants`: would a test notice? cargo-mutants alters one expression or body at a time in the files that
//! decide about safety, and the tests named here must fail for each.
//!
//! What survives is killed by a test that states the rule, or written down with its reason in `tests/mutants.txt`. The
//! command fails on a survivor that is not written down, and on an entry that no longer survives: the file may only
//! shrink, as [`ACCEPTED_AT_MOST`] says. A whole run takes hours, so it is no stage of `test`; after work on a file,
//! `--file` asks about that file alone.

mod accepted;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::flags::Flags;
use crate::shell::{self, cargo, root, run as sh, target_dir};
use crate::{Failure, machine};
use accepted::{Accepted, Survivor};

/// The release that `tests/mutants.txt` was made with: others alter other things.
const VERSION: &str = "27.1.0";
/// A mutant's tests may take so long before they count as hanging, which is noticed, too.
const TIMEOUT_S: &str = "120";
/// A survivor that is written down is a rule without a test: fewer, never more.
const ACCEPTED_AT_MOST: usize = 4;
/// What only the simulator's mutants have, and no shipped module.
const NOT_SHIPPED: &str = "wave_through|trust_blindly|KeyRing::any";
/// Where they are written down.
const ACCEPTED: &str = "tests/mutants.txt";

/// Files of one crate, and the tests of that crate that answer for them: those that are short.
struct Area {
    package: &'static str,
    /// Which of its tests, in Cargo's words; none for all.
    chosen: &'static [&'static str],
    files: &'static [&'static str],
}

const AREAS: &[Area] = &[
    Area {
        package: "meshedflow-core",
        chosen: &[
            "--lib",
            "--test=candidates",
            "--test=claims",
            "--test=limits",
            "--test=lists",
            "--test=neighbours",
            "--test=playlists",
            "--test=rules",
            "--test=store",
            "--test=trust",
            "--test=verdicts",
        ],
        files: &[
            "crates/core/src/keys.rs",
            "crates/core/src/manifests.rs",
            "crates/core/src/manifests/verdict.rs",
            "crates/core/src/verify.rs",
            "crates/core/src/grant.rs",
            "crates/core/src/store.rs",
            "crates/core/src/scheduler/*.rs",
            "crates/core/src/peer/choose.rs",
            "crates/core/src/peer/claims.rs",
            "crates/core/src/peer/electorate.rs",
            "crates/core/src/peer/hedge.rs",
            "crates/core/src/peer/trust.rs",
            "crates/core/src/peer/upload.rs",
        ],
    },
    Area {
        package: "meshedflow-manifest",
        chosen: &[],
        files: &[
            "crates/manifest/src/list.rs",
            "crates/manifest/src/jwk.rs",
            "crates/manifest/src/epochs.rs",
            "crates/manifest/src/verify.rs",
        ],
    },
    Area {
        package: "meshedflow-hub",
        chosen: &[],
        files: &["crates/hub/src/*.rs", "crates/hub/src/session/*.rs", "crates/hub/src/room/*.rs"],
    },
];

/// Runs the mutants of all areas, or of the file that `--file` names.
pub(crate) fn run(flags: &Flags) -> Result<(), Failure> {
    let only = flags.text("file");
    let areas = chosen(only)?;
    shell::told("compilers", machine::check_build)?;
    let tool = shell::told("cargo-mutants (minutes, the first time)", tool)?;
    let mut seen = Vec::new();
    for (area, files) in &areas {
        let survivors = shell::told(area.package, || run_area(&tool, area, files, flags))?;
        seen.extend(survivors);
    }
    judge(&written_down()?, &areas, &seen, !flags.has("shard"))
}

/// The survivors that are accepted, each in a file that is looked at.
fn written_down() -> Result<Accepted, String> {
    let accepted = Accepted::read(&root().join(ACCEPTED))?;
    let count = accepted.count();
    if count > ACCEPTED_AT_MOST {
        return Err(format!("{ACCEPTED} accepts {count} survivors, at most {ACCEPTED_AT_MOST} may be"));
    }
    if let Some(file) = accepted.files().find(|file| chosen(Some(file)).is_err()) {
        return Err(format!("{ACCEPTED} names {file}, which is not looked at"));
    }
    Ok(accepted)
}

/// Says what is wrong with the survivors; `whole` if every mutant of the files was tried.
fn judge(
    accepted: &Accepted,
    areas: &[(&Area, Vec<String>)],
    seen: &[Survivor],
    whole: bool,
) -> Result<(), Failure> {
    let fresh = accepted.unknown(seen);
    for survivor in &fresh {
        say!("FAIL survives: {survivor}");
    }
    let files: Vec<&str> = areas.iter().flat_map(|(_, files)| files).map(String::as_str).collect();
    let stale = if whole { accepted.stale(seen, &files) } else { Vec::new() };
    for entry in &stale {
        say!("FAIL no longer survives, strike it from {ACCEPTED}: {entry}");
    }
    say!("{} survive, {} of them not in {ACCEPTED}", seen.len(), fresh.len());
    let sound = fresh.is_empty() && stale.is_empty();
    if sound { Ok(()) } else { Err(Failure::Failed("not every mutant is noticed".into())) }
}

/// The areas with the files that are asked about.
fn chosen(only: Option<&str>) -> Result<Vec<(&'static Area, Vec<String>)>, Failure> {
    let all = |area: &'static Area| (area, area.files.iter().map(|file| (*file).to_owned()).collect());
    let Some(only) = only else { return Ok(AREAS.iter().map(all).collect()) };
    let known = |area: &&'static Area| area.files.iter().any(|pattern| matches(pattern, only));
    let area = AREAS.iter().find(known).filter(|_| root().join(only).is_file());
    let area = area.ok_or_else(|| {
        let files: Vec<&str> = AREAS.iter().flat_map(|area| area.files).copied().collect();
        Failure::Usage(format!("--file `{only}` is none of {}", files.join(", ")))
    })?;
    Ok(vec![(area, vec![only.to_owned()])])
}

/// Does a pattern with at most one `*`, for a name within a directory, mean this path?
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((head, tail)) => path
            .strip_prefix(head)
            .and_then(|rest| rest.strip_suffix(tail))
            .is_some_and(|name| !name.contains('/')),
    }
}

/// cargo-mutants in the wanted release, installed beside what Cargo builds if it is not there.
fn tool() -> Result<PathBuf, String> {
    let tools = target_dir().join("tools");
    let tool = tools.join("bin/cargo-mutants");
    let here = Command::new(&tool).args(["mutants", "--version"]).output();
    let right = here.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains(VERSION));
    if !right {
        let args = ["install", "cargo-mutants", "--version", VERSION, "--locked", "--quiet", "--root"];
        sh(cargo(&args).arg(&tools))?;
    }
    Ok(tool)
}

fn run_area(tool: &Path, area: &Area, files: &[String], flags: &Flags) -> Result<Vec<Survivor>, String> {
    let out = target_dir().join("mutants").join(area.package);
    let _ = std::fs::remove_dir_all(&out);
    std::fs::create_dir_all(&out).map_err(|error| format!("cannot make {}: {error}", out.display()))?;
    let mut command = shell::program(&tool.to_string_lossy(), &["mutants", "--no-shuffle", "--colors=never"]);
    command.args(["--package", area.package, "--timeout", TIMEOUT_S, "--output"]).arg(&out);
    command.args(["--exclude-re", NOT_SHIPPED]);
    command.args(["--test-package", area.package]);
    command.args(files.iter().flat_map(|file| ["--file", file]));
    let passed_on = ["shard", "jobs"].into_iter();
    command.args(passed_on.filter_map(|name| Some(format!("--{name}={}", flags.text(name)?))));
    command.arg("--").args(area.chosen).env("CARGO_PROFILE_DEV_DEBUG", "0");
    let status = command.status().map_err(|error| format!("cannot start cargo-mutants: {error}"))?;
    // 2: some were missed; 3: some hung, which is noticed by whoever waits.
    if !matches!(status.code(), Some(0 | 2 | 3)) {
        return Err(format!("cargo-mutants ended with {status}"));
    }
    let found = out.join("mutants.out");
    let lines = |name: &str| std::fs::read_to_string(found.join(name)).unwrap_or_default();
    for name in ["caught", "missed", "unviable", "timeout"] {
        say!("   {name} {}", lines(&format!("{name}.txt")).lines().count());
    }
    lines("missed.txt").lines().map(Survivor::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_belongs_to_its_area() {
        let of = |file: &str| chosen(Some(file)).map(|areas| areas.iter().map(|(a, _)| a.package).collect());
        assert_eq!(of("crates/core/src/scheduler/election.rs"), Ok(vec!["meshedflow-core"]));
        assert_eq!(of("crates/hub/src/room/mod.rs"), Ok(vec!["meshedflow-hub"]));
        for file in ["crates/core/src/mesh.rs", "crates/core/src/scheduler/none.rs", "../keys.rs"] {
            assert!(matches!(chosen(Some(file)), Err(Failure::Usage(_))), "{file} was accepted");
        }
    }

    #[test]
    fn every_area_has_its_files() {
        for pattern in AREAS.iter().flat_map(|area| area.files) {
            let dir = root().join(pattern).parent().map(Path::to_path_buf).unwrap_or_default();
            let paths = std::fs::read_dir(&dir).into_iter().flatten().flatten();
            let prefix = pattern.rsplit_once('/').map_or("", |(dir, _)| dir);
            let mut names = paths.map(|entry| format!("{prefix}/{}", entry.file_name().to_string_lossy()));
            assert!(names.any(|path| matches(pattern, &path)), "{pattern} names no file");
        }
    }

    #[test]
    fn what_is_accepted_has_a_reason_and_does_not_grow() {
        assert_eq!(written_down().map(drop), Ok(()));
    }
}
