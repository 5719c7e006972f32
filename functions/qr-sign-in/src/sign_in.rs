//! `POST /api/AppUsers/{appId}/QRCodeSignIn`: what the page polls; a token, once, when a phone has confirmed.

use axum::extract::State;
use shared::{
    env::Env,
    error::{ApiError, ErrorCode},
    http::{Access, App, Body, Command, Ctx, Fields, Json, Reply, Route},
    jwt::{GrantType, TokenResponse},
    secret::QrSecret,
    sign_in::{self, Admitted},
    sign_in_key::SignInKey,
    storage::{PolledSignIn, TakenSignIn},
    user::User,
};

pub(crate) const ROUTE: Route = Route::post("/api/AppUsers/{appId}/QRCodeSignIn", Access::Anonymous);

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    State(env): State<Env>,
    Body(command): Body<QrCodeSignIn>,
) -> Result<Reply<TokenResponse>, ApiError> {
    let store = env.store.app(app.app_id);
    let QrCodeSignIn { sign_in_key, poll_secret } = command;
    let confirmation = match store.poll_qr_sign_in(sign_in_key, poll_secret.as_ref(), ctx.now).await? {
        PolledSignIn::Gone => return Err(ErrorCode::QrExpired.into()),
        PolledSignIn::Shown => return Err(ErrorCode::ScanPending.into()),
        PolledSignIn::Scanned => return Err(ErrorCode::ConfirmPending.into()),
        PolledSignIn::Confirmed(confirmation) => confirmation,
    };
    let user = store.find_user(confirmation.user_id).await?.filter(User::is_active);
    // Taken also when there is nobody to sign in any more: the key is gone then, too.
    match store.take_qr_sign_in(sign_in_key, confirmation, &env.entropy.hex::<16>(), ctx.now).await? {
        TakenSignIn::Done => {}
        TakenSignIn::Gone => return Err(ErrorCode::QrExpired.into()),
    }
    let user = user.ok_or(ErrorCode::UserNotFound)?;
    if user.token_version != confirmation.token_version {
        // Whatever ended the user's tokens since the confirmation ended this one before it was made.
        return Err(ErrorCode::QrExpired.into());
    }
    sign_in::token(&env, &ctx, &app, &Admitted::by_ticket(user), GrantType::QrCode).await.map(Reply::ok)
}

#[derive(Debug)]
pub(crate) struct QrCodeSignIn {
    sign_in_key: SignInKey,
    poll_secret: Option<QrSecret>,
}

impl Command for QrCodeSignIn {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        Ok(Self {
            sign_in_key: fields.required("signInKey")?,
            poll_secret: fields.optional("pollSecret")?.map(|secret: String| QrSecret::new(secret)),
        })
    }
}
