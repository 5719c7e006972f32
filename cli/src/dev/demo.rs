//! The app that is there from the first start, so that the first request works.

use shared::{
    app::{AppId, AppKey, AppRecord},
    bitkey::{Bitkey, BitkeyScope},
    entropy::Entropy as _,
    secret::AppSecret,
    settings::Preset,
    storage::{NewApp, NewBitkey, Store},
};

use super::local_keys::LocalKeys;
use crate::{app::put, bitkey, failure::Failure};

const NUMBER: u32 = 2;

pub(crate) struct Demo {
    pub(crate) id: AppId,
    pub(crate) key: AppKey,
    pub(crate) secret: AppSecret,
    pub(crate) bitkey: Bitkey,
}

impl Demo {
    /// Creates the app if it is not there. What was changed of it since stays, but for its secrets, which follow from
    /// the data folder's key file.
    pub(crate) async fn ensure(store: &Store, keys: &LocalKeys) -> Result<Self, Failure> {
        let id = AppId::new(NUMBER).ok_or_else(|| Failure::new("the demo app has no number"))?;
        let (key, secret) = Self::ensure_app(store, keys, id).await?;
        let bitkey = Self::ensure_bitkey(store, keys, id).await?;
        Ok(Self { id, key, secret, bitkey })
    }

    async fn ensure_app(store: &Store, keys: &LocalKeys, id: AppId) -> Result<(AppKey, AppSecret), Failure> {
        let secret = AppSecret::from_bytes(keys.derive("demo app secret"));
        if let Some(mut app) = store.load_app(id).await? {
            if app.secret_hash != secret.hash() {
                app.secret_hash = secret.hash();
                put(store, &app).await?;
            }
            return Ok((app.app_key, secret));
        }
        let key = AppKey::generate(&keys.stream("demo app key"));
        let mut app = AppRecord::new(id, key, &secret, "Demo".to_owned(), Preset::Documented);
        app.cors_origins = vec!["*".to_owned()];
        match store.create_app(&app).await? {
            NewApp::Created => Ok((app.app_key, secret)),
            NewApp::Taken => Err(Failure::new("another server has just created the demo app: start again")),
        }
    }

    /// The key that follows from the key file. Where two others took the places, the older one makes room.
    async fn ensure_bitkey(store: &Store, keys: &LocalKeys, id: AppId) -> Result<Bitkey, Failure> {
        let mut key_id = [0; 8];
        keys.stream("demo app bitkey id").fill(&mut key_id);
        let bitkey = Bitkey::from_bytes(key_id, keys.derive("demo app bitkey"));
        if store.find_bitkey(bitkey.id()).await?.is_some() {
            return Ok(bitkey);
        }
        let record = bitkey::record(id, &bitkey, BitkeyScope::Full);
        let mut created = store.app(id).create_bitkey(&record).await?;
        if created == NewBitkey::TooMany {
            let others = store.app(id).list_bitkeys().await?;
            let others = others.iter().filter(|other| other.scope == BitkeyScope::Full);
            if let Some(oldest) = others.min_by_key(|other| other.created_at) {
                store.revoke_bitkey(&oldest.id).await?;
            }
            created = store.app(id).create_bitkey(&record).await?;
        }
        match created {
            NewBitkey::Created | NewBitkey::Taken => Ok(bitkey),
            NewBitkey::TooMany | NewBitkey::NoApp => Err(Failure::new("the demo app takes no bitkey: start again")),
        }
    }
}
