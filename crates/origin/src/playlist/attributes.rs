//! Attribute lists (RFC 8216bis section 4.2), as HLS.js reads them: quotes may be missing, names may have
//! blanks around them, and a quoted value counts as such only if nothing stands between its last quote and the comma.

use super::text::{is_line_end, trim};
use super::variables::Variables;

/// The attributes of a tag. A name that comes twice has its last value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes(Vec<(String, String)>);

/// Attributes whose value without quotes may hold variables.
const HEXADECIMAL: [&str; 4] = ["IV", "SCTE35-CMD", "SCTE35-IN", "SCTE35-OUT"];

impl Attributes {
    /// Reads a list; `variables` are those to be substituted, if any are.
    pub(super) fn of(list: &str, mut variables: Option<&mut Variables>) -> Self {
        let mut found = Vec::new();
        let mut rest = list;
        while let Some(pair) = first(rest) {
            let name = trim(pair.name);
            let quoted = unquoted(pair.value);
            let mut value = quoted.unwrap_or(pair.value).to_owned();
            if let Some(variables) = variables.as_deref_mut()
                && (quoted.is_some() || HEXADECIMAL.contains(&name))
            {
                value = variables.substitute(&value).into_owned();
            }
            found.push((name.to_owned(), value));
            rest = pair.rest;
        }
        Self(found)
    }

    /// The value of an attribute.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of an attribute if it is not empty.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }
}

struct Pair<'a> {
    name: &'a str,
    value: &'a str,
    rest: &'a str,
}

/// The first `name=value` of a list, and what follows its comma.
fn first(list: &str) -> Option<Pair<'_>> {
    let mut from = 0;
    loop {
        let text = list.get(from..)?;
        let one = text.chars().next()?.len_utf8();
        // A name is of one line and of at least one character, which may be the `=` itself.
        let until = text.find(is_line_end).unwrap_or(text.len());
        let named = text.match_indices('=').map(|(at, _)| at).filter(|at| *at >= one && *at < until);
        for equals in named {
            let after = text.get(equals + 1..)?;
            if let Some(length) = quoted_length(after).or_else(|| bare_length(after)) {
                let rest = after.get(length..)?;
                let rest = rest.strip_prefix(',').unwrap_or(rest);
                return Some(Pair { name: text.get(..equals)?, value: after.get(..length)?, rest });
            }
        }
        // Nothing begins here; the name may begin after a line end.
        from += if until == 0 { one } else { until.max(one) };
    }
}

/// Length of a value up to the first quote after which a comma or the end stands.
fn quoted_length(text: &str) -> Option<usize> {
    let body = text.strip_prefix('"')?;
    let body = body.get(..body.find(is_line_end).unwrap_or(body.len()))?;
    let ends = body.match_indices('"').map(|(at, _)| at + 2);
    ends.into_iter().find(|end| text.get(*end..).is_some_and(ends_here))
}

/// Length of a value up to the first comma or the end.
fn bare_length(text: &str) -> Option<usize> {
    let length = text.find(',').unwrap_or(text.len());
    (!text.get(..length)?.contains(is_line_end)).then_some(length)
}

fn ends_here(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(',')
}

/// What is within the quotes of a quoted value. A single quote is both its first and its last.
fn unquoted(value: &str) -> Option<&str> {
    let body = value.strip_prefix('"')?;
    if body.is_empty() { Some(body) } else { body.strip_suffix('"') }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str) -> Vec<(String, String)> {
        Attributes::of(list, None).0
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn quotes_are_optional_and_hold_commas() {
        assert_eq!(read(r#"URI="a,b.mp4",X=1"#), pairs(&[("URI", "a,b.mp4"), ("X", "1")]));
        assert_eq!(
            read(r#" URI=i.mp4 , BYTERANGE="10@2""#),
            pairs(&[("URI", "i.mp4 "), ("BYTERANGE", "10@2")])
        );
    }

    #[test]
    fn odd_lists_are_read_to_the_letter() {
        for (list, expected) in [
            (r#"URI="a" ,X=1"#, vec![("URI", "\"a\" "), ("X", "1")]),
            (r#"URI="a"b","#, vec![("URI", "a\"b")]),
            (r#"URI="a"#, vec![("URI", "\"a")]),
            (r#"URI=",X=""#, vec![("URI", ",X=")]),
            (r#"URI=",X=1"#, vec![("URI", ""), ("X", "1")]),
            ("A,B=1", vec![("A,B", "1")]),
            ("==1", vec![("=", "1")]),
            ("A=", vec![("A", "")]),
            ("A", vec![]),
            ("=A", vec![]),
            ("A=1\u{2028}2,B=3", vec![("2,B", "3")]),
        ] {
            assert_eq!(read(list), pairs(&expected), "{list}");
        }
    }

    #[test]
    fn the_last_of_two_values_counts() {
        assert_eq!(Attributes::of("A=1,A=2", None).get("A"), Some("2"));
    }
}
