//! The page at `/` when no site directory is given, the health checks and the policy.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use meshedflow_protocol::policy::Patch;

use crate::failure::Failure;

/// What a page may do by default: everything, fragment by fragment.
const POLICY: &str = "{\"version\":1,\"enabled\":true,\"cmafMode\":\"serve\"}\n";

/// Routes of a site without pages.
pub(crate) fn bare(stream: &str) -> Router {
    let page = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>MeshedFlow</title>\
         <p>The stream is at <a href=\"/live/{stream}/master.m3u8\">/live/{stream}/master.m3u8</a>. \
         Start with <code>--site DIR</code> for pages of your own.</p>\n"
    );
    Router::new().route("/", get(|| async { ([(CONTENT_TYPE, "text/html; charset=utf-8")], page) }))
}

/// `/healthz` and `/readyz`, for a process without an edge.
pub(crate) fn health() -> Router {
    Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(|| async { "ok\n" }))
}

/// `/policy.json`: the file's text as it is now, or the built-in one.
pub(crate) fn policy(file: Option<Policy>) -> Router {
    let answer = move || async move {
        let text = match &file {
            Some(file) => file.text().await,
            None => POLICY.to_owned(),
        };
        let headers = [
            (CONTENT_TYPE, "application/json"),
            (CACHE_CONTROL, "no-cache"),
            (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        ];
        (headers, text).into_response()
    };
    Router::new().route("/policy.json", get(answer))
}

/// A policy file that may change while it is served.
#[derive(Clone)]
pub(crate) struct Policy {
    path: PathBuf,
    /// The last text that viewers would take: one that is half written must not close their peers.
    good: Arc<Mutex<String>>,
}

impl Policy {
    /// Reads `--policy`: a file that viewers would refuse is refused here.
    pub(crate) fn open(path: PathBuf) -> Result<Self, Failure> {
        let bad = |reason: String| Failure::Input(format!("--policy {}: {reason}", path.display()));
        let text = std::fs::read_to_string(&path).map_err(|e| bad(e.to_string()))?;
        check(&text).map_err(bad)?;
        Ok(Self { path, good: Arc::new(Mutex::new(text)) })
    }

    async fn text(&self) -> String {
        let now = tokio::fs::read_to_string(&self.path).await.ok().filter(|text| check(text).is_ok());
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = now {
            *good = text;
        }
        good.clone()
    }
}

/// What viewers would refuse or ignore in a policy, and why.
fn check(text: &str) -> Result<(), String> {
    let (_, notices) = Patch::parse(text.as_bytes()).map_err(|e| e.to_string())?;
    notices.first().map_or(Ok(()), |notice| Err(notice.to_string()))
}
