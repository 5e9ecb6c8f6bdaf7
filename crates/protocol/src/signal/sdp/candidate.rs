//! ICE candidates (RFC 8839 5.1), as typed fields.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use meshedflow_json::{Fields, Json, JsonError};
use serde::Serialize;

/// A UDP candidate of component 1. Related addresses, extension attributes and user fragments are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Candidate {
    /// Equal for candidates of one base and type: 1 to 32 of `[A-Za-z0-9+/]`.
    pub foundation: String,
    /// Priority (RFC 8445 5.1.2), 1 to 2^31 - 1.
    pub priority: u32,
    /// Where.
    pub address: CandidateAddress,
    /// UDP port, at least 1024.
    pub port: u16,
    /// How it was found.
    #[serde(rename = "typ")]
    pub kind: CandidateKind,
}

/// Where a candidate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CandidateAddress {
    /// An address.
    Ip(IpAddr),
    /// `<uuid>.local`, resolved by multicast DNS within one network; the text in lower case.
    Mdns(String),
}

/// How a candidate was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CandidateKind {
    /// A local address.
    Host,
    /// As a STUN server saw it.
    Srflx,
    /// As the other side saw it.
    Prflx,
    /// At a TURN server.
    Relay,
}

/// Why a text is not a candidate that may travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandidateError {
    /// Not `candidate:<foundation> <component> <transport> <priority> <address> <port> typ <type> ..`.
    Shape,
    /// Not 1 to 32 of `[A-Za-z0-9+/]`.
    Foundation,
    /// Not component 1.
    Component,
    /// Not UDP.
    Transport,
    /// Not 1 to 2^31 - 1.
    Priority,
    /// Neither an IP address nor `<uuid>.local`.
    Address,
    /// Below 1024.
    Port,
    /// Not host, srflx, prflx or relay.
    Kind,
}

impl fmt::Display for CandidateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shape => {
                "not an ICE candidate; expected candidate:<foundation> 1 udp <priority> <address> <port> typ <type>"
            }
            Self::Foundation => "foundation of an ICE candidate; expected 1 to 32 of [A-Za-z0-9+/]",
            Self::Component => "component of an ICE candidate; expected 1",
            Self::Transport => "transport of an ICE candidate; expected udp",
            Self::Priority => "priority of an ICE candidate; expected 1 to 2147483647",
            Self::Address => "address of an ICE candidate; expected an IP address or <uuid>.local",
            Self::Port => "port of an ICE candidate; expected 1024 to 65535",
            Self::Kind => "type of an ICE candidate; expected host, srflx, prflx or relay",
        })
    }
}

impl std::error::Error for CandidateError {}

impl Candidate {
    /// Reads a candidate attribute, with or without `a=` before it.
    pub fn parse(line: &str) -> Result<Self, CandidateError> {
        let line = line.trim();
        let line = line.strip_prefix("a=").unwrap_or(line);
        let mut words =
            line.strip_prefix("candidate:").ok_or(CandidateError::Shape)?.split_ascii_whitespace();
        let mut word = || words.next().ok_or(CandidateError::Shape);
        let foundation = word()?.to_owned();
        require(word()? == "1", CandidateError::Component)?;
        require(word()?.eq_ignore_ascii_case("udp"), CandidateError::Transport)?;
        let priority = word()?.parse().map_err(|_| CandidateError::Priority)?;
        let address = word()?.parse()?;
        let port = word()?.parse().map_err(|_| CandidateError::Port)?;
        require(word()? == "typ", CandidateError::Shape)?;
        let kind = CandidateKind::from_name(word()?).ok_or(CandidateError::Kind)?;
        Self { foundation, priority, address, port, kind }.checked()
    }

    /// Reads a candidate out of a message.
    pub(crate) fn read(value: &Json<'_>) -> Result<Self, JsonError> {
        let fields = Fields::of(value, "data")?;
        let wrong = |error: CandidateError| JsonError::new(error.to_string());
        let kind = CandidateKind::from_name(fields.need_text("typ")?);
        let read = Self {
            foundation: fields.need_text("foundation")?.to_owned(),
            priority: fields.need_whole("priority", u32::MAX.into())? as u32,
            address: fields.need_text("address")?.parse().map_err(wrong)?,
            port: fields.need_whole("port", u16::MAX.into())? as u16,
            kind: kind.ok_or_else(|| wrong(CandidateError::Kind))?,
        };
        read.checked().map_err(wrong)
    }

    fn checked(self) -> Result<Self, CandidateError> {
        require(super::is_ice_text(&self.foundation, 1, 32), CandidateError::Foundation)?;
        require((1..=i32::MAX as u32).contains(&self.priority), CandidateError::Priority)?;
        require(self.port >= 1024, CandidateError::Port)?;
        Ok(self)
    }

    /// The candidate as `RTCIceCandidateInit.candidate` takes it. The related address, which the grammar
    /// asks for, is written as unspecified: nobody needs it and it would tell a private address.
    pub fn to_line(&self) -> String {
        let Self { foundation, priority, address, port, kind } = self;
        let unspecified =
            if matches!(address, CandidateAddress::Ip(IpAddr::V6(_))) { "::" } else { "0.0.0.0" };
        let related = match kind {
            CandidateKind::Host => String::new(),
            _ => format!(" raddr {unspecified} rport 0"),
        };
        format!("candidate:{foundation} 1 udp {priority} {address} {port} typ {}{related}", kind.as_str())
    }
}

fn require(holds: bool, error: CandidateError) -> Result<(), CandidateError> {
    if holds { Ok(()) } else { Err(error) }
}

impl CandidateKind {
    /// The type's name in SDP.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Srflx => "srflx",
            Self::Prflx => "prflx",
            Self::Relay => "relay",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Host, Self::Srflx, Self::Prflx, Self::Relay].into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for CandidateAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => fmt::Display::fmt(ip, f),
            Self::Mdns(name) => f.write_str(name),
        }
    }
}

impl FromStr for CandidateAddress {
    type Err = CandidateError;
    fn from_str(text: &str) -> Result<Self, CandidateError> {
        if let Ok(ip) = text.parse() {
            return Ok(Self::Ip(ip));
        }
        let name = text.to_ascii_lowercase();
        let uuid = name.strip_suffix(".local").filter(|uuid| is_uuid(uuid));
        require(uuid.is_some(), CandidateError::Address)?;
        Ok(Self::Mdns(name))
    }
}

/// Text form of RFC 9562 4, lower case.
fn is_uuid(text: &str) -> bool {
    let groups = [8, 4, 4, 4, 12];
    text.split('-').count() == groups.len()
        && text.split('-').zip(groups).all(|(group, length)| {
            group.len() == length && group.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
        })
}

impl Serialize for CandidateAddress {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
