//! The query parameter `scheme`, which has one value.

use shared::{
    error::ApiError,
    http::{Command, Field, Fields, Json, Refusal},
};

/// `app`, the only scheme there is, and the one that is meant when none is named.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scheme;

impl Scheme {
    pub(crate) fn read_from(fields: &mut Fields) -> Result<Self, ApiError> {
        Ok(fields.optional("scheme")?.unwrap_or(Self))
    }
}

impl Field for Scheme {
    fn read(value: Json) -> Result<Self, Refusal> {
        if value == Json::Text("app".to_owned()) { Ok(Self) } else { Err("must be app") }
    }
}

/// A query that says nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SchemeOnly;

impl Command for SchemeOnly {
    fn read(query: Json) -> Result<Self, ApiError> {
        Scheme::read_from(&mut Fields::of(query)?).map(|Scheme| Self)
    }
}
