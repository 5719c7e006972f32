//! Events as an HTTP API sends them: recorded ones, and others made after them.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// A recorded event.
pub fn recorded(name: &str) -> Event {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("events").join(name).with_extension("json");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Event(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// One event.
#[derive(Clone)]
pub struct Event(pub Value);

impl Event {
    /// A request that the gateway matched to a route: the decoded values of its parameters, in their order, fill the
    /// pattern. Everything else is as in a recorded event.
    pub fn new(method: &str, pattern: &str, values: &[&str]) -> Self {
        let mut values = values.iter();
        let mut params = serde_json::Map::new();
        let segments =
            pattern.split('/').map(|segment| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                None => segment,
                Some(name) => {
                    let value = values.next().expect("a value for each parameter");
                    params.insert(name.to_owned(), json!(value));
                    value
                }
            });
        let path = segments.collect::<Vec<_>>().join("/");
        let mut event = recorded("jwks").0;
        event["routeKey"] = json!(format!("{method} {pattern}"));
        event["requestContext"]["routeKey"] = event["routeKey"].clone();
        event["rawPath"] = json!(path);
        event["requestContext"]["http"]["path"] = event["rawPath"].clone();
        event["requestContext"]["http"]["method"] = json!(method);
        event["pathParameters"] = Value::Object(params);
        Self(event)
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        let mut event = self.header("content-type", "application/json");
        event.0["body"] = json!(body.to_string());
        event
    }

    /// With bytes that are no text, which the gateway encodes.
    #[must_use]
    pub fn bytes(self, media_type: &str, bytes: &[u8]) -> Self {
        let mut event = self.header("content-type", media_type);
        event.0["body"] = json!(STANDARD.encode(bytes));
        event.0["isBase64Encoded"] = json!(true);
        event
    }

    /// With a query as it stood in the URL; the gateway joins the values of one name by commas.
    #[must_use]
    pub fn query(mut self, raw: &str) -> Self {
        let mut joined = serde_json::Map::new();
        for (name, value) in raw.split('&').map(|pair| pair.split_once('=').expect("name=value")) {
            let text = match joined.get(name).and_then(Value::as_str) {
                Some(earlier) => format!("{earlier},{value}"),
                None => value.to_owned(),
            };
            joined.insert(name.to_owned(), json!(text));
        }
        self.0["rawQueryString"] = json!(raw);
        self.0["queryStringParameters"] = Value::Object(joined);
        self
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.0["headers"][name] = json!(value);
        self
    }

    /// With a user's token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With cookies, which the gateway takes out of the headers.
    #[must_use]
    pub fn cookies(mut self, cookies: &[&str]) -> Self {
        self.0["cookies"] = json!(cookies);
        self
    }
}
