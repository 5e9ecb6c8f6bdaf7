//! Names from URLs: the signer's side. Viewers compute the same with the browser's own `URL`.

use core::fmt;

use url::Url;

use super::LONE_RENDITION;
use crate::text::{Text, TextError};

/// Of a path that is no name, this much of its end is kept.
const KEPT_BYTES: usize = 99;

/// Why a URL gives no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// This does not resolve against the playlist's URL.
    Unresolvable(String),
    /// A scheme other than http and https.
    Scheme(String),
    /// The rendition's path cannot be made a name.
    Rendition(String, TextError),
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolvable(uri) => write!(f, "URI {uri:?} does not resolve against its playlist"),
            Self::Scheme(scheme) => write!(f, "scheme {scheme:?}; expected http or https"),
            Self::Rendition(path, error) => write!(f, "rendition {path:?}: {error}"),
        }
    }
}

impl core::error::Error for IdentityError {}

/// The name of `uri` as it stands in the media playlist at `playlist` (its URL after redirects).
pub fn name_of(playlist: &Url, uri: &str) -> Result<String, IdentityError> {
    let target = playlist.join(uri).map_err(|_| IdentityError::Unresolvable(uri.to_owned()))?;
    for url in [playlist, &target] {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(IdentityError::Scheme(url.scheme().to_owned()));
        }
    }
    if playlist.origin() == target.origin() {
        Ok(relative(directory(playlist.path()), target.path()))
    } else {
        Ok(format!("//{}", target.path()))
    }
}

/// The rendition of the media playlist at `playlist`, named against its multivariant playlist if it
/// has one: its path if that is a name, `as_name` of it otherwise.
pub fn rendition_of(multivariant: Option<&Url>, playlist: &Url) -> Result<Text, IdentityError> {
    let name = match multivariant {
        Some(multivariant) => name_of(multivariant, playlist.as_str())?,
        None => LONE_RENDITION.to_owned(),
    };
    let text = Text::new(name.as_str()).or_else(|_| Text::new(as_name(&name)));
    text.map_err(|error| IdentityError::Rendition(name, error))
}

/// A name for a path that is none, being too long or holding other characters than names may: what a name can
/// hold of its end, `~` for the rest, and a hash (FNV-0, 32 bits) of the whole, since other paths look like it.
fn as_name(path: &str) -> String {
    let hash = path.bytes().fold(0_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let mut name = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'/' | b'-' => name.push(byte as char),
            _ if name.ends_with('~') => {}
            _ => name.push('~'),
        }
    }
    let end = name.get(name.len().saturating_sub(KEPT_BYTES)..).unwrap_or_default();
    format!("{end}~{hash:x}")
}

/// Where the rolling list of a media playlist is: beside it, `.mfi.json` instead of its extension.
pub fn list_url_of(playlist: &Url) -> Url {
    let (directory, file) = split(playlist.path());
    let stem = match file.rfind('.') {
        Some(dot) if dot > 0 => file.get(..dot).unwrap_or(file),
        _ => file,
    };
    at_path(playlist, &format!("{directory}{stem}.mfi.json"))
}

/// Where the closed list of a segment of a finished stream is: beside it, `.mfi` appended.
pub fn sidecar_url_of(segment: &Url) -> Url {
    at_path(segment, &format!("{}.mfi", segment.path()))
}

/// Where the key set of an origin is.
pub fn keys_url_of(origin: &Url) -> Url {
    at_path(origin, "/.well-known/meshedflow/keys.json")
}

fn at_path(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.set_path(path);
    url
}

/// The directory, its slash included, and the last component.
fn split(path: &str) -> (&str, &str) {
    path.split_at(path.rfind('/').map_or(0, |slash| slash + 1))
}

fn directory(path: &str) -> &str {
    split(path).0
}

/// `target` as seen from `base`, a directory with its slash.
fn relative(base: &str, target: &str) -> String {
    let shared = base
        .bytes()
        .zip(target.bytes())
        .take_while(|(a, b)| a == b)
        .enumerate()
        .filter(|(_, (b, _))| *b == b'/')
        .last()
        .map_or(0, |(slash, _)| slash + 1);
    let ups = base.bytes().skip(shared).filter(|b| *b == b'/').count();
    format!("{}{}", "../".repeat(ups), target.get(shared..).unwrap_or_default())
}
