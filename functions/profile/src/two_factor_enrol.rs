//! `GET /User/{appKey}/TwoFactorAuth`: a fresh secret for the caller's authenticator, as text and as a picture.

use axum::extract::State;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fast_qr::{ECL, QRBuilder, convert::svg::SvgBuilder};
use jiff::SignedDuration;
use serde::Serialize;
use shared::{
    env::Env,
    error::{ApiError, ErrorCode},
    http::{Access, App, Caller, Ctx, Reply, Route},
    storage::Enrolled,
    two_factor::{PENDING_SECONDS, TotpSecret},
};

pub(crate) const ROUTE: Route = Route::get("/User/{appKey}/TwoFactorAuth", Access::Bearer);

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    caller: Caller,
    State(env): State<Env>,
) -> Result<Reply<Enrolment>, ApiError> {
    let user = caller.user;
    let secret = TotpSecret::generate(env.entropy.as_ref());
    let sealed = env.totp_key()?.seal(env.entropy.as_ref(), app.app_id, user.id, &secret)?;
    let until = ctx.now.checked_add(SignedDuration::from_secs(PENDING_SECONDS)).map_err(ApiError::internal)?;
    match env.store.app(app.app_id).enrol_second_factor(user.id, &sealed, until).await? {
        Enrolled::Pending => Enrolment::of(&secret, &app.card.name, user.user_name).map(Reply::ok),
        Enrolled::AlreadyOn => Err(ErrorCode::TwoFactorOn.into()),
        Enrolled::Gone => Err(ErrorCode::InvalidToken.into()),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Enrolment {
    account: String,
    manual_entry_key: String,
    qr_code_setup_image_url: String,
}

impl Enrolment {
    fn of(secret: &TotpSecret, issuer: &str, account: String) -> Result<Self, ApiError> {
        // Made here: the secret is nothing to ask another service for a picture of.
        let code = QRBuilder::new(secret.uri(issuer, &account))
            .ecl(ECL::M)
            .build()
            .map_err(|error| ApiError::internal(format!("no picture of a secret: {error:?}")))?;
        let svg = SvgBuilder::default().to_str(&code);
        Ok(Self {
            account,
            manual_entry_key: secret.manual_entry_key(),
            qr_code_setup_image_url: format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg)),
        })
    }
}
