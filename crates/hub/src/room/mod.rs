//! Who watches one stream here, and who should meet whom. Sees joins, lanes and needs; never a signal.

mod budget;
mod lane;
mod member;
mod pairing;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use meshedflow_protocol::ids::{Name, PeerId};
use meshedflow_protocol::signal::LANES_LIMIT;
use meshedflow_protocol::sorted::SortedMap;

use crate::chance::Chance;
use crate::ledger::Ledger;
use crate::place::{Closeness, Network};
use crate::{Wakeup, WakeupReason};
use lane::Lane;
use member::Member;
pub use member::{Newcomer, initiates};
pub use rules::PairingRules;

/// Names a room: a stream, and a bucket of at most [`PairingRules::members_limit`] of its viewers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomKey {
    /// The stream.
    pub stream: Name,
    /// Which of its buckets.
    pub bucket: u16,
}

/// What a room is told.
#[derive(Clone, Debug, PartialEq)]
pub enum RoomInput {
    /// A viewer enters.
    Join(Box<Newcomer>),
    /// Its socket broke; it may come back.
    Away(PeerId),
    /// It came back, perhaps from another address, in other lanes, with another token.
    Back(Box<Newcomer>),
    /// It is gone for good.
    Leave(PeerId),
    /// It changed lanes.
    Lanes {
        /// Who.
        peer: PeerId,
        /// Lanes entered.
        add: Vec<Name>,
        /// Lanes left.
        drop: Vec<Name>,
    },
    /// It wants more neighbours.
    Need {
        /// Who.
        peer: PeerId,
        /// How many.
        count: u8,
        /// Not these.
        exclude: Vec<PeerId>,
    },
    /// It complains about a neighbour.
    Bad {
        /// Who complains.
        from: PeerId,
        /// About whom.
        about: PeerId,
    },
    /// Its membership was renewed until this Unix second.
    Until(PeerId, Option<u64>),
}

/// A neighbour proposed to a viewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// Who.
    pub peer: PeerId,
    /// Lanes both play, the recipient's most important first.
    pub lanes: Vec<Name>,
    /// Whether the recipient makes the offer.
    pub initiate: bool,
    /// Unix seconds at which the neighbour's membership ends.
    pub until: Option<u64>,
    /// Both are behind one public address: private candidates make sense between them.
    pub together: bool,
}

/// What a room asks.
#[derive(Clone, Debug, PartialEq)]
pub enum RoomOutput {
    /// Propose these neighbours to `to`. Each of them is told of `to` as well.
    Propose {
        /// To whom.
        to: PeerId,
        /// Whom.
        proposals: Vec<Proposed>,
    },
    /// These were proposed to `to` before: its new session does not know that, or one of them moved.
    Known {
        /// To whom.
        to: PeerId,
        /// Who, and whether both are behind one public address.
        neighbours: Vec<(PeerId, bool)>,
    },
    /// Tell `to` that a viewer proposed to it has left.
    Gone {
        /// To whom.
        to: PeerId,
        /// Who left.
        peer: PeerId,
    },
    /// Tell `to` that the weight of a lane changed.
    Weight {
        /// Everyone in the lane.
        to: Vec<PeerId>,
        /// The lane.
        lane: Name,
        /// Its summed election weight.
        weight: f64,
    },
    /// Tell `to` that its budget of proposals is spent.
    Refused {
        /// To whom.
        to: PeerId,
    },
}

/// One stream's viewers, or one bucket of them.
#[derive(Debug)]
pub struct Room {
    rules: PairingRules,
    ledger: Arc<Ledger>,
    chance: Chance,
    members: Vec<Option<Member>>,
    free: Vec<u32>,
    by_id: BTreeMap<PeerId, u32>,
    by_network: BTreeMap<Network, Vec<u32>>,
    lanes: BTreeMap<Name, Lane>,
    maturing: VecDeque<(u64, PeerId)>,
    weights_due_ms: u64,
    weights_changed: bool,
    drafts: BTreeMap<PeerId, Vec<Proposed>>,
    outputs: VecDeque<RoomOutput>,
}

impl Room {
    /// An empty room with a ledger of its own.
    pub fn new(rules: PairingRules, seed: u64) -> Self {
        Self::sharing(Arc::default(), rules, seed)
    }

    /// An empty room, one of several that keep one ledger: the buckets of a stream.
    pub fn sharing(ledger: Arc<Ledger>, rules: PairingRules, seed: u64) -> Self {
        Self {
            rules,
            ledger,
            chance: Chance::new(seed),
            members: Vec::new(),
            free: Vec::new(),
            by_id: BTreeMap::new(),
            by_network: BTreeMap::new(),
            lanes: BTreeMap::new(),
            maturing: VecDeque::new(),
            weights_due_ms: 0,
            weights_changed: false,
            drafts: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes in what happened. Poll outputs afterwards.
    pub fn handle_input(&mut self, now_ms: u64, input: RoomInput) {
        match input {
            RoomInput::Join(newcomer) => self.join(*newcomer, now_ms),
            RoomInput::Away(peer) => self.go_away(peer, now_ms),
            RoomInput::Back(newcomer) => self.come_back(*newcomer, now_ms),
            RoomInput::Leave(peer) => self.leave(peer, now_ms),
            RoomInput::Lanes { peer, add, drop } => self.change_lanes(peer, add, &drop, now_ms),
            RoomInput::Need { peer, count, exclude } => self.need(peer, count, &exclude, now_ms),
            RoomInput::Bad { from, about } => self.blame(from, about, now_ms),
            RoomInput::Until(peer, until) => self.extend(peer, until),
        }
        self.flush_drafts();
    }

    /// Time passed: connections mature, moved weights are pushed.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        while let Some(&(at_ms, peer)) = self.maturing.front()
            && at_ms <= now_ms
        {
            self.maturing.pop_front();
            self.mature(peer);
        }
        if self.weights_changed && now_ms >= self.weights_due_ms {
            self.push_weights(now_ms);
        }
    }

    /// What to do next; call until `None` after every input and timeout.
    pub fn poll_output(&mut self) -> Option<RoomOutput> {
        self.outputs.pop_front()
    }

    /// When to call [`Room::handle_timeout`]; ask again after every input and timeout.
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        let mature = self.maturing.front().map(|&(at_ms, _)| Wakeup { at_ms, reason: WakeupReason::Mature });
        let weights = self
            .weights_changed
            .then_some(Wakeup { at_ms: self.weights_due_ms, reason: WakeupReason::Weights });
        mature.into_iter().chain(weights).min_by_key(|wakeup| wakeup.at_ms)
    }

    /// How many members it has, those away included.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Whether it takes no more.
    pub fn is_full(&self) -> bool {
        self.by_id.len() >= self.rules.members_limit
    }

    /// The summed election weights of these lanes.
    pub fn weights(&self, lanes: &[Name]) -> SortedMap<Name, f64> {
        let weight = |name: &Name| (name.clone(), self.lanes.get(name).map_or(0.0, Lane::weight));
        lanes.iter().map(weight).collect()
    }

    fn join(&mut self, newcomer: Newcomer, now_ms: u64) {
        let (peer, lanes) = (newcomer.peer, newcomer.lanes.clone());
        if self.by_id.contains_key(&peer) {
            return;
        }
        let helping = self.ledger.enter(newcomer.payers(), now_ms, &self.rules);
        let slot = self.allot(Member::new(newcomer, helping, &self.rules, now_ms));
        self.by_id.insert(peer, slot);
        self.maturing.push_back((now_ms + self.rules.mature_ms, peer));
        let entered = self.enter(slot, lanes);
        self.meet_everyone(slot, &entered, &[], true, now_ms);
        self.fill(slot, now_ms);
    }

    /// Puts a member into a free slot and into the index of networks.
    fn allot(&mut self, member: Member) -> u32 {
        let network = member.place.network();
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.members.push(None);
                u32::try_from(self.members.len() - 1).unwrap_or(u32::MAX)
            }
        };
        if let Some(place) = self.members.get_mut(slot as usize) {
            *place = Some(member);
        }
        self.by_network.entry(network).or_default().push(slot);
        slot
    }

    fn leave(&mut self, peer: PeerId, now_ms: u64) {
        let Some(slot) = self.by_id.get(&peer).copied() else { return };
        let lanes = self.member(slot).map(|m| m.lanes.clone()).unwrap_or_default();
        self.exit(slot, &lanes);
        self.by_id.remove(&peer);
        let Some(member) = self.members.get_mut(slot as usize).and_then(Option::take) else { return };
        self.free.push(slot);
        self.unindex(member.place.network(), slot);
        self.ledger.give_back(member.helped_by, member.budget.unspent());
        if !member.away {
            self.ledger.exit(member.payers, now_ms);
        }
        for partner in &member.partners {
            let Some(other) = self.find_mut(partner.peer) else { continue };
            other.unpair(peer);
            self.outputs.push_back(RoomOutput::Gone { to: partner.peer, peer });
        }
        self.complete_cliques(&lanes, now_ms);
    }

    fn unindex(&mut self, network: Network, slot: u32) {
        let Some(slots) = self.by_network.get_mut(&network) else { return };
        slots.retain(|&s| s != slot);
        if slots.is_empty() {
            self.by_network.remove(&network);
        }
    }

    fn go_away(&mut self, peer: PeerId, now_ms: u64) {
        let Some(slot) = self.by_id.get(&peer).copied() else { return };
        let Some(member) = self.member_mut(slot).filter(|m| !m.away) else { return };
        member.away = true;
        let (payers, mature, lanes) = (member.payers, member.mature, member.lanes.clone());
        self.ledger.exit(payers, now_ms);
        if mature {
            lanes.iter().for_each(|lane| self.weigh(slot, lane, false));
        }
    }

    /// A member is back under its old id. Its neighbours are still its neighbours, its budget is what it was.
    fn come_back(&mut self, newcomer: Newcomer, now_ms: u64) {
        let Some(slot) = self.by_id.get(&newcomer.peer).copied() else { return };
        self.go_away(newcomer.peer, now_ms);
        let old = self.member(slot).map(|m| m.lanes.clone()).unwrap_or_default();
        let (left, kept): (Vec<Name>, Vec<Name>) =
            old.into_iter().partition(|lane| !newcomer.lanes.contains(lane));
        let lanes = newcomer.lanes.clone();
        self.exit(slot, &left);
        self.complete_cliques(&left, now_ms);
        self.move_to(slot, newcomer, now_ms);
        if self.member(slot).is_some_and(|m| m.mature) {
            kept.iter().for_each(|lane| self.weigh(slot, lane, true));
        }
        self.enter(slot, lanes.clone());
        if let Some(member) = self.member_mut(slot) {
            member.lanes.sort_by_key(|lane| lanes.iter().position(|l| l == lane));
        }
        self.meet_everyone(slot, &lanes, &[], true, now_ms);
        self.fill(slot, now_ms);
    }

    /// Takes in where a member that comes back is now, and tells all who know it.
    fn move_to(&mut self, slot: u32, newcomer: Newcomer, now_ms: u64) {
        let Some(member) = self.member_mut(slot) else { return };
        let (before, peer) = (member.place.network(), newcomer.peer);
        member.renew(newcomer);
        member.away = false;
        let (after, household, payers) = (member.place.network(), member.place.household(), member.payers);
        let partners: Vec<PeerId> = member.partners.iter().map(|p| p.peer).collect();
        self.unindex(before, slot);
        self.by_network.entry(after).or_default().push(slot);
        self.ledger.come_back(payers, now_ms);
        let mut neighbours = Vec::new();
        for partner in partners {
            let together = self.are_together(slot, partner);
            neighbours.push((partner, together));
            let Some(to_me) = self.find_mut(partner).and_then(|m| m.partner_mut(peer)) else { continue };
            if core::mem::replace(&mut to_me.household, household) != household {
                self.outputs.push_back(RoomOutput::Known { to: partner, neighbours: vec![(peer, together)] });
            }
        }
        self.outputs.push_back(RoomOutput::Known { to: peer, neighbours });
    }

    fn are_together(&self, slot: u32, other: PeerId) -> bool {
        let (Some(me), Some(other)) = (self.member(slot), self.find(other)) else { return false };
        me.place.closeness(&other.place) == Closeness::Household
    }

    fn change_lanes(&mut self, peer: PeerId, add: Vec<Name>, drop: &[Name], now_ms: u64) {
        let Some(slot) = self.by_id.get(&peer).copied() else { return };
        self.exit(slot, drop);
        self.complete_cliques(drop, now_ms);
        let entered = self.enter(slot, add);
        if !entered.is_empty() {
            self.meet_everyone(slot, &entered, &[], true, now_ms);
            self.fill(slot, now_ms);
        }
    }

    fn extend(&mut self, peer: PeerId, until: Option<u64>) {
        if let Some(member) = self.find_mut(peer) {
            member.until = until;
        }
    }

    /// Enters lanes, at most 8 in all; the order in which they were entered is their importance. Returns those that
    /// it was not in.
    fn enter(&mut self, slot: u32, lanes: Vec<Name>) -> Vec<Name> {
        let mut entered = Vec::new();
        for lane in lanes {
            let Some(member) = self.member_mut(slot) else { break };
            if member.lanes.contains(&lane) || member.lanes.len() >= LANES_LIMIT {
                continue;
            }
            member.lanes.push(lane.clone());
            let weighed = member.mature && !member.away;
            self.lanes.entry(lane.clone()).or_default().insert(slot);
            if weighed {
                self.weigh(slot, &lane, true);
            }
            entered.push(lane);
        }
        entered
    }

    fn exit(&mut self, slot: u32, lanes: &[Name]) {
        for name in lanes {
            let Some(member) = self.member_mut(slot) else { return };
            if !member.lanes.contains(name) {
                continue;
            }
            if member.mature && !member.away {
                self.weigh(slot, name, false);
            }
            if let Some(member) = self.member_mut(slot) {
                member.lanes.retain(|lane| lane != name);
            }
            let Some(lane) = self.lanes.get_mut(name) else { continue };
            lane.remove(slot);
            if lane.slots.is_empty() {
                self.lanes.remove(name);
            }
        }
    }

    fn mature(&mut self, peer: PeerId) {
        let Some(slot) = self.by_id.get(&peer).copied() else { return };
        let Some(member) = self.member_mut(slot) else { return };
        if core::mem::replace(&mut member.mature, true) || member.away {
            return;
        }
        let lanes = member.lanes.clone();
        lanes.iter().for_each(|lane| self.weigh(slot, lane, true));
    }

    /// A member starts or stops counting in a lane.
    fn weigh(&mut self, slot: u32, name: &Name, counts: bool) {
        let Some(member) = self.members.get(slot as usize).and_then(Option::as_ref) else { return };
        let weight = self.rules.class_weights.get(usize::from(member.class)).copied().unwrap_or(0.0);
        let household = member.place.household();
        let Some(lane) = self.lanes.get_mut(name) else { return };
        match counts {
            true => lane.weigh(household, weight, &self.rules),
            false => lane.unweigh(household, weight, &self.rules),
        }
        self.weights_changed |= lane.moved();
    }

    fn push_weights(&mut self, now_ms: u64) {
        self.weights_due_ms = now_ms + self.rules.weights_every_ms;
        self.weights_changed = false;
        for (name, lane) in &mut self.lanes {
            if !lane.moved() {
                continue;
            }
            let here = lane.slots.iter().filter_map(|&slot| self.members.get(slot as usize)?.as_ref());
            let to = here.filter(|member| !member.away).map(|member| member.peer).collect();
            self.outputs.push_back(RoomOutput::Weight { to, lane: name.clone(), weight: lane.tell() });
        }
    }

    /// Counts a complaint of one side of a recent pair about the other: once, and once per network of those who
    /// complain. The two are not paired again.
    fn blame(&mut self, from: PeerId, about: PeerId, now_ms: u64) {
        let recent_ms = self.rules.blame_within_ms;
        let Some(reporter) = self.find_mut(from) else { return };
        let network = reporter.place.network();
        let Some(partner) = reporter.partner_mut(about) else { return };
        if partner.blamed || now_ms >= partner.at_ms + recent_ms {
            return;
        }
        partner.blamed = true;
        let rules = self.rules.clone();
        if let Some(member) = self.find_mut(about) {
            member.blame(network, &rules, now_ms);
        }
    }

    fn flush_drafts(&mut self) {
        let drafts = core::mem::take(&mut self.drafts);
        self.outputs.extend(drafts.into_iter().map(|(to, proposals)| RoomOutput::Propose { to, proposals }));
    }

    fn member(&self, slot: u32) -> Option<&Member> {
        self.members.get(slot as usize)?.as_ref()
    }

    fn member_mut(&mut self, slot: u32) -> Option<&mut Member> {
        self.members.get_mut(slot as usize)?.as_mut()
    }

    fn find(&self, peer: PeerId) -> Option<&Member> {
        self.member(*self.by_id.get(&peer)?)
    }

    fn find_mut(&mut self, peer: PeerId) -> Option<&mut Member> {
        let slot = self.by_id.get(&peer).copied()?;
        self.member_mut(slot)
    }
}
