//! One service for Lambda, the local server and the tests: from a request to an enveloped answer.

use std::{
    convert::Infallible,
    future::Future,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::{Body, HttpBody as _},
    http::{HeaderValue, Request, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::MethodRouter,
};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tower::ServiceExt as _;

use super::{
    cors,
    envelope::{Family, Outcome},
    route::{Access, Found, Method, Routes},
    scope::{ClientAddress, Scope},
};
use crate::{
    clock::Stopwatch,
    config::SIGNING_KEYS,
    env::Env,
    error::{ApiError, ErrorCode},
    log::{
        RequestLine,
        notes::{self, Notes},
    },
};

/// The longest body that is read.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// All endpoints of some groups, ready to be called.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    routes: Routes,
    handlers: Vec<MethodRouter>,
    env: Env,
}

/// Makes a service of the routes.
pub fn app(routes: Routes, env: Env) -> Service {
    let handlers = routes.handlers(&env);
    Service(Arc::new(Inner { routes, handlers, env }))
}

impl tower::Service<Request<Body>> for Service {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { Ok(inner.respond(request).await) })
    }
}

impl Inner {
    async fn respond(&self, request: Request<Body>) -> Response {
        let stopwatch = Stopwatch::start();
        let method = request.method().clone();
        let origin = request.headers().get(header::ORIGIN).cloned();
        let client = request.extensions().get().copied().unwrap_or(ClientAddress::UNKNOWN);
        let correlation = request.extensions().get().cloned().unwrap_or_default();
        let (found, params) = match self.routes.find(&method, request.uri().path()) {
            Found::Endpoint(number, params) => (Ok(number), params),
            Found::OtherMethods(methods, params) => (Err(methods), params),
            Found::Nothing => (Err(Vec::new()), Vec::new()),
        };
        let family = Family::of_path(request.uri().path());
        let scope = Arc::new(Scope::new(self.env.clone(), family, params, client));
        let is_preflight = method == http::Method::OPTIONS && family != Family::Sns && scope.has_tenant();

        let mut notes = Notes::of(&scope.request_id);
        let (pattern, mut response) = match found {
            Err(_) if is_preflight => ("preflight", StatusCode::NO_CONTENT.into_response()),
            Err(methods) if methods.is_empty() => ("unknown", ApiError::new(ErrorCode::RouteNotFound).into_response()),
            Err(methods) => ("unknown", method_not_allowed(&methods)),
            Ok(number) => {
                // Pinned where it is made, as below: a future that is handed over is copied.
                let called = pin!(self.call(number, request, &scope));
                let response;
                (response, notes) = notes::taken(notes, called).await;
                (self.routes.route(number).path, response)
            }
        };
        let outcome = response.extensions_mut().remove::<Outcome>();
        if let Some(outcome) = &outcome {
            response = envelope(response, outcome, &scope);
        } else if response.status().is_success() && !is_preflight {
            // Bare answers bring their own media type and lifetime.
        } else if !is_preflight {
            response.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
        }
        let headers = response.headers_mut();
        headers.extend(cors::answer_headers(&scope, origin.as_ref()).await);
        if is_preflight {
            cors::preflight_headers(headers);
        }
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Ok(id) = HeaderValue::from_str(&scope.request_id) {
            headers.insert("x-request-id", id);
        }
        let failure = match &outcome {
            Some(Outcome::Failure(error)) => Some(error.as_ref()),
            Some(Outcome::Success(_)) | None => None,
        };
        let line = RequestLine {
            correlation: &correlation,
            method: &method,
            route: pattern,
            app: scope.app_id(),
            ip: (client != ClientAddress::UNKNOWN).then_some(client.0),
            status: response.status(),
            failure,
            took: stopwatch.elapsed(),
            notes: &notes,
        };
        line.write();
        response
    }

    async fn call(&self, number: usize, request: Request<Body>, scope: &Arc<Scope>) -> Response {
        let (mut head, body) = request.into_parts();
        let body = match read(body).await {
            Ok(body) => body,
            Err(error) => return error.into_response(),
        };
        // Before anything is changed: what has had its effect must not fail for want of a key.
        if self.wants_keys(number)
            && let Err(error) = scope.env.tokens.at(scope.now).await
        {
            return error.into_response();
        }
        head.extensions.insert(Arc::clone(scope));
        let handled = pin!(self.handlers[number].clone().oneshot(Request::from_parts(head, Body::from(body))));
        // A bug in one request must not end the instance, which serves the next one.
        let mut response = match AssertUnwindSafe(handled).catch_unwind().await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                ApiError::internal(format!("panicked: {}", text.unwrap_or_default())).into_response()
            }
        };
        let is_refused_bearer = matches!(
            response.extensions().get(),
            Some(Outcome::Failure(error)) if error.code == ErrorCode::InvalidToken
        );
        if is_refused_bearer && self.routes.route(number).access == Access::Bearer {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    fn wants_keys(&self, number: usize) -> bool {
        self.routes.route(number).access == Access::Bearer || self.routes.needed().contains(&SIGNING_KEYS)
    }
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Reads a body up to the limit. An announced length that is too long is not waited for; a short one is not trusted.
async fn read(body: Body) -> Result<Bytes, ApiError> {
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(ErrorCode::BodyTooLarge.into());
    }
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ErrorCode::BodyTooLarge.into()),
        Err(_) => Err(ApiError::invalid("the body ended early")),
    }
}

/// The refusal of a method, with those that the endpoint takes.
pub fn method_not_allowed(methods: &[Method]) -> Response {
    let mut response = ApiError::new(ErrorCode::MethodNotAllowed).into_response();
    let names: Vec<_> = methods.iter().map(|method| method.as_str()).collect();
    if let Ok(allow) = HeaderValue::from_str(&names.join(", ")) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// Writes the outcome into the family's envelope, keeping the headers that the endpoint set.
fn envelope(response: Response, outcome: &Outcome, scope: &Scope) -> Response {
    let (status, body) = scope.family.write(outcome, scope.language());
    let (mut head, _) = response.into_parts();
    head.status = status;
    let headers = &mut head.headers;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.remove(header::CONTENT_LENGTH);
    if let Outcome::Failure(error) = outcome
        && let Some(seconds) = error.retry_after
    {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Response::from_parts(head, Body::from(body))
}
