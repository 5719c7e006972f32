//! `POST /api/AppUsers/{appId}/PhoneSignIn`: a token for a phone that a code proves.

use axum::extract::State;
use shared::{
    contact::{Address, Phone},
    env::Env,
    error::ApiError,
    http::{Access, App, Body, Command, Ctx, Fields, Json, Reply, Route},
    jwt::{GrantType, TokenResponse},
    secret::VerificationCode,
    sign_in::{self, SecondFactor},
};

pub(crate) const ROUTE: Route = Route::post("/api/AppUsers/{appId}/PhoneSignIn", Access::Anonymous);

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    State(env): State<Env>,
    Body(command): Body<PhoneSignIn>,
) -> Result<Reply<TokenResponse>, ApiError> {
    let address = Address::Phone(command.phone);
    let admitted = sign_in::by_code(&env, &ctx, &app, &address, &command.code, &command.second_factor).await?;
    sign_in::token(&env, &ctx, &app, &admitted, GrantType::Phone).await.map(Reply::ok)
}

#[derive(Debug)]
pub(crate) struct PhoneSignIn {
    phone: Phone,
    code: VerificationCode,
    second_factor: SecondFactor,
}

impl Command for PhoneSignIn {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        Ok(Self {
            phone: fields.required("phone")?,
            code: fields.required_as(&["verifyCode", "phoneCode", "code"])?,
            second_factor: SecondFactor::read(&mut fields)?,
        })
    }
}
