//! Resuming: a viewer whose socket broke comes back as itself.
//!
//! The edge hands out a 128-bit secret with each welcome and keeps its hash. Presented once within 60 s on the
//! same edge, with the same subject and Origin, it gives the old peer id back, so that neighbours keep their
//! channels. Whoever reads the edge's memory finds hashes, not secrets.
//!
//! An identity that waits holds a seat. So a household has few of them waiting, no more than it lately had connections
//! at once (the caller says how many), and a newcomer that finds no seat gets that of whoever waits the longest.

use std::collections::{BTreeMap, BTreeSet};

use meshedflow_protocol::ids::PeerId;
use sha2::{Digest, Sha256};

use crate::place::Household;
use crate::salt::hex;

/// How long after its socket closed a viewer may come back.
pub const RESUME_MS: u64 = 60_000;

/// Parked identities at most; beyond, the oldest is forgotten.
pub const PARKED_LIMIT: usize = 65_536;

/// Identities whose sockets closed and that may come back.
#[derive(Debug, Default)]
pub struct Parked {
    by_hash: BTreeMap<ResumeHash, Place>,
    by_age: BTreeMap<(u64, PeerId), ResumeHash>,
    by_household: BTreeMap<Household, BTreeSet<(u64, PeerId)>>,
}

#[derive(Debug)]
struct Place {
    until_ms: u64,
    household: Household,
    owner: Owner,
}

/// Hash of a resume secret: all that the edge keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResumeHash([u8; 32]);

/// Who may come back with a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The id that comes back.
    pub peer: PeerId,
    /// Subject of the token that admitted it, if it had one.
    pub subject: Option<String>,
    /// Origin header of its page, if it sent one.
    pub origin: Option<String>,
    /// Stream that it joined.
    pub stream: String,
}

/// The text of a secret, from 128 random bits.
pub fn secret_text(random: [u8; 16]) -> String {
    hex(&random)
}

impl ResumeHash {
    /// Hashes a secret as presented.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::new().chain_update(b"meshedflow/resume/v1\0").chain_update(secret).finalize().into())
    }
}

impl Parked {
    /// Keeps `owner`'s identity until `now_ms` + 60 s, as one of at most `most` of its household. Returns those that had
    /// to make room.
    pub fn park(
        &mut self,
        hash: ResumeHash,
        owner: Owner,
        household: Household,
        most: usize,
        now_ms: u64,
    ) -> Vec<PeerId> {
        let until_ms = now_ms.saturating_add(RESUME_MS);
        let key = (until_ms, owner.peer);
        self.by_age.insert(key, hash);
        self.by_household.entry(household).or_default().insert(key);
        self.by_hash.insert(hash, Place { until_ms, household, owner });
        let mut evicted = Vec::new();
        while self.by_household.get(&household).is_some_and(|keys| keys.len() > most) {
            evicted.extend(self.pop_oldest_of(household));
        }
        if self.by_hash.len() > PARKED_LIMIT {
            evicted.extend(self.pop_oldest());
        }
        evicted
    }

    /// Gives the identity back if `secret` names one, `claim` matches it in all but the id, and it is in time.
    /// A secret works once: a wrong claim spends it too.
    pub fn take(&mut self, secret: &str, claim: &Owner, now_ms: u64) -> Claim {
        let Some(place) = self.remove(ResumeHash::of(secret)) else { return Claim::Unknown };
        let peer = place.owner.peer;
        let matches = Owner { peer, ..claim.clone() } == place.owner;
        if matches && now_ms < place.until_ms { Claim::Granted(peer) } else { Claim::Spent(peer) }
    }

    /// The next identity whose time is over, if any. Call until `None`.
    pub fn pop_expired(&mut self, now_ms: u64) -> Option<PeerId> {
        let ((until_ms, _), _) = self.by_age.first_key_value()?;
        if *until_ms <= now_ms { self.pop_oldest() } else { None }
    }

    /// Ends the identity that waits the longest: somebody who is here needs its seat.
    pub fn pop_oldest(&mut self) -> Option<PeerId> {
        let hash = *self.by_age.first_key_value()?.1;
        self.remove(hash).map(|place| place.owner.peer)
    }

    /// How many identities wait.
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    fn pop_oldest_of(&mut self, household: Household) -> Option<PeerId> {
        let key = self.by_household.get(&household)?.first()?;
        let hash = *self.by_age.get(key)?;
        self.remove(hash).map(|place| place.owner.peer)
    }

    fn remove(&mut self, hash: ResumeHash) -> Option<Place> {
        let place = self.by_hash.remove(&hash)?;
        let key = (place.until_ms, place.owner.peer);
        self.by_age.remove(&key);
        if let Some(keys) = self.by_household.get_mut(&place.household) {
            keys.remove(&key);
            if keys.is_empty() {
                self.by_household.remove(&place.household);
            }
        }
        Some(place)
    }
}

/// What became of a presented secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The identity is the presenter's again.
    Granted(PeerId),
    /// The secret was real, but late or presented by someone else: that identity is over.
    Spent(PeerId),
    /// No such secret here.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(slot: u32, origin: &str) -> Owner {
        let peer = PeerId::compose(1, 0, slot, 0, [0; 6]);
        Owner { peer, subject: None, origin: Some(origin.into()), stream: "demo".into() }
    }

    fn home(last: u8) -> Household {
        crate::place::Place::new([192, 0, 2, last].into()).household()
    }

    fn park(parked: &mut Parked, secret: &str, owner: &Owner, now_ms: u64) -> Vec<PeerId> {
        parked.park(ResumeHash::of(secret), owner.clone(), home(1), 4, now_ms)
    }

    #[test]
    fn a_household_has_few_waiting_and_pushes_out_its_own() {
        let mut parked = Parked::default();
        let other = owner(9, "https://a.example");
        parked.park(ResumeHash::of("other"), other.clone(), home(2), 4, 0);
        for n in 0..100 {
            let evicted =
                park(&mut parked, &format!("s{n}"), &owner(100 + n, "https://a.example"), u64::from(n));
            let oldest = n.checked_sub(4).map(|n| owner(100 + n, "https://a.example").peer);
            assert_eq!(evicted, oldest.into_iter().collect::<Vec<_>>());
        }
        assert_eq!((parked.len(), parked.by_age.len(), parked.by_household.len()), (5, 5, 2));
        assert_eq!(parked.take("other", &other, 100), Claim::Granted(other.peer));
        assert_eq!(
            parked.pop_oldest(),
            Some(owner(196, "https://a.example").peer),
            "a newcomer needs a seat"
        );
    }

    #[test]
    fn a_secret_brings_its_owner_back_once() {
        let (mut parked, me) = (Parked::default(), owner(1, "https://a.example"));
        let secret = secret_text([9; 16]);
        park(&mut parked, &secret, &me, 0);
        let claim = Owner { peer: PeerId::default(), ..me.clone() };
        assert_eq!(parked.take(&secret, &claim, 59_999), Claim::Granted(me.peer));
        assert_eq!(parked.take(&secret, &claim, 59_999), Claim::Unknown);
        assert!(parked.is_empty());
    }

    #[test]
    fn another_origin_spends_the_secret_without_using_it() {
        let (mut parked, me) = (Parked::default(), owner(1, "https://a.example"));
        park(&mut parked, "s", &me, 0);
        assert_eq!(parked.take("s", &owner(2, "https://b.example"), 1), Claim::Spent(me.peer));
        assert_eq!(parked.take("s", &me, 1), Claim::Unknown);
    }

    #[test]
    fn time_ends_it_and_the_edge_hears_of_it() {
        let (mut parked, me) = (Parked::default(), owner(1, "https://a.example"));
        park(&mut parked, "s", &me, 0);
        assert_eq!(parked.pop_expired(59_999), None);
        assert_eq!(parked.pop_expired(60_000), Some(me.peer));
        assert_eq!(parked.take("s", &me, 60_000), Claim::Unknown);
    }

    #[test]
    fn of_too_many_the_oldest_is_forgotten() {
        let mut parked = Parked::default();
        for n in 0..PARKED_LIMIT as u32 {
            let home = crate::place::Place::new(std::net::Ipv4Addr::from(n << 8).into()).household();
            let hash = ResumeHash::of(&n.to_string());
            assert!(parked.park(hash, owner(n, "https://a.example"), home, 4, u64::from(n)).is_empty());
        }
        let evicted = park(&mut parked, "one more", &owner(99_999, "https://a.example"), 70_000);
        assert_eq!(evicted, [owner(0, "https://a.example").peer]);
        assert_eq!(parked.len(), PARKED_LIMIT);
    }

    #[test]
    fn another_subject_or_stream_does_not_come_back() {
        let me = Owner { subject: Some("ann".into()), ..owner(1, "https://a.example") };
        for claim in [
            Owner { subject: Some("bob".into()), ..me.clone() },
            Owner { subject: None, ..me.clone() },
            Owner { stream: "other".into(), ..me.clone() },
        ] {
            let mut parked = Parked::default();
            park(&mut parked, "s", &me, 0);
            assert_eq!(parked.take("s", &claim, 1), Claim::Spent(me.peer));
        }
    }

    #[test]
    fn a_secret_is_late_even_where_nobody_swept() {
        let (mut parked, me) = (Parked::default(), owner(1, "https://a.example"));
        park(&mut parked, "s", &me, 0);
        assert_eq!(parked.take("s", &me, 60_000), Claim::Spent(me.peer));
    }
}
