//! `GET /api/OAuth/{appId}/Consents`: what the caller allowed, the latest first.

use axum::extract::State;
use serde::Serialize;
use shared::{
    clock::stored_date_time,
    consent::Consent,
    env::Env,
    error::ApiError,
    http::{Access, Caller, Reply, Route},
    jwt::GrantType,
};

pub(crate) const ROUTE: Route = Route::get("/api/OAuth/{appId}/Consents", Access::Bearer);

pub(crate) async fn handle(caller: Caller, State(env): State<Env>) -> Result<Reply<Vec<ConsentRow>>, ApiError> {
    let consents = env.store.app(caller.user.app_id).list_consents(caller.user.id).await?;
    Ok(Reply::ok(consents.into_iter().map(|consent| ConsentRow::of(consent, &env)).collect()))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConsentRow {
    id: u64,
    create_date: String,
    last_update: String,
    grant_type: GrantType,
    redirect_uri: String,
    /// Nobody writes one; clients expect the member.
    remark: Option<String>,
    scopes: String,
}

impl ConsentRow {
    fn of(consent: Consent, env: &Env) -> Self {
        Self {
            id: consent.id.get(),
            create_date: stored_date_time(consent.created_at, &env.time_zone),
            last_update: stored_date_time(consent.updated_at, &env.time_zone),
            grant_type: consent.grant_type,
            redirect_uri: consent.redirect_uri,
            remark: None,
            scopes: consent.scopes,
        }
    }
}
