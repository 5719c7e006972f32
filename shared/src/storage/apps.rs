//! Apps: read by every request, written by the operator.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_dynamodb::{
    operation::{
        describe_table::DescribeTableInput,
        put_item::{PutItemError, PutItemInput},
        scan::ScanInput,
        update_item::UpdateItemInput,
    },
    types::{Put, ReturnValue},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    StorageError, Store, item,
    keys::{self, PK, SK, Table},
    number, read,
    transaction::{Transacted, Transaction},
};
use crate::{
    app::{AppId, AppKey, AppRecord},
    bitkey::BitkeyId,
};

/// An app, and when it was read.
type Cached = (Timestamp, Arc<AppRecord>);

/// Apps as they were read a short while ago: settings may be this stale, and most requests need no read for them.
#[derive(Clone)]
pub struct SettingsCache {
    max_age: Duration,
    apps: Arc<Mutex<HashMap<AppId, Cached>>>,
    ids: Arc<Mutex<HashMap<AppKey, AppId>>>,
    bitkeys: Arc<Mutex<HashMap<BitkeyId, AppId>>>,
}

impl SettingsCache {
    /// More apps than this in one instance are not worth their memory.
    const CAPACITY: usize = 1_000;

    /// An empty cache; a `max_age` of zero reads every time.
    pub fn new(max_age: Duration) -> Self {
        Self { max_age, apps: Arc::default(), ids: Arc::default(), bitkeys: Arc::default() }
    }

    fn get(&self, id: AppId, now: Timestamp) -> Option<Arc<AppRecord>> {
        let apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        let (read_at, app) = apps.get(&id)?;
        // An instance may be frozen for hours: age is what the clock says, in either direction.
        let age = now.duration_since(*read_at);
        (!age.is_negative() && age.unsigned_abs() < self.max_age).then(|| Arc::clone(app))
    }

    fn put(&self, app: &Arc<AppRecord>, now: Timestamp) {
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        if apps.len() >= Self::CAPACITY {
            apps.clear();
        }
        apps.insert(app.app_id, (now, Arc::clone(app)));
    }

    /// The app that a bitkey was of when it was last read: where to look, and nothing to trust.
    pub(super) fn app_of(&self, bitkey: &BitkeyId) -> Option<AppId> {
        self.bitkeys.lock().unwrap_or_else(PoisonError::into_inner).get(bitkey).copied()
    }

    pub(super) fn remember_app_of(&self, bitkey: &BitkeyId, app: AppId) {
        let mut bitkeys = self.bitkeys.lock().unwrap_or_else(PoisonError::into_inner);
        if bitkeys.len() >= Self::CAPACITY {
            bitkeys.clear();
        }
        bitkeys.insert(bitkey.clone(), app);
    }
}

impl fmt::Debug for SettingsCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettingsCache").field("max_age", &self.max_age).finish_non_exhaustive()
    }
}

/// What became of a new app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewApp {
    /// It is stored.
    Created,
    /// Its number or its key is another app's.
    Taken,
}

/// What became of a change to an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavedApp {
    /// It is stored.
    Saved,
    /// Somebody else changed the app since it was read; nothing was written.
    ChangedMeanwhile,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AppPointer {
    app_id: AppId,
}

#[derive(Deserialize)]
struct Counter {
    next: u32,
}

impl Store {
    /// The app with this number, at most the cache's age old.
    pub async fn find_app(&self, id: AppId, now: Timestamp) -> Result<Option<Arc<AppRecord>>, StorageError> {
        if let Some(app) = self.apps.get(id, now) {
            return Ok(Some(app));
        }
        let Some(app) = self.get::<AppRecord>(Table::Apps, keys::app(id), false).await? else { return Ok(None) };
        let app = Arc::new(app);
        self.apps.put(&app, now);
        Ok(Some(app))
    }

    /// The app with this GUID, at most the cache's age old.
    pub async fn find_app_by_key(&self, key: &AppKey, now: Timestamp) -> Result<Option<Arc<AppRecord>>, StorageError> {
        let known = self.apps.ids.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied();
        let id = match known {
            Some(id) => id,
            None => match self.get::<AppPointer>(Table::Apps, keys::app_key(key), false).await? {
                Some(pointer) => {
                    // A GUID names the same app for ever, so the pointer never gets stale.
                    let mut ids = self.apps.ids.lock().unwrap_or_else(PoisonError::into_inner);
                    if ids.len() >= SettingsCache::CAPACITY {
                        ids.clear();
                    }
                    ids.insert(key.clone(), pointer.app_id);
                    pointer.app_id
                }
                None => return Ok(None),
            },
        };
        self.find_app(id, now).await
    }

    /// The app as it is now, for whoever is about to change it.
    pub async fn load_app(&self, id: AppId) -> Result<Option<AppRecord>, StorageError> {
        self.get(Table::Apps, keys::app(id), true).await
    }

    /// A number that no app has had; `first` is where a new deployment starts.
    pub async fn next_app_id(&self, first: AppId) -> Result<AppId, StorageError> {
        let counted = self
            .db
            .send(
                UpdateItemInput::builder()
                    .table_name(self.tables.get(Table::Apps)?)
                    .set_key(Some(keys::app_counter()))
                    .update_expression("SET #next = if_not_exists(#next, :first) + :one")
                    .expression_attribute_names("#next", "next")
                    .expression_attribute_values(":first", number(first))
                    .expression_attribute_values(":one", number(1))
                    .return_values(ReturnValue::AllNew),
            )
            .await
            .map_err(StorageError::from_sdk)?;
        let after: Counter = read(counted.attributes.unwrap_or_default())?;
        AppId::new(after.next - 1).ok_or_else(|| StorageError::Corrupt("the app counter is at zero".to_owned()))
    }

    /// Stores a new app and the pointer from its key.
    pub async fn create_app(&self, app: &AppRecord) -> Result<NewApp, StorageError> {
        let table = self.tables.get(Table::Apps)?;
        let pointer = AppPointer { app_id: app.app_id };
        let mut transaction = Transaction::new();
        for item in [item(keys::app(app.app_id), app)?, item(keys::app_key(&app.app_key), &pointer)?] {
            let put = Put::builder()
                .table_name(table)
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(pk)")
                .build()
                .map_err(StorageError::from_build)?;
            transaction.put((), put);
        }
        Ok(match transaction.commit(self).await? {
            Transacted::Committed => NewApp::Created,
            Transacted::Refused(_) => NewApp::Taken,
        })
    }

    /// Replaces an app that was read with [`Store::load_app`], unless somebody else has changed it since.
    pub async fn save_app(&self, app: &AppRecord) -> Result<SavedApp, StorageError> {
        let next = AppRecord { revision: app.revision + 1, ..app.clone() };
        let sent = self
            .db
            .send(
                PutItemInput::builder()
                    .table_name(self.tables.get(Table::Apps)?)
                    .set_item(Some(item(keys::app(app.app_id), &next)?))
                    .condition_expression("#revision = :seen")
                    .expression_attribute_names("#revision", "revision")
                    .expression_attribute_values(":seen", number(app.revision)),
            )
            .await;
        match sent {
            Ok(_) => Ok(SavedApp::Saved),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(SavedApp::ChangedMeanwhile),
                _ => Err(StorageError::from_sdk(error)),
            },
        }
    }

    /// Whether there is a table of apps at all: an operator may have the wrong address.
    pub async fn check_apps_table(&self) -> Result<(), StorageError> {
        let table = self.tables.get(Table::Apps)?;
        self.db.send(DescribeTableInput::builder().table_name(table)).await.map_err(StorageError::from_sdk)?;
        Ok(())
    }

    /// Every app, by number. Reads the whole table: for the operator's command line only.
    pub async fn list_apps(&self) -> Result<Vec<AppRecord>, StorageError> {
        let mut apps = Vec::new();
        let mut start = None;
        loop {
            let page = self
                .db
                .send(
                    ScanInput::builder()
                        .table_name(self.tables.get(Table::Apps)?)
                        .filter_expression("begins_with(#pk, :app) AND #sk = :sk")
                        .expression_attribute_names("#pk", PK)
                        .expression_attribute_names("#sk", SK)
                        .expression_attribute_values(":app", super::text("app#"))
                        .expression_attribute_values(":sk", super::text("app"))
                        .set_exclusive_start_key(start),
                )
                .await
                .map_err(StorageError::from_sdk)?;
            for item in page.items.unwrap_or_default() {
                apps.push(read::<AppRecord>(item)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                apps.sort_by_key(|app| app.app_id);
                return Ok(apps);
            }
        }
    }
}
