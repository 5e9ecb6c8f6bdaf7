//! One viewer as its room knows it.

use meshedflow_protocol::ids::{Name, PeerId};

use super::budget::Budget;
use super::rules::PairingRules;
use crate::place::{Network, Place};

/// Partners remembered per member at most; beyond, the oldest is forgotten.
const PARTNERS_LIMIT: usize = 48;

/// A viewer enters a room.
#[derive(Clone, Debug, PartialEq)]
pub struct Newcomer {
    /// Its id.
    pub peer: PeerId,
    /// Where it is.
    pub place: Place,
    /// Lowest and highest wire version it speaks.
    pub wire: [u8; 2],
    /// Lanes it plays, the most important (its video) first.
    pub lanes: Vec<Name>,
    /// Election class, 0 to 3.
    pub class: u8,
    /// Unix seconds at which its membership ends, if it does.
    pub until: Option<u64>,
}

/// A member of a room.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) peer: PeerId,
    pub(crate) place: Place,
    pub(crate) wire: [u8; 2],
    pub(crate) lanes: Vec<Name>,
    pub(crate) class: u8,
    pub(crate) until: Option<u64>,
    /// Its socket is gone but it may come back: not proposed, not weighed.
    pub(crate) away: bool,
    /// Old enough to count in the election.
    pub(crate) mature: bool,
    /// Neighbours it is believed to have; corrected by every `need`.
    pub(crate) degree: u8,
    pub(crate) partners: Vec<Partner>,
    pub(crate) budget: Budget,
    /// Networks of those who complained about it.
    pub(crate) blamed_from: Vec<Network>,
}

/// Someone it was paired with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Partner {
    pub(crate) peer: PeerId,
    pub(crate) at_ms: u64,
}

impl Member {
    pub(crate) fn new(newcomer: Newcomer, now_ms: u64) -> Self {
        Self {
            peer: newcomer.peer,
            place: newcomer.place,
            wire: newcomer.wire,
            lanes: Vec::new(),
            class: newcomer.class.min(3),
            until: newcomer.until,
            away: false,
            mature: false,
            degree: 0,
            partners: Vec::new(),
            budget: Budget::new(now_ms),
            blamed_from: Vec::new(),
        }
    }

    /// When it was last paired with `peer`.
    pub(crate) fn paired_at(&self, peer: PeerId) -> Option<u64> {
        self.partners.iter().find(|p| p.peer == peer).map(|p| p.at_ms)
    }

    /// Notes a pairing.
    pub(crate) fn pair(&mut self, peer: PeerId, now_ms: u64) {
        self.unpair(peer);
        if self.partners.len() >= PARTNERS_LIMIT {
            self.partners.remove(0);
        }
        self.partners.push(Partner { peer, at_ms: now_ms });
        self.degree = self.degree.saturating_add(1);
    }

    /// Forgets a pairing; true if there was one.
    pub(crate) fn unpair(&mut self, peer: PeerId) -> bool {
        let before = self.partners.len();
        self.partners.retain(|p| p.peer != peer);
        let was = self.partners.len() < before;
        if was {
            self.degree = self.degree.saturating_sub(1);
        }
        was
    }

    /// Whether both may ever be paired: a common wire version, and what policy demands of topology.
    pub(crate) fn may_meet(&self, other: &Self, rules: &PairingRules) -> bool {
        let ([low, high], [other_low, other_high]) = (self.wire, other.wire);
        let (mine, theirs) = (&self.place.topology, &other.place.topology);
        let country = !rules.same_country_only || (mine.country.is_some() && mine.country == theirs.country);
        let asn = !rules.same_asn_only || (mine.asn.is_some() && mine.asn == theirs.asn);
        low.max(other_low) <= high.min(other_high) && country && asn
    }

    /// Lanes that both play, in this member's order.
    pub(crate) fn shared_lanes(&self, other: &Self) -> Vec<Name> {
        self.lanes.iter().filter(|lane| other.lanes.contains(lane)).cloned().collect()
    }

    /// Place in my order of the first lane that both play: 0 is my video.
    pub(crate) fn first_shared(&self, other: &Self) -> Option<usize> {
        self.lanes.iter().position(|lane| other.lanes.contains(lane))
    }

    /// Complained about by three viewers in three networks who are a fifth of those it was paired with
    /// (a few sybils cannot silence anyone).
    pub(crate) fn is_demoted(&self) -> bool {
        let reporters = self.blamed_from.len();
        reporters >= 3 && reporters * 5 >= self.partners.len()
    }
}

/// Whether the first of the two makes the offer. A function of the two ids alone, opposite for the two sides, so
/// that a pair has the same one initiator however often and by whichever edge it is proposed.
pub fn initiates(me: PeerId, other: PeerId) -> bool {
    let folded = |id: PeerId| id.0.iter().fold(0_u8, |sum, byte| sum ^ byte);
    let odd = (folded(me) ^ folded(other)).count_ones() % 2 == 1;
    (me < other) ^ odd
}
