//! What an endpoint may know and do, by what it asks for in its signature.

use std::{net::IpAddr, ops::Deref, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use futures_util::future::try_join;
use jiff::Timestamp;

use super::{fields::canonical_integer, scope::Scope};
use crate::{
    app::AppRecord,
    env::Env,
    error::{ApiError, ErrorCode},
    log::notes,
    secret::AppSecret,
    settings::{Proof, Recharge},
    user::User,
};

const APP_SECRET: &str = "x-app-secret";

pub(super) fn scope(parts: &Parts) -> Result<Arc<Scope>, ApiError> {
    parts.extensions.get().cloned().ok_or_else(|| ApiError::internal("a handler was called without its scope"))
}

/// When and from where the request came.
#[derive(Clone, Debug)]
pub struct Ctx {
    /// The time of the request, read once.
    pub now: Timestamp,
    /// The client's address.
    pub client: IpAddr,
}

impl FromRequestParts<Env> for Ctx {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Env) -> Result<Self, ApiError> {
        let scope = scope(parts)?;
        Ok(Self { now: scope.now, client: scope.client.0 })
    }
}

/// The app that the path names.
#[derive(Clone, Debug)]
pub struct App(Arc<AppRecord>);

impl Deref for App {
    type Target = AppRecord;

    fn deref(&self) -> &AppRecord {
        &self.0
    }
}

impl FromRequestParts<Env> for App {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Env) -> Result<Self, ApiError> {
        scope(parts)?.app().await.cloned().map(Self)
    }
}

/// The live user whose token came with the request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The user as of now.
    pub user: User,
}

impl FromRequestParts<Env> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Env) -> Result<Self, ApiError> {
        bearer(parts, ErrorCode::InvalidToken).await
    }
}

/// The caller as the profile knows it: a user who was deleted is told so.
#[derive(Clone, Debug)]
pub struct ProfileOwner(pub Caller);

impl FromRequestParts<Env> for ProfileOwner {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Env) -> Result<Self, ApiError> {
        bearer(parts, ErrorCode::UserGone).await.map(Self)
    }
}

/// Verifies the token and reads its user, so that what was revoked a moment ago is refused now.
async fn bearer(parts: &Parts, when_gone: ErrorCode) -> Result<Caller, ApiError> {
    let scope = scope(parts)?;
    let app = scope.app().await?;
    let token = bearer_token(&parts.headers).ok_or(ErrorCode::InvalidToken)?;
    let tokens = scope.env.tokens.at(scope.now).await?;
    let token = tokens.verify(token, scope.now).map_err(|_| ErrorCode::InvalidToken)?;
    if token.app != app.app_id {
        return Err(ErrorCode::InvalidToken.into());
    }
    let store = scope.env.store.app(app.app_id);
    let (user, is_allowed) = match &token.oauth {
        None => (store.find_user(token.user).await?, true),
        Some((consent, grant)) => {
            let reads = try_join(store.find_user(token.user), store.find_consent(token.user, *consent));
            let (user, consent) = reads.await?;
            (user, consent.is_some_and(|consent| consent.allows(grant)))
        }
    };
    notes::user(token.user);
    let user = user.ok_or(when_gone)?;
    if !user.is_active() || user.token_version != token.version || !is_allowed {
        return Err(ErrorCode::InvalidToken.into());
    }
    Ok(Caller { user })
}

/// The token of the one `Authorization: Bearer` header.
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = str::from_utf8(value.as_bytes()).ok()?.split_once(' ')?;
    // What is ASCII in a header is visible but for these two.
    let is_blank = |token: &str| [b' ', b'\t'].iter().any(|blank| token.as_bytes().contains(blank));
    let is_token = !token.is_empty() && token.is_ascii() && !is_blank(token);
    (scheme.eq_ignore_ascii_case("bearer") && is_token).then_some(token)
}

/// Leave to act on a bare union id: the app asks for no proof, or its secret came with the request.
#[derive(Clone, Copy, Debug)]
pub struct UnionIdProof(());

impl FromRequestParts<Env> for UnionIdProof {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Env) -> Result<Self, ApiError> {
        let scope = scope(parts)?;
        let app = scope.app().await?;
        match app.settings.union_id_proof {
            Proof::None => Ok(Self(())),
            Proof::Secret if has_app_secret(&parts.headers, app) => Ok(Self(())),
            Proof::Secret => Err(ErrorCode::AppSecretRequired.into()),
        }
    }
}

/// Whether the app's secret came with the request, for endpoints where the request decides if it is needed.
#[derive(Clone, Copy, Debug)]
pub struct SentAppSecret(bool);

impl SentAppSecret {
    /// Whether it came.
    pub const fn is_right(self) -> bool {
        self.0
    }

    /// Goes on if the secret came.
    pub fn require(self) -> Result<(), ApiError> {
        if self.0 { Ok(()) } else { Err(ErrorCode::AppSecretRequired.into()) }
    }
}

impl FromRequestParts<Env> for SentAppSecret {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Env) -> Result<Self, ApiError> {
        let scope = scope(parts)?;
        Ok(Self(has_app_secret(&parts.headers, scope.app().await?)))
    }
}

/// Leave to credit what a user paid: the app trusts its users, or its secret came with the request.
#[derive(Clone, Copy, Debug)]
pub struct RechargeProof(());

impl FromRequestParts<Env> for RechargeProof {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Env) -> Result<Self, ApiError> {
        let scope = scope(parts)?;
        let app = scope.app().await?;
        match app.settings.recharge {
            Recharge::User => Ok(Self(())),
            Recharge::Server if has_app_secret(&parts.headers, app) => Ok(Self(())),
            Recharge::Server => Err(ErrorCode::AppSecretRequired.into()),
        }
    }
}

/// The number of the record that the path names with `{id}`. What is no number names none.
#[derive(Clone, Copy, Debug)]
pub struct RecordId(pub u64);

impl FromRequestParts<Env> for RecordId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Env) -> Result<Self, ApiError> {
        let scope = scope(parts)?;
        let number = scope.param("id").and_then(canonical_integer).and_then(|id| u64::try_from(id).ok());
        number.filter(|id| (1..1 << 53).contains(id)).map(Self).ok_or(ErrorCode::NotFound.into())
    }
}

/// Whether the app's secret came with the request, in its one header.
fn has_app_secret(headers: &HeaderMap, app: &AppRecord) -> bool {
    let mut values = headers.get_all(APP_SECRET).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    value.to_str().is_ok_and(|secret| AppSecret::new(secret).matches(&app.secret_hash))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn one_well_formed_bearer_header_is_taken() {
        let token = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            bearer_token(&headers).map(str::to_owned)
        };
        for good in ["Bearer x.y.z", "bearer x.y.z", "BEARER x.y.z"] {
            assert_eq!(token(&[good]).as_deref(), Some("x.y.z"), "{good}");
        }
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer  x",
            "Bearer\tx",
            "Bearer x ",
            "Bearer x y",
            "Bearer x\ty",
            "Bearer \u{e9}",
            "Basic x",
            "x.y.z",
        ] {
            assert_eq!(token(&[bad]), None, "{bad:?}");
        }
        assert_eq!(token(&["Bearer x", "Bearer x"]), None);
        assert_eq!(token(&[]), None);
    }
}
