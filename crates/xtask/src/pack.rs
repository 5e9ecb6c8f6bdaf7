//! `cargo xtask pack`: the npm package `@meshedflow/sdk`, filled from its template and the built SDK.

use std::path::{Path, PathBuf};

use crate::demo::copy_dir;
use crate::flags::Flags;
use crate::json::Json;
use crate::shell::{self, program, root};
use crate::{Failure, build, machine};

/// Builds the SDK, fills `target/pkg`, and packs it into a tarball inside.
pub(crate) fn run(_: &Flags) -> Result<(), Failure> {
    machine::check_build()?;
    machine::check_npm()?;
    build::page()?;
    let package = fill()?;
    let name = shell::capture(program("npm", &["pack", "--ignore-scripts"]).current_dir(&package))?;
    say!("{}", package.join(name.trim()).display());
    Ok(())
}

/// Fills the package from its template and the built SDK, and proves that Node can load it in both ways.
pub(crate) fn fill() -> Result<PathBuf, String> {
    let package = shell::target_dir().join("pkg");
    if package.exists() {
        std::fs::remove_dir_all(&package)
            .map_err(|error| format!("cannot empty {}: {error}", package.display()))?;
    }
    copy_dir(&root().join("pkg-template"), &package)?;
    copy_dir(&root().join("js/dist"), &package.join("dist"))?;
    let path = package.join("package.json");
    let text =
        std::fs::read_to_string(&path).map_err(|error| format!("cannot read package.json: {error}"))?;
    missing_files(&package, &Json::parse(&text)?)?;
    for script in ["import '@meshedflow/sdk'; import '@meshedflow/sdk/inline';", "require('@meshedflow/sdk')"]
    {
        let kind = if script.starts_with("import") { "--input-type=module" } else { "--input-type=commonjs" };
        shell::run(program("node", &[kind, "-e", script]).current_dir(&package))?;
    }
    Ok(package)
}

/// Every file that the package's `package.json` promises must be in it.
fn missing_files(package: &Path, json: &Json) -> Result<(), String> {
    let absent: Vec<&str> = paths(json).into_iter().filter(|path| !package.join(path).is_file()).collect();
    if absent.is_empty() {
        Ok(())
    } else {
        Err(format!("package.json promises {absent:?}, which are not there"))
    }
}

/// All strings that begin with `./`, however deep.
fn paths(json: &Json) -> Vec<&str> {
    match json {
        Json::Text(text) if text.starts_with("./") => vec![text],
        Json::List(items) => items.iter().flat_map(paths).collect(),
        Json::Object(members) => members.iter().flat_map(|(_, value)| paths(value)).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promised_file_that_is_absent_is_named() {
        let json = |path| Json::parse(&format!(r#"{{"exports": {{".": {{"import": "{path}"}}}}}}"#)).unwrap();
        let here = root();
        assert_eq!(missing_files(&here, &json("./Cargo.toml")), Ok(()));
        let error = missing_files(&here, &json("./dist/nothing.js")).unwrap_err();
        assert!(error.contains("./dist/nothing.js"), "{error}");
    }
}
