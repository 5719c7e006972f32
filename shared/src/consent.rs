//! What a user allowed: a consent for every place and set of scopes, and the grants made under it.

use std::{collections::BTreeSet, fmt};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::{app::AppId, entropy::Entropy, jwt::GrantType, user::UserId};

/// Bits of a consent's number that count how often it was given again.
const GENERATION_BITS: u32 = 13;
/// The most times that a consent is given in one place.
const GENERATIONS: u64 = 1 << GENERATION_BITS;

/// Where a user's consent for one redirect URI and one set of scopes is kept: 40 bits that follow from these, so that
/// it is found without asking where. Two pairs may come to the same place; then the later one moves on to its next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConsentPlace(u64);

impl ConsentPlace {
    /// How many places a pair has.
    pub const TRIES: u8 = 8;

    /// The pair's place of this rank. Both texts count byte for byte.
    pub fn of(app: AppId, user: UserId, redirect_uri: &str, scopes: &str, rank: u8) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&app.get().to_be_bytes());
        context.update(&user.get().to_be_bytes());
        context.update(&[rank]);
        context.update(&(redirect_uri.len() as u64).to_be_bytes());
        context.update(redirect_uri.as_bytes());
        context.update(scopes.as_bytes());
        let digest = context.finish();
        Self(digest.as_ref().iter().take(5).fold(0, |place, byte| (place << 8) | u64::from(*byte)))
    }
}

impl fmt::Display for ConsentPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010x}", self.0)
    }
}

/// A consent's number, below 2^53: its place, and which of the consents it is that were given there one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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

    /// The first that is given in a place.
    pub const fn first(place: ConsentPlace) -> Self {
        Self(place.0 << GENERATION_BITS | 1)
    }

    /// The one that is given in the same place when this one was taken back, as long as there are numbers.
    pub const fn next(self) -> Option<Self> {
        if self.0 % GENERATIONS == GENERATIONS - 1 { None } else { Some(Self(self.0 + 1)) }
    }

    /// Where it is kept.
    pub const fn place(self) -> ConsentPlace {
        ConsentPlace(self.0 >> GENERATION_BITS)
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
    /// There once it was taken back: what is left of it keeps its number from being given again as long as tokens live,
    /// until then in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
}

impl Consent {
    /// Whether it was not taken back.
    pub const fn is_given(&self) -> bool {
        self.expires.is_none()
    }

    /// Whether the tokens of this grant are good.
    pub fn allows(&self, grant: &GrantId) -> bool {
        !self.refused.contains(grant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(redirect_uri: &str, scopes: &str, rank: u8) -> ConsentPlace {
        ConsentPlace::of(AppId::new(2).unwrap(), UserId::new(7), redirect_uri, scopes, rank)
    }

    #[test]
    fn a_consent_is_for_one_redirect_uri_and_one_set_of_scopes() {
        assert_eq!(place("https://a.example/", "openid", 0), place("https://a.example/", "openid", 0));
        assert_ne!(place("https://a.example/", "openid", 0), place("https://a.example/", "openid", 1));
        assert_ne!(place("https://a.example/", "openid", 0), place("https://a.example/o", "penid", 0));
        assert_ne!(place("", "openid", 0), place("", "Openid", 0));
    }

    #[test]
    fn users_and_apps_have_places_of_their_own() {
        let of = |app, user| ConsentPlace::of(AppId::new(app).unwrap(), UserId::new(user), "", "openid", 0);
        assert_ne!(of(2, 7), of(2, 8));
        assert_ne!(of(2, 7), of(3, 7));
    }

    #[test]
    fn a_number_keeps_its_place_and_is_never_given_twice() {
        let place = place("", "openid", 0);
        let mut id = ConsentId::first(place);
        let mut given = 1;
        while let Some(next) = id.next() {
            assert_eq!((next.place(), next.get()), (place, id.get() + 1));
            (id, given) = (next, given + 1);
        }
        assert_eq!(given, GENERATIONS - 1);
        assert!(id.get() < 1 << 53);
    }
}
