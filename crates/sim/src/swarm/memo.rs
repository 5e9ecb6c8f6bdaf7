//! Signatures checked once for all: the answer to a question already asked is known.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use meshedflow_manifest::{Ed25519, SignatureCheck, sha256};

/// Answers kept at most; beyond, all are asked anew.
const LIMIT: usize = 1 << 16;

/// A check that remembers, shared by all viewers. The question is key, signed bytes and signature together, so a
/// forged list is as false as ever, and the answers do not depend on who asked first.
#[derive(Clone, Debug, Default)]
pub(super) struct Memo(Arc<Mutex<BTreeMap<[u8; 32], bool>>>);

impl SignatureCheck for Memo {
    fn check(&mut self, key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        let question = sha256(&[&key[..], &signature[..], message].concat());
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = known.get(&question) {
            return *answer;
        }
        if known.len() >= LIMIT {
            known.clear();
        }
        *known.entry(question).or_insert_with(|| Ed25519::default().check(key, message, signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meshedflow_manifest::{Header, Kind, Record, Signer, Text};

    #[test]
    fn what_was_signed_stays_true_and_what_was_forged_stays_false() {
        let signer = Signer::new([7; 32]);
        let header = Header {
            kid: signer.kid(),
            stream: Text::new("demo").unwrap(),
            epoch: 1,
            rendition: Text::new("v").unwrap(),
            kind: Kind::Cmaf,
            msn: 1,
            dsn: 0,
            resource: [0; 16],
            range_base: 0,
            init_digest: [0; 32],
            issued_at: 1,
        };
        let record = Record { offset: 0, length: 10, flags: 0, sha256: [1; 32] };
        let list = signer.sign_list(header, true, vec![record]);
        let (key, message) = (*signer.public().bytes(), list.signed_bytes());
        let mut memo = Memo::default();
        let mut forged = message.clone();
        forged[20] ^= 1;
        for _ in 0..2 {
            assert!(memo.check(&key, &message, &list.signature));
            assert!(!memo.check(&key, &forged, &list.signature));
            assert!(!memo.check(&key, &message, &[0; 64]));
        }
        assert_eq!(memo.0.lock().unwrap().len(), 3);
    }
}
