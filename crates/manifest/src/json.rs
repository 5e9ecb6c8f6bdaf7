//! JSON that means one thing: no object may name a member twice.

use core::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Most members of one object.
const MEMBER_LIMIT: usize = 64;

/// Why a document was not read: what is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError(String);

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for JsonError {}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

/// Reads `T`, refusing duplicate members anywhere, members that `T` does not know included: two
/// readers that keep the first or the last of them would see two documents.
pub(crate) fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    refuse_duplicates(bytes)?;
    Ok(serde_json::from_str(text(bytes)?)?)
}

pub(crate) fn refuse_duplicates(bytes: &[u8]) -> Result<(), JsonError> {
    let mut reader = serde_json::Deserializer::from_str(text(bytes)?);
    Once.deserialize(&mut reader)?;
    Ok(reader.end()?)
}

/// Documents are read as text, never as bytes: serde_json compiles all it has once for each of the two, and
/// the signaling messages that share a viewer's module come as text.
fn text(bytes: &[u8]) -> Result<&str, JsonError> {
    core::str::from_utf8(bytes).map_err(|error| JsonError(error.to_string()))
}

/// Walks a value and keeps nothing.
struct Once;

impl<'de> DeserializeSeed<'de> for Once {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen: Vec<String> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if seen.contains(&name) {
                return Err(A::Error::custom(format_args!("member {name:?} twice; expected once")));
            }
            if seen.len() == MEMBER_LIMIT {
                return Err(A::Error::custom(format_args!("object of more than {MEMBER_LIMIT} members")));
            }
            seen.push(name);
            map.next_value_seed(Self)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_member_named_twice_at_any_depth() {
        for twice in [r#"{"a":1,"a":1}"#, r#"[{"x":{"b":0,"\u0062":1}}]"#] {
            let error = refuse_duplicates(twice.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("twice; expected once at line 1"), "{error}");
        }
    }

    #[test]
    fn takes_other_json_whole_or_not_at_all() {
        assert!(refuse_duplicates(br#"{"a":[1,-2,3.5,null,true,"x",{"a":{}}],"b":{}}"#).is_ok());
        assert!(refuse_duplicates(b"{} {}").is_err());
        assert!(refuse_duplicates(b"{").is_err());
        assert!(refuse_duplicates(&[b'['; 100_000]).is_err());
    }

    #[test]
    fn bounds_the_members_of_an_object() {
        let object =
            |n: usize| format!("{{{}}}", (0..n).map(|i| format!("\"{i}\":0")).collect::<Vec<_>>().join(","));
        assert!(refuse_duplicates(object(MEMBER_LIMIT).as_bytes()).is_ok());
        assert!(refuse_duplicates(object(MEMBER_LIMIT + 1).as_bytes()).is_err());
    }
}
