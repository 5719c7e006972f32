//! A user of an app, as stored.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    app::AppId,
    contact::{Address, Email, Phone},
    http::{Field, Json, Refusal},
    two_factor::SealedSecret,
};

/// A user's number: random, below 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(u64);

impl UserId {
    /// The number that no user has.
    pub const NOBODY: Self = Self(0);

    /// The user with this number.
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

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Field for UserId {
    fn read(value: Json) -> Result<Self, Refusal> {
        u64::read(value).map(Self)
    }
}

/// Whether a user may do anything. One who may not is answered like one who does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UserStatus {
    /// May sign in.
    Active,
    /// Switched off by the operator.
    Disabled,
}

/// A user as stored: one item, written by sign-up, changed field by field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The app that the user belongs to.
    pub app_id: AppId,
    /// Unique within the app.
    pub id: UserId,
    /// The licence family's id: 24 hexadecimal digits.
    pub guid: String,
    /// As it was sent.
    pub user_name: String,
    /// What others see.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub nick_name: String,
    /// The address of a picture.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub avatar: String,
    /// What the client keeps here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// One of the app's roles.
    pub role: String,
    /// A PHC string; an account without it cannot sign in with a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
    /// 11 digits for +86, else E.164; what is neither, and not proven, as it was sent.
    #[serde(default, skip_serializing_if = "Contact::is_none")]
    pub phone: Contact,
    /// As it was sent.
    #[serde(default, skip_serializing_if = "Contact::is_none")]
    pub email: Contact,
    /// Where the user's own external identity comes from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub platform: String,
    /// The user's own external identity.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub union_id: String,
    /// The secret of the second factor; there is one exactly while it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totp_secret: Option<SealedSecret>,
    /// Whether the user may do anything.
    pub status: UserStatus,
    /// Raised to end every token issued before.
    pub token_version: u64,
    /// When the user signed up, in milliseconds since 1970.
    pub created_at: i64,
    /// When the user was last changed, in milliseconds since 1970.
    pub updated_at: i64,
}

/// A phone number or an e-mail address of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The address; empty when there is none.
    pub address: String,
    /// Whether the user proved to receive messages there.
    pub verified: bool,
}

impl Contact {
    /// An address that somebody claims.
    pub fn unverified(address: Option<String>) -> Self {
        Self { address: address.unwrap_or_default(), verified: false }
    }

    /// An address that a code proved.
    pub fn verified(address: &Address) -> Self {
        Self { address: address.emitted().to_owned(), verified: true }
    }

    /// Whether there is no address.
    pub fn is_none(&self) -> bool {
        self.address.is_empty()
    }

    /// The address when it was proven, else nothing.
    pub fn proven(&self) -> &str {
        if self.verified { &self.address } else { "" }
    }
}

impl User {
    /// The phone and the mailbox that the user proved.
    pub fn proven_addresses(&self) -> impl Iterator<Item = Address> {
        let phone = Phone::parse(self.phone.proven()).ok().map(Address::Phone);
        let email = Email::parse(self.email.proven()).ok().map(Address::Email);
        phone.into_iter().chain(email)
    }

    /// Whether the user may do anything.
    pub fn is_active(&self) -> bool {
        self.status == UserStatus::Active
    }

    /// Whether signing in takes a second factor.
    pub const fn has_two_factor(&self) -> bool {
        self.totp_secret.is_some()
    }
}
