//! A small JSON reader (RFC 8259), enough for `cargo metadata`, `package.json` and Cargo's build messages.
//!
//! It exists so that this crate needs no other; it reads trusted, well-formed documents and keeps object members
//! in a list, in order.

use std::iter::Peekable;
use std::str::Chars;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// Any number.
    Number(f64),
    /// A string, unescaped.
    Text(String),
    /// `[...]`
    List(Vec<Self>),
    /// `{...}`, members in the order of the document.
    Object(Vec<(String, Self)>),
}

impl Json {
    /// Reads one document; the error names the character where it stopped making sense.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { rest: text.chars().peekable(), at: 0 };
        let value = reader.value()?;
        reader.space();
        match reader.rest.peek() {
            None => Ok(value),
            Some(_) => Err(reader.error("the end")),
        }
    }

    /// A member of an object.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.members().iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// A member's text, or the empty string.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).and_then(Self::as_text).unwrap_or_default()
    }

    /// This string.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a member that is a list; nothing if it is not there.
    pub(crate) fn list(&self, name: &str) -> &[Self] {
        match self.get(name) {
            Some(Self::List(items)) => items,
            _ => &[],
        }
    }

    /// The members of this object; nothing if it is none.
    pub(crate) fn members(&self) -> &[(String, Self)] {
        match self {
            Self::Object(members) => members,
            _ => &[],
        }
    }
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Json, String> {
        self.space();
        match self.rest.peek() {
            Some('{') => self.object(),
            Some('[') => self.list(),
            Some('"') => Ok(Json::Text(self.string()?)),
            Some('t') => self.word("true", Json::Bool(true)),
            Some('f') => self.word("false", Json::Bool(false)),
            Some('n') => self.word("null", Json::Null),
            _ => self.number(),
        }
    }

    fn object(&mut self) -> Result<Json, String> {
        self.expect('{')?;
        let mut members = Vec::new();
        if self.closes('}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            self.expect(':')?;
            members.push((name, self.value()?));
            if self.closes('}') {
                return Ok(Json::Object(members));
            }
            self.expect(',')?;
        }
    }

    fn list(&mut self) -> Result<Json, String> {
        self.expect('[')?;
        let mut items = Vec::new();
        if self.closes(']') {
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value()?);
            if self.closes(']') {
                return Ok(Json::List(items));
            }
            self.expect(',')?;
        }
    }

    fn string(&mut self) -> Result<String, String> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some(other) => text.push(other),
                None => return Err(self.error("a closing quote")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        match self.next() {
            Some('n') => Ok('\n'),
            Some('t') => Ok('\t'),
            Some('r') => Ok('\r'),
            Some('b') => Ok('\u{8}'),
            Some('f') => Ok('\u{c}'),
            Some(same @ ('"' | '\\' | '/')) => Ok(same),
            Some('u') => {
                let digits: String = (0..4).filter_map(|_| self.next()).collect();
                let code = u32::from_str_radix(&digits, 16).map_err(|_| self.error("four hex digits"))?;
                // Halves of surrogate pairs do not occur in what we read; they become a replacement character.
                Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
            _ => Err(self.error("an escape")),
        }
    }

    fn number(&mut self) -> Result<Json, String> {
        let mut digits = String::new();
        while let Some(digit) = self.rest.next_if(|c| c.is_ascii_digit() || "+-.eE".contains(*c)) {
            self.at += 1;
            digits.push(digit);
        }
        digits.parse().map(Json::Number).map_err(|_| self.error("a value"))
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, String> {
        word.chars().try_for_each(|c| self.expect(c)).map(|()| value)
    }

    fn closes(&mut self, bracket: char) -> bool {
        self.space();
        self.rest.peek() == Some(&bracket) && self.next().is_some()
    }

    fn space(&mut self) {
        while self.rest.next_if(|c| c.is_ascii_whitespace()).is_some() {
            self.at += 1;
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        match self.next() {
            Some(found) if found == wanted => Ok(()),
            _ => Err(self.error(&format!("`{wanted}`"))),
        }
    }

    fn next(&mut self) -> Option<char> {
        self.at += 1;
        self.rest.next()
    }

    fn error(&self, wanted: &str) -> String {
        format!("JSON: expected {wanted} near character {}", self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_in_order() {
        let json =
            Json::parse(r#" {"a": [1, -2.5e1, true, null], "b": {"c": "x\n\"\u0041\/"}, "d": []} "#).unwrap();
        assert_eq!(json.list("a"), [Json::Number(1.0), Json::Number(-25.0), Json::Bool(true), Json::Null]);
        assert_eq!(json.get("b").unwrap().text("c"), "x\n\"A/");
        assert_eq!(json.members().len(), 3);
        assert_eq!(json.text("nothing"), "");
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in ["", "{", "[1,]", "{\"a\" 1}", "tru", "\"open", "1 2", "{\"a\":}", "\"\\x\""] {
            assert!(Json::parse(text).is_err(), "{text} was accepted");
        }
    }
}
