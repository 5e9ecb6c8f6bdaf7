//! Names and identifiers, each checked once where it enters.

use core::fmt;
use core::str::FromStr;

use meshedflow_json::quoted;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest [`Name`] in bytes.
pub const NAME_LIMIT_BYTES: usize = 128;

/// A stream id, rendition id or label: 1 to 128 bytes of `[A-Za-z0-9._~/-]`.
///
/// The character set keeps names safe in URLs, metric labels and dashboards.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Why a text is not a [`Name`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// The text has no byte.
    Empty,
    /// The text has this many bytes; 128 are allowed.
    TooLong(usize),
    /// This character, at this byte offset, is not in `[A-Za-z0-9._~/-]`.
    Character(char, usize),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => {
                write!(f, "empty name; expected 1 to {NAME_LIMIT_BYTES} bytes of [A-Za-z0-9._~/-]")
            }
            Self::TooLong(n) => write!(f, "name of {n} bytes; expected at most {NAME_LIMIT_BYTES}"),
            Self::Character(c, at) => {
                write!(
                    f,
                    "character {} at byte {at} of a name; expected [A-Za-z0-9._~/-]",
                    quoted(c.encode_utf8(&mut [0; 4]))
                )
            }
        }
    }
}

impl std::error::Error for NameError {}

impl Name {
    /// Checks `text` and keeps it.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > NAME_LIMIT_BYTES {
            return Err(NameError::TooLong(text.len()));
        }
        match text.char_indices().find(|(_, c)| !is_name_char(*c)) {
            Some((at, c)) => Err(NameError::Character(c, at)),
            None => Ok(Self(text)),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '/' | '-')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl FromStr for Name {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(d)?).map_err(D::Error::custom)
    }
}

/// A viewer's identity on one edge connection: 16 bytes, 32 lower-case hex digits as text.
///
/// Layout, big-endian: edge u16 | shard u8 | reserved u8 | slot u32 | generation u16 | random 6 bytes,
/// so that an edge finds a connection by slab lookup and no table is needed to route between edges.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PeerId(pub [u8; 16]);

impl PeerId {
    /// Composes an id from its parts.
    pub fn compose(edge: u16, shard: u8, slot: u32, generation: u16, random: [u8; 6]) -> Self {
        let mut id = [0; 16];
        let parts: [&[u8]; 6] =
            [&edge.to_be_bytes(), &[shard, 0], &slot.to_be_bytes(), &generation.to_be_bytes(), &random, &[]];
        for (to, from) in id.iter_mut().zip(parts.concat()) {
            *to = from;
        }
        Self(id)
    }

    /// The edge that gave this id.
    pub fn edge(&self) -> u16 {
        let [a, b, ..] = self.0;
        u16::from_be_bytes([a, b])
    }

    /// The shard within the edge.
    pub fn shard(&self) -> u8 {
        let [_, _, shard, ..] = self.0;
        shard
    }

    /// The slot within the shard's slab.
    pub fn slot(&self) -> u32 {
        let [_, _, _, _, a, b, c, d, ..] = self.0;
        u32::from_be_bytes([a, b, c, d])
    }

    /// How often the slot had been used before this connection.
    pub fn generation(&self) -> u16 {
        let [_, _, _, _, _, _, _, _, a, b, ..] = self.0;
        u16::from_be_bytes([a, b])
    }
}

/// The edges' secret-derived salt of an election, 16 bytes, 32 lower-case hex digits as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ElectionSalt(pub [u8; 16]);

/// A text that is not 32 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HexError;

impl fmt::Display for HexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected 32 lower-case hex digits")
    }
}

impl std::error::Error for HexError {}

fn parse_hex(text: &str) -> Result<[u8; 16], HexError> {
    let digits: &[u8; 32] = text.as_bytes().try_into().map_err(|_| HexError)?;
    let mut bytes = [0; 16];
    for (to, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return Err(HexError) };
        *to = hex_digit(*high)? << 4 | hex_digit(*low)?;
    }
    Ok(bytes)
}

fn hex_digit(c: u8) -> Result<u8, HexError> {
    match c {
        b'0'..=b'9' => Ok(c - b'0'),
        b'a'..=b'f' => Ok(c - b'a' + 10),
        _ => Err(HexError),
    }
}

fn to_hex(bytes: &[u8; 16]) -> [u8; 32] {
    let digit = |n: u8| if n < 10 { b'0' + n } else { b'a' + n - 10 };
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    digits
}

/// Digits are ASCII, so this is never the empty text.
fn as_text(digits: &[u8; 32]) -> &str {
    core::str::from_utf8(digits).unwrap_or_default()
}

impl PeerId {
    /// The id as text.
    pub fn hex(&self) -> String {
        as_text(&to_hex(&self.0)).to_owned()
    }
}

/// The text of both kinds of 16 bytes, without allocation on either way.
macro_rules! as_hex {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(as_text(&to_hex(&self.0)))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = HexError;
            fn from_str(text: &str) -> Result<Self, HexError> {
                parse_hex(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(as_text(&to_hex(&self.0)))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                d.deserialize_str(HexVisitor).map(Self)
            }
        }
    };
}

as_hex!(PeerId);
as_hex!(ElectionSalt);

struct HexVisitor;

impl Visitor<'_> for HexVisitor {
    type Value = [u8; 16];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("32 lower-case hex digits")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<[u8; 16], E> {
        parse_hex(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_id_gives_its_parts_back() {
        let id = PeerId::compose(0x0102, 3, 0x0405_0607, 0x0809, *b"random");
        assert_eq!((id.edge(), id.shard(), id.slot(), id.generation()), (0x0102, 3, 0x0405_0607, 0x0809));
        assert_eq!(id.to_string(), "0102030004050607080972616e646f6d");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn peer_ids_have_one_form() {
        for text in ["", "0102", "0102030004050607080972616E646F6D", "g102030004050607080972616e646f6d"] {
            assert_eq!(text.parse::<PeerId>(), Err(HexError), "{text}");
        }
    }

    #[test]
    fn names_say_what_is_wrong_with_them() {
        assert_eq!(Name::new(""), Err(NameError::Empty));
        assert_eq!(Name::new("a".repeat(129)), Err(NameError::TooLong(129)));
        assert_eq!(Name::new("caf\u{e9}"), Err(NameError::Character('\u{e9}', 3)));
        assert_eq!(Name::new("v360/index.m3u8").map(|name| name.to_string()), Ok("v360/index.m3u8".into()));
    }
}
