//! What can go wrong at an origin, in words that name the file, the fault and what was expected.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why the origin refused or failed. Nothing was published when one of these is returned.
#[derive(Debug)]
pub enum OriginError {
    /// The operating system failed on a file.
    Io {
        /// What was attempted, as in "cannot read".
        attempt: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written, because its directory is not there.
    Folder {
        /// Which file.
        path: PathBuf,
        /// The missing directory.
        folder: PathBuf,
    },
    /// A symbolic link leads out of the directory that is signed, looped or served.
    Outside {
        /// Which file.
        path: PathBuf,
        /// The directory.
        root: PathBuf,
    },
    /// A playlist is not what this origin can use.
    Playlist {
        /// Which playlist.
        path: PathBuf,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// A media file is not what its playlist promised.
    Media {
        /// Which file.
        path: PathBuf,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// A signing key file is unusable.
    Key {
        /// Which file, or the environment variable's name.
        place: String,
        /// What is wrong and what was expected. Never contains key material.
        reason: String,
    },
    /// A key set cannot be read, or none can follow it.
    KeySet {
        /// Which file.
        path: PathBuf,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// The epoch state file is unusable.
    State {
        /// Which file.
        path: PathBuf,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// A name does not fit into a signed list.
    Name {
        /// What was named: a stream, a rendition, a resource.
        what: &'static str,
        /// The offending text.
        text: String,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// Other bytes were already signed for this sequence number and resource in this epoch.
    TwoDigests {
        /// Media sequence number.
        msn: u64,
        /// The resource's name.
        name: String,
        /// Epoch in which the first digest was signed.
        epoch: u64,
    },
    /// No randomness from the operating system.
    Random(String),
}

impl OriginError {
    /// An [`OriginError::Io`], shaped for `map_err`.
    pub fn io(attempt: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { attempt, path, source }
    }

    /// An [`OriginError::Playlist`].
    pub fn playlist(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Playlist { path: path.as_ref().to_path_buf(), reason: reason.into() }
    }

    /// An [`OriginError::Media`].
    pub fn media(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Media { path: path.as_ref().to_path_buf(), reason: reason.into() }
    }
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { attempt, path, source } => write!(f, "{attempt} {}: {source}", path.display()),
            Self::Folder { path, folder } => {
                let (path, folder) = (path.display(), folder.display());
                write!(f, "cannot write {path}: there is no directory {folder}; expected one that exists")
            }
            Self::Outside { path, root } => {
                let (path, root) = (path.display(), root.display());
                write!(f, "{path}: a symbolic link leads out of {root}; expected a file in that directory")
            }
            Self::Playlist { path, reason } => write!(f, "playlist {}: {reason}", path.display()),
            Self::Media { path, reason } => write!(f, "media file {}: {reason}", path.display()),
            Self::Key { place, reason } => write!(f, "key {place}: {reason}"),
            Self::KeySet { path, reason } => write!(f, "key set {}: {reason}", path.display()),
            Self::State { path, reason } => write!(f, "epoch state file {}: {reason}", path.display()),
            Self::Name { what, text, reason } => write!(f, "{what} {text:?}: {reason}"),
            Self::TwoDigests { msn, name, epoch } => write!(
                f,
                "{name} (media sequence {msn}) was signed with other bytes in epoch {epoch}; \
                 changed media needs a new epoch"
            ),
            Self::Random(reason) => write!(f, "no randomness from the operating system: {reason}"),
        }
    }
}

impl std::error::Error for OriginError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
