//! What a licence call may know and do: its credential is a key of its own, and the key decides the app.

use std::{ops::Deref, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, request::Parts},
};

use jiff::Timestamp;

use super::extract::scope;
use crate::{
    app::{AppRecord, AppStatus},
    bitkey::{Bitkey, BitkeyRecord, BitkeyScope},
    env::Env,
    error::{ApiError, ErrorCode},
    licence::Sn,
    limits::charge_failure,
    log::notes,
    storage::{FoundBitkey, IpBudget, Licence, NamedLicence, StorageError, Within},
};

const BITKEY: &str = "bitkey";
const REQUEST_ID: &str = "x-bit-req-id";
/// The longest request id, in bytes.
const MAX_REQUEST_ID: usize = 128;

/// Whoever holds the bitkey that came with the request.
#[derive(Clone, Debug)]
pub struct Licensee {
    /// The app that the key belongs to.
    pub app: Arc<AppRecord>,
    /// The key as it is stored.
    pub bitkey: BitkeyRecord,
    /// What the path names, if it was read together with the key.
    licence: NamedLicence,
    /// The client's unknown keys and codes, and since when it asks.
    failures: Option<IpBudget>,
    asked_at: Timestamp,
}

impl Licensee {
    /// The licence code that the path names, or a refusal.
    pub async fn licence(&self, env: &Env, path: &LicencePath) -> Result<(Sn, Licence), ApiError> {
        let Some(sn) = &path.sn else { return Err(self.sn_not_found(env).await) };
        match self.find_licence(env, sn).await? {
            Some(licence) => Ok((sn.clone(), licence)),
            None => Err(self.sn_not_found(env).await),
        }
    }

    /// The licence code with the name that the path has, as it was when the request came.
    pub async fn find_licence(&self, env: &Env, sn: &Sn) -> Result<Option<Licence>, StorageError> {
        match &self.licence {
            NamedLicence::Found(licence) => Ok(Some(licence.clone())),
            NamedLicence::Missing => Ok(None),
            NamedLicence::Unread => env.store.app(self.app.app_id).find_licence(sn).await,
        }
    }

    /// What somebody is told who names a licence code that the app does not have: so many, and they are told no more.
    pub async fn sn_not_found(&self, env: &Env) -> ApiError {
        charge_failure(env, self.failures, self.asked_at, ErrorCode::SnNotFound).await
    }
}

impl FromRequestParts<Env> for Licensee {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Env) -> Result<Self, ApiError> {
        let scope = scope(parts)?;
        let env = &scope.env;
        let failures = env.limits.licence_failures(scope.client.0);
        let refused = async || Err(charge_failure(env, failures, scope.now, ErrorCode::InvalidBitkey).await);
        let Some(key) = only(&parts.headers, BITKEY).and_then(Bitkey::parse) else { return refused().await };
        let sn = scope.param("sn").and_then(Sn::parse);
        let FoundBitkey { bitkey: stored, licence } =
            match env.store.find_bitkey_within(key.id(), sn.as_ref(), failures, scope.now).await? {
                Within::Budget(found) => found,
                Within::Throttled { retry_after } => return Err(ApiError::throttled(retry_after)),
            };
        // An unknown id costs a comparison, too.
        let hash = stored.as_ref().map_or_else(|| "0".repeat(64), |stored| stored.hash.clone());
        let Some(bitkey) = stored.filter(|_| key.matches(&hash)) else { return refused().await };
        notes::bitkey(&bitkey.id);
        let app = env.store.find_app(bitkey.app_id, scope.now).await?;
        let Some(app) = app.filter(|app| app.status == AppStatus::Active) else { return refused().await };
        scope.set_app(Arc::clone(&app));
        Ok(Self { app, bitkey, licence, failures, asked_at: scope.now })
    }
}

/// The holder of a bitkey that may write.
#[derive(Clone, Debug)]
pub struct LicenceWriter(Licensee);

impl Deref for LicenceWriter {
    type Target = Licensee;

    fn deref(&self) -> &Licensee {
        &self.0
    }
}

impl FromRequestParts<Env> for LicenceWriter {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, env: &Env) -> Result<Self, ApiError> {
        let licensee = Licensee::from_request_parts(parts, env).await?;
        match licensee.bitkey.scope {
            BitkeyScope::Full => Ok(Self(licensee)),
            BitkeyScope::ReadOnly => Err(ErrorCode::ReadOnlyKey.into()),
        }
    }
}

/// What the path names.
#[derive(Clone, Debug)]
pub struct LicencePath {
    /// The licence code; a text that cannot be one names none.
    pub sn: Option<Sn>,
    /// The user, decoded once; empty where the path has none.
    pub name: String,
}

impl FromRequestParts<Env> for LicencePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Env) -> Result<Self, ApiError> {
        let scope = scope(parts)?;
        Ok(Self { sn: scope.param("sn").and_then(Sn::parse), name: scope.param("name").unwrap_or_default().to_owned() })
    }
}

/// What the client calls a write that it may repeat; most writes have none.
#[derive(Clone, Debug)]
pub struct RequestId(pub Option<String>);

impl FromRequestParts<Env> for RequestId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Env) -> Result<Self, ApiError> {
        if parts.headers.get_all(REQUEST_ID).iter().all(HeaderValue::is_empty) {
            return Ok(Self(None));
        }
        let id = only(&parts.headers, REQUEST_ID)
            .filter(|id| id.len() <= MAX_REQUEST_ID && id.bytes().all(|b| b.is_ascii_graphic()))
            .ok_or_else(|| ApiError::invalid("x-bit-req-id must be one header of 1 to 128 printable characters"))?;
        Ok(Self(Some(id.to_owned())))
    }
}

/// The value of a header that came once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    value.to_str().ok()
}
