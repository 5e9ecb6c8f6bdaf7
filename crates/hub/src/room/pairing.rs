//! Who is proposed to whom.
//!
//! Small lanes: everyone to everyone, apart from the budget for strangers, since such a lane hides nobody anyway; but
//! no more of that in a minute than eight such lanes hold. Larger ones: a
//! viewer gets `degree_at_first` neighbours, and later ones find it in turn. First come those from outside its own
//! network, drawn at random until it has `outsiders_min` of them: nobody can surround it by renting addresses
//! nearby, and random far links keep the mesh in one piece. The others are the nearest by shared lanes, address,
//! network, country, then load. All are drawn from a bounded sample, so that a pick costs the same in every room.
//!
//! Who asks pays. The one that is found is protected by its `degree_limit`, by the bound for one foreign address, and
//! by paying itself for those places only that it opened by asking; nobody else's asking can spend its budget.
//!
//! Whoever holds a few addresses shall not be all that others find: of one foreign address, and of one foreign block,
//! only so many take a place of a member, and one of an address and a few of a block come first. Complaints put the blamed
//! at the end, not out of the room: they cost nothing, and a few sybils could complain about everybody.

use core::cmp::Reverse;
use std::collections::BTreeMap;

use meshedflow_protocol::ids::{Name, PeerId};

use super::member::{Member, initiates};
use super::{PairingRules, Proposed, Room, RoomOutput};
use crate::chance::Chance;
use crate::ledger::Memory;
use crate::place::{Block, Closeness, Household};

/// Someone who could be proposed, with all that decides between candidates.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    slot: u32,
    household: Household,
    outsider: bool,
    /// Its id costs the asker's budget.
    news: bool,
    /// Has no place but the few that are kept for those who would find hardly anyone.
    full: bool,
    /// Complained about: for those only who would find hardly anyone.
    demoted: bool,
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

/// How many of one household, and of one block, other than its own, a member takes.
#[derive(Clone, Copy, Debug)]
struct Crowds {
    household: usize,
    block: usize,
}

impl Crowds {
    /// As long as there are others: whoever has a few addresses is everybody's neighbour, not everybody's only ones.
    fn few(rules: &PairingRules) -> Self {
        Self { household: 1, block: rules.per_foreign_block / 2 }
    }

    fn most(rules: &PairingRules) -> Self {
        Self { household: rules.per_foreign_address, block: rules.per_foreign_block }
    }

    /// Whether `me` would have more with one of `household` beside `chosen`.
    fn would_grow_beyond(self, me: &Member, household: Household, chosen: &[Candidate]) -> bool {
        let (own, block) = (me.place.household(), household.block());
        let all = || me.partners.iter().map(|p| p.household).chain(chosen.iter().map(|c| c.household));
        own != household
            && (all().filter(|h| *h == household).count() >= self.household
                || (own.block() != block && all().filter(|h| h.block() == block).count() >= self.block))
    }
}

/// What is looked for.
struct Search<'a> {
    slot: u32,
    wanted: usize,
    exclude: &'a [PeerId],
    /// Pairs that came to nothing may be tried again.
    again: bool,
    /// Strangers' ids that the asker may still be told.
    left: usize,
    /// Ids that it was told already.
    memory: Memory,
    now_ms: u64,
}

impl Room {
    /// Proposes a member to everyone in its small lanes among `lanes`. `new_only`: only to those it was not paired
    /// with yet.
    pub(super) fn meet_everyone(
        &mut self,
        slot: u32,
        lanes: &[Name],
        exclude: &[PeerId],
        new_only: bool,
        now_ms: u64,
    ) {
        let Some(me) = self.member(slot) else { return };
        let small = lanes.iter().filter_map(|name| self.lanes.get(name));
        let small = small.filter(|lane| lane.slots.len() <= self.rules.clique_limit);
        let mut others: Vec<u32> = small.flat_map(|lane| lane.slots.iter().copied()).collect();
        others.sort_unstable();
        others.dedup();
        let memory = self.ledger.memory(me.payers, now_ms);
        let meets = |other: &u32| {
            let Some(other) = self.member(*other) else { return false };
            let paired = me.paired_at(other.peer);
            let fresh = paired.is_some_and(|at_ms| new_only || now_ms < at_ms + self.rules.again_ms);
            !fresh && !exclude.contains(&other.peer) && self.may_meet_now(me, other, &memory)
        };
        others.retain(meets);
        others.truncate(self.ledger.meetings_left(me.payers, now_ms, &self.rules).into());
        let payers = me.payers;
        for other in others {
            self.ledger.meet(payers, now_ms);
            self.pair(slot, other, now_ms);
        }
    }

    /// What holds for every pair, in lanes of any size.
    fn may_meet_now(&self, me: &Member, other: &Member, memory: &Memory) -> bool {
        let tired = me.budget.is_again() && memory.is_tired_of(other.peer);
        let shuns = me.shuns(other.peer) || other.shuns(me.peer);
        other.peer != me.peer && !other.away && !tired && !shuns && me.may_meet(other, &self.rules)
    }

    /// A lane that shrank to the size of a clique becomes one.
    pub(super) fn complete_cliques(&mut self, lanes: &[Name], now_ms: u64) {
        for name in lanes {
            let Some(lane) = self.lanes.get(name) else { continue };
            if lane.slots.len() == self.rules.clique_limit {
                let (slots, name) = (lane.slots.clone(), core::slice::from_ref(name));
                slots.into_iter().for_each(|slot| self.meet_everyone(slot, name, &[], true, now_ms));
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
        let Some(member) = self.member_mut(slot).filter(|_| wanted > 0) else { return };
        member.lower(target.saturating_sub(wanted));
        let lanes = member.lanes.clone();
        let before = self.drafted(peer);
        self.meet_everyone(slot, &lanes, exclude, false, now_ms);
        let met = self.drafted(peer) - before;
        let wanted = usize::from(wanted).saturating_sub(met);
        let found = self.search(slot, wanted, exclude, true, now_ms);
        if found < wanted && self.left(slot, now_ms) == 0 {
            self.outputs.push_back(RoomOutput::Refused { to: peer });
        }
    }

    fn drafted(&self, peer: PeerId) -> usize {
        self.drafts.get(&peer).map_or(0, Vec::len)
    }

    /// Strangers' ids that a member may still be told now.
    fn left(&self, slot: u32, now_ms: u64) -> u16 {
        let Some(member) = self.member(slot) else { return 0 };
        let shared = || self.ledger.left(member.payers, now_ms, &self.rules);
        member.budget.left(now_ms, &self.rules, shared)
    }

    /// Pairs `slot` with up to `wanted` others; returns with how many.
    fn search(&mut self, slot: u32, wanted: usize, exclude: &[PeerId], again: bool, now_ms: u64) -> usize {
        let Some(me) = self.member(slot).filter(|_| wanted > 0) else { return 0 };
        let (left, memory) = (self.left(slot, now_ms).into(), self.ledger.memory(me.payers, now_ms));
        let search = Search { slot, wanted, exclude, again, left, memory, now_ms };
        let candidates = self.candidates(&search);
        let chosen = self.choose(&search, candidates);
        chosen.iter().for_each(|other| self.find_for(slot, other, now_ms));
        chosen.len()
    }

    /// Outsiders first until there are enough, then the nearest. Where hardly anyone has a place, those with a little
    /// more than their fair share of neighbours take one more, or nobody could enter a lane that has just stopped
    /// being a clique.
    fn choose(&self, search: &Search<'_>, candidates: Vec<Candidate>) -> Vec<Candidate> {
        let Some(me) = self.member(search.slot) else { return Vec::new() };
        let outsiders = self.partners_of(me).filter(|m| me.place.is_outsider(&m.place)).count();
        let far = usize::from(self.rules.outsiders_min).saturating_sub(outsiders).min(search.wanted);
        let least = usize::from(self.rules.degree_at_first).min(search.wanted);
        let (mut chosen, mut left): (Vec<Candidate>, usize) = (Vec::new(), search.left);
        let mut take = |candidate: &Candidate, most: usize, crowds: Crowds| {
            let crowded = crowds.would_grow_beyond(me, candidate.household, &chosen);
            let known = chosen.iter().any(|c| c.slot == candidate.slot);
            if chosen.len() < most && !crowded && !known && (left > 0 || !candidate.news) {
                left -= usize::from(candidate.news);
                chosen.push(*candidate);
            }
        };
        let all_crowds = [Crowds::few(&self.rules), Crowds::most(&self.rules)];
        let (demoted, mut candidates): (Vec<Candidate>, Vec<Candidate>) =
            candidates.into_iter().partition(|c| c.demoted);
        candidates.sort_unstable_by_key(Candidate::far_order);
        for crowds in all_crowds {
            candidates.iter().filter(|c| c.outsider && !c.full).for_each(|c| take(c, far, crowds));
            candidates.iter().filter(|c| c.outsider && c.full).for_each(|c| take(c, far, crowds));
        }
        candidates.sort_unstable_by_key(Candidate::near_order);
        for crowds in all_crowds {
            candidates.iter().filter(|c| !c.full).for_each(|c| take(c, search.wanted, crowds));
            candidates.iter().filter(|c| c.full).for_each(|c| take(c, least, crowds));
        }
        demoted.iter().for_each(|c| take(c, least, Crowds::most(&self.rules)));
        chosen
    }

    fn partners_of<'a>(&'a self, me: &'a Member) -> impl Iterator<Item = &'a Member> {
        me.partners.iter().filter_map(|partner| self.find(partner.peer))
    }

    /// A bounded sample of those who may be proposed to the searching member.
    fn candidates(&mut self, search: &Search<'_>) -> Vec<Candidate> {
        let mut slots = self.sample(search.slot);
        slots.extend(search.memory.peers().filter_map(|peer| self.by_id.get(&peer)));
        slots.sort_unstable();
        slots.dedup();
        let lots: Vec<(u32, u64)> = slots.into_iter().map(|slot| (slot, self.chance.next())).collect();
        lots.into_iter().filter_map(|(slot, lot)| self.candidate(search, slot, lot)).collect()
    }

    /// Slots to look at beside those it knows: from each of my lanes, and from my own network.
    fn sample(&mut self, slot: u32) -> Vec<u32> {
        let Some(me) = self.members.get(slot as usize).and_then(Option::as_ref) else { return Vec::new() };
        let mut slots = Vec::new();
        let lanes = me.lanes.iter().filter_map(|name| self.lanes.get(name)).map(|lane| &lane.slots);
        let pools = lanes.chain(self.by_network.get(&me.place.network()));
        for pool in pools {
            match pool.len() <= self.rules.sample {
                true => slots.extend_from_slice(pool),
                false => draw(pool, me, &self.members, &self.rules, &mut self.chance, &mut slots),
            }
        }
        slots
    }

    fn candidate(&self, search: &Search<'_>, slot: u32, lot: u64) -> Option<Candidate> {
        let (me, other) = (self.member(search.slot)?, self.member(slot)?);
        let again = me.paired_at(other.peer);
        let too_soon =
            again.is_some_and(|at_ms| !search.again || search.now_ms < at_ms + self.rules.again_ms);
        let unfit = too_soon || self.is_crowded(other, me);
        if unfit || search.exclude.contains(&other.peer) || !self.may_meet_now(me, other, &search.memory) {
            return None;
        }
        let may_pay = other.owed > 0 && (!self.is_news_to(other, me) || self.left(slot, search.now_ms) > 0);
        let has_place = |below| other.has_place(below, may_pay, &self.rules);
        let full = !has_place(self.rules.degree_limit);
        if full && !self.has_kept_place(other, me, has_place) {
            return None;
        }
        Some(Candidate {
            slot,
            household: other.place.household(),
            outsider: me.place.is_outsider(&other.place),
            news: is_news(me, other, &search.memory),
            full,
            demoted: other.is_demoted(&self.rules, search.now_ms),
            again: again.is_some(),
            lane: me.first_shared(other)?,
            closeness: me.place.closeness(&other.place),
            hints_agree: me.place.hints_agree(&other.place),
            degree: other.degree,
            lot,
        })
    }

    /// Whether `other` has enough neighbours from `me`'s address or block already. Those it asked for count as well as those who
    /// asked for it.
    fn is_crowded(&self, other: &Member, me: &Member) -> bool {
        other.is_crowded(me.place.household(), &self.rules) && other.paired_at(me.peer).is_none()
    }

    /// Whether `other` has one of the places left that are kept for those who would find hardly anyone. They are for the
    /// first of an address, and the last of them for the first of a block, or whoever holds a few addresses could take
    /// them all.
    fn has_kept_place(&self, other: &Member, me: &Member, has_place: impl Fn(u8) -> bool) -> bool {
        let (mine, theirs, most) = (me.place.household(), other.place.household(), self.rules.degree_ceiling);
        let again = other.paired_at(me.peer).is_some();
        let is_first = again || mine == theirs || other.crowd(mine) == 0;
        let block = mine.block();
        let is_first_of_block = || {
            again || block == theirs.block() || other.partners.iter().all(|p| p.household.block() != block)
        };
        is_first && (has_place(most.saturating_sub(1)) || (has_place(most) && is_first_of_block()))
    }

    /// Pairs `slot` with one that was found for it, and takes from both budgets what is theirs to pay.
    fn find_for(&mut self, slot: u32, found: &Candidate, now_ms: u64) {
        if found.news {
            self.spend(slot, now_ms);
        }
        let (me, other) = (self.member(slot), self.member(found.slot));
        let owed = me.zip(other).is_some_and(|(me, other)| other.owed > 0 && self.is_news_to(other, me));
        if owed && !found.again && self.left(found.slot, now_ms) > 0 {
            self.spend(found.slot, now_ms);
            self.fill_owed(found.slot);
        }
        if !found.again {
            self.fill_owed(slot);
        }
        self.pair(slot, found.slot, now_ms);
    }

    /// One of the places that a member opened itself is taken.
    fn fill_owed(&mut self, slot: u32) {
        if let Some(member) = self.member_mut(slot) {
            member.owed = member.owed.saturating_sub(1);
        }
    }

    fn is_news_to(&self, me: &Member, other: &Member) -> bool {
        is_stranger(me, other) && !self.ledger.has_told(me.payers, other.peer)
    }

    fn spend(&mut self, slot: u32, now_ms: u64) {
        let Some(member) = self.member_mut(slot) else { return };
        let payers = member.payers;
        if member.budget.spend(now_ms) {
            self.ledger.spend(payers, now_ms);
        }
    }

    /// Proposes two members to each other.
    fn pair(&mut self, slot: u32, other: u32, now_ms: u64) {
        let (Some(a), Some(b)) = (self.member(slot), self.member(other)) else { return };
        let (to_a, to_b) = (proposal(a, b), proposal(b, a));
        let (a, b) = ((a.peer, a.place.household(), a.payers), (b.peer, b.place.household(), b.payers));
        self.drafts.entry(a.0).or_default().push(to_a);
        self.drafts.entry(b.0).or_default().push(to_b);
        let rules = &self.rules;
        for (slot, (peer, household, _)) in [(slot, b), (other, a)] {
            let Some(member) = self.members.get_mut(slot as usize).and_then(Option::as_mut) else { continue };
            member.pair(peer, household, rules, now_ms);
        }
        self.ledger.tell(a.2, b.0, now_ms);
        self.ledger.tell(b.2, a.0, now_ms);
    }
}

/// Draws a sample from `pool`, of one foreign block no more than twice what `me` may take of it: a crowd from a few
/// addresses hides nobody else. That costs a bounded number of further draws.
fn draw(
    pool: &[u32],
    me: &Member,
    members: &[Option<Member>],
    rules: &PairingRules,
    chance: &mut Chance,
    into: &mut Vec<u32>,
) {
    let own = me.place.household().block();
    let mut blocks: BTreeMap<Block, usize> = BTreeMap::new();
    let most = into.len() + rules.sample;
    for _ in 0..DRAWS_PER_PICK * rules.sample {
        let slot = pool.get(chance.below(pool.len())).copied();
        let Some((slot, other)) = slot.and_then(|slot| Some((slot, members.get(slot as usize)?.as_ref()?)))
        else {
            continue;
        };
        let block = other.place.household().block();
        let drawn = blocks.entry(block).or_default();
        if block == own || *drawn < 2 * rules.per_foreign_block {
            *drawn += 1;
            into.push(slot);
        }
        if into.len() >= most {
            return;
        }
    }
}

/// Draws at most for each place in a sample.
const DRAWS_PER_PICK: usize = 4;

/// Whether `other`'s id costs `me`'s budget: not if it or its payers were told before, nor within one household.
fn is_news(me: &Member, other: &Member, memory: &Memory) -> bool {
    is_stranger(me, other) && !memory.has(other.peer)
}

fn is_stranger(me: &Member, other: &Member) -> bool {
    me.place.household() != other.place.household() && me.paired_at(other.peer).is_none()
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
