//! A viewer that forges: it shows lists that are not the origin's, and sends the bytes that they name.

use std::collections::BTreeMap;

use meshedflow_manifest::{Header, RECORD_BYTES, SignedList, sha256};
use meshedflow_protocol::wire::{Delta, Frame, Frames, LaneIndex, ListBatch, SegmentRef, encode};

use crate::origin::{LANES, Origin, rendition};

/// Whose lists a forger shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// Signed by the key of a stranger.
    Stranger,
    /// Signed by the origin's key, in the epoch before the one that counts: yesterday's.
    Yesterday,
}

/// The origin's lanes, by their number at the forger.
pub(crate) type Lanes = BTreeMap<LaneIndex, usize>;

/// What a forger sends instead of media.
pub(crate) fn forged(media: &mut [u8]) {
    media.iter_mut().for_each(|byte| *byte = !*byte);
}

/// What a forger says instead of this message, and how many lies are in it.
pub(crate) fn forge(how: Forgery, origin: &Origin, lanes: &mut Lanes, message: &[u8]) -> (Vec<u8>, u32) {
    let (mut said, mut lies) = (Vec::new(), 0);
    for frame in Frames::new(message).flatten() {
        let lie = match &frame {
            Frame::Delta(delta) => lie(how, origin, lanes, delta),
            _ => None,
        };
        lies += u32::from(lie.is_some());
        encode(&lie.unwrap_or(frame), &mut said);
    }
    (said, lies)
}

/// The same news with a whole list of the forger's.
fn lie(how: Forgery, origin: &Origin, lanes: &mut Lanes, delta: &Delta) -> Option<Frame> {
    let named = delta.batch.as_ref().and_then(|batch| Header::parse(batch.header.as_deref()?).ok());
    let lane_of = |h: Header| (0..LANES.len()).find(|lane| rendition(*lane) == h.rendition.as_str());
    if let Some(lane) = named.and_then(lane_of) {
        lanes.insert(delta.segment.lane, lane);
    }
    let list = origin.forge(how, *lanes.get(&delta.segment.lane)?, delta.segment.msn);
    let segment = SegmentRef { epoch: list.header.epoch, ..delta.segment };
    let count = list.records.len() as u16;
    Some(Frame::Delta(Delta {
        segment,
        count,
        closed: true,
        list_hash: hash(&list),
        batch: Some(batch(&list)),
        ..delta.clone()
    }))
}

fn hash(list: &SignedList) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = sha256(&list.signed_bytes());
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

fn batch(list: &SignedList) -> ListBatch {
    let signed = list.signed_bytes();
    let records = signed[signed.len() - RECORD_BYTES * list.records.len()..].to_vec();
    ListBatch { header: Some(list.header.encode()), first: 0, records, signature: list.signature }
}
