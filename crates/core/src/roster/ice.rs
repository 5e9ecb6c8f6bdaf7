//! Which ICE servers of an edge a page uses: only those at hosts that it allows.

use meshedflow_protocol::signal;

use crate::mesh::Mesh;
use crate::output::IceServer;
use crate::url::host_of;

impl Mesh {
    /// ICE servers of an edge count only at hosts that the page allows: the edge's own, or listed ones.
    pub(super) fn allowed_server(&self, s: signal::IceServer) -> Option<IceServer> {
        let own = self.options.signaling_url.as_deref().map(host_of);
        let fits = |url: &String| {
            let Some(host) = ice_host(url) else { return false };
            let same = |allowed: &str| allowed.eq_ignore_ascii_case(host);
            own.is_some_and(same) || self.options.ice_server_hosts.iter().any(|h| same(h))
        };
        let trusting = self.options.mutant("trust-edge");
        let urls: Vec<String> = s.urls.into_iter().filter(|url| trusting || fits(url)).collect();
        (!urls.is_empty()).then_some(IceServer { urls, username: s.username, credential: s.credential })
    }
}

/// The host of a `stun:` or `turn:` URL (RFC 7064, RFC 7065), if it is nothing but scheme, host, port, transport:
/// what a browser might read otherwise than this is refused.
fn ice_host(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once(':')?;
    let (authority, query) = rest.split_once('?').map_or((rest, None), |(a, q)| (a, Some(q)));
    let known = matches!(scheme, "stun" | "stuns" | "turn" | "turns");
    let plain = query.is_none_or(|q| matches!(q, "transport=udp" | "transport=tcp"));
    host_port(authority).filter(|_| known && plain)
}

/// `host`, `host:port` or `[v6]:port`; nothing else is in it.
fn host_port(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let end = rest.find(']')?;
            let (host, port) = authority.split_at_checked(end + 2)?;
            (host, port.strip_prefix(':').or_else(|| port.is_empty().then_some(""))?)
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let letters = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_' | b'[' | b']' | b':');
    let fine = !host.is_empty() && host.bytes().all(letters) && port.bytes().all(|c| c.is_ascii_digit());
    fine.then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_ice_url_is_what_a_browser_would_talk_to() {
        for (url, host) in [
            ("stun:edge.example", Some("edge.example")),
            ("turn:edge.example:3478?transport=udp", Some("edge.example")),
            ("turns:[2001:db8::1]:443?transport=tcp", Some("[2001:db8::1]")),
            ("stun:[::1]", Some("[::1]")),
            ("stun:evil.example?://edge.example", None),
            ("turn:evil.example?transport=udp://edge.example", None),
            ("stun:user@edge.example", None),
            ("stun://edge.example", None),
            ("https://edge.example", None),
            ("stun:edge.example:1:2", None),
            ("stun:", None),
        ] {
            assert_eq!(ice_host(url), host, "{url}");
        }
    }
}
