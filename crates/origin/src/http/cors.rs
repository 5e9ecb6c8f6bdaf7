//! What pages of other origins may read.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
};
use axum::http::{HeaderValue, Method, Response, StatusCode};
use axum::middleware::{Next, from_fn_with_state};

use super::respond::{response, text};

/// How generous the origin is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cors {
    /// Any page may read everything, ranges and their headers included.
    #[default]
    Open,
    /// As many CDNs in the field: any page may read bodies, no header is exposed, and preflights are
    /// refused with 405. For laboratories.
    Bare,
}

const EXPOSED: &str = "Content-Length, Content-Range, Accept-Ranges, ETag, Date, Age, Retry-After";

/// Adds the headers to every response of `router`, and answers preflights.
pub fn layer(router: Router, cors: Cors) -> Router {
    router.layer(from_fn_with_state(cors, apply))
}

async fn apply(State(cors): State<Cors>, request: Request, next: Next) -> Response<Body> {
    let mut response = match (request.method() == Method::OPTIONS, cors) {
        (true, Cors::Open) => preflight(),
        (true, Cors::Bare) => text(StatusCode::METHOD_NOT_ALLOWED, "expected GET or HEAD"),
        (false, _) => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if cors == Cors::Open {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
    response
}

fn preflight() -> Response<Body> {
    let mut response = response(StatusCode::NO_CONTENT, Body::empty());
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}
