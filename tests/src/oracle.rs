//! What holds for every answer to every request of the suite, whatever the test asks for.

use http::{HeaderMap, Method, StatusCode, header, request::Parts};
use serde_json::Value;
use shared::{error::ErrorCode, http::Family, settings::Language};

use crate::{canary::Found, client::Answer};

/// A request, as far as its answer is judged by it.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    headers: HeaderMap,
    found: Found,
}

impl Asked {
    pub(crate) fn new(head: &Parts, found: Found) -> Self {
        Self { method: head.method.clone(), path: head.uri.path().to_owned(), headers: head.headers.clone(), found }
    }
}

/// What only we know: how the service is built, and what it runs on.
const INSIDE: [&str; 17] = [
    ".cargo",
    ".rs:",
    "/home/",
    "/root",
    "/rustc/",
    "/var/task",
    "amazonaws",
    "arn:aws",
    "backtrace",
    "conditionalcheck",
    "dynamodb",
    "panicked",
    "provisionedthroughput",
    "sdkerror",
    "smithy",
    "test-",
    "validationexception",
];

/// Fails the test on an answer that nobody must ever get.
///
/// # Panics
///
/// Panics with what is wrong.
pub(crate) fn judge(asked: &Asked, answer: &Answer) {
    let faults: Vec<_> = faults(asked, answer).into_iter().collect();
    let Asked { method, path, .. } = asked;
    assert!(faults.is_empty(), "{method} {path} was answered {answer:?}: {faults:?}");
}

fn faults(asked: &Asked, answer: &Answer) -> Vec<&'static str> {
    let mut faults = Vec::new();
    let mut must = |holds: bool, otherwise: &'static str| {
        if !holds {
            faults.push(otherwise);
        }
    };
    let request_id = answer.header("x-request-id");
    let is_hex = request_id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    must(request_id.len() == 32 && is_hex, "the request id is no 32 hexadecimal digits");
    must(asked.headers.get("x-request-id") != answer.headers.get("x-request-id"), "the request id is the client's");
    must(answer.header("x-content-type-options") == "nosniff", "the media type may be guessed");
    must(!answer.status.is_redirection() && answer.header("location").is_empty(), "it redirects");
    must(!answer.headers.contains_key(header::SET_COOKIE), "it sets a cookie");
    must(answer.header("server").is_empty() && answer.header("x-powered-by").is_empty(), "it names its software");
    must(answer.header("access-control-allow-credentials").is_empty(), "pages may send cookies");

    let headers = answer.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or("?")));
    let all: String = headers.chain([answer.text.clone()]).collect::<Vec<_>>().join("\n");
    let folded = all.to_ascii_lowercase();
    must(!INSIDE.iter().any(|inside| folded.contains(inside)), "it shows what the service is made of");
    must(!asked.found.is_repeated_in(&all), "it repeats a secret");

    let is_envelope = answer.header("content-type") == "application/json; charset=utf-8";
    let is_preflight = asked.method == Method::OPTIONS && answer.status == StatusCode::NO_CONTENT;
    if is_envelope {
        must(answer.header("cache-control") == "no-store", "it may be kept");
        let fault = envelope(asked, answer);
        must(fault.is_none(), fault.unwrap_or_default());
    } else if is_preflight {
        must(answer.text.is_empty(), "a preflight has a body");
    } else {
        must(answer.status == StatusCode::OK, "a failure has no envelope");
        let is_key_set = asked.path.eq_ignore_ascii_case("/.well-known/jwks.json");
        let is_picture = asked.path.to_ascii_lowercase().starts_with("/api/wechat/");
        must(is_key_set || is_picture, "a success has no envelope");
    }
    faults
}

/// What is wrong with an envelope, if anything is.
fn envelope(asked: &Asked, answer: &Answer) -> Option<&'static str> {
    let family = Family::of_path(&asked.path);
    let (code, message, success) = match family {
        Family::V1 => ("code", "err", 200),
        Family::V2 => ("code", "error", 200),
        Family::Sns => ("status", "msg", 0),
    };
    let Value::Object(members) = &answer.body else { return Some("the envelope is no object") };
    let Some(number) = members.get(code).and_then(Value::as_u64) else { return Some("the code is no number") };
    let text = members.get(message).map(|text| text.as_str().unwrap_or("not a text"));
    if number == success {
        let is_silent = text == if family == Family::Sns { None } else { Some("") };
        let is_good = answer.status == StatusCode::OK && is_silent && !members.contains_key("reason");
        return (!is_good).then_some("a success that says that it is none");
    }
    let reason = members.get("reason").and_then(Value::as_str).unwrap_or_default();
    let listed = ErrorCode::ALL.iter().find(|listed| listed.reason() == reason);
    let messages = [Language::Zh, Language::En].map(|language| listed.map_or("?", |code| code.message(language)));
    if !messages.iter().any(|message| text.unwrap_or_default().starts_with(message)) {
        return Some("the message is not that of the reason");
    }
    let Some(listed) = listed.copied().filter(|listed| u64::from(listed.number()) == number) else {
        return Some("the reason is none of the list, or not that of the code");
    };
    if !members.get("data").is_none_or(Value::is_null) || text.is_none_or(str::is_empty) {
        return Some("a failure with data or without a message");
    }
    if members.keys().any(|name| ![code, message, "data", "reason"].contains(&name.as_str())) {
        return Some("a failure with further members");
    }
    if u64::from(answer.status.as_u16()) != status(family, listed) {
        return Some("the HTTP status is not that of the code");
    }
    let waits = matches!(listed, ErrorCode::Throttled | ErrorCode::Unavailable);
    if waits != answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0) {
        return Some("the time to wait is missing, or there is nothing to wait for");
    }
    let is_bearer = listed == ErrorCode::InvalidToken;
    (is_bearer != (answer.header("www-authenticate") == "Bearer")).then_some("the challenge is missing, or idle")
}

/// The HTTP status that goes with a refusal: its own in the 2.0 family, and in the others where the request alone or
/// the transport decides.
fn status(family: Family, code: ErrorCode) -> u64 {
    let is_real = [
        "invalid_request",
        "invalid_token",
        "invalid_bitkey",
        "route_not_found",
        "method_not_allowed",
        "body_too_large",
        "unsupported_media_type",
        "internal_error",
        "unavailable",
    ];
    if family == Family::V2 || is_real.contains(&code.reason()) { code.number().into() } else { 200 }
}
