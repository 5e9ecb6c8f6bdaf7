//! The `meshedflow` command.
//!
//! One file per subcommand, each a set of flags and a `run`. What all share: a bad input (a flag, a file, an
//! address that cannot be listened on) ends with exit code 2 and one line that names the flag or file, what is
//! wrong with it and what was expected; anything that fails later ends with 1; SIGINT and SIGTERM end a server
//! with 0. Nothing on disk is touched before all inputs were checked.

mod bench;
mod demo;
mod duration;
mod edge;
mod failure;
mod find;
mod keys;
mod origin;
mod page;
mod serving;
mod stop;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Peer-assisted delivery for HLS.js: sign media, pair viewers, try it out.
#[derive(Parser)]
#[command(name = "meshedflow", version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Play a live stream with everything it needs on one port: origin, edge, policy, page
    Demo(demo::Flags),
    /// Sign media and serve it
    #[command(subcommand)]
    Origin(origin::Command),
    /// Run a signaling edge
    Edge(edge::Flags),
    /// Measure the mesh
    #[command(subcommand)]
    Bench(bench::Command),
    /// Make and show signing keys, and publish their public parts
    #[command(subcommand)]
    Keys(keys::Command),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(flags) => demo::run(flags),
        Command::Origin(command) => origin::run(command),
        Command::Edge(flags) => edge::run(flags),
        Command::Bench(command) => bench::run(command),
        Command::Keys(command) => keys::run(command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            failure.exit_code()
        }
    }
}

/// Prints a line to standard error, about something that works worse than it is set to.
fn warn(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "warning: {line}");
}

/// Prints a line to standard output; a closed pipe is no reason to stop.
fn say(line: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
