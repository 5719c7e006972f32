//! Secrets as types of their own: they do not print, and none is taken for another.

use std::fmt;

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
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
    /// A signed access token.
    AccessToken;
    /// What a client exchanges for a token. 128 random bits, so that a plain hash at rest is enough.
    AuthorizationCode;
    /// The secret whose hash the client sent when it asked for a code (RFC 7636).
    CodeVerifier;
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

impl AuthorizationCode {
    /// A new code: 32 lower-case hexadecimal digits.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(entropy.hex::<16>())
    }

    /// What is stored of it: SHA-256, hexadecimal.
    pub fn hash(&self) -> String {
        hex(digest::digest(&digest::SHA256, self.0.as_bytes()).as_ref())
    }
}

impl CodeVerifier {
    /// Whether the challenge was made of it by `S256`. What is shorter or longer than a verifier may be, or has other
    /// characters, never matches.
    pub fn matches(&self, challenge: &str) -> bool {
        let is_verifier = (43..=128).contains(&self.0.len())
            && self.0.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
        let made = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.0.as_bytes()));
        is_verifier && bool::from(made.as_bytes().ct_eq(challenge.as_bytes()))
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
    fn a_verifier_matches_the_challenge_made_of_it_only() {
        // The example of RFC 7636, appendix B.
        let verifier = CodeVerifier::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert!(verifier.matches("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
        for other in ["dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", ""]
        {
            assert!(!CodeVerifier::new(other).matches("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), "{other}");
        }
    }

    #[test]
    fn an_app_secret_matches_its_own_hash_only() {
        let secret = AppSecret::from_bytes([7; 32]);
        assert!(secret.matches(&secret.hash()));
        assert!(!AppSecret::from_bytes([8; 32]).matches(&secret.hash()));
    }
}
