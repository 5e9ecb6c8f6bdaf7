//! The origin as an HTTP server.
//!
//! ```text
//! GET /live/<name>/master.m3u8                    the directory's multivariant playlist, if it has one
//! GET /live/<name>/<rendition>/<playlist>.m3u8    media playlist
//! GET /live/<name>/<rendition>/init.mp4           init segment; further ones init_<n>.mp4
//! GET /live/<name>/<rendition>/seg_<msn>.m4s      segment (.ts, .aac...); an open one is sent as it grows
//! GET /live/<name>/<rendition>/file_<n>.ts        file of which segments are byte ranges
//! GET /live/<name>/<rendition>/<playlist>.mfi.json   rolling list
//!       ?_msn=12            answered once segment 12 is complete, from segment 11 on
//!       ?_msn=12&_part=3    answered once segment 12 has fragment 3 (counted from 0)
//!       ?_msn=12&stream=1   one signed delta per line, as each is signed
//! GET /vod/<name>/...                             files of a directory
//! GET /.well-known/meshedflow/keys.json           the key set
//! ```
//!
//! Everything answers HEAD and Range and may be read from any page ([`Cors`]). [`access`] logs every request
//! with the bytes really handed over, [`shape`] slows a server down for laboratories.

pub mod access;
pub mod cors;
pub mod files;
mod lists;
mod live;
mod respond;
pub mod serve;
pub mod shape;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, Response};
use axum::routing::any;

pub use cors::Cors;
pub use live::{Channel, ChannelLimits};
pub use respond::not_found;
pub use shape::Shape;

use crate::clock;
use crate::key_sets::live_set;
use meshedflow_manifest::Signer;
use respond::{Entity, KEYS_CACHE, entity};

/// Where the key set is.
pub const KEYS_PATH: &str = "/.well-known/meshedflow/keys.json";

/// What an origin serves.
pub struct OriginState {
    /// Live streams by the name in their path.
    pub channels: BTreeMap<String, Arc<Channel>>,
    /// Directories by the name in their path.
    pub directories: BTreeMap<String, PathBuf>,
    /// How `keys.json` is answered.
    pub keys: Keys,
    /// What pages of other origins may do.
    pub cors: Cors,
    /// How slow to be.
    pub shape: Shape,
}

/// The key set of an origin.
pub enum Keys {
    /// Not published here.
    None,
    /// Made for this signer; each answer is valid for a day from then on.
    Of {
        /// Whose public key.
        signer: Arc<Signer>,
        /// For which streams.
        streams: Vec<String>,
        /// Lists of lower epochs count no more.
        min_epoch: u64,
        /// When it was first published, Unix seconds: the set's version.
        since: u64,
    },
}

impl Keys {
    /// The key set of a signer, published from now on.
    pub fn of(signer: Arc<Signer>, streams: Vec<String>, min_epoch: u64) -> Self {
        Self::Of { signer, streams, min_epoch, since: clock::now_ms() / 1000 }
    }

    fn json(&self) -> Option<String> {
        let Self::Of { signer, streams, min_epoch, since } = self else { return None };
        // What runs for months goes on signing: only the version stays.
        let mut set = live_set(signer, streams, clock::now_ms() / 1000, *min_epoch);
        set.version = u32::try_from(*since).unwrap_or(u32::MAX);
        Some(set.to_json())
    }
}

/// The origin's routes.
pub fn router(state: OriginState) -> Router {
    let (cors, shape) = (state.cors, state.shape.clone());
    let routes = Router::new()
        .route("/live/{name}/{*path}", any(serve_live))
        .route("/vod/{name}/{*path}", any(serve_file))
        .route(KEYS_PATH, any(serve_keys))
        .with_state(Arc::new(state));
    cors::layer(shape::layer(routes, shape), cors)
}

async fn serve_live(
    State(state): State<Arc<OriginState>>,
    Path((name, path)): Path<(String, String)>,
    request: Request<Body>,
) -> Response<Body> {
    match state.channels.get(&name) {
        Some(channel) => live::serve(channel, &path, &request.map(drop)).await,
        None => not_found(&format!("no live stream {name:?} here")),
    }
}

async fn serve_file(
    State(state): State<Arc<OriginState>>,
    Path((name, path)): Path<(String, String)>,
    request: Request<Body>,
) -> Response<Body> {
    match state.directories.get(&name) {
        Some(root) => files::serve(root, &path, &request.map(drop)).await,
        None => not_found(&format!("no directory {name:?} here")),
    }
}

async fn serve_keys(State(state): State<Arc<OriginState>>, request: Request<Body>) -> Response<Body> {
    match state.keys.json() {
        Some(json) => {
            let body = Entity { bytes: json.into(), mime: "application/json", cache: KEYS_CACHE, etag: None };
            entity(&request.map(drop), body)
        }
        None => not_found("this origin publishes no keys"),
    }
}
