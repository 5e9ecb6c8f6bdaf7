//! One viewer as its room knows it.

use meshedflow_protocol::ids::{Name, PeerId};

use super::budget::Budget;
use super::rules::PairingRules;
use crate::ledger::Helping;
use crate::payer::{Payers, Subject};
use crate::place::{Household, Network, Place};

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
    /// Subject of its token, if it has one: its budgets are kept for that as well as for its address.
    pub subject: Option<Subject>,
}

/// A member of a room.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) peer: PeerId,
    pub(crate) place: Place,
    pub(crate) payers: Payers,
    /// Who gave the first helping.
    pub(crate) helped_by: Payers,
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
    /// Places among its neighbours that it opened itself, by asking or by coming again: being found into one of them
    /// costs its own budget, and without budget they are closed.
    pub(crate) owed: u8,
    pub(crate) partners: Vec<Partner>,
    pub(crate) budget: Budget,
    /// Networks of those who complained about it, and when.
    blamed_from: Vec<(Network, u64)>,
}

/// Someone it was paired with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Partner {
    pub(crate) peer: PeerId,
    pub(crate) household: Household,
    pub(crate) at_ms: u64,
    /// This member complained about it: they are not paired again.
    pub(crate) blamed: bool,
    /// It takes one of the member's places. Of one address or block only so many do, or whoever holds those could fill
    /// all places by small lanes, where everyone meets everyone.
    pub(crate) counts: bool,
}

impl Newcomer {
    pub(crate) fn payers(&self) -> Payers {
        Payers::new(self.place.household(), self.subject)
    }
}

impl Member {
    /// A member with this first helping of proposals. Whoever came again pays for its places.
    pub(crate) fn new(newcomer: Newcomer, helping: Helping, rules: &PairingRules, now_ms: u64) -> Self {
        Self {
            payers: newcomer.payers(),
            helped_by: newcomer.payers(),
            peer: newcomer.peer,
            place: newcomer.place,
            wire: newcomer.wire,
            lanes: Vec::new(),
            class: newcomer.class.min(3),
            until: newcomer.until,
            away: false,
            mature: false,
            degree: 0,
            owed: if helping.is_again { rules.degree_limit } else { 0 },
            partners: Vec::new(),
            budget: Budget::new(helping, now_ms),
            blamed_from: Vec::new(),
        }
    }

    /// It came back: all but its history may have changed. Its lanes are the room's business.
    pub(crate) fn renew(&mut self, newcomer: Newcomer) {
        self.payers = newcomer.payers();
        self.place = newcomer.place;
        self.wire = newcomer.wire;
        self.class = newcomer.class.min(3);
        self.until = newcomer.until;
    }

    fn partner(&self, peer: PeerId) -> Option<&Partner> {
        self.partners.iter().find(|p| p.peer == peer)
    }

    pub(crate) fn partner_mut(&mut self, peer: PeerId) -> Option<&mut Partner> {
        self.partners.iter_mut().find(|p| p.peer == peer)
    }

    /// When it was last paired with `peer`.
    pub(crate) fn paired_at(&self, peer: PeerId) -> Option<u64> {
        self.partner(peer).map(|p| p.at_ms)
    }

    /// Whether it complained about `peer`.
    pub(crate) fn shuns(&self, peer: PeerId) -> bool {
        self.partner(peer).is_some_and(|p| p.blamed)
    }

    /// How many of its partners are behind one address.
    pub(crate) fn crowd(&self, household: Household) -> usize {
        self.partners.iter().filter(|p| p.household == household).count()
    }

    /// Whether it has as many partners of this household, or of its block, as may take its places.
    pub(crate) fn is_crowded(&self, household: Household, rules: &PairingRules) -> bool {
        let own = self.place.household();
        let block = household.block();
        let in_block = || self.partners.iter().filter(|p| p.household.block() == block).count();
        own != household
            && (self.crowd(household) >= rules.per_foreign_address
                || (own.block() != block && in_block() >= rules.per_foreign_block))
    }

    /// Notes a pairing; a new partner takes one more place, and of too many the oldest is forgotten.
    pub(crate) fn pair(&mut self, peer: PeerId, household: Household, rules: &PairingRules, now_ms: u64) {
        let old = self.partner(peer).copied();
        self.partners.retain(|p| p.peer != peer);
        if self.partners.len() >= rules.partners_limit() {
            let oldest = self.partners.remove(0);
            self.degree = self.degree.saturating_sub(oldest.counts.into());
        }
        let blamed = old.is_some_and(|old| old.blamed);
        let counts = old.map_or_else(|| !self.is_crowded(household, rules), |old| old.counts);
        self.partners.push(Partner { peer, household, at_ms: now_ms, blamed, counts });
        if old.is_none() {
            self.degree = self.degree.saturating_add(counts.into());
        }
    }

    /// Forgets a pairing; true if there was one.
    pub(crate) fn unpair(&mut self, peer: PeerId) -> bool {
        let Some(old) = self.partner(peer).copied() else { return false };
        self.partners.retain(|p| p.peer != peer);
        self.degree = self.degree.saturating_sub(old.counts.into());
        true
    }

    /// It says that it has no more than `degree` neighbours: the places this opens are its own to pay for.
    pub(crate) fn lower(&mut self, degree: u8) {
        let opened = self.degree.saturating_sub(degree);
        self.degree -= opened;
        self.owed = self.owed.saturating_add(opened);
    }

    /// Whether it has a place for one more below `degree`, given that its own places are paid for or not.
    pub(crate) fn has_place(&self, below: u8, may_pay: bool, rules: &PairingRules) -> bool {
        match self.owed {
            0 => self.degree < below,
            _ if may_pay => self.degree < below,
            owed => self.degree.saturating_add(owed) < below.min(rules.degree_limit),
        }
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

    /// Someone in `network` complains about it.
    pub(crate) fn blame(&mut self, network: Network, rules: &PairingRules, now_ms: u64) {
        self.blamed_from.retain(|(n, at_ms)| *n != network && now_ms < at_ms + rules.blame_within_ms);
        if self.blamed_from.len() < BLAMES_LIMIT {
            self.blamed_from.push((network, now_ms));
        }
    }

    /// Complained about by three viewers in three networks who are a fifth of those it was lately paired with (a few
    /// sybils cannot silence anyone, and nobody for longer than complaints count).
    pub(crate) fn is_demoted(&self, rules: &PairingRules, now_ms: u64) -> bool {
        let counts = |at_ms: u64| now_ms < at_ms.saturating_add(rules.blame_within_ms);
        let reporters = self.blamed_from.iter().filter(|(_, at_ms)| counts(*at_ms)).count();
        let partners = self.partners.iter().filter(|p| counts(p.at_ms)).count();
        reporters >= 3 && reporters * 5 >= partners
    }
}

/// Networks remembered of those who complained about one member: a fifth of its partners and more.
const BLAMES_LIMIT: usize = 64;

/// Whether the first of the two makes the offer. A function of the two ids alone, opposite for the two sides, so
/// that a pair has the same one initiator however often and by whichever edge it is proposed.
pub fn initiates(me: PeerId, other: PeerId) -> bool {
    let folded = |id: PeerId| id.0.iter().fold(0_u8, |sum, byte| sum ^ byte);
    let odd = (folded(me) ^ folded(other)).count_ones() % 2 == 1;
    (me < other) ^ odd
}
