//! Salts: what makes election tickets impossible to grind.
//!
//! The salt of a stream in a minute is the first 16 bytes of HMAC-SHA-256 (RFC 2104) over the stream's name
//! and the minute, keyed by a secret that all edges of a cluster share. Viewers on different edges agree on
//! it without a word between the edges, and nobody can choose a peer id to suit a salt that is not out yet.

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use meshedflow_protocol::ids::ElectionSalt;
use meshedflow_protocol::signal::Salt;
use sha2::Sha256;

/// Milliseconds that one salt stays the current one.
pub const MINUTE_MS: u64 = 60_000;

/// How long the salt before stays valid beside the current one.
pub const PREVIOUS_VALID_MS: u64 = 30_000;

/// Makes salts from the cluster's secret.
#[derive(Clone)]
pub struct Salter {
    secret: [u8; 32],
}

impl fmt::Debug for Salter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salter(secret)")
    }
}

impl Salter {
    /// Keeps the secret. All edges of a cluster must be given the same 32 random bytes.
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// The salts of `stream` at `now_ms` (Unix milliseconds): this minute's, and during its first 30 s the one
    /// before.
    pub fn at(&self, stream: &str, now_ms: u64) -> Salt {
        let (minute, into_ms) = (now_ms / MINUTE_MS, now_ms % MINUTE_MS);
        let before = (into_ms < PREVIOUS_VALID_MS).then(|| minute.checked_sub(1)).flatten();
        Salt {
            current: self.salt(stream, minute),
            previous: before.map(|minute| self.salt(stream, minute)),
            valid_ms: u32::try_from(MINUTE_MS - into_ms).unwrap_or(0),
        }
    }

    fn salt(&self, stream: &str, minute: u64) -> ElectionSalt {
        let tag = self.tag(&[b"meshedflow/salt/v1\0", stream.as_bytes(), b"\0", &minute.to_be_bytes()]);
        let mut salt = [0; 16];
        salt.iter_mut().zip(tag).for_each(|(to, from)| *to = from);
        ElectionSalt(salt)
    }

    /// HMAC-SHA-256 over the parts. Every use starts with its own magic.
    fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        // HMAC takes a key of any length, so this cannot fail; an all-zero tag would only make tickets guessable.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.secret) else { return [0; 32] };
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }
}

/// Lower-case hex digits of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_sha256_is_rfc_4231() {
        // RFC 4231 test case 2 has a 4-byte key; HMAC pads keys with zeros, so 32 bytes with zeros are the same key.
        let mut secret = [0; 32];
        secret[..4].copy_from_slice(b"Jefe");
        let tag = Salter::new(secret).tag(&[b"what do ya want ", b"for nothing?"]);
        assert_eq!(hex(&tag), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_salt_lasts_a_minute_and_is_accepted_half_a_minute_longer() {
        let salter = Salter::new([7; 32]);
        let early = salter.at("demo", 120_000);
        let same = salter.at("demo", 179_999);
        let next = salter.at("demo", 180_000 + 29_999);
        let late = salter.at("demo", 180_000 + 30_000);
        assert_eq!(early.current, same.current);
        assert_eq!((early.valid_ms, same.valid_ms), (60_000, 1));
        assert_eq!(next.previous, Some(early.current));
        assert_ne!(next.current, early.current);
        assert_eq!((late.current, late.previous), (next.current, None));
    }

    #[test]
    fn streams_and_secrets_do_not_share_salts() {
        let at = |secret: u8, stream: &str| Salter::new([secret; 32]).at(stream, 0).current;
        assert_ne!(at(1, "a"), at(1, "b"));
        assert_ne!(at(1, "a"), at(2, "a"));
    }
}
