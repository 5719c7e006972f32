//! What is known about a request from its first byte on, kept beside it for the extractors and for the answer.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::{envelope::Family, route::Params};
use crate::{
    app::{AppId, AppKey, AppRecord, AppStatus},
    env::Env,
    error::{ApiError, ErrorCode},
    settings::Language,
};

/// The address that the request came from, as the gateway or the local server saw it: a request extension, never a
/// header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// All requests of unknown origin share one budget.
    pub(super) const UNKNOWN: Self = Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
}

/// What others call this request: a request extension, for the log.
#[derive(Clone, Debug, Default)]
pub struct Correlation {
    /// The gateway, in its access log.
    pub gateway: Option<String>,
    /// The Lambda runtime, in its report of billed time.
    pub lambda: Option<String>,
}

/// A request's surroundings.
pub(super) struct Scope {
    pub(super) env: Env,
    pub(super) family: Family,
    pub(super) params: Params,
    pub(super) now: Timestamp,
    pub(super) request_id: String,
    pub(super) client: ClientAddress,
    app: OnceCell<Arc<AppRecord>>,
}

impl Scope {
    pub(super) fn new(env: Env, family: Family, params: Params, client: ClientAddress) -> Self {
        let now = env.clock.now();
        let request_id = env.entropy.hex::<16>();
        Self { env, family, params, now, request_id, client, app: OnceCell::new() }
    }

    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(param, _)| *param == name).map(|(_, value)| value.as_str())
    }

    /// The app that the path names, read once per request. One that is switched off is none.
    pub(super) async fn app(&self) -> Result<&Arc<AppRecord>, ApiError> {
        self.app.get_or_try_init(|| self.find_app()).await
    }

    async fn find_app(&self) -> Result<Arc<AppRecord>, ApiError> {
        let store = &self.env.store;
        let app = if let Some(id) = self.param("appId").and_then(AppId::parse) {
            store.find_app(id, self.now).await?
        } else if let Some(key) = self.param("appKey").and_then(AppKey::parse) {
            store.find_app_by_key(&key, self.now).await?
        } else {
            None
        };
        app.filter(|app| app.status == AppStatus::Active).ok_or(ErrorCode::AppNotFound.into())
    }

    /// Whether the path names an app at all.
    pub(super) fn has_tenant(&self) -> bool {
        self.param("appId").or(self.param("appKey")).is_some()
    }

    /// For requests whose app another credential than the path decides.
    pub(super) fn set_app(&self, app: Arc<AppRecord>) {
        // Set twice only if two extractors decide, and then both decided the same.
        let _ = self.app.set(app);
    }

    /// The language of the answer: the app's, as soon as it is known.
    pub(super) fn language(&self) -> Language {
        self.app.get().map(|app| app.language).unwrap_or_default()
    }

    /// The app's number for the log, as soon as it is known.
    pub(super) fn app_id(&self) -> Option<u32> {
        self.app.get().map(|app| app.app_id.get())
    }
}
