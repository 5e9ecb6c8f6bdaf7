//! Key sets: who may sign what, when, and who says so.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod support;

use meshedflow_manifest::{
    Ed25519, KEY_SET_LIMIT_BYTES, KeyEntry, KeyRefusal, KeySet, KeySetDocument, KeySetError, KeyState,
    KeyUse, PublicKey, Signer, SignerError, StreamPattern, verify,
};
use support::{header, list, signer, thief};

const NBF: u64 = 1_699_990_000;
const EXP: u64 = 1_700_990_000;
const NOW: u64 = 1_700_000_100;
const STREAM: &str = "shows/demo";

fn document(entries: Vec<KeyEntry>) -> KeySetDocument {
    KeySetDocument { version: 7, expires: NOW + 900, min_epoch: 3, keys: entries }
}

fn entry(signer: &Signer, state: KeyState) -> KeyEntry {
    KeyEntry::new(signer.public(), state, NBF, EXP, vec!["shows/*".into()])
}

fn set(state: KeyState) -> KeySet {
    parse(&document(vec![entry(&signer(), state)]).to_json()).unwrap()
}

fn parse(json: &str) -> Result<KeySet, KeySetError> {
    KeySet::parse(json.as_bytes(), None)
}

fn from_peer() -> KeyUse {
    KeyUse { via_https: false, issued_at: header().issued_at, now_unix: NOW }
}

#[test]
fn an_active_key_verifies_what_it_signed() {
    let set = set(KeyState::Active);
    assert_eq!((set.version(), set.expires(), set.min_epoch()), (7, NOW + 900, 3));
    let key = set.usable(&list(3, true).header.kid, STREAM, from_peer()).unwrap();
    assert!(verify(list(3, true), &key, None, &mut Ed25519::default()).is_ok());
}

#[test]
fn only_active_keys_count_and_retired_ones_over_https() {
    let over_https = KeyUse { via_https: true, ..from_peer() };
    let kid = signer().kid();
    let usable = |state, use_| set(state).usable(&kid, STREAM, use_).map(|key| key.kid());
    assert_eq!(usable(KeyState::Next, over_https), Err(KeyRefusal::NotYetActive));
    assert_eq!(usable(KeyState::Retired, from_peer()), Err(KeyRefusal::Retired));
    assert_eq!(usable(KeyState::Retired, over_https), Ok(kid));
    assert_eq!(usable(KeyState::Revoked, over_https), Err(KeyRefusal::Revoked));
    assert_eq!(usable(KeyState::Other, over_https), Err(KeyRefusal::UnknownState));
    assert!(set(KeyState::Revoked).is_revoked(&kid) && !set(KeyState::Active).is_revoked(&kid));
}

#[test]
fn a_key_counts_for_lists_issued_within_its_time() {
    let at = |issued_at: u64| {
        let use_ = KeyUse { issued_at: issued_at as u32, ..from_peer() };
        set(KeyState::Active).usable(&signer().kid(), STREAM, use_).map(|_| ())
    };
    let outside = Err(KeyRefusal::OutsideWindow { nbf: NBF, exp: EXP });
    assert_eq!([at(NBF - 1), at(NBF), at(EXP), at(EXP + 1)], [outside, Ok(()), Ok(()), outside]);
}

#[test]
fn an_expired_set_counts_no_more() {
    let set = set(KeyState::Active);
    let at = |now_unix| set.usable(&signer().kid(), STREAM, KeyUse { now_unix, ..from_peer() }).map(|_| ());
    assert_eq!(at(NOW + 900), Ok(()));
    assert_eq!(at(NOW + 901), Err(KeyRefusal::SetExpired(NOW + 900)));
}

#[test]
fn a_key_counts_for_its_streams_only() {
    let set = set(KeyState::Active);
    let on = |stream| set.usable(&signer().kid(), stream, from_peer()).map(|_| ());
    assert_eq!(on("shows/other/deep"), Ok(()));
    for stream in ["shows/", "shows", "showsx/demo", "Shows/demo", "other/shows/demo"] {
        assert_eq!(on(stream), Err(KeyRefusal::OtherStream), "{stream}");
    }
    assert_eq!(set.usable(&thief().kid(), STREAM, from_peer()), Err(KeyRefusal::Unknown));
}

#[test]
fn patterns_are_a_name_or_a_path_with_one_star() {
    assert!(StreamPattern::parse("demo").unwrap().allows("demo"));
    assert!(!StreamPattern::parse("demo").unwrap().allows("demo2"));
    for good in ["demo", "shows/*", "a/b/*"] {
        assert_eq!(StreamPattern::parse(good).unwrap().to_string(), good);
    }
    for bad in ["", "*", "demo*", "a/*/b", "a/**", "*/a", "a b", "/*/*"] {
        assert!(matches!(StreamPattern::parse(bad), Err(KeySetError::Stream(..))), "{bad:?}");
    }
}

#[test]
fn the_version_never_falls() {
    let json = document(vec![entry(&signer(), KeyState::Active)]).to_json();
    assert!(KeySet::parse(json.as_bytes(), Some(7)).is_ok());
    let older = KeySet::parse(json.as_bytes(), Some(8));
    assert_eq!(older, Err(KeySetError::Version { found: 7, floor: 8 }));
}

#[test]
fn a_published_private_key_refuses_the_set() {
    let json = document(vec![entry(&signer(), KeyState::Active)]).to_json();
    for d in [r#""d":"AAAA""#, r#""d":null"#] {
        assert_eq!(
            parse(&json.replace(r#""kty":"OKP""#, &format!(r#"{d},"kty":"OKP""#))),
            Err(KeySetError::PrivateKey)
        );
    }
    let rsa = r#"{"version":1,"expires":1,"keys":[{"kty":"RSA","n":"AA","e":"AQAB","d":"AA"}]}"#;
    assert_eq!(parse(rsa), Err(KeySetError::PrivateKey));
}

#[test]
fn a_kid_is_recomputed_and_unique() {
    let twice = document(vec![entry(&signer(), KeyState::Active), entry(&signer(), KeyState::Retired)]);
    assert!(matches!(parse(&twice.to_json()), Err(KeySetError::DuplicateKid(_))));
    let kid = |s: &Signer| s.kid().iter().map(|b| format!("{b:02x}")).collect::<String>();
    let lie =
        document(vec![entry(&signer(), KeyState::Active)]).to_json().replace(&kid(&signer()), &kid(&thief()));
    assert_eq!(parse(&lie), Err(KeySetError::Kid { expected: kid(&signer()), found: kid(&thief()) }));
}

#[test]
fn a_set_is_bounded() {
    let key = |i: u8| entry(&Signer::new([i; 32]), KeyState::Active);
    assert!(parse(&document((0..32).map(key).collect()).to_json()).is_ok());
    assert_eq!(parse(&document((0..33).map(key).collect()).to_json()), Err(KeySetError::TooManyKeys(33)));
    let long = " ".repeat(KEY_SET_LIMIT_BYTES + 1);
    assert_eq!(parse(&long), Err(KeySetError::TooLong(KEY_SET_LIMIT_BYTES + 1)));
    let streams = KeyEntry::new(signer().public(), KeyState::Active, 0, 1, vec!["a".into(); 65]);
    assert_eq!(parse(&document(vec![streams]).to_json()), Err(KeySetError::TooManyStreams(65)));
}

#[test]
fn what_a_later_version_adds_is_survived() {
    let json = document(vec![entry(&signer(), KeyState::Active)]).to_json();
    let future = json
        .replacen('{', r#"{"rotation":{"days":30},"#, 1)
        .replace(r#""keys":["#, r#""keys":[{"kty":"AKP","alg":"ML-DSA-44","pub":"AAAA"},"#)
        .replace(r#""kty":"OKP""#, r#""hint":[1,2],"kty":"OKP""#);
    let set = parse(&future).unwrap();
    assert_eq!(set.keys().len(), 1);
    assert!(set.usable(&signer().kid(), STREAM, from_peer()).is_ok());
    let state = json.replace(r#""state":"active""#, r#""state":"suspended""#);
    assert_eq!(parse(&state).unwrap().keys()[0].state, KeyState::Other);
}

#[test]
fn a_member_named_twice_refuses_the_set() {
    let json = document(vec![entry(&signer(), KeyState::Revoked)]).to_json();
    let twice = json.replace(r#""state":"revoked""#, r#""state":"revoked","state":"active""#);
    assert!(matches!(parse(&twice), Err(KeySetError::Json(_))));
    let unknown = |json: &str| parse(&json.replacen('{', r#"{"later":1,"later":2,"#, 1));
    assert!(matches!(unknown(&json), Err(KeySetError::Json(_))));
    let signed = document(vec![entry(&signer(), KeyState::Active)]).to_signed_json(&thief());
    assert!(matches!(unknown(&signed), Err(KeySetError::Json(_))));
}

#[test]
fn a_pinned_root_must_have_signed() {
    let root = Signer::new([9; 32]);
    let plain = document(vec![entry(&signer(), KeyState::Active)]);
    let signed = plain.to_signed_json(&root);
    let by = |json: &str, root: &Signer| {
        KeySet::verify_root(json.as_bytes(), None, &root.public(), &mut Ed25519::default())
            .map(|set| set.version())
    };
    assert_eq!(by(&signed, &root), Ok(7));
    assert_eq!(by(&signed, &thief()), Err(KeySetError::RootSignature));
    assert_eq!(by(&plain.to_json(), &root), Err(KeySetError::NotRootSigned));
    assert_eq!(by(&signed.replace("\"version\":7", "\"version\":8"), &root), Err(KeySetError::RootSignature));
    // Who pins no root reads the same document.
    assert_eq!(parse(&signed), parse(&plain.to_json()));
    let older = KeySet::verify_root(signed.as_bytes(), Some(8), &root.public(), &mut Ed25519::default());
    assert_eq!(older, Err(KeySetError::Version { found: 7, floor: 8 }));
}

#[test]
fn pins_are_the_x_member() {
    let x = signer().public().to_base64url();
    assert_eq!(PublicKey::from_base64url(&x), Some(signer().public()));
    for bad in ["", "AAAA", &format!("{x}="), &x.replace(|c: char| c.is_ascii_digit(), "+")] {
        assert_eq!(PublicKey::from_base64url(bad), None, "{bad}");
    }
}

#[test]
fn a_private_key_survives_its_file_and_is_never_shown() {
    let jwk = signer().to_private_jwk();
    assert_eq!(Signer::from_private_jwk(&jwk).unwrap().kid(), signer().kid());
    let other = jwk.replace(&signer().public().to_base64url(), &thief().public().to_base64url());
    assert_eq!(Signer::from_private_jwk(&other).unwrap_err(), SignerError::Mismatch);
    assert_eq!(Signer::from_private_jwk("{}").unwrap_err(), SignerError::Json);
    assert_eq!(Signer::from_private_jwk(&jwk).unwrap().created(), None);
    let dated = Signer::from_private_jwk(&signer().created_at(NBF).to_private_jwk()).unwrap();
    assert_eq!((dated.created(), dated.kid()), (Some(NBF), signer().kid()));
    let public = jwk.replace("\"d\":", "\"later\":");
    assert_eq!(Signer::from_private_jwk(&public).unwrap_err(), SignerError::Public);
    let set = document(vec![entry(&signer(), KeyState::Active)]);
    for json in [set.to_json(), set.to_signed_json(&thief())] {
        assert_eq!(Signer::from_private_jwk(&json).unwrap_err(), SignerError::Set);
    }
    let short = jwk.replace(&jwk[jwk.find("\"d\":\"").unwrap() + 5..jwk.len() - 2], "AAAA");
    assert_eq!(Signer::from_private_jwk(&short).unwrap_err(), SignerError::Seed);
    assert!(parse(&format!(r#"{{"version":1,"expires":1,"keys":[{jwk}]}}"#)) == Err(KeySetError::PrivateKey));
    let shown = format!("{:?}", signer());
    assert_eq!(
        shown,
        format!("Signer({})", signer().kid().iter().map(|b| format!("{b:02x}")).collect::<String>())
    );
}
