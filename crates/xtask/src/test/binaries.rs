//! The workspace's programs and test binaries: built once, listed from Cargo's messages, run one by one.
//!
//! Cargo compiles a dependency anew for every set of features it is asked for, and a build of one package asks for
//! another set than a test of the whole workspace. So there is one build, of everything; the stages run what they
//! need from it: the tests, the simulator's tests with their own budget, and the `meshedflow` command.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::json::Json;
use crate::shell;

/// The package whose tests are the simulator's.
const SIM: &str = "meshedflow-sim";

/// One test binary.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Binary {
    /// Package and target, as in `meshedflow-core lib`.
    pub(crate) name: String,
    /// Is it one of the simulator's?
    pub(crate) of_sim: bool,
    executable: PathBuf,
    package_dir: PathBuf,
}

impl Binary {
    /// The binary as a command, started where `cargo test` would start it.
    pub(crate) fn command(&self) -> Command {
        let mut command = shell::program(&self.executable.to_string_lossy(), &["--quiet"]);
        command.current_dir(&self.package_dir).env("CARGO_MANIFEST_DIR", &self.package_dir);
        command
    }
}

/// Builds all programs and test binaries of the workspace; lists the latter.
pub(crate) fn build() -> Result<Vec<Binary>, String> {
    let args = ["build", "--workspace", "--locked", "--bins", "--tests"];
    let mut command = shell::cargo(&args);
    list(&shell::capture(command.arg("--message-format=json-render-diagnostics"))?)
}

fn list(messages: &str) -> Result<Vec<Binary>, String> {
    let mut binaries = Vec::new();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        binaries.extend(binary(&Json::parse(line)?));
    }
    Ok(binaries)
}

/// The test binary that a build message announces, if it announces one.
fn binary(message: &Json) -> Option<Binary> {
    let is_test = message.get("profile")?.get("test")? == &Json::Bool(true);
    let executable = message.get("executable")?.as_text().filter(|_| is_test)?;
    let package_dir = Path::new(message.text("manifest_path")).parent()?;
    let package = package_name(message.text("package_id"));
    let target = message.get("target")?;
    let kind = target.list("kind").first().and_then(Json::as_text).unwrap_or_default();
    Some(Binary {
        name: format!("{package} {kind} {}", target.text("name")),
        of_sim: package == SIM,
        executable: executable.into(),
        package_dir: package_dir.into(),
    })
}

/// `path+file:///somewhere/crates/core#meshedflow-core@0.1.0` names `meshedflow-core`; where package and directory
/// have the same name, Cargo leaves it out: `path+file:///somewhere/crates/xtask#0.1.0`.
fn package_name(id: &str) -> &str {
    let (url, fragment) = id.rsplit_once('#').unwrap_or(("", id));
    match fragment.split_once('@') {
        Some((name, _)) => name,
        None => url.rsplit('/').next().unwrap_or(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = r#"{"reason":"compiler-artifact","package_id":"path+file:///r/crates/sim#meshedflow-sim@0.1.0","manifest_path":"/r/crates/sim/Cargo.toml","target":{"kind":["test"],"name":"storms"},"profile":{"test":true},"executable":"/t/storms-1"}
{"reason":"compiler-artifact","package_id":"path+file:///r/crates/xtask#0.1.0","manifest_path":"/r/crates/xtask/Cargo.toml","target":{"kind":["bin"],"name":"xtask"},"profile":{"test":false},"executable":"/t/xtask"}
{"reason":"compiler-artifact","package_id":"path+file:///r/crates/xtask#0.1.0","manifest_path":"/r/crates/xtask/Cargo.toml","target":{"kind":["bin"],"name":"xtask"},"profile":{"test":true},"executable":"/t/xtask-2"}
{"reason":"build-finished","success":true}
"#;

    #[test]
    fn test_binaries_are_told_from_programs() {
        let found = list(MESSAGES).unwrap();
        let names: Vec<&str> = found.iter().map(|binary| binary.name.as_str()).collect();
        assert_eq!(names, ["meshedflow-sim test storms", "xtask bin xtask"]);
        assert!(found[0].of_sim && !found[1].of_sim);
        assert_eq!(found[0].package_dir, Path::new("/r/crates/sim"));
    }
}
