//! Why bytes are not a frame.

use core::fmt;

use crate::ids::NameError;

/// Why bytes are not a frame. A peer that sends such is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireError {
    /// Type byte of the frame, if there was one.
    pub frame: Option<u8>,
    /// Byte offset within the message (or the slice given) at which reading stopped.
    pub at: usize,
    /// What was wrong there.
    pub kind: WireErrorKind,
}

/// What was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireErrorKind {
    /// The message or the frame's body ends too early.
    Truncated,
    /// A varint of more than 10 bytes, or beyond the field's width.
    Integer,
    /// More of this than allowed: what, how many, the limit.
    TooMany(&'static str, u64, usize),
    /// A name that breaks its grammar.
    Name(NameError),
    /// This must hold: what.
    Value(&'static str),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.frame {
            Some(frame) => write!(f, "frame {frame:#04x}, byte {}: ", self.at)?,
            None => write!(f, "byte {}: ", self.at)?,
        }
        match &self.kind {
            WireErrorKind::Truncated => f.write_str("ends too early"),
            WireErrorKind::Integer => f.write_str("integer too large for its field"),
            WireErrorKind::TooMany(what, n, limit) => write!(f, "{n} {what}; expected at most {limit}"),
            WireErrorKind::Name(error) => fmt::Display::fmt(error, f),
            WireErrorKind::Value(expected) => write!(f, "expected {expected}"),
        }
    }
}

impl std::error::Error for WireError {}
