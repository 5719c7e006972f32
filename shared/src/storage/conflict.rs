//! Writes of single items that meet a transaction.

use std::error::Error;

use aws_sdk_dynamodb::{
    config::{
        interceptors::InterceptorContext,
        retry::{ClassifyRetry, RetryAction},
    },
    error::ProvideErrorMetadata,
    operation::{delete_item::DeleteItemError, put_item::PutItemError, update_item::UpdateItemError},
};

/// Has a write tried again that was refused because a transaction worked on its item. Nothing was done, and a moment
/// later the transaction is over; the SDK gives up at once when it is not told. Transactions that meet each other are
/// tried again where they are made.
#[derive(Clone, Copy, Debug)]
pub struct RetryConflicts;

impl ClassifyRetry for RetryConflicts {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(Err(error)) = context.output_or_error() else { return RetryAction::NoActionIndicated };
        let Some(error) = error.as_operation_error() else { return RetryAction::NoActionIndicated };
        let is_conflict = is_conflict(error.downcast_ref::<UpdateItemError>())
            || is_conflict(error.downcast_ref::<PutItemError>())
            || is_conflict(error.downcast_ref::<DeleteItemError>());
        if is_conflict { RetryAction::transient_error() } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "conflicts with transactions"
    }
}

fn is_conflict<E: ProvideErrorMetadata + Error>(error: Option<&E>) -> bool {
    error.and_then(ProvideErrorMetadata::code) == Some("TransactionConflictException")
}
