//! What hostile viewers, stale caches and thieves of keys try with lists.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod support;

use meshedflow_manifest::{
    Anchor, Disagreement, Ed25519, EpochRange, Header, ListError, PublicKey, SignatureCheck, SignedList,
    VerifiedList, VerifyError, identity, sha256, verify,
};
use support::{fragments, header, list, records, signer, text, thief, verified};

fn take(list: SignedList, prior: Option<&VerifiedList>) -> Result<VerifiedList, VerifyError> {
    verify(list, &signer().public(), prior, &mut Ed25519::default())
}

/// Counts how often it was asked.
#[derive(Default)]
struct Counting(u32);

impl SignatureCheck for Counting {
    fn check(&mut self, key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        self.0 += 1;
        Ed25519::default().check(key, message, signature)
    }
}

#[test]
fn no_field_of_the_header_can_be_swapped() {
    let swaps: [fn(&mut Header); 10] = [
        |h| h.stream = text("shows/other"),
        |h| h.epoch += 1,
        |h| h.rendition = text("v216/index.m3u8"),
        |h| h.kind = meshedflow_manifest::Kind::Opaque,
        |h| h.msn += 1,
        |h| h.dsn += 1,
        |h| h.resource = identity::resource_id("seg_42.m4s"),
        |h| h.range_base = 1,
        |h| h.init_digest = sha256(b"other init"),
        |h| h.issued_at += 1,
    ];
    for swap in swaps {
        let mut forged = list(3, true);
        swap(&mut forged.header);
        assert_eq!(take(forged, None), Err(VerifyError::Signature));
    }
}

#[test]
fn a_tail_cannot_be_cut_off_or_put_on() {
    let mut cut = list(3, true);
    cut.records.pop();
    assert_eq!(take(cut, None), Err(VerifyError::Signature));
    let mut longer = list(3, true);
    longer.records = fragments(4);
    assert_eq!(take(longer, None), Err(VerifyError::Signature));
    let mut closed = list(3, false);
    closed.closed = true;
    assert_eq!(take(closed, None), Err(VerifyError::Signature));
}

#[test]
fn equal_length_substitution_fails_in_the_hands_of_a_relay() {
    let mut forged = list(3, true);
    forged.records[1].sha256 = sha256(&[0xee; 101]);
    assert_eq!(take(forged, None), Err(VerifyError::Signature));
}

#[test]
fn equal_length_substitution_by_a_thief_of_the_key_disagrees() {
    let mut records = fragments(3);
    records[1].sha256 = sha256(&[0xee; 101]);
    let forged = signer().sign_list(header(), true, records);
    let have = verified(2, false);
    let disagrees = VerifyError::Disagrees(Disagreement::Record(1));
    assert_eq!(take(forged.clone(), Some(&have)), Err(disagrees));
    // Without the signature it is no reason to quarantine anything.
    let unsigned = SignedList { signature: [0; 64], ..forged };
    assert_eq!(take(unsigned, Some(&have)), Err(VerifyError::Signature));
}

#[test]
fn reordered_records_never_pass_not_even_signed() {
    let mut records = fragments(3);
    records.swap(1, 2);
    let forged = signer().sign_list(header(), true, records);
    let gap = ListError::Gap { index: 1, expected: 100, found: 201 };
    assert_eq!(take(forged, None), Err(VerifyError::Shape(gap)));
}

#[test]
fn records_shifted_from_zero_never_pass() {
    let mut records = fragments(3);
    records.iter_mut().for_each(|record| record.offset += 188);
    let gap = ListError::Gap { index: 0, expected: 0, found: 188 };
    assert_eq!(take(signer().sign_list(header(), true, records), None), Err(VerifyError::Shape(gap)));
}

#[test]
fn offsets_that_wrap_around_never_pass() {
    let mut two = records(&[b"a", b"b"]);
    two[0].length = u32::MAX;
    two[1].offset = u32::MAX;
    let long = ListError::LongRecord { index: 0, length: u32::MAX };
    assert_eq!(take(signer().sign_list(header(), true, two), None), Err(VerifyError::Shape(long)));
}

#[test]
fn a_claim_of_four_gigabytes_is_refused_before_anything_is_reserved() {
    let mut bytes = list(1, true).encode();
    let count = bytes.len() - 64 - 44 - 2;
    bytes[count..count + 2].copy_from_slice(&[0x04, 0x00]);
    assert_eq!(SignedList::parse(&bytes), Err(ListError::Truncated("records")));
    let length = bytes.len() - 64 - 44 + 4;
    bytes[count..count + 2].copy_from_slice(&[0, 1]);
    bytes[length..length + 4].copy_from_slice(&[0xff; 4]);
    assert_eq!(SignedList::parse(&bytes), Err(ListError::LongRecord { index: 0, length: u32::MAX }));
}

#[test]
fn another_key_is_named_as_such_or_fails_to_verify() {
    let by_thief = thief().sign_list(header(), true, fragments(3));
    let (expected, found) = (signer().kid(), thief().kid());
    assert_eq!(take(by_thief.clone(), None), Err(VerifyError::Key { expected, found }));
    let mut renamed = by_thief;
    renamed.header.kid = expected;
    assert_eq!(take(renamed, None), Err(VerifyError::Signature));
}

#[test]
fn a_shorter_closed_list_replayed_late_disagrees() {
    let have = verified(4, false);
    let length = Disagreement::Length { prior: 4, found: 2 };
    assert_eq!(take(list(2, true), Some(&have)), Err(VerifyError::Disagrees(length)));
    let closed = verified(2, true);
    let length = Disagreement::Length { prior: 2, found: 4 };
    assert_eq!(take(list(4, false), Some(&closed)), Err(VerifyError::Disagrees(length)));
}

#[test]
fn a_second_header_for_one_segment_disagrees() {
    let have = verified(2, false);
    let other = Header { resource: identity::resource_id("seg_41b.m4s"), ..header() };
    let other = signer().sign_list(other, false, fragments(3));
    assert_eq!(take(other, Some(&have)), Err(VerifyError::Disagrees(Disagreement::Header)));
}

#[test]
fn lists_of_two_segments_are_never_held_against_each_other() {
    let next = Header { msn: 42, ..header() };
    let next = signer().sign_list(next, false, fragments(3));
    assert_eq!(take(next, Some(&verified(2, false))), Err(VerifyError::OtherSegment));
    let epoch = Header { epoch: 4, ..header() };
    let epoch = signer().sign_list(epoch, false, fragments(3));
    assert_eq!(take(epoch, Some(&verified(2, false))), Err(VerifyError::OtherSegment));
}

#[test]
fn two_init_segments_may_share_a_media_sequence_number() {
    let init = |name| {
        let resource = identity::resource_id(name);
        let header = Header { kind: meshedflow_manifest::Kind::Init, resource, ..header() };
        signer().sign_list(header, true, fragments(1))
    };
    let have = take(init("init.mp4"), None).unwrap();
    assert_eq!(take(init("init_2.mp4"), Some(&have)), Err(VerifyError::OtherSegment));
    assert_eq!(take(init("init.mp4"), Some(&have)), Err(VerifyError::NotNewer));
}

#[test]
fn a_flood_of_old_lists_costs_no_signature_check() {
    let have = verified(4, true);
    let mut check = Counting::default();
    for n in 1..=4 {
        let replay = verify(list(n, n == 4), &signer().public(), Some(&have), &mut check);
        assert_eq!(replay, Err(VerifyError::NotNewer));
    }
    assert_eq!(check.0, 0);
}

#[test]
fn a_second_spelling_of_a_signature_is_refused() {
    // S + L verifies under lax rules (RFC 8032 section 5.1.7 demands S < L).
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut malleable = list(3, true);
    let mut carry = 0u16;
    for (byte, add) in malleable.signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + add + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(take(malleable, None), Err(VerifyError::Signature));
}

#[test]
fn a_key_of_small_order_signs_nothing() {
    // Under lax rules the identity point as key takes R = identity, S = 0 for every message.
    let mut identity = [0; 32];
    identity[0] = 1;
    let key = PublicKey::new(identity);
    let mut signature = [0; 64];
    signature[0] = 1;
    let list = SignedList { header: Header { kid: key.kid(), ..header() }, signature, ..list(3, true) };
    assert_eq!(verify(list, &key, None, &mut Ed25519::default()), Err(VerifyError::Signature));
}

#[test]
fn yesterdays_list_is_well_signed_but_of_an_epoch_that_counts_no_more() {
    let yesterday = take(list(3, true), None).unwrap();
    let today = EpochRange { epoch: 4, first_msn: 0, last_msn: None };
    let anchor = Anchor::new(&[today], 0).unwrap();
    assert_ne!(anchor.epoch_for(yesterday.header().msn), Some(yesterday.header().epoch));
}

#[test]
fn signatures_of_other_objects_do_not_pass_for_lists() {
    // Every signed object has its own magic; a list's bytes under another one are no list.
    let mut bytes = list(3, true).encode();
    bytes[..23].copy_from_slice(b"meshedflow/receipt/v1\0\0");
    assert_eq!(SignedList::parse(&bytes), Err(ListError::Magic));
}
