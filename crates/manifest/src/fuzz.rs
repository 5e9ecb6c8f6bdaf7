//! What must hold for any bytes whatever, as functions that fuzz targets, property tests and the replay of
//! the corpora in `tests/fuzz` share. Each returns in silence or panics.

use crate::jwk::{KEY_LIMIT, KeySet, KeyState, KeyUse, PublicKey};
use crate::list::{Header, LIST_LIMIT_BYTES, RECORD_BYTES, SignedList};
use crate::rolling::{ROLLING_SEGMENT_LIMIT, Rolling};
use crate::verify::{Ed25519, verify};

/// Lists: whatever is read has the right shape, is written as the same bytes, and is not believed.
pub fn list(bytes: &[u8]) {
    if let Ok(list) = SignedList::parse(bytes) {
        assert!(bytes.len() <= LIST_LIMIT_BYTES);
        assert_eq!(list.encode(), bytes);
        assert_eq!(list.check(), Ok(()));
        assert_eq!(Header::parse(&list.header.encode()).as_ref(), Ok(&list.header));
        batches(&list);
        assert!(verify(list, &PublicKey::new([1; 32]), None, &mut Ed25519::default()).is_err());
    }
    // The same bytes as records behind a good header.
    let header = Header::parse(bytes.get(..GOOD_HEADER.len()).unwrap_or_default());
    let head = header.map_or_else(|_| GOOD_HEADER.to_vec(), |header| header.encode());
    if let Ok(list) = SignedList::extend_from_batch(None, Some(&head), 0, bytes, true, [0; 64]) {
        assert_eq!(list.records.len() * RECORD_BYTES, bytes.len());
        assert_eq!(SignedList::parse(&list.encode()), Ok(list));
    }
}

/// A list sent as a batch is the same list.
fn batches(list: &SignedList) {
    let head = list.header.encode();
    let mut records = Vec::new();
    list.records.iter().for_each(|record| record.encode_into(&mut records));
    let again = SignedList::extend_from_batch(None, Some(&head), 0, &records, list.closed, list.signature);
    assert_eq!(again.as_ref(), Ok(list));
}

/// Key sets: whatever is read is bounded, names each key once, and no use of it panics.
pub fn key_set(bytes: &[u8]) {
    let Ok(set) = KeySet::parse(bytes, None) else { return };
    assert!(set.keys().len() <= KEY_LIMIT);
    for (index, info) in set.keys().iter().enumerate() {
        let kid = info.key.kid();
        assert_eq!(PublicKey::new(*info.key.bytes()).kid(), kid);
        assert!(set.keys().iter().skip(index + 1).all(|other| other.key.kid() != kid));
        assert_eq!(set.is_revoked(&kid), info.state == KeyState::Revoked);
        let use_ = KeyUse { via_https: true, issued_at: 1_700_000_000, now_unix: 0 };
        if let Ok(key) = set.usable(&kid, "shows/demo", use_) {
            assert_eq!(key, info.key);
            assert!(matches!(info.state, KeyState::Active | KeyState::Retired));
        }
    }
    let floor = set.version().checked_add(1);
    assert!(floor.is_none_or(|floor| KeySet::parse(bytes, Some(floor)).is_err()));
    if let Ok(rooted) = KeySet::verify_root(bytes, None, &PublicKey::new([1; 32]), &mut Ed25519::default()) {
        assert_eq!(rooted, set);
    }
}

/// Rolling lists: whatever is read is bounded, and reads the same after it was written.
pub fn rolling(bytes: &[u8]) {
    let Ok(rolling) = Rolling::parse(bytes) else { return };
    assert!(rolling.segments.len() <= ROLLING_SEGMENT_LIMIT);
    assert_eq!(Rolling::parse(rolling.to_json().as_bytes()).as_ref(), Ok(&rolling));
    for entry in &rolling.segments {
        if let Ok(list) = entry.list.decode() {
            assert_eq!(crate::rolling::EncodedList::of(&list), entry.list);
        }
    }
}

/// A header with names of one byte each.
const GOOD_HEADER: &[u8] = b"meshedflow/fraglist/v1\0\
    kid-kid-\0\x01s\0\0\0\0\0\0\0\x01\0\x01r\x01\
    \0\0\0\0\0\0\0\x02\0\0\0\0resource-resource\0\0\0\0\0\0\0\
    init-digest-init-digest-init-dig\0\0\0\x01";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use proptest::prelude::*;

    use super::*;

    type Target = (&'static str, fn(&[u8]));
    const TARGETS: [Target; 3] = [("list", list), ("keyset", key_set), ("rolling", rolling)];

    fn corpus(target: &str) -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target);
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    #[test]
    fn corpora_replay() {
        for (target, run) in TARGETS {
            let files = corpus(target);
            assert!(files.len() >= 4, "corpus of {target} has {} files", files.len());
            files.iter().for_each(|file| run(&fs::read(file).unwrap()));
        }
    }

    #[test]
    fn the_good_header_is_one() {
        assert_eq!(Header::parse(GOOD_HEADER).unwrap().encode(), GOOD_HEADER);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            TARGETS.iter().for_each(|(_, run)| run(&bytes));
        }

        /// A seed with one byte changed, or its end cut off.
        #[test]
        fn damaged_seeds_are_survived(seed: prop::sample::Index, at: prop::sample::Index, with: u8, cut: bool) {
            for (target, run) in TARGETS {
                let files = corpus(target);
                let mut bytes = fs::read(&files[seed.index(files.len())]).unwrap();
                let at = at.index(bytes.len().max(1));
                if cut { bytes.truncate(at) } else if let Some(byte) = bytes.get_mut(at) { *byte = with }
                run(&bytes);
            }
        }
    }
}
