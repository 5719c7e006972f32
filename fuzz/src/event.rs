//! F-01: events of the gateway. The input is an HTTP request as text, handed over as the gateway would: the path
//! decoded, the route and its parameters beside it. An input that begins with `{` is an event by itself.

use axum::body::Body;
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use tests::{World, world::routes};

pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let event = if text.starts_with('{') { Some(text.into_owned()) } else { event(&text) };
    let Some(Ok(request)) = event.map(|event| lambda_http::request::from_str(&event)) else { return };
    crate::wait_for(async {
        let world = World::new().await;
        let answered = shared::lambda::answer(world.service.clone(), request).await;
        check(answered.unwrap_or_else(|never| match never {})).await;
    });
}

async fn check(answer: Response<Body>) {
    let (head, body) = answer.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    assert!(!head.status.is_server_error(), "{} {}", head.status, String::from_utf8_lossy(&body));
    assert_eq!(head.headers["x-content-type-options"], "nosniff");
    let media_type = head.headers.get("content-type").map(|it| it.to_str().expect("ASCII")).unwrap_or_default();
    if media_type.starts_with("application/json") {
        let envelope: Value = serde_json::from_slice(&body).expect("JSON");
        assert!(envelope.is_object());
    } else {
        let is_bare = head.status == StatusCode::NO_CONTENT || media_type.starts_with("image/svg+xml");
        assert!(is_bare, "{} {media_type}", head.status);
    }
}

/// The event of a request; none where the gateway would not make one.
fn event(text: &str) -> Option<String> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = Map::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        // The gateway takes no others.
        if http::HeaderName::from_bytes(name.as_bytes()).is_ok() && value.bytes().all(|b| (b' '..0x7f).contains(&b)) {
            headers.insert(name, json!(value));
        }
    }
    if !path.starts_with('/') || !target.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let route = Method::from_bytes(method.as_bytes()).ok().and_then(|method| routes().reaches(&method, path));
    let params: Map<_, _> = route.iter().flat_map(|route| parameters(route.path, path)).collect();
    let route_key = route.map_or("$default".to_owned(), |route| format!("{method} {}", route.path));
    let event = json!({
        "version": "2.0", "routeKey": route_key, "rawPath": decoded, "rawQueryString": query, "headers": headers,
        "requestContext": {
            "http": {"method": method, "path": decoded, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": ""},
            "requestId": "Ue01hgzsSQ0EJaQ=", "routeKey": route_key, "stage": "$default", "timeEpoch": 1_795_417_081_000_u64,
        },
        "pathParameters": params, "body": body, "isBase64Encoded": false,
    });
    Some(event.to_string())
}

fn parameters(pattern: &'static str, path: &str) -> Vec<(String, Value)> {
    let names = pattern.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let prefix = if path.to_ascii_lowercase().starts_with("/bitanswer/api") { 2 } else { 0 };
    let values = pattern.split('/').zip(path.split('/').enumerate().filter(|(at, _)| *at == 0 || *at > prefix));
    let values = values.filter(|(segment, _)| segment.starts_with('{')).map(|(_, (_, value))| value);
    let decoded = |value| percent_decode_str(value).decode_utf8_lossy().into_owned();
    names.map(str::to_owned).zip(values.map(|value| json!(decoded(value)))).collect()
}
