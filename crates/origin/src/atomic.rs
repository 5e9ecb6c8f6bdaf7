//! Files that appear whole or not at all.
//!
//! Everything is first written to temporary files beside the targets, flushed to disk, and only when all of
//! them exist are they renamed. A failure before that leaves every target untouched and no temporary file
//! behind. (Between two renames a crash can leave some targets new and some old; each single one is whole.)

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::OriginError;

/// A set of files to publish together.
#[derive(Debug, Default)]
pub struct Batch {
    staged: Vec<(PathBuf, PathBuf)>,
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As the process's umask says.
    Public,
    /// Its owner only (0600), from the first byte on.
    Private,
}

/// Publishes one file.
pub fn write(path: &Path, bytes: &[u8], mode: Mode) -> Result<(), OriginError> {
    let mut batch = Batch::default();
    batch.stage(path, bytes, mode)?;
    batch.publish()
}

impl Batch {
    /// Writes `bytes` to a temporary file in the target's directory, which is made if it is missing.
    pub fn stage(&mut self, path: &Path, bytes: &[u8], mode: Mode) -> Result<(), OriginError> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        fs::create_dir_all(folder).map_err(OriginError::io("cannot make directory", folder))?;
        let temporary = folder.join(temporary_name(path));
        self.staged.push((temporary.clone(), path.to_path_buf()));
        let mut file = create(&temporary, mode).map_err(OriginError::io("cannot create", &temporary))?;
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(OriginError::io("cannot write", &temporary))
    }

    /// How many files are staged.
    pub fn len(&self) -> usize {
        self.staged.len()
    }

    /// True while nothing is staged.
    pub fn is_empty(&self) -> bool {
        self.staged.is_empty()
    }

    /// Renames every staged file into place, in the order of staging.
    pub fn publish(mut self) -> Result<(), OriginError> {
        self.staged.reverse();
        while let Some((temporary, path)) = self.staged.last() {
            fs::rename(temporary, path).map_err(OriginError::io("cannot publish", path))?;
            self.staged.pop();
        }
        Ok(())
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        for (temporary, _) in &self.staged {
            // Nothing to tell anybody: the error that led here is already on its way.
            let _ = fs::remove_file(temporary);
        }
    }
}

fn create(path: &Path, mode: Mode) -> std::io::Result<File> {
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

fn temporary_name(path: &Path) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    format!(".{name}.{}-{}.tmp", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_batch_leaves_nothing_and_a_published_one_everything() {
        let dir = crate::testing::TempDir::new();
        let (a, b) = (dir.path().join("a"), dir.path().join("deep/b"));
        fs::write(&a, "old").unwrap();
        let mut batch = Batch::default();
        batch.stage(&a, b"new", Mode::Public).unwrap();
        drop(batch);
        assert_eq!(fs::read(&a).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);

        let mut batch = Batch::default();
        batch.stage(&a, b"new", Mode::Public).unwrap();
        batch.stage(&b, b"secret", Mode::Private).unwrap();
        assert_eq!(batch.len(), 2);
        batch.publish().unwrap();
        assert_eq!(fs::read(&a).unwrap(), b"new");
        assert_eq!(fs::read(&b).unwrap(), b"secret");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn private_files_are_0600() {
        use std::os::unix::fs::PermissionsExt;
        let dir = crate::testing::TempDir::new();
        let path = dir.path().join("key");
        write(&path, b"x", Mode::Private).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
