//! Consents: one row each, found by its number, taken back by a mark in it.

use aws_sdk_dynamodb::{
    operation::{query::QueryInput, update_item::UpdateItemInput},
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use jiff::Timestamp;
use serde::Deserialize;

use super::{DAY, UsedCode};
use crate::{
    consent::{Consent, ConsentId},
    jwt::MAX_TOKEN_DAYS,
    storage::{
        AppStore, StorageError, Updated,
        keys::{self, CONSENTS, EXPIRES, PK, SK, Table},
        number, read, text,
    },
    user::UserId,
};

/// The most consents that a list shows.
const LISTED: usize = 1_000;
/// The most rows that it looks at for that: those that were taken back are passed over.
const LOOKED_AT: usize = 10_000;
/// As many grants of a consent are refused one by one; one more, and the consent is withdrawn.
const MAX_REFUSED: u32 = 50;

/// What became of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Done,
    /// It is not among the user's own.
    Unknown,
}

/// A consent that was taken back, and by which request.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TakenBack {
    id: ConsentId,
    taken_back_by: Option<String>,
}

impl AppStore<'_> {
    /// One of a user's consents as of now.
    pub async fn find_consent(&self, user: UserId, id: ConsentId) -> Result<Option<Consent>, StorageError> {
        let key = keys::consent(self.app, user, id.place());
        let kept: Option<Consent> = self.store.get(Table::Consents, key, true).await?;
        Ok(kept.filter(|consent| consent.id == id && consent.is_given()))
    }

    /// The user's consents, the one that was last given first; of more than a thousand, some thousand.
    pub async fn list_consents(&self, user: UserId) -> Result<Vec<Consent>, StorageError> {
        let mut consents = Vec::new();
        let mut looked_at = 0;
        let mut start = None;
        loop {
            let page = self
                .store
                .db
                .send(
                    QueryInput::builder()
                        .table_name(self.store.tables.get(Table::Consents)?)
                        .key_condition_expression("#pk = :pk AND begins_with(#sk, :consents)")
                        .filter_expression("attribute_not_exists(#expires)")
                        .expression_attribute_names("#pk", PK)
                        .expression_attribute_names("#sk", SK)
                        .expression_attribute_names("#expires", EXPIRES)
                        .expression_attribute_values(":pk", keys::user_partition(self.app, user))
                        .expression_attribute_values(":consents", text(CONSENTS))
                        .consistent_read(true)
                        .limit(i32::try_from(LISTED - consents.len()).unwrap_or(i32::MAX))
                        .set_exclusive_start_key(start),
                )
                .await
                .map_err(StorageError::from_sdk)?;
            looked_at += usize::try_from(page.scanned_count).unwrap_or_default();
            for item in page.items.unwrap_or_default() {
                consents.push(read::<Consent>(item)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() || consents.len() >= LISTED || looked_at >= LOOKED_AT {
                break;
            }
        }
        consents.sort_by_key(|consent| std::cmp::Reverse((consent.updated_at, consent.id)));
        Ok(consents)
    }

    /// Takes a consent back: its tokens are refused from the next request on. What is left of it is swept when none of
    /// them can live any more.
    pub async fn delete_consent(&self, user: UserId, id: ConsentId, now: Timestamp) -> Result<Deleted, StorageError> {
        let request = self.store.entropy.hex::<8>();
        let call = UpdateItemInput::builder()
            .table_name(self.store.tables.get(Table::Consents)?)
            .set_key(Some(keys::consent(self.app, user, id.place())))
            .update_expression("SET #expires = :expires, takenBackBy = :request")
            .condition_expression("id = :id AND attribute_not_exists(#expires)")
            .expression_attribute_names("#expires", EXPIRES)
            .expression_attribute_values(":id", number(id))
            .expression_attribute_values(":request", text(&request))
            .expression_attribute_values(":expires", number(now.as_second() + i64::from(MAX_TOKEN_DAYS + 1) * DAY))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let there = match self.store.update(call).await? {
            Updated::Done(_) => return Ok(Deleted::Done),
            Updated::Refused(None) => return Ok(Deleted::Unknown),
            Updated::Refused(Some(there)) => read::<TakenBack>(there)?,
        };
        // A call whose answer was lost is made again: then this request itself was the one.
        let is_own = there.id == id && there.taken_back_by.as_ref() == Some(&request);
        Ok(if is_own { Deleted::Done } else { Deleted::Unknown })
    }

    /// Ends the token that a code gave, for the code was used again.
    pub async fn refuse_grant(&self, used: &UsedCode, now: Timestamp) -> Result<(), StorageError> {
        let call = UpdateItemInput::builder()
            .table_name(self.store.tables.get(Table::Consents)?)
            .set_key(Some(keys::consent(self.app, used.user, used.consent.place())))
            .update_expression("ADD refused :grant")
            .condition_expression(
                "id = :consent AND attribute_not_exists(#expires) AND \
                 (attribute_not_exists(refused) OR contains(refused, :id) OR size(refused) < :max)",
            )
            .expression_attribute_names("#expires", EXPIRES)
            .expression_attribute_values(":consent", number(used.consent))
            .expression_attribute_values(":grant", AttributeValue::Ss(vec![used.grant.as_str().to_owned()]))
            .expression_attribute_values(":id", text(used.grant.as_str()))
            .expression_attribute_values(":max", number(MAX_REFUSED));
        match self.store.update(call).await? {
            Updated::Done(_) => Ok(()),
            // Either the consent is taken back, and the token with it, or a client uses every code twice: then the row
            // would grow for ever.
            Updated::Refused(_) => match self.delete_consent(used.user, used.consent, now).await? {
                Deleted::Done | Deleted::Unknown => Ok(()),
            },
        }
    }
}
