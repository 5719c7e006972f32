//! `POST /api/AppUsers/{appId}/SignIn`: a token for a user name and its password.

use axum::extract::State;
use shared::{
    env::Env,
    error::ApiError,
    http::{Access, App, Body, Command, Ctx, Fields, Json, Reply, Route},
    jwt::{GrantType, TokenResponse},
    secret::Password,
    sign_in::{self, Login, SecondFactor},
    text::UserName,
};

pub(crate) const ROUTE: Route = Route::post("/api/AppUsers/{appId}/SignIn", Access::Anonymous);

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    State(env): State<Env>,
    Body(command): Body<SignIn>,
) -> Result<Reply<TokenResponse>, ApiError> {
    let login = Login::UserName(&command.user_name);
    let user = sign_in::by_password(&env, &ctx, &app, login, &command.password).await?;
    let admitted = sign_in::admit(&env, &ctx, &app, user, &command.second_factor).await?;
    sign_in::token(&env, &ctx, &app, &admitted, GrantType::Account).await.map(Reply::ok)
}

#[derive(Debug)]
pub(crate) struct SignIn {
    user_name: UserName,
    password: Password,
    second_factor: SecondFactor,
}

impl Command for SignIn {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        Ok(Self {
            user_name: fields.required("userName")?,
            password: fields.required_as(&["pwd", "password"])?,
            second_factor: SecondFactor::read(&mut fields)?,
        })
    }
}
