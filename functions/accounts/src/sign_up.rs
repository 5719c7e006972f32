//! `POST /api/AppUsers/{appId}/SignUp`: a new account with a user name and a password.

use axum::extract::State;
use shared::{
    env::Env,
    error::ApiError,
    http::{Access, App, Body, Command, Ctx, Fields, Json, Reply, Route},
    jwt::{GrantType, TokenResponse},
    secret::Password,
    sign_in::{self, Admitted},
    sign_up::{self, Name, SignUpGroup},
    text::UserName,
};

pub(crate) const ROUTE: Route = Route::post("/api/AppUsers/{appId}/SignUp", Access::Anonymous);

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    State(env): State<Env>,
    Body(command): Body<SignUp>,
) -> Result<Reply<TokenResponse>, ApiError> {
    let request = sign_up::SignUp {
        name: Name::Chosen(command.user_name),
        password: Some(command.password),
        external_id: None,
        group: command.group,
    };
    let user = sign_up::sign_up(&env, &ctx, &app, request).await?;
    sign_in::token(&env, &ctx, &app, &Admitted::new_user(user), GrantType::Account).await.map(Reply::ok)
}

#[derive(Debug)]
pub(crate) struct SignUp {
    user_name: UserName,
    password: Password,
    group: SignUpGroup,
}

impl Command for SignUp {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        Ok(Self {
            user_name: fields.required("userName")?,
            password: fields.required_as(&["pwd", "password"])?,
            group: SignUpGroup::read(&mut fields)?,
        })
    }
}
