//! Who may ask the admin routes: whoever knows the token, from no foreign page.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use crate::config::Config;
use crate::edge::EdgeState;
use crate::metrics::add;

type Refusal = (StatusCode, &'static str);

/// Guards every admin route, those that do not exist included.
pub(crate) async fn guard(
    State(EdgeState(edge)): State<EdgeState>,
    request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    match judge(&edge.config, request.headers(), peer) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            add(&edge.metrics.refused_admin, 1);
            let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
            let is_challenge = refusal.0 == StatusCode::UNAUTHORIZED;
            if is_challenge { (challenge, refusal).into_response() } else { refusal.into_response() }
        }
    }
}

fn judge(config: &Config, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<(), Refusal> {
    let forbidden = |why| (StatusCode::FORBIDDEN, why);
    let host = only(headers, &header::HOST).ok_or_else(|| forbidden("expected one Host header"))?;
    // A page whose name was rebound to this address sends that name.
    if !is_own(config, host) {
        return Err(forbidden("expected Host to be an address, localhost, or one of `admin_hosts`"));
    }
    let origin = only(headers, &header::ORIGIN);
    if headers.contains_key(header::ORIGIN) && !origin.is_some_and(|origin| is_same(origin, host)) {
        return Err(forbidden("pages of another Origin may not ask this"));
    }
    match &config.admin_token {
        Some(token) => bears(headers, token),
        // Without a token the config lets this listener be on loopback only; the router may stand elsewhere.
        None if peer.is_some_and(|peer| peer.is_loopback()) => Ok(()),
        None => Err(forbidden("without `admin_token` only this machine may ask")),
    }
}

/// The value of a header that is there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Whether the host of `authority` is an address, this machine's name for itself, or named by the operator.
fn is_own(config: &Config, authority: &str) -> bool {
    if authority.parse::<SocketAddr>().is_ok() || authority.parse::<IpAddr>().is_ok() {
        return true;
    }
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        _ => authority,
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let named = |name: &String| name.eq_ignore_ascii_case(host);
    bracketed.is_some_and(|v6| v6.parse::<IpAddr>().is_ok())
        || host.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || config.admin_hosts.iter().any(named)
}

fn is_same(origin: &str, host: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

/// The comparison takes the same time wherever the first difference is.
fn bears(headers: &HeaderMap, token: &str) -> Result<(), Refusal> {
    let refused = (StatusCode::UNAUTHORIZED, "expected `Authorization: Bearer` with the admin token");
    let (scheme, given) =
        only(headers, &header::AUTHORIZATION).and_then(|value| value.split_once(' ')).ok_or(refused)?;
    let same = bool::from(given.trim().as_bytes().ct_eq(token.as_bytes()));
    if scheme.eq_ignore_ascii_case("bearer") && same { Ok(()) } else { Err(refused) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn status(config: &Config, peer: Option<IpAddr>, headers: &[(&'static str, &str)]) -> u16 {
        let headers = headers.iter().map(|(k, v)| (HeaderName::from_static(k), v.parse().unwrap())).collect();
        judge(config, &headers, peer).err().map_or(200, |refusal| refusal.0.as_u16())
    }

    #[test]
    fn a_name_that_is_not_ours_is_refused() {
        let config = Config { admin_hosts: vec!["edge.example".into()], ..Config::default() };
        for host in ["127.0.0.1", "127.0.0.1:9499", "[::1]:9499", "[::1]", "LocalHost:80", "edge.example:443"]
        {
            assert_eq!(status(&config, HERE, &[("host", host)]), 200, "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:80",
            "",
            "edge.example.",
            "x:y",
        ] {
            assert_eq!(status(&config, HERE, &[("host", host)]), 403, "{host}");
        }
        assert_eq!(status(&config, HERE, &[]), 403);
        assert_eq!(status(&config, HERE, &[("host", "127.0.0.1"), ("host", "127.0.0.1")]), 403);
    }

    #[test]
    fn a_foreign_page_is_refused() {
        let asks =
            |origin| status(&Config::default(), HERE, &[("host", "127.0.0.1:9499"), ("origin", origin)]);
        assert_eq!(asks("http://127.0.0.1:9499"), 200);
        for origin in ["http://127.0.0.1:8000", "https://evil.example", "null", "127.0.0.1:9499"] {
            assert_eq!(asks(origin), 403, "{origin}");
        }
    }

    #[test]
    fn the_token_is_asked_for_wherever_there_is_one() {
        let config = Config { admin_token: Some("a token of some length".into()), ..Config::default() };
        let asks =
            |authorization| status(&config, HERE, &[("host", "127.0.0.1"), ("authorization", authorization)]);
        assert_eq!(asks("Bearer a token of some length"), 200);
        assert_eq!(asks("bearer a token of some length"), 200);
        for wrong in [
            "Bearer a token of some lengti",
            "Bearer a token",
            "Bearer ",
            "Basic a token of some length",
            "x",
        ] {
            assert_eq!(asks(wrong), 401, "{wrong}");
        }
        assert_eq!(status(&config, HERE, &[("host", "127.0.0.1")]), 401);
    }

    #[test]
    fn without_a_token_only_this_machine_asks() {
        let elsewhere = Some(IpAddr::from([192, 0, 2, 1]));
        for peer in [elsewhere, None] {
            assert_eq!(status(&Config::default(), peer, &[("host", "127.0.0.1")]), 403);
        }
    }
}
