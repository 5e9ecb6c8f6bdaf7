//! From text to tree.

use std::borrow::Cow;

use crate::number::Digits;
use crate::{Json, JsonError, Member};

/// Deepest nesting.
pub const DEPTH_LIMIT: u8 = 128;
/// Most members of one object in [`parse_once`].
pub const MEMBER_LIMIT: usize = 64;

/// Reads a text.
///
/// # Errors
/// What was expected instead, with line and column.
pub fn parse(text: &str) -> Result<Json<'_>, JsonError> {
    Reader { text, at: 0, depth: 0, once: false }.document()
}

/// Reads a text, refusing two members of one name in any object, and objects of more than [`MEMBER_LIMIT`].
///
/// # Errors
/// What was expected instead, with line and column.
pub fn parse_once(text: &str) -> Result<Json<'_>, JsonError> {
    Reader { text, at: 0, depth: 0, once: true }.document()
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: u8,
    once: bool,
}

impl<'a> Reader<'a> {
    fn document(mut self) -> Result<Json<'a>, JsonError> {
        let value = self.value()?;
        self.blanks();
        if self.at == self.text.len() { Ok(value) } else { Err(self.fault("nothing behind the value")) }
    }

    /// The next byte; 0, which no JSON has outside of texts, at the end.
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte && byte != 0;
        self.at += usize::from(found);
        found
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    fn since(&self, from: usize) -> &'a str {
        self.text.get(from..self.at).unwrap_or_default()
    }

    #[cold]
    #[inline(never)]
    fn fault(&self, expected: &str) -> JsonError {
        self.failed(&["expected ", expected].concat())
    }

    #[cold]
    #[inline(never)]
    fn failed(&self, what: &str) -> JsonError {
        let before = self.text.as_bytes().get(..self.at).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        JsonError::new(format!("{what} at line {line} column {column}"))
    }

    fn value(&mut self) -> Result<Json<'a>, JsonError> {
        self.blanks();
        match self.peek() {
            b'"' => self.string().map(Json::Text),
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::list),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word("true", Json::Flag(true)),
            b'f' => self.word("false", Json::Flag(false)),
            b'n' => self.word("null", Json::Null),
            _ => Err(self.fault("a value")),
        }
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Result<Json<'a>, JsonError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(self.fault("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Json<'a>, JsonError>) -> Result<Json<'a>, JsonError> {
        if self.depth == DEPTH_LIMIT {
            return Err(self.fault("no deeper nesting"));
        }
        self.at += 1;
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn list(&mut self) -> Result<Json<'a>, JsonError> {
        let mut items = Vec::new();
        self.blanks();
        if self.take(b']') {
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value()?);
            if self.ends(b']', "a comma or the end of the array")? {
                return Ok(Json::List(items));
            }
        }
    }

    fn object(&mut self) -> Result<Json<'a>, JsonError> {
        let mut members = Vec::new();
        self.blanks();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            let member = self.member(&members)?;
            members.push(member);
            if self.ends(b'}', "a comma or the end of the object")? {
                return Ok(Json::Object(members));
            }
        }
    }

    fn member(&mut self, before: &[Member<'a>]) -> Result<Member<'a>, JsonError> {
        self.blanks();
        if self.peek() != b'"' {
            return Err(self.fault("a member"));
        }
        let name = self.string()?;
        if self.once {
            self.check_once(&name, before)?;
        }
        self.blanks();
        if !self.take(b':') {
            return Err(self.fault("a colon"));
        }
        self.blanks();
        let from = self.at;
        let value = self.value()?;
        Ok(Member { name, value, text: self.since(from) })
    }

    fn check_once(&self, name: &str, before: &[Member<'a>]) -> Result<(), JsonError> {
        if before.iter().any(|member| member.name == name) {
            return Err(self.failed(&["member \"", name, "\" twice; expected once"].concat()));
        }
        if before.len() == MEMBER_LIMIT {
            return Err(self.failed("object of more than 64 members"));
        }
        Ok(())
    }

    /// After an item: true at the end, false behind a comma.
    fn ends(&mut self, end: u8, expected: &str) -> Result<bool, JsonError> {
        self.blanks();
        if self.take(end) {
            return Ok(true);
        }
        if self.take(b',') { Ok(false) } else { Err(self.fault(expected)) }
    }

    fn number(&mut self) -> Result<Json<'a>, JsonError> {
        let negative = self.take(b'-');
        let mut digits = Digits::default();
        if !self.take(b'0') {
            self.digits(&mut digits, false)?;
        }
        let mut whole = !negative;
        if self.take(b'.') {
            whole = false;
            self.digits(&mut digits, true)?;
        }
        if self.take(b'e') || self.take(b'E') {
            whole = false;
            digits.scale(self.exponent()?);
        }
        let exact = if whole { digits.whole() } else { None };
        exact.or_else(|| digits.real(negative)).ok_or_else(|| self.fault("a number within the range of f64"))
    }

    fn digits(&mut self, digits: &mut Digits, fraction: bool) -> Result<(), JsonError> {
        if !self.peek().is_ascii_digit() {
            return Err(self.fault("a digit"));
        }
        while self.peek().is_ascii_digit() {
            digits.push(self.peek() - b'0', fraction);
            self.at += 1;
        }
        Ok(())
    }

    fn exponent(&mut self) -> Result<i32, JsonError> {
        let negative = self.take(b'-');
        if !negative {
            self.take(b'+');
        }
        if !self.peek().is_ascii_digit() {
            return Err(self.fault("a digit"));
        }
        let mut exponent = 0_i32;
        while self.peek().is_ascii_digit() {
            // Beyond any f64 already; more digits change nothing.
            exponent = (exponent * 10 + i32::from(self.peek() - b'0')).min(99_999);
            self.at += 1;
        }
        Ok(if negative { -exponent } else { exponent })
    }

    /// A text, from its opening quote on; borrowed unless it has an escape.
    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let mut from = self.at;
        let mut unescaped = String::new();
        loop {
            match self.peek() {
                b'"' => {
                    let rest = self.since(from);
                    self.at += 1;
                    return Ok(if unescaped.is_empty() {
                        Cow::Borrowed(rest)
                    } else {
                        Cow::Owned(unescaped + rest)
                    });
                }
                b'\\' => {
                    unescaped.push_str(self.since(from));
                    self.at += 1;
                    unescaped.push(self.escape()?);
                    from = self.at;
                }
                0..=31 => return Err(self.fault("the end of a text")),
                _ => self.at += 1,
            }
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Result<char, JsonError> {
        let byte = self.peek();
        self.at += 1;
        match byte {
            b'"' | b'\\' | b'/' => Ok(char::from(byte)),
            b'b' => Ok('\u{8}'),
            b'f' => Ok('\u{c}'),
            b'n' => Ok('\n'),
            b'r' => Ok('\r'),
            b't' => Ok('\t'),
            b'u' => self.code_point(),
            _ => Err(self.fault("an escape")),
        }
    }

    /// Four hex digits, or two times four for a character beyond 16 bits.
    fn code_point(&mut self) -> Result<char, JsonError> {
        let mut code = self.hex()?;
        if code & 0xfc00 == 0xd800 && self.take(b'\\') && self.take(b'u') {
            let low = self.hex()?;
            if low & 0xfc00 == 0xdc00 {
                code = 0x1_0000 + ((code & 0x3ff) << 10 | low & 0x3ff);
            }
        }
        char::from_u32(code).ok_or_else(|| self.fault("a whole character"))
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let byte = self.peek();
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' | b'A'..=b'F' => (byte | 32) - b'a' + 10,
                _ => return Err(self.fault("four hex digits")),
            };
            code = code << 4 | u32::from(digit);
            self.at += 1;
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn theirs(json: &Json<'_>) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Flag(flag) => (*flag).into(),
            Json::Whole(number) => (*number).into(),
            Json::Real(number) => (*number).into(),
            Json::Text(text) => text.as_ref().into(),
            Json::List(items) => items.iter().map(theirs).collect(),
            Json::Object(members) => members.iter().map(|m| (m.name.to_string(), theirs(&m.value))).collect(),
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1_000_000_000_000_i64..0).prop_map(|n| Value::from(n as f64)),
            (any::<i32>(), 0..6_i32).prop_map(|(n, e)| Value::from(f64::from(n) / 10_f64.powi(e))),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6).prop_map(Value::from_iter),
            ]
        })
    }

    /// Numbers as f64: whether 1.0 is whole is told apart elsewhere.
    fn same(a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
            (Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Value::Object(a), Value::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
            }
            _ => a == b,
        }
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_writes(value in any_value()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                let read = theirs(&parse_once(&text).unwrap());
                prop_assert!(same(&read, &value), "{text} was read as {read}");
            }
        }

        /// Damage in one place: both readers agree whether it is still JSON.
        #[test]
        fn refuses_what_serde_json_refuses(value in any_value(), at in any::<prop::sample::Index>(), byte in 0..128_u8) {
            let mut bytes = value.to_string().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(text) = core::str::from_utf8(&bytes) {
                let theirs = serde_json::from_str::<Value>(text);
                prop_assert_eq!(parse(text).is_ok(), theirs.is_ok(), "{}", text);
            }
        }
    }

    #[test]
    fn numbers_keep_their_kind_and_value() {
        for (text, number) in [
            ("0", Json::Whole(0)),
            ("18446744073709551615", Json::Whole(u64::MAX)),
            ("18446744073709551616", Json::Real(18_446_744_073_709_551_616.0)),
            ("-7", Json::Real(-7.0)),
            ("1.0", Json::Real(1.0)),
            ("980.5", Json::Real(980.5)),
            ("0.1", Json::Real(0.1)),
            ("1e3", Json::Real(1000.0)),
            ("1E-3", Json::Real(0.001)),
            ("1e-999999999999", Json::Real(0.0)),
            ("0e999999999999", Json::Real(0.0)),
            ("1795000000123.25", Json::Real(1_795_000_000_123.25)),
        ] {
            assert_eq!(parse(text), Ok(number), "{text}");
        }
        for text in ["01", "1.", ".5", "+1", "-", "1e", "1e999", "0x1", "NaN", "- 1"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn texts_are_borrowed_or_unescaped() {
        assert!(parse(r#""no end"#).is_err());
        assert!(matches!(parse("\"caf\u{e9}\""), Ok(Json::Text(Cow::Borrowed("caf\u{e9}")))));
        let escaped = r#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00z""#;
        assert_eq!(parse(escaped).unwrap().as_text(), Some("a\"\\/\u{8}\u{c}\n\r\t\u{e9}\u{1f600}z"));
        for bad in [r#""\ud83d""#, r#""\ude00""#, r#""\ud83d\u0041""#, r#""\x""#, "\"\n\"", r#""\u12g4""#] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_member_named_twice_is_refused_at_any_depth() {
        for twice in [r#"{"a":1,"a":1}"#, r#"[{"x":{"b":0,"\u0062":1}}]"#] {
            let error = parse_once(twice).unwrap_err().to_string();
            assert!(error.contains("twice; expected once at line 1"), "{error}");
            assert!(parse(twice).is_ok());
        }
    }

    #[test]
    fn objects_and_depth_are_bounded() {
        let object =
            |n: usize| format!("{{{}}}", (0..n).map(|i| format!("\"{i}\":0")).collect::<Vec<_>>().join(","));
        assert!(parse_once(&object(MEMBER_LIMIT)).is_ok());
        assert!(parse_once(&object(MEMBER_LIMIT + 1)).is_err());
        let nest = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(&nest(128)).is_ok() && parse(&nest(129)).is_err());
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn errors_tell_the_place() {
        let error = parse("{\"a\":\n  [1,]}").unwrap_err().to_string();
        assert_eq!(error, "expected a value at line 2 column 6");
        assert_eq!(
            parse("{} {}").unwrap_err().to_string(),
            "expected nothing behind the value at line 1 column 4"
        );
    }

    #[test]
    fn members_keep_their_text() {
        let Ok(Json::Object(members)) = parse("{\"a\": {\"b\" : 1} , \"c\":2}") else { panic!("no object") };
        assert_eq!(members[0].text, "{\"b\" : 1}");
    }
}
