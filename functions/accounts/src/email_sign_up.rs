//! `POST /api/AppUsers/{appId}/EmailSignUp`: a new account for a mailbox that a code proves.

use axum::extract::State;
use shared::{
    contact::Channel,
    env::Env,
    error::ApiError,
    http::{Access, App, Body, Command, Ctx, Json, Reply, Route},
    jwt::TokenResponse,
};

use crate::code_sign_up::CodeSignUp;

pub(crate) const ROUTE: Route = Route::post("/api/AppUsers/{appId}/EmailSignUp", Access::Anonymous);

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    State(env): State<Env>,
    Body(EmailSignUp(sign_up)): Body<EmailSignUp>,
) -> Result<Reply<TokenResponse>, ApiError> {
    sign_up.carry_out(&env, &ctx, &app).await
}

#[derive(Debug)]
pub(crate) struct EmailSignUp(CodeSignUp);

impl Command for EmailSignUp {
    fn read(body: Json) -> Result<Self, ApiError> {
        CodeSignUp::read(body, Channel::Email).map(Self)
    }
}
