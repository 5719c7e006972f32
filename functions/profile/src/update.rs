//! `PUT /api/AppUsers/{appId}/Profile`: changes to the caller's own account.

use axum::extract::State;
use shared::{
    env::Env,
    error::{ApiError, ErrorCode},
    http::{Access, Body, Command, Ctx, Fields, Json, ProfileOwner, Reply, Route},
    storage::{Change, ProfileChange},
    text::{Avatar, Data, NickName},
};

pub(crate) const ROUTE: Route = Route::put("/api/AppUsers/{appId}/Profile", Access::Bearer);

pub(crate) async fn handle(
    ctx: Ctx,
    owner: ProfileOwner,
    State(env): State<Env>,
    Body(command): Body<UpdateProfile>,
) -> Result<Reply<bool>, ApiError> {
    let user = owner.0.user;
    match env.store.app(user.app_id).change_profile(user.id, command.0, ctx.now).await? {
        Change::Done => Ok(Reply::ok(true)),
        Change::Gone => Err(ErrorCode::UserGone.into()),
    }
}

#[derive(Debug)]
pub(crate) struct UpdateProfile(ProfileChange);

impl Command for UpdateProfile {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        Ok(Self(ProfileChange {
            avatar: fields.optional("avatar")?.map(Avatar::into_string),
            nick_name: fields.optional("nickName")?.map(NickName::into_string),
            data: fields.optional("data")?.map(Data::into_string),
        }))
    }
}
