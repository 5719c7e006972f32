//! Which calls are made again, how often, and how soon.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_smithy_runtime_api::client::{interceptors::context::Error, orchestrator::HttpResponse, result::SdkError};

use super::operation::Operation;
use crate::entropy::{Entropy, SystemEntropy};

/// A write of a single item met a transaction: nothing was done, and a moment later the transaction is over.
/// Transactions that meet each other are tried again where they are made.
const CONFLICT: &str = "TransactionConflictException";

/// How often, and how soon, a call is made again that the network or the service could not do now.
#[derive(Clone, Debug)]
pub struct Retries {
    attempts: u32,
    /// The longest pause before the second attempt; it doubles with every further one.
    first_pause: Duration,
    allowance: Option<Arc<Allowance>>,
}

impl Retries {
    /// Three attempts, and fewer while most of them fail: a service that is down is not asked three times as often.
    pub fn standard() -> Self {
        let allowance = Some(Arc::new(Allowance::default()));
        Self { attempts: 3, first_pause: Duration::from_millis(50), allowance }
    }

    /// Three attempts whatever happens, in quick succession, for tests.
    pub const fn eager() -> Self {
        Self { attempts: 3, first_pause: Duration::from_millis(1), allowance: None }
    }

    /// One attempt: for what must not be done twice when its answer is lost.
    pub const fn none() -> Self {
        Self { attempts: 1, first_pause: Duration::ZERO, allowance: None }
    }

    /// The pause before another attempt, if there may be one after so many.
    pub(super) fn pause_after(&self, attempt: u32) -> Option<Duration> {
        if attempt >= self.attempts || !self.allowance.as_ref().is_none_or(|it| it.take()) {
            return None;
        }
        let longest = self.first_pause.saturating_mul(1 << (attempt - 1).min(16));
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX).max(1);
        let entropy: &dyn Entropy = &SystemEntropy;
        Some(Duration::from_micros(entropy.below(micros)))
    }

    pub(super) fn succeeded(&self) {
        if let Some(allowance) = &self.allowance {
            allowance.give();
        }
    }
}

/// How many attempts may still be made again: each takes from it, each call that succeeds gives a little back.
#[derive(Debug)]
struct Allowance(AtomicU32);

impl Allowance {
    const FULL: u32 = 500;
    const COST: u32 = 5;

    fn take(&self) -> bool {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(Self::COST));
        taken.is_ok()
    }

    fn give(&self) {
        if self.0.load(Ordering::Relaxed) < Self::FULL {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Default for Allowance {
    fn default() -> Self {
        Self(AtomicU32::new(Self::FULL))
    }
}

/// Whether the same call may succeed a moment later.
pub(super) fn may_pass(error: &SdkError<Error, HttpResponse>, operation: &Operation) -> bool {
    match error {
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
        SdkError::DispatchFailure(failure) => !failure.is_user(),
        SdkError::ServiceError(answer) => {
            let code = (operation.code)(answer.err());
            let is_listed =
                |code| [&[CONFLICT], THROTTLING_ERRORS, TRANSIENT_ERRORS].iter().any(|it| it.contains(&code));
            answer.raw().status().is_server_error() || code.is_some_and(is_listed)
        }
        _ => false,
    }
}
