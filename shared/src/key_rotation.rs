//! A new signing key in place of the old one, while tokens are issued and verified: publish, sign, retire.
//!
//! 1. **Publish.** The new key is made and everybody learns to verify with it; nothing is signed with it yet.
//! 2. **Sign.** When no instance and no resource server can still be without it, it signs.
//! 3. **Retire.** When nothing that the old key signed can still be valid, it is forgotten.
//!
//! Each instance knows the keys of at most [`MAX_AGE`] seconds ago, whatever happens to the parameter store, so that two
//! waits are all it takes: then every token verifies until it expires, however rotation, issuing and verifying
//! interleave. The parameter with the signing keys says what is; the one with the verification keys follows it, and a
//! write that failed between the two is made good by the next step. The parameter store has no conditional writes: of two
//! operators at once one may undo what the other did, which costs a step and no token.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    current_tokens::MAX_AGE,
    entropy::Entropy,
    jwt::{KeyError, KeyRing, MAX_TOKEN_DAYS, SigningKeySet},
    parameter_store::{Parameter, ParameterError, ParameterStore},
};

/// The parameter of the keys that sign.
pub const SIGNING_KEYS: &str = "signing-keys";
/// The parameter of the keys that verify.
pub const VERIFICATION_KEYS: &str = "verification-keys";

/// For clocks that differ, and writes that take a while to be seen, in seconds.
const SLACK: i64 = 600;
/// From publishing a key until it may sign, in seconds.
pub const PUBLISHED_FOR: i64 = MAX_AGE + SLACK;
/// From the last signing with a key until it may go, in seconds.
pub const REPLACED_FOR: i64 = MAX_AGE + SLACK + MAX_TOKEN_DAYS as i64 * 86_400;

/// What happened to a signing key when, in seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyTimes {
    /// When everybody could begin to learn of it.
    pub published: i64,
    /// When it began to sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<i64>,
    /// When another began to sign in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<i64>,
}

/// The times of all keys by their ids.
pub type KeyHistory = BTreeMap<String, KeyTimes>;

/// What a rotation has just done, or waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A new key verifies.
    Published {
        /// The key.
        kid: String,
    },
    /// A published key signs.
    Signing {
        /// The key.
        kid: String,
    },
    /// A replaced key is gone.
    Retired {
        /// The key.
        kid: String,
    },
    /// Nothing may be done before this time, in seconds since 1970.
    Waiting {
        /// The key that it is about: published, or replaced.
        kid: String,
        /// When the next step may be done.
        until: i64,
    },
}

impl SigningKeySet {
    /// The same, with its keys published now where nothing was written down about them.
    #[must_use]
    pub fn published_at(mut self, now: Timestamp) -> Self {
        let now = now.as_second();
        for kid in self.kids() {
            self.history.entry(kid).or_insert(KeyTimes { published: now, signing: Some(now), replaced: None });
        }
        self
    }

    /// Does what is due, the next step at most.
    pub fn advance(&mut self, now: Timestamp, entropy: &dyn Entropy) -> Result<Step, KeyError> {
        let now = now.as_second();
        self.write_down(now);
        if let Some(kid) = self.kid_where(|times| times.replaced.is_some_and(|at| at + REPLACED_FOR <= now)) {
            self.drop_key(&kid);
            return Ok(Step::Retired { kid });
        }
        if let Some((kid, times)) = self.published() {
            let until = times.published + PUBLISHED_FOR;
            if now < until {
                return Ok(Step::Waiting { kid, until });
            }
            self.history.entry(self.active.clone()).or_default().replaced = Some(now);
            self.history.entry(kid.clone()).or_default().signing = Some(now);
            self.active.clone_from(&kid);
            return Ok(Step::Signing { kid });
        }
        if let Some((kid, replaced)) = self.replaced() {
            return Ok(Step::Waiting { kid, until: replaced + REPLACED_FOR });
        }
        let kid = self.add_key(entropy)?;
        self.history.insert(kid.clone(), KeyTimes { published: now, ..KeyTimes::default() });
        Ok(Step::Published { kid })
    }

    /// A new key in place of all: whatever they signed is refused as soon as an instance learns of it.
    pub fn begin_anew(now: Timestamp, entropy: &dyn Entropy) -> Result<Self, KeyError> {
        Ok(Self::generate(entropy)?.published_at(now))
    }

    /// Publishes anew, from now on, the keys that verifiers do not know.
    fn republish(&mut self, known: &KeyRing, now: Timestamp) {
        for kid in self.kids().into_iter().filter(|kid| !known.knows(kid)) {
            let times = self.history.entry(kid).or_default();
            times.published = now.as_second();
        }
    }

    /// Notes about keys without any: the one that signs has always done so, others have been replaced just now, which
    /// is the latest that they can have been. Notes about keys that are gone go, too.
    fn write_down(&mut self, now: i64) {
        let kids = self.kids();
        self.history.retain(|kid, _| kids.contains(kid));
        for kid in kids {
            let is_active = kid == self.active;
            let times = self.history.entry(kid).or_insert(KeyTimes {
                published: 0,
                signing: Some(0),
                replaced: (!is_active).then_some(now),
            });
            if is_active {
                times.replaced = None;
            }
        }
    }

    fn kid_where(&self, matches: impl Fn(&KeyTimes) -> bool) -> Option<String> {
        self.history.iter().find(|(kid, times)| **kid != self.active && matches(times)).map(|(kid, _)| kid.clone())
    }

    /// A key that has not signed yet.
    fn published(&self) -> Option<(String, KeyTimes)> {
        let kid = self.kid_where(|times| times.replaced.is_none())?;
        let times = *self.history.get(&kid)?;
        Some((kid, times))
    }

    /// The key that is to be retired first, and when it was replaced.
    fn replaced(&self) -> Option<(String, i64)> {
        let waiting = self.history.iter().filter(|(kid, _)| **kid != self.active);
        waiting.filter_map(|(kid, times)| Some((kid.clone(), times.replaced?))).min_by_key(|(_, at)| *at)
    }
}

/// Why a rotation did not go on.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// A parameter was not read or written. What was done is whole, or is made good by the next try.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The parameter is not there.
    #[error("{0} does not exist: `key init` makes it")]
    Missing(String),
    /// The keys cannot be used.
    #[error("{name}: {error}")]
    Keys {
        /// The parameter.
        name: String,
        /// What is wrong.
        error: KeyError,
    },
    /// Somebody else changed the keys between reading and writing.
    #[error("somebody else changed {0} at the same time: look at `key status`, then try again")]
    Overtaken(String),
}

/// The keys of a stack as they are kept.
#[derive(Debug)]
pub struct StackKeys {
    store: ParameterStore,
    stack: String,
}

/// Both parameters as they were read, and what is to become of the keys.
struct Kept {
    signing: Parameter,
    was: SigningKeySet,
    set: SigningKeySet,
    verification: Option<Parameter>,
}

impl StackKeys {
    /// The keys of this stack.
    pub const fn new(store: ParameterStore, stack: String) -> Self {
        Self { store, stack }
    }

    /// Does the step of the rotation that is due. Without a rotation under way it begins one.
    pub async fn rotate(&self, now: Timestamp, entropy: &dyn Entropy) -> Result<Step, RotationError> {
        let mut kept = self.read().await?;
        self.repair(&mut kept, now).await?;
        let step = kept.set.advance(now, entropy).map_err(|error| self.broken(SIGNING_KEYS, error))?;
        self.write(&kept).await?;
        Ok(step)
    }

    /// A new key for everything from now on, because the old ones are known to somebody: every token ends.
    pub async fn begin_anew(&self, now: Timestamp, entropy: &dyn Entropy) -> Result<Step, RotationError> {
        let mut kept = self.read().await?;
        kept.set = SigningKeySet::begin_anew(now, entropy).map_err(|error| self.broken(SIGNING_KEYS, error))?;
        self.write(&kept).await?;
        Ok(Step::Signing { kid: kept.set.active })
    }

    /// The signing keys, for showing their ids and times, and whether the verification keys are those that belong to
    /// them.
    pub async fn show(&self, now: Timestamp) -> Result<(SigningKeySet, bool), RotationError> {
        let mut kept = self.read().await?;
        let public = self.public(&kept.set)?;
        kept.set.write_down(now.as_second());
        Ok((kept.set, kept.verification.is_some_and(|it| it.value == public)))
    }

    /// Makes the verification keys follow the signing keys where they do not. Says whether they did not.
    pub async fn follow(&self, now: Timestamp) -> Result<bool, RotationError> {
        let mut kept = self.read().await?;
        self.repair(&mut kept, now).await
    }

    async fn repair(&self, kept: &mut Kept, now: Timestamp) -> Result<bool, RotationError> {
        let public = self.public(&kept.set)?;
        let published = kept.verification.as_ref().map(|it| it.value.as_str());
        if published == Some(public.as_str()) {
            return Ok(false);
        }
        let known = published.and_then(|text| KeyRing::verifying(text).ok()).unwrap_or_else(KeyRing::empty);
        kept.set.write_down(now.as_second());
        // First when, then what: should the second write fail, the next try finds the difference again.
        kept.set.republish(&known, now);
        self.write(kept).await?;
        *kept = self.read().await?;
        Ok(true)
    }

    async fn write(&self, kept: &Kept) -> Result<(), RotationError> {
        let text = serde_json::to_string(&kept.set).map_err(|error| self.broken(SIGNING_KEYS, error.into()))?;
        let public = self.public(&kept.set)?;
        let overtaken =
            kept.was != kept.set && self.store.replace(&kept.signing.name, &text).await? != kept.signing.version + 1;
        if kept.verification.as_ref().is_none_or(|it| it.value != public) {
            self.store.replace(&self.name(VERIFICATION_KEYS), &public).await?;
        }
        if overtaken {
            return Err(RotationError::Overtaken(kept.signing.name.clone()));
        }
        Ok(())
    }

    async fn read(&self) -> Result<Kept, RotationError> {
        let names = [self.name(SIGNING_KEYS), self.name(VERIFICATION_KEYS)];
        let mut found = self.store.read(&names).await?;
        let mut take = |name: &String| {
            let place = found.iter().position(|it| it.name == *name)?;
            Some(found.swap_remove(place))
        };
        let signing = take(&names[0]).ok_or_else(|| RotationError::Missing(names[0].clone()))?;
        let verification = take(&names[1]);
        let set: SigningKeySet =
            serde_json::from_str(&signing.value).map_err(|error| self.broken(SIGNING_KEYS, error.into()))?;
        Ok(Kept { signing, was: set.clone(), set, verification })
    }

    fn public(&self, set: &SigningKeySet) -> Result<String, RotationError> {
        Ok(KeyRing::of_signing(set).map_err(|error| self.broken(SIGNING_KEYS, error))?.verification_keys())
    }

    fn broken(&self, parameter: &str, error: KeyError) -> RotationError {
        RotationError::Keys { name: self.name(parameter), error }
    }

    fn name(&self, parameter: &str) -> String {
        ParameterStore::name(&self.stack, parameter)
    }
}
