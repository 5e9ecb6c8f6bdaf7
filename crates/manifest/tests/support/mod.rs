//! An origin in a few words, for the tests.
#![allow(dead_code, reason = "each test file uses its own part")]

use meshedflow_manifest::{Header, Kind, Record, SignedList, Signer, Text, VerifiedList, identity, sha256};

/// The key that signs unless a test says otherwise.
pub(crate) fn signer() -> Signer {
    Signer::new([7; 32])
}

/// Another key.
pub(crate) fn thief() -> Signer {
    Signer::new([8; 32])
}

pub(crate) fn text(name: &str) -> Text {
    Text::new(name).unwrap()
}

/// The header of one live segment.
pub(crate) fn header() -> Header {
    Header {
        kid: signer().kid(),
        stream: text("shows/demo"),
        epoch: 3,
        rendition: text("v360/index.m3u8"),
        kind: Kind::Cmaf,
        msn: 41,
        dsn: 2,
        resource: identity::resource_id("seg_41.m4s"),
        range_base: 0,
        init_digest: sha256(b"init"),
        issued_at: 1_700_000_000,
    }
}

/// Records end to end over fragments with these bodies; the first is independent.
pub(crate) fn records(bodies: &[&[u8]]) -> Vec<Record> {
    let mut offset = 0;
    let mut record = |(index, body): (usize, &&[u8])| {
        let length = body.len() as u32;
        let record = Record { offset, length, flags: u32::from(index == 0), sha256: sha256(body) };
        offset += length;
        record
    };
    bodies.iter().enumerate().map(&mut record).collect()
}

/// `n` fragments of different bytes.
pub(crate) fn fragments(n: u32) -> Vec<Record> {
    let bodies: Vec<Vec<u8>> = (0..n).map(|i| vec![i as u8; 100 + i as usize]).collect();
    records(&bodies.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// The list after `n` of a segment's fragments.
pub(crate) fn list(n: u32, closed: bool) -> SignedList {
    signer().sign_list(header(), closed, fragments(n))
}

/// The same, verified.
pub(crate) fn verified(n: u32, closed: bool) -> VerifiedList {
    let check = &mut meshedflow_manifest::Ed25519::default();
    meshedflow_manifest::verify(list(n, closed), &signer().public(), None, check).unwrap()
}

/// The usual key's signature over any bytes, lists or not.
pub(crate) fn sign_raw(message: &[u8]) -> [u8; 64] {
    use ed25519_dalek::Signer as _;
    ed25519_dalek::SigningKey::from_bytes(&[7; 32]).sign(message).to_bytes()
}
