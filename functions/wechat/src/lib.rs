//! Pictures of codes that a phone scans: WeChat's own, for apps with a mini program, and plain QR codes for the rest.
//!
//! A group of its own because of what it needs and what it must not have: it is the only one that calls out to the
//! internet and uses the mini programs' secrets, and it reads no user and signs no token.

mod api;
mod picture;
mod wxa_code_get;

use std::sync::Arc;

use axum::extract::State;
use shared::{
    config::HASH_KEY,
    env::Env,
    http::{App, Body, Ctx, Routes},
    storage::Table,
};

use self::{api::WeChat, wxa_code_get::WxaCodeGet};

/// The group's endpoints.
pub fn routes() -> Routes {
    // Lives as long as the instance, so that connections and access tokens serve many requests.
    let wechat = Arc::new(WeChat::new());
    Routes::new().stores_in([Table::Apps, Table::Codes]).needs(HASH_KEY).add(
        wxa_code_get::ROUTE,
        move |ctx: Ctx, app: App, State(env): State<Env>, Body(command): Body<WxaCodeGet>| async move {
            wxa_code_get::handle(&ctx, &app, &env, &wechat, &command).await
        },
    )
}
