//! `GET /.well-known/jwks.json`: the public keys that verify tokens (RFC 7517), bare of any envelope.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use shared::{
    env::Env,
    http::{Access, Route},
};

pub(crate) const ROUTE: Route = Route::get("/.well-known/jwks.json", Access::Anonymous);

pub(crate) async fn handle(State(env): State<Env>) -> Response {
    let lifetime = HeaderValue::from_static("public, max-age=300");
    ([(header::CACHE_CONTROL, lifetime)], Json(env.tokens.public_keys())).into_response()
}
