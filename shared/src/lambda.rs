//! The same service behind the Lambda runtime.

use std::{convert::Infallible, pin::Pin, process::ExitCode};

use axum::body::Body;
use http::{Request, Response, Uri, header::CONTENT_TYPE};
use http_body_util::BodyExt as _;
use lambda_http::{IntoResponse, RequestExt as _, request::RequestContext};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tower::ServiceExt as _;

use crate::{
    config::{self, LogConfig},
    http::{ClientAddress, Correlation, Routes, Service, app},
    log,
};

/// Serves the routes until the environment ends. Fails to start, with the reason in the log, when something that the
/// function needs is missing.
pub async fn serve(routes: Routes) -> ExitCode {
    log::init(LogConfig::of_environment());
    let env = match config::load(routes.needed()).await {
        Ok(env) => env,
        Err(error) => {
            tracing::error!(%error, "the function cannot start");
            return ExitCode::FAILURE;
        }
    };
    let service = app(routes, env);
    let handler = move |request| {
        let service = service.clone();
        async move { answer(service, request).await.map(Whole) }
    };
    match lambda_http::run(lambda_http::service_fn(handler)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the runtime failed");
            ExitCode::FAILURE
        }
    }
}

/// Answers one event of a gateway.
pub async fn answer(service: Service, request: lambda_http::Request) -> Result<Response<Body>, Infallible> {
    service.oneshot(from_gateway(request)).await
}

/// An answer that the gateway gets in one piece: text is UTF-8, and all else bytes. `lambda_http` by itself knows every
/// character set of the web, which is hundreds of kilobytes of tables.
struct Whole(Response<Body>);

impl IntoResponse for Whole {
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<lambda_http::Body>> + Send>> {
        Box::pin(async move {
            let (head, body) = self.0.into_parts();
            let bytes = body.collect().await.unwrap_or_else(|error| unreachable!("a body in memory: {error}"));
            let kind = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("text/");
            let is_text = ["text/", "application/json"].iter().any(|text| kind.starts_with(text));
            let body = match String::from_utf8(bytes.to_bytes().into()) {
                Ok(text) if is_text => lambda_http::Body::Text(text),
                Ok(text) => lambda_http::Body::Binary(text.into_bytes()),
                Err(error) => lambda_http::Body::Binary(error.into_bytes()),
            };
            Response::from_parts(head, body)
        })
    }
}

/// Everything but what a path segment may hold as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A gateway's event as the request that the client sent.
fn from_gateway(request: lambda_http::Request) -> Request<Body> {
    let path = original_path(&request);
    let mut correlation =
        Correlation { lambda: request.lambda_context_ref().map(|it| it.request_id.clone()), ..Correlation::default() };
    let mut source = None;
    if let Some(RequestContext::ApiGatewayV2(context)) = request.request_context_ref() {
        source = context.http.source_ip.as_deref().and_then(|ip| ip.parse().ok());
        correlation.gateway.clone_from(&context.request_id);
    }
    let (mut head, body) = request.into_parts();
    if let Some(path) = path {
        let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(uri) = Uri::try_from(path + &query) {
            head.uri = uri;
        }
    }
    head.extensions.insert(correlation);
    if let Some(address) = source {
        head.extensions.insert(ClientAddress(address));
    }
    let body = match body {
        lambda_http::Body::Text(text) => Body::from(text),
        lambda_http::Body::Binary(bytes) => Body::from(bytes),
        _ => Body::empty(),
    };
    Request::from_parts(head, body)
}

/// The path from the matched route and its parameters: the gateway decodes the path that it hands over, so that a
/// `/` or `%` within a parameter can no longer be told from one between them.
fn original_path(request: &lambda_http::Request) -> Option<String> {
    let Some(RequestContext::ApiGatewayV2(context)) = request.request_context_ref() else { return None };
    let (_, pattern) = context.route_key.as_deref()?.split_once(' ')?;
    let params = request.path_parameters_ref()?;
    let segments = pattern.split('/').map(|segment| {
        let name = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
        match name.and_then(|name| params.first(name)) {
            Some(value) => utf8_percent_encode(value, SEGMENT).to_string(),
            None => segment.to_owned(),
        }
    });
    Some(segments.collect::<Vec<_>>().join("/"))
}
