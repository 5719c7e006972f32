//! Reading a JSON body strictly: what two parsers could understand differently is refused.
//!
//! Keys are folded to lower case as they are read, and a key that stands twice is an error, not a last-one-wins.

use std::{collections::BTreeMap, fmt};

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

/// How many levels of arrays and objects a body may nest.
const MAX_DEPTH: u8 = 16;

/// A JSON value whose object keys are in lower case.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that fits; anything else is a [`Json::Fraction`].
    Integer(i128),
    /// A number that is written with a fraction or an exponent. Nothing here takes one.
    Fraction,
    /// A string.
    Text(String),
    /// An array.
    Array(Vec<Json>),
    /// An object, by folded key.
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// Parses one document; trailing bytes, invalid UTF-8, a byte order mark, twice the same key and deep nesting are
    /// errors. The message says where, and quotes nothing of the body.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let mut reader = serde_json::Deserializer::from_slice(body);
        let value = Level(MAX_DEPTH)
            .deserialize(&mut reader)
            .and_then(|value| reader.end().map(|()| value))
            .map_err(|error| describe(&error))?;
        Ok(value)
    }

    /// Whether the value stands for "not given".
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Null) || matches!(self, Self::Text(text) if text.is_empty())
    }
}

fn describe(error: &serde_json::Error) -> String {
    let place = format!("line {} column {}", error.line(), error.column());
    let text = error.to_string();
    match [DUPLICATE_KEY, TOO_DEEP].into_iter().find(|ours| text.starts_with(ours)) {
        Some(ours) => format!("{ours} at {place}"),
        None => format!("the body is not valid JSON at {place}"),
    }
}

const DUPLICATE_KEY: &str = "a key is given twice";
const TOO_DEEP: &str = "the body nests too deep";

/// Reads a value that may contain this many more levels.
#[derive(Clone, Copy)]
struct Level(u8);

impl Level {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom(TOO_DEEP))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Json;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Fraction)
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let level = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(level)? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let level = self.deeper()?;
        let mut object = BTreeMap::new();
        while let Some(mut key) = entries.next_key::<String>()? {
            key.make_ascii_lowercase();
            let value = entries.next_value_seed(level)?;
            if object.insert(key, value).is_some() {
                return Err(de::Error::custom(DUPLICATE_KEY));
            }
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_folded_and_values_kept() {
        let json = Json::parse(br#"{"UnionID":"Ab","n":7,"f":1.0,"b":true,"z":null}"#).unwrap();
        let Json::Object(object) = json else { panic!("an object") };
        assert_eq!(object["unionid"], Json::Text("Ab".into()));
        assert_eq!(object["n"], Json::Integer(7));
        assert_eq!(object["f"], Json::Fraction);
    }

    #[test]
    fn what_two_parsers_read_differently_is_refused() {
        for body in [
            &br#"{"pwd":"a","Pwd":"b"}"#[..],
            br#"{"a":{"x":1,"X":1}}"#,
            br#"{"a":1} {"a":1}"#,
            br#"{"a":1}x"#,
            br#"{"a":1"#,
            br"{'a':1}",
            br#"{"a":NaN}"#,
            br#"{"a":1e309}"#,
            br#"{"a":007}"#,
            br#"{"a":1,}"#,
            b"{/* */}",
            b"\xef\xbb\xbf{}",
            b"{\"a\":\"\xc0\xaf\"}",
            br#"{"a":"\ud800"}"#,
            b" ",
            b"",
        ] {
            assert!(Json::parse(body).is_err(), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn nesting_ends_at_sixteen_levels() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Json::parse(nested(16).as_bytes()).is_ok());
        for levels in [17, 129, 30_000] {
            assert!(Json::parse(nested(levels).as_bytes()).unwrap_err().starts_with(TOO_DEEP));
        }
    }

    #[test]
    fn errors_quote_nothing_of_the_body() {
        let error = Json::parse(br#"{"pwd":hunter2}"#).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
