//! The line of a request.

use std::{error::Error, net::IpAddr, time::Duration};

use http::{Method, StatusCode};

use super::{REQUEST, notes::Notes};
use crate::{error::ApiError, http::Correlation};

/// Who did what, when, from where, through which app, and what came of it. No path, no query, no body: the route's
/// pattern says enough and carries nothing personal.
#[derive(Debug)]
pub(crate) struct RequestLine<'a> {
    pub(crate) correlation: &'a Correlation,
    pub(crate) method: &'a Method,
    pub(crate) route: &'static str,
    pub(crate) app: Option<u32>,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) status: StatusCode,
    pub(crate) failure: Option<&'a ApiError>,
    pub(crate) took: Duration,
    pub(crate) notes: &'a Notes,
}

impl RequestLine<'_> {
    /// Writes it: as an error if something went wrong that the client was not told.
    pub(crate) fn write(&self) {
        let Self { correlation, notes, .. } = self;
        let cause = self.failure.and_then(|error| error.cause.as_deref()).map(describe);
        let some = |number: u64| (number > 0).then_some(number);
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: REQUEST,
                    requestId = notes.request_id,
                    gatewayRequestId = correlation.gateway,
                    lambdaRequestId = correlation.lambda,
                    method = method_name(self.method),
                    route = self.route,
                    app = self.app,
                    user = notes.user,
                    bitkey = notes.bitkey,
                    ip = self.ip.map(|ip| ip.to_string()),
                    status = self.status.as_u16(),
                    reason = self.failure.map_or("ok", |error| error.code.reason()),
                    Duration = (self.took.as_secs_f64() * 1e6).round() / 1e3,
                    PasswordHashes = some(notes.password_hashes),
                    MessagesSent = some(notes.messages_sent),
                    MessagesFailed = some(notes.messages_failed),
                    cause,
                    "request"
                )
            };
        }
        if cause.is_some() { line!(error) } else { line!(info) }
    }
}

/// The method's name; what is none of the known ones may be any text of the client's.
fn method_name(method: &Method) -> &str {
    use Method as M;
    let known = [M::GET, M::POST, M::PUT, M::DELETE, M::HEAD, M::OPTIONS, M::PATCH, M::CONNECT, M::TRACE];
    if known.contains(method) { method.as_str() } else { "other" }
}

/// An error and what caused it.
fn describe(error: &(dyn Error + Send + Sync)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
