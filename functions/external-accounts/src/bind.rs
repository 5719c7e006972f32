//! `POST /ExternalAccount/{appKey}`: binds an external identity to the caller.

use axum::extract::State;
use shared::{
    binding::{Binding, BindingId},
    env::Env,
    error::{ApiError, ErrorCode},
    http::{Access, App, Body, Caller, Command, Ctx, Fields, Json, Reply, Route, UnionIdProof},
    storage::Bound,
    text::{Avatar, Data, ExternalId, PlatformName},
};

pub(crate) const ROUTE: Route = Route::post("/ExternalAccount/{appKey}", Access::Bearer);

/// How often a binding's number is drawn again when it is taken, which practically never happens.
const DRAWS: u32 = 4;

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    caller: Caller,
    _proof: UnionIdProof,
    State(env): State<Env>,
    Body(command): Body<Bind>,
) -> Result<Reply<bool>, ApiError> {
    let store = env.store.app(app.app_id);
    let at = ctx.now.as_millisecond();
    let mut binding = Binding {
        id: BindingId::new(env.entropy.id()),
        user_id: caller.user.id,
        platform: command.external_id.platform.as_str().to_owned(),
        platform_name: command.platform_name.into_string(),
        union_id: command.external_id.union_id.as_str().to_owned(),
        avatar: command.avatar.map(Avatar::into_string),
        data: command.data.map(Data::into_string),
        enabled: true,
        version: 0,
        created_at: at,
        updated_at: at,
    };
    for _ in 0..DRAWS {
        match store.bind(&command.external_id, &binding).await? {
            Bound::Done | Bound::HeldAlready => return Ok(Reply::ok(true)),
            Bound::HeldByAnother => return Err(ErrorCode::ExternalAccountTaken.into()),
            Bound::LimitReached => return Err(ErrorCode::BindingLimit.into()),
            Bound::UserGone => return Err(ErrorCode::InvalidToken.into()),
            Bound::IdTaken => binding.id = BindingId::new(env.entropy.id()),
        }
    }
    Err(ApiError::internal("no free binding number was drawn"))
}

#[derive(Debug)]
pub(crate) struct Bind {
    external_id: ExternalId,
    platform_name: PlatformName,
    avatar: Option<Avatar>,
    data: Option<Data>,
}

impl Command for Bind {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        Ok(Self {
            external_id: ExternalId::read(&mut fields)?,
            platform_name: fields.required("platformName")?,
            avatar: fields.optional("avatar")?,
            data: fields.optional("data")?,
        })
    }
}
