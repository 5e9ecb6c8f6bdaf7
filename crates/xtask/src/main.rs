//! The repository's own commands: `cargo xtask <command>`.
//!
//! Two of them matter to everybody. `demo` shows the product on a machine that has nothing but Rust and Node;
//! `test` is the one check that decides whether a change is good. Both look at the machine first ([`machine`])
//! and bring what can be brought without asking: a compiler target, npm packages, and for `test` the Debian
//! packages that its browsers need.
//!
//! `test` is a list of stages (`test/stages.rs`), each a list of commands that a person could type as well. A stage
//! has a budget of seconds; its commands are run, their output passes through unchanged, and the counts that
//! test runners print are added up for the closing line.
//!
//! `tidy` keeps the rules that no compiler knows: who may depend on whom, how long a file may grow, which
//! versions must agree. Every rule is a function from text to complaints, with a test that shows it can fail.
//!
//! Nothing here has a dependency, so that `cargo xtask` answers a few seconds after a fresh clone.

/// Prints a line. A reader that has heard enough, such as `head`, is no reason to stop the work.
#[cfg(not(test))]
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($words)*);
    }};
}

/// In tests the test runner keeps the lines: a summary among them must not count as one of its own.
#[cfg(test)]
macro_rules! say {
    ($($words:tt)*) => { println!($($words)*) };
}

mod bench;
mod build;
mod demo;
mod flags;
mod json;
mod machine;
mod mutants;
mod pack;
mod shell;
mod size;
mod test;
mod tidy;
mod vectors;
mod wasm;

use std::process::ExitCode;

use flags::{Flag, Flags};

/// Why a command ended early.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The command line was not understood: exit code 2.
    Usage(String),
    /// The work itself failed: exit code 1.
    Failed(String),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

struct Command {
    name: &'static str,
    about: &'static str,
    flags: &'static [Flag],
    run: fn(&Flags) -> Result<(), Failure>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "demo",
        about: "build everything and play a live stream between viewers on this machine",
        flags: &[
            Flag::switch("check", "prove the demo in a real browser, then stop"),
            Flag::value(
                "media",
                "FILE|DIR",
                "HLS playlist to loop, or its directory (default examples/media)",
            ),
            Flag::value("port", "N", "port to serve on (default 8080, next free one if taken)"),
            Flag::value("viewers", "N", "players on the demo page (default 4)"),
        ],
        run: demo::run,
    },
    Command {
        name: "test",
        about: "run every check there is; the exit code decides",
        flags: &[
            Flag::value("stage", "NAME", "run only this stage"),
            Flag::switch("long", "also the browser cases that take long and seldom find anything"),
            Flag::switch("strict", "stop a stage at its hard limit (the default when CI is set)"),
        ],
        run: test::run,
    },
    Command {
        name: bench::NAME,
        about: "measure in real browsers, HLS.js and p2p-media-loader beside; see `bench browser --help`",
        flags: &[],
        run: |_| bench::run(&[]),
    },
    Command {
        name: "build",
        about: "build the wasm module and the SDK into js/dist",
        flags: &[],
        run: build::run,
    },
    Command {
        name: "pack",
        about: "fill the npm package into target/pkg and pack it",
        flags: &[],
        run: pack::run,
    },
    Command {
        name: "size",
        about: "compare the built SDK with js/size-budget.json",
        flags: &[],
        run: |_| Ok(size::check(&shell::root())?),
    },
    Command {
        name: "mutants",
        about: "alter what decides about safety, a line at a time: does a test fail? (hours; a file: minutes)",
        flags: &[
            Flag::value("file", "PATH", "only this file"),
            Flag::value("shard", "K/N", "only every N-th mutant"),
            Flag::value("jobs", "N", "so many at a time (default 1)"),
        ],
        run: mutants::run,
    },
    Command {
        name: "tidy",
        about: "check the house rules that no compiler knows",
        flags: &[],
        run: tidy::run,
    },
    Command {
        name: "vectors",
        about: "check the golden vectors; --write regenerates those that have a generator",
        flags: &[Flag::switch("write", "regenerate instead of checking")],
        run: vectors::run,
    },
    Command {
        name: "wasm",
        about: "build the wasm module alone and check it against the browser floor",
        flags: &[Flag::switch(
            "breakable",
            "the one for tests of faults instead, with its SDK in js/dist-mutants",
        )],
        run: |flags| {
            let build = if flags.has("breakable") { wasm::build_breakable } else { wasm::build };
            Ok(build(&shell::root())?)
        },
    },
    Command {
        name: "wasm-test",
        about: "run the wasm tests in a headless browser",
        flags: &[],
        run: |_| Ok(wasm::test(&shell::root())?),
    },
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            eprintln!("xtask: {message}\n\n{}", help());
            ExitCode::from(2)
        }
        Err(Failure::Failed(message)) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(words: &[String]) -> Result<(), Failure> {
    let Some((name, rest)) = words.split_first() else {
        return Err(Failure::Usage("which command?".into()));
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        say!("{}", help());
        return Ok(());
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        return Err(Failure::Usage(format!("there is no command `{name}`")));
    };
    if command.name == bench::NAME {
        return bench::run(rest);
    }
    let flags = Flags::parse(command.name, command.flags, rest).map_err(Failure::Usage)?;
    (command.run)(&flags)
}

fn help() -> String {
    let mut text = String::from("usage: cargo xtask <command> [flags]\n");
    for command in COMMANDS {
        text += &format!("\n  {:<22} {}", command.name, command.about);
        for flag in command.flags {
            text += &format!("\n    {:<20} {}", flag.usage(), flag.about);
        }
    }
    text + &format!("\n  {:<22} {}", "help", "this text")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn an_unknown_command_or_flag_is_a_usage_error() {
        for line in ["", "tset", "test --stgae x", "demo --port", "demo stray", "tidy --check"] {
            assert!(matches!(dispatch(&words(line)), Err(Failure::Usage(_))), "{line:?} was accepted");
        }
    }

    #[test]
    fn the_help_names_every_command() {
        let text = help();
        for command in COMMANDS {
            assert!(text.contains(command.name), "{} is missing", command.name);
        }
    }
}
