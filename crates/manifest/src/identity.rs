//! What a resource is called, the same on every machine.
//!
//! A name is a path relative to the media playlist's directory, computed by WHATWG URL parsing: no
//! decoding, no case folding, query and fragment dropped. Another origin's path is kept whole behind
//! `//`. So all viewers and the signer agree on a name whatever host or CDN token they came through.

use crate::digest::sha256;

#[cfg(feature = "sign")]
mod urls;
#[cfg(feature = "sign")]
pub use urls::{IdentityError, keys_url_of, list_url_of, name_of, rendition_of, sidecar_url_of};

/// Rendition of a media playlist that no multivariant playlist names.
pub const LONE_RENDITION: &str = "main";

const MAGIC: &[u8; 18] = b"meshedflow/res/v1\0";

/// The resource id of a name: first 16 bytes of SHA-256 of a magic and the name.
pub fn resource_id(name: &str) -> [u8; 16] {
    let mut id = [0; 16];
    let digest = sha256(&[MAGIC, name.as_bytes()].concat());
    id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    id
}
