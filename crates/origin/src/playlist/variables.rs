//! Variables of `EXT-X-DEFINE` (RFC 8216bis section 4.4.2.3), as HLS.js substitutes them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use url::Url;

use super::attributes::Attributes;

/// Names and values.
pub(super) type Values = BTreeMap<String, String>;

/// The variables of one playlist while it is read.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// Nothing is substituted in a playlist that refers to no variable and defines none.
    values: Option<Values>,
    referred_to: bool,
    fault: Option<String>,
}

/// Names that every JavaScript object has: HLS.js finds them defined before any `EXT-X-DEFINE`.
const INHERITED: [&str; 12] = [
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

impl Variables {
    /// The variables of a playlist with this text: none yet.
    pub(super) fn of(text: &str) -> Self {
        Self { referred_to: references(text).next().is_some(), ..Self::default() }
    }

    /// What was wrong since this was last asked. HLS.js refuses a playlist with such a fault.
    pub(super) fn take_fault(&mut self) -> Option<String> {
        self.fault.take()
    }

    /// All values, for media playlists that import them.
    pub(super) fn into_values(self) -> Option<Values> {
        self.values
    }

    /// `text` with each `{$name}` replaced; one without a value stays as it is and is a fault.
    pub(super) fn substitute<'a>(&mut self, text: &'a str) -> Cow<'a, str> {
        if self.values.is_none() && !self.referred_to || references(text).next().is_none() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for reference in references(text) {
            out.push_str(text.get(done..reference.at).unwrap_or_default());
            match self.values.as_ref().and_then(|values| values.get(reference.name)) {
                Some(value) => out.push_str(value),
                None => {
                    out.push_str(text.get(reference.at..reference.end).unwrap_or_default());
                    let fault = format!("no EXT-X-DEFINE before it gives {:?} a value", reference.name);
                    self.fault.get_or_insert(fault);
                }
            }
            done = reference.end;
        }
        out.push_str(text.get(done..).unwrap_or_default());
        Cow::Owned(out)
    }

    /// An `EXT-X-DEFINE` with NAME and VALUE, or with QUERYPARAM, in the playlist at `url`.
    pub(super) fn define(&mut self, attributes: &Attributes, url: &Url) {
        let (name, value) = match attributes.get("QUERYPARAM") {
            Some(name) => (name, self.query_parameter(name, url)),
            // JavaScript's word for what is missing is a name like another.
            None => {
                (attributes.get("NAME").unwrap_or("undefined"), attributes.get("VALUE").map(str::to_owned))
            }
        };
        let values = self.values.get_or_insert_default();
        if values.contains_key(name) || INHERITED.contains(&name) {
            self.fault.get_or_insert_with(|| format!("EXT-X-DEFINE of {name:?}, which is defined already"));
        } else {
            values.insert(name.to_owned(), value.unwrap_or_default());
        }
    }

    fn query_parameter(&mut self, name: &str, url: &Url) -> Option<String> {
        let value = url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        if value.is_none() {
            self.fault.get_or_insert_with(|| format!(
                "EXT-X-DEFINE takes {name:?} from the query of the playlist's own URL, which is not known here"
            ));
        }
        value
    }

    /// An `EXT-X-DEFINE` with IMPORT; `from` is what the multivariant playlist defined.
    pub(super) fn import(&mut self, name: &str, from: Option<&Values>) {
        match from.and_then(|values| values.get(name)) {
            Some(value) => drop(self.values.get_or_insert_default().insert(name.to_owned(), value.clone())),
            None => {
                let fault = format!("EXT-X-DEFINE imports {name:?}, which no multivariant playlist defines");
                self.fault.get_or_insert(fault);
            }
        }
    }
}

struct Reference<'a> {
    at: usize,
    end: usize,
    name: &'a str,
}

/// Each `{$name}` of `text`, name being letters, digits, `-` and `_`.
fn references(text: &str) -> impl Iterator<Item = Reference<'_>> {
    text.match_indices("{$").filter_map(|(at, _)| {
        let body = text.get(at + 2..)?;
        let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let length = body.bytes().take_while(|b| is_name(b)).count();
        let is_reference = length > 0 && body.as_bytes().get(length) == Some(&b'}');
        is_reference.then_some(Reference { at, end: at + length + 3, name: body.get(..length)? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url() -> Url {
        Url::parse("http://a.example/v.m3u8?d=x%20y&e").unwrap()
    }

    fn defined(tags: &[&str], text: &str) -> (String, Option<String>) {
        let mut variables = Variables { referred_to: true, ..Variables::default() };
        for tag in tags {
            let attributes = Attributes::of(tag, Some(&mut variables));
            variables.define(&attributes, &url());
        }
        let text = variables.substitute(text).into_owned();
        (text, variables.take_fault())
    }

    #[test]
    fn references_become_values() {
        let tags = [r#"NAME="d",VALUE="seg""#, r#"NAME="f",VALUE="{$d}/x""#, r#"QUERYPARAM="d2""#];
        assert_eq!(defined(&tags[..2], "{$f}{$d}.{$}{d}{$d").0, "seg/xseg.{$}{d}{$d");
        assert!(defined(&tags[2..], "").1.unwrap().contains("query"));
        assert_eq!(defined(&[r#"QUERYPARAM="d""#], "{$d}"), ("x y".into(), None));
    }

    #[test]
    fn what_has_no_value_is_a_fault() {
        let (text, fault) = defined(&[r#"NAME="d",VALUE="seg""#], "{$e}");
        assert_eq!(text, "{$e}");
        assert!(fault.unwrap().contains("\"e\""));
        assert!(defined(&[r#"NAME="d""#, r#"NAME="d""#], "").1.unwrap().contains("already"));
        assert!(defined(&[r#"NAME="toString""#], "").1.unwrap().contains("already"));
    }
}
