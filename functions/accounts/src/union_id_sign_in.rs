//! `POST /api/AppUsers/{appId}/UnionIDSignIn`: a token for an external identity.

use axum::extract::State;
use shared::{
    env::Env,
    error::{ApiError, ErrorCode},
    http::{Access, App, Body, Command, Ctx, Fields, Json, Reply, Route, UnionIdProof},
    jwt::{GrantType, TokenResponse},
    sign_in::{self, SecondFactor},
    text::ExternalId,
    user::User,
};

pub(crate) const ROUTE: Route = Route::post("/api/AppUsers/{appId}/UnionIDSignIn", Access::Anonymous);

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    _proof: UnionIdProof,
    State(env): State<Env>,
    Body(command): Body<UnionIdSignIn>,
) -> Result<Reply<TokenResponse>, ApiError> {
    let store = env.store.app(app.app_id);
    let id = store.find_external_id(&command.external_id).await?.ok_or(ErrorCode::UserNotFound)?;
    let user = store.find_user(id).await?.filter(User::is_active).ok_or(ErrorCode::UserNotFound)?;
    let admitted = sign_in::admit(&env, &ctx, &app, user, &command.second_factor).await?;
    sign_in::token(&env, &ctx, &app, &admitted, GrantType::UnionId).await.map(Reply::ok)
}

#[derive(Debug)]
pub(crate) struct UnionIdSignIn {
    external_id: ExternalId,
    second_factor: SecondFactor,
}

impl Command for UnionIdSignIn {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        Ok(Self { external_id: ExternalId::read(&mut fields)?, second_factor: SecondFactor::read(&mut fields)? })
    }
}
