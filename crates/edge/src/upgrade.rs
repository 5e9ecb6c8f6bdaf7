//! From HTTP to WebSocket (RFC 6455 section 4.2).

use core::sync::atomic::Ordering::Relaxed;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

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
use crate::metrics::add;
use crate::permits::Exhausted;

/// Why a page gets no socket.
type Refusal = (StatusCode, &'static str);

pub(crate) async fn handle(State(EdgeState(edge)): State<EdgeState>, mut request: Request) -> Response {
    match prepare(&edge, &mut request) {
        Ok((accept, upgrade, visitor)) => {
            tokio::spawn(async move {
                if let Ok(upgraded) = upgrade.await {
                    Box::pin(Connection::new(edge, upgraded, visitor).run()).await;
                }
            });
            switching(accept)
        }
        Err(refusal) => refusal.into_response(),
    }
}

fn prepare(edge: &Edge, request: &mut Request) -> Result<(HeaderValue, OnUpgrade, Visitor), Refusal> {
    let accept = accept_key(request.headers())?;
    if edge.draining.load(Relaxed) {
        add(&edge.metrics.refused_draining, 1);
        return Err((StatusCode::SERVICE_UNAVAILABLE, "this edge is about to stop"));
    }
    let origin =
        request.headers().get(header::ORIGIN).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let allowed = &edge.config.origins;
    if !allowed.is_empty() && !origin.as_ref().is_some_and(|origin| allowed.contains(origin)) {
        add(&edge.metrics.refused_origin, 1);
        return Err((StatusCode::FORBIDDEN, "pages of this Origin may not connect"));
    }
    let address = client_address(edge, request);
    let permit = edge.permits.take(address).map_err(|exhausted| refuse_full(edge, exhausted))?;
    let no_upgrade = (StatusCode::UPGRADE_REQUIRED, "expected a connection that can be upgraded");
    let upgrade = request.extensions_mut().remove::<OnUpgrade>().ok_or(no_upgrade)?;
    Ok((accept, upgrade, Visitor { address, origin, permit }))
}

fn refuse_full(edge: &Edge, exhausted: Exhausted) -> Refusal {
    match exhausted {
        Exhausted::Total => {
            add(&edge.metrics.refused_total, 1);
            (StatusCode::SERVICE_UNAVAILABLE, "this edge is full")
        }
        Exhausted::Address => {
            add(&edge.metrics.refused_address, 1);
            (StatusCode::TOO_MANY_REQUESTS, "too many connections from this address")
        }
    }
}

/// Checks the handshake and answers its key.
fn accept_key(headers: &HeaderMap) -> Result<HeaderValue, Refusal> {
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

/// The peer's address, or what a trusted proxy says it is: the last address of `X-Forwarded-For` that is not a
/// trusted proxy's own.
fn client_address(edge: &Edge, request: &Request) -> IpAddr {
    let direct = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    let direct = direct.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let trusted = |address: &IpAddr| edge.config.trusted_proxies.iter().any(|range| range.contains(*address));
    if !trusted(&direct) {
        return direct;
    }
    let values =
        request.headers().get_all("x-forwarded-for").iter().rev().filter_map(|value| value.to_str().ok());
    let hops = values.flat_map(|value| value.rsplit(',')).map_while(|hop| hop.trim().parse::<IpAddr>().ok());
    hops.map(|hop| hop.to_canonical()).find(|hop| !trusted(hop)).unwrap_or(direct)
}

fn switching(accept: HeaderValue) -> Response {
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
