//! `POST /api/AppUsers/{appId}/QRCodeScan`: claims a page's key for the phone that scanned it.

use axum::extract::State;
use serde::Serialize;
use shared::{
    app::AppCard,
    env::Env,
    error::{ApiError, ErrorCode},
    http::{Access, App, Body, Command, Ctx, Fields, Json, Reply, Route},
    secret::QrSecret,
    sign_in_key::SignInKey,
    storage::ScannedSignIn,
};

pub(crate) const ROUTE: Route = Route::post("/api/AppUsers/{appId}/QRCodeScan", Access::Anonymous);

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    State(env): State<Env>,
    Body(command): Body<QrCodeScan>,
) -> Result<Reply<Card>, ApiError> {
    // Made for every scan, also where nobody asks for it back: it tells this scan from any other.
    let nonce = QrSecret::generate(env.entropy.as_ref());
    let page = match env.store.app(app.app_id).scan_qr_sign_in(command.sign_in_key, &nonce, ctx.now).await? {
        ScannedSignIn::Done(page) => page,
        ScannedSignIn::Unusable => return Err(ErrorCode::QrUnusable.into()),
    };
    let card = Card {
        app_id: app.app_id.get(),
        app: app.card.clone(),
        scopes: page.scopes,
        remark: page.remark,
        scheme: "app",
    };
    let reply = Reply::ok(card);
    Ok(if page.needs_proof { reply.beside("scanNonce", nonce.expose()) } else { reply })
}

#[derive(Debug)]
pub(crate) struct QrCodeScan {
    sign_in_key: SignInKey,
}

impl Command for QrCodeScan {
    fn read(body: Json) -> Result<Self, ApiError> {
        Ok(Self { sign_in_key: Fields::of(body)?.required("signInKey")? })
    }
}

/// What the phone shows before it asks its owner.
#[derive(Debug, Serialize)]
pub(crate) struct Card {
    #[serde(rename = "appID")]
    app_id: u32,
    #[serde(flatten)]
    app: AppCard,
    scopes: String,
    remark: Option<String>,
    scheme: &'static str,
}
