//! `POST /sns/{sn}/users`: links users, as long as there are seats.

use axum::extract::State;
use shared::{
    env::Env,
    error::ApiError,
    http::{Access, Body, Ctx, LicencePath, LicenceWriter, Reply, RequestId, Route},
};

use crate::{
    names::Names,
    page::Rows,
    write::{Action, NameRow, Write},
};

pub(crate) const ROUTE: Route = Route::post("/sns/{sn}/users", Access::Bitkey);

pub(crate) async fn handle(
    ctx: Ctx,
    writer: LicenceWriter,
    path: LicencePath,
    request_id: RequestId,
    State(env): State<Env>,
    Body(names): Body<Names>,
) -> Result<Reply<Rows<NameRow>>, ApiError> {
    let (env, ctx, writer, path) = (&env, &ctx, &writer, &path);
    Write { env, ctx, writer, path, request_id, action: Action::Link }.run(&names.0).await
}
