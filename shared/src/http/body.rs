//! The body of a request as a command.

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use http_body_util::BodyExt as _;

use super::{fields::Command, json::Json};
use crate::{
    env::Env,
    error::{ApiError, ErrorCode},
};

/// A JSON body, read strictly into a command. Always the last argument of a handler: everything that the head of the
/// request decides comes before it.
#[derive(Clone, Debug)]
pub struct Body<T>(pub T);

impl<T: Command> FromRequest<Env> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &Env) -> Result<Self, ApiError> {
        read(request).await?.map(Self).ok_or_else(|| ApiError::invalid("a JSON body is required"))
    }
}

/// A body that may be missing: one of zero bytes is none, whatever its media type. Otherwise it is read as [`Body`]
/// reads it. Always the last argument of a handler.
#[derive(Clone, Debug)]
pub struct OptionalBody<T>(pub Option<T>);

impl<T: Command> FromRequest<Env> for OptionalBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &Env) -> Result<Self, ApiError> {
        read(request).await.map(Self)
    }
}

async fn read<T: Command>(request: Request) -> Result<Option<T>, ApiError> {
    let (head, body) = request.into_parts();
    // The service has read and measured it already: this only takes the bytes out.
    let bytes = body.collect().await.map_err(ApiError::internal)?.to_bytes();
    if bytes.is_empty() {
        return Ok(None);
    }
    if !is_plain_json(&head.headers) {
        return Err(ErrorCode::UnsupportedMediaType.into());
    }
    T::read(Json::parse(&bytes).map_err(ApiError::invalid)?).map(Some)
}

/// Whether the headers promise JSON in UTF-8 that is not compressed.
fn is_plain_json(headers: &HeaderMap) -> bool {
    let only = |name| {
        let mut values = headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap_or("?").to_ascii_lowercase());
        if values.next().is_some() { Some("?".to_owned()) } else { value }
    };
    let encoding = only(header::CONTENT_ENCODING).unwrap_or_default();
    let content_type = only(header::CONTENT_TYPE).unwrap_or_default();
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let is_json = matches!(essence, "application/json" | "text/json")
        || essence.strip_prefix("application/").is_some_and(|subtype| subtype.len() > 5 && subtype.ends_with("+json"));
    let is_utf8 = parts
        .filter_map(|parameter| parameter.strip_prefix("charset="))
        .all(|charset| matches!(charset.trim_matches('"'), "utf-8" | "utf8"));
    matches!(encoding.trim(), "" | "identity") && is_json && is_utf8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(name: header::HeaderName, value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        headers.insert(name, value.parse().unwrap());
        is_plain_json(&headers)
    }

    #[test]
    fn json_media_types_in_utf8_are_taken() {
        for good in [
            "application/json",
            "text/json",
            "application/json-patch+json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
        ] {
            assert!(accepts(header::CONTENT_TYPE, good), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=utf-16",
            "application/+json",
            "application/jsonp",
            "image/svg+xml",
        ] {
            assert!(!accepts(header::CONTENT_TYPE, bad), "{bad}");
        }
        assert!(!is_plain_json(&HeaderMap::new()));
    }

    #[test]
    fn compressed_bodies_are_not_taken() {
        assert!(accepts(header::CONTENT_ENCODING, "identity"));
        for bad in ["gzip", "br", "deflate", "identity, gzip"] {
            assert!(!accepts(header::CONTENT_ENCODING, bad), "{bad}");
        }
    }
}
