//! From bytes to frames.

use core::ops::Range;

use super::read::Reader;
use super::*;

/// Reads the first frame of `message` and says how many bytes it took.
pub fn decode(message: &[u8]) -> Result<(Frame, usize), WireError> {
    let mut reader = Reader::new(message);
    let within = message.len() <= MESSAGE_LIMIT_BYTES;
    reader.require(within, "a message of at most 256 KiB")?;
    let (code, mut body) = reader.frame()?;
    Ok((frame(code, &mut body)?, reader.at()))
}

/// Reads a message that is one `Data` frame; the range is where its media bytes are.
pub fn decode_data(message: &[u8]) -> Result<(DataHeader, Range<usize>), WireError> {
    let (head, payload) = data_ref(message)?;
    Ok((head.to_owned(), payload))
}

/// All frames of one message; ends after the first error.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Frames<'a> {
    /// Reads `message` from its start.
    pub fn new(message: &'a [u8]) -> Self {
        Self { message, at: 0 }
    }
}

impl Iterator for Frames<'_> {
    type Item = Result<Frame, WireError>;
    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.message.get(self.at..).filter(|rest| !rest.is_empty())?;
        let before = self.at;
        let read = decode(rest);
        self.at = read.as_ref().map_or(self.message.len(), |(_, used)| before + used);
        Some(read.map(|(frame, _)| frame).map_err(|e| WireError { at: e.at + before, ..e }))
    }
}

fn frame(code: u8, r: &mut Reader<'_>) -> Result<Frame, WireError> {
    Ok(match code {
        kind::HELLO => Frame::Hello(hello(r)?),
        kind::MAP => Frame::Map(map(r)?),
        kind::DELTA => Frame::Delta(delta(r)?),
        kind::KNOWN => Frame::Known { segment: segment_ref(r)?, age_ms: r.u32()?, hops: r.u8()? },
        kind::FETCHING => Frame::Fetching(fetching(r)?),
        kind::LANE => lane(r)?,
        kind::REQUEST => Frame::Request(request(r)?),
        kind::QUEUED => Frame::Queued { request: r.u32()?, eta_ms: r.u32()? },
        kind::DATA => Frame::Data(data_head(r)?.to_owned()),
        kind::DONE => Frame::Done { request: r.u32()? },
        kind::REJECT => {
            Frame::Reject { request: r.u32()?, reason: RejectReason::of(r.u8()?), queue_ms: r.u32()? }
        }
        kind::CANCEL => Frame::Cancel { request: r.u32()? },
        kind::PING => Frame::Ping { nonce: r.u32()? },
        kind::PONG => Frame::Pong { nonce: r.u32()?, hold_ms: r.u32()? },
        kind::RECEIPT => Frame::Receipt(receipt(r)?),
        kind::GOODBYE => Frame::Goodbye { reason: r.u8()? },
        kind::DROPPED => Frame::Dropped(segment_ref(r)?),
        kind::IDENTITY => Frame::Identity { peer: r.peer()? },
        other => Frame::Unknown(other),
    })
}

fn hello(r: &mut Reader<'_>) -> Result<Hello, WireError> {
    let wire = (r.u8()?, r.u8()?);
    r.require(wire.0 <= wire.1, "the lowest wire version before the highest")?;
    let (peer, uplink_bytes_per_s, sharing, class) = (r.peer()?, r.u32()?, r.u8()?, r.u8()?);
    let count = r.count("lanes", LANES_LIMIT)?;
    let lanes = (0..count).map(|_| Ok((lane_index(r)?, r.name()?))).collect::<Result<_, _>>()?;
    Ok(Hello { wire, peer, uplink_bytes_per_s, sharing, class, lanes })
}

fn map(r: &mut Reader<'_>) -> Result<Map, WireError> {
    let (lane, epoch) = (lane_index(r)?, r.varint()?);
    let elect = Elect { class: r.u8()?, first: r.varint()?, last: r.varint()? };
    let (view, queue_ms) = (view(r)?, r.u32()?);
    let count = r.count("neighbours", NEIGHBOURS_LIMIT)?;
    let neighbours = (0..count).map(|_| r.peer()).collect::<Result<_, _>>()?;
    let segments = map_segments(r)?;
    Ok(Map { lane, epoch, elect, view, queue_ms, neighbours, segments })
}

fn map_segments(r: &mut Reader<'_>) -> Result<Vec<MapSegment>, WireError> {
    let count = r.count("segments", SEGMENTS_LIMIT)?;
    let mut segments: Vec<MapSegment> = Vec::new();
    for _ in 0..count {
        let step = r.varint()?;
        let before = segments.last().map_or(0, |segment| segment.msn);
        r.require(step > 0 || segments.is_empty(), "segments that ascend")?;
        let msn = before.checked_add(step).ok_or_else(|| r.error(WireErrorKind::Integer))?;
        segments.push(map_segment(msn, r)?);
    }
    Ok(segments)
}

fn map_segment(msn: u64, r: &mut Reader<'_>) -> Result<MapSegment, WireError> {
    let (count, flags, list_hash) = (r.u16()?, r.u8()?, r.hash()?);
    let held = r.text("bytes of a bitmap", usize::from(count).div_ceil(8))?.to_vec();
    Ok(MapSegment { msn, count, closed: flags & kind::CLOSED != 0, list_hash, held })
}

fn delta(r: &mut Reader<'_>) -> Result<Delta, WireError> {
    let (segment, count, flags, list_hash) = (segment_ref(r)?, r.u16()?, r.u8()?, r.hash()?);
    let (first, held, queue_ms, view) = (r.u16()?, r.u16()?, r.u32()?, view(r)?);
    let within = u32::from(first) + u32::from(held) <= u32::from(count);
    r.require(within, "held fragments within the list's count")?;
    let offer_to = if flags & kind::OFFER != 0 { Some(r.peer()?) } else { None };
    let batch = if flags & kind::DELTA_BATCH != 0 { Some(list_batch(r)?.to_owned()) } else { None };
    let closed = flags & kind::CLOSED != 0;
    Ok(Delta { segment, count, closed, list_hash, first, held, queue_ms, view, offer_to, batch })
}

fn fetching(r: &mut Reader<'_>) -> Result<Fetching, WireError> {
    let (segment, fetcher, stage, flags) = (segment_ref(r)?, r.peer()?, r.u8()?, r.u8()?);
    let range = if flags & kind::WITH_RANGE != 0 { Some((r.u32()?, r.u32()?)) } else { None };
    r.require(range.is_none_or(|(from, to)| from < to), "a range that ends after its start")?;
    Ok(Fetching { segment, fetcher, stage, range, age_ms: r.u32()?, hops: r.u8()? })
}

/// An operation of a later version makes the whole frame unknown.
fn lane(r: &mut Reader<'_>) -> Result<Frame, WireError> {
    let operation = r.u8()?;
    Ok(match operation {
        kind::ADD => {
            let (lane, rendition, from_msn) = (lane_index(r)?, r.name()?, r.varint()?);
            Frame::Lane(LaneChange::Add { lane, rendition, from_msn })
        }
        kind::DROP => Frame::Lane(LaneChange::Drop { lane: lane_index(r)?, from_msn: r.varint()? }),
        _ => Frame::Unknown(kind::LANE),
    })
}

fn request(r: &mut Reader<'_>) -> Result<Request, WireError> {
    let (request, segment, first, count) = (r.u32()?, segment_ref(r)?, r.u16()?, r.u16()?);
    let (skip, deadline_ms) = (r.u32()?, r.u32()?);
    let urgent = r.u8()? & kind::URGENT != 0;
    Ok(Request { request, segment, first, count, skip, deadline_ms, urgent })
}

fn receipt(r: &mut Reader<'_>) -> Result<Vec<u8>, WireError> {
    let length = r.rest().len();
    if length > RECEIPT_LIMIT_BYTES {
        return Err(r.error(WireErrorKind::TooMany(
            "bytes of a receipt",
            length as u64,
            RECEIPT_LIMIT_BYTES,
        )));
    }
    Ok(r.bytes(length)?.to_vec())
}

fn segment_ref(r: &mut Reader<'_>) -> Result<SegmentRef, WireError> {
    Ok(SegmentRef { lane: lane_index(r)?, epoch: r.varint()?, msn: r.varint()? })
}

fn lane_index(r: &mut Reader<'_>) -> Result<LaneIndex, WireError> {
    let lane = LaneIndex::new(r.u8()?);
    lane.ok_or_else(|| r.error(WireErrorKind::Value("a lane number from 0 to 7")))
}

fn view(r: &mut Reader<'_>) -> Result<View, WireError> {
    Ok(View { count: r.u16()?, xor: r.hash()? })
}

/// A `Data` head that borrows its message.
pub(super) struct DataRef<'a> {
    pub(super) request: u32,
    pub(super) offset: u32,
    pub(super) batch: Option<BatchRef<'a>>,
}

/// A list batch that borrows its message.
pub(super) struct BatchRef<'a> {
    header: Option<&'a [u8]>,
    first: u16,
    records: &'a [u8],
    signature: [u8; 64],
}

impl DataRef<'_> {
    fn to_owned(&self) -> DataHeader {
        let batch = self.batch.as_ref().map(BatchRef::to_owned);
        DataHeader { request: self.request, offset: self.offset, batch }
    }
}

impl BatchRef<'_> {
    fn to_owned(&self) -> ListBatch {
        ListBatch {
            header: self.header.map(<[u8]>::to_vec),
            first: self.first,
            records: self.records.to_vec(),
            signature: self.signature,
        }
    }
}

/// A message that is one `Data` frame, without allocation.
pub(super) fn data_ref(message: &[u8]) -> Result<(DataRef<'_>, Range<usize>), WireError> {
    let mut reader = Reader::new(message);
    reader.require(message.len() <= MESSAGE_LIMIT_BYTES, "a message of at most 256 KiB")?;
    let (code, mut body) = reader.frame()?;
    reader.require(code == kind::DATA, "a Data frame")?;
    reader.require(reader.rest().is_empty(), "a Data frame that ends its message")?;
    let head = data_head(&mut body)?;
    Ok((head, body.rest()))
}

fn data_head<'a>(r: &mut Reader<'a>) -> Result<DataRef<'a>, WireError> {
    let (request, offset, flags) = (r.u32()?, r.u32()?, r.u8()?);
    let batch = if flags & kind::DATA_BATCH != 0 { Some(list_batch(r)?) } else { None };
    if flags & kind::DATA_EXTRA != 0 {
        r.text("bytes of a Data extension", HEADER_LIMIT_BYTES)?;
    }
    Ok(DataRef { request, offset, batch })
}

fn list_batch<'a>(r: &mut Reader<'a>) -> Result<BatchRef<'a>, WireError> {
    let flags = r.u8()?;
    let with_header = flags & kind::WITH_HEADER != 0;
    let header = if with_header { Some(r.text("bytes of a list header", HEADER_LIMIT_BYTES)?) } else { None };
    let first = r.u16()?;
    let count = r.count("records", RECORDS_LIMIT)?;
    let records = r.bytes(count * RECORD_BYTES)?;
    Ok(BatchRef { header, first, records, signature: r.array()? })
}
