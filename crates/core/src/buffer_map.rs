//! Which fragments of which segments somebody holds: my own for others, theirs for me.

use meshedflow_protocol::wire::LANES_LIMIT;

use crate::sorted::SortedMap;
use crate::time::{Duration, Time};

/// Fragments held of one segment, as bits, least significant first. Segments of up to 64 fragments, which nearly all
/// are, need no memory of their own: a viewer keeps some hundred of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    low: u64,
    rest: Option<Box<[u64; WORDS - 1]>>,
}

/// A segment has at most this many fragments.
pub(crate) const FRAGMENT_LIMIT: u16 = 1024;
const WORDS: usize = FRAGMENT_LIMIT as usize / 64;

impl Held {
    /// From the bytes of a frame; more than 1,024 bits are cut off.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let mut held = Self::default();
        for (at, byte) in bytes.iter().enumerate().filter(|(_, byte)| **byte > 0) {
            if let Some(word) = held.word_mut(at / 8) {
                *word |= u64::from(*byte) << (at % 8 * 8);
            }
        }
        held
    }

    /// Bytes for a frame.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words().flat_map(u64::to_le_bytes).collect();
        let used = bytes.iter().rposition(|byte| *byte > 0).map_or(0, |last| last + 1);
        bytes.truncate(used);
        bytes
    }

    fn words(&self) -> impl Iterator<Item = u64> + '_ {
        core::iter::once(self.low).chain(self.rest.iter().flat_map(|rest| rest.iter().copied()))
    }

    fn word_mut(&mut self, at: usize) -> Option<&mut u64> {
        match at.checked_sub(1) {
            None => Some(&mut self.low),
            Some(at) if at < WORDS - 1 => self.rest.get_or_insert_default().get_mut(at),
            Some(_) => None,
        }
    }

    /// Notes fragment `i`.
    pub(crate) fn set(&mut self, i: u16) {
        if let Some(word) = self.word_mut(usize::from(i / 64)) {
            *word |= 1 << (i % 64);
        }
    }

    /// True if fragment `i` is held.
    pub(crate) fn has(&self, i: u16) -> bool {
        let word = match usize::from(i / 64) {
            0 => Some(self.low),
            at => self.rest.as_ref().and_then(|rest| rest.get(at - 1).copied()),
        };
        word.is_some_and(|word| word >> (i % 64) & 1 == 1)
    }

    /// True if the first `count` are all held.
    pub(crate) fn has_all(&self, count: u16) -> bool {
        (0..count).all(|i| self.has(i))
    }

    /// Notes all of these.
    pub(crate) fn add(&mut self, other: &Self) {
        for (at, theirs) in other.words().enumerate().filter(|(_, word)| *word > 0) {
            if let Some(word) = self.word_mut(at) {
                *word |= theirs;
            }
        }
    }

    /// How many are held.
    pub(crate) fn count(&self) -> u32 {
        self.words().map(u64::count_ones).sum()
    }

    /// True if none is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.words().all(|word| word == 0)
    }
}

/// One segment of a neighbour.
#[derive(Clone, Debug, Default)]
pub(crate) struct RemoteSegment {
    /// Records in its list.
    pub(crate) count: u16,
    /// Its list is closed.
    pub(crate) closed: bool,
    /// Its list's hash.
    pub(crate) list_hash: u64,
    /// What it holds.
    pub(crate) held: Held,
    /// It must not be asked for this segment before then.
    pub(crate) not_before: Time,
    /// What it offers to this viewer before all others.
    pub(crate) offered: Held,
    /// What it offered to another neighbour first, who will have it soon: it is spared these until then.
    pub(crate) hinted: Held,
    pub(crate) hint_until: Time,
}

/// One lane of a neighbour.
#[derive(Clone, Debug, Default)]
pub(crate) struct RemoteLane {
    /// Epoch of the segments below.
    pub(crate) epoch: u64,
    /// When a map or delta was last heard.
    pub(crate) heard: Time,
    /// Election class and wanted range.
    pub(crate) elect: Option<meshedflow_protocol::wire::Elect>,
    /// Whom it takes for electable.
    pub(crate) view: meshedflow_protocol::wire::View,
    /// When the neighbour's queue, as last told, will have been served.
    pub(crate) queue_until: Time,
    /// It left the lane: it may be asked, and is nobody's candidate.
    pub(crate) left: bool,
    /// Its own electable neighbours in the lane, at most 16, while the lane is small.
    pub(crate) neighbours: Vec<meshedflow_protocol::ids::PeerId>,
    /// Segments by media sequence number, at most 256.
    pub(crate) segments: SortedMap<u64, RemoteSegment>,
}

/// Lanes kept per neighbour: with 256 segments each these are its 512 KiB.
pub(crate) const REMOTE_LANES: usize = LANES_LIMIT;
/// Segments kept per neighbour and lane.
pub(crate) const MAP_LIMIT: usize = 256;

impl RemoteLane {
    /// The neighbour told of its queue.
    pub(crate) fn told_queue(&mut self, now: Time, ms: u32) {
        self.queue_until = now + Duration::from_millis(ms.min(60_000).into());
    }

    /// What is left of its queue, as far as is known.
    pub(crate) fn queue(&self, now: Time) -> Duration {
        self.queue_until.since(now)
    }

    /// The entry for `msn`, made if absent; the oldest go beyond 256.
    pub(crate) fn entry(&mut self, msn: u64) -> &mut RemoteSegment {
        if self.segments.len() >= MAP_LIMIT && !self.segments.contains_key(&msn) {
            self.segments.pop_first();
        }
        self.segments.entry(msn).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_survive_the_trip_and_stay_bounded() {
        let mut h = Held::default();
        [0, 3, 9].into_iter().for_each(|i| h.set(i));
        let back = Held::from_bytes(&h.to_bytes());
        assert_eq!(h, back);
        assert!(back.has(9) && !back.has(8) && !back.has_all(2) && back.has_all(1));
        h.set(60_000);
        assert!(!h.has(60_000));
        assert_eq!(Held::from_bytes(&[255; 4096]).to_bytes().len(), 128);
    }

    #[test]
    fn a_neighbour_cannot_make_me_keep_more_than_256_segments() {
        let mut lane = RemoteLane::default();
        (0..1_000).for_each(|msn| lane.entry(msn).count = 1);
        assert_eq!(lane.segments.len(), MAP_LIMIT);
        assert!(lane.segments.contains_key(&999));
    }
}
