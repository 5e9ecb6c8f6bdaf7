//! `cargo xtask vectors`: golden vectors, read by Rust and by TypeScript.
//!
//! Checking is what the tests of both sides do. Vectors that a crate can produce have a generator, an example
//! named `vectors` in that crate, which prints nothing and writes below `tests/vectors`.

use std::path::PathBuf;

use crate::Failure;
use crate::flags::Flags;
use crate::shell::{cargo, program, root, run as sh};

/// Checks that generating anew changes nothing, or writes the new vectors with `--write`.
pub(crate) fn run(flags: &Flags) -> Result<(), Failure> {
    for package in generators() {
        sh(&mut cargo(&["run", "--quiet", "--locked", "--package", &package, "--example", "vectors"]))?;
    }
    if flags.has("write") {
        return Ok(());
    }
    sh(&mut program("git", &["diff", "--exit-code", "--stat", "--", "tests/vectors"]))
        .map_err(|error| Failure::Failed(format!("the vectors differ from those committed: {error}")))
}

/// The packages that have a generator.
fn generators() -> Vec<String> {
    let crates = std::fs::read_dir(root().join("crates")).into_iter().flatten().flatten();
    let with: Vec<PathBuf> =
        crates.map(|entry| entry.path()).filter(|dir| dir.join("examples/vectors.rs").is_file()).collect();
    let name = |dir: &PathBuf| Some(format!("meshedflow-{}", dir.file_name()?.to_str()?));
    with.iter().filter_map(name).collect()
}
