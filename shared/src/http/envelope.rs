//! The three families' envelopes: the only place where an outcome becomes bytes.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use crate::{
    error::{ApiError, ErrorCode},
    settings::Language,
};

/// Which of the existing systems an endpoint answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `AppUsers` and `OAuth`: failures are HTTP 200 with another code.
    V1,
    /// `ExternalAccount` and `User`: the HTTP status is the code.
    V2,
    /// Licence codes: a status, and HTTP 200 for failures.
    Sns,
}

impl Family {
    /// The family of a path; one that belongs to none counts as v1.
    pub fn of_path(path: &str) -> Self {
        let mut segments = path.split('/').skip(1);
        let mut next_is = |literal: &str| segments.next().is_some_and(|segment| segment.eq_ignore_ascii_case(literal));
        if next_is("bitanswer") {
            return if next_is("api") && next_is("sns") { Self::Sns } else { Self::V1 };
        }
        match path.split('/').nth(1).map(str::to_ascii_lowercase).as_deref() {
            Some("sns") => Self::Sns,
            Some("externalaccount" | "user") => Self::V2,
            _ => Self::V1,
        }
    }

    /// The HTTP status of a failure. What the request alone decides, and what says something about the transport,
    /// has its real one in every family.
    fn status(self, code: ErrorCode) -> StatusCode {
        use ErrorCode as E;
        let is_real = matches!(
            code,
            E::InvalidRequest
                | E::InvalidToken
                | E::InvalidBitkey
                | E::RouteNotFound
                | E::MethodNotAllowed
                | E::BodyTooLarge
                | E::UnsupportedMediaType
                | E::InternalError
                | E::Unavailable
        );
        if is_real || self == Self::V2 {
            StatusCode::from_u16(code.number()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        } else {
            StatusCode::OK
        }
    }

    /// The status and the body of an outcome.
    pub(super) fn write(self, outcome: &Outcome, language: Language) -> (StatusCode, String) {
        match outcome {
            Outcome::Success(success) => (StatusCode::OK, self.success(success)),
            Outcome::Failure(error) => (self.status(error.code), self.failure(error, language)),
        }
    }

    fn success(self, success: &Success) -> String {
        let data = success.data.get();
        let beside = success
            .beside
            .iter()
            .fold(String::new(), |text, (name, value)| format!("{text},{}:{value}", Value::from(*name)));
        match self {
            Self::V1 => format!(r#"{{"code":200,"data":{data},"err":""{beside}}}"#),
            Self::V2 => format!(r#"{{"code":200,"data":{data},"error":""{beside}}}"#),
            Self::Sns => format!(r#"{{"status":0,"data":{data}{beside}}}"#),
        }
    }

    fn failure(self, error: &ApiError, language: Language) -> String {
        let mut message = error.code.message(language).to_owned();
        if let Some(detail) = &error.detail {
            message.push_str(": ");
            message.push_str(detail);
        }
        let (code, reason, message) = (error.code.number(), error.code.reason(), Value::from(message));
        match self {
            Self::V1 => format!(r#"{{"code":{code},"data":null,"err":{message},"reason":"{reason}"}}"#),
            Self::V2 => format!(r#"{{"code":{code},"data":null,"error":{message},"reason":"{reason}"}}"#),
            Self::Sns => format!(r#"{{"status":{code},"msg":{message},"reason":"{reason}"}}"#),
        }
    }
}

/// What an endpoint came to; travels from the handler to the envelope beside an empty response.
#[derive(Clone)]
pub(super) enum Outcome {
    Success(Success),
    Failure(Arc<ApiError>),
}

#[derive(Clone)]
pub(super) struct Success {
    data: Arc<RawValue>,
    beside: Vec<(&'static str, Value)>,
}

/// A successful answer: the envelope's `data`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply<T> {
    data: T,
    beside: Vec<(&'static str, Value)>,
}

impl<T: Serialize> Reply<T> {
    /// Answers with this data.
    pub const fn ok(data: T) -> Self {
        Self { data, beside: Vec::new() }
    }

    /// A further member of the envelope, beside `data`.
    #[must_use]
    pub fn beside(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.beside.push((name, value.into()));
        self
    }
}

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        match serde_json::value::to_raw_value(&self.data) {
            Ok(data) => Outcome::Success(Success { data: data.into(), beside: self.beside }).into_response(),
            Err(error) => ApiError::internal(error).into_response(),
        }
    }
}

impl IntoResponse for Outcome {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        Outcome::Failure(Arc::new(self)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(family: Family, response: &Response) -> (u16, String) {
        let outcome = response.extensions().get::<Outcome>().unwrap();
        let (status, body) = family.write(outcome, Language::Zh);
        (status.as_u16(), body)
    }

    #[test]
    fn each_family_has_its_success() {
        let reply = Reply::ok(true).into_response();
        assert_eq!(written(Family::V1, &reply), (200, r#"{"code":200,"data":true,"err":""}"#.to_owned()));
        assert_eq!(written(Family::V2, &reply), (200, r#"{"code":200,"data":true,"error":""}"#.to_owned()));
        assert_eq!(written(Family::Sns, &reply), (200, r#"{"status":0,"data":true}"#.to_owned()));
        let reply = Reply::ok(1).beside("pollSecret", "s").into_response();
        assert_eq!(written(Family::V1, &reply).1, r#"{"code":200,"data":1,"err":"","pollSecret":"s"}"#);
    }

    #[test]
    fn each_family_has_its_failure() {
        let error = ApiError::new(ErrorCode::AccountExists).into_response();
        assert_eq!(
            written(Family::V1, &error),
            (200, r#"{"code":409,"data":null,"err":"账号已存在","reason":"account_exists"}"#.to_owned())
        );
        assert_eq!(
            written(Family::V2, &error),
            (409, r#"{"code":409,"data":null,"error":"账号已存在","reason":"account_exists"}"#.to_owned())
        );
        assert_eq!(
            written(Family::Sns, &error),
            (200, r#"{"status":409,"msg":"账号已存在","reason":"account_exists"}"#.to_owned())
        );
    }

    #[test]
    fn bad_requests_and_transport_failures_keep_their_status_in_every_family() {
        for family in [Family::V1, Family::V2, Family::Sns] {
            assert_eq!(written(family, &ApiError::invalid("userName is required").into_response()).0, 400);
            assert_eq!(written(family, &ApiError::new(ErrorCode::InvalidToken).into_response()).0, 401);
            assert_eq!(written(family, &ApiError::new(ErrorCode::Unavailable).into_response()).0, 503);
        }
        assert_eq!(written(Family::V1, &ApiError::throttled(3).into_response()).0, 200);
        assert_eq!(written(Family::V1, &ApiError::new(ErrorCode::InvalidCode).into_response()).0, 200);
    }

    #[test]
    fn paths_belong_to_families_in_any_letter_case() {
        for (path, family) in [
            ("/api/AppUsers/2/SignIn", Family::V1),
            ("/ExternalAccount/x", Family::V2),
            ("/USER/x/TwoFactorAuth", Family::V2),
            ("/sns/x/users", Family::Sns),
            ("/BitAnswer/api/SNS/x/users", Family::Sns),
            ("/bitanswer/other", Family::V1),
            ("/", Family::V1),
            ("/Users", Family::V1),
        ] {
            assert_eq!(Family::of_path(path), family, "{path}");
        }
    }
}
