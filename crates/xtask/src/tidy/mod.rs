//! `cargo xtask tidy`: the house rules that no compiler knows.
//!
//! Every rule is a pure function from text to complaints, in the file of its subject, with a test that shows it
//! can fail; here they meet the repository. A complaint names the file, what is wrong, and what is wanted.

mod arrows;
mod code;
mod length;
mod places;
mod skipped;
mod tree;
mod versions;
mod wasm_imports;

use crate::flags::Flags;
use crate::json::Json;
use crate::shell::{capture, cargo, root};
use crate::{Failure, shell};

/// One rule.
pub(crate) struct Rule {
    /// The rule as a sentence.
    pub(crate) name: &'static str,
    /// Holds it? The error lists what is wrong, a line each.
    pub(crate) check: fn() -> Result<(), String>,
}

/// All rules.
pub(crate) const RULES: &[Rule] = &[
    Rule { name: "crates use only crates above them", check: check_arrows },
    Rule {
        name: "the shipped module has no signer, no claims and no switch for tests",
        check: check_wasm_features,
    },
    Rule { name: "every crate keeps the workspace lints", check: check_lints },
    Rule { name: "files and functions stay short", check: check_length },
    Rule { name: "versions are in step", check: check_versions },
    Rule { name: "the top level holds only what belongs there", check: check_top_level },
    Rule { name: "nothing names a machine or a registry", check: check_places },
    Rule { name: "no test is skipped", check: check_skipped },
    Rule { name: "the built module imports nothing from env", check: check_wasm_imports },
];

/// Checks all rules and reports every complaint.
pub(crate) fn run(_: &Flags) -> Result<(), Failure> {
    let mut broken = 0;
    for rule in RULES {
        match (rule.check)() {
            Ok(()) => say!("ok      {}", rule.name),
            Err(complaints) => {
                broken += 1;
                say!("BROKEN  {}\n{complaints}", rule.name);
            }
        }
    }
    say!("{} passed, {broken} failed", RULES.len() - broken);
    if broken == 0 { Ok(()) } else { Err(Failure::Failed("the house is not tidy".into())) }
}

/// No complaint is good; else they are the error, a line each.
fn verdict(complaints: Vec<String>) -> Result<(), String> {
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
}

fn metadata() -> Result<Json, String> {
    Json::parse(&capture(&mut cargo(&["metadata", "--no-deps", "--format-version", "1", "--locked"]))?)
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(root().join(path)).map_err(|error| format!("cannot read {path}: {error}"))
}

fn check_arrows() -> Result<(), String> {
    verdict(arrows::complaints(&arrows::crates(&metadata()?)))
}

fn check_wasm_features() -> Result<(), String> {
    let args = ["tree", "--package", "meshedflow-wasm", "--target", "wasm32-unknown-unknown", "--locked"];
    let mut command = cargo(&args);
    command.args(["--edges", "normal,build", "--prefix", "none", "--format", "{p}|{f}"]);
    verdict(arrows::wasm_features(&capture(&mut command)?))
}

fn check_lints() -> Result<(), String> {
    let mut complaints = arrows::workspace_lints(&read("Cargo.toml")?);
    for dir in tree::subdirectories(&root().join("crates"))? {
        let path = format!("crates/{dir}/Cargo.toml");
        complaints.extend(arrows::crate_lints(&path, &read(&path)?));
    }
    verdict(complaints)
}

fn check_length() -> Result<(), String> {
    let files = tree::text_files(&root())?;
    verdict(files.iter().flat_map(|file| length::complaints(&file.path, &file.text)).collect())
}

fn check_versions() -> Result<(), String> {
    verdict(versions::complaints(&versions::Documents {
        workspace: &read("Cargo.toml")?,
        lock: &read("Cargo.lock")?,
        bindgen: &read("crates/bindgen/Cargo.toml")?,
        package: &read("pkg-template/package.json")?,
        changelog: &read("CHANGELOG.md")?,
    }))
}

fn check_top_level() -> Result<(), String> {
    verdict(tree::top_level(&tree::names(&root())?))
}

fn check_places() -> Result<(), String> {
    let files = tree::text_files(&root())?;
    verdict(files.iter().flat_map(|file| places::complaints(&file.path, &file.text)).collect())
}

fn check_skipped() -> Result<(), String> {
    let files = tree::text_files(&root())?;
    verdict(files.iter().flat_map(|file| skipped::complaints(&file.path, &file.text)).collect())
}

/// Before the first build there is no module to look at; the build has the same gate.
fn check_wasm_imports() -> Result<(), String> {
    let dist = shell::root().join("js/dist");
    let mut complaints = Vec::new();
    for entry in std::fs::read_dir(dist).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|ext| ext == "wasm") {
            let bytes =
                std::fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            complaints.extend(wasm_imports::complaints(&bytes));
        }
    }
    verdict(complaints)
}
