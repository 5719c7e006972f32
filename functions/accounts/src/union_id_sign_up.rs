//! `POST /api/AppUsers/{appId}/UnionIDSignUp`: a new account for an external identity.

use axum::extract::State;
use shared::{
    env::Env,
    error::ApiError,
    http::{Access, App, Body, Command, Ctx, Fields, Json, Reply, Route, UnionIdProof},
    jwt::{GrantType, TokenResponse},
    secret::Password,
    sign_in::{self, Admitted},
    sign_up::{self, Name, SignUpGroup, chosen_password},
    text::{ExternalId, UserName},
};

pub(crate) const ROUTE: Route = Route::post("/api/AppUsers/{appId}/UnionIDSignUp", Access::Anonymous);

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    _proof: UnionIdProof,
    State(env): State<Env>,
    Body(command): Body<UnionIdSignUp>,
) -> Result<Reply<TokenResponse>, ApiError> {
    let default_name = || Name::Default(command.external_id.union_id.as_str().to_owned());
    let request = sign_up::SignUp {
        name: command.user_name.map_or_else(default_name, Name::Chosen),
        password: chosen_password(&app, command.password),
        external_id: Some(command.external_id),
        group: command.group,
    };
    let user = sign_up::sign_up(&env, &ctx, &app, request).await?;
    sign_in::token(&env, &ctx, &app, &Admitted::new_user(user), GrantType::UnionId).await.map(Reply::ok)
}

#[derive(Debug)]
pub(crate) struct UnionIdSignUp {
    external_id: ExternalId,
    user_name: Option<UserName>,
    password: Option<Password>,
    group: SignUpGroup,
}

impl Command for UnionIdSignUp {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        Ok(Self {
            external_id: ExternalId::read(&mut fields)?,
            user_name: fields.optional("userName")?,
            password: fields.optional_as(&["pwd", "password"])?,
            group: SignUpGroup::read(&mut fields)?,
        })
    }
}
