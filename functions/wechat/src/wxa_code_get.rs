//! `POST /api/Wechat/{appId}/WXACodeGet`: a picture that leads a phone to a page of the app's mini program; of an app
//! without one, a plain QR code of the path.

use axum::{
    http::header,
    response::{IntoResponse as _, Response},
};
use shared::{
    app::AppRecord,
    env::Env,
    error::ApiError,
    http::{Access, Command, Ctx, Field, Fields, Json, Refusal, Route},
    storage::IpCharge,
};

use crate::{
    api::{WeChat, WeChatError},
    picture::Picture,
};

pub(crate) const ROUTE: Route = Route::post("/api/Wechat/{appId}/WXACodeGet", Access::Anonymous);

pub(crate) async fn handle(
    ctx: &Ctx,
    app: &AppRecord,
    env: &Env,
    wechat: &WeChat,
    command: &WxaCodeGet,
) -> Result<Response, ApiError> {
    let WxaCodeGet { path: CodePath(path), width: Width(width) } = command;
    let Some(program) = &app.settings.mini_program else {
        return Picture::qr_code(path, *width).map(answer).map_err(ApiError::internal);
    };
    // WeChat counts the codes that a mini program has ever asked for: nobody may spend them at will.
    if let Some(budget) = env.limits.mini_program_codes(ctx.client) {
        match env.store.charge_ip(budget, ctx.now).await? {
            IpCharge::Granted => {}
            IpCharge::Throttled { retry_after } => return Err(ApiError::throttled(retry_after)),
        }
    }
    match wechat.code(&env.wechat_url, program, path, *width, ctx.now).await {
        Ok(picture) => Ok(answer(picture)),
        Err(WeChatError::NoSuchPage) => Err(ApiError::invalid("path is no page of the mini program")),
        Err(error) => Err(ApiError::unavailable(error)),
    }
}

/// The picture as it is. It holds a key that is good for once: nobody keeps it.
fn answer(picture: Picture) -> Response {
    ([(header::CONTENT_TYPE, picture.media_type), (header::CACHE_CONTROL, "no-store")], picture.bytes).into_response()
}

#[derive(Debug)]
pub(crate) struct WxaCodeGet {
    path: CodePath,
    width: Width,
}

impl Command for WxaCodeGet {
    fn read(body: Json) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        Ok(Self { path: fields.required("path")?, width: fields.optional("width")?.unwrap_or(Width(430)) })
    }
}

/// A page of a mini program, with its query.
#[derive(Debug)]
struct CodePath(String);

impl Field for CodePath {
    fn read(value: Json) -> Result<Self, Refusal> {
        let text = String::read(value)?;
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"/_?=&.-".contains(&b);
        if (1..=128).contains(&text.len()) && text.bytes().all(fits) {
            Ok(Self(text))
        } else {
            Err("must be 1 to 128 letters, digits and /_?=&.-")
        }
    }
}

/// The width of the picture in pixels.
#[derive(Clone, Copy, Debug)]
struct Width(u32);

impl Field for Width {
    fn read(value: Json) -> Result<Self, Refusal> {
        const REFUSAL: Refusal = "must be a whole number from 64 to 1280";
        let width = u64::read(value).ok().and_then(|width| u32::try_from(width).ok());
        width.filter(|width| (64..=1_280).contains(width)).map(Self).ok_or(REFUSAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(body: &str) -> bool {
        WxaCodeGet::read(Json::parse(body.as_bytes()).unwrap()).is_ok()
    }

    #[test]
    fn paths_and_widths_are_what_a_code_can_hold() {
        for good in [
            r#"{"path":"pages/login/index?appId=2&signinKey=1234567890123"}"#,
            r#"{"path":"/a_b-c.d","width":64}"#,
            r#"{"path":"a","width":"1280"}"#,
            r#"{"path":"a","width":null}"#,
        ] {
            assert!(reads(good), "{good}");
        }
        for bad in [
            "{}",
            r#"{"path":""}"#,
            r#"{"path":"https://example.com"}"#,
            r#"{"path":"a b"}"#,
            r#"{"path":"爱"}"#,
            r#"{"path":"a<b"}"#,
            r#"{"path":7}"#,
            r#"{"path":"a","width":63}"#,
            r#"{"path":"a","width":1281}"#,
            r#"{"path":"a","width":430.0}"#,
            r#"{"path":"a","width":4294967360}"#,
        ] {
            assert!(!reads(bad), "{bad}");
        }
        assert!(reads(&format!(r#"{{"path":"{}"}}"#, "a".repeat(128))));
        assert!(!reads(&format!(r#"{{"path":"{}"}}"#, "a".repeat(129))));
    }
}
