//! Everything that can go wrong in a way that a client may branch on, as one closed list.
//!
//! The code's number is the envelope's `code` (or `status`), its reason the machine-readable word beside it, its
//! message what a person reads. Which HTTP status goes with it is the envelope's business
//! ([`crate::http::Family`]).

use std::{error::Error, fmt};

use crate::{settings::Language, storage::StorageError};

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal $reason:literal $chinese:literal $english:literal;)+) => {
        /// What a failing answer is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)+
        }

        impl ErrorCode {
            /// Every code there is, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The envelope's `code` or `status`.
            pub const fn number(self) -> u16 {
                match self { $(Self::$name => $number,)+ }
            }

            /// The envelope's `reason`: stable, lower case, for programs.
            pub const fn reason(self) -> &'static str {
                match self { $(Self::$name => $reason,)+ }
            }

            /// The sentence for people, in the app's language.
            pub const fn message(self, language: Language) -> &'static str {
                match language {
                    Language::Zh => match self { $(Self::$name => $chinese,)+ },
                    Language::En => match self { $(Self::$name => $english,)+ },
                }
            }
        }
    };
}

error_codes! {
    /// The QR code has not been scanned yet.
    ScanPending = 202 "scan_pending" "请扫码" "Waiting for the QR code to be scanned";
    /// The QR code was scanned, the phone has not confirmed yet.
    ConfirmPending = 202 "confirm_pending" "登陆中..." "Waiting for the phone to confirm";
    /// The request alone shows that it cannot be served.
    InvalidRequest = 400 "invalid_request" "请求参数错误" "Invalid request";
    /// A verification code that is wrong, used, expired or not for this.
    InvalidCode = 400 "invalid_code" "验证码错误或已过期" "The verification code is wrong or has expired";
    /// An authorization code that is wrong, used, expired or not for this.
    InvalidGrant = 400 "invalid_grant" "授权码过期" "The authorization code has expired";
    /// The redirect URI is not one that the app registered.
    RedirectUriNotAllowed = 400 "redirect_uri_not_allowed" "回调地址不在白名单内" "The redirect URI is not registered";
    /// The app wants a proven phone or e-mail at sign-up.
    ContactCodeRequired = 400 "contact_code_required" "请先验证手机号或邮箱" "Verify a phone number or e-mail address first";
    /// The bearer token is missing, malformed, expired, revoked or another app's.
    InvalidToken = 401 "invalid_token" "登录已失效，请重新登录" "The access token is not valid";
    /// The bitkey is missing or unknown.
    InvalidBitkey = 401 "invalid_bitkey" "bitkey 无效" "The bitkey is not valid";
    /// Who signs in is unknown, or the proof is wrong; which of them is not told.
    InvalidCredentials = 401 "invalid_credentials" "账号或密码错误" "Wrong account or password";
    /// The user has a second factor and none was sent.
    TwoFactorRequired = 401 "two_factor_required" "请输入双因素认证代码" "A two-factor code is required";
    /// The second factor is wrong or was used before.
    InvalidTwoFactorCode = 401 "invalid_two_factor_code" "双因素认证代码错误" "The two-factor code is wrong";
    /// This call is for the app's own server.
    AppSecretRequired = 403 "app_secret_required" "需要应用密钥" "The app secret is required";
    /// The app takes no new users.
    SignUpDisabled = 403 "sign_up_disabled" "应用已关闭注册" "Sign-up is closed";
    /// The app sells no points.
    RechargeDisabled = 403 "recharge_disabled" "应用未开启充值" "Recharging is not available";
    /// The bitkey may read and not write.
    ReadOnlyKey = 403 "read_only_key" "该密钥只有读取权限" "This key may only read";
    /// No such app, or it is switched off.
    AppNotFound = 404 "app_not_found" "不存在的应用" "No such app";
    /// No such user.
    UserNotFound = 404 "user_not_found" "用户不存在" "No such user";
    /// The user that the token names is gone.
    UserGone = 404 "user_gone" "不存在的用户" "The user no longer exists";
    /// No such record among the caller's own.
    NotFound = 404 "not_found" "记录不存在" "No such record";
    /// No such licence code.
    SnNotFound = 404 "sn_not_found" "授权码不存在" "No such licence code";
    /// No endpoint has this path.
    RouteNotFound = 404 "route_not_found" "接口不存在" "No such endpoint";
    /// The endpoint does not take this method.
    MethodNotAllowed = 405 "method_not_allowed" "请求方法不支持" "The endpoint does not take this method";
    /// A unique name, contact or identity is held by somebody.
    AccountExists = 409 "account_exists" "账号已存在" "The account already exists";
    /// The external account belongs to another user.
    ExternalAccountTaken = 409 "external_account_taken" "该外部账号已被绑定" "The external account is bound to another user";
    /// The user has as many bindings as are allowed.
    BindingLimit = 409 "binding_limit" "绑定数量已达上限" "Too many external accounts";
    /// Without this one the user could not sign in any more.
    LastSignInMethod = 409 "last_sign_in_method" "不能移除最后一种登录方式" "The last way to sign in cannot be removed";
    /// The order was used for something else.
    OrderConflict = 409 "order_conflict" "订单号已被使用" "The order was already used for something else";
    /// The request id was used for something else.
    RequestIdConflict = 409 "request_id_conflict" "请求编号已被使用" "The request id was already used for something else";
    /// The licence code has no free seat.
    SeatsExhausted = 409 "seats_exhausted" "授权码用户数已满" "The licence code has no free seat";
    /// Two-factor sign-in is already on.
    TwoFactorOn = 409 "two_factor_on" "双因素认证已开启" "Two-factor sign-in is already on";
    /// The QR code on the page is too old.
    QrExpired = 410 "qr_expired" "二维码失效请刷新" "The QR code has expired";
    /// The scanned QR code cannot be used.
    QrUnusable = 410 "qr_unusable" "二维码已失效，请刷新重试" "The QR code can no longer be used";
    /// The body is longer than is taken.
    BodyTooLarge = 413 "body_too_large" "请求体过大" "The request body is too large";
    /// The body is not JSON, or is compressed.
    UnsupportedMediaType = 415 "unsupported_media_type" "不支持的请求格式" "The media type is not supported";
    /// The password is too short or too common.
    WeakPassword = 422 "weak_password" "密码过于简单" "The password is too easy to guess";
    /// The app does not sell at this price.
    PriceNotListed = 422 "price_not_listed" "充值金额不在价目表内" "The price is not listed";
    /// The user recharged as much as is allowed in a day.
    DailyLimit = 422 "daily_limit" "已超过每日充值上限" "The daily recharge limit is reached";
    /// Too many tries; `Retry-After` says when to come back.
    Throttled = 429 "throttled" "操作过于频繁，请稍后再试" "Too many requests, try again later";
    /// A bug of ours.
    InternalError = 500 "internal_error" "服务器内部错误" "Internal error";
    /// Something that we need does not answer; nothing was changed.
    Unavailable = 503 "unavailable" "服务暂不可用，请稍后再试" "The service is unavailable, try again later";
}

/// A failing outcome of a request: the code for the client, the cause for the log.
#[derive(Debug)]
pub struct ApiError {
    /// What the client is told.
    pub code: ErrorCode,
    /// More about a bad request, following the message after a colon. Never anything that the server knows and the
    /// client does not.
    pub detail: Option<String>,
    /// Seconds until another try makes sense.
    pub retry_after: Option<u64>,
    /// What happened, for the log alone.
    pub cause: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// A failure that the code says all about.
    pub const fn new(code: ErrorCode) -> Self {
        Self { code, detail: None, retry_after: None, cause: None }
    }

    /// A request that cannot be served as it stands; `detail` names the field and what is wrong with it.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..Self::new(ErrorCode::InvalidRequest) }
    }

    /// Too many tries; `seconds` until the next one is looked at.
    pub fn throttled(seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(ErrorCode::Throttled) }
    }

    /// A bug or a broken record: the client learns nothing of it.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..Self::new(ErrorCode::InternalError) }
    }

    /// Something that we depend on failed, and nothing was changed.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), retry_after: Some(1), ..Self::new(ErrorCode::Unavailable) }
    }
}

impl From<ErrorCode> for ApiError {
    fn from(code: ErrorCode) -> Self {
        Self::new(code)
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        if error.is_transient() { Self::unavailable(error) } else { Self::internal(error) }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.reason())?;
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn reasons_are_unique_and_machine_readable() {
        let reasons: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.reason()).collect();
        assert_eq!(reasons.len(), ErrorCode::ALL.len());
        assert!(reasons.iter().all(|reason| reason.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }

    #[test]
    fn codes_are_listed_by_number_and_none_reads_as_a_success() {
        assert!(ErrorCode::ALL.is_sorted_by_key(|code| code.number()));
        assert!(ErrorCode::ALL.iter().all(|code| code.number() != 200));
    }
}
