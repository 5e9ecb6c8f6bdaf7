//! What the edge answers over HTTP.

use core::sync::atomic::Ordering::Relaxed;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::edge::EdgeState;
use crate::upgrade;

/// Everything on one port, `/metrics` included: for demos and for embedding behind something that guards it.
///
/// Serve it with `into_make_service_with_connect_info::<SocketAddr>()`: without the peers' addresses all viewers
/// count as one household.
pub fn router(state: EdgeState) -> Router {
    public_router(state.clone()).merge(admin_router(state))
}

/// What viewers and balancers need: `/mesh`, `/healthz`, `/readyz`, `/policy`.
pub fn public_router(state: EdgeState) -> Router {
    Router::new()
        .route("/mesh", get(upgrade::handle))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/policy", get(policy))
        .with_state(state)
}

/// What operators need: `/metrics`.
pub fn admin_router(state: EdgeState) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(state)
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
