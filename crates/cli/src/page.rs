//! The page at `/` when no site directory is given, the health checks and the policy.

use std::path::Path;

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

/// `/policy.json`; `text` must be a policy.
pub(crate) fn policy(text: Option<String>) -> Router {
    let text = text.unwrap_or_else(|| POLICY.to_owned());
    let answer = move || async move {
        let headers = [
            (CONTENT_TYPE, "application/json"),
            (CACHE_CONTROL, "no-cache"),
            (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        ];
        (headers, text).into_response()
    };
    Router::new().route("/policy.json", get(answer))
}

/// Reads `--policy`: a file that viewers would refuse is refused here.
pub(crate) fn read_policy(path: &Path) -> Result<String, Failure> {
    let bad = |reason: String| Failure::Input(format!("--policy {}: {reason}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?;
    let (_, notices) = Patch::parse(text.as_bytes()).map_err(|e| bad(e.to_string()))?;
    match notices.first() {
        Some(notice) => Err(bad(notice.to_string())),
        None => Ok(text),
    }
}
