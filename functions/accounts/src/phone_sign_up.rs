//! `POST /api/AppUsers/{appId}/PhoneSignUp`: a new account for a phone that a code proves.

use axum::extract::State;
use shared::{
    contact::Channel,
    env::Env,
    error::ApiError,
    http::{Access, App, Body, Command, Ctx, Json, Reply, Route},
    jwt::TokenResponse,
};

use crate::code_sign_up::CodeSignUp;

pub(crate) const ROUTE: Route = Route::post("/api/AppUsers/{appId}/PhoneSignUp", Access::Anonymous);

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    State(env): State<Env>,
    Body(PhoneSignUp(sign_up)): Body<PhoneSignUp>,
) -> Result<Reply<TokenResponse>, ApiError> {
    sign_up.carry_out(&env, &ctx, &app).await
}

#[derive(Debug)]
pub(crate) struct PhoneSignUp(CodeSignUp);

impl Command for PhoneSignUp {
    fn read(body: Json) -> Result<Self, ApiError> {
        CodeSignUp::read(body, Channel::Sms).map(Self)
    }
}
