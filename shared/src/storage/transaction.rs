//! All-or-nothing writes.

use std::time::Duration;

use aws_sdk_dynamodb::{
    operation::transact_write_items::{TransactWriteItemsError, TransactWriteItemsInput},
    types::{CancellationReason, ConditionCheck, Delete, Put, TransactWriteItem, Update},
};

use super::{Item, StorageError, Store};
use crate::entropy::{Entropy, SystemEntropy};

/// How often a transaction is tried when others work on the same items.
const TRIES: u32 = 6;
/// The longest pause before the second try; it doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_millis(25);

/// What became of a transaction whose steps carry labels of type `L`.
pub(super) enum Transacted<L> {
    /// Every step was done.
    Committed,
    /// Nothing was done: these steps' conditions were refused, each with the item that was there if it was asked for.
    Refused(Vec<(L, Option<Item>)>),
}

/// Steps that are done together or not at all. A label says whose condition was refused.
pub(super) struct Transaction<L> {
    labels: Vec<L>,
    steps: Vec<TransactWriteItem>,
}

impl<L: Copy> Transaction<L> {
    pub(super) const fn new() -> Self {
        Self { labels: Vec::new(), steps: Vec::new() }
    }

    pub(super) fn put(&mut self, label: L, put: Put) -> &mut Self {
        self.step(label, TransactWriteItem::builder().put(put).build())
    }

    pub(super) fn update(&mut self, label: L, update: Update) -> &mut Self {
        self.step(label, TransactWriteItem::builder().update(update).build())
    }

    pub(super) fn delete(&mut self, label: L, delete: Delete) -> &mut Self {
        self.step(label, TransactWriteItem::builder().delete(delete).build())
    }

    pub(super) fn check(&mut self, label: L, check: ConditionCheck) -> &mut Self {
        self.step(label, TransactWriteItem::builder().condition_check(check).build())
    }

    fn step(&mut self, label: L, step: TransactWriteItem) -> &mut Self {
        self.labels.push(label);
        self.steps.push(step);
        self
    }

    /// Does the steps. Conflicts with other transactions are tried again after a random pause, a bounded number of
    /// times; a lost answer is asked for again under the same token, which DynamoDB answers from memory.
    pub(super) async fn commit(self, store: &Store) -> Result<Transacted<L>, StorageError> {
        let mut pause = FIRST_PAUSE;
        for tries_left in (0..TRIES).rev() {
            let call = TransactWriteItemsInput::builder().client_request_token(request_token());
            let sent = store.db.send(call.set_transact_items(Some(self.steps.clone()))).await;
            let Err(error) = sent else { return Ok(Transacted::Committed) };
            let reasons = match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    cancelled.cancellation_reasons()
                }
                _ => return Err(StorageError::from_sdk(error)),
            };
            let refused = self.refused(reasons);
            if !refused.is_empty() {
                return Ok(Transacted::Refused(refused));
            }
            let only_conflicts = reasons.iter().filter_map(CancellationReason::code).all(is_transient);
            if !only_conflicts {
                return Err(StorageError::Refused(Box::new(error)));
            }
            if tries_left == 0 {
                return Err(StorageError::Unavailable(Box::new(error)));
            }
            let jitter = store.entropy.below(u64::try_from(pause.as_micros()).unwrap_or(u64::MAX));
            tokio::time::sleep(Duration::from_micros(jitter)).await;
            pause *= 2;
        }
        unreachable!("the last try returns")
    }

    fn refused(&self, reasons: &[CancellationReason]) -> Vec<(L, Option<Item>)> {
        self.labels
            .iter()
            .zip(reasons)
            .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
            .map(|(label, reason)| (*label, reason.item.clone()))
            .collect()
    }
}

/// What DynamoDB knows a repeated call by. It is a matter between the two: nothing that the store draws depends on it.
fn request_token() -> String {
    let entropy: &dyn Entropy = &SystemEntropy;
    entropy.guid()
}

/// Waits before a transaction is built anew from what is stored now: a random time, longer after each refusal, so that
/// writers who met do not meet again.
pub(super) async fn pause(store: &Store, refusals: u32) {
    let longest = FIRST_PAUSE.saturating_mul(1 << refusals.min(3));
    let jitter = store.entropy.below(u64::try_from(longest.as_micros()).unwrap_or(u64::MAX));
    tokio::time::sleep(Duration::from_micros(jitter)).await;
}

/// Codes of a cancellation that says nothing about the conditions.
fn is_transient(code: &str) -> bool {
    matches!(code, "None" | "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
}
