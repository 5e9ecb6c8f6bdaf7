//! `meshedflow keys`: signing keys.

use std::path::PathBuf;

use clap::Subcommand;
use meshedflow_origin::{clock, keys};

use crate::failure::Failure;
use crate::say;

/// Make and show signing keys.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a new signing key in a new file that only you can read
    Generate {
        /// File to make; an existing file is never replaced
        file: PathBuf,
    },
    /// Print a key's id and public part, for the SDK's `trustedKeys`
    Show {
        /// File made by `keys generate`
        file: PathBuf,
    },
    /// Print the key set to publish at /.well-known/meshedflow/keys.json
    Jwks {
        /// File made by `keys generate`
        file: PathBuf,
        /// Stream that the key may sign, or a path with one trailing * after a slash; can be repeated
        #[arg(long = "stream", value_name = "NAME", required = true)]
        streams: Vec<String>,
    },
}

pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Generate { file } => {
            let signer = keys::generate().map_err(Failure::run("cannot make a key"))?;
            keys::save(&file, &signer).map_err(Failure::flag("FILE"))?;
            say(format_args!("made {}; its public part:", file.display()));
            show(&signer);
        }
        Command::Show { file } => show(&keys::load(&file).map_err(Failure::flag("FILE"))?),
        Command::Jwks { file, streams } => {
            let signer = keys::load(&file).map_err(Failure::flag("FILE"))?;
            for stream in &streams {
                meshedflow_manifest::StreamPattern::parse(stream).map_err(Failure::flag("--stream"))?;
            }
            say(keys::key_set(&signer, &streams, clock::now_ms() / 1000, 0).to_json());
        }
    }
    Ok(())
}

fn show(signer: &meshedflow_manifest::Signer) {
    let kid: String = signer.kid().iter().map(|b| format!("{b:02x}")).collect();
    say(format_args!("kid  {kid}"));
    say(format_args!("x    {}", signer.public().to_base64url()));
}
