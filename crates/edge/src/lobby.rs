//! Who comes, and viewers whose sockets broke and that may come back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use meshedflow_hub::{
    Arrivals, Claim, Household, Owner, Parked, Payer, Payers, ResumeHash, RoomKey, Subject,
};
use meshedflow_protocol::ids::PeerId;

use crate::clock::Clock;
use crate::seats::lock;

/// So many identities of one household may wait, however few connections it had at once.
const PARKED_ANYWAY: u32 = 4;

/// Counts who joins; keeps parked identities, each with the room that still has it.
#[derive(Debug)]
pub(crate) struct Lobby {
    clock: Clock,
    parked_per_household: u32,
    arrivals: Arc<Mutex<Arrivals>>,
    waiting: Mutex<Waiting>,
}

/// One connection that joined; counted until dropped.
#[derive(Debug)]
pub(crate) struct Presence {
    clock: Clock,
    arrivals: Arc<Mutex<Arrivals>>,
    household: Household,
    payers: Payers,
}

impl Drop for Presence {
    fn drop(&mut self) {
        lock(&self.arrivals).leave(self.payers, self.clock.now_ms());
    }
}

#[derive(Debug, Default)]
struct Waiting {
    parked: Parked,
    rooms: HashMap<PeerId, RoomKey>,
}

/// What a presented secret was worth.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ticket {
    /// This identity, in this room.
    Back(PeerId, RoomKey),
    /// Nothing; and this identity is over.
    Spent(PeerId, RoomKey),
    /// Nothing.
    Unknown,
}

impl Lobby {
    /// `joins_per_minute` and `parked` per household; `parked` is also bounded by what was there at once.
    pub(crate) fn new(clock: Clock, joins_per_minute: u32, parked: u32) -> Self {
        let arrivals = Arc::new(Mutex::new(Arrivals::new(joins_per_minute)));
        Self { clock, parked_per_household: parked, arrivals, waiting: Mutex::default() }
    }

    /// Somebody joins, or must wait so many milliseconds.
    pub(crate) fn join(&self, household: Household, subject: Option<Subject>) -> Result<Presence, u32> {
        let payers = Payers::new(household, subject);
        lock(&self.arrivals).join(payers, self.clock.now_ms())?;
        Ok(self.presence(household, payers))
    }

    /// Somebody came back.
    pub(crate) fn resume(&self, household: Household, subject: Option<Subject>) -> Presence {
        let payers = Payers::new(household, subject);
        lock(&self.arrivals).resume(payers, self.clock.now_ms());
        self.presence(household, payers)
    }

    fn presence(&self, household: Household, payers: Payers) -> Presence {
        Presence { clock: self.clock, arrivals: self.arrivals.clone(), household, payers }
    }

    /// Parks an identity whose connection is over. Returns those that had to make room.
    pub(crate) fn park(
        &self,
        hash: ResumeHash,
        owner: Owner,
        room: RoomKey,
        presence: &Presence,
        now_ms: u64,
    ) -> Vec<(PeerId, RoomKey)> {
        let household = presence.household;
        let most = lock(&self.arrivals).most(Payer::Household(household));
        let most = most.max(PARKED_ANYWAY).min(self.parked_per_household);
        let mut waiting = lock(&self.waiting);
        waiting.rooms.insert(owner.peer, room);
        let evicted = waiting.parked.park(hash, owner, household, most as usize, now_ms);
        evicted.into_iter().filter_map(|peer| waiting.rooms.remove(&peer).map(|room| (peer, room))).collect()
    }

    /// Ends the identity that waits the longest.
    pub(crate) fn pop_oldest(&self) -> Option<(PeerId, RoomKey)> {
        let mut waiting = lock(&self.waiting);
        let peer = waiting.parked.pop_oldest()?;
        waiting.rooms.remove(&peer).map(|room| (peer, room))
    }

    pub(crate) fn claim(&self, secret: &str, claim: &Owner, now_ms: u64) -> Ticket {
        let mut waiting = lock(&self.waiting);
        let claim = waiting.parked.take(secret, claim, now_ms);
        let (Claim::Granted(peer) | Claim::Spent(peer)) = claim else { return Ticket::Unknown };
        match (waiting.rooms.remove(&peer), claim) {
            (Some(room), Claim::Granted(_)) => Ticket::Back(peer, room),
            (Some(room), _) => Ticket::Spent(peer, room),
            (None, _) => Ticket::Unknown,
        }
    }

    /// Those whose time is over.
    pub(crate) fn expired(&self, now_ms: u64) -> Vec<(PeerId, RoomKey)> {
        let mut waiting = lock(&self.waiting);
        let mut expired = Vec::new();
        while let Some(peer) = waiting.parked.pop_expired(now_ms) {
            expired.extend(waiting.rooms.remove(&peer).map(|room| (peer, room)));
        }
        expired
    }
}
