//! `GET /sns/{sn}/users?offset=&limit=`: the users of a licence code, as they were linked.

use axum::extract::State;
use shared::{
    env::Env,
    error::ApiError,
    http::{Access, LicencePath, Licensee, Reply, Route},
    name_filter::Filter,
    storage::LinkOrder,
};

use crate::page::{Page, Rows, UserRow};

pub(crate) const ROUTE: Route = Route::get("/sns/{sn}/users", Access::Bitkey);

pub(crate) async fn handle(
    licensee: Licensee,
    path: LicencePath,
    page: Page,
    State(env): State<Env>,
) -> Result<Reply<Rows<UserRow>>, ApiError> {
    page.of(&env, &licensee, &path, &Filter::default(), LinkOrder::Linked).await
}
