//! Writes the vectors of `tests/vectors/lists` and `tests/vectors/keys`.
//!
//! Ed25519 is deterministic, so the files are what this computes, byte for byte: a change of the format
//! shows as a changed file. The crate's tests compare, and `tests/vectors/*.test.mjs` check the same files
//! with Node's own crypto.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "it writes what the tests then check")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

use meshedflow_manifest::{
    Ed25519, EncodedList, EpochRange, FLAG_STARTS_PART, Header, InitEntry, KeyEntry, KeySet, KeySetDocument,
    KeyState, KeyUse, Kind, PublicKey, Record, Rolling, SegmentEntry, SegmentState, SignedList, Signer,
    identity, verify,
};
use serde_json::{Value, json};
use support::{fragments, header, list, records, signer, text, thief, verified};

/// A file's path, and what belongs in it.
type File = (PathBuf, String);

fn main() -> std::io::Result<()> {
    files().into_iter().try_for_each(|(path, content)| std::fs::write(path, content))
}

/// Every file, as this version makes it.
pub(crate) fn files() -> Vec<File> {
    let mut files = vec![good_lists(), refused_lists(), growing_segment(), key_sets()];
    files.extend(rolling_documents());
    files
}

fn file(path: &str, content: String) -> File {
    (Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(path), content)
}

fn vectors(path: &str, vectors: &[Value]) -> File {
    let lines: Vec<String> = vectors.iter().map(|vector| format!("  {vector}")).collect();
    file(path, format!("[\n{}\n]\n", lines.join(",\n")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// A segment of three fragments, and its bytes.
fn bodies() -> [Vec<u8>; 3] {
    [b"first fragment".to_vec(), vec![0; 300], (0..=255).collect()]
}

fn good(story: &str, key: &Signer, list: &SignedList, bytes: Option<&[u8]>) -> Value {
    let verified =
        verify(SignedList::parse(&list.encode()).unwrap(), &key.public(), None, &mut Ed25519::default())
            .unwrap();
    let h = &list.header;
    let record = |r: &Record| json!({"offset": r.offset, "length": r.length, "flags": r.flags, "sha256": hex(&r.sha256)});
    json!({
        "story": story,
        "publicKey": key.public().to_base64url(),
        "header": {
            "kid": hex(&h.kid), "stream": h.stream, "epoch": h.epoch, "rendition": h.rendition, "kind": h.kind as u8,
            "msn": h.msn, "dsn": h.dsn, "resource": hex(&h.resource), "rangeBase": h.range_base,
            "initDigest": hex(&h.init_digest), "issuedAt": h.issued_at,
        },
        "closed": list.closed,
        "records": list.records.iter().map(record).collect::<Vec<_>>(),
        "hash": format!("{:016x}", verified.hash()),
        "list": EncodedList::of(list).as_str(),
        "segment": bytes.map(base64url),
    })
}

fn good_lists() -> File {
    let bodies = bodies();
    let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
    let bytes = bodies.concat();
    let sign = |header, closed, records| signer().sign_list(header, closed, records);
    let parts = |mut records: Vec<Record>| {
        records.iter_mut().step_by(2).for_each(|record| record.flags |= FLAG_STARTS_PART);
        records
    };
    let opaque = Header { kind: Kind::Opaque, init_digest: [0; 32], ..header() };
    let range = Header { range_base: 1 << 33, resource: identity::resource_id("movie.mp4"), ..header() };
    let init = Header { kind: Kind::Init, resource: identity::resource_id("init.mp4"), ..header() };
    let longest = Header { stream: text(&"s/".repeat(64)), rendition: text(&"~".repeat(128)), ..header() };
    let shortest =
        Header { stream: text("s"), rendition: text("main"), epoch: 0, msn: 0, dsn: 0, ..header() };
    let by_thief = thief().sign_list(header(), true, records(&bodies));
    let all = [
        good("a closed segment", &signer(), &sign(header(), true, records(&bodies)), Some(&bytes)),
        good(
            "the same while it grows",
            &signer(),
            &sign(header(), false, records(&bodies[..2])),
            Some(&bytes),
        ),
        good("opaque tiles", &signer(), &sign(opaque, true, records(&bodies)), Some(&bytes)),
        good("LL-HLS parts", &signer(), &sign(header(), true, parts(records(&bodies))), Some(&bytes)),
        good("a byte range beyond 4 GiB", &signer(), &sign(range, true, records(&bodies)), Some(&bytes)),
        good("an init segment", &signer(), &sign(init, true, records(&[b"init"])), Some(b"init")),
        good("the longest names", &signer(), &sign(longest, true, fragments(1)), None),
        good("the shortest names, zeros", &signer(), &sign(shortest, false, fragments(1)), None),
        good("many fragments", &signer(), &sign(header(), true, fragments(64)), None),
        good("another key", &thief(), &by_thief, Some(&bytes)),
    ];
    vectors("lists/good.json", &all)
}

/// A list that must not be taken: how, and why.
fn refused(story: &str, bytes: &[u8]) -> Value {
    let key = signer().public();
    let error = match SignedList::parse(bytes) {
        Ok(list) => verify(list, &key, None, &mut Ed25519::default()).unwrap_err().to_string(),
        Err(error) => error.to_string(),
    };
    json!({"story": story, "publicKey": key.to_base64url(), "list": base64url(bytes), "error": error})
}

/// Signed by the right key all the same: only the shape can refuse it.
fn signed_anyway(story: &str, header: Header, change: fn(&mut Vec<Record>)) -> Value {
    let mut records = fragments(3);
    change(&mut records);
    refused(story, &signer().sign_list(header, true, records).encode())
}

/// Where fields lie in a list of `support::header`.
const VERSION_AT: usize = 21;
const STREAM_AT: usize = 33;
const KIND_AT: usize = STREAM_AT + 10 + 8 + 2 + 15;
const CLOSED_AT: usize = KIND_AT + 1 + 8 + 4 + 16 + 8 + 32 + 4;

/// The signed bytes changed by hand, then signed by the right key.
fn resigned(story: &str, change: fn(&mut Vec<u8>)) -> Value {
    let mut bytes = list(2, true).signed_bytes();
    change(&mut bytes);
    let signature = support::sign_raw(&bytes);
    refused(story, &[bytes, signature.to_vec()].concat())
}

fn refused_lists() -> File {
    let whole = list(3, true).encode();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let init = Header { kind: Kind::Init, ..header() };
    let all = [
        refused("a flipped bit in the epoch", &flipped(50)),
        refused("a flipped bit in a digest", &flipped(whole.len() - 70)),
        refused("a flipped bit in the signature", &flipped(whole.len() - 1)),
        refused("truncated", &whole[..whole.len() - 1]),
        refused("a byte too many", &[&whole[..], &[0]].concat()),
        refused("another key", &thief().sign_list(header(), true, fragments(3)).encode()),
        signed_anyway("records reordered", header(), |r| r.swap(1, 2)),
        signed_anyway("records shifted", header(), |r| r.iter_mut().for_each(|r| r.offset += 188)),
        signed_anyway("an overlap", header(), |r| r[1].offset -= 1),
        signed_anyway("an empty record", header(), |r| r[2].length = 0),
        signed_anyway("a record of 4 GiB", header(), |r| r[2].length = u32::MAX),
        signed_anyway("no record", header(), Vec::clear),
        signed_anyway("an init list of three records", init, |_| {}),
        signed_anyway("from the future: a flag", header(), |r| r[0].flags |= 4),
        resigned("from the future: version 2", |b| b[VERSION_AT] = b'2'),
        resigned("from the future: kind 4", |b| b[KIND_AT] = 4),
        resigned("closed neither 0 nor 1", |b| b[CLOSED_AT] = 2),
        resigned("a name with a percent sign", |b| b[STREAM_AT] = b'%'),
        resigned("1025 records", |b| b[CLOSED_AT + 1..][..2].copy_from_slice(&[4, 1])),
    ];
    vectors("lists/refused.json", &all)
}

fn growing_segment() -> File {
    let states = [(1, false), (2, false), (4, false), (5, true)];
    let mut have = 0;
    let step = |(n, closed): (u32, bool)| {
        let state = verified(n, closed);
        let (head, records, signature) = state.batch(have, have == 0);
        let first = std::mem::replace(&mut have, state.count());
        json!({
            "header": head.as_deref().map(base64url), "first": first, "count": state.count(), "closed": closed,
            "records": base64url(&records), "signature": base64url(&signature), "hash": format!("{:016x}", state.hash()),
        })
    };
    let batches: Vec<Value> = states.into_iter().map(step).collect();
    vectors("lists/growth.json", &batches)
}

fn rolling() -> Rolling {
    let init = Header { kind: Kind::Init, resource: identity::resource_id("init.mp4"), msn: 40, ..header() };
    let segment = |msn: u64, closed| {
        let name = format!("seg_{msn}.m4s");
        let header = Header { msn, resource: identity::resource_id(&name), ..header() };
        SegmentEntry {
            msn,
            uri: name.clone(),
            name,
            duration_ms: if closed { 4000 } else { 0 },
            released_age_ms: 0,
            state: if closed { SegmentState::Complete } else { SegmentState::Growing },
            list: EncodedList::of(&signer().sign_list(header, closed, fragments(4))),
        }
    };
    Rolling {
        v: 1,
        stream: header().stream,
        rendition: header().rendition,
        target_ms: 4000,
        complete: false,
        epochs: vec![
            EpochRange { epoch: 2, first_msn: 0, last_msn: Some(39) },
            EpochRange { epoch: 3, first_msn: 40, last_msn: None },
        ],
        init: vec![InitEntry {
            name: "init.mp4".into(),
            list: EncodedList::of(&signer().sign_list(init, true, records(&[b"init"]))),
        }],
        segments: vec![segment(40, true), segment(41, true), segment(42, false)],
    }
}

fn rolling_documents() -> [File; 2] {
    let json = rolling().to_json();
    let future = json
        .replacen('{', r#"{"lowLatency":{"partMs":500},"#, 1)
        .replacen(r#""msn":41"#, r#""gap":true,"msn":41"#, 1)
        .replacen(r#""state":"growing""#, r#""state":"withdrawn""#, 1);
    [file("lists/rolling.mfi.json", json), file("lists/rolling-future.mfi.json", future)]
}

const NOW: u64 = 1_700_000_100;

fn key_set(states: &[(&Signer, KeyState)]) -> KeySetDocument {
    let entry = |(signer, state): &(&Signer, KeyState)| {
        let streams = vec!["shows/*".into(), "demo".into()];
        KeyEntry::new(signer.public(), *state, NOW - 1000, NOW + 1000, streams)
    };
    KeySetDocument { version: 7, expires: NOW + 900, min_epoch: 3, keys: states.iter().map(entry).collect() }
}

fn set_vector(story: &str, document: &str, root: Option<&PublicKey>) -> Value {
    let set = match root {
        Some(root) => KeySet::verify_root(document.as_bytes(), Some(7), root, &mut Ed25519::default()),
        None => KeySet::parse(document.as_bytes(), Some(7)),
    };
    let uses = set.as_ref().map_or(vec![], uses);
    json!({
        "story": story, "document": document, "minVersion": 7, "root": root.map(PublicKey::to_base64url),
        "error": set.err().map(|error| error.to_string()), "uses": uses,
    })
}

fn uses(set: &KeySet) -> Vec<Value> {
    let kids = [signer().kid(), thief().kid()];
    let cases = [
        ("shows/demo", true, NOW, NOW),
        ("shows/demo", false, NOW, NOW),
        ("demo", false, NOW, NOW),
        ("demo/1", false, NOW, NOW),
        ("shows/demo", false, NOW - 1001, NOW),
        ("shows/demo", false, NOW, NOW + 901),
    ];
    let one = |kid: [u8; 8], (stream, via_https, issued_at, now_unix): (&str, bool, u64, u64)| {
        let use_ = KeyUse { via_https, issued_at: issued_at as u32, now_unix };
        let refusal = set.usable(&kid, stream, use_).err().map(|refusal| refusal.to_string());
        json!({
            "kid": hex(&kid), "stream": stream, "viaHttps": via_https, "issuedAt": issued_at, "nowUnix": now_unix,
            "refusal": refusal,
        })
    };
    kids.into_iter().flat_map(|kid| cases.map(|case| one(kid, case))).collect()
}

fn key_sets() -> File {
    let root = Signer::new([9; 32]);
    let (a, b) = (signer(), thief());
    let active = key_set(&[(&a, KeyState::Active)]);
    let plain = active.to_json();
    let signed = active.to_signed_json(&root);
    let later = plain
        .replacen('{', r#"{"rotation":{"days":30},"#, 1)
        .replace(r#""keys":["#, r#""keys":[{"kty":"AKP","alg":"ML-DSA-44","pub":"AAAA"},"#);
    let both = |x, y| key_set(&[(&a, x), (&b, y)]).to_json();
    let all = [
        set_vector("one active key", &plain, None),
        set_vector("retired and next", &both(KeyState::Retired, KeyState::Next), None),
        set_vector("revoked beside active", &both(KeyState::Revoked, KeyState::Active), None),
        set_vector("from the future: members, another kind of key", &later, None),
        set_vector("from the future: a state", &plain.replace("active", "suspended"), None),
        set_vector("signed by the pinned root", &signed, Some(&root.public())),
        set_vector("signed by a root, none is pinned", &signed, None),
        set_vector("signed by another root", &signed, Some(&thief().public())),
        set_vector("not signed, a root is pinned", &plain, Some(&root.public())),
        set_vector("changed after it was signed", &signed.replace("active", "Active"), Some(&root.public())),
        set_vector("an older version", &plain.replace(r#""version":7"#, r#""version":6"#), None),
        set_vector("a private key", &plain.replace(r#""kty""#, r#""d":"AAAA","kty""#), None),
        set_vector(
            "one kid twice",
            &key_set(&[(&a, KeyState::Active), (&a, KeyState::Retired)]).to_json(),
            None,
        ),
        set_vector("a kid of another key", &plain.replace(&hex(&a.kid()), &hex(&b.kid())), None),
        set_vector("a member twice", &plain.replace(r#""state""#, r#""state":"next","state""#), None),
        set_vector("a star without a slash", &plain.replace("shows/*", "shows*"), None),
    ];
    vectors("keys/sets.json", &all)
}
