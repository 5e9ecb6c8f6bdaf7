//! Key sets as files: what one named stays, what is told changes, and nothing is written that a viewer would refuse.
//!
//! A set counts until it expires; then viewers fetch everything over plain HTTP until a fresh one is published. That of a
//! film is made to last ([`FILM_SET_S`]) and renewed by hand or by a timer; a server that signs a live stream makes its
//! own anew with every answer ([`LIVE_SET_S`]).

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use meshedflow_manifest::{
    Ed25519, KeyEntry, KeyInfo, KeySet, KeySetDocument, KeyState, KeyUse, PublicKey, Signer, StreamPattern,
};

use crate::OriginError;

/// How long the key set of a film counts, in seconds: a year.
pub const FILM_SET_S: u64 = 365 * 24 * 3600;
/// How long a key set counts that a server makes anew with every answer, in seconds: a day.
pub const LIVE_SET_S: u64 = 24 * 3600;

/// A key, as whoever publishes a set names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// Its public part, and since when it signs (Unix seconds) if that is known.
    Key {
        /// The public part.
        key: PublicKey,
        /// From when lists that it signed count.
        since: Option<u64>,
    },
    /// The kid of a key that the set names already.
    Kid([u8; 8]),
}

impl Named {
    /// The public part of a signer.
    pub fn of(signer: &Signer) -> Self {
        Self::Key { key: signer.public(), since: signer.created() }
    }

    /// Its kid.
    pub fn kid(&self) -> [u8; 8] {
        match self {
            Self::Key { key, .. } => key.kid(),
            Self::Kid(kid) => *kid,
        }
    }
}

/// What is to be different from the set before, or new.
#[derive(Debug, Default)]
pub struct Changes<'a> {
    /// Keys and the state that each has from now on. All others stay what they were.
    pub keys: Vec<(Named, KeyState)>,
    /// Keys that are named no more. One that is in `keys` as well begins anew.
    pub dropped: Vec<[u8; 8]>,
    /// Streams that the active and next keys of `keys` may sign, beside those that the set names for them. A new key gets
    /// those of the active keys if there are none here.
    pub streams: Vec<String>,
    /// No lower epoch counts; `None`: as before.
    pub min_epoch: Option<u64>,
    /// Seconds from now until the set expires.
    pub valid_s: u64,
    /// Who signs the set.
    pub root: Option<&'a Signer>,
}

/// A set to be written.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its text.
    pub json: String,
    /// The same as viewers read it.
    pub set: KeySet,
    /// What the publisher should know, a line each.
    pub notes: Vec<String>,
}

/// A set that is there already.
#[derive(Clone, Debug)]
pub struct KeySetFile {
    /// As viewers read it.
    pub set: KeySet,
    /// A root signed it.
    pub signed: bool,
    /// Keys in it that are of another kind than Ed25519, which viewers skip.
    pub skipped: usize,
    json: Vec<u8>,
}

/// Reads a key set file; `None` if there is no such file.
pub fn read(path: &Path) -> Result<Option<KeySetFile>, OriginError> {
    match fs::read(path) {
        Ok(json) => parse(path, json).map(Some),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(OriginError::io("cannot read key set", path)(e)),
    }
}

/// Reads the text of a key set; `path` is where it came from.
pub fn parse(path: &Path, json: Vec<u8>) -> Result<KeySetFile, OriginError> {
    let set = KeySet::parse(&json, None).map_err(|e| refuse(path, format!("{e}; expected a key set")))?;
    let document: serde_json::Value = serde_json::from_slice(&json).unwrap_or_default();
    let inner = document.get("keyset");
    let keys = inner.unwrap_or(&document).get("keys").and_then(|k| k.as_array()).map_or(0, Vec::len);
    Ok(KeySetFile { signed: inner.is_some(), skipped: keys.saturating_sub(set.keys().len()), set, json })
}

/// The set that follows the one at `path`, or the first one. Writes nothing.
pub fn change(path: &Path, changes: &Changes<'_>, now_unix_s: u64) -> Result<Published, OriginError> {
    follow(path, read(path)?, changes, now_unix_s)
}

/// The set that follows `old`, which is or would be at `path`.
pub fn follow(
    path: &Path,
    old: Option<KeySetFile>,
    changes: &Changes<'_>,
    now_unix_s: u64,
) -> Result<Published, OriginError> {
    let mut change = Change {
        path,
        changes,
        now: now_unix_s,
        expires: now_unix_s.saturating_add(changes.valid_s),
        keys: old.as_ref().map(|old| old.set.keys().to_vec()).unwrap_or_default(),
        notes: Vec::new(),
    };
    if let Some(old) = &old {
        change.check_old(old)?;
    }
    change.drop_keys()?;
    change.apply_keys(old.as_ref())?;
    change.publish(old.as_ref())
}

/// Does a key set that somebody else has to renew let this key sign the stream now?
pub fn lets_sign(file: &KeySetFile, key: &PublicKey, stream: &str, now_unix_s: u64) -> Result<(), String> {
    let issued_at = u32::try_from(now_unix_s).unwrap_or(u32::MAX);
    let use_ = KeyUse { via_https: false, issued_at, now_unix: now_unix_s };
    file.set.usable(&key.kid(), stream, use_).map(|_| ()).map_err(|why| why.to_string())
}

/// The set of a server that makes it anew with every answer, with this one key.
pub fn live_set(signer: &Signer, streams: &[String], now_unix_s: u64, min_epoch: u64) -> KeySetDocument {
    let (nbf, expires) = (signer.created().unwrap_or(0), now_unix_s.saturating_add(LIVE_SET_S));
    KeySetDocument {
        version: version_at(now_unix_s),
        expires,
        min_epoch,
        keys: vec![KeyEntry::new(signer.public(), KeyState::Active, nbf, expires, streams.to_vec())],
    }
}

/// Seconds since 1970 rise without a state file and stay below 2^32 until 2106.
fn version_at(unix_s: u64) -> u32 {
    u32::try_from(unix_s).unwrap_or(u32::MAX)
}

/// One set on its way to the next.
struct Change<'a> {
    path: &'a Path,
    changes: &'a Changes<'a>,
    now: u64,
    expires: u64,
    keys: Vec<KeyInfo>,
    notes: Vec<String>,
}

impl Change<'_> {
    /// Is there anything in the old set that a new one cannot follow?
    fn check_old(&mut self, old: &KeySetFile) -> Result<(), OriginError> {
        match (old.signed, self.changes.root) {
            (true, None) => {
                return Err(
                    self.refuse("is signed by a root key; expected that root to sign the next one too")
                );
            }
            (true, Some(root)) => {
                let check = KeySet::verify_root(&old.json, None, &root.public(), &mut Ed25519::default());
                if check.is_err() {
                    let note = "another root signed the set before: viewers that pinned that one take no keys from this set";
                    self.notes.push(note.to_owned());
                }
            }
            (false, _) => {}
        }
        if let Some(key) = old.set.keys().iter().find(|info| info.state == KeyState::Other) {
            let kid = hex(&key.key.kid());
            return Err(self.refuse(format!("key {kid} is in a state that this version does not know; expected active, next, retired or revoked")));
        }
        if let Some(epoch) = self.changes.min_epoch.filter(|epoch| *epoch < old.set.min_epoch()) {
            let before = old.set.min_epoch();
            return Err(self.refuse(format!(
                "lowest epoch {epoch} is below the {before} of the set before; expected that or higher"
            )));
        }
        if old.skipped > 0 {
            self.notes.push(format!("dropped: {} of another kind than Ed25519", old.skipped));
        }
        Ok(())
    }

    fn drop_keys(&mut self) -> Result<(), OriginError> {
        for kid in &self.changes.dropped {
            let at = self.keys.iter().position(|info| info.key.kid() == *kid);
            let Some(at) = at else { return Err(self.absent(kid)) };
            let info = self.keys.remove(at);
            self.notes.push(format!("dropped: {} key {}", info.state.name(), hex(kid)));
        }
        Ok(())
    }

    fn apply_keys(&mut self, old: Option<&KeySetFile>) -> Result<(), OriginError> {
        let inherited = self.streams_of_active();
        let mut seen: Vec<[u8; 8]> = Vec::new();
        for (named, state) in &self.changes.keys {
            let kid = named.kid();
            if seen.contains(&kid) {
                return Err(self.refuse(format!("key {} is named twice; expected one state", hex(&kid))));
            }
            seen.push(kid);
            if *state != KeyState::Revoked && old.is_some_and(|old| old.set.is_revoked(&kid)) {
                return Err(self
                    .refuse(format!("key {} is revoked, which stays so; expected another key", hex(&kid))));
            }
            match self.keys.iter().position(|info| info.key.kid() == kid) {
                Some(at) => self.change_key(at, *state)?,
                None => self.add_key(named, *state, &inherited)?,
            }
        }
        Ok(())
    }

    fn change_key(&mut self, at: usize, state: KeyState) -> Result<(), OriginError> {
        let more = if signs(state) { self.patterns()? } else { Vec::new() };
        let (now, expires) = (self.now, self.expires);
        let Some(info) = self.keys.get_mut(at) else { return Ok(()) };
        for pattern in more {
            if !info.streams.contains(&pattern) {
                info.streams.push(pattern);
            }
        }
        info.exp = match state {
            // What it signs from now on does not count.
            KeyState::Retired if info.state != KeyState::Retired => info.exp.min(now),
            // It may have been retired before.
            KeyState::Active | KeyState::Next => info.exp.max(expires),
            _ => info.exp,
        };
        info.state = state;
        Ok(())
    }

    fn add_key(
        &mut self,
        named: &Named,
        state: KeyState,
        inherited: &[StreamPattern],
    ) -> Result<(), OriginError> {
        let Named::Key { key, since } = *named else { return Err(self.absent(&named.kid())) };
        let given = self.patterns()?;
        let streams = if given.is_empty() { inherited.to_vec() } else { given };
        if streams.is_empty() && state != KeyState::Revoked {
            return Err(self.refuse(format!("no stream for key {}; expected at least one", hex(&key.kid()))));
        }
        let exp = if signs(state) { self.expires } else { self.now };
        self.keys.push(KeyInfo { key, state, nbf: since.unwrap_or(0), exp, streams });
        Ok(())
    }

    fn patterns(&self) -> Result<Vec<StreamPattern>, OriginError> {
        let parse = |text: &String| StreamPattern::parse(text).map_err(|e| self.refuse(e.to_string()));
        self.changes.streams.iter().map(parse).collect()
    }

    fn streams_of_active(&self) -> Vec<StreamPattern> {
        let mut all: Vec<StreamPattern> = Vec::new();
        for pattern in self.keys.iter().filter(|k| k.state == KeyState::Active).flat_map(|k| &k.streams) {
            if !all.contains(pattern) {
                all.push(pattern.clone());
            }
        }
        all
    }

    fn publish(mut self, old: Option<&KeySetFile>) -> Result<Published, OriginError> {
        if self.keys.is_empty() {
            return Err(self.refuse("would name no key; expected at least one"));
        }
        if !self.keys.iter().any(|info| info.state == KeyState::Active) {
            self.notes.push("no key is active: nothing that is signed now counts".to_owned());
        }
        let floor = old.map(|old| old.set.version());
        let version =
            floor.map_or(Some(0), |v| v.checked_add(1)).map(|least| least.max(version_at(self.now)));
        let Some(version) = version else {
            return Err(self.refuse("has the highest version there is; expected a lower one"));
        };
        let document = KeySetDocument {
            version,
            expires: self.expires,
            min_epoch: self.changes.min_epoch.or_else(|| old.map(|old| old.set.min_epoch())).unwrap_or(0),
            keys: self.keys.iter().map(|info| self.entry(info)).collect(),
        };
        let json = self.changes.root.map_or_else(|| document.to_json(), |root| document.to_signed_json(root));
        let read = match self.changes.root {
            None => KeySet::parse(json.as_bytes(), floor),
            Some(root) => {
                KeySet::verify_root(json.as_bytes(), floor, &root.public(), &mut Ed25519::default())
            }
        };
        let set = read.map_err(|why| self.refuse(format!("viewers would refuse the next set: {why}")))?;
        Ok(Published { json: format!("{json}\n"), set, notes: self.notes })
    }

    /// Keys that sign do so for as long as the set counts.
    fn entry(&self, info: &KeyInfo) -> KeyEntry {
        let exp = if signs(info.state) { info.exp.max(self.expires) } else { info.exp };
        let streams = info.streams.iter().map(ToString::to_string).collect();
        KeyEntry::new(info.key, info.state, info.nbf, exp, streams)
    }

    fn absent(&self, kid: &[u8; 8]) -> OriginError {
        let known: Vec<String> = self.keys.iter().map(|info| hex(&info.key.kid())).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        self.refuse(format!(
            "has no key {}; expected the public part of a new key, or one of those that it names: {known}",
            hex(kid)
        ))
    }

    fn refuse(&self, reason: impl Into<String>) -> OriginError {
        refuse(self.path, reason)
    }
}

fn signs(state: KeyState) -> bool {
    matches!(state, KeyState::Active | KeyState::Next)
}

/// A kid as key sets spell it.
pub fn hex(kid: &[u8; 8]) -> String {
    kid.iter().map(|b| format!("{b:02x}")).collect()
}

fn refuse(path: &Path, reason: impl Into<String>) -> OriginError {
    OriginError::KeySet { path: PathBuf::from(path), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    const NOW: u64 = 1_800_000_000;
    const DAY: u64 = 24 * 3600;

    fn key(n: u8) -> Signer {
        Signer::new([n; 32]).created_at(NOW - DAY * u64::from(n))
    }

    fn changes(keys: &[(&Signer, KeyState)]) -> Changes<'static> {
        let keys = keys.iter().map(|(signer, state)| (Named::of(signer), *state)).collect();
        Changes { keys, streams: vec!["films/*".into()], valid_s: FILM_SET_S, ..Changes::default() }
    }

    /// Publishes, and says what a viewer then reads.
    fn next(dir: &TempDir, changes: &Changes<'_>, now: u64) -> KeySet {
        let path = dir.path().join("keys.json");
        let published = change(&path, changes, now).unwrap();
        fs::write(&path, &published.json).unwrap();
        let read = KeySet::parse(published.json.as_bytes(), None).unwrap();
        assert_eq!(read, published.set);
        read
    }

    fn refused(dir: &TempDir, changes: &Changes<'_>, words: &[&str]) {
        let path = dir.path().join("keys.json");
        let before = fs::read(&path).ok();
        let error = change(&path, changes, NOW).unwrap_err().to_string();
        words.iter().for_each(|word| assert!(error.contains(word), "{word}: {error}"));
        assert!(error.contains("keys.json"), "{error}");
        assert_eq!(fs::read(&path).ok(), before);
    }

    fn states(set: &KeySet) -> Vec<([u8; 8], KeyState)> {
        set.keys().iter().map(|info| (info.key.kid(), info.state)).collect()
    }

    fn usable(set: &KeySet, signer: &Signer, issued: u64, now: u64) -> bool {
        let use_ = KeyUse { via_https: true, issued_at: issued as u32, now_unix: now };
        set.usable(&signer.kid(), "films/one", use_).is_ok()
    }

    #[test]
    fn a_films_set_counts_for_a_year_and_its_key_from_the_day_it_was_made() {
        let (dir, one) = (TempDir::new(), key(1));
        let set = next(&dir, &changes(&[(&one, KeyState::Active)]), NOW);
        assert_eq!((set.expires(), set.version()), (NOW + FILM_SET_S, NOW as u32));
        assert!(usable(&set, &one, NOW, NOW + FILM_SET_S));
        assert!(!usable(&set, &one, NOW, NOW + FILM_SET_S + 1));
        assert!(usable(&set, &one, NOW - DAY, NOW) && !usable(&set, &one, NOW - DAY - 1, NOW));
        // A key that does not say when it was made may have signed at any time.
        let undated = Signer::new([9; 32]);
        let set = next(&dir, &changes(&[(&undated, KeyState::Active)]), NOW);
        assert!(usable(&set, &undated, 0, NOW));
    }

    #[test]
    fn a_key_is_published_ahead_takes_over_and_the_old_one_retires() {
        let (dir, one, two) = (TempDir::new(), key(1), key(2));
        next(&dir, &changes(&[(&one, KeyState::Active)]), NOW);
        let untold = Changes { streams: Vec::new(), ..changes(&[(&two, KeyState::Next)]) };
        let set = next(&dir, &untold, NOW + 1);
        assert_eq!(states(&set), [(one.kid(), KeyState::Active), (two.kid(), KeyState::Next)]);
        assert!(usable(&set, &one, NOW, NOW) && !usable(&set, &two, NOW, NOW));
        let swap = [(&two, KeyState::Active), (&one, KeyState::Retired)];
        let set = next(&dir, &Changes { streams: Vec::new(), ..changes(&swap) }, NOW + 10);
        assert!(usable(&set, &two, NOW + 20, NOW + 20), "for the streams of the key before it");
        assert!(usable(&set, &one, NOW + 10, NOW + 20) && !usable(&set, &one, NOW + 11, NOW + 20));
        // Renewing changes nothing else.
        let renew = Changes { valid_s: FILM_SET_S, ..Changes::default() };
        let renewed = next(&dir, &renew, NOW + 100);
        assert_eq!(states(&renewed), states(&set));
        assert!(usable(&renewed, &two, NOW + FILM_SET_S + 50, NOW + FILM_SET_S + 50));
        assert!(!usable(&renewed, &one, NOW + 11, NOW + 100), "retired it stays");
    }

    #[test]
    fn the_version_rises_even_if_the_clock_went_back() {
        let (dir, one) = (TempDir::new(), key(1));
        let first = next(&dir, &changes(&[(&one, KeyState::Active)]), NOW);
        let second = next(&dir, &changes(&[(&one, KeyState::Active)]), NOW - DAY);
        assert_eq!(second.version(), first.version() + 1);
    }

    #[test]
    fn revoked_is_revoked() {
        let (dir, one, two) = (TempDir::new(), key(1), key(2));
        next(&dir, &changes(&[(&one, KeyState::Active), (&two, KeyState::Active)]), NOW);
        let by_kid = Changes { keys: vec![(Named::Kid(one.kid()), KeyState::Revoked)], ..changes(&[]) };
        let set = next(&dir, &by_kid, NOW + 1);
        assert!(set.is_revoked(&one.kid()) && !set.is_revoked(&two.kid()));
        for state in [KeyState::Active, KeyState::Next, KeyState::Retired] {
            let back = changes(&[(&one, state)]);
            refused(&dir, &back, &["is revoked"]);
            refused(&dir, &Changes { dropped: vec![one.kid()], ..back }, &["is revoked"]);
        }
        // A stranger's key can be revoked as well, by its public part.
        let set =
            next(&dir, &Changes { streams: Vec::new(), ..changes(&[(&key(7), KeyState::Revoked)]) }, NOW);
        assert!(set.is_revoked(&key(7).kid()));
    }

    #[test]
    fn streams_are_added_and_a_key_that_is_dropped_begins_anew() {
        let (dir, one) = (TempDir::new(), key(1));
        next(&dir, &changes(&[(&one, KeyState::Active)]), NOW);
        let more = Changes { streams: vec!["live".into()], ..changes(&[(&one, KeyState::Active)]) };
        let names = |set: &KeySet| set.keys()[0].streams.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(&next(&dir, &more, NOW)), ["films/*", "live"]);
        assert_eq!(names(&next(&dir, &Changes { dropped: vec![one.kid()], ..more }, NOW)), ["live"]);
    }

    #[test]
    fn a_root_signs_and_whoever_follows_has_to_as_well() {
        let (dir, root, one) = (TempDir::new(), key(5), key(1));
        let signed = Changes { root: Some(&root), ..changes(&[(&one, KeyState::Active)]) };
        let path = dir.path().join("keys.json");
        next(&dir, &signed, NOW);
        let by = |root: &Signer| {
            let json = fs::read(&path).unwrap();
            KeySet::verify_root(&json, None, &root.public(), &mut Ed25519::default()).is_ok()
        };
        assert!(by(&root) && !by(&one));
        assert!(read(&path).unwrap().unwrap().signed);
        refused(&dir, &changes(&[(&one, KeyState::Active)]), &["signed by a root key"]);
        let other = key(6);
        let notes = change(&path, &Changes { root: Some(&other), ..changes(&[]) }, NOW).unwrap().notes;
        assert!(notes.iter().any(|note| note.contains("another root")), "{notes:?}");
    }

    #[test]
    fn what_viewers_would_refuse_is_not_written() {
        let (dir, one) = (TempDir::new(), key(1));
        refused(&dir, &changes(&[]), &["no key"]);
        let bad = Changes { streams: vec!["a b".into()], ..changes(&[(&one, KeyState::Active)]) };
        refused(&dir, &bad, &["stream", "a b"]);
        let none = Changes { streams: Vec::new(), ..changes(&[(&one, KeyState::Active)]) };
        refused(&dir, &none, &["no stream for key"]);
        refused(&dir, &changes(&[(&one, KeyState::Active), (&one, KeyState::Next)]), &["named twice"]);
        let many: Vec<Signer> = (0..33).map(|n| Signer::new([n; 32])).collect();
        let many: Vec<_> = many.iter().map(|signer| (signer, KeyState::Active)).collect();
        refused(&dir, &changes(&many), &["33 keys", "at most 32"]);
        let streams = (0..65).map(|n| format!("s{n}")).collect();
        refused(&dir, &Changes { streams, ..changes(&[(&one, KeyState::Active)]) }, &["65 streams"]);
        next(&dir, &Changes { min_epoch: Some(7), ..changes(&[(&one, KeyState::Active)]) }, NOW);
        refused(&dir, &Changes { min_epoch: Some(6), ..changes(&[]) }, &["lowest epoch 6", "the 7"]);
        let unknown = Changes { keys: vec![(Named::Kid([1; 8]), KeyState::Revoked)], ..changes(&[]) };
        refused(&dir, &unknown, &["0101010101010101", &hex(&one.kid())]);
        refused(&dir, &Changes { dropped: vec![[1; 8]], ..changes(&[]) }, &["0101010101010101"]);
        fs::write(dir.path().join("keys.json"), "hello").unwrap();
        refused(&dir, &changes(&[(&one, KeyState::Active)]), &["expected a key set"]);
    }

    #[test]
    fn keys_of_another_kind_do_not_vanish_in_silence() {
        let (dir, one) = (TempDir::new(), key(1));
        next(&dir, &changes(&[(&one, KeyState::Active)]), NOW);
        let path = dir.path().join("keys.json");
        let json = fs::read_to_string(&path).unwrap();
        fs::write(&path, json.replace("\"keys\":[", "\"keys\":[{\"kty\":\"RSA\"},")).unwrap();
        let notes = change(&path, &changes(&[]), NOW).unwrap().notes;
        assert_eq!(notes, ["dropped: 1 of another kind than Ed25519"]);
    }
}
