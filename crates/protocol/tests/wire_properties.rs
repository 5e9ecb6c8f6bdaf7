//! Frames of every type, at random: written, read, equal; and cut anywhere, an error.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use meshedflow_protocol::ids::{Name, PeerId};
use meshedflow_protocol::wire::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn name() -> impl Strategy<Value = Name> {
    vec(proptest::sample::select(b"abcXYZ019._~/-".to_vec()), 1..=128)
        .prop_map(|bytes| Name::new(String::from_utf8(bytes).unwrap()).unwrap())
}

fn peer() -> impl Strategy<Value = PeerId> {
    any::<[u8; 16]>().prop_map(PeerId)
}

fn lane() -> impl Strategy<Value = LaneIndex> {
    (0_u8..8).prop_map(|index| LaneIndex::new(index).unwrap())
}

fn segment() -> impl Strategy<Value = SegmentRef> {
    (lane(), any::<u64>(), any::<u64>()).prop_map(|(lane, epoch, msn)| SegmentRef { lane, epoch, msn })
}

fn view() -> impl Strategy<Value = View> {
    (any::<u16>(), any::<u64>()).prop_map(|(count, xor)| View { count, xor })
}

fn batch() -> impl Strategy<Value = ListBatch> {
    let header = option::of(vec(any::<u8>(), 0..300));
    let records = vec(any::<[u8; 32]>(), 0..9).prop_map(|digests| {
        digests.into_iter().flat_map(|digest| [&digest[..], &digest[..12]].concat()).collect()
    });
    (header, any::<u16>(), records, any::<[u8; 32]>()).prop_map(|(header, first, records, half)| ListBatch {
        header,
        first,
        records,
        signature: [half, half].concat().try_into().unwrap(),
    })
}

fn data_header() -> impl Strategy<Value = DataHeader> {
    (any::<u32>(), any::<u32>(), option::of(batch())).prop_map(|(request, offset, batch)| DataHeader {
        request,
        offset,
        batch,
    })
}

fn hello() -> impl Strategy<Value = Frame> {
    let lanes = vec((lane(), name()), 0..=8);
    let wire = (any::<u8>(), any::<u8>()).prop_map(|(a, b)| (a.min(b), a.max(b)));
    (wire, peer(), any::<u32>(), any::<u8>(), any::<u8>(), lanes).prop_map(
        |(wire, peer, uplink_bytes_per_s, sharing, class, lanes)| {
            Frame::Hello(Hello { wire, peer, uplink_bytes_per_s, sharing, class, lanes })
        },
    )
}

fn map_segment() -> impl Strategy<Value = MapSegment> {
    let held = vec(any::<u8>(), 0..32);
    (any::<u64>(), any::<bool>(), any::<u64>(), held, any::<u8>()).prop_map(
        |(msn, closed, list_hash, held, spare)| {
            let count = held.len() as u16 * 8 + u16::from(spare);
            MapSegment { msn, count, closed, list_hash, held }
        },
    )
}

fn map() -> impl Strategy<Value = Frame> {
    let elect = (any::<u8>(), any::<u64>(), any::<u64>()).prop_map(|(class, first, last)| Elect {
        class,
        first,
        last,
    });
    let segments = vec(map_segment(), 0..40).prop_map(|mut segments| {
        segments.sort_by_key(|s| s.msn);
        segments.dedup_by_key(|s| s.msn);
        segments
    });
    (lane(), any::<u64>(), elect, view(), any::<u32>(), vec(peer(), 0..=16), segments).prop_map(
        |(lane, epoch, elect, view, queue_ms, neighbours, segments)| {
            Frame::Map(Map { lane, epoch, elect, view, queue_ms, neighbours, segments })
        },
    )
}

fn delta() -> impl Strategy<Value = Frame> {
    let held = (any::<u16>(), 0_u16..100).prop_map(|(first, held)| (first.min(60_000), held));
    let list = (held, any::<bool>(), any::<u64>(), any::<u8>());
    (segment(), list, any::<u32>(), view(), option::of(peer()), option::of(batch())).prop_map(
        |(segment, ((first, held), closed, list_hash, spare), queue_ms, view, offer_to, batch)| {
            let count = first + held + u16::from(spare);
            Frame::Delta(Delta {
                segment,
                count,
                closed,
                list_hash,
                first,
                held,
                queue_ms,
                view,
                offer_to,
                batch,
            })
        },
    )
}

fn fetching() -> impl Strategy<Value = Frame> {
    let range = option::of((0_u32..1_000_000, 1_u32..1_000_000).prop_map(|(from, len)| (from, from + len)));
    (segment(), peer(), any::<u8>(), range, any::<u32>(), any::<u8>()).prop_map(
        |(segment, fetcher, stage, range, age_ms, hops)| {
            Frame::Fetching(Fetching { segment, fetcher, stage, range, age_ms, hops })
        },
    )
}

fn request() -> impl Strategy<Value = Frame> {
    (any::<u32>(), segment(), any::<[u16; 2]>(), any::<[u32; 2]>(), any::<bool>()).prop_map(
        |(request, segment, [first, count], [skip, deadline_ms], urgent)| {
            Frame::Request(Request { request, segment, first, count, skip, deadline_ms, urgent })
        },
    )
}

fn small() -> impl Strategy<Value = Frame> {
    let numbers = || (any::<u32>(), any::<u32>());
    prop_oneof![
        (segment(), any::<u32>(), any::<u8>()).prop_map(|(segment, age_ms, hops)| Frame::Known {
            segment,
            age_ms,
            hops
        }),
        (lane(), name(), any::<u64>()).prop_map(|(lane, rendition, from_msn)| Frame::Lane(LaneChange::Add {
            lane,
            rendition,
            from_msn
        })),
        (lane(), any::<u64>()).prop_map(|(lane, from_msn)| Frame::Lane(LaneChange::Drop { lane, from_msn })),
        numbers().prop_map(|(request, eta_ms)| Frame::Queued { request, eta_ms }),
        any::<u32>().prop_map(|request| Frame::Done { request }),
        (numbers(), any::<u8>()).prop_map(|((request, queue_ms), reason)| Frame::Reject {
            request,
            reason: RejectReason::of(reason),
            queue_ms
        }),
        any::<u32>().prop_map(|request| Frame::Cancel { request }),
        any::<u32>().prop_map(|nonce| Frame::Ping { nonce }),
        numbers().prop_map(|(nonce, hold_ms)| Frame::Pong { nonce, hold_ms }),
        vec(any::<u8>(), 0..=1024).prop_map(Frame::Receipt),
        any::<u8>().prop_map(|reason| Frame::Goodbye { reason }),
        segment().prop_map(Frame::Dropped),
        peer().prop_map(|peer| Frame::Identity { peer }),
    ]
}

fn frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        1 => hello(),
        1 => map(),
        1 => delta(),
        1 => fetching(),
        1 => request(),
        1 => data_header().prop_map(Frame::Data),
        4 => small()
    ]
}

proptest! {
    #[test]
    fn frames_survive_the_wire(frames in vec(frame(), 0..5)) {
        let mut message = Vec::new();
        frames.iter().for_each(|frame| encode(frame, &mut message));
        prop_assert_eq!(Frames::new(&message).collect::<Result<Vec<_>, _>>(), Ok(frames));
    }

    #[test]
    fn media_survives_the_wire(head in data_header(), media in vec(any::<u8>(), 0..300)) {
        let mut message = Vec::new();
        encode_data_head(&head, media.len(), &mut message);
        message.extend(&media);
        let (read, payload) = decode_data(&message).unwrap();
        prop_assert_eq!((read, &message[payload.clone()]), (head, &media[..]));
        prop_assert_eq!(peek_data(&message).unwrap().payload, payload);
    }

    #[test]
    fn a_frame_cut_anywhere_is_an_error_that_says_where(frame in frame(), at in any::<usize>()) {
        let mut message = Vec::new();
        encode(&frame, &mut message);
        let cut = &message[..at % message.len()];
        let error = decode(cut).unwrap_err();
        prop_assert_eq!(error.kind, WireErrorKind::Truncated);
        prop_assert!(error.at <= cut.len());
    }

    #[test]
    fn trailing_bytes_of_a_body_change_nothing(frame in frame(), tail in vec(any::<u8>(), 1..9)) {
        // The rest of these two bodies is theirs.
        prop_assume!(!matches!(frame, Frame::Receipt(_) | Frame::Data(_)));
        let mut message = Vec::new();
        encode(&frame, &mut message);
        let body = &message[message.len() - body_len(&message)..];
        let mut longer = vec![message[0]];
        let length = body.len() + tail.len();
        longer.extend([length as u8 | 0x80, (length >> 7) as u8 | 0x80, (length >> 14) as u8]);
        longer.extend([body, &tail].concat());
        prop_assert_eq!(decode(&longer), Ok((frame, longer.len())));
    }
}

fn body_len(message: &[u8]) -> usize {
    let digits = message[1..].iter().position(|byte| *byte < 0x80).unwrap() + 1;
    message.len() - 1 - digits
}

#[test]
fn what_breaks_a_limit_is_left_out_when_written() {
    let hello = Hello {
        wire: (1, 1),
        peer: PeerId::default(),
        uplink_bytes_per_s: 0,
        sharing: 2,
        class: 2,
        lanes: (0..9).map(|i| (LaneIndex::new(i % 8).unwrap(), Name::new("v").unwrap())).collect(),
    };
    let mut message = Vec::new();
    encode(&Frame::Hello(hello), &mut message);
    encode(&Frame::Unknown(0x77), &mut message);
    let frames: Vec<_> = Frames::new(&message).collect::<Result<_, _>>().unwrap();
    assert!(matches!(&frames[..], [Frame::Hello(hello)] if hello.lanes.len() == 8));
}

#[test]
fn two_sides_speak_the_lower_of_their_highest_versions() {
    assert_eq!(agree((1, 1), (1, 4)), Some(1));
    assert_eq!(agree((1, 3), (2, 4)), Some(3));
    assert_eq!(agree((1, 1), (2, 4)), None);
    assert_eq!(agree((3, 4), (1, 2)), None);
}

/// A page numbers its playlists as it likes; what goes over the wire has no ninth number.
#[test]
fn no_index_beyond_seven_can_be_made() {
    assert_eq!(
        (0..=255).filter_map(LaneIndex::new).map(LaneIndex::get).collect::<Vec<_>>(),
        (0..8).collect::<Vec<_>>()
    );
    assert_eq!(LaneIndex::all().count(), LANES_LIMIT);
}
