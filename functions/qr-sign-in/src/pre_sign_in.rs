//! `POST /api/AppUsers/{appId}/QRCodePreSignIn`: a key for a page to show and to wait under.

use axum::extract::State;
use shared::{
    env::Env,
    error::ApiError,
    http::{Access, App, Body, Command, Ctx, Fields, Json, Reply, Route},
    secret::QrSecret,
    settings::Proof,
    sign_in_key::SignInKey,
    storage::{IpCharge, NewQrSignIn, OpenedSignIn},
    text::{Remark, Scheme, Scopes},
};

pub(crate) const ROUTE: Route = Route::post("/api/AppUsers/{appId}/QRCodePreSignIn", Access::Anonymous);

/// How often a key is drawn again when another page waits under it, which practically never happens.
const DRAWS: u32 = 8;

pub(crate) async fn handle(
    ctx: Ctx,
    app: App,
    State(env): State<Env>,
    Body(command): Body<QrCodePreSignIn>,
) -> Result<Reply<SignInKey>, ApiError> {
    if let Some(budget) = env.limits.qr_codes(ctx.client) {
        match env.store.charge_ip(budget, ctx.now).await? {
            IpCharge::Granted => {}
            IpCharge::Throttled { retry_after } => return Err(ApiError::throttled(retry_after)),
        }
    }
    let poll_secret = match app.settings.qr_proof {
        Proof::Secret => Some(QrSecret::generate(env.entropy.as_ref())),
        Proof::None => None,
    };
    let new = NewQrSignIn {
        scopes: command.scopes.as_ref().map_or("openid", Scopes::as_str),
        remark: command.remark.as_ref().map(Remark::as_str),
        poll_secret: poll_secret.as_ref(),
    };
    let store = env.store.app(app.app_id);
    for _ in 0..DRAWS {
        let key = SignInKey::draw(app.app_id, env.entropy.as_ref());
        match store.open_qr_sign_in(key, new, ctx.now).await? {
            OpenedSignIn::Done => {
                let reply = Reply::ok(key);
                return Ok(match &poll_secret {
                    Some(secret) => reply.beside("pollSecret", secret.expose()),
                    None => reply,
                });
            }
            OpenedSignIn::KeyTaken => {}
        }
    }
    Err(ApiError::internal("no free sign-in key was drawn"))
}

#[derive(Debug)]
pub(crate) struct QrCodePreSignIn {
    scopes: Option<Scopes>,
    remark: Option<Remark>,
}

impl Command for QrCodePreSignIn {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        fields.optional::<Scheme>("scheme")?;
        Ok(Self { scopes: fields.optional("scopes")?, remark: fields.optional("remark")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<QrCodePreSignIn, ApiError> {
        QrCodePreSignIn::read(Json::parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn everything_has_a_default() {
        for body in ["{}", r#"{"scopes":"","remark":null,"scheme":""}"#, r#"{"scheme":"app"}"#] {
            let command = read(body).unwrap();
            assert_eq!((command.scopes, command.remark), (None, None), "{body}");
        }
    }

    #[test]
    fn qr_23_long_scopes_are_refused_and_long_remarks_cut() {
        assert!(read(&format!(r#"{{"scopes":"{}"}}"#, "爱".repeat(200))).is_ok());
        assert!(read(&format!(r#"{{"scopes":"{}"}}"#, "a".repeat(201))).is_err());
        let remark = |text: &str| read(&format!(r#"{{"remark":"{text}"}}"#)).unwrap().remark.unwrap().into_string();
        assert_eq!(remark(&"爱".repeat(2_000)), "爱".repeat(512));
        assert_eq!(remark("<b>\u{202e}</b>"), "<b>\u{202e}</b>", "whoever shows it escapes it");
    }

    #[test]
    fn control_characters_and_other_schemes_are_refused() {
        for body in [
            r#"{"scopes":"a\u0000"}"#,
            r#"{"remark":"a\nb"}"#,
            r#"{"remark":"\u0085"}"#,
            r#"{"remark":7}"#,
            r#"{"scheme":"web"}"#,
            r#"{"scheme":1}"#,
            "[]",
        ] {
            assert!(read(body).is_err(), "{body}");
        }
    }
}
