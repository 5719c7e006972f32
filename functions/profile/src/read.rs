//! `GET /api/AppUsers/{appId}/Profile`: the caller's own account.

use axum::extract::State;
use serde::Serialize;
use shared::{
    clock::local_date_time,
    env::Env,
    error::ApiError,
    http::{Access, ProfileOwner, Reply, Route},
    user::User,
};

pub(crate) const ROUTE: Route = Route::get("/api/AppUsers/{appId}/Profile", Access::Bearer);

pub(crate) async fn handle(owner: ProfileOwner, State(env): State<Env>) -> Result<Reply<Profile>, ApiError> {
    Ok(Reply::ok(Profile::of(owner.0.user, &env)?))
}

/// Every text is a string, empty when unknown; only `data` may be null.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Profile {
    #[serde(rename = "appID")]
    app_id: u32,
    platform: String,
    #[serde(rename = "unionID")]
    union_id: String,
    phone: String,
    create_date: String,
    user_name: String,
    phone_is_valid: bool,
    data: Option<String>,
    email: String,
    email_is_valid: bool,
    last_update: String,
    nick_name: String,
    id: u64,
    avatar: String,
    role: String,
}

impl Profile {
    fn of(user: User, env: &Env) -> Result<Self, ApiError> {
        let date = |milliseconds| {
            let at = jiff::Timestamp::from_millisecond(milliseconds).map_err(ApiError::internal)?;
            Ok::<_, ApiError>(local_date_time(at, &env.time_zone))
        };
        Ok(Self {
            app_id: user.app_id.get(),
            platform: user.platform,
            union_id: user.union_id,
            phone: user.phone.address,
            create_date: date(user.created_at)?,
            user_name: user.user_name,
            phone_is_valid: user.phone.verified,
            data: user.data,
            email: user.email.address,
            email_is_valid: user.email.verified,
            last_update: date(user.updated_at)?,
            nick_name: user.nick_name,
            id: user.id.get(),
            avatar: user.avatar,
            role: user.role,
        })
    }
}
