//! From text to tree, by recursive descent (RFC 8259).
//!
//! A whole parser of one's own, because the module that every viewer loads would otherwise be a tenth
//! serde_json: its machinery of visitors and error codes, and tables for floats that no message here has. The tests
//! below hold it to serde_json's judgement, text by text.

use std::borrow::Cow;

use crate::{Json, JsonError, Member};

/// Most members of one object in [`parse_once`].
pub const MEMBER_LIMIT: usize = 64;
/// Deepest nesting of arrays and objects.
const DEPTH_LIMIT: u8 = 127;

/// Reads a text.
///
/// # Errors
/// What was expected, and at which byte.
pub fn parse(text: &str) -> Result<Json<'_>, JsonError> {
    read(text, false)
}

/// Reads a text, refusing two members of one name in any object, and objects of more than [`MEMBER_LIMIT`].
///
/// # Errors
/// What was expected, and at which byte.
pub fn parse_once(text: &str) -> Result<Json<'_>, JsonError> {
    read(text, true)
}

fn read(text: &str, once: bool) -> Result<Json<'_>, JsonError> {
    let mut reader = Reader { text, at: 0, depth: 0, once };
    let value = reader.value()?;
    if reader.next_token().is_some() {
        return Err(reader.expected("the end"));
    }
    Ok(value)
}

struct Reader<'a> {
    text: &'a str,
    /// Bytes read; always between two characters, since it stops at ASCII only.
    at: usize,
    depth: u8,
    once: bool,
}

impl<'a> Reader<'a> {
    fn expected(&self, what: &str) -> JsonError {
        JsonError(["expected ", what, " at byte ", &self.at.to_string()].concat())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The first byte that is no white space; it is not taken.
    fn next_token(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
        self.peek()
    }

    fn take(&mut self, token: u8) -> bool {
        let there = self.next_token() == Some(token);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self) -> Result<Json<'a>, JsonError> {
        match self.next_token() {
            Some(b'"') => self.string().map(Json::Text),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::list),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<Json<'a>, JsonError> {
        let words = [("null", Json::Null), ("true", Json::Flag(true)), ("false", Json::Flag(false))];
        let rest = self.text.get(self.at..).unwrap_or_default();
        match words.into_iter().find(|(word, _)| rest.starts_with(word)) {
            Some((word, value)) => {
                self.at += word.len();
                Ok(value)
            }
            None => Err(self.expected("a value")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Json<'a>, JsonError>) -> Result<Json<'a>, JsonError> {
        if self.depth == DEPTH_LIMIT {
            return Err(self.expected("less nesting"));
        }
        (self.depth, self.at) = (self.depth + 1, self.at + 1);
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn list(&mut self) -> Result<Json<'a>, JsonError> {
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value()?);
            if !self.more(b']')? {
                return Ok(Json::List(items));
            }
        }
    }

    fn object(&mut self) -> Result<Json<'a>, JsonError> {
        let mut members: Vec<Member<'a>> = Vec::new();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            let name = self.name(&members)?;
            members.push(Member { name, value: self.value()? });
            if !self.more(b'}')? {
                return Ok(Json::Object(members));
            }
        }
    }

    /// A name and its colon.
    fn name(&mut self, before: &[Member<'a>]) -> Result<Cow<'a, str>, JsonError> {
        if self.next_token() != Some(b'"') {
            return Err(self.expected("a name"));
        }
        let name = self.string()?;
        if self.once && before.iter().any(|member| member.name == name) {
            return Err(JsonError(["member \"", &name, "\" twice; ", &self.expected("it once").0].concat()));
        }
        if self.once && before.len() == MEMBER_LIMIT {
            return Err(self.expected("fewer members"));
        }
        if self.take(b':') { Ok(name) } else { Err(self.expected("a colon")) }
    }

    /// True after a comma, false after the end.
    fn more(&mut self, end: u8) -> Result<bool, JsonError> {
        let comma = self.take(b',');
        if comma || self.take(end) { Ok(comma) } else { Err(self.expected("a comma or the end")) }
    }

    /// A text, borrowed if it has no escapes.
    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let mut text = Cow::Borrowed("");
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let length = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | ..=0x1f));
            let plain = length.and_then(|length| rest.get(..length)).unwrap_or_default();
            self.at += plain.len();
            // Adding to nothing borrows.
            text += plain;
            match self.peek().filter(|_| length.is_some()) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.to_mut().push(self.escape()?),
                _ => return Err(self.expected("the end of a text")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        self.at += 2;
        let letter = self.text.as_bytes().get(self.at - 1).copied();
        Ok(match letter {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(plain @ (b'"' | b'\\' | b'/')) => plain.into(),
            Some(b'u') => return self.unicode(),
            _ => {
                self.at -= 2;
                return Err(self.expected("an escape"));
            }
        })
    }

    /// Four hex digits, or twice four of a surrogate pair.
    fn unicode(&mut self) -> Result<char, JsonError> {
        let mut code = self.hex()?;
        if (0xd800..0xdc00).contains(&code) && self.peek() == Some(b'\\') {
            self.at += 1;
            if self.peek() == Some(b'u') {
                self.at += 1;
                let low = self.hex()?;
                // What is no low surrogate leaves a number that is no character.
                code = if (0xdc00..0xe000).contains(&low) {
                    0x1_0000 + ((code & 0x3ff) << 10 | low & 0x3ff)
                } else {
                    0xd800
                };
            }
        }
        char::from_u32(code).ok_or_else(|| self.expected("a character"))
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|digit| char::from(digit).to_digit(16));
            code = code << 4 | digit.ok_or_else(|| self.expected("a hex digit"))?;
            self.at += 1;
        }
        Ok(code)
    }

    /// Whole numbers of 64 bits are exact. Others are as exact as `f64` allows if they have up to 15 digits and
    /// stand within 10^22, as all do that any message here has, and near the true value else.
    fn number(&mut self) -> Result<Json<'a>, JsonError> {
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        let mut digits = Digits { whole: 0, exponent: 0 };
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits(&mut digits, 0)?;
        }
        let mut real = negative || digits.exponent > 0;
        if self.peek() == Some(b'.') {
            (self.at, real) = (self.at + 1, true);
            self.digits(&mut digits, -1)?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            (self.at, real) = (self.at + 1, true);
            digits.exponent = digits.exponent.saturating_add(self.exponent()?);
        }
        if !real {
            return Ok(Json::Whole(digits.whole));
        }
        let number = scaled(digits);
        if number.is_finite() {
            Ok(Json::Real(if negative { -number } else { number }))
        } else {
            Err(self.expected("a number within range"))
        }
    }

    /// At least one digit. Each moves the point by `step`; those beyond 64 bits count by their place alone.
    fn digits(&mut self, into: &mut Digits, step: i32) -> Result<(), JsonError> {
        let start = self.at;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            self.at += 1;
            let wider = into.whole.checked_mul(10).and_then(|n| n.checked_add(u64::from(digit - b'0')));
            // Once one is left out, so are all that follow.
            match wider.filter(|_| into.exponent <= 0) {
                Some(wider) => (into.whole, into.exponent) = (wider, into.exponent.saturating_add(step)),
                None if step == 0 => into.exponent = into.exponent.saturating_add(1),
                None => {}
            }
        }
        if self.at == start { Err(self.expected("a digit")) } else { Ok(()) }
    }

    fn exponent(&mut self) -> Result<i32, JsonError> {
        let sign = self.peek().filter(|sign| matches!(sign, b'+' | b'-'));
        self.at += usize::from(sign.is_some());
        let mut digits = Digits { whole: 0, exponent: 0 };
        self.digits(&mut digits, 0)?;
        let size = i32::try_from(digits.whole).unwrap_or(i32::MAX);
        Ok(if sign == Some(b'-') { -size } else { size })
    }
}

/// The number `whole * 10^exponent`.
struct Digits {
    whole: u64,
    exponent: i32,
}

fn scaled(digits: Digits) -> f64 {
    let Digits { whole, exponent } = digits;
    let mut number = whole as f64;
    let mut left = if whole == 0 { 0 } else { exponent.unsigned_abs().min(400) };
    while left > 0 {
        // Powers of ten up to this one are exact, and so is what one step makes of up to 15 digits.
        let step = left.min(22);
        let power = (0..step).fold(1.0, |power, _| power * 10.0);
        number = if exponent < 0 { number / power } else { number * power };
        left -= step;
    }
    number
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

    proptest! {
        #[test]
        fn a_tree_is_what_was_written(value in any_value()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                prop_assert_eq!(&theirs(&parse_once(&text).unwrap()), &value);
                prop_assert_eq!(&theirs(&parse(&text).unwrap()), &value);
            }
        }
    }

    /// Equal but for the last digits of numbers that no message has.
    fn near(ours: &Value, theirs: &Value) -> bool {
        match (ours, theirs) {
            (Value::Number(a), Value::Number(b)) => {
                let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
                a == b || (a - b).abs() <= b.abs() * 1e-14
            }
            (Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| near(a, b))
            }
            (Value::Object(a), Value::Object(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(name, value)| b.get(name).is_some_and(|b| near(value, b)))
            }
            _ => ours == theirs,
        }
    }

    fn judged_alike(text: &str) -> Result<(), TestCaseError> {
        match (parse(text), serde_json::from_str::<Value>(text)) {
            (Ok(ours), Ok(serdes)) => prop_assert!(near(&theirs(&ours), &serdes), "{text}: {ours:?}"),
            (Err(_), Err(_)) => {}
            (ours, serdes) => prop_assert!(false, "{text}: {ours:?} but {serdes:?}"),
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn any_text_is_judged_as_by_serde_json(
            text in r#"[ \t]?[\[{"]?[\[\]{}",:a\\0-9eE.+\-\n]{0,9}[\]}"]?"#,
            number in "-?[0-9]{1,25}(\\.[0-9]{0,25})?([eE][+-]?[0-9]{0,3})?",
            escapes in r#""([a\u{e9}\u{1f600}/]|\\(["\\/bfnrtuax]|u[0-9a-fA-F]{3,4}|ud[89abAB][0-9a-f]{2}(\\u[dD][c-f][0-9a-f]{2})?)){0,4}""#,
            cut in 0..200_usize,
            value in any_value(),
        ) {
            for text in [&text, &number, &escapes] {
                judged_alike(text)?;
            }
            let whole = value.to_string();
            judged_alike(&whole.chars().take(cut).collect::<String>())?;
            judged_alike(&(whole + &text))?;
        }
    }

    #[test]
    fn nesting_is_bounded_as_by_serde_json() {
        for depth in [127, 128] {
            judged_alike(&("[".repeat(depth) + &"]".repeat(depth))).unwrap();
        }
        assert!(parse(&("[".repeat(127) + &"]".repeat(127))).is_ok());
    }

    #[test]
    fn numbers_keep_their_kind_and_value() {
        for (text, number) in [
            ("18446744073709551615", Json::Whole(u64::MAX)),
            ("-7", Json::Real(-7.0)),
            ("1.0", Json::Real(1.0)),
            ("980.5", Json::Real(980.5)),
        ] {
            assert_eq!(parse(text), Ok(number), "{text}");
        }
    }

    #[test]
    fn texts_are_borrowed_where_they_can_be() {
        let json = parse("{\"caf\u{e9}\":\"x\"}").unwrap();
        let Json::Object(members) = json else { panic!("no object") };
        assert!(matches!(
            (&members[0].name, &members[0].value),
            (Cow::Borrowed(_), Json::Text(Cow::Borrowed("x")))
        ));
        assert_eq!(parse(r#""\u00e9""#).unwrap().as_text(), Some("\u{e9}"));
    }

    #[test]
    fn a_member_named_twice_is_refused_at_any_depth() {
        for twice in [r#"{"a":1,"a":1}"#, r#"[{"x":{"b":0,"\u0062":1}}]"#] {
            let error = parse_once(twice).unwrap_err().to_string();
            assert!(error.contains("twice; expected it once at byte "), "{error}");
            assert!(parse(twice).is_ok());
        }
    }

    #[test]
    fn other_json_is_taken_whole_or_not_at_all() {
        assert!(parse_once(r#"{"a":[1,-2,3.5,null,true,"x",{"a":{}}],"b":{}}"#).is_ok());
        for bad in ["{} {}", "{", "[1,]", "01", "{1:2}"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn the_members_of_an_object_are_bounded() {
        let object =
            |n: usize| format!("{{{}}}", (0..n).map(|i| format!("\"{i}\":0")).collect::<Vec<_>>().join(","));
        assert!(parse_once(&object(MEMBER_LIMIT)).is_ok());
        assert!(parse_once(&object(MEMBER_LIMIT + 1)).is_err());
        assert!(parse(&object(MEMBER_LIMIT + 1)).is_ok());
    }
}
