//! `meshedflow keys`: signing keys, and the sets in which their public parts are published.

pub(crate) mod publish;
mod show;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use meshedflow_manifest::KeyState;
use meshedflow_origin::key_sets::{self, Changes, Named};
use meshedflow_origin::{clock, keys};

use crate::duration;
use crate::failure::Failure;
use crate::say;

/// Make and show signing keys, and publish their public parts.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a new signing key in a new file that only you can read
    Generate {
        /// File to make; an existing file is never replaced
        file: PathBuf,
    },
    /// Print a key's id and public part, for the SDK's `trustedKeys`, or the keys of a key set, their states and times
    Show {
        /// File made by `keys generate`, or a key set; one that expired is printed, and is an error
        file: PathBuf,
    },
    Publish(publish::Flags),
    /// Print a key set with one key, as `keys publish` would begin one
    Jwks {
        /// File made by `keys generate`
        file: PathBuf,
        /// Stream that the key may sign, or a path with one trailing * after a slash; can be repeated
        #[arg(long = "stream", value_name = "NAME", required = true)]
        streams: Vec<String>,
        /// How long the set counts from now on: a whole number and s, m, h, d or w
        #[arg(long, value_name = "SPAN", default_value = "365d", value_parser = duration::parse)]
        valid: u64,
    },
}

pub(crate) fn run(command: Command) -> Result<(), Failure> {
    let now = clock::now_ms() / 1000;
    match command {
        Command::Generate { file } => {
            let signer = keys::generate().map_err(Failure::run("cannot make a key"))?;
            keys::save(&file, &signer).map_err(Failure::flag("FILE"))?;
            say(format_args!("made {}; its public part:", file.display()));
            show::key(&signer.public(), signer.created());
        }
        Command::Show { file } => show::run(&file, now)?,
        Command::Publish(flags) => flags.run(now)?,
        Command::Jwks { file, streams, valid } => print_first(&file, streams, valid, now)?,
    }
    Ok(())
}

fn print_first(file: &Path, streams: Vec<String>, valid_s: u64, now: u64) -> Result<(), Failure> {
    let signer = keys::load(file).map_err(Failure::flag("FILE"))?;
    let keys = vec![(Named::of(&signer), KeyState::Active)];
    let changes = Changes { keys, streams, valid_s, ..Changes::default() };
    let published =
        key_sets::follow(Path::new("to print"), None, &changes, now).map_err(Failure::flag("--stream"))?;
    say(published.json.trim_end());
    Ok(())
}
