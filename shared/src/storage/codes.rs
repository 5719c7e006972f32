//! Verification codes: one record per address of an app ([`AddressRecord`]), changed by compare-and-set.
//!
//! Every write carries a version of its own making, and is only done to the version that was read: of parallel tries
//! each sees what the one before it charged. A write whose answer was lost finds its own version when it is repeated.

use std::time::Duration;

use aws_sdk_dynamodb::{
    error::ProvideErrorMetadata,
    operation::put_item::{PutItemError, PutItemInput},
    types::{Put, ReturnValuesOnConditionCheckFailure, Update},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AppStore, IpBudget, Item, StorageError, Within, item,
    keys::{self, EXPIRES, Table},
    number, read, text,
    transaction::{Transacted, Transaction},
};
use crate::{
    codes::{AddressRecord, Charge, DailyBudget, Purpose, Rate},
    contact::Address,
    secret::VerificationCode,
};

const DAY: i64 = 86_400;
/// In how many places a share of the day's budget is looked for.
const PLACES_TRIED: u64 = 3;
/// The longest that anything in a record matters, in seconds: sends count for a day.
const MEMORY: i64 = 25 * 3_600;
/// How often a change is tried when others change the same record. Each lost round is a change of somebody else's, and
/// the budgets in the record end those long before.
pub(super) const ROUNDS: u32 = 40;

/// A code to be sent.
#[derive(Clone, Copy, Debug)]
pub struct NewCode<'a> {
    /// Where to.
    pub address: &'a Address,
    /// What for.
    pub purpose: Purpose,
    /// The code.
    pub code: &'a VerificationCode,
    /// How often the address may be sent one.
    pub limits: &'a [Rate],
    /// What the client's address may still send.
    pub client: Option<IpBudget>,
    /// What the deployment may still send today on this channel.
    pub budget: DailyBudget,
}

/// Whether a code may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issued {
    /// It counts and works from now on.
    Done,
    /// Too many; nothing was written.
    Throttled {
        /// Seconds until another one may be sent.
        retry_after: u64,
    },
    /// The deployment has sent what it may in a day; nothing was written.
    BudgetSpent {
        /// Seconds until the next day, UTC.
        retry_after: u64,
    },
}

/// What a try came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// Right. The try stays charged until the proof is used or given back.
    Right(Box<Proof>),
    /// Wrong, or there is no code, or too many were tried.
    Wrong,
    /// The client has used up its budget; nothing was compared or charged.
    Throttled {
        /// Seconds until it may try again.
        retry_after: u64,
    },
}

/// A right code that has had no effect yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    address: Address,
    purpose: Purpose,
    charge: Charge,
    seen: Seen,
}

impl Proof {
    /// The address that it proves.
    pub const fn address(&self) -> &Address {
        &self.address
    }
}

/// Whether a code was still there to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumed {
    /// It was, and is not any more.
    Done,
    /// It had been used or replaced.
    Spent,
}

/// A record as it was read, with the version to write over; none when there is no record yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    version: Option<String>,
    record: AddressRecord,
}

/// A record as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: String,
    expires: i64,
    record: AddressRecord,
}

impl Seen {
    pub(super) fn of(item: Option<Item>) -> Result<Self, StorageError> {
        item.map(read::<Stored>).transpose().map(Self::from)
    }
}

impl From<Option<Stored>> for Seen {
    fn from(stored: Option<Stored>) -> Self {
        stored.map_or_else(Self::default, |it| Self { version: Some(it.version), record: it.record })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Record,
    Client,
    Budget,
}

impl AppStore<'_> {
    /// Counts a code that is about to be sent, and makes it work; all or nothing.
    pub async fn issue_code(&self, new: NewCode<'_>, now: Timestamp) -> Result<Issued, StorageError> {
        let NewCode { address, purpose, code, limits, client, budget } = new;
        let mut place = self.store.entropy.below(budget.places());
        // A place that is full is not the end of the budget. Of many places the last codes are not looked for in all.
        let mut places_left = budget.places().min(PLACES_TRIED);
        let hash = code.hash(self.store.hash()?, self.app, address, purpose);
        let mut seen = self.address_record(address).await?;
        for _ in 0..ROUNDS {
            let mut next = seen.record.clone();
            if let Err(retry_after) = next.send(purpose, hash.clone(), limits, now) {
                return Ok(Issued::Throttled { retry_after });
            }
            let mut transaction = Transaction::new();
            transaction.put(Step::Record, self.put_record(address, &seen, next, now)?);
            if let Some(budget) = client {
                transaction.update(Step::Client, self.store.charge_ip_step(budget, now)?);
            }
            transaction.update(Step::Budget, self.count_budget(address, budget, place, now)?);
            let refused = match transaction.commit(self.store).await? {
                Transacted::Committed => return Ok(Issued::Done),
                Transacted::Refused(refused) => refused,
            };
            let is_refused = |wanted| refused.iter().any(|(step, _)| *step == wanted);
            if let Some(client) = client.filter(|_| is_refused(Step::Client)) {
                return Ok(Issued::Throttled { retry_after: client.retry_after(now) });
            }
            if is_refused(Step::Budget) {
                places_left -= 1;
                if places_left == 0 {
                    let retry_after = (DAY - now.as_second().rem_euclid(DAY)).unsigned_abs();
                    return Ok(Issued::BudgetSpent { retry_after });
                }
                place = (place + 1) % budget.places();
            }
            if let Some((_, found)) = refused.into_iter().find(|(step, _)| *step == Step::Record) {
                seen = Seen::of(found)?;
            }
        }
        Err(StorageError::contended())
    }

    /// Charges a try at the address's codes for these purposes, and only then compares. Whether the client may try any
    /// is read with the record.
    pub async fn try_code(
        &self,
        address: &Address,
        purposes: &[Purpose],
        given: &VerificationCode,
        client: Option<IpBudget>,
        now: Timestamp,
    ) -> Result<Tried, StorageError> {
        let hash = self.store.hash()?;
        let record = (Table::Codes, keys::address(self.app, hash, address), true);
        let seen = match self.store.get_within([record], client, now).await? {
            Within::Budget([stored]) => Seen::from(stored.map(read::<Stored>).transpose()?),
            Within::Throttled { retry_after } => return Ok(Tried::Throttled { retry_after }),
        };
        let charged = self.change_record(address, seen, now, |record| record.charge(purposes, now)).await?;
        let Some((charge, seen)) = charged else { return Ok(Tried::Wrong) };
        Ok(match charge.right(|purpose| given.hash(hash, self.app, address, purpose)) {
            Some(purpose) => Tried::Right(Box::new(Proof { address: address.clone(), purpose, charge, seen })),
            None => Tried::Wrong,
        })
    }

    /// Uses a right code whose effect is nothing that is stored.
    pub async fn consume_code(&self, proof: Proof, now: Timestamp) -> Result<Consumed, StorageError> {
        let consume = |record: &mut AddressRecord| record.consume(proof.purpose, &proof.charge).then_some(());
        let consumed = self.change_record(&proof.address, proof.seen.clone(), now, consume).await?;
        Ok(if consumed.is_some() { Consumed::Done } else { Consumed::Spent })
    }

    /// Takes back what a right code was charged: nothing came of it.
    pub async fn give_back_code(&self, proof: Proof, now: Timestamp) -> Result<(), StorageError> {
        let refund = |record: &mut AddressRecord| {
            record.refund(&proof.charge);
            Some(())
        };
        self.change_record(&proof.address, proof.seen.clone(), now, refund).await?;
        Ok(())
    }

    /// The write that uses a right code, for a transaction; nothing if it was used or replaced meanwhile.
    pub(super) fn consume_step(&self, proof: &Proof, now: Timestamp) -> Result<Option<Put>, StorageError> {
        let mut next = proof.seen.record.clone();
        if !next.consume(proof.purpose, &proof.charge) {
            return Ok(None);
        }
        self.put_record(&proof.address, &proof.seen, next, now).map(Some)
    }

    /// The same, and no other code of the address survives.
    pub(super) fn consume_all_step(&self, proof: &Proof, now: Timestamp) -> Result<Option<Put>, StorageError> {
        let mut next = proof.seen.record.clone();
        if !next.consume(proof.purpose, &proof.charge) {
            return Ok(None);
        }
        next.codes.clear();
        self.put_record(&proof.address, &proof.seen, next, now).map(Some)
    }

    /// The write that kills all codes of an address; nothing if it has none.
    pub(super) fn forget_step(
        &self,
        address: &Address,
        seen: &Seen,
        now: Timestamp,
    ) -> Result<Option<Put>, StorageError> {
        if seen.record.codes.is_empty() {
            return Ok(None);
        }
        let next = AddressRecord { codes: std::collections::BTreeMap::new(), ..seen.record.clone() };
        self.put_record(address, seen, next, now).map(Some)
    }

    /// What a transaction found in the place of the record that it wanted to write over.
    pub(super) fn refresh_proof(proof: &mut Proof, found: Option<Item>) -> Result<(), StorageError> {
        proof.seen = Seen::of(found)?;
        Ok(())
    }

    pub(super) async fn address_record(&self, address: &Address) -> Result<Seen, StorageError> {
        let key = keys::address(self.app, self.store.hash()?, address);
        self.store.get::<Stored>(Table::Codes, key, true).await.map(Seen::from)
    }

    fn put_record(
        &self,
        address: &Address,
        seen: &Seen,
        next: AddressRecord,
        now: Timestamp,
    ) -> Result<Put, StorageError> {
        self.versioned_put(address, seen, next, now).map(|(put, _)| put)
    }

    /// The write of a record over the one that was seen, and the version that it makes.
    fn versioned_put(
        &self,
        address: &Address,
        seen: &Seen,
        next: AddressRecord,
        now: Timestamp,
    ) -> Result<(Put, String), StorageError> {
        let version = self.store.entropy.hex::<8>();
        let stored = Stored { version: version.clone(), expires: now.as_second() + MEMORY, record: next };
        let item = item(keys::address(self.app, self.store.hash()?, address), &stored)?;
        let put = Put::builder()
            .table_name(self.store.tables.get(Table::Codes)?)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match &seen.version {
            Some(seen) => put
                .condition_expression("#version = :seen")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":seen", text(seen)),
            None => put.condition_expression("attribute_not_exists(pk)"),
        };
        Ok((put.build().map_err(StorageError::from_build)?, version))
    }

    /// Applies the change to the record until nobody else comes between; one that returns nothing writes nothing.
    async fn change_record<T>(
        &self,
        address: &Address,
        mut seen: Seen,
        now: Timestamp,
        change: impl Fn(&mut AddressRecord) -> Option<T>,
    ) -> Result<Option<(T, Seen)>, StorageError> {
        for round in 0..ROUNDS {
            let mut next = seen.record.clone();
            let Some(changed) = change(&mut next) else { return Ok(None) };
            let (put, version) = self.versioned_put(address, &seen, next.clone(), now)?;
            let call = PutItemInput::builder()
                .table_name(put.table_name)
                .set_item(Some(put.item))
                .set_condition_expression(put.condition_expression)
                .set_expression_attribute_names(put.expression_attribute_names)
                .set_expression_attribute_values(put.expression_attribute_values)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            let done = |record| Some((changed, Seen { version: Some(version.clone()), record }));
            let Err(error) = self.store.db.send(call).await else { return Ok(done(next)) };
            match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                    let found = Seen::of(refused.item.clone())?;
                    if found.version.as_ref() == Some(&version) {
                        return Ok(done(next));
                    }
                    seen = found;
                }
                Some(error) if error.code() == Some("TransactionConflictException") => {
                    let most = 10_000 << round.min(5);
                    tokio::time::sleep(Duration::from_micros(self.store.entropy.below(most))).await;
                }
                _ => return Err(StorageError::from_sdk(error)),
            }
        }
        Err(StorageError::contended())
    }

    /// One more code of the day in a place, if its share is not used up.
    fn count_budget(
        &self,
        address: &Address,
        budget: DailyBudget,
        place: u64,
        now: Timestamp,
    ) -> Result<Update, StorageError> {
        let day = now.as_second().div_euclid(DAY);
        Update::builder()
            .table_name(self.store.tables.get(Table::Codes)?)
            .set_key(Some(keys::codes_of_day(address.channel(), day, place)))
            .update_expression("SET #count = if_not_exists(#count, :zero) + :one, #expires = :expires")
            .condition_expression("(attribute_not_exists(#count) AND :zero < :limit) OR #count < :limit")
            .expression_attribute_names("#count", "count")
            .expression_attribute_names("#expires", EXPIRES)
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":limit", number(budget.share(place)))
            .expression_attribute_values(":expires", number((day + 1) * DAY + 3_600))
            .build()
            .map_err(StorageError::from_build)
    }
}
