//! `GET /api/AppUsers/{appId}/PointLog`: the caller's ledger, newest first.

use axum::extract::State;
use serde::Serialize;
use shared::{
    clock::stored_date_time,
    env::Env,
    error::ApiError,
    http::{Access, Caller, Command, Fields, Json, Query, Reply, Route},
    points::LedgerKind,
};

pub(crate) const ROUTE: Route = Route::get("/api/AppUsers/{appId}/PointLog", Access::Bearer);

/// Rows of a page when the client does not say.
const USUAL_PAGE: u64 = 10;
/// The most rows of a page; whoever asks for more gets these.
const LARGEST_PAGE: u64 = 100;

pub(crate) async fn handle(
    caller: Caller,
    Query(query): Query<Page>,
    State(env): State<Env>,
) -> Result<Reply<PointLog>, ApiError> {
    let user = caller.user;
    let page = env.store.app(user.app_id).list_points(user.id, query.kind, query.skip, query.take).await?;
    let rows = page.rows.into_iter().map(|row| PointRow {
        id: row.id,
        user_id: user.id.get(),
        used: row.used,
        remark: row.remark,
        create_date: stored_date_time(row.created_at, &env.time_zone),
    });
    Ok(Reply::ok(PointLog { total: page.total, data: rows.collect() }))
}

#[derive(Debug)]
pub(crate) struct Page {
    kind: LedgerKind,
    skip: u64,
    take: u64,
}

impl Command for Page {
    fn read(query: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(query)?;
        Ok(Self {
            kind: fields.optional("type")?.unwrap_or_default(),
            skip: fields.optional("skip")?.unwrap_or_default(),
            take: fields.optional("take")?.unwrap_or(USUAL_PAGE).min(LARGEST_PAGE),
        })
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct PointLog {
    total: u64,
    data: Vec<PointRow>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PointRow {
    id: u64,
    #[serde(rename = "userID")]
    user_id: u64,
    /// Above zero credited, below it consumed.
    used: i64,
    remark: String,
    create_date: String,
}
