//! What a viewer that misbehaves says instead of what its core said.

use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::wire::{Delta, Fetching, Frame, Frames, SegmentRef, View, encode};

use crate::viewer::Evil;

/// The messages that leave instead of this one, and how many of them are lies.
pub(crate) fn twist(evil: Evil, me: PeerId, message: Vec<u8>) -> (Vec<Vec<u8>>, u32) {
    let about: Option<SegmentRef> = Frames::new(&message).flatten().find_map(segment_of);
    let lies: Vec<Frame> = match (evil, about) {
        (Evil::Boasts, Some(segment)) => vec![boast(segment)],
        (Evil::Babbles, Some(segment)) => (0..40).flat_map(|n| babble(segment, me, n)).collect(),
        // A second Hello would end it for another reason.
        (Evil::Floods, _) if message.first() != Some(&1) => return (vec![message; 1_000], 999),
        _ => return (vec![message], 0),
    };
    let count = lies.len() as u32;
    let encoded = lies.iter().map(|frame| {
        let mut bytes = Vec::new();
        encode(frame, &mut bytes);
        bytes
    });
    // A boaster's own delta would carry the list.
    let honest = (evil != Evil::Boasts).then_some(message);
    (honest.into_iter().chain(encoded).collect(), count)
}

fn segment_of(frame: Frame) -> Option<SegmentRef> {
    match frame {
        Frame::Delta(d) => Some(d.segment),
        Frame::Known { segment, .. } | Frame::Dropped(segment) => Some(segment),
        Frame::Fetching(f) => Some(f.segment),
        _ => None,
    }
}

fn boast(segment: SegmentRef) -> Frame {
    Frame::Delta(Delta {
        segment,
        count: 8,
        closed: true,
        list_hash: 7,
        first: 0,
        held: 8,
        queue_ms: 0,
        view: View::default(),
        offer_to: None,
        batch: None,
    })
}

fn babble(near: SegmentRef, me: PeerId, n: u64) -> [Frame; 4] {
    let at = |msn: u64| SegmentRef { msn, ..near };
    let claim = |segment| Fetching { segment, fetcher: me, stage: 255, range: None, age_ms: 0, hops: 0 };
    [
        boast(at(near.msn + 1 + n)),
        Frame::Known { segment: at(near.msn + 1), age_ms: 0, hops: 0 },
        Frame::Fetching(claim(near)),
        boast(at(u64::MAX - n)),
    ]
}
