//! `DELETE /sns/{sn}/users/{name}`: unlinks a user, and does not delete them.

use axum::extract::State;
use shared::{
    env::Env,
    error::ApiError,
    http::{Access, Ctx, LicencePath, LicenceWriter, Reply, RequestId, Route},
    text::UserName,
};

use crate::{
    page::Rows,
    write::{Action, NameRow, Write},
};

pub(crate) const ROUTE: Route = Route::delete("/sns/{sn}/users/{name}", Access::Bitkey);

pub(crate) async fn handle(
    ctx: Ctx,
    writer: LicenceWriter,
    path: LicencePath,
    request_id: RequestId,
    State(env): State<Env>,
) -> Result<Reply<Rows<NameRow>>, ApiError> {
    // The code comes first, as for any other name: a name that nobody can have says nothing about it.
    let names: Vec<_> = UserName::parse(path.name.as_str()).into_iter().collect();
    let (env, ctx, writer, path) = (&env, &ctx, &writer, &path);
    Write { env, ctx, writer, path, request_id, action: Action::UnlinkOne }.run(&names).await
}
