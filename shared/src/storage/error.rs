//! What the store cannot make an outcome of.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// Something that no rule foresees.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// DynamoDB did not answer, or asked to come back later. Nothing is known to have changed.
    #[error("the store does not answer: {0}")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// DynamoDB refused the call in a way that only a bug or a wrong deployment explains.
    #[error("the store refused: {0}")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
    /// The deployment lost a table, or never had it. Found out by the first call that needs it: asking at every start
    /// would cost each of them a call.
    #[error("a table of this function does not exist: {0}")]
    NoSuchTable(#[source] Box<dyn Error + Send + Sync>),
    /// An item does not hold what it should.
    #[error("an item cannot be read: {0}")]
    Corrupt(String),
    /// The function was not told of a table that it uses.
    #[error("the variable {0} names no table")]
    NoTable(&'static str),
    /// The function was not given the hash key that it needs.
    #[error("this function has no hash key")]
    NoHashKey,
}

impl StorageError {
    /// Whether the same call may succeed later.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// Others changed the same item again and again.
    pub(super) fn contended() -> Self {
        Self::Unavailable("too many changes at once".into())
    }

    /// A call that could not even be built: a bug.
    pub(super) fn from_build(error: aws_sdk_dynamodb::error::BuildError) -> Self {
        Self::Refused(Box::new(error))
    }

    /// Sorts a failed call: what the service or the network could not do now, and what will never work.
    pub(super) fn from_sdk<E>(error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let transient = match &error {
            SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => true,
            SdkError::ServiceError(answer) => {
                answer.raw().status().is_server_error() || answer.err().code().is_some_and(is_throttling)
            }
            _ => false,
        };
        let is_missing = error.code() == Some("ResourceNotFoundException");
        let source = Box::new(error);
        if is_missing {
            return Self::NoSuchTable(source);
        }
        if transient { Self::Unavailable(source) } else { Self::Refused(source) }
    }
}

fn is_throttling(code: &str) -> bool {
    matches!(
        code,
        "ProvisionedThroughputExceededException"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "LimitExceededException"
            | "TransactionConflictException"
            | "TransactionInProgressException"
    )
}
