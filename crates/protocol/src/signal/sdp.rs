//! Session descriptions (RFC 8866) of a connection that carries data channels (RFC 8841) and nothing else,
//! reduced to the seven values that differ, and expanded again.
//!
//! No SDP text travels from one page to another: [`reduce`] takes the values out of what the browser
//! printed, the reader checks each against its grammar, and [`expand`] writes a fresh SDP around them. So a
//! hostile page or edge cannot smuggle in a line, and one form of SDP serves every browser.

mod candidate;
mod expand;
mod reduce;

use core::fmt;

use meshedflow_json::{Fields, Json, JsonError};
use serde::Serialize;

pub use candidate::{Candidate, CandidateAddress, CandidateError, CandidateKind};
pub use expand::{DescriptionKind, expand};
pub use reduce::{SdpError, reduce};

/// Longest SDP that [`reduce`] reads, in bytes.
pub const SDP_LIMIT_BYTES: usize = 16 * 1024;

/// What one side of a connection says of itself; every field is checked where it enters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Description {
    /// ICE user fragment (RFC 8839 5.4): 4 to 32 of `[A-Za-z0-9+/]`.
    pub ufrag: String,
    /// ICE password (RFC 8839 5.4): 22 to 64 of `[A-Za-z0-9+/]`.
    pub pwd: String,
    /// SHA-256 of the DTLS certificate (RFC 8122).
    pub fingerprint: Fingerprint,
    /// Who begins the DTLS handshake (RFC 4145).
    pub setup: Setup,
    /// Media identification (RFC 5888): 1 to 16 of `[A-Za-z0-9_.-]`, the same in offer and answer.
    pub mid: String,
    /// SCTP port (RFC 8841 5), 1 to 65535, 5000 in all browsers.
    pub sctp_port: u16,
    /// Largest SCTP message its sender accepts (RFC 8841 6) in bytes; 0 for no limit.
    pub max_message_size: u32,
}

/// SHA-256 of a certificate; as text `AB:CD:..` of 32 upper-case pairs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// Who begins the DTLS handshake (RFC 4145).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Setup {
    /// Either side; offers say this.
    Actpass,
    /// The writer.
    Active,
    /// The reader.
    Passive,
}

impl Setup {
    /// The role's name in SDP.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Actpass => "actpass",
            Self::Active => "active",
            Self::Passive => "passive",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Actpass, Self::Active, Self::Passive].into_iter().find(|setup| setup.as_str() == name)
    }
}

/// A field of a [`Description`] that breaks its grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Which field.
    pub field: &'static str,
    /// What is allowed there.
    pub expected: &'static str,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of a session description; expected {}", self.field, self.expected)
    }
}

impl std::error::Error for FieldError {}

impl Description {
    /// Checks the values that differ from one connection to the next; the rest is what all browsers say.
    pub fn new(ufrag: &str, pwd: &str, fingerprint: Fingerprint, setup: Setup) -> Result<Self, FieldError> {
        let (ufrag, pwd, mid) = (ufrag.to_owned(), pwd.to_owned(), "0".to_owned());
        let (sctp_port, max_message_size) = (5000, 262_144);
        Self { ufrag, pwd, fingerprint, setup, mid, sctp_port, max_message_size }.checked()
    }

    /// Reads a description out of a message.
    pub(crate) fn read(value: &Json<'_>) -> Result<Self, JsonError> {
        let fields = Fields::of(value, "data")?;
        let wrong = |error: FieldError| JsonError::new(error.to_string());
        let setup = Setup::from_name(fields.need_text("setup")?);
        let read = Self {
            ufrag: fields.need_text("ufrag")?.to_owned(),
            pwd: fields.need_text("pwd")?.to_owned(),
            fingerprint: Fingerprint::parse(fields.need_text("fingerprint")?).map_err(wrong)?,
            setup: setup.ok_or_else(|| JsonError::member("setup", "actpass, active or passive"))?,
            mid: fields.need_text("mid")?.to_owned(),
            sctp_port: fields.need_whole("sctpPort", u16::MAX.into())? as u16,
            max_message_size: fields.need_whole("maxMessageSize", u32::MAX.into())? as u32,
        };
        read.checked().map_err(wrong)
    }

    fn checked(self) -> Result<Self, FieldError> {
        require(is_ice_text(&self.ufrag, 4, 32), "ufrag", "4 to 32 of [A-Za-z0-9+/]")?;
        require(is_ice_text(&self.pwd, 22, 64), "pwd", "22 to 64 of [A-Za-z0-9+/]")?;
        require(is_mid(&self.mid), "mid", "1 to 16 of [A-Za-z0-9_.-]")?;
        require(self.sctp_port != 0, "sctpPort", "1 to 65535")?;
        Ok(self)
    }
}

fn require(holds: bool, field: &'static str, expected: &'static str) -> Result<(), FieldError> {
    if holds { Ok(()) } else { Err(FieldError { field, expected }) }
}

/// ice-char of RFC 8839 5.1, within a length.
fn is_ice_text(text: &str, min: usize, max: usize) -> bool {
    (min..=max).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/'))
}

fn is_mid(text: &str) -> bool {
    (1..=16).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-'))
}

impl Fingerprint {
    /// Reads 32 hex pairs joined by colons, in either case.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        const WRONG: FieldError =
            FieldError { field: "fingerprint", expected: "32 pairs of hex digits joined by colons" };
        let mut bytes = [0; 32];
        let mut pairs = text.split(':');
        for to in &mut bytes {
            let pair = pairs.next().filter(|p| p.len() == 2 && p.bytes().all(|c| c.is_ascii_hexdigit()));
            *to = u8::from_str_radix(pair.ok_or(WRONG)?, 16).map_err(|_| WRONG)?;
        }
        if pairs.next().is_some() { Err(WRONG) } else { Ok(Self(bytes)) }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut colon = "";
        self.0.iter().try_for_each(|byte| write!(f, "{}{byte:02X}", core::mem::replace(&mut colon, ":")))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

#[cfg(test)]
mod tests;
