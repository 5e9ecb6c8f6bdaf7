//! The golden frames of `tests/vectors/wire`: read as they say, and written back to the same bytes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

use meshedflow_protocol::ids::PeerId;
use meshedflow_protocol::wire::*;
use serde_json::{Value, json};

#[test]
fn every_vector_reads_as_it_says() {
    let mut count = 0;
    for (place, vector) in vectors() {
        let message = unhex(vector["hex"].as_str().unwrap());
        let read: Result<Vec<Value>, WireError> = match peek_data(&message) {
            Some(_) => decode_data(&message).map(|(head, payload)| vec![data(&head, &message[payload])]),
            None => Frames::new(&message).map(|frame| frame.map(|f| to_json(&f))).collect(),
        };
        match read {
            Ok(frames) => assert_eq!(Value::Array(frames), expected(&vector), "{place}"),
            Err(error) => assert_eq!(Some(kind(&error)), vector["error"].as_str(), "{place}: {error}"),
        }
        count += 1;
    }
    assert!(count >= 100, "{count} vectors found");
}

#[test]
fn every_canonical_vector_is_written_back_to_its_bytes() {
    for (place, vector) in vectors() {
        if vector.get("frame").is_none() || vector.get("canonical").is_some() {
            continue;
        }
        let message = unhex(vector["hex"].as_str().unwrap());
        let mut written = Vec::new();
        if let Ok((head, payload)) = decode_data(&message) {
            encode_data_head(&head, payload.len(), &mut written);
            written.extend(&message[payload]);
        } else {
            encode(&decode(&message).unwrap().0, &mut written);
        }
        assert_eq!(written, message, "{place}");
    }
}

#[test]
fn a_peek_agrees_with_the_whole_reading() {
    for (place, vector) in vectors() {
        let message = unhex(vector["hex"].as_str().unwrap());
        let whole = decode_data(&message).ok().map(|(head, payload)| DataPeek {
            request: head.request,
            offset: head.offset,
            payload,
            has_batch: head.batch.is_some(),
        });
        assert_eq!(peek_data(&message), whole, "{place}");
    }
}

#[test]
fn a_data_head_stands_alone() {
    for (place, vector) in vectors() {
        let message = unhex(vector["hex"].as_str().unwrap());
        let Ok((head, _)) = decode_data(&message) else { continue };
        let alone = data_head(&message).unwrap();
        assert_eq!(decode(&alone).unwrap(), (Frame::Data(head), alone.len()), "{place}");
    }
}

fn vectors() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/wire");
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let list: Vec<Value> = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        all.extend(list.into_iter().map(|vector| (format!("{file}: {}", vector["name"]), vector)));
    }
    all
}

fn expected(vector: &Value) -> Value {
    if let Some(frames) = vector.get("frames") {
        return frames.clone();
    }
    match vector.get("skip") {
        Some(code) => json!([{ "type": "unknown", "code": code }]),
        None => json!([vector["frame"]]),
    }
}

fn kind(error: &WireError) -> &'static str {
    match error.kind {
        WireErrorKind::Truncated => "truncated",
        WireErrorKind::Integer => "integer",
        WireErrorKind::TooMany(..) => "tooMany",
        WireErrorKind::Name(_) => "name",
        WireErrorKind::Value(_) => "value",
    }
}

fn to_json(frame: &Frame) -> Value {
    match frame {
        Frame::Hello(it) => {
            let lanes: Vec<_> = it.lanes.iter().map(|(lane, name)| (lane.get(), name)).collect();
            json!({"type": "hello", "wire": it.wire, "peer": it.peer, "uplinkBytesPerS": it.uplink_bytes_per_s,
            "sharing": it.sharing, "class": it.class, "lanes": lanes})
        }
        Frame::Map(it) => map(it),
        Frame::Delta(it) => {
            json!({"type": "delta", "segment": segment(&it.segment), "count": it.count, "closed": it.closed,
            "listHash": hash(it.list_hash), "first": it.first, "held": it.held, "queueMs": it.queue_ms, "view": view(&it.view),
            "offerTo": it.offer_to, "batch": it.batch.as_ref().map(batch)})
        }
        Frame::Known { segment: s, age_ms, hops } => {
            json!({"type": "known", "segment": segment(s), "ageMs": age_ms, "hops": hops})
        }
        Frame::Fetching(it) => {
            json!({"type": "fetching", "segment": segment(&it.segment), "fetcher": it.fetcher,
            "stage": it.stage, "range": it.range, "ageMs": it.age_ms, "hops": it.hops})
        }
        Frame::Lane(LaneChange::Add { lane, rendition, from_msn }) => {
            json!({"type": "lane", "operation": "add",
            "lane": lane.get(), "rendition": rendition, "fromMsn": number(*from_msn)})
        }
        Frame::Lane(LaneChange::Drop { lane, from_msn }) => {
            json!({"type": "lane", "operation": "drop", "lane": lane.get(), "fromMsn": number(*from_msn)})
        }
        Frame::Request(it) => {
            json!({"type": "request", "request": it.request, "segment": segment(&it.segment),
            "first": it.first, "count": it.count, "skip": it.skip, "deadlineMs": it.deadline_ms, "urgent": it.urgent})
        }
        Frame::Queued { request, eta_ms } => json!({"type": "queued", "request": request, "etaMs": eta_ms}),
        Frame::Data(head) => data(head, &[]),
        Frame::Done { request } => json!({"type": "done", "request": request}),
        Frame::Reject { request, reason, queue_ms } => {
            json!({"type": "reject", "request": request, "reason": reason.code(), "queueMs": queue_ms})
        }
        Frame::Cancel { request } => json!({"type": "cancel", "request": request}),
        Frame::Ping { nonce } => json!({"type": "ping", "nonce": nonce}),
        Frame::Pong { nonce, hold_ms } => json!({"type": "pong", "nonce": nonce, "holdMs": hold_ms}),
        Frame::Receipt(bytes) => json!({"type": "receipt", "bytes": hex(bytes)}),
        Frame::Goodbye { reason } => json!({"type": "goodbye", "reason": reason}),
        Frame::Identity { peer } => json!({"type": "identity", "peer": peer}),
        Frame::Dropped(s) => json!({"type": "dropped", "segment": segment(s)}),
        Frame::Unknown(code) => json!({"type": "unknown", "code": code}),
    }
}

fn map(it: &Map) -> Value {
    let segments: Vec<Value> = it
        .segments
        .iter()
        .map(|s| {
            json!({"msn": number(s.msn), "count": s.count, "closed": s.closed, "listHash": hash(s.list_hash),
                "held": hex(&s.held)})
        })
        .collect();
    let elect =
        json!({"class": it.elect.class, "first": number(it.elect.first), "last": number(it.elect.last)});
    let neighbours: Vec<PeerId> = it.neighbours.clone();
    json!({"type": "map", "lane": it.lane.get(), "epoch": number(it.epoch), "elect": elect, "view": view(&it.view),
        "queueMs": it.queue_ms, "neighbours": neighbours, "segments": segments})
}

fn data(head: &DataHeader, payload: &[u8]) -> Value {
    json!({"type": "data", "request": head.request, "offset": head.offset, "batch": head.batch.as_ref().map(batch),
        "payload": hex(payload)})
}

fn batch(it: &ListBatch) -> Value {
    json!({"header": it.header.as_deref().map(hex), "first": it.first, "records": hex(&it.records),
        "signature": hex(&it.signature)})
}

fn segment(it: &SegmentRef) -> Value {
    json!({"lane": it.lane.get(), "epoch": number(it.epoch), "msn": number(it.msn)})
}

fn view(it: &View) -> Value {
    json!({"count": it.count, "xor": hash(it.xor)})
}

/// Beyond 2^53 the vectors write a decimal string.
fn number(n: u64) -> Value {
    if n <= 1 << 53 { json!(n) } else { json!(n.to_string()) }
}

fn hash(n: u64) -> String {
    format!("{n:016x}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
