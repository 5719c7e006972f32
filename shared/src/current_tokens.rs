//! Tokens that follow their keys: a running instance reads its keys again when they are some minutes old, so that a
//! rotation reaches it without a deployment, and stops using them when they are too old to rely on.
//!
//! A request reads them on its way, since nothing runs between requests. While the parameter store is away the old keys
//! go on working up to [`MAX_AGE`]: a rotation ([`crate::key_rotation`]) waits longer than that between its steps.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::{
    error::ApiError,
    jwt::{KeyRing, Tokens},
    parameter_store::{ParameterError, ParameterStore},
};

/// Keys of this age in seconds are read again.
pub const REFRESH_AGE: i64 = 300;
/// Keys of this age in seconds are not used any more.
pub const MAX_AGE: i64 = 3_600;
/// Seconds between two tries while the store is away and the keys are not too old.
const RETRY: i64 = 30;
/// How long a request waits for the store.
const PATIENCE: Duration = Duration::from_secs(2);

/// The tokens of an instance, with the keys as of now.
#[derive(Debug)]
pub struct CurrentTokens {
    source: Option<KeySource>,
    state: RwLock<State>,
    reading: Mutex<()>,
}

/// The parameter that holds an instance's keys.
#[derive(Clone, Debug)]
pub struct KeySource {
    /// Where it is kept.
    pub store: ParameterStore,
    /// Its name.
    pub parameter: String,
    /// Whether it holds keys that sign.
    pub signs: bool,
}

#[derive(Clone, Debug)]
struct State {
    tokens: Arc<Tokens>,
    /// The keys were current at this time.
    read_at: Timestamp,
    tried_at: Timestamp,
}

impl From<Tokens> for CurrentTokens {
    /// Tokens whose keys stay as they are.
    fn from(tokens: Tokens) -> Self {
        Self::of(tokens, None, Timestamp::UNIX_EPOCH)
    }
}

impl CurrentTokens {
    /// Tokens whose keys were read from the source at this time.
    pub fn following(tokens: Tokens, source: KeySource, read_at: Timestamp) -> Self {
        Self::of(tokens, Some(source), read_at)
    }

    fn of(tokens: Tokens, source: Option<KeySource>, read_at: Timestamp) -> Self {
        let state = State { tokens: Arc::new(tokens), read_at, tried_at: read_at };
        Self { source, state: RwLock::new(state), reading: Mutex::default() }
    }

    /// The tokens for a request of this time.
    pub async fn at(&self, now: Timestamp) -> Result<Arc<Tokens>, ApiError> {
        let Some(source) = &self.source else { return Ok(self.state().tokens) };
        let state = self.state();
        if !state.wants_reading(now) {
            return Ok(state.tokens);
        }
        if state.is_usable(now) {
            // Whoever comes while another request reads takes what is there.
            let Ok(_reading) = self.reading.try_lock() else { return Ok(state.tokens) };
            return Ok(self.read(source, now).await.unwrap_or(state.tokens));
        }
        let _reading = self.reading.lock().await;
        let state = self.state();
        if state.is_usable(now) {
            return Ok(state.tokens);
        }
        self.read(source, now).await.map_err(ApiError::unavailable)
    }

    async fn read(&self, source: &KeySource, now: Timestamp) -> Result<Arc<Tokens>, KeysAway> {
        // Boxed: every request's future would have room for a call that hardly any of them makes.
        let read = match tokio::time::timeout(PATIENCE, Box::pin(source.ring())).await {
            Ok(read) => read,
            Err(_) => Err(KeysAway("the parameter store did not answer in time".to_owned())),
        };
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.tried_at = now;
        match read {
            Ok(ring) => {
                state.tokens = Arc::new(state.tokens.with_keys(ring));
                state.read_at = now;
                Ok(Arc::clone(&state.tokens))
            }
            Err(error) => {
                let age = now.as_second() - state.read_at.as_second();
                tracing::error!(%error, age, "the keys were not read again");
                Err(error)
            }
        }
    }

    fn state(&self) -> State {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl State {
    fn wants_reading(&self, now: Timestamp) -> bool {
        // A clock that was put back makes an age negative: who knows what it really is.
        let is_within = |at: Timestamp, age: i64| (0..age).contains(&(now.as_second() - at.as_second()));
        !is_within(self.read_at, REFRESH_AGE) && (!is_within(self.tried_at, RETRY) || !self.is_usable(now))
    }

    fn is_usable(&self, now: Timestamp) -> bool {
        (now.as_second() - self.read_at.as_second()).abs() < MAX_AGE
    }
}

/// Why the keys were not read. It never says what they are.
#[derive(Debug, thiserror::Error)]
#[error("the keys cannot be read: {0}")]
struct KeysAway(String);

impl From<ParameterError> for KeysAway {
    fn from(error: ParameterError) -> Self {
        Self(error.to_string())
    }
}

impl KeySource {
    async fn ring(&self) -> Result<KeyRing, KeysAway> {
        let parameter = self.store.find(&self.parameter).await?;
        let parameter = parameter.ok_or_else(|| KeysAway(format!("{} does not exist", self.parameter)))?;
        let read = if self.signs { KeyRing::signing } else { KeyRing::verifying };
        read(&parameter.value).map_err(|error| KeysAway(error.to_string()))
    }
}
