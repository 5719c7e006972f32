//! `GET /_local/outbox?to=ADDRESS`: the messages that were sent, oldest first, as a bare JSON array.

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use shared::{
    env::Env,
    messages::{Outbox, Sent},
};

/// The route, if messages stay on this computer.
pub(crate) fn router(env: &Env) -> Router {
    match env.messages.outbox() {
        Some(outbox) => Router::new().route("/_local/outbox", get(read).with_state(outbox.clone())),
        None => Router::new(),
    }
}

async fn read(State(outbox): State<Outbox>, RawQuery(query): RawQuery) -> Response {
    let messages: Vec<Sent> = outbox.read(recipient(query.as_deref().unwrap_or_default()).as_deref());
    let headers: [(HeaderName, HeaderValue); 1] = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (headers, Json(messages)).into_response()
}

/// The parameter `to`. Its plus sign may come as it is: nobody's address has a space.
fn recipient(query: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("to="))?;
    let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned();
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recipient_is_decoded_and_keeps_its_plus() {
        assert_eq!(recipient("to=%2B14155550123").as_deref(), Some("+14155550123"));
        assert_eq!(recipient("x=1&to=+14155550123").as_deref(), Some("+14155550123"));
        assert_eq!(recipient("to=a%2Bb%40example.com").as_deref(), Some("a+b@example.com"));
        assert_eq!(recipient("to="), None);
        assert_eq!(recipient(""), None);
    }
}
