//! Whose signatures count: pins of the page, or key sets read over HTTPS from trusted origins. Never a key
//! from a peer, an edge, or a list.

use crate::sorted::SortedMap;

use meshedflow_manifest::{KeyRefusal, KeySet, KeyUse, PublicKey};

use crate::config::Options;
use crate::http::{JobKind, failure_text};
use crate::input::HttpFailure;
use crate::mesh::Mesh;
use crate::output::Purpose;
use crate::roster::host_of;
use crate::time::{Duration, Time, Wakeup};

/// Pins and key sets.
#[derive(Debug, Default)]
pub(crate) struct KeyRing {
    pins: Vec<PublicKey>,
    root: Option<PublicKey>,
    sets: SortedMap<String, KeySource>,
}

/// The key set of one origin.
#[derive(Debug, Default)]
struct KeySource {
    set: Option<KeySet>,
    open: bool,
    failures: u32,
    next: Time,
}

/// Where keys are published, under an origin.
const WELL_KNOWN: &str = "/.well-known/meshedflow/keys.json";
/// A fresh set this often, +- 20 %.
const REFRESH: Duration = Duration::from_secs(300);
/// An unknown kid asks for a fresh set at most this often.
const UNKNOWN_KID: Duration = Duration::from_secs(30);
/// Origins per page.
pub(crate) const SOURCE_LIMIT: usize = 16;

impl KeyRing {
    /// Takes the pins of the page; those that are no keys are left out (and warned of).
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            pins: options.trusted_keys.iter().filter_map(|x| PublicKey::from_base64url(x)).collect(),
            root: options.root_key.as_deref().and_then(PublicKey::from_base64url),
            sets: SortedMap::new(),
        }
    }

    /// The key of this kid, if it counts for the stream. A revocation in any set overrides a pin.
    pub(crate) fn find(&self, kid: &[u8; 8], stream: &str, use_: KeyUse) -> Result<PublicKey, KeyRefusal> {
        let sets = || self.sets.values().filter_map(|s| s.set.as_ref());
        if sets().any(|s| s.is_revoked(kid)) {
            return Err(KeyRefusal::Revoked);
        }
        if let Some(pin) = self.pins.iter().find(|p| p.kid() == *kid) {
            return Ok(*pin);
        }
        let mut refusal = KeyRefusal::Unknown;
        for set in sets() {
            match set.usable(kid, stream, use_) {
                Ok(key) => return Ok(key),
                Err(KeyRefusal::Unknown) => {}
                Err(why) => refusal = why,
            }
        }
        Err(refusal)
    }

    /// Any key at all, for the mutant that trusts everyone.
    #[cfg(feature = "mutants")]
    pub(crate) fn any(&self) -> Option<PublicKey> {
        let of_sets = self.sets.values().filter_map(|s| s.set.as_ref()).flat_map(|s| s.keys());
        self.pins.first().cloned().or_else(|| of_sets.map(|k| k.key).next())
    }

    /// Sets that were asked for.
    pub(crate) fn len(&self) -> usize {
        self.sets.len()
    }

    /// True while a first key set is on its way: lists that come before it wait for it.
    pub(crate) fn awaited(&self) -> bool {
        self.sets.values().any(|s| s.open && s.set.is_none())
    }

    /// Lowest epoch that still counts.
    pub(crate) fn min_epoch(&self) -> u64 {
        self.sets.values().filter_map(|s| s.set.as_ref()).map(KeySet::min_epoch).max().unwrap_or(0)
    }
}

impl Mesh {
    /// Reads the key sets that count for a lane, once.
    pub(crate) fn want_keys(&mut self, origin: &str) {
        let own = std::iter::once(origin.to_owned());
        let wanted: Vec<String> = own.chain(self.options.trusted_key_origins.iter().cloned()).collect();
        for origin in wanted {
            if self.keys.sets.contains_key(&origin) || self.keys.sets.len() >= SOURCE_LIMIT {
                continue;
            }
            if !self.is_secure(&origin) {
                self.warn(
                    "insecure-keys",
                    format!("keys of {origin} are not read; expected https, loopback, or allowInsecure"),
                );
                continue;
            }
            self.keys.sets.insert(origin.clone(), KeySource::default());
            self.get_keys(&origin);
        }
    }

    /// https, or loopback, or a page that allows what it should not.
    pub(crate) fn is_secure(&self, url: &str) -> bool {
        url.starts_with("https://")
            || self.options.allow_insecure
            || url.strip_prefix("http://").is_some_and(|_| is_loopback(host_of(url)))
    }

    fn get_keys(&mut self, origin: &str) {
        if let Some(source) = self.keys.sets.get_mut(origin) {
            source.open = true;
        }
        self.get_document(JobKind::Keys(origin.to_owned()), format!("{origin}{WELL_KNOWN}"), Purpose::Keys);
    }

    pub(crate) fn on_keys(&mut self, origin: &str, body: &[u8]) {
        let floor = self.keys.sets.get(origin).and_then(|s| s.set.as_ref()).map(KeySet::version);
        let read = match self.keys.root {
            Some(root) => KeySet::verify_root(body, floor, &root, &mut self.check),
            None => KeySet::parse(body, floor),
        };
        let jitter = 0.8 + 0.4 * self.rng.fraction();
        let now = self.now;
        let Some(source) = self.keys.sets.get_mut(origin) else { return };
        source.open = false;
        source.next = now + REFRESH.mul_f64(jitter);
        match read {
            Ok(set) => {
                source.set = Some(set);
                source.failures = 0;
                self.purge_revoked();
                self.review_sharing();
            }
            Err(why) => {
                self.warn("keys-refused", format!("{origin}{WELL_KNOWN}: {why}; no peers for its streams"))
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
        if source.set.is_none() && self.keys.pins.is_empty() {
            let text = failure_text(why);
            self.warn("no-keys", format!("{origin}{WELL_KNOWN}: {text}; expected a key set, or keys pinned by `trustedKeys`: no peers"));
        }
        self.reread_lists();
    }

    /// A list names a key that no set has: read them once more, at most every 30 s.
    pub(crate) fn reread_keys_for_unknown_kid(&mut self) {
        let now = self.now;
        for source in self.keys.sets.values_mut().filter(|s| !s.open) {
            source.next = source.next.min(now + UNKNOWN_KID);
        }
    }

    /// Everything that a revoked key vouched for goes.
    fn purge_revoked(&mut self) {
        let revoked =
            |kid: &[u8; 8]| self.keys.sets.values().filter_map(|s| s.set.as_ref()).any(|s| s.is_revoked(kid));
        let gone: Vec<crate::segment::SegKey> = self
            .lanes
            .iter()
            .flat_map(|(lane, l)| {
                l.segments.iter().map(move |(msn, s)| (crate::segment::SegKey { lane: *lane, msn: *msn }, s))
            })
            .filter(|(_, s)| s.list.as_ref().is_some_and(|l| revoked(&l.header().kid)))
            .map(|(key, _)| key)
            .collect();
        for key in gone {
            self.drop_list(key);
        }
    }

    pub(crate) fn tick_keys(&mut self) {
        let now = self.now;
        let due: Vec<String> =
            self.keys.sets.iter().filter(|(_, s)| !s.open && s.next <= now).map(|(o, _)| o.clone()).collect();
        due.iter().for_each(|origin| self.get_keys(origin));
    }

    pub(crate) fn keys_wakeup(&self) -> Option<Wakeup> {
        let at = self.keys.sets.values().filter(|s| !s.open).map(|s| s.next).min()?;
        Some(Wakeup { at, reason: "key set" })
    }

    pub(crate) fn warn_of_bad_pins(&mut self) {
        let bad = |x: &&String| PublicKey::from_base64url(x).is_none();
        let pins = self.options.trusted_keys.iter().chain(self.options.root_key.iter());
        if let Some(x) = pins.clone().find(bad).cloned() {
            self.warn("bad-pin", format!("pinned key {x:?}: expected base64url of 32 bytes"));
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
