//! Cross-origin calls: each app names the origins whose pages may call for it.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{envelope::Family, scope::Scope};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, DELETE");
/// An app's secret is not among them: it has no place in a browser.
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, accept-language, idempotency-key");
const EXPOSED: HeaderValue = HeaderValue::from_static("retry-after, x-request-id");
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The headers of an answer to this origin.
pub(super) async fn answer_headers(scope: &Scope, origin: Option<&HeaderValue>) -> Vec<(HeaderName, HeaderValue)> {
    if scope.family == Family::Sns || !scope.has_tenant() {
        return Vec::new();
    }
    let mut headers = vec![(header::VARY, HeaderValue::from_static("Origin"))];
    if let Some(origin) = allowed(scope, origin).await {
        headers.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin));
        headers.push((header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED));
    }
    headers
}

/// The headers of the answer to a preflight, beside those of every answer.
pub(super) fn preflight_headers(headers: &mut HeaderMap) {
    if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.remove(header::ACCESS_CONTROL_EXPOSE_HEADERS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
}

async fn allowed(scope: &Scope, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
    let origin = origin?;
    let text = origin.to_str().ok()?;
    // When the app cannot be read the answer is an error anyway, and stays unreadable for the page.
    let app = scope.app().await.ok()?;
    app.allows_origin(text).then(|| origin.clone())
}
