//! Who is proposed to whom.
//!
//! Small lanes: everyone to everyone, free of any budget, since such a lane hides nobody anyway. Larger ones: a
//! viewer gets `degree_at_first` neighbours, and later ones find it in turn. First come those from outside its own
//! network, drawn at random until it has `outsiders_min` of them: nobody can surround it by renting addresses
//! nearby, and random far links keep the mesh in one piece. The others are the nearest by shared lanes, address,
//! network, country, then load. All are drawn from a bounded sample, so that a pick costs the same in every room.

use core::cmp::Reverse;

use meshedflow_protocol::ids::{Name, PeerId};

use super::member::{Member, initiates};
use super::{Proposed, Room, RoomOutput};
use crate::place::{Closeness, Household};

/// Someone who could be proposed, with all that decides between candidates.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    slot: u32,
    household: Household,
    outsider: bool,
    /// Paired before.
    again: bool,
    /// Which of my lanes we share; 0 is my video.
    lane: usize,
    closeness: Closeness,
    hints_agree: bool,
    degree: u8,
    lot: u64,
}

impl Candidate {
    /// Order among random far links: load first, then chance.
    fn far_order(&self) -> impl Ord + use<> {
        (self.again, self.lane.min(1), self.degree / 2, self.lot)
    }

    /// Order among near ones.
    fn near_order(&self) -> impl Ord + use<> {
        (self.again, self.lane.min(1), self.closeness, Reverse(self.hints_agree), self.degree / 2, self.lot)
    }
}

/// What is looked for.
struct Search<'a> {
    slot: u32,
    wanted: usize,
    exclude: &'a [PeerId],
    /// Candidates must have fewer neighbours than this.
    degree_below: u8,
    /// Pairs that came to nothing may be tried again.
    again: bool,
    now_ms: u64,
}

impl Room {
    /// Proposes a member to everyone in its small lanes. `new_only`: only to those it was not paired with yet.
    pub(super) fn meet_everyone(&mut self, slot: u32, exclude: &[PeerId], new_only: bool, now_ms: u64) {
        let Some(me) = self.member(slot) else { return };
        let small = me.lanes.iter().filter_map(|name| self.lanes.get(name));
        let small = small.filter(|lane| lane.slots.len() <= self.rules.clique_limit);
        let mut others: Vec<u32> = small.flat_map(|lane| lane.slots.iter().copied()).collect();
        others.sort_unstable();
        others.dedup();
        let room_for = |other: &&u32| {
            let Some(other) = self.member(**other) else { return false };
            let paired = me.paired_at(other.peer);
            let fresh = paired.is_some_and(|at_ms| new_only || now_ms < at_ms + self.rules.again_ms);
            other.peer != me.peer
                && !other.away
                && !fresh
                && !exclude.contains(&other.peer)
                && me.may_meet(other, &self.rules)
        };
        let chosen: Vec<u32> = others.iter().filter(room_for).copied().collect();
        chosen.into_iter().for_each(|other| self.pair(slot, other, false, now_ms));
    }

    /// A lane that shrank to the size of a clique becomes one.
    pub(super) fn complete_cliques(&mut self, lanes: &[Name], now_ms: u64) {
        for name in lanes {
            let Some(lane) = self.lanes.get(name) else { continue };
            if lane.slots.len() == self.rules.clique_limit {
                let slots = lane.slots.clone();
                slots.into_iter().for_each(|slot| self.meet_everyone(slot, &[], true, now_ms));
            }
        }
    }

    /// Gives a member its first neighbours.
    pub(super) fn fill(&mut self, slot: u32, now_ms: u64) {
        let Some(member) = self.member(slot) else { return };
        let wanted = usize::from(self.rules.degree_at_first.saturating_sub(member.degree));
        self.search(slot, wanted, &[], false, now_ms);
    }

    /// A member says how many neighbours it lacks, and whom it does not want.
    pub(super) fn need(&mut self, peer: PeerId, count: u8, exclude: &[PeerId], now_ms: u64) {
        let (target, limit) = (self.rules.degree_target, self.rules.degree_limit);
        let Some(slot) = self.by_id.get(&peer).copied() else { return };
        let wanted = count.min(limit);
        if let Some(member) = self.member_mut(slot) {
            member.degree = member.degree.min(target.saturating_sub(wanted));
        }
        let before = self.drafted(peer);
        self.meet_everyone(slot, exclude, false, now_ms);
        let met = self.drafted(peer) - before;
        let wanted = usize::from(wanted).saturating_sub(met);
        if wanted > 0 && self.member(slot).is_some_and(|m| m.budget.left(now_ms, &self.rules) == 0) {
            self.outputs.push_back(RoomOutput::Refused { to: peer });
            return;
        }
        self.search(slot, wanted, exclude, true, now_ms);
    }

    fn drafted(&self, peer: PeerId) -> usize {
        self.drafts.get(&peer).map_or(0, Vec::len)
    }

    /// Pairs `slot` with up to `wanted` others. Where hardly anyone has room, those with a little more than their
    /// fair share of neighbours take one more, or nobody could enter a lane that has just stopped being a clique.
    fn search(&mut self, slot: u32, wanted: usize, exclude: &[PeerId], again: bool, now_ms: u64) {
        let (limit, ceiling) = (self.rules.degree_limit, self.rules.degree_ceiling);
        let search = Search { slot, wanted, exclude, degree_below: limit, again, now_ms };
        let found = self.pick_and_pair(&search);
        let least = usize::from(self.rules.degree_at_first).min(wanted);
        if found < least {
            self.pick_and_pair(&Search { wanted: least - found, degree_below: ceiling, ..search });
        }
    }

    fn pick_and_pair(&mut self, search: &Search<'_>) -> usize {
        let left = self.member(search.slot).map_or(0, |m| m.budget.left(search.now_ms, &self.rules));
        let wanted = search.wanted.min(usize::from(left));
        if wanted == 0 {
            return 0;
        }
        let candidates = self.candidates(search);
        let chosen = self.choose(search.slot, candidates, wanted);
        chosen.iter().for_each(|&other| self.pair(search.slot, other, true, search.now_ms));
        chosen.len()
    }

    /// Outsiders first until there are enough, then the nearest.
    fn choose(&self, slot: u32, mut candidates: Vec<Candidate>, wanted: usize) -> Vec<u32> {
        let Some(me) = self.member(slot) else { return Vec::new() };
        let mut households: Vec<Household> = self.partners_of(me).map(|m| m.place.household()).collect();
        let outsiders = self.partners_of(me).filter(|m| me.place.is_outsider(&m.place)).count();
        let far = usize::from(self.rules.outsiders_min).saturating_sub(outsiders).min(wanted);
        let own = me.place.household();
        let mut chosen = Vec::new();
        let mut take = |candidate: &Candidate, most: usize| {
            let crowd = households.iter().filter(|&&h| h == candidate.household).count();
            let crowded = candidate.household != own && crowd >= self.rules.per_foreign_address;
            if chosen.len() < most && !crowded && !chosen.contains(&candidate.slot) {
                households.push(candidate.household);
                chosen.push(candidate.slot);
            }
        };
        candidates.sort_unstable_by_key(Candidate::far_order);
        candidates.iter().filter(|c| c.outsider).for_each(|c| take(c, far));
        candidates.sort_unstable_by_key(Candidate::near_order);
        candidates.iter().for_each(|c| take(c, wanted));
        chosen
    }

    fn partners_of<'a>(&'a self, me: &'a Member) -> impl Iterator<Item = &'a Member> {
        me.partners.iter().filter_map(|partner| self.find(partner.peer))
    }

    /// A bounded sample of those who may be proposed to the searching member.
    fn candidates(&mut self, search: &Search<'_>) -> Vec<Candidate> {
        let mut slots = self.sample(search.slot);
        slots.sort_unstable();
        slots.dedup();
        let lots: Vec<(u32, u64)> = slots.into_iter().map(|slot| (slot, self.chance.next())).collect();
        lots.into_iter().filter_map(|(slot, lot)| self.candidate(search, slot, lot)).collect()
    }

    /// Slots to look at: from each of my lanes, and from my own network.
    fn sample(&mut self, slot: u32) -> Vec<u32> {
        let Some(me) = self.members.get(slot as usize).and_then(Option::as_ref) else { return Vec::new() };
        let mut slots = Vec::new();
        let lanes = me.lanes.iter().filter_map(|name| self.lanes.get(name)).map(|lane| &lane.slots);
        let pools = lanes.chain(self.by_network.get(&me.place.network()));
        for pool in pools {
            match pool.len() <= self.rules.sample {
                true => slots.extend_from_slice(pool),
                false => {
                    let draw = |_| pool.get(self.chance.below(pool.len())).copied();
                    slots.extend((0..self.rules.sample).filter_map(draw));
                }
            }
        }
        slots
    }

    fn candidate(&self, search: &Search<'_>, slot: u32, lot: u64) -> Option<Candidate> {
        let (me, other) = (self.member(search.slot)?, self.member(slot)?);
        let again = me.paired_at(other.peer);
        let too_soon =
            again.is_some_and(|at_ms| !search.again || search.now_ms < at_ms + self.rules.again_ms);
        let full = other.degree >= search.degree_below || other.budget.left(search.now_ms, &self.rules) == 0;
        let unfit = slot == search.slot || other.away || other.is_demoted() || too_soon || full;
        if unfit || search.exclude.contains(&other.peer) || !me.may_meet(other, &self.rules) {
            return None;
        }
        Some(Candidate {
            slot,
            household: other.place.household(),
            outsider: me.place.is_outsider(&other.place),
            again: again.is_some(),
            lane: me.first_shared(other)?,
            closeness: me.place.closeness(&other.place),
            hints_agree: me.place.hints_agree(&other.place),
            degree: other.degree,
            lot,
        })
    }

    /// Proposes two members to each other. `charged`: strangers' ids cost both sides of their budgets; an id that
    /// was told before is no news.
    fn pair(&mut self, slot: u32, other: u32, charged: bool, now_ms: u64) {
        let (Some(a), Some(b)) = (self.member(slot), self.member(other)) else { return };
        let (to_a, to_b) = (proposal(a, b), proposal(b, a));
        let (a, b, known) = (a.peer, b.peer, a.paired_at(b.peer).is_some());
        self.drafts.entry(a).or_default().push(to_a);
        self.drafts.entry(b).or_default().push(to_b);
        for (slot, peer) in [(slot, b), (other, a)] {
            let Some(member) = self.member_mut(slot) else { continue };
            member.pair(peer, now_ms);
            if charged && !known {
                member.budget.spend(now_ms);
            }
        }
    }
}

/// `other` as proposed to `me`.
fn proposal(me: &Member, other: &Member) -> Proposed {
    Proposed {
        peer: other.peer,
        lanes: me.shared_lanes(other),
        initiate: initiates(me.peer, other.peer),
        until: other.until,
        together: me.place.closeness(&other.place) == Closeness::Household,
    }
}
