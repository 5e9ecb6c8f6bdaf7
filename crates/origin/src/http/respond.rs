//! Responses: methods, conditional requests and byte ranges (RFC 9110).

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName,
    IF_NONE_MATCH, RANGE, RETRY_AFTER,
};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use bytes::Bytes;

/// `Cache-Control` of what changes every few seconds.
pub(crate) const LIVE_CACHE: &str = "max-age=1";
/// `Cache-Control` of the key set: viewers refetch it every 5 minutes.
pub(crate) const KEYS_CACHE: &str = "max-age=60";

/// Something that is there whole.
pub(crate) struct Entity {
    pub(crate) bytes: Bytes,
    pub(crate) mime: &'static str,
    pub(crate) cache: &'static str,
    pub(crate) etag: Option<String>,
}

/// Answers GET and HEAD, with `If-None-Match` and a single byte range.
pub(crate) fn entity(request: &Request<()>, entity: Entity) -> Response<Body> {
    if let Some(refused) = refuse_method(request.method()) {
        return refused;
    }
    if entity.etag.is_some() && entity.etag.as_deref() == header(request, IF_NONE_MATCH) {
        let response = response(StatusCode::NOT_MODIFIED, Body::empty());
        return with_meta(response, &entity);
    }
    let length = entity.bytes.len() as u64;
    match range_of(request, length) {
        Wanted::Whole => {
            let body = body_of(request, entity.bytes.clone());
            sized(with_meta(response(StatusCode::OK, body), &entity), length)
        }
        Wanted::Range(first, last) => {
            // Both ends were checked against the length, a usize.
            let body = body_of(request, entity.bytes.slice(first as usize..=last as usize));
            let partial = with_meta(response(StatusCode::PARTIAL_CONTENT, body), &entity);
            sized(content_range(partial, &format!("bytes {first}-{last}/{length}")), last - first + 1)
        }
        Wanted::Unsatisfiable => unsatisfiable(length),
    }
}

/// 416 for a resource of this length.
pub(crate) fn unsatisfiable(length: u64) -> Response<Body> {
    content_range(
        text(StatusCode::RANGE_NOT_SATISFIABLE, "no byte in that range"),
        &format!("bytes */{length}"),
    )
}

/// 405 unless the method reads.
pub(crate) fn refuse_method(method: &Method) -> Option<Response<Body>> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "expected GET or HEAD");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    Some(response)
}

/// 404 that says what is missing.
pub fn not_found(what: &str) -> Response<Body> {
    text(StatusCode::NOT_FOUND, what)
}

/// A short plain text.
pub(crate) fn text(status: StatusCode, what: &str) -> Response<Body> {
    let mut response = response(status, Body::from(format!("{what}\n")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 503 with a hint when to come back.
pub(crate) fn busy(what: &str) -> Response<Body> {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, what);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A response without headers.
pub(crate) fn response(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// Sets `Content-Length`: needed where the body alone does not tell it (HEAD, streams).
pub(crate) fn sized(mut response: Response<Body>, length: u64) -> Response<Body> {
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// Sets `Content-Range`.
pub(crate) fn content_range(mut response: Response<Body>, value: &str) -> Response<Body> {
    set(&mut response, CONTENT_RANGE, value);
    response
}

/// Sets a header; a value that is no header value is left out.
pub(crate) fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// A request header as text.
pub(crate) fn header<B>(request: &Request<B>, name: HeaderName) -> Option<&str> {
    request.headers().get(name)?.to_str().ok()
}

fn with_meta(mut response: Response<Body>, entity: &Entity) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(entity.mime));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(entity.cache));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(etag) = &entity.etag {
        set(&mut response, ETAG, etag);
    }
    response
}

fn body_of(request: &Request<()>, bytes: Bytes) -> Body {
    if request.method() == Method::HEAD { Body::empty() } else { Body::from(bytes) }
}

/// What a `Range` header asks of a resource.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// No range, or one that RFC 9110 section 14.2 lets a server ignore.
    Whole,
    /// First and last byte.
    Range(u64, u64),
    /// No byte of the resource.
    Unsatisfiable,
}

/// Reads the request's `Range` header.
pub(crate) fn range_of(request: &Request<()>, length: u64) -> Wanted {
    header(request, RANGE).and_then(|value| parse_range(value, length)).unwrap_or(Wanted::Whole)
}

/// `None` for several ranges, other units and bad syntax.
fn parse_range(value: &str, length: u64) -> Option<Wanted> {
    let (first, last) = value.strip_prefix("bytes=")?.trim().split_once('-')?;
    if first.is_empty() {
        let suffix: u64 = last.parse().ok()?;
        return Some(match suffix.min(length) {
            0 => Wanted::Unsatisfiable,
            n => Wanted::Range(length - n, length - 1),
        });
    }
    let first: u64 = first.parse().ok()?;
    let last = if last.is_empty() { u64::MAX } else { last.parse().ok()? };
    if last < first {
        return None;
    }
    Some(if first >= length { Wanted::Unsatisfiable } else { Wanted::Range(first, last.min(length - 1)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        assert_eq!(parse_range("bytes=0-0", 10), Some(Wanted::Range(0, 0)));
        assert_eq!(parse_range("bytes=4-", 10), Some(Wanted::Range(4, 9)));
        assert_eq!(parse_range("bytes=4-99", 10), Some(Wanted::Range(4, 9)));
        assert_eq!(parse_range("bytes=-3", 10), Some(Wanted::Range(7, 9)));
        assert_eq!(parse_range("bytes=-30", 10), Some(Wanted::Range(0, 9)));
        assert_eq!(parse_range("bytes=10-", 10), Some(Wanted::Unsatisfiable));
        assert_eq!(parse_range("bytes=-0", 10), Some(Wanted::Unsatisfiable));
        for ignored in ["bytes=5-4", "bytes=0-1,3-4", "items=0-1", "bytes=a-b", "bytes="] {
            assert_eq!(parse_range(ignored, 10), None, "{ignored}");
        }
    }
}
