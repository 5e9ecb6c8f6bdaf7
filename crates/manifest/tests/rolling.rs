//! The document that lists travel in.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod support;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use meshedflow_manifest::{
    EncodedList, EpochRange, InitEntry, Kind, ListError, ROLLING_LIMIT_BYTES, Rolling, RollingError,
    SegmentEntry, SegmentState,
};
use support::{fragments, header, list, signer, text};

fn segment(msn: u64) -> SegmentEntry {
    let header = meshedflow_manifest::Header { msn, ..header() };
    SegmentEntry {
        msn,
        name: format!("seg_{msn}.m4s"),
        uri: format!("seg_{msn}.m4s?token=1"),
        duration_ms: 4000,
        released_age_ms: 120,
        state: SegmentState::Complete,
        list: EncodedList::of(&signer().sign_list(header, true, fragments(3))),
    }
}

fn rolling() -> Rolling {
    let init = meshedflow_manifest::Header { kind: Kind::Init, ..header() };
    let init = signer().sign_list(init, true, fragments(1));
    Rolling {
        v: 1,
        stream: text("shows/demo"),
        rendition: text("v360/index.m3u8"),
        target_ms: 4000,
        complete: false,
        epochs: vec![
            EpochRange { epoch: 2, first_msn: 0, last_msn: Some(39) },
            EpochRange { epoch: 3, first_msn: 40, last_msn: None },
        ],
        init: vec![InitEntry { name: "init.mp4".into(), list: EncodedList::of(&init) }],
        segments: (40..44).map(segment).collect(),
    }
}

#[test]
fn reads_what_it_wrote() {
    let json = rolling().to_json();
    assert_eq!(Rolling::parse(json.as_bytes()), Ok(rolling()));
    assert!(json.contains(
        r#""epochs":[{"epoch":2,"firstMsn":0,"lastMsn":39},{"epoch":3,"firstMsn":40,"lastMsn":null}]"#
    ));
    assert!(json.contains(
        r#""durationMs":4000,"releasedAgeMs":120,"state":"complete","list":"bWVzaGVkZmxvdy9mcmFnbGlzdC92MQ"#
    ));
}

#[test]
fn carries_the_exact_bytes_that_were_signed() {
    let list = list(3, true);
    assert_eq!(EncodedList::of(&list).decode(), Ok(list));
}

#[test]
fn a_list_that_cannot_be_read_spoils_itself_only() {
    let mut rolling = rolling();
    let encoded = |text: &str| serde_json::from_str::<EncodedList>(&format!("{text:?}")).unwrap();
    let later = list(3, true).encode();
    let later =
        base64::Engine::encode(&URL_SAFE_NO_PAD, [b"meshedflow/fraglist/v2\0", &later[23..]].concat());
    rolling.segments[1].list = encoded("AAAA=");
    rolling.segments[2].list = encoded(&"A".repeat(100_000));
    rolling.segments[3].list = encoded(&later);
    let rolling = Rolling::parse(rolling.to_json().as_bytes()).unwrap();
    assert!(rolling.segments[0].list.decode().is_ok());
    assert_eq!(rolling.segments[1].list.decode(), Err(ListError::Base64));
    assert_eq!(rolling.segments[2].list.decode(), Err(ListError::Base64));
    assert_eq!(rolling.segments[3].list.decode(), Err(ListError::Magic));
}

#[test]
fn what_a_later_version_adds_is_survived() {
    let json = rolling().to_json();
    let future = json
        .replacen('{', r#"{"lowLatency":{"partMs":500},"#, 1)
        .replace(r#""msn":41"#, r#""gap":true,"msn":41"#)
        .replacen(r#""state":"complete""#, r#""state":"withdrawn""#, 1);
    let rolling = Rolling::parse(future.as_bytes()).unwrap();
    assert_eq!(rolling.segments[0].state, SegmentState::Other);
    assert_eq!(rolling.segments.len(), 4);
    let second = json.replacen(r#""v":1"#, r#""v":2"#, 1).replace("targetMs", "target");
    assert_eq!(Rolling::parse(second.as_bytes()), Err(RollingError::FormatVersion(2)));
}

#[test]
fn is_bounded_and_ordered() {
    let long = vec![b' '; ROLLING_LIMIT_BYTES + 1];
    assert_eq!(Rolling::parse(&long), Err(RollingError::TooLong(ROLLING_LIMIT_BYTES + 1)));
    let mut twice = rolling();
    twice.segments[2].msn = 41;
    assert_eq!(Rolling::parse(twice.to_json().as_bytes()), Err(RollingError::Order(41)));
    let empty = SegmentEntry {
        name: String::new(),
        uri: String::new(),
        list: serde_json::from_str("\"\"").unwrap(),
        ..segment(0)
    };
    let tiny = |msn| SegmentEntry { msn, ..empty.clone() };
    let many = Rolling { segments: (0..8193).map(tiny).collect(), ..rolling() };
    assert_eq!(Rolling::parse(many.to_json().as_bytes()), Err(RollingError::TooMany(8193)));
}

#[test]
fn a_member_named_twice_refuses_the_document() {
    let json = rolling().to_json().replacen(r#""v":1"#, r#""v":1,"note":0,"note":1"#, 1);
    let error = Rolling::parse(json.as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with("rolling list: member \"note\" twice; expected it once at byte "), "{error}");
}
