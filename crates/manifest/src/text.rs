//! Stream and rendition names, checked once where they enter.

use core::fmt;

use serde::{Serialize, Serializer};

/// Longest [`Text`] in bytes.
pub const TEXT_LIMIT_BYTES: usize = 128;

/// A stream or rendition name: 1 to 128 bytes of `[A-Za-z0-9._~/-]`, compared byte by byte.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(String);

/// Why something is not a [`Text`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextError {
    /// It has no byte.
    Empty,
    /// It has this many bytes; 128 are allowed.
    TooLong(usize),
    /// This byte, at this offset, is not in `[A-Za-z0-9._~/-]`.
    Byte(u8, usize),
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "empty name; expected 1 to {TEXT_LIMIT_BYTES} bytes"),
            Self::TooLong(n) => write!(f, "name of {n} bytes; expected at most {TEXT_LIMIT_BYTES}"),
            Self::Byte(b, at) => {
                write!(f, "byte 0x{b:02x} at offset {at} of a name; expected one of [A-Za-z0-9._~/-]")
            }
        }
    }
}

impl core::error::Error for TextError {}

impl Text {
    /// Checks `text` and keeps it.
    pub fn new(text: impl Into<String>) -> Result<Self, TextError> {
        let text = text.into();
        check(text.as_bytes())?;
        Ok(Self(text))
    }

    /// Checks `bytes` and copies them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TextError> {
        check(bytes)?;
        // ASCII by the check, so nothing is replaced.
        Ok(Self(String::from_utf8(bytes.to_vec()).unwrap_or_default()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(bytes: &[u8]) -> Result<(), TextError> {
    if bytes.is_empty() {
        return Err(TextError::Empty);
    }
    if bytes.len() > TEXT_LIMIT_BYTES {
        return Err(TextError::TooLong(bytes.len()));
    }
    match bytes.iter().enumerate().find(|(_, b)| !is_allowed(**b)) {
        Some((at, b)) => Err(TextError::Byte(*b, at)),
        None => Ok(()),
    }
}

fn is_allowed(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'/' | b'-')
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl core::str::FromStr for Text {
    type Err = TextError;
    fn from_str(text: &str) -> Result<Self, TextError> {
        Self::new(text)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_url_unreserved_and_slash_only() {
        assert_eq!(Text::new("v360/index.m3u8").unwrap().as_str(), "v360/index.m3u8");
        assert_eq!(Text::new("a b"), Err(TextError::Byte(b' ', 1)));
        assert_eq!(Text::from_bytes(&[b'a', 0xff]), Err(TextError::Byte(0xff, 1)));
        assert_eq!(Text::new("%2F"), Err(TextError::Byte(b'%', 0)));
    }

    #[test]
    fn bounds_the_length() {
        assert_eq!(Text::new(""), Err(TextError::Empty));
        assert!(Text::new("x".repeat(128)).is_ok());
        assert_eq!(Text::new("x".repeat(129)), Err(TextError::TooLong(129)));
    }
}
