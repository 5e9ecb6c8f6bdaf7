//! What must hold for any bytes whatever, as functions that fuzz targets, property tests and the replay of
//! the corpora in `tests/fuzz` share. Each returns in silence or panics.

use serde_json::Value;

use crate::policy::{LIMITS, NOTICE_LIMIT, Patch};
use crate::signal::sdp::{Candidate, DescriptionKind, Setup, expand, reduce};
use crate::signal::{
    Admitted, ClientMessage, Parsed, Rules, ServerMessage, SignalData, parse_client, parse_client_typed,
    parse_server,
};
use crate::wire::{DataPeek, Frame, Frames, decode, decode_data, encode, peek_data};

/// Frames: whatever is read can be written and is then read as the same.
pub fn wire(bytes: &[u8]) {
    let known = |frame: &Frame| !matches!(frame, Frame::Unknown(_));
    for frame in Frames::new(bytes).filter_map(Result::ok).filter(known) {
        let mut written = Vec::new();
        encode(&frame, &mut written);
        let length = written.len();
        assert_eq!(decode(&written), Ok((frame, length)));
    }
    let whole = decode_data(bytes).ok();
    let peek = whole.as_ref().map(|(head, payload)| DataPeek {
        request: head.request,
        offset: head.offset,
        payload: payload.clone(),
        has_batch: head.batch.is_some(),
    });
    assert_eq!(peek_data(bytes), peek);
    if let Some((head, _)) = whole {
        assert_eq!(decode(bytes), Ok((Frame::Data(head), bytes.len())));
    }
}

/// Messages: whatever is read can be written and is then read as the same.
pub fn signal(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let at_edge = parse_client(text);
    if let Ok(Parsed::Known(message)) = parse_client_typed(text) {
        assert!(at_edge.is_ok(), "an edge refuses what a page may say");
        client(message);
    }
    if let Ok(Parsed::Known(message)) = parse_server(text) {
        server(message);
    }
}

fn client(message: ClientMessage) {
    let unwritable = matches!(&message, ClientMessage::Signal(signal) if signal.data == SignalData::Other);
    if !unwritable {
        assert_eq!(parse_client_typed(&message.to_json()), Ok(Parsed::Known(message)));
    }
}

fn server(message: ServerMessage) {
    match message {
        // Reals are read to within their last bit only.
        ServerMessage::Welcome(_) | ServerMessage::Weights(_) | ServerMessage::Policy(_) => {}
        ServerMessage::Signal(signal) if signal.data == SignalData::Other => {}
        message => assert_eq!(parse_server(&message.to_json()), Ok(Parsed::Known(message))),
    }
}

/// Descriptions and candidates: what is reduced expands to the same and to no line more.
pub fn sdp(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(description) = reduce(text) {
        let offer = expand(&description, DescriptionKind::Offer);
        assert_eq!(offer.matches('\n').count(), 15, "{offer}");
        let mut expected = description;
        expected.setup = Setup::Actpass;
        assert_eq!(reduce(&offer), Ok(expected));
    }
    let mut admitted = Admitted::default();
    for candidate in text.lines().filter_map(|line| Candidate::parse(line).ok()) {
        assert_eq!(Candidate::parse(&candidate.to_line()), Ok(candidate.clone()));
        let strict = Rules { strict_srflx: true, ..Rules::default() };
        let judged = admitted.admit(&candidate, &strict);
        assert!(judged.is_err() || candidate.check(&strict).is_ok(), "{candidate:?}");
    }
}

/// Policies: no number outside its range comes out.
pub fn policy(bytes: &[u8]) {
    let Ok((patch, notices)) = Patch::parse(bytes) else { return };
    assert!(notices.len() <= NOTICE_LIMIT);
    within_limits(&patch);
    patch.streams.values().for_each(|patch| within_limits(patch));
}

fn within_limits(patch: &Patch) {
    let written = serde_json::to_value(patch).unwrap_or_default();
    for limit in LIMITS {
        let path = format!("/{}", limit.name.replace('.', "/"));
        let value = written.pointer(&path).map(Value::as_f64);
        let fits = value.is_none_or(|v| v.is_some_and(|v| (limit.min..=limit.max).contains(&v)));
        assert!(fits, "{} is {value:?}", limit.name);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn replay(target: &str, run: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target);
        let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() >= 4, "corpus of {target} has {} files", files.len());
        files.iter().for_each(|file| run(&fs::read(file).unwrap()));
    }

    #[test]
    fn corpora_replay() {
        replay("wire", wire);
        replay("signal", signal);
        replay("sdp", sdp);
        replay("policy", policy);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            wire(&bytes);
            signal(&bytes);
            sdp(&bytes);
            policy(&bytes);
        }

        /// Bytes that get past the first hurdle: a known type and a length that fits.
        #[test]
        fn any_body_is_survived(code in 0_u8..0x14, body in proptest::collection::vec(any::<u8>(), 0..127)) {
            let mut message = vec![code, body.len() as u8];
            message.extend(body);
            wire(&message);
        }

        /// One byte of a good frame changed, or its end cut off.
        #[test]
        fn damaged_seeds_are_survived(seed in 0_usize..64, at in any::<usize>(), with in any::<u8>(), cut in any::<bool>()) {
            for (target, run) in [("wire", wire as fn(&[u8])), ("signal", signal), ("sdp", sdp), ("policy", policy)] {
                let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target);
                let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
                files.sort();
                let mut bytes = fs::read(&files[seed % files.len()]).unwrap();
                let at = at % bytes.len().max(1);
                if cut { bytes.truncate(at) } else if let Some(byte) = bytes.get_mut(at) { *byte = with }
                run(&bytes);
            }
        }
    }
}
