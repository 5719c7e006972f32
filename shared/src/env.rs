//! What every request is served with.

use std::{ops::Deref, sync::Arc};

use jiff::tz::TimeZone;

use crate::{
    clock::Clock,
    codes::{DailyBudgets, SendLimits},
    current_tokens::CurrentTokens,
    entropy::Entropy,
    error::ApiError,
    limits::Limits,
    messages::Messages,
    password::PasswordHasher,
    storage::Store,
    two_factor::TotpKey,
};

/// The parts of a running function, cheap to clone.
#[derive(Clone, Debug)]
pub struct Env(Arc<Parts>);

/// What an [`Env`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// Everything that is stored.
    pub store: Store,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub entropy: Arc<dyn Entropy>,
    /// Hashes passwords.
    pub passwords: PasswordHasher,
    /// Issues and verifies tokens.
    pub tokens: CurrentTokens,
    /// Guards the secrets of the second factors; a function that asks for none has none.
    pub totp: Option<TotpKey>,
    /// Carries messages to people.
    pub messages: Messages,
    /// How often codes may be sent.
    pub send_limits: SendLimits,
    /// How many codes may be sent in a day.
    pub budgets: DailyBudgets,
    /// The zone of the dates that v1 clients read.
    pub time_zone: TimeZone,
    /// How much one client address may do.
    pub limits: Limits,
    /// Where WeChat's API is, without a slash at the end.
    pub wechat_url: String,
}

impl Env {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The key that guards the secrets of the second factors. A function that lacks it lets nobody in who has one.
    pub fn totp_key(&self) -> Result<&TotpKey, ApiError> {
        self.totp.as_ref().ok_or_else(|| ApiError::internal("this function has no TOTP key"))
    }
}

impl Deref for Env {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
