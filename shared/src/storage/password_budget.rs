//! How often a password may be tried: charged before it is compared, so that N parallel tries count N times.
//!
//! The count lives in the user's item, so that charging a try also reads the user; for a name that nobody holds it
//! lives in a row of its own and behaves the same, so that the answers do not tell which it was.

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemInput,
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{
    AppStore, StorageError, Updated,
    keys::{self, EXPIRES, Key, Table},
    number, read, text,
};
use crate::user::{User, UserId};

/// Failures that cost no waiting.
const FREE_FAILURES: u32 = 5;
/// Seconds to wait after the fifth failure, the sixth, and so on; the last one stays.
const WAITS: [i64; 9] = [1, 3, 5, 10, 30, 60, 300, 900, 3_600];
/// So many failures in a row, and the password counts no more until it is set anew.
const MOST_FAILURES: u32 = 100;
/// A count this old is forgotten, unless it ended the password.
const MEMORY: SignedDuration = SignedDuration::from_hours(30 * 24);

const FAILURES: &str = "passwordFailures";
const LAST_FAILURE: &str = "lastPasswordFailure";

/// A count that ended a password is kept like a user: one that nobody holds stays as dead as one that somebody holds.
const FOR_GOOD: SignedDuration = SignedDuration::from_hours(100 * 365 * 24);

/// Seconds that must pass after this many failures in a row.
fn wait_after(failures: u32) -> i64 {
    match failures.checked_sub(FREE_FAILURES) {
        None => 0,
        Some(over) => WAITS[WAITS.len().min(over as usize + 1) - 1],
    }
}

/// Whose password is tried.
#[derive(Clone, Copy, Debug)]
pub enum Account<'a> {
    /// A user's.
    Known(UserId),
    /// Nobody's: the canonical name that was given.
    Unknown(&'a str),
}

/// Whether a password may be compared now.
#[derive(Clone, Debug, PartialEq)]
pub enum Attempt {
    /// The try is charged. With the user, if there is one.
    Granted(Option<Box<User>>),
    /// Too many failures: nothing was charged.
    Throttled {
        /// Seconds until the next try is looked at, at least one.
        retry_after: u64,
    },
    /// Too many failures in a row: no password is right any more. Nothing was charged.
    Ended,
}

#[derive(Clone, Copy, Deserialize)]
struct Budget {
    #[serde(default, rename = "passwordFailures")]
    failures: u32,
    #[serde(default, rename = "lastPasswordFailure")]
    last_failure: i64,
}

impl Budget {
    /// Milliseconds until the next try, zero or less for now.
    fn wait(self, now: Timestamp) -> i64 {
        self.last_failure + wait_after(self.failures) * 1_000 - now.as_millisecond()
    }

    fn is_forgotten(self, now: Timestamp) -> bool {
        !self.is_ended() && self.last_failure <= forgotten_before(now)
    }

    fn is_ended(self) -> bool {
        self.failures >= MOST_FAILURES
    }

    fn after_one_more(self, now: Timestamp) -> u32 {
        if self.is_forgotten(now) { 1 } else { self.failures.saturating_add(1) }
    }
}

pub(super) fn forgotten_before(now: Timestamp) -> i64 {
    now.as_millisecond() - MEMORY.as_secs() * 1_000
}

/// What a charge needs to be true.
enum Condition {
    /// Still among the free ones.
    Free,
    /// Exactly what was seen before, so that of parallel tries only one goes through.
    Unchanged(Budget),
}

impl AppStore<'_> {
    /// Charges one try as a failure; [`AppStore::clear_password_failures`] takes it back when it was none.
    pub async fn attempt_password(&self, account: Account<'_>, now: Timestamp) -> Result<Attempt, StorageError> {
        let mut condition = Condition::Free;
        // A second round follows when the free tries are used up, a third when another try came between.
        for _ in 0..3 {
            let seen = match self.charge(account, &condition, now).await? {
                Updated::Done(item) => {
                    let user = match account {
                        Account::Known(_) => Some(Box::new(read(item)?)),
                        Account::Unknown(_) => None,
                    };
                    return Ok(Attempt::Granted(user));
                }
                Updated::Refused(None) => return Ok(Attempt::Granted(None)),
                Updated::Refused(Some(item)) => read::<Budget>(item)?,
            };
            if seen.is_ended() {
                return Ok(Attempt::Ended);
            }
            let wait = seen.wait(now);
            if wait > 0 && !seen.is_forgotten(now) {
                return Ok(Attempt::Throttled { retry_after: wait.unsigned_abs().div_ceil(1_000) });
            }
            condition = Condition::Unchanged(seen);
        }
        Ok(Attempt::Throttled { retry_after: 1 })
    }

    async fn charge(
        &self,
        account: Account<'_>,
        condition: &Condition,
        now: Timestamp,
    ) -> Result<Updated, StorageError> {
        let (table, key) = self.budget_of(account)?;
        let mut call = UpdateItemInput::builder()
            .table_name(self.store.tables.get(table)?)
            .set_key(Some(key))
            .expression_attribute_names("#failures", FAILURES)
            .expression_attribute_names("#last", LAST_FAILURE)
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut set = match condition {
            Condition::Free => {
                call = call
                    .expression_attribute_values(":zero", number(0))
                    .expression_attribute_values(":one", number(1))
                    .expression_attribute_values(":free", number(FREE_FAILURES))
                    .expression_attribute_values(":forgotten", number(forgotten_before(now)));
                "SET #failures = if_not_exists(#failures, :zero) + :one, #last = :now".to_owned()
            }
            Condition::Unchanged(seen) => {
                call = call
                    .expression_attribute_values(":next", number(seen.after_one_more(now)))
                    .expression_attribute_values(":failures", number(seen.failures))
                    .expression_attribute_values(":seen", number(seen.last_failure));
                "SET #failures = :next, #last = :now".to_owned()
            }
        };
        let mut only_if = match condition {
            Condition::Free => "(attribute_not_exists(#failures) OR (#failures < :free AND #last > :forgotten))",
            Condition::Unchanged(_) => "(#failures = :failures AND #last = :seen)",
        }
        .to_owned();
        match account {
            Account::Known(_) => only_if.push_str(" AND attribute_exists(pk)"),
            Account::Unknown(_) => {
                set.push_str(", #expires = :expires");
                let kept = match condition {
                    Condition::Unchanged(seen) if seen.after_one_more(now) >= MOST_FAILURES => FOR_GOOD,
                    Condition::Unchanged(_) | Condition::Free => MEMORY,
                };
                call = call
                    .expression_attribute_names("#expires", EXPIRES)
                    .expression_attribute_values(":expires", number(now.as_second() + kept.as_secs()));
            }
        }
        self.store.update(call.update_expression(set).condition_expression(only_if)).await
    }

    /// Takes back what was charged: the password was right. A hash made with newer parameters replaces the old one.
    pub async fn clear_password_failures(&self, user: &User, rehashed: Option<String>) -> Result<(), StorageError> {
        let mut call = UpdateItemInput::builder()
            .table_name(self.store.tables.get(Table::Users)?)
            .set_key(Some(keys::user(self.app, user.id)))
            .expression_attribute_names("#failures", FAILURES)
            .expression_attribute_names("#last", LAST_FAILURE);
        // A password that was reset meanwhile must not come back.
        call = match (rehashed, &user.password_hash) {
            (Some(new), Some(old)) => call
                .update_expression("SET #hash = :new REMOVE #failures, #last")
                .condition_expression("#hash = :old")
                .expression_attribute_names("#hash", "passwordHash")
                .expression_attribute_values(":new", text(new))
                .expression_attribute_values(":old", text(old.clone())),
            _ => call.update_expression("REMOVE #failures, #last").condition_expression("attribute_exists(pk)"),
        };
        match self.store.update(call).await? {
            // Refused: changed or deleted meanwhile, so there is nothing to take back any more.
            Updated::Done(_) | Updated::Refused(_) => Ok(()),
        }
    }

    /// Forgets all failures of a user, of the password and of the second factor: for the operator's command line.
    /// Whether there is such a user.
    pub async fn forget_failures(&self, user: UserId) -> Result<bool, StorageError> {
        let call = UpdateItemInput::builder()
            .table_name(self.store.tables.get(Table::Users)?)
            .set_key(Some(keys::user(self.app, user)))
            .update_expression(
                "REMOVE passwordFailures, lastPasswordFailure, totpFailures, lastTotpFailure, totpFailuresInAll",
            )
            .condition_expression("attribute_exists(pk)");
        Ok(match self.store.update(call).await? {
            Updated::Done(_) => true,
            Updated::Refused(_) => false,
        })
    }

    fn budget_of(&self, account: Account<'_>) -> Result<(Table, Key), StorageError> {
        Ok(match account {
            Account::Known(user) => (Table::Users, keys::user(self.app, user)),
            Account::Unknown(name) => (Table::Codes, keys::unknown_name_budget(self.app, self.store.hash()?, name)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_are_free_and_then_the_wait_grows_to_an_hour() {
        let waits: Vec<_> = (0..16).map(wait_after).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 1, 3, 5, 10, 30, 60, 300, 900, 3_600, 3_600, 3_600]);
    }
}
