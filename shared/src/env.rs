//! What every request is served with.

use std::{ops::Deref, sync::Arc};

use jiff::tz::TimeZone;

use crate::{
    clock::Clock, codes::SendLimits, entropy::Entropy, jwt::Tokens, messages::Messages, password::PasswordHasher,
    storage::Store,
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
    pub tokens: Tokens,
    /// Carries messages to people.
    pub messages: Messages,
    /// How often codes may be sent.
    pub send_limits: SendLimits,
    /// The zone of the dates that v1 clients read.
    pub time_zone: TimeZone,
}

impl Env {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for Env {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
