//! Bitkeys: found by their id, at most two of a scope at a time.

use aws_sdk_dynamodb::{
    operation::query::QueryInput,
    types::{ConditionCheck, Delete, Put},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AppStore, IpBudget, Licence, StorageError, Store, Within, item,
    keys::{self, BITKEY_PLACES, PK, SK, Table},
    read, text,
    transaction::{Transacted, Transaction},
};
use crate::{
    bitkey::{BitkeyId, BitkeyRecord, BitkeyScope},
    licence::Sn,
};

/// What became of a new bitkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewBitkey {
    /// It is stored.
    Created,
    /// The app has two of this scope already: one to use, one to change over to.
    TooMany,
    /// There is no such app.
    NoApp,
    /// Another key has its id: draw another.
    Taken,
}

/// What became of a bitkey that should be no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// It is gone, from the next request on.
    Done,
    /// There was none.
    Unknown,
}

/// A bitkey, and what was found beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundBitkey {
    /// The bitkey, if there is one.
    pub bitkey: Option<BitkeyRecord>,
    /// The licence code that was asked for.
    pub licence: NamedLicence,
}

/// The licence code that a request names, as far as it was read with the request's bitkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedLicence {
    /// It was not read.
    Unread,
    /// The bitkey's app has none such.
    Missing,
    /// There it is.
    Found(Licence),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    App,
    Place,
    Key,
}

/// A bitkey in one of its app's places.
#[derive(Serialize, Deserialize)]
struct Placed {
    place: String,
    #[serde(flatten)]
    record: BitkeyRecord,
}

const fn places(scope: BitkeyScope) -> [&'static str; 2] {
    match scope {
        BitkeyScope::Full => ["full-1", "full-2"],
        BitkeyScope::ReadOnly => ["read-1", "read-2"],
    }
}

impl Store {
    /// The bitkey with this id, as of now.
    pub async fn find_bitkey(&self, id: &BitkeyId) -> Result<Option<BitkeyRecord>, StorageError> {
        Ok(self.placed(id).await?.map(|placed| placed.record))
    }

    /// The same, if the client may still guess, and with it the licence code that the request names. Which app has the
    /// code the key decides: an instance that met the key before reads both at once.
    pub async fn find_bitkey_within(
        &self,
        id: &BitkeyId,
        sn: Option<&Sn>,
        budget: Option<IpBudget>,
        now: Timestamp,
    ) -> Result<Within<FoundBitkey>, StorageError> {
        let key = (Table::Apps, keys::bitkey(id), true);
        let guess = sn.zip(self.apps.app_of(id));
        let (bitkey, licence) = match guess {
            Some((sn, app)) => {
                let licence = (Table::Licences, keys::licence(app, sn), true);
                match self.get_within([key, licence], budget, now).await? {
                    Within::Budget([bitkey, licence]) => (bitkey, Some((app, licence))),
                    Within::Throttled { retry_after } => return Ok(Within::Throttled { retry_after }),
                }
            }
            None => match self.get_within([key], budget, now).await? {
                Within::Budget([bitkey]) => (bitkey, None),
                Within::Throttled { retry_after } => return Ok(Within::Throttled { retry_after }),
            },
        };
        let bitkey = bitkey.map(read::<Placed>).transpose()?.map(|placed| placed.record);
        let licence = match (&bitkey, licence) {
            (Some(bitkey), Some((app, licence))) if bitkey.app_id == app => match licence {
                Some(licence) => NamedLicence::Found(Licence::read(&licence)?),
                None => NamedLicence::Missing,
            },
            _ => NamedLicence::Unread,
        };
        if let Some(bitkey) = &bitkey {
            self.apps.remember_app_of(&bitkey.id, bitkey.app_id);
        }
        Ok(Within::Budget(FoundBitkey { bitkey, licence }))
    }

    async fn placed(&self, id: &BitkeyId) -> Result<Option<Placed>, StorageError> {
        self.get(Table::Apps, keys::bitkey(id), true).await
    }

    /// Ends a bitkey and frees its place.
    pub async fn revoke_bitkey(&self, id: &BitkeyId) -> Result<Revoked, StorageError> {
        let Some(placed) = self.placed(id).await? else { return Ok(Revoked::Unknown) };
        let table = self.tables.get(Table::Apps)?;
        let mut transaction = Transaction::new();
        for key in [keys::bitkey(id), keys::bitkey_place(placed.record.app_id, &placed.place)] {
            let delete = Delete::builder()
                .table_name(table)
                .set_key(Some(key))
                .condition_expression("#id = :id")
                .expression_attribute_names("#id", "id")
                .expression_attribute_values(":id", text(id.as_str()))
                .build()
                .map_err(StorageError::from_build)?;
            transaction.delete((), delete);
        }
        Ok(match transaction.commit(self).await? {
            Transacted::Committed => Revoked::Done,
            Transacted::Refused(_) => Revoked::Unknown,
        })
    }
}

impl AppStore<'_> {
    /// Stores a new bitkey in a free place of its app.
    pub async fn create_bitkey(&self, record: &BitkeyRecord) -> Result<NewBitkey, StorageError> {
        let table = self.store.tables.get(Table::Apps)?;
        for place in places(record.scope) {
            let placed = Placed { place: place.to_owned(), record: record.clone() };
            let put = |key| {
                Put::builder()
                    .table_name(table)
                    .set_item(Some(item(key, &placed)?))
                    .condition_expression("attribute_not_exists(pk)")
                    .build()
                    .map_err(StorageError::from_build)
            };
            let app = ConditionCheck::builder()
                .table_name(table)
                .set_key(Some(keys::app(self.app)))
                .condition_expression("attribute_exists(pk)")
                .build()
                .map_err(StorageError::from_build)?;
            let mut transaction = Transaction::new();
            transaction.check(Step::App, app);
            transaction.put(Step::Place, put(keys::bitkey_place(self.app, place))?);
            transaction.put(Step::Key, put(keys::bitkey(&record.id))?);
            let refused = match transaction.commit(self.store).await? {
                Transacted::Committed => return Ok(NewBitkey::Created),
                Transacted::Refused(refused) => refused,
            };
            let is_refused = |step| refused.iter().any(|(refused, _)| *refused == step);
            if is_refused(Step::App) {
                return Ok(NewBitkey::NoApp);
            }
            if is_refused(Step::Key) {
                return Ok(NewBitkey::Taken);
            }
        }
        Ok(NewBitkey::TooMany)
    }

    /// The app's bitkeys.
    pub async fn list_bitkeys(&self) -> Result<Vec<BitkeyRecord>, StorageError> {
        // Four places at most: one page.
        let page = self
            .store
            .db
            .send(
                QueryInput::builder()
                    .table_name(self.store.tables.get(Table::Apps)?)
                    .key_condition_expression("#pk = :pk AND begins_with(#sk, :places)")
                    .expression_attribute_names("#pk", PK)
                    .expression_attribute_names("#sk", SK)
                    .set_expression_attribute_values(
                        keys::app(self.app).remove(PK).map(|pk| [(":pk".to_owned(), pk)].into()),
                    )
                    .expression_attribute_values(":places", text(BITKEY_PLACES))
                    .consistent_read(true),
            )
            .await
            .map_err(StorageError::from_sdk)?;
        page.items
            .unwrap_or_default()
            .into_iter()
            .map(|item| read::<Placed>(item).map(|placed| placed.record))
            .collect()
    }
}
