//! From HTTP to WebSocket (RFC 6455 section 4.2).

use core::sync::atomic::Ordering::Relaxed;
use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::upgrade::OnUpgrade;
use sha1::{Digest, Sha1};

use crate::connection::{Connection, Visitor};
use crate::edge::{Edge, EdgeState};
use crate::forwarded;
use crate::metrics::add;
use crate::permits::{Exhausted, Permit};
use crate::stream::Line;

/// Why a page gets no socket.
pub(crate) type Refusal = (StatusCode, &'static str);

/// The edge accepted this connection itself, and counted it: in all, and against its address unless that is a
/// trusted proxy's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted;

/// A handshake that is taken.
struct Handshake {
    accept: HeaderValue,
    upgrade: OnUpgrade,
    visitor: Visitor,
    /// What is charged for the connection beyond what its accepting did.
    permit: Option<Permit>,
}

pub(crate) async fn handle(State(EdgeState(edge)): State<EdgeState>, mut request: Request) -> Response {
    match prepare(&edge, &mut request) {
        Ok(Handshake { accept, upgrade, visitor, permit }) => {
            tokio::spawn(async move {
                if let Ok(upgraded) = upgrade.await {
                    let (line, early) = Line::of(upgraded, permit);
                    Box::pin(Connection::new(edge, line, early, visitor).run()).await;
                }
            });
            switching(accept)
        }
        Err(refusal) => refusal.into_response(),
    }
}

fn prepare(edge: &Edge, request: &mut Request) -> Result<Handshake, Refusal> {
    let accept = accept_key(request.headers())?;
    if edge.draining.load(Relaxed) {
        add(&edge.metrics.refused_draining, 1);
        return Err((StatusCode::SERVICE_UNAVAILABLE, "this edge is about to stop"));
    }
    let origin = allowed_origin(edge, request.headers())?;
    let (address, permit) = count(edge, request)?;
    let no_upgrade = (StatusCode::UPGRADE_REQUIRED, "expected a connection that can be upgraded");
    let upgrade = request.extensions_mut().remove::<OnUpgrade>().ok_or(no_upgrade)?;
    Ok(Handshake { accept, upgrade, visitor: Visitor { address, origin }, permit })
}

/// The page's origin, if it says one.
fn allowed_origin(edge: &Edge, headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let origin = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let allowed = &edge.config.origins;
    if !allowed.is_empty() && !origin.as_ref().is_some_and(|origin| allowed.contains(origin)) {
        add(&edge.metrics.refused_origin, 1);
        return Err((StatusCode::FORBIDDEN, "pages of this Origin may not connect"));
    }
    Ok(origin)
}

/// The viewer's address, and the permit for what is not counted yet: behind a trusted proxy the viewer's household,
/// on a connection that another server accepted all of it.
fn count(edge: &Edge, request: &Request) -> Result<(IpAddr, Option<Permit>), Refusal> {
    let unknown = (StatusCode::INTERNAL_SERVER_ERROR, "this server does not tell the addresses of its peers");
    let direct = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    let direct = direct.ok_or(unknown)?;
    let is_counted = request.extensions().get::<Counted>().is_some();
    let is_proxy = edge.config.is_trusted_proxy(direct);
    let address = if is_proxy { forwarded_client(edge, request.headers())? } else { direct };
    let permit = match (is_counted, is_proxy) {
        (true, false) => Ok(None),
        (true, true) => edge.permits.charge(address).map(Some),
        (false, _) => edge.permits.take(Some(address)).map(Some),
    };
    permit.map(|permit| (address, permit)).map_err(|exhausted| refuse_full(edge, exhausted))
}

fn forwarded_client(edge: &Edge, headers: &HeaderMap) -> Result<IpAddr, Refusal> {
    let config = &edge.config;
    let client = forwarded::client(headers, config.forwarded_header, |hop| config.is_trusted_proxy(hop));
    client.map_err(|forwarded::Unreadable| {
        add(&edge.metrics.refused_forwarded, 1);
        (StatusCode::BAD_REQUEST, "expected the trusted proxy to say whose connection it forwards")
    })
}

fn refuse_full(edge: &Edge, exhausted: Exhausted) -> Refusal {
    edge.metrics.full(exhausted);
    match exhausted {
        Exhausted::Total => (StatusCode::SERVICE_UNAVAILABLE, "this edge is full"),
        Exhausted::Address => (StatusCode::TOO_MANY_REQUESTS, "too many connections from this address"),
    }
}

/// Checks the handshake and answers its key.
pub(crate) fn accept_key(headers: &HeaderMap) -> Result<HeaderValue, Refusal> {
    let bad = |why| (StatusCode::BAD_REQUEST, why);
    if !has_token(headers, &header::CONNECTION, "upgrade")
        || !has_token(headers, &header::UPGRADE, "websocket")
    {
        return Err((StatusCode::UPGRADE_REQUIRED, "expected a WebSocket handshake"));
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(bad("expected Sec-WebSocket-Version: 13"));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or_else(|| bad("expected Sec-WebSocket-Key"))?;
    let digest =
        Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
    HeaderValue::try_from(STANDARD.encode(digest)).map_err(|_| bad("Sec-WebSocket-Key cannot be answered"))
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
}

pub(crate) fn switching(accept: HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn the_key_is_answered_as_in_rfc_6455() {
        let mut headers = headers(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]);
        assert_eq!(accept_key(&headers).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("8"));
        assert_eq!(accept_key(&headers).unwrap_err().0, StatusCode::BAD_REQUEST);
        headers.remove(header::UPGRADE);
        assert_eq!(accept_key(&headers).unwrap_err().0, StatusCode::UPGRADE_REQUIRED);
    }
}
