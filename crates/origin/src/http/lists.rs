//! Rolling lists: at once, when something is there, or line by line.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bytes::Bytes;
use futures_util::stream;
use meshedflow_manifest::{RECORD_BYTES, SignedList};
use serde::Serialize;
use tokio::time::timeout;

use super::live::Channel;
use super::respond::{Entity, LIVE_CACHE, busy, entity, not_found, response, text};
use crate::clock;
use crate::loop_live::{LiveLoop, rolling};

/// How far ahead of the open segment a list may be waited for, in segments.
const AHEAD: u64 = 2;

/// The query of a list request.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ask {
    msn: Option<u64>,
    part: Option<usize>,
    stream: bool,
}

impl Ask {
    /// `None` for a number that is none. Unknown parameters are ignored: pages add tokens.
    fn parse(query: &str) -> Option<Self> {
        let mut ask = Self::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "_msn" => ask.msn = Some(value.parse().ok()?),
                "_part" => ask.part = Some(value.parse().ok()?),
                "stream" => ask.stream = value == "1",
                _ => {}
            }
        }
        Some(ask)
    }
}

/// Answers a rolling list request.
pub(super) async fn serve(channel: &Arc<Channel>, index: usize, request: &Request<()>) -> Response<Body> {
    let Some(ask) = Ask::parse(request.uri().query().unwrap_or_default()) else {
        return text(StatusCode::BAD_REQUEST, "_msn and _part are numbers");
    };
    let Some(msn) = ask.msn else {
        return match ask.part.is_some() || ask.stream {
            true => text(StatusCode::BAD_REQUEST, "_part and stream need _msn"),
            false => document(channel, index, 0, request),
        };
    };
    if channel.read(|live| newest(live, index)).is_some_and(|newest| msn > newest + AHEAD) {
        return text(StatusCode::BAD_REQUEST, "_msn is too far ahead of the stream");
    }
    if ask.stream {
        lines(channel, index, msn, request)
    } else {
        awaited(channel, index, msn, ask.part, request).await
    }
}

fn newest(live: &LiveLoop, index: usize) -> Option<u64> {
    live.rendition(index)?.1.segments.back().map(|s| s.msn)
}

/// True once the segment has that fragment, or is complete if no fragment is named, or is gone.
fn is_there(live: &LiveLoop, index: usize, msn: u64, part: Option<usize>) -> bool {
    match live.segment(index, msn) {
        Some(segment) => segment.is_complete() || part.is_some_and(|part| segment.count() > part),
        None => is_gone(live, index, msn),
    }
}

/// True if the segment left the window long ago.
fn is_gone(live: &LiveLoop, index: usize, msn: u64) -> bool {
    live.segment(index, msn).is_none() && newest(live, index).is_some_and(|newest| msn < newest)
}

/// Blocking reload: answers when the segment is there, or with 503 after three target durations.
async fn awaited(
    channel: &Arc<Channel>,
    index: usize,
    msn: u64,
    part: Option<usize>,
    request: &Request<()>,
) -> Response<Body> {
    let mut changes = channel.changes();
    if channel.read(|live| is_there(live, index, msn, part)) {
        return document(channel, index, msn, request);
    }
    let Ok(_seat) = channel.waiters.try_acquire() else { return busy("too many requests wait for lists") };
    let patience = channel.read(|live| rolling(live, index, 0).map_or(4000, |r| r.target_ms)) * 3;
    let there = async {
        while !channel.read(|live| is_there(live, index, msn, part)) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    };
    match timeout(Duration::from_millis(patience.into()), there).await {
        Ok(()) => document(channel, index, msn, request),
        Err(_) => busy("the segment did not come in time"),
    }
}

/// The rolling list, of whoever names a segment from the one before it on: what is older it was told of before.
fn document(channel: &Channel, index: usize, msn: u64, request: &Request<()>) -> Response<Body> {
    let now = clock::now_ms();
    match channel.read(|live| Some((rolling(live, index, now)?, etag(live, index)?))) {
        Some((mut list, etag)) => {
            list.segments.retain(|segment| segment.msn.saturating_add(1) >= msn);
            let bytes = list.to_json().into();
            entity(request, Entity { bytes, mime: "application/json", cache: LIVE_CACHE, etag: Some(etag) })
        }
        None => not_found("this stream has no such rendition"),
    }
}

/// Weak, because the ages in the document change while what was signed does not.
fn etag(live: &LiveLoop, index: usize) -> Option<String> {
    let open = live.rendition(index)?.1.segments.back()?;
    Some(format!("W/\"{:x}-{:x}-{:x}\"", live.epoch(), open.msn, open.count()))
}

/// One line of a streamed list: the batch that a viewer appends to what it has
/// (`SignedList::extend_from_batch`). Bytes are base64url without padding.
#[derive(Serialize)]
struct Line {
    msn: u64,
    /// The signed header; on the first line only.
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    /// Index of the first record of the batch.
    first: usize,
    closed: bool,
    /// The records, 44 bytes each.
    records: String,
    signature: String,
}

fn lines(channel: &Arc<Channel>, index: usize, msn: u64, request: &Request<()>) -> Response<Body> {
    if channel.read(|live| is_gone(live, index, msn)) {
        return not_found("segment is not in the live window");
    }
    let body = match *request.method() {
        Method::HEAD => Body::empty(),
        _ => Body::from_stream(stream_lines(Arc::clone(channel), index, msn)),
    };
    let mut response = response(StatusCode::OK, body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn stream_lines(
    channel: Arc<Channel>,
    index: usize,
    msn: u64,
) -> impl stream::Stream<Item = std::io::Result<Bytes>> {
    let changes = channel.changes();
    stream::try_unfold((channel, changes, Some(0)), move |(channel, mut changes, sent)| async move {
        // The closed list was the last line.
        let Some(sent) = sent else { return Ok(None) };
        let Ok(_seat) = channel.waiters.try_acquire() else { return Ok(None) };
        loop {
            let list = channel.read(|live| live.segment(index, msn).and_then(|s| s.list.clone()));
            if let Some(list) = list.filter(|l| l.records.len() > sent) {
                let next = (!list.closed).then_some(list.records.len());
                return Ok(Some((Bytes::from(line(&list, sent)), (Arc::clone(&channel), changes, next))));
            }
            let gone = channel.read(|live| is_gone(live, index, msn));
            if gone || changes.changed().await.is_err() {
                return Ok(None);
            }
        }
    })
}

fn line(list: &SignedList, first: usize) -> String {
    let signed = list.signed_bytes();
    let records = signed.len().saturating_sub((list.records.len() - first) * RECORD_BYTES);
    let line = Line {
        msn: list.header.msn,
        header: (first == 0).then(|| BASE64.encode(list.header.encode())),
        first,
        closed: list.closed,
        // The records end what was signed: these exact bytes, not an encoding of our own.
        records: BASE64.encode(signed.get(records..).unwrap_or_default()),
        signature: BASE64.encode(list.signature),
    };
    serde_json::to_string(&line).unwrap_or_default() + "\n"
}
