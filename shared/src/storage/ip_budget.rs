//! What one client address may do in a while, over all apps.

use std::net::IpAddr;

use jiff::Timestamp;

use super::{
    StorageError, Store, Updated,
    keys::{self, EXPIRES, Key, Table},
    number, update,
};

/// So many of one kind of request in each window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpBudget {
    /// What is counted, a word of its own for each thing that is limited.
    pub kind: &'static str,
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

const CHARGE: &str = "SET #count = if_not_exists(#count, :zero) + :one, #expires = :expires";
const WITHIN: &str = "attribute_not_exists(#count) OR #count < :limit";

impl IpBudget {
    fn key(&self, store: &Store, address: IpAddr, now: Timestamp) -> Result<Key, StorageError> {
        Ok(keys::ip_budget(store.hash()?, self.kind, address, now.as_second().div_euclid(self.window)))
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
    /// Counts one request of an address, unless its budget is used up. An answer that is lost on the way makes the SDK
    /// ask again, and then one request counts twice: a limit may be that strict.
    pub async fn charge_ip(&self, budget: IpBudget, address: IpAddr, now: Timestamp) -> Result<IpCharge, StorageError> {
        let call = self
            .db
            .update_item()
            .table_name(self.tables.get(Table::Codes)?)
            .set_key(Some(budget.key(self, address, now)?))
            .update_expression(CHARGE)
            .condition_expression(WITHIN)
            .expression_attribute_names("#count", "count")
            .expression_attribute_names("#expires", EXPIRES)
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":limit", number(budget.limit))
            .expression_attribute_values(":expires", number(budget.expires(now)));
        Ok(match update(call).await? {
            Updated::Done(_) => IpCharge::Granted,
            Updated::Refused(_) => IpCharge::Throttled { retry_after: budget.retry_after(now) },
        })
    }
}
