//! `POST /ExternalAccount/{appKey}/SignIn`: a token for an external identity, the user's own or a bound one.

use axum::extract::State;
use shared::{
    binding::sign_in_refusal,
    env::Env,
    error::{ApiError, ErrorCode},
    http::{Access, App, Body, Command, Ctx, Fields, Json, Reply, Route, UnionIdProof},
    jwt::{GrantType, TokenResponse},
    sign_in::{self, SecondFactor},
    text::ExternalId,
    user::{User, UserId},
};

pub(crate) const ROUTE: Route = Route::post("/ExternalAccount/{appKey}/SignIn", Access::Anonymous);

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    _proof: UnionIdProof,
    State(env): State<Env>,
    Body(command): Body<SignIn>,
) -> Result<Reply<TokenResponse>, ApiError> {
    let store = env.store.app(app.app_id);
    // Nobody has the number 0, and is looked for all the same: somebody who is disabled takes no other work.
    let id = store.find_external_id(&command.external_id).await?.unwrap_or(UserId::new(0));
    let user = store.find_user(id).await?.filter(User::is_active).ok_or(ErrorCode::InvalidCredentials)?;
    let admitted = sign_in::admit(&env, &ctx, &app, user, &command.second_factor).await?;
    sign_in::token(&env, &ctx, &app, &admitted, GrantType::External).await.map(Reply::ok)
}

#[derive(Debug)]
pub(crate) struct SignIn {
    external_id: ExternalId,
    second_factor: SecondFactor,
}

impl Command for SignIn {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        let external_id = ExternalId::read(&mut fields)?;
        if let Some(refusal) = sign_in_refusal(&external_id) {
            return Err(ApiError::invalid(refusal));
        }
        Ok(Self { external_id, second_factor: SecondFactor::read_strictly(&mut fields)? })
    }
}
