//! The access log: one JSON object per line and response, with the bytes really handed over.
//!
//! ```json
//! {"t":1800000000123,"method":"GET","path":"/live/demo/v360/seg_7.m4s","query":"","range":"bytes=0-",
//!  "status":206,"bytes":250148,"ms":31,"ua":"..."}
//! ```
//!
//! A line is written when the response's body ends or is dropped. `bytes` are those that the connection took
//! from the body, so an aborted transfer counts what left, not what was promised. `t` is when the request
//! came, `ms` how long the response took.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::Response;
use axum::http::header::{RANGE, USER_AGENT};
use axum::middleware::{Next, from_fn_with_state};
use http_body::{Frame, SizeHint};
use serde::Serialize;

use super::respond::header;
use crate::clock;

/// An open access log. Clones write to the same file.
#[derive(Clone)]
pub struct AccessLog {
    file: Arc<Mutex<File>>,
}

impl AccessLog {
    /// Opens `path` for appending, making it if it is missing.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file: Arc::new(Mutex::new(file)) })
    }

    fn write(&self, line: &Line) {
        let mut json = serde_json::to_string(line).unwrap_or_default();
        json.push('\n');
        if let Ok(mut file) = self.file.lock() {
            // A full disk must not take the server down; the log then simply ends.
            let _ = file.write_all(json.as_bytes());
        }
    }
}

/// Logs every response of `router`.
pub fn layer(router: Router, log: AccessLog) -> Router {
    router.layer(from_fn_with_state(log, apply))
}

#[derive(Serialize)]
struct Line {
    t: u64,
    method: String,
    path: String,
    query: String,
    range: Option<String>,
    status: u16,
    bytes: u64,
    ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ua: Option<String>,
}

async fn apply(State(log): State<AccessLog>, request: Request, next: Next) -> Response<Body> {
    let mut line = Line {
        t: clock::now_ms(),
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        range: header(&request, RANGE).map(str::to_owned),
        status: 0,
        bytes: 0,
        ms: 0,
        ua: header(&request, USER_AGENT).map(str::to_owned),
    };
    let response = next.run(request).await;
    line.status = response.status().as_u16();
    response.map(|inner| Body::new(Counted { inner, pending: Bytes::new(), line, log }))
}

/// Longest piece that a connection gets at once, in bytes: one that breaks off has taken little more than it sent.
const PIECE_BYTES: usize = 16 << 10;

/// A body that knows how much of it was taken.
struct Counted {
    inner: Body,
    /// What is left of a frame that was too long.
    pending: Bytes,
    line: Line,
    log: AccessLog,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.pending.is_empty() {
            match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.pending = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => return other,
            }
        }
        let length = self.pending.len().min(PIECE_BYTES);
        self.line.bytes += length as u64;
        Poll::Ready(Some(Ok(Frame::data(self.pending.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.pending.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, pending) = (self.inner.size_hint(), self.pending.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + pending);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + pending);
        }
        hint
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.line.ms = clock::now_ms().saturating_sub(self.line.t);
        self.log.write(&self.line);
    }
}
