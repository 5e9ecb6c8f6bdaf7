//! Files of a directory, and of nothing else.
//!
//! Symbolic links are followed as long as they stay inside: whoever may put files into a directory that is signed or
//! served must not thereby publish what lies outside of it.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::OriginError;

/// How often a file may be replaced between being opened and being found again.
const ATTEMPTS: usize = 16;

/// Why a file was not opened.
#[derive(Debug)]
pub(crate) enum Refused {
    /// A link leads out of the directory.
    Outside,
    /// The operating system says so.
    Io(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Opens the regular file `relative` below `root`. Also returns where below `root` it is once all links are resolved.
pub(crate) fn open(root: &Path, relative: &Path) -> Result<(File, PathBuf), Refused> {
    let path = root.join(relative);
    let root = root.canonicalize()?;
    for _ in 0..ATTEMPTS {
        // Opening a pipe would wait for ever.
        if !fs::metadata(&path)?.is_file() {
            return Err(io::Error::other("it is no regular file").into());
        }
        // Opened first and looked for afterwards: a link turned round in between shows as another file.
        let file = File::open(&path)?;
        let real = path.canonicalize()?;
        let Ok(inside) = real.strip_prefix(&root) else { return Err(Refused::Outside) };
        if is_same(&file.metadata()?, &fs::symlink_metadata(&real)?) {
            return Ok((file, inside.to_path_buf()));
        }
    }
    Err(io::Error::new(ErrorKind::ResourceBusy, "it is replaced again and again").into())
}

/// Opens `relative` below `root`; an error says what was attempted.
pub(crate) fn open_for(attempt: &'static str, root: &Path, relative: &Path) -> Result<File, OriginError> {
    let path = root.join(relative);
    match open(root, relative) {
        Ok((file, _)) => Ok(file),
        Err(Refused::Io(error)) => Err(OriginError::io(attempt, path)(error)),
        Err(Refused::Outside) => Err(OriginError::Outside { path, root: root.to_path_buf() }),
    }
}

/// Reads all of `relative` below `root`.
pub(crate) fn read(attempt: &'static str, root: &Path, relative: &Path) -> Result<Vec<u8>, OriginError> {
    let mut bytes = Vec::new();
    let read = open_for(attempt, root, relative)?.read_to_end(&mut bytes);
    read.map_err(OriginError::io(attempt, root.join(relative)))?;
    Ok(bytes)
}

#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    (a.len(), a.created().ok()) == (b.len(), b.created().ok())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::testing::TempDir;
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn links_are_followed_inside_and_refused_outside() {
        let (dir, outer) = (TempDir::new(), TempDir::new());
        fs::write(outer.path().join("secret"), "secret").unwrap();
        fs::create_dir(dir.path().join("real")).unwrap();
        fs::write(dir.path().join("real/a"), "a").unwrap();
        symlink("real/a", dir.path().join("near")).unwrap();
        symlink(dir.path().join("real"), dir.path().join("folder")).unwrap();
        symlink(outer.path().join("secret"), dir.path().join("far")).unwrap();
        symlink(outer.path(), dir.path().join("out")).unwrap();
        symlink("../../..", dir.path().join("real/up")).unwrap();
        for good in ["real/a", "near", "folder/a"] {
            assert_eq!(open(dir.path(), Path::new(good)).unwrap().1, Path::new("real/a"), "{good}");
            assert_eq!(read("cannot read", dir.path(), Path::new(good)).unwrap(), b"a");
        }
        for bad in ["far", "out/secret", "real/up/etc/passwd"] {
            assert!(matches!(open(dir.path(), Path::new(bad)), Err(Refused::Outside)), "{bad}");
            let error = read("cannot read", dir.path(), Path::new(bad)).unwrap_err().to_string();
            assert!(error.contains(bad) && error.contains("leads out of"), "{error}");
        }
        // The directory itself may be reached by a link.
        let alias = outer.path().join("alias");
        symlink(dir.path(), &alias).unwrap();
        assert_eq!(read("cannot read", &alias, Path::new("near")).unwrap(), b"a");
        assert!(matches!(open(dir.path(), Path::new("real")), Err(Refused::Io(_))));
    }

    #[test]
    fn a_link_that_turns_round_never_lets_anything_out() {
        let (dir, outer) = (TempDir::new(), TempDir::new());
        fs::write(outer.path().join("f"), "secret").unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        fs::write(dir.path().join("in/f"), "public").unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (next, link) = (dir.path().join("next"), dir.path().join("link"));
                while !done.load(Ordering::Relaxed) {
                    for target in [outer.path(), Path::new("in")] {
                        symlink(target, &next).unwrap();
                        fs::rename(&next, &link).unwrap();
                    }
                }
            });
            for _ in 0..20_000 {
                if let Ok(bytes) = read("cannot read", dir.path(), Path::new("link/f")) {
                    assert_eq!(bytes, b"public");
                }
            }
            done.store(true, Ordering::Relaxed);
        });
    }
}
