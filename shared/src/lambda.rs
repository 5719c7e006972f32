//! The same service behind the Lambda runtime.

use axum::body::Body;
use http::{Request, Uri};
use lambda_http::{RequestExt as _, request::RequestContext};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tower::ServiceExt as _;

use crate::{
    config,
    http::{ClientAddress, Routes, app},
};

pub use lambda_http::Error;

/// Serves the routes until the environment ends. Fails to start, with the reason in the log, when something that the
/// function needs is missing.
pub async fn serve(routes: Routes) -> Result<(), Error> {
    lambda_http::tracing::init_default_subscriber();
    let env = match config::load(routes.needed()).await {
        Ok(env) => env,
        Err(error) => {
            tracing::error!(%error, "the function cannot start");
            return Err(error.into());
        }
    };
    let service = app(routes, env);
    lambda_http::run(lambda_http::service_fn(move |request: lambda_http::Request| {
        let service = service.clone();
        async move { service.oneshot(from_gateway(request)).await }
    }))
    .await
}

/// Everything but what a path segment may hold as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A gateway's event as the request that the client sent.
fn from_gateway(request: lambda_http::Request) -> Request<Body> {
    let path = original_path(&request);
    let source = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref().and_then(|ip| ip.parse().ok()),
        _ => None,
    };
    let (mut head, body) = request.into_parts();
    if let Some(path) = path {
        let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(uri) = Uri::try_from(path + &query) {
            head.uri = uri;
        }
    }
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
