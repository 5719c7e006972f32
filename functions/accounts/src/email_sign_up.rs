//! `POST /api/AppUsers/{appId}/EmailSignUp`: a new account for a mailbox that a code proves.

use axum::extract::State;
use shared::{
    contact::{Address, Channel},
    env::Env,
    error::ApiError,
    http::{Access, App, Body, Command, Ctx, Fields, Json, Reply, Route},
    jwt::{GrantType, TokenResponse},
    secret::Password,
    sign_in::{self, Admitted},
    sign_up::{self, Name, SignUpGroup, chosen_password},
    text::UserName,
};

pub(crate) const ROUTE: Route = Route::post("/api/AppUsers/{appId}/EmailSignUp", Access::Anonymous);

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    State(env): State<Env>,
    Body(command): Body<EmailSignUp>,
) -> Result<Reply<TokenResponse>, ApiError> {
    let default_name = || Name::Default(command.address.emitted().to_owned());
    let request = sign_up::SignUp {
        name: command.user_name.map_or_else(default_name, Name::Chosen),
        password: chosen_password(&app, command.password),
        external_id: None,
        group: command.group,
    };
    let user = sign_up::sign_up(&env, &ctx, &app, request).await?;
    sign_in::token(&env, &ctx, &app, &Admitted::new_user(user), GrantType::Email).await.map(Reply::ok)
}

#[derive(Debug)]
pub(crate) struct EmailSignUp {
    address: Address,
    user_name: Option<UserName>,
    password: Option<Password>,
    group: SignUpGroup,
}

impl Command for EmailSignUp {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        let (group, address) = SignUpGroup::read_with_code(&mut fields, Channel::Email)?;
        Ok(Self {
            address,
            user_name: fields.optional("userName")?,
            password: fields.optional_as(&["pwd", "password"])?,
            group,
        })
    }
}
