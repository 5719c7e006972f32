//! Somebody who calls the service over HTTP, and what they get back.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use shared::http::{ClientAddress, Service};
use tower::ServiceExt as _;

use crate::{
    canary::{Found, Watch},
    oracle, rights,
};

/// Real time, for what is measured.
#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// An answer with its body read.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub text: String,
    /// The body as JSON; null when it is none.
    pub body: Value,
    /// How long the service took, the engine's time included.
    pub took: Duration,
}

impl Answer {
    /// The envelope's `code`, or its `status` in the licence family.
    pub fn code(&self) -> i64 {
        self.body["code"].as_i64().or(self.body["status"].as_i64()).unwrap_or(-1)
    }

    /// The envelope's `reason`.
    pub fn reason(&self) -> &str {
        self.body["reason"].as_str().unwrap_or_default()
    }

    /// The data of a success; fails the test on anything else.
    #[track_caller]
    pub fn data(&self) -> &Value {
        assert_eq!((self.status, self.code()), (StatusCode::OK, 200), "{}", self.text);
        &self.body["data"]
    }

    /// The token of a successful sign-in or sign-up.
    #[track_caller]
    pub fn token(&self) -> String {
        self.data()["access_token"].as_str().expect("a token").to_owned()
    }

    /// Fails the test unless the answer is this refusal.
    #[track_caller]
    pub fn refused(&self, status: u16, code: i64, reason: &str) {
        assert_eq!((self.status.as_u16(), self.code(), self.reason()), (status, code, reason), "{}", self.text);
        assert!(self.body["data"].is_null(), "{}", self.text);
    }

    /// A header's value, empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// What the answer says, without what differs from request to request.
    pub fn essence(&self) -> (StatusCode, Vec<(String, String)>, String) {
        let mut headers: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, _)| *name != "x-request-id")
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect();
        headers.sort();
        (self.status, headers, self.text.clone())
    }
}

/// Calls the service.
#[derive(Clone)]
pub struct Client {
    service: Service,
    watch: Arc<Watch>,
    address: IpAddr,
    headers: HeaderMap,
}

impl Client {
    /// A client with a common address; what it sends and gets is watched.
    pub fn new(service: Service, watch: Arc<Watch>) -> Self {
        Self { service, watch, address: IpAddr::from([192, 0, 2, 1]), headers: HeaderMap::new() }
    }

    /// The same from another address.
    #[must_use]
    pub fn from(mut self, address: &str) -> Self {
        self.address = address.parse().expect("an address");
        self
    }

    /// The same with a further header on every request.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, value.parse().expect("a header"));
        self
    }

    /// The same with all of these.
    #[must_use]
    pub fn with_all(mut self, headers: &HeaderMap) -> Self {
        self.headers.extend(headers.clone());
        self
    }

    /// The same with a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// `GET`
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, Vec::new()).await
    }

    /// `POST` with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some("application/json"), body.to_string().into_bytes()).await
    }

    /// `PUT` with a JSON body.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some("application/json"), body.to_string().into_bytes()).await
    }

    /// `DELETE`
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None, Vec::new()).await
    }

    /// Any method, any media type, any bytes.
    pub async fn send(&self, method: Method, path: &str, media_type: Option<&str>, body: Vec<u8>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(media_type) = media_type {
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        let mut request = request.body(()).expect("a request");
        request.headers_mut().extend(self.headers.clone());
        request.extensions_mut().insert(ClientAddress(self.address));
        let (head, ()) = request.into_parts();
        let secrets = Found::in_request(&head.headers, head.uri.query(), &body);
        self.watch.sent(&secrets);
        let asked = oracle::Asked::new(&head, secrets);
        let request = Request::from_parts(head, Body::from(body));
        let asked_at = now();
        let served = rights::serving(&asked.method, &asked.path, self.service.clone().oneshot(request));
        let served = self.watch.serving(served).await;
        let (head, body) = served.unwrap_or_else(|never| match never {}).into_parts();
        let took = asked_at.elapsed();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let answer = Answer { status: head.status, headers: head.headers, text, body, took };
        self.watch.answered(&answer.body);
        oracle::judge(&asked, &answer);
        answer
    }

    /// Signs somebody up with a user name, and returns the token.
    pub async fn sign_up(&self, app: u32, user_name: &str, password: &str) -> String {
        let body = json!({"userName": user_name, "pwd": password});
        self.post(&format!("/api/AppUsers/{app}/SignUp"), body).await.token()
    }
}

/// What a token says, whoever signed it.
#[track_caller]
pub fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).expect("a token has three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64url")).expect("JSON")
}
