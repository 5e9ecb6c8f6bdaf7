//! From frames to bytes.

use super::*;

/// Appends one frame. What breaks a limit of this module is left out: items of a list beyond its limit,
/// segments of a map that do not ascend, unknown frames. A `Data` frame gets no payload.
pub fn encode(frame: &Frame, out: &mut Vec<u8>) {
    match frame {
        Frame::Data(head) => return encode_data_head(head, 0, out),
        Frame::Unknown(_) => return,
        _ => {}
    }
    out.push(code(frame));
    let start = out.len();
    body(frame, out);
    put_length(start, 0, out);
}

/// Appends type, length and head of a `Data` frame, so that the appended bytes followed by `payload_len`
/// bytes of media are one frame. Nothing may follow it in its message.
pub fn encode_data_head(head: &DataHeader, payload_len: usize, out: &mut Vec<u8>) {
    out.push(kind::DATA);
    let start = out.len();
    varint(u64::from(head.request), out);
    varint(u64::from(head.offset), out);
    out.push(if head.batch.is_some() { kind::DATA_BATCH } else { 0 });
    if let Some(batch) = &head.batch {
        list_batch(batch, out);
    }
    put_length(start, payload_len, out);
}

/// Puts the length of the body that begins at `start`, and of what follows it, before it.
fn put_length(start: usize, payload_len: usize, out: &mut Vec<u8>) {
    let body = out.split_off(start);
    varint((body.len() + payload_len) as u64, out);
    out.extend_from_slice(&body);
}

/// The `Data` frame at the start of `message` without its payload: what the core is told when media bytes
/// stay outside of it.
pub fn data_head(message: &[u8]) -> Option<Vec<u8>> {
    let (head, _) = decode_data(message).ok()?;
    let mut frame = Vec::new();
    encode_data_head(&head, 0, &mut frame);
    Some(frame)
}

fn code(frame: &Frame) -> u8 {
    match frame {
        Frame::Hello(_) => kind::HELLO,
        Frame::Map(_) => kind::MAP,
        Frame::Delta(_) => kind::DELTA,
        Frame::Known { .. } => kind::KNOWN,
        Frame::Fetching(_) => kind::FETCHING,
        Frame::Lane(_) => kind::LANE,
        Frame::Request(_) => kind::REQUEST,
        Frame::Queued { .. } => kind::QUEUED,
        Frame::Data(_) => kind::DATA,
        Frame::Done { .. } => kind::DONE,
        Frame::Reject { .. } => kind::REJECT,
        Frame::Cancel { .. } => kind::CANCEL,
        Frame::Ping { .. } => kind::PING,
        Frame::Pong { .. } => kind::PONG,
        Frame::Receipt(_) => kind::RECEIPT,
        Frame::Goodbye { .. } => kind::GOODBYE,
        Frame::Dropped(_) => kind::DROPPED,
        Frame::Identity { .. } => kind::IDENTITY,
        Frame::Unknown(code) => *code,
    }
}

fn body(frame: &Frame, out: &mut Vec<u8>) {
    match frame {
        Frame::Hello(it) => hello(it, out),
        Frame::Map(it) => map(it, out),
        Frame::Delta(it) => delta(it, out),
        Frame::Known { segment, age_ms, hops } => {
            segment_ref(segment, out);
            varint(u64::from(*age_ms), out);
            out.push(*hops);
        }
        Frame::Fetching(it) => fetching(it, out),
        Frame::Lane(it) => lane(it, out),
        Frame::Request(it) => request(it, out),
        Frame::Queued { request, eta_ms } => two(*request, *eta_ms, out),
        Frame::Done { request: id } | Frame::Cancel { request: id } | Frame::Ping { nonce: id } => {
            varint(u64::from(*id), out);
        }
        Frame::Reject { request, reason, queue_ms } => {
            varint(u64::from(*request), out);
            out.push(reason.code());
            varint(u64::from(*queue_ms), out);
        }
        Frame::Pong { nonce, hold_ms } => two(*nonce, *hold_ms, out),
        Frame::Receipt(bytes) => out.extend(bytes.iter().take(RECEIPT_LIMIT_BYTES)),
        Frame::Goodbye { reason } => out.push(*reason),
        Frame::Dropped(segment) => segment_ref(segment, out),
        Frame::Identity { peer } => out.extend(peer.0),
        // The head of a Data frame is written where its payload's length is known.
        Frame::Data(_) | Frame::Unknown(_) => {}
    }
}

fn hello(it: &Hello, out: &mut Vec<u8>) {
    out.extend([it.wire.0, it.wire.1]);
    out.extend(it.peer.0);
    varint(u64::from(it.uplink_bytes_per_s), out);
    out.extend([it.sharing, it.class]);
    varint(it.lanes.len().min(LANES_LIMIT) as u64, out);
    for (lane, rendition) in it.lanes.iter().take(LANES_LIMIT) {
        out.push(lane.get());
        name(rendition, out);
    }
}

fn map(it: &Map, out: &mut Vec<u8>) {
    out.push(it.lane.get());
    varint(it.epoch, out);
    out.push(it.elect.class);
    varint(it.elect.first, out);
    varint(it.elect.last, out);
    view(&it.view, out);
    varint(u64::from(it.queue_ms), out);
    varint(it.neighbours.len().min(NEIGHBOURS_LIMIT) as u64, out);
    it.neighbours.iter().take(NEIGHBOURS_LIMIT).for_each(|peer| out.extend(peer.0));
    let segments = ascending(&it.segments);
    varint(segments.len() as u64, out);
    let mut before = 0;
    for segment in segments {
        varint(segment.msn - before, out);
        before = segment.msn;
        map_segment(segment, out);
    }
}

/// The segments that can be written: each later than the one before.
fn ascending(segments: &[MapSegment]) -> Vec<&MapSegment> {
    let mut kept: Vec<&MapSegment> = Vec::with_capacity(segments.len().min(SEGMENTS_LIMIT));
    for segment in segments {
        if kept.len() < SEGMENTS_LIMIT && kept.last().is_none_or(|last| last.msn < segment.msn) {
            kept.push(segment);
        }
    }
    kept
}

fn map_segment(it: &MapSegment, out: &mut Vec<u8>) {
    varint(u64::from(it.count), out);
    out.push(if it.closed { kind::CLOSED } else { 0 });
    out.extend(it.list_hash.to_be_bytes());
    let held = it.held.len().min(usize::from(it.count).div_ceil(8));
    varint(held as u64, out);
    out.extend(it.held.iter().take(held));
}

fn delta(it: &Delta, out: &mut Vec<u8>) {
    segment_ref(&it.segment, out);
    varint(u64::from(it.count), out);
    let closed = if it.closed { kind::CLOSED } else { 0 };
    let offer = if it.offer_to.is_some() { kind::OFFER } else { 0 };
    let batch = if it.batch.is_some() { kind::DELTA_BATCH } else { 0 };
    out.push(closed | offer | batch);
    out.extend(it.list_hash.to_be_bytes());
    varint(u64::from(it.first), out);
    varint(u64::from(it.held), out);
    varint(u64::from(it.queue_ms), out);
    view(&it.view, out);
    if let Some(peer) = it.offer_to {
        out.extend(peer.0);
    }
    if let Some(batch) = &it.batch {
        list_batch(batch, out);
    }
}

fn list_batch(it: &ListBatch, out: &mut Vec<u8>) {
    out.push(if it.header.is_some() { kind::WITH_HEADER } else { 0 });
    if let Some(header) = &it.header {
        let length = header.len().min(HEADER_LIMIT_BYTES);
        varint(length as u64, out);
        out.extend(header.iter().take(length));
    }
    varint(u64::from(it.first), out);
    let count = (it.records.len() / RECORD_BYTES).min(RECORDS_LIMIT);
    varint(count as u64, out);
    out.extend(it.records.iter().take(count * RECORD_BYTES));
    out.extend(it.signature);
}

fn fetching(it: &Fetching, out: &mut Vec<u8>) {
    segment_ref(&it.segment, out);
    out.extend(it.fetcher.0);
    out.push(it.stage);
    out.push(if it.range.is_some() { kind::WITH_RANGE } else { 0 });
    if let Some((from, to)) = it.range {
        two(from, to, out);
    }
    varint(u64::from(it.age_ms), out);
    out.push(it.hops);
}

fn lane(it: &LaneChange, out: &mut Vec<u8>) {
    let from_msn = match it {
        LaneChange::Add { lane, rendition, from_msn } => {
            out.extend([kind::ADD, lane.get()]);
            name(rendition, out);
            from_msn
        }
        LaneChange::Drop { lane, from_msn } => {
            out.extend([kind::DROP, lane.get()]);
            from_msn
        }
    };
    varint(*from_msn, out);
}

fn request(it: &Request, out: &mut Vec<u8>) {
    varint(u64::from(it.request), out);
    segment_ref(&it.segment, out);
    varint(u64::from(it.first), out);
    varint(u64::from(it.count), out);
    two(it.skip, it.deadline_ms, out);
    out.push(if it.urgent { kind::URGENT } else { 0 });
}

fn segment_ref(it: &SegmentRef, out: &mut Vec<u8>) {
    out.push(it.lane.get());
    varint(it.epoch, out);
    varint(it.msn, out);
}

fn view(it: &View, out: &mut Vec<u8>) {
    varint(u64::from(it.count), out);
    out.extend(it.xor.to_be_bytes());
}

/// A name is at most 128 bytes by its type.
fn name(it: &crate::ids::Name, out: &mut Vec<u8>) {
    varint(it.as_str().len() as u64, out);
    out.extend(it.as_str().as_bytes());
}

fn two(first: u32, second: u32, out: &mut Vec<u8>) {
    varint(u64::from(first), out);
    varint(u64::from(second), out);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
