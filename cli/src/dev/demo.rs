//! The app that is there from the first start, so that the first request works.

use shared::{
    app::{AppId, AppKey, AppRecord},
    secret::AppSecret,
    settings::Preset,
    storage::{NewApp, Store},
};

use super::local_keys::LocalKeys;
use crate::{app::put, failure::Failure};

const NUMBER: u32 = 2;

pub(crate) struct Demo {
    pub(crate) id: AppId,
    pub(crate) key: AppKey,
    pub(crate) secret: AppSecret,
}

impl Demo {
    /// Creates the app if it is not there. What was changed of it since stays, but for its secrets, which follow from
    /// the data folder's key file.
    pub(crate) async fn ensure(store: &Store, keys: &LocalKeys) -> Result<Self, Failure> {
        let id = AppId::new(NUMBER).ok_or_else(|| Failure::new("the demo app has no number"))?;
        let secret = AppSecret::from_bytes(keys.derive("demo app secret"));
        if let Some(mut app) = store.load_app(id).await? {
            if app.secret_hash != secret.hash() {
                app.secret_hash = secret.hash();
                put(store, &app).await?;
            }
            return Ok(Self { id, key: app.app_key, secret });
        }
        let key = AppKey::generate(&keys.stream("demo app key"));
        let mut app = AppRecord::new(id, key, &secret, "Demo".to_owned(), Preset::Documented);
        app.cors_origins = vec!["*".to_owned()];
        match store.create_app(&app).await? {
            NewApp::Created => Ok(Self { id, key: app.app_key, secret }),
            NewApp::Taken => Err(Failure::new("another server has just created the demo app: start again")),
        }
    }
}
