//! What the edge answers over HTTP.

use core::sync::atomic::Ordering::Relaxed;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::admin;
use crate::edge::EdgeState;
use crate::upgrade;

/// What viewers and balancers need: `/mesh`, `/healthz`, `/readyz`, `/policy`. For a larger server, that serves it with
/// `into_make_service_with_connect_info::<SocketAddr>()`: without the peers' addresses no viewer is taken.
pub fn public_router(state: EdgeState) -> Router {
    Router::new()
        .route("/mesh", get(upgrade::handle))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/policy", get(policy))
        .with_state(state)
}

/// What operators need: `/metrics`, for those who bear the config's `admin_token`; without one, for this machine only.
/// Requests of pages are refused unless they come from the same host. It is served as [`public_router`] is.
pub fn admin_router(state: EdgeState) -> Router {
    let guard = middleware::from_fn_with_state(state.clone(), admin::guard);
    Router::new().route("/metrics", get(metrics)).layer(guard).with_state(state)
}

/// 503 only while stopping. A degraded edge still pairs its own viewers, and a 503 would make balancers empty every
/// edge at once when the store they share is down.
async fn ready(State(EdgeState(edge)): State<EdgeState>) -> Response {
    match (edge.draining.load(Relaxed), edge.registry.is_degraded()) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response(),
        (false, true) => "ready, degraded\n".into_response(),
        (false, false) => "ready\n".into_response(),
    }
}

async fn policy(State(EdgeState(edge)): State<EdgeState>) -> Response {
    let Some(policy) = &edge.policy else {
        return (StatusCode::NOT_FOUND, "this edge has no policy_file\n").into_response();
    };
    let json = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    (json, policy.bytes.clone()).into_response()
}

async fn metrics(State(state): State<EdgeState>) -> Response {
    let text = HeaderValue::from_static("text/plain; version=0.0.4");
    ([(header::CONTENT_TYPE, text)], state.metrics_text()).into_response()
}
