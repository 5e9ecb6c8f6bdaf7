//! Making a server slow on purpose.
//!
//! A laboratory wants an origin behind 20 Mb/s and 30 ms. Delay is spent before each response; the rate is
//! one budget for the whole server, as an uplink is, shared by all responses in pieces of 16 KiB. Where the
//! kernel can shape traffic, prefer it; this shapes bodies only, not headers or handshakes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use axum::middleware::{Next, from_fn_with_state};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use http_body::Body as _;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

/// Longest piece handed over at once, in bytes.
const PIECE_BYTES: usize = 16 << 10;

/// How slow. Clones share one rate budget.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    rate_kbps: Option<u32>,
    delay: Duration,
    /// When the uplink is free again.
    free_at: Arc<Mutex<Option<Instant>>>,
}

impl Shape {
    /// `rate_kbps`: kilobits (1,000 bits) per second over all responses together, `None` for no limit.
    /// `delay_ms`: milliseconds before each response.
    pub fn new(rate_kbps: Option<u32>, delay_ms: u32) -> Self {
        Self { rate_kbps, delay: Duration::from_millis(delay_ms.into()), free_at: Arc::default() }
    }

    /// True if it changes nothing.
    pub fn is_open(&self) -> bool {
        self.rate_kbps.is_none() && self.delay.is_zero()
    }

    /// Waits until the uplink has carried all before these bytes, and reserves it for them.
    async fn pass(&self, bytes: usize) {
        let Some(kbps) = self.rate_kbps else { return };
        let takes = Duration::from_secs_f64(bytes as f64 * 8.0 / (f64::from(kbps.max(1)) * 1000.0));
        let mut free_at = self.free_at.lock().await;
        let now = Instant::now();
        let done = free_at.map_or(now, |at| at.max(now)) + takes;
        *free_at = Some(done);
        drop(free_at);
        sleep_until(done).await;
    }
}

/// Slows every response of `router`.
pub fn layer(router: Router, shape: Shape) -> Router {
    if shape.is_open() {
        return router;
    }
    router.layer(from_fn_with_state(shape, apply))
}

async fn apply(State(shape): State<Shape>, request: Request, next: Next) -> Response<Body> {
    sleep(shape.delay).await;
    let response = next.run(request).await;
    if shape.rate_kbps.is_none() || response.body().is_end_stream() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // The stream below hides the length that the body knew.
    if let Some(length) = body.size_hint().exact() {
        parts.headers.entry(axum::http::header::CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    Response::from_parts(parts, Body::from_stream(paced(body, shape)))
}

fn paced(body: Body, shape: Shape) -> impl Stream<Item = Result<Bytes, axum::Error>> {
    body.into_data_stream().map(pieces).flatten().then(move |piece| {
        let shape = shape.clone();
        async move {
            let piece = piece?;
            shape.pass(piece.len()).await;
            Ok(piece)
        }
    })
}

fn pieces(chunk: Result<Bytes, axum::Error>) -> impl Stream<Item = Result<Bytes, axum::Error>> {
    let mut rest = Some(chunk);
    stream::iter(std::iter::from_fn(move || match rest.take()? {
        Ok(mut bytes) if bytes.len() > PIECE_BYTES => {
            let piece = bytes.split_to(PIECE_BYTES);
            rest = Some(Ok(bytes));
            Some(Ok(piece))
        }
        last => Some(last),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn responses_share_one_rate() {
        let (shape, before) = (Shape::new(Some(2000), 0), Instant::now());
        let other = shape.clone();
        tokio::join!(shape.pass(100_000), other.pass(150_000));
        assert_eq!(before.elapsed(), Duration::from_secs(1));
        // What was not used is not saved up.
        sleep(Duration::from_secs(60)).await;
        shape.pass(250_000).await;
        assert_eq!(before.elapsed(), Duration::from_secs(62));
    }

    #[tokio::test(start_paused = true)]
    async fn no_rate_waits_for_nothing() {
        let before = Instant::now();
        Shape::new(None, 0).pass(usize::MAX).await;
        assert_eq!(before.elapsed(), Duration::ZERO);
    }
}
