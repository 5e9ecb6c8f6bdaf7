//! The key set of an origin: which keys may sign which streams, and when.

use core::fmt;

use meshedflow_json::{Fields, Json, quoted};

use crate::base64url;
use crate::digest::sha256;
use crate::json::{self, JsonError};
use crate::text::{Text, TextError};
use crate::verify::SignatureCheck;

/// Most keys of one set.
pub const KEY_LIMIT: usize = 32;
/// Longest key set document in bytes.
pub const KEY_SET_LIMIT_BYTES: usize = 64 << 10;
/// First bytes of everything a root's signature over a key set covers.
pub const KEY_SET_MAGIC: &[u8; 21] = b"meshedflow/keyset/v1\0";
/// Most stream patterns of one key.
const STREAM_LIMIT: usize = 64;

/// An Ed25519 public key. Its kid is always computed from it, never read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey {
    bytes: [u8; 32],
    kid: [u8; 8],
}

impl PublicKey {
    /// The key of these 32 bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = sha256(&bytes);
        Self { bytes, kid: [a, b, c, d, e, f, g, h] }
    }

    /// Reads a pin: base64url of 32 bytes, the `x` member of a JWK.
    pub fn from_base64url(x: &str) -> Option<Self> {
        base64url::decode_array(x).map(Self::new)
    }

    /// The key as base64url, the `x` member of a JWK.
    pub fn to_base64url(&self) -> String {
        base64url::encode(&self.bytes)
    }

    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// First 8 bytes of SHA-256 of the key.
    pub fn kid(&self) -> [u8; 8] {
        self.kid
    }
}

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Signs now.
    Active,
    /// Published ahead of its use; nothing it signed counts yet.
    Next,
    /// Signs no more; what it signed counts if read over HTTPS.
    Retired,
    /// Nothing it ever signed counts.
    Revoked,
    /// A state this version does not know; nothing counts.
    Other,
}

#[cfg(feature = "sign")]
impl KeyState {
    /// As key sets spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Next => "next",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
            Self::Other => "other",
        }
    }
}

/// Which streams a key may sign: one by its name, or all below a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamPattern {
    /// Exactly this stream.
    Exact(Text),
    /// Every stream that begins with this path, its final slash included.
    Below(Text),
}

impl StreamPattern {
    /// Reads `name`, or `path/*`.
    pub fn parse(pattern: &str) -> Result<Self, KeySetError> {
        let bad = |reason| KeySetError::Stream(pattern.to_owned(), reason);
        match pattern.strip_suffix('*') {
            None => Text::new(pattern).map(Self::Exact).map_err(|error| bad(Some(error))),
            Some(path) if path.ends_with('/') => {
                Text::new(path).map(Self::Below).map_err(|error| bad(Some(error)))
            }
            Some(_) => Err(bad(None)),
        }
    }

    /// Whether the pattern allows `stream`.
    pub fn allows(&self, stream: &str) -> bool {
        match self {
            Self::Exact(name) => name.as_str() == stream,
            Self::Below(path) => stream.len() > path.as_str().len() && stream.starts_with(path.as_str()),
        }
    }
}

#[cfg(feature = "sign")]
impl fmt::Display for StreamPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name.as_str()),
            Self::Below(path) => write!(f, "{}*", path.as_str()),
        }
    }
}

/// One key of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// The key.
    pub key: PublicKey,
    /// Where it stands.
    pub state: KeyState,
    /// It counts for lists issued from this time, Unix seconds, ...
    pub nbf: u64,
    /// ... to this time.
    pub exp: u64,
    /// For these streams.
    pub streams: Vec<StreamPattern>,
}

impl KeyInfo {
    fn may_sign(&self, stream: &str) -> bool {
        self.streams.iter().any(|pattern| pattern.allows(stream))
    }
}

/// What a list's key is to be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// This viewer read the list from the origin over HTTPS itself.
    pub via_https: bool,
    /// The list's `issued_at`, Unix seconds.
    pub issued_at: u32,
    /// Now, Unix seconds.
    pub now_unix: u64,
}

/// Why a key does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRefusal {
    /// The set expired at this time, Unix seconds, and no fresh one was read.
    SetExpired(u64),
    /// The set does not name the key: a reason to read it again.
    Unknown,
    /// Keys are pinned, this is none of them, and no pinned root vouches for a set that could name others.
    NotPinned,
    /// Published, not active yet.
    NotYetActive,
    /// Retired, and the list came from a peer.
    Retired,
    /// Revoked.
    Revoked,
    /// In a state this version does not know.
    UnknownState,
    /// The list was issued before `nbf` or after `exp`, Unix seconds.
    OutsideWindow {
        /// First second.
        nbf: u64,
        /// Last second.
        exp: u64,
    },
    /// The key may not sign this stream.
    OtherStream,
}

impl fmt::Display for KeyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetExpired(at) => write!(f, "key set expired at {at}; expected a fresh one"),
            Self::Unknown => f.write_str("key is not in the key set"),
            Self::NotPinned => f.write_str("key is not among the pinned ones"),
            Self::NotYetActive => f.write_str("key has state \"next\"; expected \"active\""),
            Self::Retired => f.write_str("key is retired; its lists count only when read over HTTPS"),
            Self::Revoked => f.write_str("key is revoked"),
            Self::UnknownState => f.write_str("key has an unknown state; expected \"active\""),
            Self::OutsideWindow { nbf, exp } => {
                write!(f, "list issued outside its key's time; expected {nbf} to {exp}")
            }
            Self::OtherStream => f.write_str("key may not sign this stream"),
        }
    }
}

impl core::error::Error for KeyRefusal {}

/// Why a key set was refused, as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySetError {
    /// So many bytes; expected at most [`KEY_SET_LIMIT_BYTES`].
    TooLong(usize),
    /// Not the JSON of a key set.
    Json(JsonError),
    /// So many keys; expected at most [`KEY_LIMIT`].
    TooManyKeys(usize),
    /// So many streams of one key; expected at most 64.
    TooManyStreams(usize),
    /// A key with a `d` member: a private key was published. Revoke it.
    PrivateKey,
    /// `x` is not base64url of 32 bytes; the index of the key.
    NotAKey(usize),
    /// The kid stated is not that of the key.
    Kid {
        /// First 8 bytes of SHA-256 of the key, as hex.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// Two keys have this kid.
    DuplicateKid(String),
    /// Neither a name nor a path with one trailing `*` after a `/`.
    Stream(String, Option<TextError>),
    /// The version is below one seen before.
    Version {
        /// The version.
        found: u32,
        /// The highest seen.
        floor: u32,
    },
    /// No root signature, where a root is pinned.
    NotRootSigned,
    /// The root signature is not the pinned root's.
    RootSignature,
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(n) => write!(f, "key set of {n} bytes; expected at most {KEY_SET_LIMIT_BYTES}"),
            Self::Json(error) => write!(f, "key set: {error}"),
            Self::TooManyKeys(n) => write!(f, "key set of {n} keys; expected at most {KEY_LIMIT}"),
            Self::TooManyStreams(n) => write!(f, "key with {n} streams; expected at most {STREAM_LIMIT}"),
            Self::PrivateKey => f.write_str("key set holds a private key (member \"d\"); revoke that key"),
            Self::NotAKey(i) => write!(f, "key {i}: expected \"x\" to be base64url of 32 bytes"),
            Self::Kid { expected, found } => {
                write!(f, "kid {}; expected {}", quoted(found), quoted(expected))
            }
            Self::DuplicateKid(kid) => write!(f, "kid {kid} twice; expected once"),
            Self::Stream(pattern, Some(error)) => write!(f, "stream {}: {error}", quoted(pattern)),
            Self::Stream(pattern, None) => {
                write!(f, "stream {}; expected \"*\" only after a \"/\"", quoted(pattern))
            }
            Self::Version { found, floor } => {
                write!(f, "key set version {found}; expected {floor} or higher")
            }
            Self::NotRootSigned => f.write_str("key set without root signature; expected the pinned root's"),
            Self::RootSignature => f.write_str("key set signature is not the pinned root's"),
        }
    }
}

impl core::error::Error for KeySetError {}

impl From<JsonError> for KeySetError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

/// A key set of the right shape. Whether to believe it is a matter of where it was read, or of
/// [`KeySet::verify_root`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    version: u32,
    expires: u64,
    min_epoch: u64,
    keys: Vec<KeyInfo>,
}

impl KeySet {
    /// Reads a set, signed by a root or not; the root's signature is not looked at. `min_version` is
    /// the highest version seen in this session.
    pub fn parse(json: &[u8], min_version: Option<u32>) -> Result<Self, KeySetError> {
        let (set, _) = open(json)?;
        Self::from_document(set, min_version)
    }

    /// Reads a set that `root` must have signed: `{"keyset": {...}, "signature": "<base64url>"}`, the
    /// signature over [`KEY_SET_MAGIC`] and the exact bytes of the `keyset` member.
    pub fn verify_root(
        json: &[u8],
        min_version: Option<u32>,
        root: &PublicKey,
        check: &mut impl SignatureCheck,
    ) -> Result<Self, KeySetError> {
        let (set, signature) = open(json)?;
        let signature = signature.ok_or(KeySetError::NotRootSigned)?;
        let message = [KEY_SET_MAGIC, set].concat();
        if !check.check(root.bytes(), &message, &signature) {
            return Err(KeySetError::RootSignature);
        }
        Self::from_document(set, min_version)
    }

    fn from_document(set: &[u8], min_version: Option<u32>) -> Result<Self, KeySetError> {
        let document = json::read(set)?;
        let fields = Fields::of(&document, "key set")?;
        let version = fields.need_whole("version", u32::MAX.into())? as u32;
        let floor = min_version.unwrap_or(0);
        if version < floor {
            return Err(KeySetError::Version { found: version, floor });
        }
        let expires = fields.need_whole("expires", u64::MAX)?;
        let min_epoch = fields.whole_or("min_epoch", u64::MAX, 0)?;
        let Json::List(list) = fields.need("keys")? else {
            return Err(JsonError::member("keys", "a list").into());
        };
        Ok(Self { version, expires, min_epoch, keys: read_keys(list)? })
    }

    /// The version: never falls within a session.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Unix seconds after which the set counts no more.
    pub fn expires(&self) -> u64 {
        self.expires
    }

    /// No lower epoch counts.
    pub fn min_epoch(&self) -> u64 {
        self.min_epoch
    }

    /// All keys, revoked ones included.
    pub fn keys(&self) -> &[KeyInfo] {
        &self.keys
    }

    /// Whether the set revokes this key. That overrides a pin.
    pub fn is_revoked(&self, kid: &[u8; 8]) -> bool {
        self.find(kid).is_some_and(|info| info.state == KeyState::Revoked)
    }

    /// Whether the set names any key that may sign `stream` now.
    pub fn serves(&self, stream: &str, now_unix: u64) -> bool {
        let signs = |info: &KeyInfo| info.state == KeyState::Active && info.may_sign(stream);
        now_unix <= self.expires && self.keys.iter().any(signs)
    }

    /// The key of this kid, if it counts for a list of `stream`.
    pub fn usable(&self, kid: &[u8; 8], stream: &str, use_: KeyUse) -> Result<PublicKey, KeyRefusal> {
        if use_.now_unix > self.expires {
            return Err(KeyRefusal::SetExpired(self.expires));
        }
        let info = self.find(kid).ok_or(KeyRefusal::Unknown)?;
        match info.state {
            KeyState::Active => {}
            KeyState::Retired if use_.via_https => {}
            KeyState::Retired => return Err(KeyRefusal::Retired),
            KeyState::Next => return Err(KeyRefusal::NotYetActive),
            KeyState::Revoked => return Err(KeyRefusal::Revoked),
            KeyState::Other => return Err(KeyRefusal::UnknownState),
        }
        if !(info.nbf..=info.exp).contains(&u64::from(use_.issued_at)) {
            return Err(KeyRefusal::OutsideWindow { nbf: info.nbf, exp: info.exp });
        }
        if !info.may_sign(stream) {
            return Err(KeyRefusal::OtherStream);
        }
        Ok(info.key)
    }

    fn find(&self, kid: &[u8; 8]) -> Option<&KeyInfo> {
        self.keys.iter().find(|info| info.key.kid == *kid)
    }
}

/// The bytes of the set itself, and the root's signature if there is one.
fn open(json: &[u8]) -> Result<(&[u8], Option<[u8; 64]>), KeySetError> {
    if json.len() > KEY_SET_LIMIT_BYTES {
        return Err(KeySetError::TooLong(json.len()));
    }
    let document = json::read(json)?;
    let envelope = Fields::of(&document, "key set")?;
    if envelope.get("keyset")?.is_none() {
        return Ok((json, None));
    }
    let signature = envelope.text("signature")?.and_then(base64url::decode_array);
    // What a root signs are bytes, not a tree.
    let exact = meshedflow_json::exact(json::text(json)?, "keyset");
    Ok((exact.unwrap_or_default().as_bytes(), signature))
}

fn read_keys(list: &[Json<'_>]) -> Result<Vec<KeyInfo>, KeySetError> {
    if list.len() > KEY_LIMIT {
        return Err(KeySetError::TooManyKeys(list.len()));
    }
    let mut keys: Vec<KeyInfo> = Vec::with_capacity(list.len());
    for (index, jwk) in list.iter().enumerate() {
        let Some(info) = read_key(index, Fields::of(jwk, "keys")?)? else { continue };
        if keys.iter().any(|other| other.key.kid == info.key.kid) {
            return Err(KeySetError::DuplicateKid(hex(&info.key.kid)));
        }
        keys.push(info);
    }
    Ok(keys)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// `None` for a key of another kind, which is skipped as RFC 7517 section 5 says.
fn read_key(index: usize, jwk: Fields<'_, '_>) -> Result<Option<KeyInfo>, KeySetError> {
    if jwk.member("d")?.is_some() {
        return Err(KeySetError::PrivateKey);
    }
    let word = |name| jwk.text(name).map(Option::unwrap_or_default);
    if (jwk.need_text("kty")?, word("crv")?) != ("OKP", "Ed25519") {
        return Ok(None);
    }
    let key = PublicKey::from_base64url(word("x")?).ok_or(KeySetError::NotAKey(index))?;
    let expected = hex(&key.kid);
    if let Some(found) = jwk.text("kid")?.filter(|kid| **kid != *expected) {
        return Err(KeySetError::Kid { expected, found: found.to_owned() });
    }
    let patterns = jwk.texts("streams", usize::MAX)?;
    if patterns.len() > STREAM_LIMIT {
        return Err(KeySetError::TooManyStreams(patterns.len()));
    }
    let streams = patterns.iter().map(|pattern| StreamPattern::parse(pattern)).collect::<Result<_, _>>()?;
    let (nbf, exp) = (jwk.whole_or("nbf", u64::MAX, 0)?, jwk.whole_or("exp", u64::MAX, 0)?);
    Ok(Some(KeyInfo { key, state: state_of(word("state")?), nbf, exp, streams }))
}

fn state_of(text: &str) -> KeyState {
    match text {
        "active" => KeyState::Active,
        "next" => KeyState::Next,
        "retired" => KeyState::Retired,
        "revoked" => KeyState::Revoked,
        _ => KeyState::Other,
    }
}
