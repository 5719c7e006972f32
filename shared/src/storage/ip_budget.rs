//! What one client address may do in a while: the one mechanism behind every limit per address.
//!
//! A budget is charged in one of three ways. What is limited itself is charged by a write of its own
//! ([`Store::charge_ip`]) or as a step of the transaction that does it ([`Store::charge_ip_step`]). Where only failures
//! count, the counter is read beside what the request needs anyway ([`Store::get_within`]), and charged once the request
//! has failed: a success then costs no write. Requests that are at work at the same moment do not see each other's
//! charges, so that as many failures more than the limit can be looked at as requests of the address were under way
//! when it was reached; each of those is told that the budget is used up, as is everything after them.

use std::net::IpAddr;

use aws_sdk_dynamodb::{operation::update_item::UpdateItemInput, types::Update};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Item, StorageError, Store, Updated,
    keys::{self, EXPIRES, Key, Table},
    number, read,
};
use crate::app::AppId;

/// So many of one kind of request by one client address in each window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpBudget {
    /// What is counted, a word of its own for each thing that is limited.
    pub kind: &'static str,
    /// The app that counts for itself; without one, all apps count together.
    pub app: Option<AppId>,
    /// The client's address; of IPv6, its /64 counts.
    pub address: IpAddr,
    /// The most in a window.
    pub limit: u64,
    /// The length of a window in seconds; windows begin at multiples of it since 1970.
    pub window: i64,
}

/// What became of a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpCharge {
    /// It is counted, and within the budget.
    Granted,
    /// The budget is used up; nothing was counted.
    Throttled {
        /// Seconds until the next window.
        retry_after: u64,
    },
}

/// What was read, if the budget allows to look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Within<T> {
    /// The budget is not used up.
    Budget(T),
    /// It is.
    Throttled {
        /// Seconds until the next window.
        retry_after: u64,
    },
}

#[derive(Deserialize)]
struct Counter {
    count: u64,
}

impl IpBudget {
    fn key(&self, store: &Store, now: Timestamp) -> Result<Key, StorageError> {
        let window = now.as_second().div_euclid(self.window);
        Ok(keys::ip_budget(self.app, store.hash()?, self.kind, self.address, window))
    }

    fn expires(&self, now: Timestamp) -> i64 {
        now.as_second() + 2 * self.window
    }

    /// Seconds until the next window, at least one.
    pub fn retry_after(&self, now: Timestamp) -> u64 {
        (self.window - now.as_second().rem_euclid(self.window)).unsigned_abs()
    }
}

impl Store {
    /// Counts one request of an address, unless its budget is used up. A call whose answer is lost on the way is made
    /// again, and then one request counts twice: a limit may be that strict.
    pub async fn charge_ip(&self, budget: IpBudget, now: Timestamp) -> Result<IpCharge, StorageError> {
        let charge = self.charge_ip_step(budget, now)?;
        let call = UpdateItemInput::builder()
            .table_name(charge.table_name)
            .set_key(Some(charge.key))
            .update_expression(charge.update_expression)
            .set_condition_expression(charge.condition_expression)
            .set_expression_attribute_names(charge.expression_attribute_names)
            .set_expression_attribute_values(charge.expression_attribute_values);
        Ok(match self.update(call).await? {
            Updated::Done(_) => IpCharge::Granted,
            Updated::Refused(_) => IpCharge::Throttled { retry_after: budget.retry_after(now) },
        })
    }

    /// The same as a step of a transaction, which a budget that is used up refuses.
    pub(super) fn charge_ip_step(&self, budget: IpBudget, now: Timestamp) -> Result<Update, StorageError> {
        Update::builder()
            .table_name(self.tables.get(Table::Codes)?)
            .set_key(Some(budget.key(self, now)?))
            .update_expression("SET #count = if_not_exists(#count, :zero) + :one, #expires = :expires")
            .condition_expression("attribute_not_exists(#count) OR #count < :limit")
            .expression_attribute_names("#count", "count")
            .expression_attribute_names("#expires", EXPIRES)
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":limit", number(budget.limit))
            .expression_attribute_values(":expires", number(budget.expires(now)))
            .build()
            .map_err(StorageError::from_build)
    }

    /// The items under the keys, each with whether it is read consistently, unless the address's budget is used up: one
    /// call for all. A counter in a table of its own is read eventually consistent: half a unit, and some milliseconds
    /// of requests more. Without a budget, only the items are read. A counter that cannot be read is an error, never a
    /// leave.
    pub(super) async fn get_within<const N: usize>(
        &self,
        wanted: [(Table, Key, bool); N],
        budget: Option<IpBudget>,
        now: Timestamp,
    ) -> Result<Within<[Option<Item>; N]>, StorageError> {
        let mut wanted = Vec::from(wanted);
        if let Some(budget) = budget {
            wanted.push((Table::Codes, budget.key(self, now)?, false));
        }
        let mut items = self.get_each(&wanted).await?;
        if let Some(budget) = budget
            && let Some(counter) = items.pop().flatten()
            && read::<Counter>(counter)?.count >= budget.limit
        {
            return Ok(Within::Throttled { retry_after: budget.retry_after(now) });
        }
        Ok(Within::Budget(std::array::from_fn(|position| items[position].take())))
    }
}
