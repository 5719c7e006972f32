//! `DELETE /api/OAuth/{appId}/Consents/{id}`: takes a consent back, and with it every token that was issued under it.

use axum::extract::State;
use shared::{
    consent::ConsentId,
    env::Env,
    error::{ApiError, ErrorCode},
    http::{Access, Caller, Ctx, RecordId, Reply, Route},
    storage::Deleted,
};

pub(crate) const ROUTE: Route = Route::delete("/api/OAuth/{appId}/Consents/{id}", Access::Bearer);

pub(crate) async fn handle(
    ctx: Ctx,
    caller: Caller,
    RecordId(id): RecordId,
    State(env): State<Env>,
) -> Result<Reply<bool>, ApiError> {
    let store = env.store.app(caller.user.app_id);
    match store.delete_consent(caller.user.id, ConsentId::new(id), ctx.now).await? {
        Deleted::Done => Ok(Reply::ok(true)),
        Deleted::Unknown => Err(ErrorCode::NotFound.into()),
    }
}
