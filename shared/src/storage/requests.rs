//! Writes that a client may repeat: the first one's answer is kept for a day, and given to the others.
//!
//! Whoever works on such a write may end before its answer is kept. What it did has to be found again by whoever goes
//! on: a link is there to be seen, but what was unlinked is gone, so the transactions that unlink note its names here.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use aws_sdk_dynamodb::{
    operation::{
        put_item::{PutItemError, PutItemInput},
        update_item::UpdateItemInput,
    },
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure::AllOld, Update},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AppStore, StorageError, Updated, item,
    keys::{self, EXPIRES, Table},
    number, read, text,
};
use crate::entropy::hex;

/// How long an answer is kept, in seconds.
const KEPT: i64 = 24 * 3_600;
/// After so many seconds a request that has no answer yet will never have one: no function runs that long.
const LEASE: i64 = 30;

/// What a repeatable request meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is the first: work, then finish or release the claim.
    First(Claim),
    /// It was done before, with this answer.
    Answered(String),
    /// It is being worked on.
    InProgress,
    /// The same id came with another request before.
    Conflict,
}

/// The right to work on a repeatable request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    digest: String,
    token: String,
    /// Whom those who worked on the request before have unlinked.
    unlinked: BTreeSet<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    fingerprint: String,
    token: String,
    lease_until: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    #[serde(default, skip_serializing)]
    unlinked: BTreeSet<String>,
    expires: i64,
}

impl Claim {
    /// Whom those who worked on the request before have unlinked.
    pub(super) const fn unlinked_before(&self) -> &BTreeSet<String> {
        &self.unlinked
    }
}

impl AppStore<'_> {
    /// Claims a request. `id` are the parts that name it, `content` those that say what is asked for.
    pub async fn begin_request(&self, id: &[&str], content: &[&str], now: Timestamp) -> Result<Begun, StorageError> {
        let token = self.store.entropy.hex::<8>();
        let claim = Claim { digest: digest_of(id), token, unlinked: BTreeSet::new() };
        let now = now.as_second();
        let record = Record {
            fingerprint: digest_of(content),
            token: claim.token.clone(),
            lease_until: now + LEASE,
            answer: None,
            unlinked: BTreeSet::new(),
            expires: now + KEPT,
        };
        let sent = self
            .store
            .db
            .send(
                PutItemInput::builder()
                    .table_name(self.store.tables.get(Table::Codes)?)
                    .set_item(Some(item(keys::request(self.app, &claim.digest), &record)?))
                    .condition_expression("attribute_not_exists(pk) OR #expires <= :now")
                    .expression_attribute_names("#expires", EXPIRES)
                    .expression_attribute_values(":now", number(now))
                    .return_values_on_condition_check_failure(AllOld),
            )
            .await;
        let Err(error) = sent else { return Ok(Begun::First(claim)) };
        let there = match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refused)) => refused.item.clone(),
            _ => return Err(StorageError::from_sdk(error)),
        };
        // Without an item it has expired and was deleted since.
        let Some(there) = there else { return Ok(Begun::InProgress) };
        let there: Record = read(there)?;
        Ok(match there.answer {
            _ if there.fingerprint != record.fingerprint => Begun::Conflict,
            Some(answer) => Begun::Answered(answer),
            // A put whose answer was lost is repeated: then this is our own.
            None if there.token == claim.token => Begun::First(claim),
            None if there.lease_until <= now => self.take_over(claim, &there.token, now).await?,
            None => Begun::InProgress,
        })
    }

    /// Goes on with a request that `worker` left without an answer. From then on, that one can do nothing more.
    async fn take_over(&self, mut claim: Claim, worker: &str, now: i64) -> Result<Begun, StorageError> {
        let call = UpdateItemInput::builder()
            .table_name(self.store.tables.get(Table::Codes)?)
            .set_key(Some(keys::request(self.app, &claim.digest)))
            .update_expression("SET #token = :token, #lease = :lease, #expires = :expires")
            .condition_expression("#token = :worker AND attribute_not_exists(#answer)")
            .expression_attribute_names("#token", "token")
            .expression_attribute_names("#lease", "leaseUntil")
            .expression_attribute_names("#expires", EXPIRES)
            .expression_attribute_names("#answer", "answer")
            .expression_attribute_values(":worker", text(worker))
            .expression_attribute_values(":token", text(&claim.token))
            .expression_attribute_values(":lease", number(now + LEASE))
            .expression_attribute_values(":expires", number(now + KEPT))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(AllOld);
        let there = match self.store.update(call).await? {
            Updated::Done(there) | Updated::Refused(Some(there)) => read::<Record>(there)?,
            Updated::Refused(None) => return Ok(Begun::InProgress),
        };
        // Somebody else was faster, unless it is our own, whose answer was lost.
        if there.token != claim.token {
            return Ok(Begun::InProgress);
        }
        claim.unlinked = there.unlinked;
        Ok(Begun::First(claim))
    }

    /// Notes whom a transaction unlinks, as a step of it. Refused once somebody else has taken over.
    pub(super) fn note_unlinked_step<'n>(
        &self,
        claim: &Claim,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<Update, StorageError> {
        Update::builder()
            .table_name(self.store.tables.get(Table::Codes)?)
            .set_key(Some(keys::request(self.app, &claim.digest)))
            .update_expression("ADD #unlinked :names")
            .condition_expression("#token = :token")
            .expression_attribute_names("#unlinked", "unlinked")
            .expression_attribute_names("#token", "token")
            .expression_attribute_values(":names", AttributeValue::Ss(names.map(str::to_owned).collect()))
            .expression_attribute_values(":token", text(&claim.token))
            .build()
            .map_err(StorageError::from_build)
    }

    /// Whom all who worked on the request have unlinked.
    pub(super) async fn unlinked_by(&self, claim: &Claim) -> Result<BTreeSet<String>, StorageError> {
        let there: Option<Record> = self.store.get(Table::Codes, keys::request(self.app, &claim.digest), true).await?;
        Ok(there.map(|there| there.unlinked).unwrap_or_default())
    }

    /// Keeps the answer for those who repeat the request.
    pub async fn finish_request(&self, claim: &Claim, answer: &str) -> Result<(), StorageError> {
        let call = UpdateItemInput::builder()
            .table_name(self.store.tables.get(Table::Codes)?)
            .set_key(Some(keys::request(self.app, &claim.digest)))
            .update_expression("SET #answer = :answer")
            .condition_expression("#token = :token")
            .expression_attribute_names("#answer", "answer")
            .expression_attribute_names("#token", "token")
            .expression_attribute_values(":answer", text(answer))
            .expression_attribute_values(":token", text(&claim.token));
        // Refused when somebody took over after the lease: then theirs is the answer that is kept.
        match self.store.update(call).await? {
            Updated::Done(_) | Updated::Refused(_) => Ok(()),
        }
    }

    /// Gives the claim back, so that the request can be repeated as if it never came.
    pub async fn release_request(&self, claim: &Claim) -> Result<(), StorageError> {
        let call = UpdateItemInput::builder()
            .table_name(self.store.tables.get(Table::Codes)?)
            .set_key(Some(keys::request(self.app, &claim.digest)))
            .update_expression("SET #lease = :over")
            .condition_expression("#token = :token")
            .expression_attribute_names("#lease", "leaseUntil")
            .expression_attribute_names("#token", "token")
            .expression_attribute_values(":over", number(0))
            .expression_attribute_values(":token", text(&claim.token));
        match self.store.update(call).await? {
            Updated::Done(_) | Updated::Refused(_) => Ok(()),
        }
    }
}

/// A digest of the parts, which their lengths keep apart.
fn digest_of(parts: &[&str]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    hex(context.finish().as_ref())
}
