//! Members as they stand in the text.

/// A member of the object that `text` is, as it stands there: for what is signed byte by byte.
///
/// The text must have been read by [`crate::parse_once`] before; then every colon directly in the object stands
/// behind a name, and counting brackets outside of texts is enough. A name spelt with escapes is not found.
pub fn exact<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (mut depth, mut word, mut named, mut start) = (0_u32, None, false, None);
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (word, byte) {
            (Some(_), b'\\') => drop(bytes.next()),
            (Some(from), b'"') => {
                named = depth == 1 && text.get(from..at) == Some(name);
                word = None;
            }
            (Some(_), _) => {}
            (None, b'"') => word = Some(at + 1),
            (None, b':') if depth == 1 && named => start = Some(at + 1),
            (None, b',' | b'}') if depth == 1 && start.is_some() => {
                return text.get(start?..at).map(str::trim_ascii);
            }
            (None, b'{' | b'[') => depth += 1,
            (None, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_member_is_found_as_it_stands() {
        let text = r#" {"b":["a",{"a":1}], "c" : "a", "d":"\\", "e":"\",\"a\":2", "a" : {"x" : [1e0, "}"] } , "f":null}"#;
        assert_eq!(exact(text, "a"), Some(r#"{"x" : [1e0, "}"] }"#));
        assert_eq!(exact(text, "f"), Some("null"));
        assert_eq!((exact(text, "x"), exact(text, "g")), (None, None));
        for other in ["null", "1", "\"a\"", "[1,{\"a\":2}]", "{}", "{\"\\u0061\":1}"] {
            assert_eq!(exact(other, "a"), None, "{other}");
        }
    }

    proptest! {
        /// What serde_json's raw values are.
        #[test]
        fn members_are_those_that_serde_json_finds(values in prop::collection::btree_map("[a-c\"\\\\:,{}]{1,3}", any::<String>(), 0..5)) {
            for text in [serde_json::to_string(&values).unwrap(), serde_json::to_string_pretty(&[&values]).unwrap()] {
                let text = text.trim_matches(['[', ']']);
                let raw: BTreeMap<String, &RawValue> = serde_json::from_str(text).unwrap();
                for (name, value) in raw.iter().filter(|(name, _)| !name.contains(['"', '\\'])) {
                    prop_assert_eq!(exact(text, name), Some(value.get()));
                }
            }
        }
    }
}
