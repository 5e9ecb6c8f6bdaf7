//! How a command ends when it does not end well.

use std::fmt;
use std::process::ExitCode;

/// Why a command ended.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An input is bad: exit code 2. Says which, what is wrong and what was expected.
    Input(String),
    /// Something failed on the way: exit code 1.
    Run(String),
}

impl Failure {
    /// A bad flag or argument, shaped for `map_err`.
    pub(crate) fn flag<E: fmt::Display>(flag: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Input(format!("{flag}: {error}"))
    }

    /// A failure while running, shaped for `map_err`.
    pub(crate) fn run<E: fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Run(format!("{what}: {error}"))
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Input(_) => ExitCode::from(2),
            Self::Run(_) => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(text) | Self::Run(text) => f.write_str(text),
        }
    }
}
