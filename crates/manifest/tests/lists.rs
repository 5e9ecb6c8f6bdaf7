//! The life of a list: grown, sent in pieces, read, verified.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod support;

use meshedflow_manifest::{
    Ed25519, FRAGMENT_LIMIT_BYTES, Header, Kind, LIST_LIMIT_BYTES, ListError, RECORD_LIMIT, Record,
    SignedList, VerifyError, verify,
};
use proptest::prelude::*;
use support::{fragments, header, list, records, signer, text, verified};

#[test]
fn survives_the_round_trip_byte_for_byte() {
    let list = list(5, true);
    let bytes = list.encode();
    assert_eq!(SignedList::parse(&bytes), Ok(list.clone()));
    assert_eq!(bytes, [list.signed_bytes(), list.signature.to_vec()].concat());
    assert_eq!(Header::parse(&list.header.encode()), Ok(list.header));
}

#[test]
fn the_longest_list_fits_its_limit() {
    let long = Header { stream: text(&"s".repeat(128)), rendition: text(&"r".repeat(128)), ..header() };
    let records = records(&[&[0u8][..]; RECORD_LIMIT]);
    let bytes = signer().sign_list(long, true, records).encode();
    assert_eq!(bytes.len(), LIST_LIMIT_BYTES);
    assert!(SignedList::parse(&bytes).is_ok());
}

#[test]
fn a_follower_takes_each_fragment_as_it_is_signed() {
    let key = signer().public();
    let mut have = verified(1, false);
    for n in 2..=6 {
        let news = verified(n, n == 6);
        let (header, records, signature) = news.batch(have.count(), false);
        assert_eq!((header, records.len()), (None, 44));
        let first = have.count();
        let next =
            SignedList::extend_from_batch(Some(&have), None, first, &records, n == 6, signature).unwrap();
        have = verify(next, &key, Some(&have), &mut Ed25519::default()).unwrap();
        assert_eq!((have.count(), have.hash()), (n as u16, news.hash()));
    }
    assert!(have.closed());
    assert_eq!(have.length(), fragments(6).iter().map(|r| r.length).sum::<u32>());
    assert_eq!(have.record(5).copied(), fragments(6).last().copied());
    assert_eq!(have.record(6), None);
}

#[test]
fn who_joins_in_the_middle_needs_one_batch_and_one_check() {
    let (head, records, signature) = verified(4, false).batch(0, true);
    let list = SignedList::extend_from_batch(None, head.as_deref(), 0, &records, false, signature).unwrap();
    assert_eq!(verify(list, &signer().public(), None, &mut Ed25519::default()).unwrap(), verified(4, false));
}

#[test]
fn a_closing_batch_may_carry_no_record() {
    let open = verified(4, false);
    let (_, records, signature) = verified(4, true).batch(4, false);
    assert!(records.is_empty());
    let closed = SignedList::extend_from_batch(Some(&open), None, 4, &[], true, signature).unwrap();
    assert!(verify(closed, &signer().public(), Some(&open), &mut Ed25519::default()).unwrap().closed());
}

#[test]
fn a_batch_may_repeat_records_that_are_known() {
    let (_, records, signature) = verified(5, false).batch(1, false);
    let have = verified(3, false);
    let list = SignedList::extend_from_batch(Some(&have), None, 1, &records, false, signature).unwrap();
    assert_eq!(verify(list, &signer().public(), Some(&have), &mut Ed25519::default()).unwrap().count(), 5);
}

#[test]
fn a_batch_that_leaves_a_gap_says_what_is_missing() {
    let (head, records, signature) = verified(5, false).batch(4, true);
    let have = verified(3, false);
    let from = |prior, header| SignedList::extend_from_batch(prior, header, 4, &records, false, signature);
    assert_eq!(from(Some(&have), None), Err(ListError::Missing { first: 4, have: 3 }));
    assert_eq!(from(None, head.as_deref()), Err(ListError::Missing { first: 4, have: 0 }));
    assert_eq!(from(None, None), Err(ListError::NoHeader));
}

#[test]
fn a_batch_is_bounded_before_it_is_read() {
    let head = header().encode();
    let from = |records: &[u8]| SignedList::extend_from_batch(None, Some(&head), 0, records, false, [0; 64]);
    assert_eq!(from(&[0; 43]), Err(ListError::PartialRecord(43)));
    assert_eq!(from(&vec![0; 44 * 1025]), Err(ListError::TooManyRecords(1025)));
    assert_eq!(from(&[]), Err(ListError::NoRecords));
}

#[test]
fn tells_duplicates_apart_before_any_check() {
    let open = verified(3, false);
    assert!(open.covers(3, false) && open.covers(2, false));
    // A shorter list that claims to be closed is no duplicate where it would contradict, but a closed
    // one of the same count is news.
    assert!(!open.covers(3, true) && !open.covers(4, false));
    let closed = verified(3, true);
    assert!(closed.covers(3, true) && closed.covers(3, false) && !closed.covers(4, false));
}

#[test]
fn shape_is_checked_where_it_enters_and_again_where_it_is_trusted() {
    let twist = |change: fn(&mut Vec<Record>)| {
        let mut records = fragments(3);
        change(&mut records);
        let list = signer().sign_list(header(), true, records);
        let parsed = SignedList::parse(&list.encode()).unwrap_err();
        let trusted = verify(list, &signer().public(), None, &mut Ed25519::default()).unwrap_err();
        assert_eq!(trusted, VerifyError::Shape(parsed.clone()));
        parsed
    };
    assert_eq!(twist(Vec::clear), ListError::NoRecords);
    assert_eq!(twist(|r| r.swap(0, 1)), ListError::Gap { index: 0, expected: 0, found: 100 });
    assert_eq!(twist(|r| r[2].offset += 1), ListError::Gap { index: 2, expected: 201, found: 202 });
    assert_eq!(twist(|r| r[2].length = 0), ListError::EmptyRecord(2));
    assert_eq!(twist(|r| r[1].flags = 4), ListError::Flags { index: 1, flags: 4 });
    assert_eq!(
        twist(|r| r[2].length = FRAGMENT_LIMIT_BYTES + 1),
        ListError::LongRecord { index: 2, length: FRAGMENT_LIMIT_BYTES + 1 }
    );
    assert_eq!(twist(|r| r[2].length = u32::MAX), ListError::LongRecord { index: 2, length: u32::MAX });
}

#[test]
fn a_segment_has_a_longest_length() {
    let full = |n: u32| {
        let record = |i| Record {
            offset: i * FRAGMENT_LIMIT_BYTES,
            length: FRAGMENT_LIMIT_BYTES,
            flags: 0,
            sha256: [0; 32],
        };
        signer().sign_list(header(), true, (0..n).map(record).collect()).check()
    };
    assert_eq!(full(4), Ok(()));
    assert_eq!(full(5), Err(ListError::LongSegment(5 * u64::from(FRAGMENT_LIMIT_BYTES))));
}

#[test]
fn an_init_list_is_one_closed_record() {
    let init =
        |n, closed| signer().sign_list(Header { kind: Kind::Init, ..header() }, closed, fragments(n)).check();
    assert_eq!(init(1, true), Ok(()));
    assert_eq!(init(2, true), Err(ListError::InitShape { count: 2, closed: true }));
    assert_eq!(init(1, false), Err(ListError::InitShape { count: 1, closed: false }));
}

#[test]
fn every_error_says_what_was_expected() {
    let bytes = list(2, true).encode();
    let broken = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        SignedList::parse(&bytes).unwrap_err().to_string()
    };
    assert_eq!(broken(&|b| b[0] = b'M'), r#"list does not begin with "meshedflow/fraglist/v1\0""#);
    assert_eq!(broken(&|b| b.push(0)), "1 bytes after the end of the list; expected none");
    assert_eq!(
        broken(&|b| b[33] = b'%'),
        "list stream: byte 0x25 at offset 0 of a name; expected one of [A-Za-z0-9._~/-]"
    );
    let kind = 31 + 2 + 10 + 8 + 2 + 15;
    assert_eq!(broken(&|b| b[kind] = 4), "list kind 4; expected 1 (cmaf), 2 (opaque) or 3 (init)");
    let closed = bytes.len() - 64 - 88 - 3;
    assert_eq!(broken(&|b| b[closed] = 2), "closed byte 2; expected 0 or 1");
    assert_eq!(broken(&|b| b[closed + 1] = 255), "list of 65282 records; expected at most 1024");
}

#[test]
fn every_truncation_is_refused() {
    let bytes = list(3, true).encode();
    for end in 0..bytes.len() {
        let error = SignedList::parse(&bytes[..end]).unwrap_err();
        assert!(matches!(error, ListError::Truncated(_)), "{end}: {error}");
    }
}

fn any_record() -> impl Strategy<Value = (u32, u32, [u8; 32])> {
    (1..5000u32, 0..4u32, any::<[u8; 32]>())
}

prop_compose! {
    fn any_list()(
        stream in "[A-Za-z0-9._~/-]{1,128}", rendition in "[A-Za-z0-9._~/-]{1,128}",
        epoch: u64, msn: u64, dsn: u32, resource: [u8; 16], range_base: u64, init_digest: [u8; 32], issued_at: u32,
        opaque: bool, closed: bool, parts in prop::collection::vec(any_record(), 1..40),
    ) -> SignedList {
        let mut offset = 0;
        let mut lay = |(length, flags, sha256)| {
            offset += length;
            Record { offset: offset - length, length, flags, sha256 }
        };
        let records = parts.into_iter().map(&mut lay).collect();
        let kind = if opaque { Kind::Opaque } else { Kind::Cmaf };
        let (stream, rendition, kid) = (text(&stream), text(&rendition), [0; 8]);
        let header =
            Header { kid, stream, epoch, rendition, kind, msn, dsn, resource, range_base, init_digest, issued_at };
        signer().sign_list(header, closed, records)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_list_round_trips_and_verifies(list in any_list()) {
        prop_assert_eq!(&SignedList::parse(&list.encode()).unwrap(), &list);
        prop_assert!(verify(list, &signer().public(), None, &mut Ed25519::default()).is_ok());
    }

    #[test]
    fn one_flipped_bit_anywhere_is_refused(list in any_list(), at: prop::sample::Index, bit in 0..8u8) {
        let mut bytes = list.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let taken = SignedList::parse(&bytes)
            .is_ok_and(|list| verify(list, &signer().public(), None, &mut Ed25519::default()).is_ok());
        prop_assert!(!taken, "bit {} of byte {}", bit, at);
    }

    #[test]
    fn any_two_states_of_a_segment_lead_to_the_longer(list in any_list(), a: prop::sample::Index, b: prop::sample::Index) {
        let full = list.records.len();
        let state = |n: usize| {
            let closed = list.closed && n == full;
            let list = signer().sign_list(list.header.clone(), closed, list.records[..n].to_vec());
            verify(list, &signer().public(), None, &mut Ed25519::default()).unwrap()
        };
        let (have, news) = (state(1 + a.index(full)), state(1 + b.index(full)));
        let result = verify(news.signed_list().clone(), &signer().public(), Some(&have), &mut Ed25519::default());
        if have.covers(news.count(), news.closed()) {
            prop_assert_eq!(result, Err(VerifyError::NotNewer));
        } else {
            prop_assert_eq!(result, Ok(news));
        }
    }
}
