//! A query that names the scheme and nothing else.

use shared::{
    error::ApiError,
    http::{Command, Fields, Json},
    text::Scheme,
};

/// The scheme was named or left out; there is nothing to choose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SchemeOnly;

impl Command for SchemeOnly {
    fn read(query: Json) -> Result<Self, ApiError> {
        Fields::of(query)?.optional::<Scheme>("scheme").map(|_| Self)
    }
}
