//! `GET /ExternalAccount/{appKey}`: the caller's external accounts, oldest first.

use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use shared::{
    binding::Binding,
    clock::rfc3339,
    env::Env,
    error::ApiError,
    http::{Access, App, Caller, Reply, Route},
};

pub(crate) const ROUTE: Route = Route::get("/ExternalAccount/{appKey}", Access::Bearer);

pub(crate) async fn handle(
    app: App,
    caller: Caller,
    State(env): State<Env>,
) -> Result<Reply<Vec<ExternalAccount>>, ApiError> {
    let bindings = env.store.app(app.app_id).list_bindings(caller.user.id).await?;
    let accounts: Result<_, ApiError> = bindings.into_iter().map(|it| ExternalAccount::of(it, &env)).collect();
    accounts.map(Reply::ok)
}

/// Generated clients are strict about it: the numbers are numbers, `avatar` and `data` are there even when unknown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExternalAccount {
    id: u64,
    #[serde(rename = "userID")]
    user_id: u64,
    platform_name: String,
    platform: String,
    #[serde(rename = "unionID")]
    union_id: String,
    avatar: Option<String>,
    data: Option<String>,
    enable: bool,
    create_date: String,
    last_update: String,
}

impl ExternalAccount {
    fn of(binding: Binding, env: &Env) -> Result<Self, ApiError> {
        let date = |milliseconds| {
            let at = Timestamp::from_millisecond(milliseconds).map_err(ApiError::internal)?;
            Ok::<_, ApiError>(rfc3339(at, &env.time_zone))
        };
        Ok(Self {
            id: binding.id.get(),
            user_id: binding.user_id.get(),
            platform_name: binding.platform_name,
            platform: binding.platform,
            union_id: binding.union_id,
            avatar: binding.avatar,
            data: binding.data,
            enable: binding.enabled,
            create_date: date(binding.created_at)?,
            last_update: date(binding.updated_at)?,
        })
    }
}
