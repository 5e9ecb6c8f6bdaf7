//! A signer that is killed at any moment starts again, and leaves nothing of the run that died.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that cannot help ends the test")]

mod support;

use std::path::{Path, PathBuf};

use meshedflow_manifest::{Rolling, SignedList, sha256};
use support::{TempDir, command, copy, media, run, tree};

/// Files that are not finished.
fn unfinished(root: &Path) -> Vec<PathBuf> {
    let names = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
    let folders = ["", "v360", "v216", "a64"].into_iter().flat_map(|name| names(root.join(name)));
    let rooms = folders.filter(|path| path.extension().is_some_and(|e| e == "tmp"));
    rooms.flat_map(names).collect()
}

/// Starts a signer and kills it once it has written so many files. True if it left any.
fn killed(args: &[&str], root: &Path, files: usize) -> bool {
    let mut child = command(args).stdout(std::process::Stdio::null()).spawn().unwrap();
    while unfinished(root).len() < files && child.try_wait().unwrap().is_none() {}
    child.kill().unwrap();
    child.wait().unwrap();
    !unfinished(root).is_empty()
}

/// Every list of the directory is of one epoch and says what the media are.
fn whole(root: &Path) {
    let mut epochs = std::collections::BTreeSet::new();
    for rendition in ["v360", "v216", "a64"] {
        let folder = root.join(rendition);
        let index = Rolling::parse(&std::fs::read(folder.join("index.mfi.json")).unwrap()).unwrap();
        epochs.insert(index.epochs[0].epoch);
        assert_eq!(index.segments.len(), 6);
        for entry in &index.segments {
            let list = SignedList::parse(&std::fs::read(folder.join(format!("{}.mfi", entry.uri))).unwrap());
            let (list, bytes) = (list.unwrap(), std::fs::read(folder.join(&entry.uri)).unwrap());
            assert_eq!(list, entry.list.decode().unwrap());
            let first = &list.records[0];
            assert_eq!(sha256(&bytes[..first.length as usize]), first.sha256);
        }
    }
    assert_eq!(epochs.len(), 1);
}

#[test]
fn a_killed_signer_starts_again_and_clears_up() {
    let dir = TempDir::new("killed");
    let vod = dir.path().join("vod");
    copy(&media(), &vod);
    let (path, key) = (dir.file("vod"), dir.file("origin.key"));
    assert!(run(&["keys", "generate", &key]).status.success());
    let args = ["origin", "sign", &path, "--stream", "film", "--key", &key];
    assert!(run(&args).status.success());
    let files = tree(&vod).len();
    for point in [1, 2, 7, 12, 18, 22] {
        // A signer that was done before it was killed tells nothing.
        assert!((0..50).any(|_| killed(&args, &vod, point)), "killed after {point} files");
        let again = run(&args);
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
        whole(&vod);
        assert_eq!(tree(&vod).len(), files, "nothing is left over");
    }
}
