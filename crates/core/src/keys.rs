//! Whose signatures count: pins of the page, or key sets read over HTTPS from trusted origins. Never a key
//! from a peer, an edge, or a list.
//!
//! A key set speaks for the lanes of its own origin and, where the page lists that origin in `trustedKeyOrigins`, for
//! all. For any other lane it is not there: it names no key, raises no floor, revokes nothing. Where keys are pinned
//! they are all there are, unless a pinned root signed the set; one that no root signed then only takes away, by
//! revoking keys and by raising the lowest epoch.

use crate::sorted::{SortedMap, SortedSet};

use meshedflow_manifest::{KeyRefusal, KeySet, KeySetError, KeyUse, PublicKey};

use crate::config::Options;
use crate::http::{JobKind, failure_text};
use crate::input::{HttpFailure, LaneNo};
use crate::lanes::LANE_LIMIT;
use crate::mesh::Mesh;
use crate::output::Purpose;
use crate::segment::{SegKey, Segment};
use crate::time::{Duration, Time, Wakeup};
use crate::url::host_of;

/// Pins and key sets.
#[derive(Debug, Default)]
pub(crate) struct KeyRing {
    /// The page pins keys; those that can be read are in `pins`.
    pinned: bool,
    pins: Vec<PublicKey>,
    /// The page pins a root; nothing inside if it cannot be read.
    root: Option<Option<PublicKey>>,
    /// Origins whose set counts for every lane.
    trusted: Vec<String>,
    sets: SortedMap<String, KeySource>,
}

/// The key set of one origin.
#[derive(Debug, Default)]
struct KeySource {
    set: Option<KeySet>,
    /// Highest `min_epoch` of this session.
    floor: u64,
    /// Keys that it revoked in this session: a later set cannot give them back.
    revoked: SortedSet<[u8; 8]>,
    open: bool,
    asked: Time,
    failures: u32,
    next: Time,
}

/// Where keys are published, under an origin.
const WELL_KNOWN: &str = "/.well-known/meshedflow/keys.json";
/// A fresh set this often, +- 20 %.
const REFRESH: Duration = Duration::from_secs(300);
/// An unknown kid asks for a fresh set at most this often.
const UNKNOWN_KID: Duration = Duration::from_secs(30);
/// Longer than any page lives.
pub(crate) const FOR_LONG: Time = Time(u64::MAX);
/// Where a key is known already, lists wait no longer than this for the first set.
const FIRST_ANSWER: Duration = Duration::from_millis(500);
/// Origins per page: one a lane, and as many as a page may list.
pub(crate) const SOURCE_LIMIT: usize = LANE_LIMIT + 32;
/// Revoked keys remembered of one origin, beside those of its newest set.
pub(crate) const REVOKED_LIMIT: usize = 256;

impl KeySource {
    fn revokes(&self, kid: &[u8; 8]) -> bool {
        self.revoked.contains(kid) || self.set.as_ref().is_some_and(|set| set.is_revoked(kid))
    }

    fn take(&mut self, set: KeySet) {
        self.floor = self.floor.max(set.min_epoch());
        for key in set.keys().iter().map(|info| info.key.kid()).filter(|kid| set.is_revoked(kid)) {
            if self.revoked.len() < REVOKED_LIMIT {
                self.revoked.insert(key);
            }
        }
        self.set = Some(set);
        self.failures = 0;
    }
}

impl KeyRing {
    /// Takes the pins of the page. Those that are no keys are warned of and match nothing; they never mean less care.
    pub(crate) fn new(options: &Options) -> Self {
        let origin = |o: &String| o.strip_suffix('/').unwrap_or(o).to_owned();
        Self {
            pinned: !options.trusted_keys.is_empty(),
            pins: options.trusted_keys.iter().filter_map(|x| PublicKey::from_base64url(x)).collect(),
            root: options.root_key.as_deref().map(PublicKey::from_base64url),
            trusted: options.trusted_key_origins.iter().map(origin).collect(),
            sets: SortedMap::new(),
        }
    }

    /// The page lists this origin: its set counts for every lane.
    pub(crate) fn is_listed(&self, origin: &str) -> bool {
        self.trusted.iter().any(|o| o == origin)
    }

    /// One origin, or both such as the page lists.
    pub(crate) fn speak_for_each_other(&self, a: &str, b: &str) -> bool {
        a == b || self.is_listed(a) && self.is_listed(b)
    }

    /// Origins whose sets count for a lane of `origin`.
    fn origins_for(&self, origin: &str) -> Vec<String> {
        let others = self.trusted.iter().filter(|o| *o != origin).cloned();
        core::iter::once(origin.to_owned()).chain(others).collect()
    }

    /// What is known of those sets.
    fn scope<'a>(&'a self, origin: &'a str) -> impl Iterator<Item = (&'a String, &'a KeySource)> {
        self.sets.iter().filter(move |(of, _)| *of == origin || self.is_listed(of))
    }

    /// Do sets name keys, or do they only take away?
    fn sets_name_keys(&self) -> bool {
        !self.pinned || self.root.is_some()
    }

    /// The key of this kid, if it counts for the stream in a lane of `origin`. A revocation in any set of its scope
    /// overrides a pin.
    pub(crate) fn find(
        &self,
        kid: &[u8; 8],
        stream: &str,
        origin: &str,
        use_: KeyUse,
    ) -> Result<PublicKey, KeyRefusal> {
        if self.is_revoked(kid, origin) {
            return Err(KeyRefusal::Revoked);
        }
        if let Some(pin) = self.pins.iter().find(|p| p.kid() == *kid) {
            return Ok(*pin);
        }
        if !self.sets_name_keys() {
            return Err(KeyRefusal::NotPinned);
        }
        let mut refusal = KeyRefusal::Unknown;
        for set in self.scope(origin).filter_map(|(_, s)| s.set.as_ref()) {
            match set.usable(kid, stream, use_) {
                Ok(key) => return Ok(key),
                Err(KeyRefusal::Unknown) => {}
                Err(why) => refusal = why,
            }
        }
        Err(refusal)
    }

    /// Does a set that counts for lanes of `origin` revoke this key?
    pub(crate) fn is_revoked(&self, kid: &[u8; 8], origin: &str) -> bool {
        self.scope(origin).any(|(_, s)| s.revokes(kid))
    }

    /// Why this origin has no set, where sets name the keys.
    fn why_absent(&self, origin: &str) -> Option<&'static str> {
        let source = self.sets.get(origin).filter(|s| s.set.is_none() && !s.open && self.sets_name_keys())?;
        Some(if source.failures > 0 { "no-keys" } else { "keys-refused" })
    }

    /// Any key at all, for the mutant that trusts everyone.
    #[cfg(feature = "mutants")]
    pub(crate) fn any(&self) -> Option<PublicKey> {
        let of_sets = self.sets.values().filter_map(|s| s.set.as_ref()).flat_map(|s| s.keys());
        self.pins.first().cloned().or_else(|| of_sets.map(|k| k.key).next())
    }

    /// Revoked keys remembered of all origins.
    pub(crate) fn revoked(&self) -> usize {
        self.sets.values().map(|s| s.revoked.len()).sum()
    }

    /// Sets that were asked for.
    pub(crate) fn len(&self) -> usize {
        self.sets.len()
    }

    /// Until when lists of lanes of `origin` wait for a first key set: as long as it takes where no key is known that it
    /// could not but name, else a moment, and for the lane's own origin alone, which may have revoked what is pinned.
    pub(crate) fn awaited_until(&self, origin: &str, stream: &str, now_unix: u64) -> Option<Time> {
        let first = |s: &&KeySource| s.open && s.set.is_none();
        let serves = |s: &KeySource| s.set.as_ref().is_some_and(|set| set.serves(stream, now_unix));
        if self.pins.is_empty() && !self.scope(origin).any(|(_, s)| serves(s)) {
            return self.scope(origin).find(|(_, s)| first(s)).map(|_| FOR_LONG);
        }
        self.sets.get(origin).filter(first).filter(|s| s.failures == 0).map(|s| s.asked + FIRST_ANSWER)
    }

    /// Lowest epoch that still counts in lanes of `origin`.
    pub(crate) fn min_epoch(&self, origin: &str) -> u64 {
        self.scope(origin).map(|(_, s)| s.floor).max().unwrap_or(0)
    }
}

impl Mesh {
    /// Reads the key sets that count for a lane, once.
    pub(crate) fn want_keys(&mut self, origin: &str) {
        for origin in self.keys.origins_for(origin) {
            if self.keys.sets.contains_key(&origin) {
                continue;
            }
            if !self.is_secure(&origin) {
                self.warn(
                    "insecure-keys",
                    format!("keys of {origin} are not read; expected https, loopback, or allowInsecure"),
                );
                continue;
            }
            if self.has_room_for_keys() {
                self.keys.sets.insert(origin.clone(), KeySource::default());
                self.get_keys(&origin);
            }
        }
    }

    /// Of too many sets the one goes that was read longest ago and counts for no lane any more.
    fn has_room_for_keys(&mut self) -> bool {
        let spare = self.keys.sets.iter().filter(|(of, _)| !self.is_key_origin(of));
        let spare = spare.min_by_key(|(_, source)| source.asked).map(|(of, _)| of.clone());
        if self.keys.sets.len() >= SOURCE_LIMIT {
            spare.and_then(|of| self.keys.sets.remove(&of));
        }
        self.keys.sets.len() < SOURCE_LIMIT
    }

    /// Its set counts for some lane.
    fn is_key_origin(&self, of: &str) -> bool {
        self.keys.is_listed(of) || self.lanes.values().any(|lane| lane.info.origin == *of)
    }

    /// Sets that are read again at their time: nobody asks for those of lanes that are gone.
    fn kept_sets(&self) -> impl Iterator<Item = (&String, &KeySource)> {
        self.keys.sets.iter().filter(|(of, source)| !source.open && self.is_key_origin(of))
    }

    /// https, or loopback, or a page that allows what it should not.
    pub(crate) fn is_secure(&self, url: &str) -> bool {
        url.starts_with("https://")
            || self.options.allow_insecure
            || url.strip_prefix("http://").is_some_and(|_| is_loopback(host_of(url)))
    }

    fn get_keys(&mut self, origin: &str) {
        if let Some(source) = self.keys.sets.get_mut(origin) {
            (source.open, source.asked) = (true, self.now);
        }
        self.get_document(JobKind::Keys(origin.to_owned()), format!("{origin}{WELL_KNOWN}"), Purpose::Keys);
    }

    pub(crate) fn on_keys(&mut self, origin: &str, body: &[u8]) {
        let floor = self.keys.sets.get(origin).and_then(|s| s.set.as_ref()).map(KeySet::version);
        let read = match self.keys.root {
            Some(Some(root)) => KeySet::verify_root(body, floor, &root, &mut self.check),
            Some(None) => Err(KeySetError::NotRootSigned),
            None => KeySet::parse(body, floor),
        };
        let jitter = 0.8 + 0.4 * self.rng.fraction();
        let now = self.now;
        let Some(source) = self.keys.sets.get_mut(origin) else { return };
        source.open = false;
        source.next = now + REFRESH.mul_f64(jitter);
        match read {
            Ok(set) => {
                source.take(set);
                self.purge();
                self.give_another_chance(origin);
            }
            Err(why) => {
                self.warn("keys-refused", format!("{origin}{WELL_KNOWN}: {why}; it counts for nothing"))
            }
        }
        self.reread_lists();
    }

    pub(crate) fn on_keys_failed(&mut self, origin: &str, why: HttpFailure) {
        let now = self.now;
        let Some(source) = self.keys.sets.get_mut(origin) else { return };
        source.open = false;
        source.failures = source.failures.saturating_add(1);
        source.next = now + Duration::from_secs(5 << source.failures.min(6));
        if source.set.is_none() && !self.keys.pinned {
            let text = failure_text(why);
            self.warn("no-keys", format!("{origin}{WELL_KNOWN}: {text}; expected a key set, or keys pinned by `trustedKeys`: no peers"));
        }
        self.reread_lists();
    }

    /// The key of a list that the origin itself brought does not count.
    pub(crate) fn tell_refused_key(&mut self, key: SegKey, origin: &str, why: KeyRefusal) {
        if let KeyRefusal::SetExpired(at) = why {
            let is = |s: &KeySource| s.set.as_ref().is_some_and(|set| set.expires() == at);
            let of = self.keys.scope(origin).find(|(_, s)| is(s)).map_or("", |(of, _)| of);
            let hours = self.unix_now().saturating_sub(at) / 3600;
            let text = format!(
                "{of}{WELL_KNOWN} expired {hours} h ago (Unix time {at}); expected one renewed by `meshedflow keys publish`"
            );
            return self.tell_trouble(key.lane, "keys-expired", text);
        }
        let url = self.list_url(key.lane);
        let text = format!("{url}: no trusted key signed segment {}; its segments stay on HTTP", key.msn);
        self.tell_trouble(key.lane, "no-trusted-key", text);
        // Told already.
        if let Some(code) = self.keys.why_absent(origin) {
            self.note_trouble(key.lane, code);
        }
    }

    /// A list names a key that no set has which counts for its lane: read those once more, at most every 30 s.
    pub(crate) fn reread_keys_for_unknown_kid(&mut self, origin: &str) {
        let at = self.now + UNKNOWN_KID;
        for of in self.keys.origins_for(origin) {
            if let Some(source) = self.keys.sets.get_mut(&of).filter(|s| !s.open) {
                source.next = source.next.min(at);
            }
        }
    }

    /// A fresh set may name the key of lists that were of no use so far.
    fn give_another_chance(&mut self, origin: &str) {
        let now = self.now;
        let trusted = self.keys.is_listed(origin);
        for lane in self.lanes.values_mut().filter(|l| !l.proven && (trusted || l.info.origin == origin)) {
            lane.lists.not_before = lane.lists.not_before.min(now);
        }
    }

    /// Everything that a revoked key vouched for goes, and what was signed in epochs that count no more.
    fn purge(&mut self) {
        let mut revoked = Vec::new();
        for (no, lane) in &mut self.lanes {
            let (origin, floor) = (&lane.info.origin, self.keys.min_epoch(&lane.info.origin));
            if let Some(anchor) = &mut lane.anchor {
                anchor.raise_floor(floor);
            }
            let by_revoked = |s: &Segment| {
                s.list.as_ref().is_some_and(|list| self.keys.is_revoked(&list.header().kid, origin))
            };
            let gone = lane.segments.iter().filter(|(_, s)| by_revoked(s));
            revoked.extend(gone.map(|(msn, _)| SegKey { lane: *no, msn: *msn }));
        }
        revoked.into_iter().for_each(|key| self.drop_list(key));
        let lanes: Vec<LaneNo> = self.lanes.keys().copied().collect();
        lanes.into_iter().for_each(|no| self.drop_old_epochs(no));
    }

    pub(crate) fn tick_keys(&mut self) {
        let now = self.now;
        let due: Vec<String> =
            self.kept_sets().filter(|(_, s)| s.next <= now).map(|(o, _)| o.clone()).collect();
        due.iter().for_each(|origin| self.get_keys(origin));
    }

    pub(crate) fn keys_wakeup(&self) -> Option<Wakeup> {
        let at = self.kept_sets().map(|(_, s)| s.next).min()?;
        Some(Wakeup { at, reason: "key set" })
    }

    pub(crate) fn warn_of_bad_pins(&mut self) {
        let bad = |x: &&String| PublicKey::from_base64url(x).is_none();
        let pins = self.options.trusted_keys.iter().chain(self.options.root_key.iter());
        if let Some(x) = pins.clone().find(bad).cloned() {
            self.warn("bad-pin", format!("pinned key \"{x}\": expected base64url of 32 bytes"));
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.parse::<core::net::Ipv4Addr>();
    host == "localhost"
        || host.ends_with(".localhost")
        || host == "[::1]"
        || address.is_ok_and(|a| a.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_goes_without_tls() {
        let mesh = Mesh::new(Options::parse(r#"{"streamId":"s"}"#).unwrap(), 1, Time::default());
        for (url, secure) in [
            ("https://cdn.example", true),
            ("http://localhost:8080", true),
            ("http://127.0.0.1:1/a", true),
            ("http://[::1]:8080/a", true),
            ("http://[2001:db8::1]/a", false),
            ("http://127.elsewhere.example/a", false),
            ("http://localhost.example", false),
            ("http://cdn.example", false),
        ] {
            assert_eq!(mesh.is_secure(url), secure, "{url}");
        }
    }
}
