//! The store: one concrete client of the DynamoDB API, and verbs that each do one thing whole.
//!
//! A verb returns an outcome. A condition that the table refuses is one of the outcomes; only what was not foreseen is
//! a [`StorageError`]. Everything that belongs to an app is reached through [`Store::app`], so that a query without
//! its tenant cannot be written.

mod apps;
mod batch;
mod bindings;
mod bitkeys;
mod codes;
mod error;
mod ip_budget;
pub mod keys;
mod licences;
mod oauth;
mod password_budget;
mod password_reset;
mod points;
mod qr_sign_ins;
mod requests;
mod sign_up;
mod transaction;
mod two_factor;
mod users;

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    operation::{
        get_item::GetItemInput,
        update_item::{UpdateItemError, builders::UpdateItemInputBuilder},
    },
    types::AttributeValue,
};
use serde::{Serialize, de::DeserializeOwned};

pub use self::{
    apps::{NewApp, SavedApp, SettingsCache},
    bindings::{BindingChange, BindingChanged, Bound, Identity},
    bitkeys::{FoundBitkey, NamedLicence, NewBitkey, Revoked},
    codes::{Consumed, Issued, NewCode, Proof, Tried},
    error::StorageError,
    ip_budget::{IpBudget, IpCharge, Within},
    keys::Table,
    licences::{Licence, LinkOrder, LinkPage, Linked, LinkedUser, NewLicence, Unlinked},
    oauth::{CodeState, Deleted, Exchanged, Grant, Granter, Spent, UsedCode},
    password_budget::{Account, Attempt},
    password_reset::Reset,
    points::{LedgerPage, OrderState, Posted},
    qr_sign_ins::{
        Confirmation, ConfirmedSignIn, NewQrSignIn, OpenedSignIn, PolledSignIn, QR_WAIT_SECONDS, ScanToConfirm,
        ScannedPage, ScannedSignIn, TakenSignIn,
    },
    requests::{Begun, Claim},
    sign_up::{Holder, NewUser, SignedUp, Taken},
    two_factor::{Enrolled, Factor, FactorAttempt, FactorChange},
    users::{Change, LoginKey, ProfileChange},
};
use crate::{app::AppId, aws::Client, entropy::Entropy, hash_key::KeyedHash};

/// An item as the API carries it.
type Item = HashMap<String, AttributeValue>;

/// The tables' names; a function knows those that it may use.
#[derive(Clone, Debug, Default)]
pub struct TableNames(HashMap<Table, String>);

impl TableNames {
    /// The tables that the lookup has a name for.
    pub fn from_lookup(name_of: impl Fn(Table) -> Option<String>) -> Self {
        Self(Table::ALL.into_iter().filter_map(|table| name_of(table).map(|name| (table, name))).collect())
    }

    /// Names as the template gives them: the stack's name, then the table's.
    pub fn of_stack(stack: &str) -> Self {
        Self::from_lookup(|table| Some(format!("{stack}-{table:?}")))
    }

    fn get(&self, table: Table) -> Result<&str, StorageError> {
        self.0.get(&table).map(String::as_str).ok_or(StorageError::NoTable(table.variable()))
    }
}

/// Everything that is stored.
#[derive(Clone, Debug)]
pub struct Store {
    db: Client,
    tables: Arc<TableNames>,
    hash: Option<KeyedHash>,
    apps: SettingsCache,
    entropy: Arc<dyn Entropy>,
}

/// What belongs to one app.
#[derive(Clone, Copy, Debug)]
pub struct AppStore<'a> {
    store: &'a Store,
    app: AppId,
}

impl Store {
    /// A store over these tables. Without a keyed hash, what needs one is refused. `settings_max_age` is how old an app's settings may be when they are used; the
    /// entropy spreads retries.
    pub fn new(
        db: Client,
        tables: TableNames,
        hash: Option<KeyedHash>,
        settings_max_age: Duration,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { db, tables: Arc::new(tables), hash, apps: SettingsCache::new(settings_max_age), entropy }
    }

    /// What belongs to this app.
    pub const fn app(&self, app: AppId) -> AppStore<'_> {
        AppStore { store: self, app }
    }

    fn hash(&self) -> Result<&KeyedHash, StorageError> {
        self.hash.as_ref().ok_or(StorageError::NoHashKey)
    }

    /// The record under the key; `consistent` sees every write that was acknowledged, for twice the price.
    async fn get<T: DeserializeOwned>(
        &self,
        table: Table,
        key: keys::Key,
        consistent: bool,
    ) -> Result<Option<T>, StorageError> {
        self.get_item(table, key, consistent).await?.map(read).transpose()
    }

    async fn get_item(&self, table: Table, key: keys::Key, consistent: bool) -> Result<Option<Item>, StorageError> {
        let call = GetItemInput::builder().table_name(self.tables.get(table)?).set_key(Some(key));
        let answer = self.db.send(call.consistent_read(consistent)).await.map_err(StorageError::from_sdk)?;
        Ok(answer.item)
    }

    async fn update(&self, call: UpdateItemInputBuilder) -> Result<Updated, StorageError> {
        match self.db.send(call).await {
            Ok(done) => Ok(Updated::Done(done.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(Updated::Refused(refused.item.clone()))
                }
                _ => Err(StorageError::from_sdk(error)),
            },
        }
    }
}

/// What became of an update with a condition; the items are there when the call asked for them.
enum Updated {
    /// Done, with the attributes as they are now.
    Done(Item),
    /// The condition was refused, with the item that refused it, if there is one.
    Refused(Option<Item>),
}

/// An item as the record that it holds.
fn read<T: DeserializeOwned>(item: Item) -> Result<T, StorageError> {
    serde_dynamo::from_item(item).map_err(|error| StorageError::Corrupt(error.to_string()))
}

/// A record as an item under its key.
fn item<T: Serialize>(key: keys::Key, record: &T) -> Result<Item, StorageError> {
    let mut item: Item = serde_dynamo::to_item(record).map_err(|error| StorageError::Corrupt(error.to_string()))?;
    item.extend(key);
    Ok(item)
}

fn number<N: ToString + Copy>(value: N) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}
