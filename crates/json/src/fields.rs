//! Picking members out of an object.

use crate::{Json, JsonError, Member};

/// The members of an object. Unknown ones are ignored; one that is asked for must not be there twice.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'t, 'a>(&'t [Member<'a>]);

impl<'t, 'a> Fields<'t, 'a> {
    /// The members of `value`.
    ///
    /// # Errors
    /// If it is no object, in the name of `what`.
    pub fn of(value: &'t Json<'a>, what: &str) -> Result<Self, JsonError> {
        match value {
            Json::Object(members) => Ok(Self(members)),
            _ => Err(JsonError::member(what, "an object")),
        }
    }

    /// All of them.
    pub fn members(&self) -> &'t [Member<'a>] {
        self.0
    }

    /// The member of this name, if it is there.
    ///
    /// # Errors
    /// If it is there twice.
    pub fn member(&self, name: &str) -> Result<Option<&'t Member<'a>>, JsonError> {
        let mut found = self.0.iter().filter(|member| member.name == name);
        let first = found.next();
        match found.next() {
            None => Ok(first),
            Some(_) => Err(JsonError::member(name, "it once")),
        }
    }

    /// Its value, if it is there and not null.
    ///
    /// # Errors
    /// If it is there twice.
    pub fn get(&self, name: &str) -> Result<Option<&'t Json<'a>>, JsonError> {
        Ok(self.member(name)?.map(|member| &member.value).filter(|value| **value != Json::Null))
    }

    /// A value that must be there.
    ///
    /// # Errors
    /// If it is not, or twice.
    pub fn need(&self, name: &str) -> Result<&'t Json<'a>, JsonError> {
        match self.member(name)? {
            Some(member) => Ok(&member.value),
            None => Err(JsonError::member(name, "it to be there")),
        }
    }

    /// A text, or nothing.
    ///
    /// # Errors
    /// If it is something else, or there twice.
    pub fn text(&self, name: &str) -> Result<Option<&'t str>, JsonError> {
        let Some(value) = self.get(name)? else { return Ok(None) };
        value.as_text().map(Some).ok_or_else(|| JsonError::member(name, "a text"))
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// If it is something else, absent, or there twice.
    pub fn need_text(&self, name: &str) -> Result<&'t str, JsonError> {
        self.text(name)?.ok_or_else(|| JsonError::member(name, "a text"))
    }

    /// A text of its own, or nothing.
    ///
    /// # Errors
    /// As [`Fields::text`].
    pub fn string(&self, name: &str) -> Result<Option<String>, JsonError> {
        Ok(self.text(name)?.map(str::to_owned))
    }

    /// A whole number of at most `most`, or nothing.
    ///
    /// # Errors
    /// If it is something else, or there twice.
    pub fn whole(&self, name: &str, most: u64) -> Result<Option<u64>, JsonError> {
        match self.get(name)? {
            None => Ok(None),
            Some(Json::Whole(number)) if *number <= most => Ok(Some(*number)),
            Some(_) => {
                Err(JsonError::new(format!("member \"{name}\"; expected a whole number up to {most}")))
            }
        }
    }

    /// A whole number of at most `most` that must be there.
    ///
    /// # Errors
    /// If it is something else, absent, or there twice.
    pub fn need_whole(&self, name: &str, most: u64) -> Result<u64, JsonError> {
        self.whole(name, most)?.ok_or_else(|| JsonError::member(name, "a whole number"))
    }

    /// A whole number of at most `most`, or `absent`; null is neither.
    ///
    /// # Errors
    /// If it is something else, or there twice.
    pub fn whole_or(&self, name: &str, most: u64, absent: u64) -> Result<u64, JsonError> {
        if self.member(name)?.is_none() { Ok(absent) } else { self.need_whole(name, most) }
    }

    /// A whole number of 32 bits, or nothing.
    ///
    /// # Errors
    /// As [`Fields::whole`].
    pub fn u32(&self, name: &str) -> Result<Option<u32>, JsonError> {
        Ok(self.whole(name, u32::MAX.into())?.map(|number| number as u32))
    }

    /// A whole number of 64 bits, or nothing.
    ///
    /// # Errors
    /// As [`Fields::whole`].
    pub fn u64(&self, name: &str) -> Result<Option<u64>, JsonError> {
        self.whole(name, u64::MAX)
    }

    /// True or false, or nothing.
    ///
    /// # Errors
    /// If it is something else, or there twice.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, JsonError> {
        let Some(value) = self.get(name)? else { return Ok(None) };
        value.as_flag().map(Some).ok_or_else(|| JsonError::member(name, "true or false"))
    }

    /// An array of at most `most` items; none if it is absent.
    ///
    /// # Errors
    /// If it is something else, longer, or there twice.
    pub fn list(&self, name: &str, most: usize) -> Result<&'t [Json<'a>], JsonError> {
        match self.get(name)? {
            None => Ok(&[]),
            Some(Json::List(items)) if items.len() <= most => Ok(items),
            Some(_) => {
                Err(JsonError::new(format!("member \"{name}\"; expected a list of at most {most} items")))
            }
        }
    }

    /// An array of at most `most` texts; none if it is absent.
    ///
    /// # Errors
    /// If it is something else, longer, or there twice.
    pub fn texts(&self, name: &str, most: usize) -> Result<Vec<String>, JsonError> {
        let text = |item: &Json<'_>| {
            item.as_text().map(str::to_owned).ok_or_else(|| JsonError::member(name, "texts"))
        };
        self.list(name, most)?.iter().map(text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn members_are_read_by_kind() {
        let json = parse(r#"{"t":"x","n":7,"f":true,"l":["a","b"],"none":null,"r":1.5}"#).unwrap();
        let fields = Fields::of(&json, "it").unwrap();
        assert_eq!(fields.text("t"), Ok(Some("x")));
        assert_eq!((fields.u32("n"), fields.u64("n")), (Ok(Some(7)), Ok(Some(7))));
        assert_eq!(
            (fields.flag("f"), fields.flag("none"), fields.flag("absent")),
            (Ok(Some(true)), Ok(None), Ok(None))
        );
        assert_eq!(fields.texts("l", 2), Ok(vec!["a".to_owned(), "b".to_owned()]));
        for wrong in [fields.whole("n", 6).err(), fields.u32("r").err(), fields.texts("l", 1).err()] {
            assert!(wrong.is_some());
        }
        assert_eq!(fields.need_text("n").unwrap_err().to_string(), "member \"n\"; expected a text");
        assert!(
            fields.need_text("none").is_err()
                && fields.need("absent").is_err()
                && fields.need_whole("absent", 1).is_err()
        );
    }

    #[test]
    fn null_is_no_number_where_only_absence_has_a_meaning() {
        let json = parse(r#"{"null":null,"n":7}"#).unwrap();
        let fields = Fields::of(&json, "it").unwrap();
        assert_eq!((fields.whole_or("n", 9, 1), fields.whole_or("absent", 9, 1)), (Ok(7), Ok(1)));
        assert!(fields.whole_or("null", 9, 1).is_err());
    }

    #[test]
    fn a_member_asked_for_is_not_there_twice() {
        let json = parse(r#"{"a":1,"b":2,"a":3}"#).unwrap();
        let fields = Fields::of(&json, "it").unwrap();
        assert!(fields.u32("a").is_err() && fields.u32("b").is_ok());
        assert!(Fields::of(&Json::Null, "it").is_err());
    }
}
