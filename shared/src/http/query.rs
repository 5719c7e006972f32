//! The query of a request as a command, by the same rules as a JSON body.

use std::collections::BTreeMap;

use axum::{extract::FromRequestParts, http::request::Parts};
use percent_encoding::percent_decode_str;

use super::{fields::Command, json::Json};
use crate::{env::Env, error::ApiError};

/// A form-urlencoded query, read strictly into a command. Every value is a text; whole numbers are their plain decimal
/// form. Empty values are missing, and so are the words that scripts write for values that they do not have.
#[derive(Clone, Debug)]
pub struct Query<T>(pub T);

impl<T: Command> FromRequestParts<Env> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Env) -> Result<Self, ApiError> {
        T::read(parse(parts.uri.query().unwrap_or_default())?).map(Self)
    }
}

/// The query as an object with folded keys; a key that stands twice is an error.
fn parse(query: &str) -> Result<Json, ApiError> {
    let mut object = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let mut key = decode(key)?;
        key.make_ascii_lowercase();
        let value = decode(value)?;
        let value = if matches!(value.as_str(), "" | "undefined" | "null") { Json::Null } else { Json::Text(value) };
        if object.insert(key, value).is_some() {
            return Err(ApiError::invalid("a query parameter is given twice"));
        }
    }
    Ok(Json::Object(object))
}

fn decode(text: &str) -> Result<String, ApiError> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(String::from).map_err(|_| ApiError::invalid("the query is not valid UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Fields;

    fn fields(query: &str) -> Fields {
        Fields::of(parse(query).unwrap()).unwrap()
    }

    #[test]
    fn empty_values_and_what_scripts_write_for_them_are_missing() {
        for query in ["", "type=", "type", "type=undefined", "type=null", "&&", "type=%6eull"] {
            assert_eq!(fields(query).optional::<u64>("type").unwrap(), None, "{query}");
        }
        assert_eq!(fields("remark=nullable").optional::<String>("remark").unwrap().as_deref(), Some("nullable"));
    }

    #[test]
    fn keys_are_folded_and_values_decoded_once() {
        let mut fields = fields("Remark=a+b%2Bc%2541&n=7&%54ype=2");
        assert_eq!(fields.required::<String>("remark").unwrap(), "a b+c%41");
        assert_eq!(fields.required::<u64>("n").unwrap(), 7);
        assert_eq!(fields.required::<u64>("type").unwrap(), 2);
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for bad in ["a=1&a=1", "a=1&A=2", "a=&a=1", "a=%ff", "%c0%af=1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        for bad in ["n=1e3", "n=007", "n=-1", "n=1.0", "n=+1", "n=%EF%BC%91", "n=9007199254740992"] {
            assert!(fields(bad).optional::<u64>("n").is_err(), "{bad}");
        }
    }
}
