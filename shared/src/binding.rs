//! An external account that a user bound beside their own identity.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    app::AppRecord,
    text::ExternalId,
    user::{User, UserId},
};

/// How many external accounts a user may bind.
pub const MAX_BINDINGS: u32 = 20;

/// A binding's number: random, below 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BindingId(u64);

impl BindingId {
    /// The binding with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for BindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A binding as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// Unique among the user's.
    pub id: BindingId,
    /// Who bound it.
    pub user_id: UserId,
    /// Where the identity comes from.
    pub platform: String,
    /// What people call that.
    pub platform_name: String,
    /// The id there.
    pub union_id: String,
    /// The address of a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// What the client keeps here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Whether it signs the user in.
    pub enabled: bool,
    /// Raised whenever `enabled` changes, so that of two changes at once one sees the other.
    pub version: u64,
    /// In milliseconds since 1970.
    pub created_at: i64,
    /// In milliseconds since 1970.
    pub updated_at: i64,
}

/// The longest union id that signs in as an external account.
const SIGN_IN_UNION_ID: usize = 50;
/// The longest platform that signs in as an external account.
const SIGN_IN_PLATFORM: usize = 20;

/// Why a pair cannot sign in as an external account, if so; completes the sentence of a bad request. Other pairs can be
/// bound all the same.
pub fn sign_in_refusal(id: &ExternalId) -> Option<&'static str> {
    let (platform, union_id) = (id.platform.as_str(), id.union_id.as_str());
    if union_id.len() > SIGN_IN_UNION_ID || !union_id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)) {
        return Some("unionID must be 1 to 50 letters, digits, hyphens or underscores");
    }
    if platform.len() > SIGN_IN_PLATFORM || !platform.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Some("platform must be 1 to 20 letters or digits");
    }
    None
}

/// Whether the user can sign in without any binding.
pub fn signs_in_without_bindings(user: &User, app: &AppRecord) -> bool {
    (app.settings.password_sign_in_enabled && user.password_hash.is_some())
        || user.phone.verified
        || user.email.verified
        || !user.union_id.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Platform, UnionId};

    #[test]
    fn pairs_of_plain_characters_sign_in() {
        let refused = |platform: &str, union_id: &str| {
            let id = ExternalId {
                platform: Platform::parse(platform).unwrap(),
                union_id: UnionId::parse(union_id).unwrap(),
            };
            sign_in_refusal(&id).is_some()
        };
        assert!(!refused("wxminip", "oT-1_x"));
        assert!(!refused(&"p".repeat(20), &"u".repeat(50)));
        for (platform, union_id) in [
            ("wx-minip", "o1"),
            ("微信", "o1"),
            (&*"p".repeat(21), "o1"),
            ("wx", "o 1"),
            ("wx", "o1="),
            ("wx", "\u{ff11}"),
            ("wx", &*"u".repeat(51)),
        ] {
            assert!(refused(platform, union_id), "{platform} {union_id}");
        }
    }
}
