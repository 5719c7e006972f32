//! `POST /api/AppUsers/{appId}/EmailSignIn`: a token for a mailbox that a code proves.

use axum::extract::State;
use shared::{
    contact::{Address, Email},
    env::Env,
    error::ApiError,
    http::{Access, App, Body, Command, Ctx, Fields, Json, Reply, Route},
    jwt::{GrantType, TokenResponse},
    secret::VerificationCode,
    sign_in::{self, SecondFactor},
};

pub(crate) const ROUTE: Route = Route::post("/api/AppUsers/{appId}/EmailSignIn", Access::Anonymous);

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    State(env): State<Env>,
    Body(command): Body<EmailSignIn>,
) -> Result<Reply<TokenResponse>, ApiError> {
    let address = Address::Email(command.email);
    let admitted = sign_in::by_code(&env, &ctx, &app, &address, &command.code, &command.second_factor).await?;
    sign_in::token(&env, &ctx, &app, &admitted, GrantType::Email).await.map(Reply::ok)
}

#[derive(Debug)]
pub(crate) struct EmailSignIn {
    email: Email,
    code: VerificationCode,
    second_factor: SecondFactor,
}

impl Command for EmailSignIn {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        Ok(Self {
            email: fields.required("email")?,
            code: fields.required_as(&["verifyCode", "emailCode", "code"])?,
            second_factor: SecondFactor::read(&mut fields)?,
        })
    }
}
