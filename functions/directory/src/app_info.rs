//! `GET /api/Apps/{appId}/Info`: an app's card; the browser SDK asks for it before anything else.

use serde::Serialize;
use shared::{
    app::AppCard,
    http::{Access, App, Reply, Route},
};

pub(crate) const ROUTE: Route = Route::get("/api/Apps/{appId}/Info", Access::Anonymous);

pub(crate) async fn handle(app: App) -> Reply<AppInfo> {
    Reply::ok(AppInfo { info: Info { id: app.app_id.get(), card: app.card.clone() }, props: [], blobs: [] })
}

/// `props` and `blobs` are always there and always empty: the SDK reads their length.
#[derive(Debug, Serialize)]
pub(crate) struct AppInfo {
    info: Info,
    props: [(); 0],
    blobs: [(); 0],
}

#[derive(Debug, Serialize)]
struct Info {
    id: u32,
    #[serde(flatten)]
    card: AppCard,
}
