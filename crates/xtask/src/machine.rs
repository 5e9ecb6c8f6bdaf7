//! What a machine must have, checked before any work starts, and brought where that needs no question.
//!
//! Everything is looked for first: on a machine that is ready, nothing is downloaded and nothing is slow.

use std::path::{Path, PathBuf};

use crate::shell::{capture, cargo, program, root, run, succeeds};

/// The oldest Rust that compiles the workspace: `rust-version` in Cargo.toml.
const RUST: [u32; 2] = [1, 95];
/// The oldest Node with a stable test runner and `fetch`.
const NODE: [u32; 2] = [20, 0];
const WASM: &str = "wasm32-unknown-unknown";

/// A browser, and what gives it a network of its own: the program (or the file, by its whole path) to look for, and the
/// Debian package that brings it.
pub(crate) const BROWSER: &[(&str, &str)] = &[("chromium", "chromium"), ("ip", "iproute2")];
/// What the browser tests need, in the same form.
pub(crate) const BROWSER_LAB: &[(&str, &str)] = &[
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("ffmpeg", "ffmpeg"),
];
/// Firefox, and WebKitGTK with a display, a message bus and H.264.
pub(crate) const ENGINES: &[(&str, &str)] = &[
    ("firefox-esr", "firefox-esr"),
    ("WebKitWebDriver", "webkit2gtk-driver"),
    ("Xvfb", "xvfb"),
    ("xauth", "xauth"),
    ("dbus-run-session", "dbus-x11"),
    ("/usr/share/doc/gstreamer1.0-libav/copyright", "gstreamer1.0-libav"),
    ("/usr/share/doc/gstreamer1.0-plugins-bad/copyright", "gstreamer1.0-plugins-bad"),
];

/// Rust, a C compiler, Node and the wasm target: what building anything here takes.
pub(crate) fn check_build() -> Result<(), String> {
    at_least("rustc", &["--version"], RUST, "Rust is installed by https://rustup.rs")?;
    at_least("node", &["--version"], NODE, "Node.js is installed from https://nodejs.org")?;
    if !succeeds(&mut program("cc", &["--version"])) {
        return Err("no C compiler `cc`: on Debian, `apt-get install build-essential`".into());
    }
    add_wasm_target()
}

/// clippy and rustfmt, added by rustup where absent.
pub(crate) fn check_components() -> Result<(), String> {
    if succeeds(&mut cargo(&["clippy", "--version"])) && succeeds(&mut cargo(&["fmt", "--version"])) {
        return Ok(());
    }
    run(&mut program("rustup", &["component", "add", "clippy", "rustfmt"]))
}

fn at_least(name: &str, args: &[&str], wanted: [u32; 2], advice: &str) -> Result<(), String> {
    let want = format!("{name} {}.{} or newer is needed", wanted[0], wanted[1]);
    let said = capture(&mut program(name, args)).map_err(|error| format!("{want} ({error}); {advice}"))?;
    match version(&said) {
        Some(found) if found >= wanted => Ok(()),
        _ => Err(format!("{want}, this is `{}`; {advice}", said.trim())),
    }
}

/// The first `major.minor` in a program's version line.
fn version(said: &str) -> Option<[u32; 2]> {
    said.split_whitespace().find_map(|word| {
        let mut parts = word.trim_start_matches('v').split('.').map(|part| part.parse().ok());
        Some([parts.next()??, parts.next()??])
    })
}

fn add_wasm_target() -> Result<(), String> {
    let libdir = capture(&mut program("rustc", &["--print", "target-libdir", "--target", WASM]))?;
    if PathBuf::from(libdir.trim()).is_dir() {
        return Ok(());
    }
    // Named explicitly: rustup may be told not to install anything on its own (RUSTUP_AUTO_INSTALL=0).
    run(&mut program("rustup", &["target", "add", WASM]))
        .map_err(|error| format!("the Rust target {WASM} is missing and could not be added: {error}"))
}

/// npm packages, by `npm ci` when the lock differs from the one installed last.
///
/// The stamp lies inside `node_modules`, so that the two vanish together.
pub(crate) fn check_npm() -> Result<(), String> {
    let read = |path: &str| std::fs::read(root().join(path)).ok();
    let lock = read("package-lock.json").ok_or("package-lock.json cannot be read")?;
    let stamp = "node_modules/.installed-lock";
    if read(stamp).as_deref() == Some(&lock) {
        return Ok(());
    }
    // Scripts stay off: some packages would download programs; none of ours needs one.
    run(&mut program("npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
    std::fs::write(root().join(stamp), lock).map_err(|error| format!("cannot write {stamp}: {error}"))
}

/// The programs in `wanted`, installed by apt when this is root on a Debian-like system, else named.
pub(crate) fn check_packages(wanted: &[(&str, &str)]) -> Result<(), String> {
    let absent = || wanted.iter().filter(|(name, _)| !is_there(name)).map(|(_, package)| *package);
    let missing: Vec<&str> = absent().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if !is_root() || !on_path("apt-get") {
        return Err(format!("these Debian packages are needed: {names} (`sudo apt-get install {names}`)"));
    }
    let apt = |args: &[&str]| run(program("apt-get", args).env("DEBIAN_FRONTEND", "noninteractive"));
    apt(&["update", "-q"])?;
    apt(&[&["install", "-q", "-y", "--no-install-recommends"], missing.as_slice()].concat())?;
    match absent().collect::<Vec<_>>().as_slice() {
        [] => Ok(()),
        still => Err(format!("apt installed {names}, yet the programs of {still:?} cannot be found")),
    }
}

fn is_root() -> bool {
    capture(&mut program("id", &["-u"])).is_ok_and(|id| id.trim() == "0")
}

/// A program's name, or the path of a file.
fn is_there(name: &str) -> bool {
    if name.starts_with('/') { Path::new(name).is_file() } else { on_path(name) }
}

/// Is there a program of this name? Administration directories count, whether or not PATH has them.
fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(extra).any(|dir| dir.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_programs_say() {
        assert_eq!(version("rustc 1.95.0 (59807616e 2026-04-14)"), Some([1, 95]));
        assert_eq!(version("v20.20.2\n"), Some([20, 20]));
        assert_eq!(version("something else"), None);
    }

    #[test]
    fn an_old_or_absent_program_is_refused() {
        let says = |text: &'static str| at_least("echo", &[text], [1, 95], "advice");
        assert!(says("tool 1.95.0").is_ok() && says("tool 2.0.1").is_ok());
        let error = says("tool 1.94.9").unwrap_err();
        assert!(error.contains("1.94.9") && error.contains("1.95") && error.contains("advice"), "{error}");
        assert!(at_least("no-such-program-at-all", &[], [1, 0], "advice").is_err());
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(on_path("sh"));
        assert!(!on_path("no-such-program-at-all"));
        assert!(is_there("sh") && is_there("/bin/sh"));
        assert!(!is_there("/no/such/file"));
    }
}
