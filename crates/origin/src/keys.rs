//! The signing key: made, kept where only its owner can read it, and published as a key set.
//!
//! On disk a key is a private JWK (RFC 8037) in a file of mode 0600. A file that others can read is
//! refused: a leaked key forges media until it is revoked. Nothing here prints or logs key material.

use std::fs;
use std::path::Path;

use meshedflow_manifest::{KeyEntry, KeySetDocument, KeyState, Signer};

use crate::OriginError;
use crate::atomic::{self, Mode};

/// How long a published key set counts without being refreshed, in seconds.
pub const KEY_SET_LIFETIME_S: u64 = 24 * 3600;
/// How long a key published by [`key_set`] may sign, in seconds.
pub const KEY_LIFETIME_S: u64 = 90 * 24 * 3600;

/// Makes a new key from the operating system's randomness.
pub fn generate() -> Result<Signer, OriginError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| OriginError::Random(e.to_string()))?;
    Ok(Signer::new(seed))
}

/// Writes a key to a new file of mode 0600. An existing file is never replaced.
pub fn save(path: &Path, signer: &Signer) -> Result<(), OriginError> {
    if path.exists() {
        return Err(refuse(
            path,
            "the file exists already; expected a new file name, keys are never overwritten",
        ));
    }
    atomic::write(path, format!("{}\n", signer.to_private_jwk()).as_bytes(), Mode::Private)
}

/// Reads a key file. Refuses one that anybody but its owner can read.
pub fn load(path: &Path) -> Result<Signer, OriginError> {
    let metadata = fs::metadata(path).map_err(OriginError::io("cannot read signing key", path))?;
    check_mode(path, &metadata)?;
    let text = fs::read_to_string(path).map_err(OriginError::io("cannot read signing key", path))?;
    Signer::from_private_jwk(&text).map_err(|e| refuse(path, &e.to_string()))
}

/// Reads a key from the text of an environment variable.
pub fn from_env(variable: &str, text: &str) -> Result<Signer, OriginError> {
    Signer::from_private_jwk(text)
        .map_err(|e| OriginError::Key { place: format!("in ${variable}"), reason: e.to_string() })
}

/// A key set with this one key, active for `streams` (names, or one trailing `*` after a `/`). Nobody knows here since
/// when the key signs: a film that it signed at any time before counts.
pub fn key_set(signer: &Signer, streams: &[String], now_unix_s: u64, min_epoch: u64) -> KeySetDocument {
    let (nbf, exp) = (0, now_unix_s + KEY_LIFETIME_S);
    KeySetDocument {
        // Seconds since 1970 rise without a state file and stay below 2^32 until 2106.
        version: u32::try_from(now_unix_s).unwrap_or(u32::MAX),
        expires: now_unix_s + KEY_SET_LIFETIME_S,
        min_epoch,
        keys: vec![KeyEntry::new(signer.public(), KeyState::Active, nbf, exp, streams.to_vec())],
    }
}

#[cfg(unix)]
fn check_mode(path: &Path, metadata: &fs::Metadata) -> Result<(), OriginError> {
    use std::os::unix::fs::PermissionsExt;
    match metadata.permissions().mode() & 0o777 {
        mode if mode & 0o077 == 0 => Ok(()),
        mode => Err(refuse(path, &format!("mode is {mode:04o}; expected 0600, readable by its owner only"))),
    }
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &fs::Metadata) -> Result<(), OriginError> {
    Ok(())
}

fn refuse(path: &Path, reason: &str) -> OriginError {
    OriginError::Key { place: path.display().to_string(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;
    use meshedflow_manifest::{KeySet, KeyUse};

    #[test]
    fn a_saved_key_comes_back_and_is_never_overwritten() {
        let dir = TempDir::new();
        let path = dir.path().join("origin.key");
        let key = generate().unwrap();
        save(&path, &key).unwrap();
        assert_eq!(load(&path).unwrap().kid(), key.kid());
        assert!(save(&path, &generate().unwrap()).unwrap_err().to_string().contains("never overwritten"));
        assert_eq!(load(&path).unwrap().kid(), key.kid());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = TempDir::new();
        let path = dir.path().join("origin.key");
        save(&path, &generate().unwrap()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = load(&path).unwrap_err().to_string();
        assert!(error.contains("0640") && error.contains("expected 0600"), "{error}");
    }

    #[test]
    fn errors_do_not_repeat_the_key() {
        let text = generate().unwrap().to_private_jwk().replace("Ed25519", "Ed448");
        let error = from_env("KEY", &text).unwrap_err().to_string();
        let secret = text.split("\"d\":\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(!error.contains(secret), "{error}");
    }

    #[test]
    fn the_published_set_lets_a_viewer_use_the_key() {
        let key = generate().unwrap();
        let json = key_set(&key, &["demo".into()], 1_800_000_000, 3).to_json();
        let set = KeySet::parse(json.as_bytes(), None).unwrap();
        let use_ = KeyUse { via_https: true, issued_at: 1_800_000_000, now_unix: 1_800_000_001 };
        assert_eq!(set.usable(&key.kid(), "demo", use_).unwrap().bytes(), key.public().bytes());
        assert!(set.usable(&key.kid(), "other", use_).is_err());
        // Signed a year before the server that publishes the key was started.
        let film = KeyUse { issued_at: 1_768_000_000, ..use_ };
        assert!(set.usable(&key.kid(), "demo", film).is_ok());
        assert_eq!(set.min_epoch(), 3);
    }
}
