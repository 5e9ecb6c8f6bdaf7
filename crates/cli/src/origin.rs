//! `meshedflow origin`: sign and serve media.

use clap::Subcommand;

use crate::failure::Failure;

/// Sign media and serve it.
#[derive(Subcommand)]
pub(crate) enum Command {}

pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {}
}
