//! `cargo xtask demo`: a live stream, an edge and a page full of viewers, from one process on one port.
//!
//! What the page loads is gathered into a site directory below the target directory: the example page, the built
//! SDK under `/sdk`, and every supported HLS.js under `/vendor/hls.js/<version>/`. The `meshedflow demo` command
//! serves it, beside the looped media, its signed lists and the signaling socket.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::flags::Flags;
use crate::json::Json;
use crate::shell::{self, program, root};
use crate::{Failure, build, machine};

/// The npm names under which the supported HLS.js releases are installed.
const HLS: &[&str] = &["hls.js", "hls.js-1.6", "hls.js-1.5"];
/// Where the site goes, below the target directory.
const SITE: &str = "demo-site";
const PORT: u16 = 8080;
const VIEWERS: u16 = 4;

/// Builds everything, then serves until interrupted, or until the check is done.
pub(crate) fn run(flags: &Flags) -> Result<(), Failure> {
    let viewers = flags.number("viewers", VIEWERS).map_err(Failure::Usage)?;
    let wanted = flags.number("port", PORT).map_err(Failure::Usage)?;
    let media = media(flags).map_err(Failure::Usage)?;
    shell::told("what this machine has", || {
        machine::check_build()?;
        machine::check_npm()?;
        if flags.has("check") { machine::check_packages(machine::BROWSER) } else { Ok(()) }
    })?;
    shell::told("the SDK with its wasm module (minutes, the first time)", build::page)?;
    let site = shell::told("the site", site)?;
    shell::told("the meshedflow command (a minute, the first time)", build::command_line)?;
    let port = if flags.has("port") { wanted } else { free_port(wanted)? };
    let url = format!("http://localhost:{port}/?viewers={viewers}");
    if flags.has("check") {
        let mut check = browser_script("tests/browser/demo-check.mjs");
        check.args(["--viewers", &viewers.to_string(), "--media"]).arg(&media);
        return Ok(shell::run(&mut check)?);
    }
    say!("\n  {url}\n\n  Each player is a viewer of its own. Ctrl-C ends it.\n");
    // The server takes this process over, so that a signal meant for the demo reaches it.
    let error = meshedflow(&site, &media, port).exec();
    Err(Failure::Failed(format!("cannot start meshedflow: {error}")))
}

/// Gathers what the page loads; returns the directory.
pub(crate) fn site() -> Result<PathBuf, String> {
    let (from, to) = (root(), site_dir());
    if to.exists() {
        std::fs::remove_dir_all(&to).map_err(|error| format!("cannot empty {}: {error}", to.display()))?;
    }
    copy_dir(&from.join("examples/live-grid"), &to)?;
    copy_dir(&from.join("js/dist"), &to.join("sdk"))?;
    for name in HLS {
        let package = from.join("node_modules").join(name);
        let version = package_version(&package)?;
        copy_file(&package.join("dist/hls.js"), &to.join("vendor/hls.js").join(version).join("hls.js"))?;
    }
    Ok(to)
}

/// Where the site is gathered.
pub(crate) fn site_dir() -> PathBuf {
    shell::target_dir().join(SITE)
}

/// The version that a package's `package.json` states.
pub(crate) fn package_version(package: &Path) -> Result<String, String> {
    let path = package.join("package.json");
    let text =
        std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    match Json::parse(&text)?.text("version") {
        "" => Err(format!("{} states no version", path.display())),
        version => Ok(version.into()),
    }
}

/// Copies a directory with all below it.
pub(crate) fn copy_dir(from: &Path, to: &Path) -> Result<(), String> {
    let entries =
        std::fs::read_dir(from).map_err(|error| format!("cannot read {}: {error}", from.display()))?;
    for entry in entries.flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            copy_file(&entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Copies a file, making the directories on the way.
pub(crate) fn copy_file(from: &Path, to: &Path) -> Result<(), String> {
    let parent = to.parent().unwrap_or(to);
    std::fs::create_dir_all(parent)
        .and_then(|()| std::fs::copy(from, to))
        .map(drop)
        .map_err(|error| format!("cannot copy {} to {}: {error}", from.display(), to.display()))
}

/// `wanted` or the next free port after it: a second demo, or anything else on 8080, is no reason to fail.
fn free_port(wanted: u16) -> Result<u16, String> {
    (wanted..=wanted.saturating_add(100))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .ok_or_else(|| format!("no free port from {wanted} on; name one with --port"))
}

/// What to loop. A wrong path is told before anything is built; whatever else is wrong, by the command that reads it.
fn media(flags: &Flags) -> Result<PathBuf, String> {
    let Some(given) = flags.text("media") else { return Ok(root().join("examples/media")) };
    std::path::absolute(given)
        .ok()
        .filter(|path| path.exists())
        .ok_or_else(|| format!("--media {given}: nothing there; expected an HLS playlist or its directory"))
}

fn meshedflow(site: &Path, media: &Path, port: u16) -> Command {
    let mut command = program(&build::meshedflow().to_string_lossy(), &["demo", "--port", &port.to_string()]);
    command.arg("--site").arg(site).arg("--media").arg(media);
    command
}

/// A script that starts the demo itself, and is told which command and which site to take.
pub(crate) fn browser_script(path: &str) -> Command {
    let mut command = program("node", &[path]);
    command.env("MESHEDFLOW_BIN", build::meshedflow()).env("MESHEDFLOW_SITE", site_dir());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_passed_over() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free_port(port).unwrap(), port);
    }

    #[test]
    fn a_wrong_path_of_media_is_told_at_once() {
        let known = &[crate::flags::Flag::value("media", "FILE", "")];
        let given = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            media(&Flags::parse("demo", known, &words).unwrap())
        };
        assert!(given(&[]).unwrap().join("master.m3u8").exists());
        assert!(given(&["--media", "Cargo.toml"]).unwrap().is_absolute());
        let error = given(&["--media", "no/such.m3u8"]).unwrap_err();
        assert!(error.contains("no/such.m3u8") && error.contains("expected an HLS playlist"), "{error}");
    }

    #[test]
    fn directories_are_copied_whole() {
        let base = shell::target_dir().join("xtask-copy-test");
        let _ = std::fs::remove_dir_all(&base);
        std::fs::create_dir_all(base.join("from/deep")).unwrap();
        std::fs::write(base.join("from/deep/file"), "text").unwrap();
        copy_dir(&base.join("from"), &base.join("to")).unwrap();
        assert_eq!(std::fs::read_to_string(base.join("to/deep/file")).unwrap(), "text");
        assert!(copy_dir(&base.join("nowhere"), &base.join("to")).is_err());
        std::fs::remove_dir_all(&base).unwrap();
    }
}
