//! Parts of absolute URLs, as far as the core looks into them.

/// `scheme://host[:port]` of an absolute URL.
pub(crate) fn origin_of(url: &str) -> &str {
    let after = url.len() - after_scheme(url).unwrap_or(url).len();
    let end = url.get(after..).and_then(|rest| rest.find('/')).map_or(url.len(), |i| after + i);
    url.get(..end).unwrap_or(url)
}

/// The host of a URL, as a browser would find it.
pub(crate) fn host_of(url: &str) -> &str {
    let opaque = || url.split_once(':').map(|(_, rest)| rest);
    let rest = after_scheme(url).or_else(opaque).unwrap_or(url);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    // An IPv6 address has colons of its own.
    let end = place.find(']').map_or_else(|| place.find(':'), |end| Some(end + 1));
    end.and_then(|end| place.get(..end)).unwrap_or(place)
}

/// What follows the first `://`. Searching for a text instead of a character would bring the standard library's search
/// for any text, and kilobytes of it, into the module that every page loads.
pub(crate) fn after_scheme(url: &str) -> Option<&str> {
    url.match_indices(':').find_map(|(at, _)| url.get(at + 1..)?.strip_prefix("//"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_url_is_found_with_and_without_a_port() {
        for (url, host) in [
            ("wss://edge.example/mesh", "edge.example"),
            ("wss://edge.example:8443/mesh?x=1:2", "edge.example"),
            ("ws://[::1]:80/mesh", "[::1]"),
            ("ws://[::1]/mesh", "[::1]"),
            ("stun:edge.example", "edge.example"),
            ("turn:edge.example:3478?transport=udp", "edge.example"),
            ("stun:edge.example@elsewhere.example:1", "elsewhere.example"),
            ("wss://user:secret@edge.example", "edge.example"),
        ] {
            assert_eq!(host_of(url), host, "{url}");
        }
    }

    #[test]
    fn the_origin_of_a_url_ends_before_its_path() {
        for (url, origin) in [
            ("https://cdn.example/a/b.m4s", "https://cdn.example"),
            ("http://127.0.0.1:8080/a?next=https://other.example/", "http://127.0.0.1:8080"),
            ("https://cdn.example", "https://cdn.example"),
            ("cdn.example/a", "cdn.example"),
        ] {
            assert_eq!(origin_of(url), origin, "{url}");
        }
    }

    #[test]
    fn a_scheme_ends_at_the_first_mark() {
        for url in ["https://a://b", "a:b://c", "a:/b", "://", ":", "", "a://", "é://é"] {
            assert_eq!(after_scheme(url), url.split_once("://").map(|(_, rest)| rest), "{url}");
        }
    }
}
