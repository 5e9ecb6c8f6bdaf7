//! The rooms of this edge, and the door to other edges.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use meshedflow_hub::{Ledger, PairingRules, Relay, Room, RoomKey};
use meshedflow_protocol::ids::{Name, PeerId};

use crate::seats::lock;

/// What an edge shares with other edges. Viewers and rooms live in their edge's memory; only summaries and signals
/// between edges pass here. Nothing here may block: an implementation queues and answers at once.
pub trait Registry: Send + Sync + 'static {
    /// Carries a signal to the edge that `to` names; gives it back if that edge is not there.
    fn forward(&self, to: PeerId, relay: Relay) -> Result<(), Relay>;

    /// A room has so many members now; 0: it is gone.
    fn publish(&self, room: &RoomKey, members: usize);

    /// This edge stops: nobody shall count on what it published.
    fn withdraw(&self);

    /// The store cannot be reached; pairing goes on within this edge.
    fn is_degraded(&self) -> bool;
}

/// The registry of an edge that is alone: nothing to share, nobody to forward to.
#[derive(Debug, Default)]
pub struct Memory {
    members: Mutex<HashMap<RoomKey, usize>>,
}

impl Memory {
    /// Members of one stream, all buckets together.
    pub fn members(&self, stream: &Name) -> usize {
        lock(&self.members).iter().filter(|(key, _)| key.stream == *stream).map(|(_, n)| n).sum()
    }
}

impl Registry for Memory {
    fn forward(&self, _: PeerId, relay: Relay) -> Result<(), Relay> {
        Err(relay)
    }

    fn publish(&self, room: &RoomKey, members: usize) {
        let mut rooms = lock(&self.members);
        match members {
            0 => rooms.remove(room),
            _ => rooms.insert(room.clone(), members),
        };
    }

    fn withdraw(&self) {
        lock(&self.members).clear();
    }

    fn is_degraded(&self) -> bool {
        false
    }
}

/// A room and its lock, taken for joins, lanes, needs and leaves; never for a signal.
pub(crate) type SharedRoom = Arc<Mutex<Room>>;

/// Rooms by stream and bucket.
#[derive(Debug)]
pub(crate) struct Rooms {
    rules: PairingRules,
    streams: Mutex<HashMap<Name, Stream>>,
}

/// The buckets of one stream, and what households learned of its whole audience.
#[derive(Debug, Default)]
struct Stream {
    ledger: Arc<Ledger>,
    buckets: Vec<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    number: u16,
    room: SharedRoom,
    /// Seats promised: members, and joins under way.
    promised: usize,
}

impl Rooms {
    pub(crate) fn new(rules: PairingRules) -> Self {
        Self { rules, streams: Mutex::default() }
    }

    /// A place in the fullest bucket of the stream that is not full; `seed` for a new one. Buckets are separate
    /// meshes, so the fewer the better.
    pub(crate) fn enter(&self, stream: &Name, seed: u64) -> Option<(RoomKey, SharedRoom)> {
        let mut streams = lock(&self.streams);
        let Stream { ledger, buckets } = streams.entry(stream.clone()).or_default();
        let open = buckets.iter_mut().filter(|b| b.promised < self.rules.members_limit);
        if let Some(bucket) = open.max_by_key(|b| b.promised) {
            bucket.promised += 1;
            return Some((RoomKey { stream: stream.clone(), bucket: bucket.number }, bucket.room.clone()));
        }
        let number = (0..=u16::MAX).find(|n| buckets.iter().all(|b| b.number != *n))?;
        let room = Arc::new(Mutex::new(Room::sharing(ledger.clone(), self.rules.clone(), seed)));
        buckets.push(Bucket { number, room: room.clone(), promised: 1 });
        Some((RoomKey { stream: stream.clone(), bucket: number }, room))
    }

    /// The room of a viewer that comes back.
    pub(crate) fn find(&self, key: &RoomKey) -> Option<SharedRoom> {
        let streams = lock(&self.streams);
        let bucket = streams.get(&key.stream)?.buckets.iter().find(|b| b.number == key.bucket)?;
        Some(bucket.room.clone())
    }

    /// Gives a place back; an empty room is forgotten. Returns how many places are still held.
    pub(crate) fn exit(&self, key: &RoomKey) -> usize {
        let mut streams = lock(&self.streams);
        let Some(Stream { buckets, .. }) = streams.get_mut(&key.stream) else { return 0 };
        let Some(bucket) = buckets.iter_mut().find(|b| b.number == key.bucket) else { return 0 };
        bucket.promised = bucket.promised.saturating_sub(1);
        let left = bucket.promised;
        if left == 0 {
            buckets.retain(|b| b.number != key.bucket);
        }
        if buckets.is_empty() {
            streams.remove(&key.stream);
        }
        left
    }

    /// All rooms now, for the weights' ticker.
    pub(crate) fn all(&self) -> Vec<SharedRoom> {
        lock(&self.streams).values().flat_map(|stream| &stream.buckets).map(|b| b.room.clone()).collect()
    }

    /// Streams and rooms now.
    pub(crate) fn count(&self) -> (usize, usize) {
        let streams = lock(&self.streams);
        (streams.len(), streams.values().map(|stream| stream.buckets.len()).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_fill_one_after_the_other_and_vanish_when_empty() {
        let rules = PairingRules { members_limit: 2, ..PairingRules::default() };
        let (rooms, stream) = (Rooms::new(rules), Name::new("demo").unwrap());
        let keys: Vec<RoomKey> = (0..5).map(|seed| rooms.enter(&stream, seed).unwrap().0).collect();
        assert_eq!(keys.iter().map(|k| k.bucket).collect::<Vec<_>>(), [0, 0, 1, 1, 2]);
        assert_eq!(rooms.exit(&keys[0]), 1);
        assert_eq!(
            rooms.enter(&stream, 9).unwrap().0.bucket,
            2,
            "the fullest that is not full; ties: the last"
        );
        for key in keys.iter().skip(1).chain([&keys[4]]) {
            rooms.exit(key);
        }
        assert_eq!(rooms.count(), (0, 0));
    }
}
