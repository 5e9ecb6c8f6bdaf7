//! Viewers whose sockets broke and that may come back.

use std::collections::HashMap;
use std::sync::Mutex;

use meshedflow_hub::{Claim, Owner, Parked, ResumeHash, RoomKey};
use meshedflow_protocol::ids::PeerId;

use crate::seats::lock;

/// Parked identities, each with the room that still has it.
#[derive(Debug, Default)]
pub(crate) struct Lobby(Mutex<Waiting>);

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
    /// Parks an identity. Returns one that had to make room.
    pub(crate) fn park(
        &self,
        hash: ResumeHash,
        owner: Owner,
        room: RoomKey,
        now_ms: u64,
    ) -> Option<(PeerId, RoomKey)> {
        let mut waiting = lock(&self.0);
        waiting.rooms.insert(owner.peer, room);
        let evicted = waiting.parked.park(hash, owner, now_ms)?;
        waiting.rooms.remove(&evicted).map(|room| (evicted, room))
    }

    pub(crate) fn claim(&self, secret: &str, claim: &Owner, now_ms: u64) -> Ticket {
        let mut waiting = lock(&self.0);
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
        let mut waiting = lock(&self.0);
        let mut expired = Vec::new();
        while let Some(peer) = waiting.parked.pop_expired(now_ms) {
            expired.extend(waiting.rooms.remove(&peer).map(|room| (peer, room)));
        }
        expired
    }
}
