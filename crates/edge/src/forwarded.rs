//! Whose connection a trusted proxy forwards.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};

use crate::config::ForwardedHeader;

/// A trusted proxy does not say, or not in a way that can be read, whose connection it forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// The last address that is not a trusted proxy's own; if all are, the first of them. What stands before that address
/// was written by just anyone and is not looked at. An element that is not an address is an error and not skipped:
/// all viewers behind that proxy would count as one household.
pub(crate) fn client(
    headers: &HeaderMap,
    header: ForwardedHeader,
    trusted: impl Fn(IpAddr) -> bool,
) -> Result<IpAddr, Unreadable> {
    let mut farthest = None;
    for value in headers.get_all(name(header)).iter().rev() {
        let value = value.to_str().map_err(|_| Unreadable)?;
        for element in value.rsplit(',').map(str::trim).filter(|element| !element.is_empty()) {
            let address = hop(element, header).ok_or(Unreadable)?;
            if !trusted(address) {
                return Ok(address);
            }
            farthest = Some(address);
        }
    }
    farthest.ok_or(Unreadable)
}

fn name(header: ForwardedHeader) -> HeaderName {
    match header {
        ForwardedHeader::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
        ForwardedHeader::Forwarded => axum::http::header::FORWARDED,
    }
}

fn hop(element: &str, header: ForwardedHeader) -> Option<IpAddr> {
    match header {
        ForwardedHeader::XForwardedFor => address(parameter(element).unwrap_or(element)),
        ForwardedHeader::Forwarded => address(parameter(element)?),
    }
}

/// The value of `for` among the parameters of an element (RFC 7239 section 4).
fn parameter(element: &str) -> Option<&str> {
    let mut parameters = element.split(';').filter_map(|pair| pair.split_once('='));
    parameters.find_map(|(key, value)| key.trim().eq_ignore_ascii_case("for").then_some(value.trim()))
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:4711`, each perhaps in quotes.
fn address(text: &str) -> Option<IpAddr> {
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let text = quoted.unwrap_or(text);
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let bare = bare.map(|v6| v6.parse().map(IpAddr::V6)).unwrap_or_else(|| text.parse()).ok();
    let address = bare.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(header: ForwardedHeader, values: &[&str]) -> Result<IpAddr, Unreadable> {
        let headers = values.iter().map(|value| (name(header), value.parse().unwrap())).collect();
        client(&headers, header, |address| address.to_string().starts_with("10."))
    }

    #[test]
    fn addresses_are_read_as_proxies_write_them() {
        for (text, address) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:5678", "203.0.113.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("\"[2001:db8::7]:443\"", "2001:db8::7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("[::ffff:203.0.113.7]:80", "203.0.113.7"),
            ("for=203.0.113.7:80", "203.0.113.7"),
            ("198.51.100.9, 203.0.113.7 , 10.1.1.1", "203.0.113.7"),
            ("garbage, 203.0.113.7:1, 10.1.1.1:2", "203.0.113.7"),
            ("10.2.2.2, 10.1.1.1", "10.2.2.2"),
            ("203.0.113.7,", "203.0.113.7"),
        ] {
            let read = said(ForwardedHeader::XForwardedFor, &[text]);
            assert_eq!(read, Ok(address.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn the_standard_header_is_read_as_rfc_7239_writes_it() {
        for (text, address) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("by=10.0.0.1; for=\"192.0.2.60:47\"", "192.0.2.60"),
            ("for=198.51.100.9, for=192.0.2.60, for=10.0.0.1", "192.0.2.60"),
        ] {
            assert_eq!(said(ForwardedHeader::Forwarded, &[text]), Ok(address.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_address() {
        for text in
            ["", ",", "unknown", "_hidden", "203.0.113.7:99999", "1.2.3", "1.2.3.4 5", "[1.2.3.4]", "é"]
        {
            assert_eq!(said(ForwardedHeader::XForwardedFor, &[text]), Err(Unreadable), "{text}");
        }
        assert_eq!(said(ForwardedHeader::XForwardedFor, &["203.0.113.7, unknown"]), Err(Unreadable));
        assert_eq!(said(ForwardedHeader::XForwardedFor, &[]), Err(Unreadable));
        for text in ["for=unknown", "for=_gazonk", "proto=https", "192.0.2.60"] {
            assert_eq!(said(ForwardedHeader::Forwarded, &[text]), Err(Unreadable), "{text}");
        }
    }

    #[test]
    fn the_last_of_several_headers_counts() {
        let read = said(ForwardedHeader::XForwardedFor, &["198.51.100.9", "203.0.113.7"]);
        assert_eq!(read, Ok("203.0.113.7".parse().unwrap()));
    }
}
