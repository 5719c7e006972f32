//! From a JSON object to a command: every field by its documented name, parsed into a type that cannot hold a bad
//! value.

use std::collections::BTreeMap;

use super::json::Json;
use crate::error::ApiError;

/// Why a value is not one of its type; completes the sentence "`field` …".
pub type Refusal = &'static str;

/// A type that a JSON value can be read into.
pub trait Field: Sized {
    /// Reads the value; the error completes the sentence "`field` …".
    fn read(value: Json) -> Result<Self, Refusal>;
}

/// What an endpoint is asked to do.
pub trait Command: Sized {
    /// Reads the body. Most commands begin with [`Fields::of`].
    fn read(body: Json) -> Result<Self, ApiError>;
}

/// The fields of an object that have not been read yet.
#[derive(Debug)]
pub struct Fields(BTreeMap<String, Json>);

impl Fields {
    /// The fields of a body that must be an object.
    pub fn of(body: Json) -> Result<Self, ApiError> {
        match body {
            Json::Object(object) => Ok(Self(object)),
            _ => Err(ApiError::invalid("the body must be a JSON object")),
        }
    }

    /// A field that must be there; null and `""` are not.
    pub fn required<T: Field>(&mut self, name: &str) -> Result<T, ApiError> {
        self.required_as(&[name])
    }

    /// A required field with other names that clients send: the documented name comes first.
    pub fn required_as<T: Field>(&mut self, names: &[&str]) -> Result<T, ApiError> {
        self.optional_as(names)?.ok_or_else(|| ApiError::invalid(format!("{} is required", names[0])))
    }

    /// A field that may be missing; null and `""` are missing, too.
    pub fn optional<T: Field>(&mut self, name: &str) -> Result<Option<T>, ApiError> {
        self.optional_as(&[name])
    }

    /// An optional field with other names that clients send. Two names with different values contradict each other.
    pub fn optional_as<T: Field>(&mut self, names: &[&str]) -> Result<Option<T>, ApiError> {
        let mut given = names
            .iter()
            .filter_map(|name| self.0.remove(&name.to_ascii_lowercase()))
            .filter(|value| !value.is_absent());
        let Some(value) = given.next() else { return Ok(None) };
        if given.any(|other| other != value) {
            return Err(ApiError::invalid(format!("{} have different values", names.join(" and "))));
        }
        T::read(value).map(Some).map_err(|refusal| ApiError::invalid(format!("{} {refusal}", names[0])))
    }
}

impl Field for String {
    fn read(value: Json) -> Result<Self, Refusal> {
        match value {
            Json::Text(text) => Ok(text),
            _ => Err("must be a string"),
        }
    }
}

impl Field for bool {
    fn read(value: Json) -> Result<Self, Refusal> {
        match value {
            Json::Bool(value) => Ok(value),
            _ => Err("must be true or false"),
        }
    }
}

/// Whole numbers come as JSON numbers or as canonical decimal strings.
impl Field for u64 {
    fn read(value: Json) -> Result<Self, Refusal> {
        const REFUSAL: Refusal = "must be a whole number from 0 to 9007199254740991";
        let number = match value {
            Json::Integer(number) => number,
            Json::Text(text) => canonical_integer(&text).ok_or(REFUSAL)?,
            _ => return Err(REFUSAL),
        };
        u64::try_from(number).ok().filter(|number| *number < 1 << 53).ok_or(REFUSAL)
    }
}

/// A whole number as [`ToString`] writes it: no sign but a minus, no leading zero, ASCII digits.
pub(super) fn canonical_integer(text: &str) -> Option<i128> {
    text.parse::<i128>().ok().filter(|number| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(body: &str) -> Fields {
        Fields::of(Json::parse(body.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn null_and_the_empty_string_are_missing() {
        for body in ["{}", r#"{"pwd":null}"#, r#"{"pwd":""}"#] {
            assert_eq!(fields(body).optional::<String>("pwd").unwrap(), None);
            let error = fields(body).required::<String>("pwd").unwrap_err();
            assert_eq!(error.detail.as_deref(), Some("pwd is required"));
        }
    }

    #[test]
    fn aliases_may_agree_but_not_contradict() {
        let names = ["pwd", "password"];
        let read = |body: &str| fields(body).required_as::<String>(&names);
        assert_eq!(read(r#"{"password":"a"}"#).unwrap(), "a");
        assert_eq!(read(r#"{"pwd":"a","PASSWORD":"a"}"#).unwrap(), "a");
        assert_eq!(read(r#"{"pwd":"a","password":""}"#).unwrap(), "a");
        assert!(read(r#"{"pwd":"a","password":"b"}"#).is_err());
    }

    #[test]
    fn integers_come_as_numbers_or_plain_decimal_strings() {
        let read = |value: &str| fields(&format!(r#"{{"n":{value}}}"#)).required::<u64>("n").ok();
        assert_eq!(read("7"), Some(7));
        assert_eq!(read("\"7\""), Some(7));
        assert_eq!(read("9007199254740991"), Some((1 << 53) - 1));
        for bad in [
            "-1",
            "-0",
            "1.5",
            "1e-400",
            "9007199254740992",
            "9223372036854775808",
            "18446744073709551616",
            "\"007\"",
            "\"0x10\"",
            "\"1e3\"",
            "\" 12\"",
            "\"+1\"",
            "\"\u{ff11}\"",
            "true",
            "[]",
            "{}",
            "[1]",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
