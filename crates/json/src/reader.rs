//! From text to tree, by the one visitor.

use core::fmt;
use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::{Json, JsonError, Member};

/// Most members of one object in [`parse_once`].
pub const MEMBER_LIMIT: usize = 64;

/// Reads a text.
///
/// # Errors
/// What is wrong with it, with line and column.
pub fn parse(text: &str) -> Result<Json<'_>, JsonError> {
    read(text, Tree { once: false })
}

/// Reads a text, refusing two members of one name in any object, and objects of more than [`MEMBER_LIMIT`].
///
/// # Errors
/// What is wrong with it, with line and column.
pub fn parse_once(text: &str) -> Result<Json<'_>, JsonError> {
    read(text, Tree { once: true })
}

/// Not inlined: all of serde_json is compiled where this is.
#[inline(never)]
fn read(text: &str, tree: Tree) -> Result<Json<'_>, JsonError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = tree.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Reads any value, and names of members.
#[derive(Clone, Copy)]
struct Tree {
    once: bool,
}

impl<'a> DeserializeSeed<'a> for Tree {
    type Value = Json<'a>;

    fn deserialize<D: Deserializer<'a>>(self, d: D) -> Result<Json<'a>, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Tree {
    type Value = Json<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'a>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json<'a>, E> {
        Ok(Json::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'a>, E> {
        Ok(Json::Whole(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json<'a>, E> {
        Ok(Json::Real(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json<'a>, E> {
        Ok(Json::Real(number))
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Json<'a>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'a>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Json<'a>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Json<'a>, A::Error> {
        let mut members: Vec<Member<'a>> = Vec::new();
        while let Some(Json::Text(name)) = map.next_key_seed(self)? {
            if self.once && members.iter().any(|member| member.name == name) {
                return Err(A::Error::custom(format_args!("member {name:?} twice; expected once")));
            }
            if self.once && members.len() == MEMBER_LIMIT {
                return Err(A::Error::custom(format_args!("object of more than {MEMBER_LIMIT} members")));
            }
            members.push(Member { name, value: map.next_value_seed(self)? });
        }
        Ok(Json::Object(members))
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
            assert!(error.contains("twice; expected once at line 1"), "{error}");
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
