//! `PUT /ExternalAccount/{appKey}/{id}`: changes to one of the caller's external accounts.

use axum::extract::State;
use shared::{
    binding::{BindingId, signs_in_without_bindings},
    env::Env,
    error::ApiError,
    http::{Access, App, Body, Caller, Command, Ctx, Fields, Json, RecordId, Reply, Route},
    storage::BindingChange,
    text::{Avatar, Data},
};

use crate::unbind::answer;

pub(crate) const ROUTE: Route = Route::put("/ExternalAccount/{appKey}/{id}", Access::Bearer);

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    caller: Caller,
    RecordId(id): RecordId,
    State(env): State<Env>,
    Body(UpdateBinding(change)): Body<UpdateBinding>,
) -> Result<Reply<bool>, ApiError> {
    let has_other_way = signs_in_without_bindings(&caller.user, &app);
    let store = env.store.app(app.app_id);
    answer(store.change_binding(caller.user.id, BindingId::new(id), &change, has_other_way, ctx.now).await?)
}

#[derive(Debug)]
pub(crate) struct UpdateBinding(BindingChange);

impl Command for UpdateBinding {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        Ok(Self(BindingChange {
            avatar: fields.optional("avatar")?.map(Avatar::into_string),
            data: fields.optional("data")?.map(Data::into_string),
            enabled: fields.optional("enable")?,
        }))
    }
}
