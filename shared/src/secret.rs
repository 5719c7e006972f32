//! Secrets as types of their own: they do not print, and none is taken for another.

use std::fmt;

use aws_lc_rs::digest;
use subtle::ConstantTimeEq as _;

use crate::entropy::{Entropy, hex};

/// Declares a text that must never reach a log.
macro_rules! secret_text {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// Wraps the clear text.
            pub fn new(clear: impl Into<String>) -> Self {
                Self(clear.into())
            }

            /// The clear text, for the one place that needs it.
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(***)"))
            }
        }
    )+};
}

secret_text! {
    /// A password as the user typed it.
    Password;
    /// An app's secret: its server proves with it that it speaks for the app. 256 random bits, so that a plain hash
    /// at rest is enough.
    AppSecret;
    /// A code that proves a phone or a mailbox.
    VerificationCode;
    /// A signed access token.
    AccessToken;
}

impl AppSecret {
    /// A new secret.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self::from_bytes(entropy.bytes())
    }

    /// The secret that the bytes stand for.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(hex(&bytes))
    }

    /// What is stored of it: SHA-256, hexadecimal.
    pub fn hash(&self) -> String {
        hex(digest::digest(&digest::SHA256, self.0.as_bytes()).as_ref())
    }

    /// Whether it is the one whose hash was stored; takes the same time for any other.
    pub fn matches(&self, stored_hash: &str) -> bool {
        self.hash().as_bytes().ct_eq(stored_hash.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", Password::new("hunter2")), "Password(***)");
    }

    #[test]
    fn an_app_secret_matches_its_own_hash_only() {
        let secret = AppSecret::from_bytes([7; 32]);
        assert!(secret.matches(&secret.hash()));
        assert!(!AppSecret::from_bytes([8; 32]).matches(&secret.hash()));
    }
}
