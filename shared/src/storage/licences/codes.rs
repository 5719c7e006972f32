//! Licence codes themselves: created, found and changed by their operator.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{
    operation::{get_item::GetItemInput, query::QueryInput, update_item::UpdateItemInput},
    types::Put,
};
use jiff::Timestamp;

use super::Licence;
use crate::{
    licence::Sn,
    storage::{
        AppStore, Change, Item, StorageError, Updated,
        keys::{self, PK, SK, Table},
        number, text,
        transaction::{Transacted, Transaction},
    },
};

/// The most new licence codes in a transaction: each is two items.
const NEW_CODES: usize = 50;

/// What became of a new licence code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewLicence {
    /// It is stored.
    Created,
    /// The app has it already; nothing was changed.
    Taken,
}

impl AppStore<'_> {
    /// Stores a new licence code.
    pub async fn create_licence(
        &self,
        sn: &Sn,
        users_number: Option<u64>,
        now: Timestamp,
    ) -> Result<NewLicence, StorageError> {
        let outcomes = self.create_licences(&[(sn.clone(), users_number)], now).await?;
        Ok(outcomes.first().copied().unwrap_or(NewLicence::Taken))
    }

    /// Stores new licence codes, which must differ, each with the number of users that it may have. Those that are
    /// there already do not keep the others from being created.
    pub async fn create_licences(
        &self,
        licences: &[(Sn, Option<u64>)],
        now: Timestamp,
    ) -> Result<Vec<NewLicence>, StorageError> {
        let mut outcomes = vec![NewLicence::Created; licences.len()];
        let mut left: Vec<usize> = (0..licences.len()).collect();
        while !left.is_empty() {
            let chunk = &left[..left.len().min(NEW_CODES)];
            let mut transaction = Transaction::new();
            for position in chunk {
                for put in self.new_licence(&licences[*position], now)? {
                    transaction.put(*position, put);
                }
            }
            match transaction.commit(self.store).await? {
                Transacted::Committed => {
                    let done = chunk.len();
                    left.drain(..done);
                }
                Transacted::Refused(refused) => {
                    for (position, _) in refused {
                        outcomes[position] = NewLicence::Taken;
                    }
                    left.retain(|position| outcomes[*position] == NewLicence::Created);
                }
            }
        }
        Ok(outcomes)
    }

    fn new_licence(&self, licence: &(Sn, Option<u64>), now: Timestamp) -> Result<[Put; 2], StorageError> {
        let (sn, users_number) = licence;
        let mut item: Item = keys::licence(self.app, sn);
        item.insert("code".to_owned(), text(sn.as_str()));
        item.insert("users".to_owned(), number(0));
        item.insert("createdAt".to_owned(), number(now.as_millisecond()));
        item.extend(users_number.map(|seats| ("usersNumber".to_owned(), number(seats))));
        let put = |item| {
            Put::builder()
                .table_name(self.licences()?)
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(pk)")
                .build()
                .map_err(StorageError::from_build)
        };
        Ok([put(item)?, put(keys::licence_name(self.app, sn))?])
    }

    /// The licence code as of now.
    pub async fn find_licence(&self, sn: &Sn) -> Result<Option<Licence>, StorageError> {
        let answer = self
            .store
            .db
            .send(
                GetItemInput::builder()
                    .table_name(self.licences()?)
                    .set_key(Some(keys::licence(self.app, sn)))
                    .consistent_read(true),
            )
            .await
            .map_err(StorageError::from_sdk)?;
        answer.item.as_ref().map(Licence::read).transpose()
    }

    /// The app's licence codes, in the order of their canonical forms.
    pub async fn list_licences(&self) -> Result<Vec<Licence>, StorageError> {
        let mut licences = BTreeMap::new();
        let mut start = None;
        loop {
            let page = self
                .store
                .db
                .send(
                    QueryInput::builder()
                        .table_name(self.licences()?)
                        .key_condition_expression("#pk = :pk")
                        .expression_attribute_names("#pk", PK)
                        .expression_attribute_values(":pk", text(keys::licence_names(self.app)))
                        .set_exclusive_start_key(start),
                )
                .await
                .map_err(StorageError::from_sdk)?;
            let names = page.items.unwrap_or_default().into_iter();
            let sns = names.filter_map(|item| Sn::parse(item.get(SK)?.as_s().ok()?));
            for item in
                self.store.batch_get(Table::Licences, sns.map(|sn| keys::licence(self.app, &sn)), &[], true).await?
            {
                let licence = Licence::read(&item)?;
                licences.insert(licence.sn.to_ascii_uppercase(), licence);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(licences.into_values().collect());
            }
        }
    }

    /// Sets how many users may be linked. Those who are linked stay, even if they are more.
    pub async fn set_users_number(&self, sn: &Sn, users_number: Option<u64>) -> Result<Change, StorageError> {
        let call = UpdateItemInput::builder()
            .table_name(self.licences()?)
            .set_key(Some(keys::licence(self.app, sn)))
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#seats", "usersNumber");
        let call = match users_number {
            Some(seats) => {
                call.update_expression("SET #seats = :seats").expression_attribute_values(":seats", number(seats))
            }
            None => call.update_expression("REMOVE #seats"),
        };
        Ok(match self.store.update(call).await? {
            Updated::Done(_) => Change::Done,
            Updated::Refused(_) => Change::Gone,
        })
    }
}
