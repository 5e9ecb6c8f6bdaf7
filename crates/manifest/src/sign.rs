//! The origin's side: keys, lists and key sets are signed here.

use core::fmt;

use ed25519_dalek::{Signer as _, SigningKey};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::base64url;
use crate::jwk::{KEY_SET_MAGIC, KeyState, PublicKey, hex};
use crate::list::{Header, Record, SignedList};

/// A private key that signs lists and key sets. Never printed, not even by `Debug`.
pub struct Signer {
    key: SigningKey,
    public: PublicKey,
    created: Option<u64>,
}

/// Why a text is not a private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignerError {
    /// Not the JSON of an OKP Ed25519 key with members `d` and `x`.
    Json,
    /// A public key: there is no member `d`.
    Public,
    /// A key set.
    Set,
    /// `d` is not base64url of 32 bytes.
    Seed,
    /// `x` is not the public key of `d`.
    Mismatch,
}

impl fmt::Display for SignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "is a public key; expected the private one, which has a member \"d\"",
            Self::Set => "is a key set; expected one private key",
            Self::Json => "private key is not the JSON of a JWK with kty OKP and crv Ed25519",
            Self::Seed => "member \"d\" of the private key; expected base64url of 32 bytes",
            Self::Mismatch => "member \"x\" of the private key is not the public key of \"d\"",
        })
    }
}

impl core::error::Error for SignerError {}

impl Signer {
    /// The signer of this Ed25519 seed: 32 random bytes that are kept secret.
    pub fn new(seed: [u8; 32]) -> Self {
        let key = SigningKey::from_bytes(&seed);
        let public = PublicKey::new(key.verifying_key().to_bytes());
        Self { key, public, created: None }
    }

    /// The same, made at this time, Unix seconds: it signs nothing that was issued before.
    pub fn created_at(self, unix_s: u64) -> Self {
        Self { created: Some(unix_s), ..self }
    }

    /// When it was made, Unix seconds; `None` for a key that does not say.
    pub fn created(&self) -> Option<u64> {
        self.created
    }

    /// Reads a private JWK (RFC 8037). Its member `iat`, Unix seconds, says when it was made.
    pub fn from_private_jwk(json: &str) -> Result<Self, SignerError> {
        let jwk: PrivateJwk = serde_json::from_str(json).map_err(|_| SignerError::Json)?;
        if jwk.keys.is_some() || jwk.keyset.is_some() {
            return Err(SignerError::Set);
        }
        if (jwk.kty.as_str(), jwk.crv.as_str()) != ("OKP", "Ed25519") || jwk.x.is_empty() {
            return Err(SignerError::Json);
        }
        let seed = base64url::decode_array(&jwk.d.ok_or(SignerError::Public)?).ok_or(SignerError::Seed)?;
        let signer = Self { created: jwk.iat, ..Self::new(seed) };
        if signer.public.to_base64url() == jwk.x { Ok(signer) } else { Err(SignerError::Mismatch) }
    }

    /// The private JWK. Keep it readable by its owner only.
    pub fn to_private_jwk(&self) -> String {
        let jwk = PrivateJwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            kid: hex(&self.kid()),
            x: self.public.to_base64url(),
            d: Some(base64url::encode(&self.key.to_bytes())),
            iat: self.created,
            ..PrivateJwk::default()
        };
        serde_json::to_string(&jwk).unwrap_or_default()
    }

    /// First 8 bytes of SHA-256 of the public key.
    pub fn kid(&self) -> [u8; 8] {
        self.public.kid()
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs the list of a segment as it stands. `header.kid` becomes this signer's.
    ///
    /// Signs what it is given: [`SignedList::check`] says whether a verifier would take it.
    pub fn sign_list(&self, header: Header, closed: bool, records: Vec<Record>) -> SignedList {
        let header = Header { kid: self.kid(), ..header };
        let mut list = SignedList { header, closed, records, signature: [0; 64] };
        list.signature = self.sign(&list.signed_bytes());
        list
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", hex(&self.kid()))
    }
}

/// What a file that should be a private key may hold.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct PrivateJwk {
    kty: String,
    crv: String,
    kid: String,
    x: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    d: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    #[serde(skip_serializing)]
    keys: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    keyset: Option<IgnoredAny>,
}

/// A key set to be published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeySetDocument {
    /// Higher than any published before.
    pub version: u32,
    /// Unix seconds after which it counts no more.
    pub expires: u64,
    /// No lower epoch counts.
    pub min_epoch: u64,
    /// The keys.
    pub keys: Vec<KeyEntry>,
}

/// One key of a [`KeySetDocument`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyEntry {
    kty: &'static str,
    crv: &'static str,
    r#use: &'static str,
    kid: String,
    x: String,
    state: &'static str,
    nbf: u64,
    exp: u64,
    streams: Vec<String>,
}

impl KeyEntry {
    /// An entry for `key`, valid for lists issued from `nbf` to `exp` (Unix seconds) of `streams`: names,
    /// or paths with one `*` after the final slash.
    pub fn new(key: PublicKey, state: KeyState, nbf: u64, exp: u64, streams: Vec<String>) -> Self {
        let state = state.name();
        let (kid, x) = (hex(&key.kid()), key.to_base64url());
        Self { kty: "OKP", crv: "Ed25519", r#use: "sig", kid, x, state, nbf, exp, streams }
    }
}

impl KeySetDocument {
    /// The JSON of `keys.json`.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The JSON of a `keys.json` that `root` signs.
    pub fn to_signed_json(&self, root: &Signer) -> String {
        let set = self.to_json();
        let signature = root.sign(&[KEY_SET_MAGIC, set.as_bytes()].concat());
        format!("{{\"keyset\":{set},\"signature\":\"{}\"}}", base64url::encode(&signature))
    }
}
