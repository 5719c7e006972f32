//! Two pages to look at: one that signs in by QR code, and one that plays the phone.

use axum::{
    Router,
    http::header,
    response::Html,
    routing::{MethodRouter, get},
};
use shared::app::AppId;

const DEMO: &str = include_str!("pages/demo.html");
const PHONE: &str = include_str!("pages/phone.html");
const SCRIPT: &str = include_str!("pages/api.js");
const STYLE: &str = include_str!("pages/style.css");

/// The pages, for the demo app.
pub(crate) fn router(app: AppId) -> Router {
    let script = SCRIPT.replace("{{appId}}", &app.to_string());
    Router::new()
        .route("/demo", page(DEMO))
        .route("/demo/phone", page(PHONE))
        .route("/demo/api.js", file("text/javascript; charset=utf-8", script))
        .route("/demo/style.css", file("text/css; charset=utf-8", STYLE.to_owned()))
}

fn page(text: &'static str) -> MethodRouter {
    get(move || async move { Html(text) })
}

fn file(media_type: &'static str, text: String) -> MethodRouter {
    get(move || async move { ([(header::CONTENT_TYPE, media_type)], text) })
}
