//! JSON for the module that every viewer loads, where each kilobyte counts.
//!
//! A derived reader makes the compiler build serde_json anew for each type that is read, some kilobytes each
//! time. Here one reader takes every text into a tree ([`Json`]) that borrows from the text; a type then picks its
//! members out of the tree ([`Fields`]), and is written member by member ([`Object`]). Servers go on using serde
//! where nothing is to be saved, and the tests hold this reader to what serde_json says.
//!
//! Of two members of one name neither counts: [`Fields`] refuses to choose, and [`parse_once`] refuses the whole
//! document, so that no two readers can see two different ones.

mod exact;
mod fields;
mod reader;
mod writer;

use core::fmt;
use std::borrow::Cow;

pub use exact::exact;
pub use fields::Fields;
pub use reader::{MEMBER_LIMIT, parse, parse_once};
pub use writer::{Object, quoted};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A whole number, written without sign, fraction and exponent.
    Whole(u64),
    /// Any other number.
    Real(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Self>),
    /// An object, its members in the order of the text.
    Object(Vec<Member<'a>>),
}

/// A member of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Member<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its value.
    pub value: Json<'a>,
}

impl Json<'_> {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The number, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Whole(number) => Some(*number as f64),
            Self::Real(number) => Some(*number),
            _ => None,
        }
    }

    /// True or false, if it is one of them.
    pub fn as_flag(&self) -> Option<bool> {
        if let Self::Flag(flag) = self { Some(*flag) } else { None }
    }
}

/// Why a text was not read: what was expected, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError(String);

impl JsonError {
    /// An error of these words.
    pub fn new(words: String) -> Self {
        Self(words)
    }

    /// What a member should have been.
    pub fn member(name: &str, expected: &str) -> Self {
        Self(["member \"", name, "\"; expected ", expected].concat())
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for JsonError {}
