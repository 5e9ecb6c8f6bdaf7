//! Files that appear whole or not at all.
//!
//! Everything is first written to temporary files beside the targets (see `staging`), flushed to disk, and only
//! when all of them exist are they renamed. A failure before that leaves every target untouched and no temporary
//! file behind. A crash between two renames can leave some targets new and some old; each single one is whole, and
//! they appear in the order of their [`Turn`]: before the first of a turn is renamed, the directories of the turns
//! before it were flushed, for a rename outlives a power failure only then. Each directory is flushed once a turn,
//! however many files a batch has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::OriginError;
use crate::staging::Room;

/// A set of files to publish together.
#[derive(Debug, Default)]
pub struct Batch {
    rooms: BTreeMap<PathBuf, Room>,
    staged: Vec<Staged>,
}

#[derive(Debug)]
struct Staged {
    turn: Turn,
    temporary: PathBuf,
    folder: PathBuf,
    path: PathBuf,
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As the process's umask says.
    Public,
    /// Its owner only (0600), from the first byte on.
    Private,
}

/// When a file of a batch appears. What comes later may rely on what came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// What must never be used twice: epochs.
    State,
    /// Everything else.
    Content,
    /// What names others: indexes.
    Index,
    /// What makes others count: keys.
    Keys,
}

/// Publishes one file.
pub fn write(path: &Path, bytes: &[u8], mode: Mode) -> Result<(), OriginError> {
    let mut batch = Batch::default();
    batch.stage(path, bytes, mode)?;
    batch.publish()
}

/// Checks that a file can be published at `path`, as far as one can know without doing it.
pub fn check(path: &Path) -> Result<(), OriginError> {
    let folder = folder_of(path)?;
    if fs::symlink_metadata(path).is_ok_and(|m| !m.is_file() && !m.is_symlink()) {
        let error = io::Error::other("it is no regular file; expected a file or a new name");
        return Err(OriginError::io("cannot write", path)(error));
    }
    // Only writing shows whether one may.
    Room::open(folder).map(drop).map_err(OriginError::io("cannot write", path))
}

/// The directory of a file that is to be written; it has to be there. None is ever made: a mistyped path would get
/// what belongs elsewhere.
pub fn folder_of(path: &Path) -> Result<&Path, OriginError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match folder.is_dir() {
        true => Ok(folder),
        false => Err(OriginError::Folder { path: path.to_path_buf(), folder: folder.to_path_buf() }),
    }
}

impl Batch {
    /// Stages a file for [`Turn::Content`].
    pub fn stage(&mut self, path: &Path, bytes: &[u8], mode: Mode) -> Result<(), OriginError> {
        self.stage_in(Turn::Content, path, bytes, mode)
    }

    /// Writes `bytes` to a temporary file beside the target.
    pub fn stage_in(&mut self, turn: Turn, path: &Path, bytes: &[u8], mode: Mode) -> Result<(), OriginError> {
        let folder = folder_of(path)?;
        let temporary = self.room(folder).map_err(OriginError::io("cannot write", path))?.next();
        create(&temporary, mode)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .map_err(OriginError::io("cannot write", path))?;
        let (folder, path) = (folder.to_path_buf(), path.to_path_buf());
        self.staged.push(Staged { turn, temporary, folder, path });
        Ok(())
    }

    /// How many files are staged.
    pub fn len(&self) -> usize {
        self.staged.len()
    }

    /// True while nothing is staged.
    pub fn is_empty(&self) -> bool {
        self.staged.is_empty()
    }

    /// Renames every staged file into place, turn by turn, and within a turn in the order of staging.
    pub fn publish(mut self) -> Result<(), OriginError> {
        self.staged.sort_by_key(|staged| staged.turn);
        for turn in self.staged.chunk_by(|a, b| a.turn == b.turn) {
            for Staged { temporary, path, .. } in turn {
                fs::rename(temporary, path).map_err(OriginError::io("cannot publish", path))?;
            }
            for folder in turn.iter().map(|staged| &staged.folder).collect::<BTreeSet<_>>() {
                sync(folder).map_err(OriginError::io("cannot flush to disk", folder))?;
            }
        }
        Ok(())
    }

    fn room(&mut self, folder: &Path) -> io::Result<&mut Room> {
        // Not by entry(): a room is made only where there is none, and that may fail.
        if !self.rooms.contains_key(folder) {
            self.rooms.insert(folder.to_path_buf(), Room::open(folder)?);
        }
        self.rooms.get_mut(folder).ok_or_else(|| ErrorKind::NotFound.into())
    }
}

/// Makes renames in a directory outlive a power failure.
fn sync(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    match File::open(folder)?.sync_all() {
        // Some network file systems cannot, and need not.
        Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        done => done,
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        Ok(())
    }
}

fn create(path: &Path, mode: Mode) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if mode == Mode::Private {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn a_dropped_batch_leaves_nothing_and_a_published_one_everything() {
        let dir = TempDir::new();
        let (a, b) = (dir.path().join("a"), dir.path().join("deep/b"));
        fs::write(&a, "old").unwrap();
        fs::create_dir(dir.path().join("deep")).unwrap();
        let mut batch = Batch::default();
        batch.stage(&a, b"new", Mode::Public).unwrap();
        drop(batch);
        assert_eq!(fs::read(&a).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);

        let mut batch = Batch::default();
        batch.stage(&a, b"new", Mode::Public).unwrap();
        batch.stage(&b, b"secret", Mode::Private).unwrap();
        assert_eq!(batch.len(), 2);
        batch.publish().unwrap();
        assert_eq!(fs::read(&a).unwrap(), b"new");
        assert_eq!(fs::read(&b).unwrap(), b"secret");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        assert_eq!(fs::read_dir(dir.path().join("deep")).unwrap().count(), 1);
    }

    #[test]
    fn files_appear_turn_by_turn_whatever_the_order_of_staging() {
        let dir = TempDir::new();
        let at = |name: &str| dir.path().join(name);
        // A directory stands in the way of each file in turn: what should have come before it is there, nothing else.
        let order =
            [(Turn::State, "epoch"), (Turn::Content, "list"), (Turn::Index, "index"), (Turn::Keys, "keys")];
        for (blocked, (_, name)) in order.iter().enumerate() {
            fs::create_dir_all(at(name).join("full")).unwrap();
            let mut batch = Batch::default();
            for (turn, name) in order.iter().rev() {
                batch.stage_in(*turn, &at(name), b"new", Mode::Public).unwrap();
            }
            assert!(batch.publish().unwrap_err().to_string().contains(name));
            let there: Vec<bool> = order.iter().map(|(_, name)| at(name).is_file()).collect();
            let expected: Vec<bool> = (0..order.len()).map(|i| i < blocked).collect();
            assert_eq!(there, expected, "{name} in the way");
            fs::remove_dir_all(at(name)).unwrap();
        }
    }

    #[test]
    fn a_missing_directory_is_named_and_not_made() {
        let dir = TempDir::new();
        let path = dir.path().join("typo/key");
        for error in [write(&path, b"x", Mode::Private).unwrap_err(), check(&path).unwrap_err()] {
            let error = error.to_string();
            assert!(error.contains("typo/key") && error.contains("there is no directory"), "{error}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(check(&dir.path().join("new")).is_ok() && check(dir.path()).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn private_files_are_0600() {
        use std::os::unix::fs::PermissionsExt;
        let dir = TempDir::new();
        let path = dir.path().join("key");
        write(&path, b"x", Mode::Private).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_longest_name_that_a_file_can_have_is_written() {
        let dir = TempDir::new();
        let path = dir.path().join("n".repeat(255));
        write(&path, b"x", Mode::Public).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"x");
    }
}
