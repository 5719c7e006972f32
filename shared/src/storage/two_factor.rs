//! Second factors: their secret, the last step that was accepted, the recovery codes, and the budget of tries.
//!
//! All of it lives in the user's item. Charging a try reads the rest in the same call, accepting a step is one
//! conditional write whatever endpoint asked, and there is nothing that could be left behind when a user goes.

use aws_sdk_dynamodb::{
    operation::update_item::{UpdateItemInput, builders::UpdateItemInputBuilder},
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{
    AppStore, StorageError, Updated,
    keys::{self, Table},
    number,
    password_budget::forgotten_before,
    read, text,
};
use crate::{
    two_factor::{STEP_SECONDS, SealedSecret},
    user::UserId,
};

/// Wrong codes in a row that may be tried at once. After them the authenticator's next code is waited for, so that no
/// more than these are compared with one.
const FREE_FAILURES: u32 = 5;
/// From so many in a row on, each one locks the factor for a while.
const LOCKING_FAILURES: u32 = 10;
const LOCK: SignedDuration = SignedDuration::from_mins(15);
/// So many wrong codes in all since the factor was switched on or a recovery code was used, and only a recovery code
/// counts any more: a right code of the user's own does not give a guesser new tries.
const MOST_FAILURES: u32 = 100;

/// When the next code is looked at after these failures in a row, in milliseconds since 1970.
fn next_try(failures: u32, last_failure: i64) -> i64 {
    const STEP: i64 = STEP_SECONDS * 1_000;
    match failures {
        LOCKING_FAILURES.. => last_failure + LOCK.as_secs() * 1_000,
        FREE_FAILURES => (last_failure.div_euclid(STEP) + 1) * STEP,
        _ => last_failure,
    }
}

/// What is stored of a user's second factor.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Factor {
    /// The secret, while the factor is on.
    #[serde(rename = "totpSecret")]
    pub secret: Option<SealedSecret>,
    /// The last step that was accepted of it.
    #[serde(rename = "totpStep")]
    pub last_step: Option<i64>,
    /// A secret that was shown and not switched on yet.
    #[serde(rename = "totpPending")]
    pub pending: Option<SealedSecret>,
    /// Until when it may be, in milliseconds since 1970.
    #[serde(default, rename = "totpPendingUntil")]
    pub pending_until: i64,
    #[serde(default, rename = "totpFailures")]
    failures: u32,
    #[serde(default, rename = "lastTotpFailure")]
    last_failure: i64,
    #[serde(default, rename = "totpFailuresInAll")]
    failures_in_all: u32,
    #[serde(rename = "totpAttempt")]
    attempt: Option<String>,
}

/// Whether a code may be compared now.
#[derive(Clone, Debug)]
pub enum FactorAttempt {
    /// The try is charged.
    Granted(Factor),
    /// There is no such user.
    Gone,
    /// Too many failures: nothing was charged.
    Throttled {
        /// Seconds until the next try is looked at, at least one.
        retry_after: u64,
    },
    /// Too many failures in all: only a recovery code counts any more. Nothing was charged.
    Ended,
}

/// What became of a change that a right code asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactorChange {
    /// It is stored, and the try is no failure any more.
    Done,
    /// The code was used meanwhile, or the factor is another one by now; nothing was written.
    Refused,
}

/// What became of a fresh secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enrolled {
    /// It waits to be switched on; an earlier one does no more.
    Pending,
    /// The factor is on; nothing was written.
    AlreadyOn,
    /// There is no such user.
    Gone,
}

impl AppStore<'_> {
    /// Charges one try as a failure, of which a right code is then relieved. N parallel tries count N times.
    pub async fn attempt_second_factor(&self, user: UserId, now: Timestamp) -> Result<FactorAttempt, StorageError> {
        let mut seen: Option<Factor> = None;
        // A second round follows when the free tries are used up, a third when another try came between.
        for _ in 0..3 {
            let factor = match self.store.update(self.charge_factor(user, seen.as_ref(), now)?).await? {
                Updated::Done(item) => return Ok(FactorAttempt::Granted(read(item)?)),
                Updated::Refused(None) => return Ok(FactorAttempt::Gone),
                Updated::Refused(Some(item)) => read::<Factor>(item)?,
            };
            if factor.failures_in_all >= MOST_FAILURES {
                return Ok(FactorAttempt::Ended);
            }
            let wait = next_try(factor.failures, factor.last_failure) - now.as_millisecond();
            if wait > 0 && factor.last_failure > forgotten_before(now) {
                return Ok(FactorAttempt::Throttled { retry_after: wait.unsigned_abs().div_ceil(1_000) });
            }
            seen = Some(factor);
        }
        Ok(FactorAttempt::Throttled { retry_after: 1 })
    }

    /// The charge: for one of the free tries, or when the failures are still those that were seen and waited for.
    fn charge_factor(
        &self,
        user: UserId,
        seen: Option<&Factor>,
        now: Timestamp,
    ) -> Result<UpdateItemInputBuilder, StorageError> {
        let call = self
            .factor(user)?
            .expression_attribute_names("#failures", "totpFailures")
            .expression_attribute_names("#last", "lastTotpFailure")
            .expression_attribute_names("#all", "totpFailuresInAll")
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":most", number(MOST_FAILURES))
            .return_values(ReturnValue::AllNew);
        Ok(match seen {
            None => call
                .update_expression(
                    "SET #failures = if_not_exists(#failures, :zero) + :one, #last = :now, \
                     #all = if_not_exists(#all, :zero) + :one",
                )
                .condition_expression(
                    "attribute_exists(pk) AND (attribute_not_exists(#failures) OR #failures < :free) \
                     AND (attribute_not_exists(#all) OR #all < :most)",
                )
                .expression_attribute_values(":free", number(FREE_FAILURES)),
            Some(seen) => {
                let is_forgotten = seen.last_failure <= forgotten_before(now);
                call.update_expression(
                    "SET #failures = :failures, #last = :now, #all = if_not_exists(#all, :zero) + :one",
                )
                .condition_expression(
                    "#failures = :seen AND #last = :seenLast AND (attribute_not_exists(#all) OR #all < :most)",
                )
                .expression_attribute_values(":failures", number(if is_forgotten { 1 } else { seen.failures + 1 }))
                .expression_attribute_values(":seen", number(seen.failures))
                .expression_attribute_values(":seenLast", number(seen.last_failure))
            }
        })
    }

    /// Accepts a step of the secret, if neither it nor a later one was accepted before.
    pub async fn accept_totp_step(
        &self,
        user: UserId,
        secret: &SealedSecret,
        step: i64,
        attempt: &str,
    ) -> Result<FactorChange, StorageError> {
        let call = self
            .relieved(user, secret, attempt, "SET #step = :step, #all = if_not_exists(#all, :one) - :one, ", "")?
            .expression_attribute_values(":one", number(1))
            .condition_expression("#secret = :secret AND (attribute_not_exists(#step) OR #step < :step)")
            .expression_attribute_names("#step", "totpStep")
            .expression_attribute_values(":step", number(step));
        self.change_factor(call, attempt).await
    }

    /// Uses up a recovery code, if it is still there.
    pub async fn spend_recovery_code(
        &self,
        user: UserId,
        secret: &SealedSecret,
        hash: &str,
        attempt: &str,
    ) -> Result<FactorChange, StorageError> {
        let call = self
            .relieved(user, secret, attempt, "DELETE #codes :codes SET ", ", #all")?
            .condition_expression("#secret = :secret AND contains(#codes, :code)")
            .expression_attribute_names("#codes", "recoveryCodes")
            .expression_attribute_values(":codes", AttributeValue::Ss(vec![hash.to_owned()]))
            .expression_attribute_values(":code", text(hash));
        self.change_factor(call, attempt).await
    }

    /// Keeps a fresh secret for as long as the user may take to prove that it arrived. There is no recovery code yet that
    /// could begin the count of failures again: the secret does.
    pub async fn enrol_second_factor(
        &self,
        user: UserId,
        pending: &SealedSecret,
        until: Timestamp,
    ) -> Result<Enrolled, StorageError> {
        let call = self
            .factor(user)?
            .update_expression("SET #pending = :pending, #until = :until REMOVE #all")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(#secret)")
            .expression_attribute_names("#secret", "totpSecret")
            .expression_attribute_names("#pending", "totpPending")
            .expression_attribute_names("#until", "totpPendingUntil")
            .expression_attribute_names("#all", "totpFailuresInAll")
            .expression_attribute_values(":pending", text(pending.as_str()))
            .expression_attribute_values(":until", number(until.as_millisecond()));
        Ok(match self.store.update(call).await? {
            Updated::Done(_) => Enrolled::Pending,
            Updated::Refused(Some(_)) => Enrolled::AlreadyOn,
            Updated::Refused(None) => Enrolled::Gone,
        })
    }

    /// Makes the pending secret the active one. The step that proved it is used up.
    pub async fn switch_second_factor_on(
        &self,
        user: UserId,
        pending: &SealedSecret,
        step: i64,
        recovery_hashes: Vec<String>,
        attempt: &str,
    ) -> Result<FactorChange, StorageError> {
        let call = self
            .relieved(
                user,
                pending,
                attempt,
                "SET #secret = :secret, #step = :step, #codes = :codes, ",
                ", #all, #pending, #until",
            )?
            .condition_expression("#pending = :secret AND attribute_not_exists(#secret)")
            .expression_attribute_names("#step", "totpStep")
            .expression_attribute_names("#codes", "recoveryCodes")
            .expression_attribute_names("#pending", "totpPending")
            .expression_attribute_names("#until", "totpPendingUntil")
            .expression_attribute_values(":step", number(step))
            .expression_attribute_values(":codes", AttributeValue::Ss(recovery_hashes));
        self.change_factor(call, attempt).await
    }

    /// Takes the second factor away for a right code of it.
    pub async fn switch_second_factor_off(
        &self,
        user: UserId,
        secret: &SealedSecret,
        step: i64,
        attempt: &str,
    ) -> Result<FactorChange, StorageError> {
        let call = self
            .relieved(user, secret, attempt, "SET ", ", #all, #secret, #step, #codes")?
            .condition_expression("#secret = :secret AND (attribute_not_exists(#step) OR #step < :step)")
            .expression_attribute_names("#step", "totpStep")
            .expression_attribute_names("#codes", "recoveryCodes")
            .expression_attribute_values(":step", number(step));
        self.change_factor(call, attempt).await
    }

    /// Takes the second factor away from whoever lost it: for the operator's command line. Whether there is such a
    /// user.
    pub async fn remove_second_factor(&self, user: UserId) -> Result<bool, StorageError> {
        let call = self
            .factor(user)?
            .update_expression(
                "REMOVE totpSecret, totpStep, totpPending, totpPendingUntil, recoveryCodes, totpFailures, \
                 lastTotpFailure, totpFailuresInAll",
            )
            .condition_expression("attribute_exists(pk)");
        Ok(match self.store.update(call).await? {
            Updated::Done(_) => true,
            Updated::Refused(_) => false,
        })
    }

    async fn change_factor(&self, call: UpdateItemInputBuilder, attempt: &str) -> Result<FactorChange, StorageError> {
        Ok(match self.store.update(call).await? {
            Updated::Done(_) => FactorChange::Done,
            Updated::Refused(None) => FactorChange::Refused,
            Updated::Refused(Some(item)) => {
                // Our own write may be what refuses it: its answer was lost, and the call repeated.
                let is_ours = read::<Factor>(item)?.attempt.as_deref() == Some(attempt);
                if is_ours { FactorChange::Done } else { FactorChange::Refused }
            }
        })
    }

    /// A change that a right code asked for: it clears the failures and leaves a mark by which a repeated call knows
    /// that the first one got through. `set` ends where more may be set, `remove` begins where more may be removed.
    fn relieved(
        &self,
        user: UserId,
        secret: &SealedSecret,
        attempt: &str,
        set: &str,
        remove: &str,
    ) -> Result<UpdateItemInputBuilder, StorageError> {
        let call = self
            .factor(user)?
            .update_expression(format!("{set}#attempt = :attempt REMOVE #failures, #last{remove}"))
            .expression_attribute_names("#secret", "totpSecret")
            .expression_attribute_names("#attempt", "totpAttempt")
            .expression_attribute_names("#failures", "totpFailures")
            .expression_attribute_names("#last", "lastTotpFailure")
            .expression_attribute_names("#all", "totpFailuresInAll")
            .expression_attribute_values(":secret", text(secret.as_str()))
            .expression_attribute_values(":attempt", text(attempt));
        Ok(call)
    }

    fn factor(&self, user: UserId) -> Result<UpdateItemInputBuilder, StorageError> {
        Ok(UpdateItemInput::builder()
            .table_name(self.store.tables.get(Table::Users)?)
            .set_key(Some(keys::user(self.app, user)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tf_08_five_wrong_codes_wait_for_the_next_step_and_ten_for_a_quarter_of_an_hour() {
        let last = 1_000_000_000_000;
        let waits: Vec<_> = [0, 4, 5, 6, 9, 10, 11, 99].map(|failures| next_try(failures, last) - last).into();
        assert_eq!(waits, [0, 0, 20_000, 0, 0, 900_000, 900_000, 900_000]);
        assert_eq!(next_try(5, 30_000), 60_000, "the first moment of a step");
        assert_eq!(next_try(5, 59_999), 60_000, "the last");
    }
}
