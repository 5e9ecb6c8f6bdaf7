//! Runs the real binary.
#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that cannot help ends the test")]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

pub(crate) fn media() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/media")
}

/// Small media of each kind that ffmpeg's HLS muxer makes.
pub(crate) fn fixture(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../origin/tests/media").join(kind)
}

pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshedflow"));
    command.args(args).env_remove("MESHEDFLOW_SIGNING_KEY");
    command
}

/// Runs a command to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

/// Runs a command that must refuse its input: exit code 2, nothing on stdout, an error with all these words.
pub(crate) fn refused(args: &[&str], words: &[&str]) {
    let output = run(args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
    assert!(output.stdout.is_empty(), "{args:?}");
    for word in words {
        assert!(error.contains(word), "{args:?} should say {word:?}: {error}");
    }
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A server process; killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// What it printed up to its last line about addresses.
    pub(crate) said: Vec<String>,
}

impl Server {
    /// Starts a command and reads `lines` lines of what it prints.
    pub(crate) fn start(args: &[&str], lines: usize) -> Self {
        let mut child = command(args).stdout(Stdio::piped()).spawn().unwrap();
        let out = child.stdout.take().unwrap();
        let said = BufReader::new(out).lines().take(lines).map(Result::unwrap).collect();
        Self { child, said }
    }

    /// The address in the line that begins with `name`.
    pub(crate) fn url(&self, name: &str) -> &str {
        let line = self.said.iter().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap()
    }

    #[cfg(unix)]
    pub(crate) fn signal(&mut self, signal: &str) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn get(url: &str) -> (u16, String) {
    let config = ureq::Agent::config_builder().http_status_as_error(false).build();
    let response = ureq::Agent::from(config).get(url).call().unwrap();
    let status = response.status().as_u16();
    let mut body = Vec::new();
    response.into_body().into_reader().read_to_end(&mut body).unwrap();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// A directory that goes away with its value.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("meshedflow-cli-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Every file below `root`, by path, with its bytes.
pub(crate) fn tree(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.clone(), std::fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
