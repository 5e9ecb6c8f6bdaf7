//! Rooms for files that are not finished yet.
//!
//! A file that is to appear whole is written in a hidden directory beside its place, `.meshedflow-<random>.tmp`,
//! and renamed out of it. While its process lives the directory is locked (advisory, by the kernel), so that
//! nobody has to guess from a name or a process id whether it is still in use: whoever opens a room first removes
//! those beside it whose lock can be had, and only those. Where a file system knows no locks, nothing is removed:
//! names are random, so that what is left over is in nobody's way.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

const PREFIX: &str = ".meshedflow-";
const SUFFIX: &str = ".tmp";
/// How often a room may be swept away between being made and being locked.
const ATTEMPTS: usize = 16;

/// A directory for unfinished files; it goes away with its value.
#[derive(Debug)]
pub(crate) struct Room {
    path: PathBuf,
    /// Holds the lock; `None` where the file system has none.
    _lock: Option<File>,
    files: u32,
}

impl Room {
    /// Makes a room in `folder`, and removes those that killed processes left there.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        sweep(folder)?;
        for _ in 0..ATTEMPTS {
            if let Some(room) = Self::make(folder)? {
                return Ok(room);
            }
        }
        Err(io::Error::new(ErrorKind::ResourceBusy, "other processes remove its temporary files"))
    }

    /// `None` if somebody swept it away before it was locked.
    fn make(folder: &Path) -> io::Result<Option<Self>> {
        let random = getrandom::u64().map_err(|e| io::Error::other(e.to_string()))?;
        let path = folder.join(format!("{PREFIX}{random:016x}{SUFFIX}"));
        private().create(&path)?;
        let lock = match lock(&path) {
            Lock::Taken(file) => Some(file),
            Lock::Unknown => None,
            Lock::Held => return Ok(None),
        };
        Ok(path.is_dir().then_some(Self { path, _lock: lock, files: 0 }))
    }

    /// A name for one more file.
    pub(crate) fn next(&mut self) -> PathBuf {
        self.files += 1;
        self.path.join(self.files.to_string())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // Nothing to tell anybody: what remains is swept next time.
        let _ = fs::remove_dir_all(&self.path);
    }
}

enum Lock {
    Taken(File),
    Held,
    /// It is gone, or there are no locks here.
    Unknown,
}

fn lock(path: &Path) -> Lock {
    let Ok(file) = File::open(path) else { return Lock::Unknown };
    match file.try_lock() {
        Ok(()) => Lock::Taken(file),
        Err(TryLockError::WouldBlock) => Lock::Held,
        Err(TryLockError::Error(_)) => Lock::Unknown,
    }
}

/// Removes the rooms in `folder` whose processes are gone.
fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|n| n.starts_with(PREFIX) && n.ends_with(SUFFIX));
        // Of a link this says that it is no directory.
        if ours
            && entry.file_type()?.is_dir()
            && let Lock::Taken(_held) = lock(&entry.path())
        {
            // Another process may be at it, too; and what may not be removed is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

fn private() -> DirBuilder {
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        builder
    }
    #[cfg(not(unix))]
    DirBuilder::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_room_in_use_is_left_alone_and_an_abandoned_one_removed() {
        let dir = TempDir::new();
        let mut used = Room::open(dir.path()).unwrap();
        let file = used.next();
        fs::write(&file, "half").unwrap();
        let left = dir.path().join(".meshedflow-0123456789abcdef.tmp");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("1"), "half").unwrap();
        let second = Room::open(dir.path()).unwrap();
        assert!(!left.exists());
        assert_eq!(fs::read(&file).unwrap(), b"half");
        drop((used, second));
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn what_only_looks_like_a_room_stays() {
        let dir = TempDir::new();
        fs::create_dir(dir.path().join(".meshedflow-notes")).unwrap();
        fs::write(dir.path().join(".meshedflow-epoch.tmp"), "a file").unwrap();
        fs::write(dir.path().join("film.tmp"), "a file").unwrap();
        let before = names(dir.path());
        drop(Room::open(dir.path()).unwrap());
        assert_eq!(names(dir.path()), before);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_by_the_name_of_a_room_is_not_followed() {
        let (dir, other) = (TempDir::new(), TempDir::new());
        fs::write(other.path().join("kept"), "").unwrap();
        std::os::unix::fs::symlink(other.path(), dir.path().join(".meshedflow-1.tmp")).unwrap();
        drop(Room::open(dir.path()).unwrap());
        assert!(other.path().join("kept").exists());
    }
}
