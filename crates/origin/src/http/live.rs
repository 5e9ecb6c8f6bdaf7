//! A live stream over HTTP.

use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

use super::files::mime;
use super::lists;
use super::respond::{Entity, LIVE_CACHE, entity, not_found, refuse_method, response};
use crate::loop_live::{LiveLoop, LoopRendition, master_playlist, media_playlist};
use crate::{OriginError, clock};

const PLAYLIST: &str = "application/vnd.apple.mpegurl";

/// What a channel allows.
#[derive(Clone, Copy, Debug)]
pub struct ChannelLimits {
    /// Most requests that wait for a list at once; more get 503.
    pub waiters: usize,
    /// `Cache-Control` of segments and init segments.
    pub media_cache: &'static str,
}

impl Default for ChannelLimits {
    /// 1,024 waiters; media cacheable for an hour, as a CDN should.
    fn default() -> Self {
        Self { waiters: 1024, media_cache: "max-age=3600" }
    }
}

/// A running live stream.
pub struct Channel {
    live: RwLock<LiveLoop>,
    changed: watch::Sender<u64>,
    pub(super) waiters: Semaphore,
    limits: ChannelLimits,
}

impl Channel {
    /// A channel for `live`; [`run`](Self::run) makes it move.
    pub fn new(live: LiveLoop, limits: ChannelLimits) -> Arc<Self> {
        let (changed, _) = watch::channel(0);
        Arc::new(Self { live: RwLock::new(live), changed, waiters: Semaphore::new(limits.waiters), limits })
    }

    /// Releases fragments when they are due, for ever. Ends only if signing fails.
    pub async fn run(self: Arc<Self>) -> Result<(), OriginError> {
        loop {
            let due = self.read(LiveLoop::next_due);
            sleep(Duration::from_millis(due.saturating_sub(clock::now_ms()))).await;
            if self.advance(clock::now_ms())? {
                self.changed.send_modify(|revision| *revision += 1);
            }
        }
    }

    /// Looks at the stream. `f` must not block.
    pub fn read<T>(&self, f: impl FnOnce(&LiveLoop) -> T) -> T {
        // A writer that panicked left a whole stream behind: releases happen one by one.
        f(&self.live.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Changes with every release; subscribe before looking.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn advance(&self, now_ms: u64) -> Result<bool, OriginError> {
        self.live.write().unwrap_or_else(std::sync::PoisonError::into_inner).advance(now_ms)
    }
}

/// What a path below a stream names.
enum Named {
    Master,
    Playlist(usize),
    List(usize),
    Init(usize, usize),
    File(usize, usize),
    Segment(usize, u64),
}

/// Answers `path` of a stream.
pub(super) async fn serve(channel: &Arc<Channel>, path: &str, request: &Request<()>) -> Response<Body> {
    if let Some(refused) = refuse_method(request.method()) {
        return refused;
    }
    match channel.read(|live| named(live, path)) {
        Some(Named::Master) => playlist(request, channel.read(master_playlist)),
        Some(Named::Playlist(i)) => {
            playlist(request, channel.read(|l| media_playlist(l, i)).map(Bytes::from))
        }
        Some(Named::List(i)) => lists::serve(channel, i, request).await,
        Some(Named::Init(i, n)) => {
            let init = channel.read(|l| Some(l.rendition(i)?.0.inits.get(n)?.bytes.clone()));
            whole(channel, init, path, request)
        }
        Some(Named::File(i, n)) => {
            let file = channel.read(|l| Some(l.rendition(i)?.0.files.get(n)?.bytes.clone()));
            whole(channel, file, path, request)
        }
        Some(Named::Segment(i, msn)) => segment(channel, (i, msn), path, request),
        None => not_found("this stream has no such file"),
    }
}

fn named(live: &LiveLoop, path: &str) -> Option<Named> {
    if live.source().multivariant.as_ref().is_some_and(|multivariant| multivariant.file == path) {
        return Some(Named::Master);
    }
    let mut renditions = live.source().renditions.iter().enumerate();
    renditions.find_map(|(i, r)| named_in(r, i, path.strip_prefix(&r.folder)?))
}

fn named_in(rendition: &LoopRendition, index: usize, file: &str) -> Option<Named> {
    if file == rendition.playlist {
        return Some(Named::Playlist(index));
    }
    if file == list_name(&rendition.playlist) {
        return Some(Named::List(index));
    }
    if let Some(n) = rendition.inits.iter().position(|init| init.uri == file) {
        return Some(Named::Init(index, n));
    }
    if let Some(n) = rendition.files.iter().position(|each| each.uri == file) {
        return Some(Named::File(index, n));
    }
    let (number, _) = file.strip_prefix(&rendition.prefix)?.strip_prefix("seg_")?.split_once('.')?;
    let msn: u64 = number.parse().ok()?;
    // One spelling only: a signed name is a path.
    (rendition.uri(msn)? == file).then_some(Named::Segment(index, msn))
}

/// `index.m3u8` -> `index.mfi.json` (manifest's `list_url_of`, on a file name).
fn list_name(playlist: &str) -> String {
    let stem = playlist.rsplit_once('.').map_or(playlist, |(stem, _)| stem);
    format!("{stem}.mfi.json")
}

fn playlist(request: &Request<()>, text: Option<Bytes>) -> Response<Body> {
    match text {
        Some(bytes) => entity(request, Entity { bytes, mime: PLAYLIST, cache: LIVE_CACHE, etag: None }),
        None => not_found("this stream has no such playlist"),
    }
}

fn whole(channel: &Channel, bytes: Option<Bytes>, path: &str, request: &Request<()>) -> Response<Body> {
    let Some(bytes) = bytes else { return not_found("this stream has no such file") };
    entity(
        request,
        Entity { bytes, mime: mime(Path::new(path)), cache: channel.limits.media_cache, etag: None },
    )
}

fn segment(
    channel: &Arc<Channel>,
    (index, msn): (usize, u64),
    path: &str,
    request: &Request<()>,
) -> Response<Body> {
    match channel.read(|live| live.segment(index, msn).map(|s| (s.is_complete(), s.released()))) {
        Some((true, bytes)) => whole(channel, Some(bytes), path, request),
        Some((false, _)) => growing(Arc::clone(channel), (index, msn), mime(Path::new(path)), request),
        None => not_found("segment is not in the live window"),
    }
}

/// An open segment, sent as it grows. Its length is unknown, so ranges do not apply.
fn growing(
    channel: Arc<Channel>,
    (index, msn): (usize, u64),
    mime: &'static str,
    request: &Request<()>,
) -> Response<Body> {
    let body = match *request.method() {
        Method::HEAD => Body::empty(),
        _ => Body::from_stream(tail(channel, index, msn)),
    };
    let mut response = response(StatusCode::OK, body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(mime));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn tail(channel: Arc<Channel>, index: usize, msn: u64) -> impl stream::Stream<Item = std::io::Result<Bytes>> {
    let changes = channel.changes();
    stream::try_unfold((channel, changes, 0), move |(channel, mut changes, sent)| async move {
        loop {
            let now = channel.read(|live| live.segment(index, msn).map(|s| (s.is_complete(), s.released())));
            match now {
                Some((_, bytes)) if bytes.len() > sent => {
                    let next = bytes.len();
                    return Ok(Some((bytes.slice(sent..), (channel, changes, next))));
                }
                Some((true, _)) => return Ok(None),
                // Gone from the window while a slow client read it: break off rather than end it short.
                None => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                Some((false, _)) => {}
            }
            if changes.changed().await.is_err() {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    })
}
