//! Epochs: numbers that never fall, so that what was signed before a restart is told from what comes after.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::OriginError;
use crate::atomic::{self, Mode};

#[derive(Serialize, Deserialize)]
struct State {
    last: u64,
}

/// Takes the next epoch: the wall clock in milliseconds, or one more than the last one taken if the clock
/// went backwards. The state file is written before the epoch is returned, so no crash can repeat it.
pub fn take(path: &Path, now_ms: u64) -> Result<u64, OriginError> {
    let epoch = next(path, now_ms)?;
    atomic::write(path, state_json(epoch).as_bytes(), Mode::Public)?;
    Ok(epoch)
}

/// The epoch that [`take`] would take. Whoever uses it must write [`state_json`] first.
pub fn next(path: &Path, now_ms: u64) -> Result<u64, OriginError> {
    Ok(last(path)?.map_or(now_ms, |last| now_ms.max(last.saturating_add(1))))
}

/// What the state file says once `epoch` is taken.
pub fn state_json(epoch: u64) -> String {
    format!("{{\"last\":{epoch}}}\n")
}

/// The last epoch taken, `None` when there is no state file yet.
pub fn last(path: &Path) -> Result<Option<u64>, OriginError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        // No file yet; its directory has to be there already.
        Err(e) if e.kind() == ErrorKind::NotFound => return atomic::folder_of(path).map(|_| None),
        Err(e) => return Err(OriginError::io("cannot read", path)(e)),
    };
    let state: State = serde_json::from_slice(&bytes).map_err(|e| OriginError::State {
        path: path.to_path_buf(),
        reason: format!("{e}; expected {{\"last\": <number>}} as this origin writes it"),
    })?;
    Ok(Some(state.last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn epochs_never_fall() {
        let dir = TempDir::new();
        let path = dir.path().join("epoch.json");
        assert_eq!(last(&path).unwrap(), None);
        assert_eq!(take(&path, 1000).unwrap(), 1000);
        assert_eq!(take(&path, 900).unwrap(), 1001);
        assert_eq!(take(&path, 1001).unwrap(), 1002);
        assert_eq!(take(&path, 5000).unwrap(), 5000);
        assert_eq!(last(&path).unwrap(), Some(5000));
    }

    #[test]
    fn a_mistyped_directory_is_named_and_not_made() {
        let dir = TempDir::new();
        let error = take(&dir.path().join("typo/epoch.json"), 1).unwrap_err().to_string();
        assert!(error.contains("there is no directory") && error.contains("typo"), "{error}");
        assert!(!dir.path().join("typo").exists());
    }

    #[test]
    fn a_broken_state_file_is_an_error_and_stays() {
        let dir = TempDir::new();
        let path = dir.path().join("epoch.json");
        fs::write(&path, "garbage").unwrap();
        let error = take(&path, 1).unwrap_err().to_string();
        assert!(error.contains("epoch.json") && error.contains("expected"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"garbage");
    }
}
