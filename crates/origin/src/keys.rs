//! The signing key: made, kept where only its owner can read it, and published as a key set.
//!
//! On disk a key is a private JWK (RFC 8037) in a file of mode 0600. A file that others can read is
//! refused: a leaked key forges media until it is revoked. Nothing here prints or logs key material.

use std::fs;
use std::path::Path;

use meshedflow_manifest::{PublicKey, Signer};

use crate::atomic::{self, Mode};
use crate::key_sets::{self, KeySetFile};
use crate::{OriginError, clock};

/// Makes a new key from the operating system's randomness.
pub fn generate() -> Result<Signer, OriginError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| OriginError::Random(e.to_string()))?;
    Ok(Signer::new(seed).created_at(clock::now_ms() / 1000))
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

/// What a file about keys can hold.
#[derive(Debug)]
pub enum KeyFile {
    /// A key that signs.
    Private(Signer),
    /// The public part of one, and when it was made (Unix seconds) if it says.
    Public(PublicKey, Option<u64>),
    /// A key set.
    Set(KeySetFile),
}

/// Reads whatever a file about keys holds.
pub fn open(path: &Path) -> Result<KeyFile, OriginError> {
    let bytes = fs::read(path).map_err(OriginError::io("cannot read key file", path))?;
    let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if json.get("keys").is_some() || json.get("keyset").is_some() {
        return key_sets::parse(path, bytes).map(KeyFile::Set);
    }
    if json.get("d").is_some() {
        return load(path).map(KeyFile::Private);
    }
    let is_ed25519 =
        json.get("kty").is_some_and(|v| v == "OKP") && json.get("crv").is_some_and(|v| v == "Ed25519");
    let x = json.get("x").and_then(|x| x.as_str()).filter(|_| is_ed25519);
    let key = x.and_then(PublicKey::from_base64url);
    let key = key.ok_or_else(|| refuse(path, "is neither a JWK with kty OKP and crv Ed25519 nor a key set; expected one of them, as `meshedflow keys` writes them"))?;
    Ok(KeyFile::Public(key, json.get("iat").and_then(serde_json::Value::as_u64)))
}

/// Reads a key from the text of an environment variable.
pub fn from_env(variable: &str, text: &str) -> Result<Signer, OriginError> {
    Signer::from_private_jwk(text)
        .map_err(|e| OriginError::Key { place: format!("in ${variable}"), reason: e.to_string() })
}

/// Refuses a key that was made later than it is now: what it signed would count for nobody.
pub fn check_clock(signer: &Signer, now_ms: u64) -> Result<(), OriginError> {
    match signer.created() {
        Some(at) if at > now_ms / 1000 => Err(OriginError::Key {
            place: format!("{signer:?}"),
            reason: format!(
                "was made at {}, and it is {} by this machine's clock; expected that clock to be right",
                clock::iso8601_s(at),
                clock::iso8601(now_ms)
            ),
        }),
        _ => Ok(()),
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
    fn a_key_says_when_it_was_made_and_signs_nothing_before() {
        let dir = TempDir::new();
        let path = dir.path().join("origin.key");
        let key = generate().unwrap();
        save(&path, &key).unwrap();
        let made = load(&path).unwrap().created().unwrap();
        assert_eq!(Some(made), key.created());
        assert!(check_clock(&key, made * 1000).is_ok());
        let error = check_clock(&key, made * 1000 - 1).unwrap_err().to_string();
        assert!(error.contains("was made at") && error.contains("clock"), "{error}");
        assert!(check_clock(&Signer::new([1; 32]), 0).is_ok(), "a key without a time");
    }

    #[test]
    fn what_is_no_private_key_is_named() {
        let key = generate().unwrap();
        let public =
            format!("{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"{}\"}}", key.public().to_base64url());
        for (text, words) in
            [(&*public, "is a public key"), ("{\"keys\":[]}", "is a key set"), ("hello", "JWK")]
        {
            let error = from_env("KEY", text).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("$KEY"), "{error}");
        }
    }
}
