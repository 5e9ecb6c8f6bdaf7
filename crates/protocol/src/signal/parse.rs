//! Reading and writing one message: one key, then the fields that key stands for.

use core::fmt;
use core::marker::PhantomData;

use meshedflow_json::{Json, JsonError};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::client::ClientMessage;
use super::limits::{CLIENT_LIMIT_BYTES, ERROR_LIMIT_BYTES, SERVER_LIMIT_BYTES};
use super::relayed::{RawSignal, SignalKind};
use super::server::ServerMessage;

/// A message, if this version knows its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed<M> {
    /// A message.
    Known(M),
    /// A message with this key (cut to 64 bytes), which this version does not know.
    Unknown(String),
}

/// Why a text is not a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalError {
    /// So many bytes, and so many are allowed.
    TooLong(usize, usize),
    /// Data of a signal of this kind have so many bytes, and so many are allowed.
    DataTooLong(SignalKind, usize, usize),
    /// Not JSON, not one key, or fields that break the rules; the parser's words with line and column,
    /// cut to [`ERROR_LIMIT_BYTES`].
    Json(String),
}

impl fmt::Display for SignalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(n, limit) => write!(f, "message of {n} bytes; expected at most {limit}"),
            Self::DataTooLong(kind, n, limit) => {
                write!(f, "data of {n} bytes in a signal ({}); expected at most {limit}", kind.name())
            }
            Self::Json(why) => write!(f, "not a signaling message: {why}"),
        }
    }
}

impl std::error::Error for SignalError {}

impl From<JsonError> for SignalError {
    fn from(error: JsonError) -> Self {
        Self::Json(error.to_string())
    }
}

/// The words may repeat a whole value, each byte of it as an escape.
impl From<serde_json::Error> for SignalError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(cut(&error.to_string(), ERROR_LIMIT_BYTES))
    }
}

/// Reads a message from a page, leaving a signal's data as text: the edge's way.
pub fn parse_client(text: &str) -> Result<Parsed<ClientMessage<RawSignal<'_>>>, SignalError> {
    parse(text, CLIENT_LIMIT_BYTES)
}

/// Reads a message from a page, signals typed: for tests and simulators.
pub fn parse_client_typed(text: &str) -> Result<Parsed<ClientMessage>, SignalError> {
    parse(text, CLIENT_LIMIT_BYTES)
}

/// Reads a message from an edge, signals typed and checked: the page's way.
pub fn parse_server(text: &str) -> Result<Parsed<ServerMessage>, SignalError> {
    if text.len() > SERVER_LIMIT_BYTES {
        return Err(SignalError::TooLong(text.len(), SERVER_LIMIT_BYTES));
    }
    let tree = meshedflow_json::parse(text)?;
    let Json::Object(members) = &tree else {
        return Err(SignalError::Json("expected an object with one key".to_owned()));
    };
    let [member] = members.as_slice() else {
        return Err(SignalError::Json("expected one key".to_owned()));
    };
    match ServerMessage::read(&member.name, &member.value)? {
        Some(message) => Ok(Parsed::Known(message)),
        None => Ok(Parsed::Unknown(cut(&member.name, KEY_LIMIT_BYTES))),
    }
}

impl<S: Serialize> ClientMessage<S> {
    /// The message as JSON text.
    pub fn to_json(&self) -> String {
        to_json(self)
    }
}

impl<S: Serialize> ServerMessage<S> {
    /// The message as JSON text.
    pub fn to_json(&self) -> String {
        to_json(self)
    }
}

/// No type here can fail to be written (no map has keys other than strings), so there is no error to tell.
fn to_json(message: &impl Serialize) -> String {
    serde_json::to_string(message).unwrap_or_default()
}

fn parse<'de, M: Keyed<'de>>(text: &'de str, limit: usize) -> Result<Parsed<M>, SignalError> {
    if text.len() > limit {
        return Err(SignalError::TooLong(text.len(), limit));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let message = reader.deserialize_map(OneKey(PhantomData))?;
    reader.end()?;
    Ok(message)
}

/// A message type that reads its value once the key is known.
trait Keyed<'de>: Sized {
    /// `None` for an unknown key; the value is then still to be read.
    fn read<A: MapAccess<'de>>(key: &str, map: &mut A) -> Result<Option<Self>, A::Error>;
}

impl<'de, S: Deserialize<'de>> Keyed<'de> for ClientMessage<S> {
    fn read<A: MapAccess<'de>>(key: &str, map: &mut A) -> Result<Option<Self>, A::Error> {
        Ok(Some(match key {
            "join" => Self::Join(map.next_value()?),
            "lanes" => Self::Lanes(map.next_value()?),
            "need" => Self::Need(map.next_value()?),
            "signal" => Self::Signal(map.next_value()?),
            "report" => Self::Report(map.next_value()?),
            "receipts" => Self::Receipts(map.next_value()?),
            "bad" => Self::Bad(map.next_value()?),
            "renew" => Self::Renew(map.next_value()?),
            "leave" => Self::Leave(map.next_value()?),
            _ => return Ok(None),
        }))
    }
}

struct OneKey<M>(PhantomData<M>);

impl<'de, M: Keyed<'de>> Visitor<'de> for OneKey<M> {
    type Value = Parsed<M>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parsed<M>, A::Error> {
        let Some(key) = map.next_key_seed(Key)? else { return Err(A::Error::invalid_length(0, &self)) };
        let message = match M::read(key.as_str(), &mut map)? {
            Some(message) => Parsed::Known(message),
            None => {
                map.next_value::<IgnoredAny>()?;
                Parsed::Unknown(key.text)
            }
        };
        match map.next_key::<IgnoredAny>()? {
            None => Ok(message),
            Some(_) => Err(A::Error::invalid_length(2, &self)),
        }
    }
}

/// A key, cut to a bounded length.
struct Key;

struct KeyText {
    text: String,
}

impl KeyText {
    fn as_str(&self) -> &str {
        &self.text
    }
}

const KEY_LIMIT_BYTES: usize = 64;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = KeyText;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<KeyText, D::Error> {
        d.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = KeyText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<KeyText, E> {
        Ok(KeyText { text: cut(key, KEY_LIMIT_BYTES) })
    }
}

fn cut(text: &str, limit_bytes: usize) -> String {
    text.get(..text.floor_char_boundary(limit_bytes)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_does_not_repeat_what_was_wrong() {
        for filling in ["\u{7f}", "\\u0001", "\u{1f600}", "\\\\"] {
            let text = format!("{{\"need\":{{\"count\":\"{}\"}}}}", filling.repeat(16_000 / filling.len()));
            let error = parse_client(&text).unwrap_err().to_string();
            assert!(error.len() <= ERROR_LIMIT_BYTES + 30, "{} bytes", error.len());
            assert!(error.contains("not a signaling message"), "{error}");
        }
    }
}
