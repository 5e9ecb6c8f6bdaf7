//! Versions that must agree, because nothing else makes them.

use super::arrows::section;
use crate::json::Json;

/// The documents that state versions.
pub(super) struct Documents<'a> {
    /// The workspace's `Cargo.toml`.
    pub(super) workspace: &'a str,
    /// Its `Cargo.lock`.
    pub(super) lock: &'a str,
    /// The manifest of `crates/bindgen`, which stands outside the workspace.
    pub(super) bindgen: &'a str,
    /// `pkg-template/package.json`.
    pub(super) package: &'a str,
    /// `CHANGELOG.md`.
    pub(super) changelog: &'a str,
}

/// Versions that do not agree.
pub(super) fn complaints(documents: &Documents<'_>) -> Vec<String> {
    let mut complaints = Vec::new();
    let version = value(&section(documents.workspace, "[workspace.package]"), "version");
    let package = Json::parse(documents.package).map(|json| json.text("version").to_owned());
    if version.is_none() || package.as_deref().ok() != version {
        complaints.push(format!("workspace version {version:?}, pkg-template/package.json {package:?}"));
    }
    if !version.is_some_and(|version| documents.changelog.contains(&format!("## {version}"))) {
        complaints.push(format!("CHANGELOG.md has no section for version {version:?}"));
    }
    let builder = bindgen_version(documents.bindgen);
    let library = locked(documents.lock, "wasm-bindgen");
    if builder.is_none() || builder != library {
        complaints
            .push(format!("crates/bindgen builds with wasm-bindgen {builder:?}, Cargo.lock has {library:?}"));
    }
    complaints
}

/// The string given to a key in the lines of a TOML table.
fn value<'a>(lines: &[&'a str], key: &str) -> Option<&'a str> {
    lines.iter().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then(|| value.trim().trim_matches('"'))
    })
}

/// The exact version of `wasm-bindgen-cli` that the bindgen crate asks for.
fn bindgen_version(manifest: &str) -> Option<&str> {
    let line = manifest.lines().find(|line| line.trim_start().starts_with("wasm-bindgen-cli"))?;
    line.split('"').find_map(|word| word.strip_prefix('='))
}

/// The version of a package in `Cargo.lock`.
fn locked<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let entry = format!("name = \"{name}\"\nversion = \"");
    lock.split_once(&entry)?.1.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(package: &str, bindgen: &str, changelog: &str) -> usize {
        complaints(&Documents {
            workspace: "[workspace.package]\nversion = \"0.1.0\"\nedition = \"2024\"\n",
            lock: "[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n",
            bindgen: &format!("[dependencies]\nwasm-bindgen-cli = {{ version = \"={bindgen}\" }}\n"),
            package: &format!("{{\"name\": \"@meshedflow/sdk\", \"version\": \"{package}\"}}"),
            changelog,
        })
        .len()
    }

    #[test]
    fn versions_in_step_pass_and_others_do_not() {
        let log = "# Changes\n\n## 0.1.0 (unreleased)\n";
        assert_eq!(check("0.1.0", "0.2.130", log), 0);
        assert_eq!(check("0.1.1", "0.2.130", log), 1);
        assert_eq!(check("0.1.0", "0.2.129", log), 1);
        assert_eq!(check("0.1.0", "0.2.130", "# Changes\n"), 1);
    }
}
