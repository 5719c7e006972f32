//! `GET /.well-known/jwks.json`: the public keys that verify tokens (RFC 7517), bare of any envelope.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use shared::{
    env::Env,
    error::ApiError,
    http::{Access, Ctx, Route},
};

pub(crate) const ROUTE: Route = Route::get("/.well-known/jwks.json", Access::Anonymous);

pub(crate) async fn handle(ctx: Ctx, State(env): State<Env>) -> Result<Response, ApiError> {
    // A new key is published for longer than this and an instance's own patience before it signs.
    let lifetime = HeaderValue::from_static("public, max-age=300");
    let keys = env.tokens.at(ctx.now).await?.public_keys();
    Ok(([(header::CACHE_CONTROL, lifetime)], Json(keys)).into_response())
}
