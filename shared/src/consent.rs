//! What a user allowed: a consent for every place and set of scopes, and the grants made under it.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use crate::{entropy::Entropy, jwt::GrantType};

/// A consent's number: random, below 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConsentId(u64);

impl ConsentId {
    /// The consent with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Reads the canonical decimal form.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self).filter(|id| id.to_string() == text)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ConsentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What one authorization code was granted as, and its token with it: 32 lower-case hexadecimal digits, no secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GrantId(String);

impl GrantId {
    /// A new one.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(entropy.hex::<16>())
    }

    /// Reads what [`GrantId::generate`] made.
    pub fn parse(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let is_one = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_one.then_some(Self(text))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A consent as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Consent {
    /// Its number; one that is given again after it was taken back has another.
    pub id: ConsentId,
    /// Where its codes are sent; empty for those that the client fetched itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub redirect_uri: String,
    /// The scopes as they were asked for.
    pub scopes: String,
    /// How the user signed in the last time.
    pub grant_type: GrantType,
    /// When it was first given, in milliseconds since 1970.
    pub created_at: i64,
    /// When it was last given, in milliseconds since 1970.
    pub updated_at: i64,
    /// Grants whose code was used twice: their tokens are good for nothing.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub refused: BTreeSet<GrantId>,
}

impl Consent {
    /// Whether the tokens of this grant are good.
    pub fn allows(&self, grant: &GrantId) -> bool {
        !self.refused.contains(grant)
    }
}
