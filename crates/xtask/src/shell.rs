//! Running other programs, and knowing where the repository lies.
//!
//! No child ever reads our standard input: the commands run the same from a terminal and from a script.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The repository's root directory.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// Where Cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// A program to be started at the repository's root, without standard input.
pub(crate) fn program(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(args).current_dir(root()).stdin(Stdio::null());
    command
}

/// The Cargo that runs us.
pub(crate) fn cargo(args: &[&str]) -> Command {
    program(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()), args)
}

/// A program of an npm package, from `node_modules/.bin`.
pub(crate) fn npm_bin(name: &str, args: &[&str]) -> Command {
    program(&root().join("node_modules/.bin").join(name).to_string_lossy(), args)
}

/// This program again, with another command.
pub(crate) fn xtask(args: &[&str]) -> Result<Command, String> {
    let me = std::env::current_exe().map_err(|error| format!("cannot find myself: {error}"))?;
    Ok(program(&me.to_string_lossy(), args))
}

/// Does a piece of work, saying which before and how long it took after.
pub(crate) fn told<T>(name: &str, work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    say!("-- {name}");
    let started = Instant::now();
    let result = work();
    say!("   {:.1} s", started.elapsed().as_secs_f32());
    result
}

/// Runs to the end with the output passing through; an exit code other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` ended with {status}", describe(command))) }
}

/// Runs to the end and returns standard output; standard error passes through.
pub(crate) fn capture(command: &mut Command) -> Result<String, String> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| cannot_start(command, &error))?;
    if !output.status.success() {
        return Err(format!("`{}` ended with {}", describe(command), output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Does the program start and end well? Its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// The command line, as a person would type it.
pub(crate) fn describe(command: &Command) -> String {
    let short = |word: &std::ffi::OsStr| {
        let word = word.to_string_lossy();
        word.rsplit_once('/')
            .filter(|_| word.starts_with('/'))
            .map_or_else(|| word.to_string(), |(_, name)| name.into())
    };
    let mut line = short(command.get_program());
    for arg in command.get_args() {
        line = line + " " + &arg.to_string_lossy();
    }
    line
}

/// How a watched program ended.
pub(crate) struct Watched {
    /// Exit code 0, within the limit.
    pub(crate) ok: bool,
    /// Why not, if not.
    pub(crate) reason: String,
    /// Standard output and error, as they came.
    pub(crate) output: String,
}

/// Runs with the output both passing through and kept. With a `limit` the program gets a process group of its
/// own, which is killed at the limit: a hung browser must not hang the whole check.
pub(crate) fn watch(command: &mut Command, limit: Option<Duration>) -> Watched {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if limit.is_some() {
        command.process_group(0);
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return failed(cannot_start(command, &error), String::new()),
    };
    let kept = Arc::new(Mutex::new(String::new()));
    let pumps = [
        child.stdout.take().map(|pipe| pump(pipe, Arc::clone(&kept), false)),
        child.stderr.take().map(|pipe| pump(pipe, Arc::clone(&kept), true)),
    ];
    let end = wait(&mut child, limit);
    // A program left behind by the child may hold the pipes open for ever: after a kill nobody waits for them.
    if end.is_ok() {
        for pump in pumps.into_iter().flatten() {
            let _ = pump.join();
        }
    }
    let output = std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
    match end {
        Ok(status) if status.success() => Watched { ok: true, reason: String::new(), output },
        Ok(status) => failed(format!("`{}` ended with {status}", describe(command)), output),
        Err(reason) => failed(format!("`{}` {reason}", describe(command)), output),
    }
}

fn failed(reason: String, output: String) -> Watched {
    Watched { ok: false, reason, output }
}

fn pump(
    pipe: impl Read + Send + 'static,
    kept: Arc<Mutex<String>>,
    to_stderr: bool,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            let _ = if to_stderr {
                std::io::stderr().write_all(&line)
            } else {
                std::io::stdout().write_all(&line)
            };
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}

fn wait(child: &mut Child, limit: Option<Duration>) -> Result<std::process::ExitStatus, String> {
    let Some(limit) = limit else {
        return child.wait().map_err(|error| format!("could not be waited for: {error}"));
    };
    let started = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if started.elapsed() < limit => std::thread::sleep(Duration::from_millis(50)),
            Ok(None) => {
                kill_group(child);
                return Err(format!("was stopped after {} s", limit.as_secs()));
            }
            Err(error) => return Err(format!("could not be waited for: {error}")),
        }
    }
}

/// Kills the child and everything it started; it must lead a process group.
fn kill_group(child: &mut Child) {
    let group = format!("-{}", child.id());
    succeeds(&mut program("kill", &["-KILL", "--", &group]));
    let _ = child.kill();
    let _ = child.wait();
}

fn cannot_start(command: &Command, error: &std::io::Error) -> String {
    format!("cannot start `{}`: {error}", describe(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(root().join("crates/xtask/Cargo.toml").is_file());
    }

    #[test]
    fn output_is_kept_and_the_exit_code_decides() {
        let good = watch(&mut program("sh", &["-c", "echo one; echo two >&2"]), None);
        assert!(good.ok && good.output.contains("one\n") && good.output.contains("two\n"));
        let bad = watch(&mut program("sh", &["-c", "echo last words; exit 3"]), None);
        assert!(!bad.ok && bad.output == "last words\n" && bad.reason.contains('3'), "{}", bad.reason);
        assert!(!watch(&mut program("no-such-program-at-all", &[]), None).ok);
    }

    #[test]
    fn a_program_over_its_limit_is_stopped_with_its_children() {
        let started = Instant::now();
        let hung = watch(&mut program("sh", &["-c", "sleep 60 & wait"]), Some(Duration::from_millis(200)));
        assert!(!hung.ok && hung.reason.contains("stopped"), "{}", hung.reason);
        assert!(started.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_command_is_described_as_typed() {
        assert_eq!(describe(&program("/usr/bin/node", &["--test", "a.mjs"])), "node --test a.mjs");
    }
}
