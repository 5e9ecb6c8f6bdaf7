//! `cargo xtask build`: the wasm module, and the SDK around it, into `js/dist`.

use std::path::PathBuf;

use crate::flags::Flags;
use crate::shell::{cargo, program, root, run as sh, target_dir};
use crate::{Failure, machine, wasm};

/// Checks the machine, then builds all that a page loads.
pub(crate) fn run(_: &Flags) -> Result<(), Failure> {
    machine::check_build()?;
    machine::check_npm()?;
    page()?;
    Ok(())
}

/// All that a page loads: the module and the JavaScript around it.
pub(crate) fn page() -> Result<(), String> {
    wasm::build(&root())?;
    sdk()
}

/// The JavaScript alone; the module must be there.
pub(crate) fn sdk() -> Result<(), String> {
    sh(&mut program("node", &["js/build.mjs"]))
}

/// The `meshedflow` command alone, with nothing that only tests need.
pub(crate) fn command_line() -> Result<(), String> {
    sh(&mut cargo(&["build", "--locked", "--quiet", "--package", "meshedflow-cli", "--bin", "meshedflow"]))
}

/// Where [`command_line`] puts it.
pub(crate) fn meshedflow() -> PathBuf {
    target_dir().join("debug/meshedflow")
}
