//! `GET /api/AppUsers/{appId}/RechargePoints`: the same as `POST`, for clients that were told so, where the app lets
//! users credit themselves.

use axum::{
    extract::{FromRequestParts, State},
    http::request::Parts,
    response::{IntoResponse as _, Response},
};
use shared::{
    env::Env,
    error::ApiError,
    http::{Access, App, Caller, Ctx, Method, Query, Reply, Route, method_not_allowed},
    settings::Recharge as WhoCredits,
};

use crate::recharge::{IdempotencyKey, Recharge, recharge};

pub(crate) const ROUTE: Route = Route::get("/api/AppUsers/{appId}/RechargePoints", Access::Bearer);

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    caller: Caller,
    _there: ByQuery,
    key: IdempotencyKey,
    Query(command): Query<Recharge>,
    State(env): State<Env>,
) -> Result<Reply<bool>, ApiError> {
    recharge(&env, &ctx, &app, &caller.user, command, key).await
}

/// That the app has this method at all: one whose server credits points has not.
pub(crate) struct ByQuery;

impl FromRequestParts<Env> for ByQuery {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, env: &Env) -> Result<Self, Response> {
        let app = App::from_request_parts(parts, env).await.map_err(ApiError::into_response)?;
        match app.settings.recharge {
            WhoCredits::User => Ok(Self),
            WhoCredits::Server => Err(method_not_allowed(&[Method::Post])),
        }
    }
}
