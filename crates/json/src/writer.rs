//! From values to text.

/// An object, written member by member.
#[derive(Debug)]
pub struct Object(String);

impl Object {
    /// Without members.
    #[allow(clippy::new_without_default, reason = "an empty object is the start of a text, not a value")]
    pub fn new() -> Self {
        Self("{".to_owned())
    }

    /// Adds a text.
    pub fn text(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        quote(value, &mut self.0);
        self
    }

    /// Adds a text, if there is one.
    pub fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Adds a whole number.
    pub fn whole(mut self, name: &str, value: u64) -> Self {
        self.name(name);
        self.0.push_str(&value.to_string());
        self
    }

    /// Adds true or false.
    pub fn flag(self, name: &str, value: bool) -> Self {
        self.json(name, if value { "true" } else { "false" })
    }

    /// Adds a value that is JSON already.
    pub fn json(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        self.0.push_str(value);
        self
    }

    /// Adds an array of texts.
    pub fn texts<'t>(mut self, name: &str, values: impl IntoIterator<Item = &'t str>) -> Self {
        self.name(name);
        self.0.push('[');
        for (i, value) in values.into_iter().enumerate() {
            if i > 0 {
                self.0.push(',');
            }
            quote(value, &mut self.0);
        }
        self.0.push(']');
        self
    }

    /// The text.
    pub fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        quote(name, &mut self.0);
        self.0.push(':');
    }
}

/// A text as JSON.
pub fn quoted(text: &str) -> String {
    let mut out = String::new();
    quote(text, &mut out);
    out
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\0'..='\x1f' => {
                let digit = |digit| char::from_digit(digit, 16).unwrap_or_default();
                out.push_str("\\u00");
                out.extend([digit(letter as u32 >> 4), digit(letter as u32 & 15)]);
            }
            _ => out.push(letter),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn objects_are_written() {
        let inner = Object::new().end();
        let text = Object::new()
            .text("a", "x\"\\\n")
            .whole("n", u64::MAX)
            .flag("f", true)
            .maybe("gone", None)
            .maybe("here", Some("h"))
            .texts("l", ["1", "2"])
            .json("o", &inner)
            .end();
        let expected =
            json!({"a": "x\"\\\n", "n": u64::MAX, "f": true, "here": "h", "l": ["1", "2"], "o": {}});
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn texts_survive(text in any::<String>()) {
            prop_assert_eq!(serde_json::from_str::<String>(&quoted(&text)).unwrap(), text);
        }
    }
}
