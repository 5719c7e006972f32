//! Bitkeys: what a vendor's back office shows instead of a password. One belongs to one app and decides it.

use std::fmt;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::{
    app::AppId,
    entropy::{Entropy, hex},
};

/// What a bitkey is called: public, in logs and on the operator's screen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BitkeyId(String);

impl BitkeyId {
    /// Reads sixteen lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        is_hex(text, 16).then(|| Self(text.to_owned()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A whole key, `bk_<id>_<secret>`. Its secret is 256 random bits, so that a plain hash at rest is enough.
#[derive(Clone, PartialEq, Eq)]
pub struct Bitkey {
    id: BitkeyId,
    secret: String,
}

impl Bitkey {
    /// A new key.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self::from_bytes(entropy.bytes(), entropy.bytes())
    }

    /// The key that the bytes stand for.
    pub fn from_bytes(id: [u8; 8], secret: [u8; 32]) -> Self {
        Self { id: BitkeyId(hex(&id)), secret: hex(&secret) }
    }

    /// Reads a key as it is sent.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix("bk_")?.split_once('_')?;
        let id = BitkeyId::parse(id)?;
        is_hex(secret, 64).then(|| Self { id, secret: secret.to_owned() })
    }

    /// What it is called.
    pub const fn id(&self) -> &BitkeyId {
        &self.id
    }

    /// The clear text, for the one place that needs it.
    pub fn expose(&self) -> String {
        format!("bk_{}_{}", self.id.0, self.secret)
    }

    /// What is stored of it: SHA-256, hexadecimal.
    pub fn hash(&self) -> String {
        hex(digest::digest(&digest::SHA256, self.expose().as_bytes()).as_ref())
    }

    /// Whether it is the one whose hash was stored; takes the same time for any other.
    pub fn matches(&self, stored_hash: &str) -> bool {
        self.hash().as_bytes().ct_eq(stored_hash.as_bytes()).into()
    }
}

impl fmt::Debug for Bitkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bitkey({}, ***)", self.id.0)
    }
}

/// What the holder of a bitkey may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BitkeyScope {
    /// Read, link and unlink.
    Full,
    /// Read.
    ReadOnly,
}

/// A bitkey as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BitkeyRecord {
    /// What it is called.
    pub id: BitkeyId,
    /// The app that it decides.
    pub app_id: AppId,
    /// See [`Bitkey::hash`].
    pub hash: String,
    /// What its holder may do.
    pub scope: BitkeyScope,
    /// When it was issued, in milliseconds since 1970.
    pub created_at: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_shown_and_in_no_other_form() {
        let key = Bitkey::from_bytes([0xab; 8], [7; 32]);
        let shown = key.expose();
        assert_eq!(Bitkey::parse(&shown), Some(key.clone()));
        assert!(key.matches(&key.hash()));
        assert!(!Bitkey::from_bytes([0xab; 8], [8; 32]).matches(&key.hash()));
        for bad in [
            String::new(),
            shown[..shown.len() - 1].to_owned(),
            format!("{shown}0"),
            shown.to_uppercase(),
            shown.replacen("bk_", "", 1),
            shown.replace('_', "-"),
            format!(" {shown}"),
        ] {
            assert_eq!(Bitkey::parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn a_key_does_not_print() {
        assert_eq!(format!("{:?}", Bitkey::from_bytes([0; 8], [7; 32])), "Bitkey(0000000000000000, ***)");
    }
}
