//! `cargo xtask pack`: the npm package `@meshedflow/sdk`, filled from its template and the built SDK.

use crate::demo::{copy_dir, copy_file};
use crate::flags::Flags;
use crate::shell::{self, program, root};
use crate::{Failure, build, machine};

/// Builds the SDK, fills `target/pkg`, and packs it into a tarball beside it.
pub(crate) fn run(_: &Flags) -> Result<(), Failure> {
    machine::check_build()?;
    machine::check_npm()?;
    build::page()?;
    let package = shell::target_dir().join("pkg");
    if package.exists() {
        std::fs::remove_dir_all(&package)
            .map_err(|error| format!("cannot empty {}: {error}", package.display()))?;
    }
    copy_dir(&root().join("pkg-template"), &package)?;
    copy_file(&root().join("LICENSE"), &package.join("LICENSE"))?;
    copy_dir(&root().join("js/dist"), &package.join("dist"))?;
    let name = shell::capture(program("npm", &["pack", "--ignore-scripts"]).current_dir(&package))?;
    println!("{}", package.join(name.trim()).display());
    Ok(())
}
