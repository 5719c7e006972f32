//! `DELETE /ExternalAccount/{appKey}/{id}`: takes an external account from the caller.

use axum::extract::State;
use shared::{
    binding::{BindingId, signs_in_without_bindings},
    env::Env,
    error::{ApiError, ErrorCode},
    http::{Access, App, Caller, RecordId, Reply, Route},
    storage::BindingChanged,
};

pub(crate) const ROUTE: Route = Route::delete("/ExternalAccount/{appKey}/{id}", Access::Bearer);

pub(crate) async fn handle(
    app: App,
    caller: Caller,
    RecordId(id): RecordId,
    State(env): State<Env>,
) -> Result<Reply<bool>, ApiError> {
    let has_other_way = signs_in_without_bindings(&caller.user, &app);
    let unbound = env.store.app(app.app_id).unbind(caller.user.id, BindingId::new(id), has_other_way).await?;
    answer(unbound)
}

/// The answer to whoever changes or removes a binding.
pub(crate) fn answer(changed: BindingChanged) -> Result<Reply<bool>, ApiError> {
    match changed {
        BindingChanged::Done => Ok(Reply::ok(true)),
        BindingChanged::NotFound => Err(ErrorCode::NotFound.into()),
        BindingChanged::LastWay => Err(ErrorCode::LastSignInMethod.into()),
        BindingChanged::UserGone => Err(ErrorCode::InvalidToken.into()),
    }
}
