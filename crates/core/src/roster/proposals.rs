//! Whom the edge proposes: who waits to be dialled and for how long, and who may call.

use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::signal::Proposal;

use super::{ID_LIMIT, Roster};
use crate::mesh::Mesh;
use crate::output::{Output, PeerCommand};
use crate::peer::PeerState;
use crate::peer::names::NAMING;
use crate::time::{Duration, Time, Wakeup};

/// Proposals that may wait to be dialled.
const WAITING_LIMIT: usize = 64;
/// Who was proposed longer ago has found others, or is gone.
const WAITING: Duration = Duration::from_secs(60);
/// Who was proposed to call, and has not so far, may still be about to.
const CALLS_WITHIN: Duration = Duration::from_secs(10);

/// Somebody who waits to be dialled.
#[derive(Debug)]
pub(crate) struct Waiting {
    peer: PeerId,
    since: Time,
    /// Unix seconds at which its membership ends.
    until: Option<u64>,
}

impl Roster {
    /// It is a neighbour, or nobody's any more.
    pub(crate) fn forget_waiting(&mut self, id: PeerId) {
        self.waiting.retain(|w| w.peer != id);
    }

    /// Was this viewer proposed here (so that its offer is no surprise)?
    pub(crate) fn is_expected(&self, id: PeerId) -> bool {
        self.expected.contains_key(&id) && !self.banned.contains(&id)
    }

    /// From now on its offer is no surprise; of too many the oldest is forgotten.
    fn expect(&mut self, id: PeerId, now: Time) {
        if self.expected.len() >= ID_LIMIT
            && !self.expected.contains_key(&id)
            && let Some(oldest) = self.expected.iter().min_by_key(|(_, at)| **at).map(|(id, _)| *id)
        {
            self.expected.remove(&oldest);
        }
        self.expected.insert(id, now);
    }

    /// A second proposal of the same viewer renews the first one.
    fn wait_for(&mut self, p: &Proposal, now: Time) {
        self.forget_waiting(p.peer);
        if self.waiting.len() < WAITING_LIMIT {
            self.waiting.push(Waiting { peer: p.peer, since: now, until: p.until });
        }
    }
}

impl Mesh {
    pub(super) fn on_proposals(&mut self, proposals: Vec<Proposal>) {
        for p in proposals {
            if Some(p.peer) == self.roster.me || self.roster.banned.contains(&p.peer) {
                continue;
            }
            // Whom a neighbour only claims to be may call.
            self.roster.expect(p.peer, self.now);
            if p.initiate {
                self.roster.wait_for(&p, self.now);
            }
        }
        self.dial_waiting();
    }

    /// Dials proposals within the limits of parallel dials and neighbours.
    pub(super) fn dial_waiting(&mut self) {
        let (now, unix) = (self.now, self.unix_now());
        let over = |w: &Waiting| now.since(w.since) >= WAITING || w.until.is_some_and(|until| until <= unix);
        self.roster.waiting.retain(|w| !over(w));
        while let Some(id) = self.next_to_dial() {
            if !self.may_dial() {
                return;
            }
            self.roster.forget_waiting(id);
            self.roster.next_dial = self.roster.next_dial.wrapping_add(1);
            let conn = self.open_peer(id, self.roster.next_dial);
            self.push(Output::Peer(conn, PeerCommand::Offer));
        }
    }

    /// The first in line who is no neighbour, if there is room for one more. Who may be a neighbour under a new id is
    /// left time to say so.
    fn next_to_dial(&self) -> Option<PeerId> {
        let dialling = self.peers.values().filter(|p| p.state == PeerState::Dialing).count();
        let called = |w: &&Waiting| self.peers.values().any(|p| p.is_called(w.peer));
        let first = self.roster.waiting.iter().find(|w| !called(w))?;
        let held = self.awaits_names() && self.now.since(first.since) < NAMING;
        let room = dialling < self.effective.dial_parallel && self.peers.len() < self.dials_up_to();
        (room && !held).then_some(first.peer)
    }

    /// Where more are proposed at a time than there is room for, the last places are for those who call: in a crowd in
    /// which all had filled theirs by dialling, newcomers would find nobody.
    fn dials_up_to(&self) -> usize {
        let most = self.effective.peers_max;
        let met = |id: &PeerId| self.peers.values().any(|p| p.is_called(*id));
        let recent = self.roster.expected.iter().filter(|(_, at)| self.now.since(**at) < CALLS_WITHIN);
        let proposed = recent.filter(|(id, _)| !met(id)).count();
        if self.peers.len() + proposed > most { most - most / 4 } else { most }
    }

    pub(super) fn waiting_wakeup(&self) -> Option<Wakeup> {
        let named = self.roster.waiting.iter().map(|w| w.since + NAMING);
        let at = named.filter(|at| *at > self.now).min()?;
        Some(Wakeup { at, reason: "a proposal waits" })
    }

    /// The edge says that somebody left it. A channel that is up outlives the other side's edge socket, and may soon
    /// be known by another id.
    pub(super) fn on_gone(&mut self, id: PeerId) {
        self.roster.expected.remove(&id);
        self.roster.forget_waiting(id);
        let dialling =
            self.peers.iter().find(|(_, p)| p.named == id && p.state == PeerState::Dialing).map(|(c, _)| *c);
        if let Some(conn) = dialling {
            self.close_peer(conn, None);
            self.lost_neighbour();
        }
        self.peers.values_mut().filter(|p| p.id == id).for_each(|p| p.current = false);
    }
}
