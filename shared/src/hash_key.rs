//! A keyed hash for texts that a table must find again without holding them: addresses, names that nobody has.

use aws_lc_rs::hmac;

use crate::entropy::hex;

/// HMAC-SHA-256 under the deployment's hash key.
#[derive(Clone)]
pub struct KeyedHash(hmac::Key);

/// The hash key is too short to be one.
#[derive(Debug, thiserror::Error)]
#[error("the hash key must be at least 32 random bytes")]
pub struct WeakHashKey;

impl KeyedHash {
    /// Takes a key of at least 32 bytes that are not all alike.
    pub fn new(key: &[u8]) -> Result<Self, WeakHashKey> {
        let distinct: std::collections::HashSet<_> = key.iter().collect();
        if key.len() < 32 || distinct.len() < 8 {
            return Err(WeakHashKey);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    /// The hash of the parts in hexadecimal digits. The first part says what the text is, so that equal texts of
    /// different kinds hash differently; lengths keep the parts apart.
    pub fn of(&self, parts: &[&str]) -> String {
        hex(&self.bytes(parts))
    }

    /// The same as 32 bytes.
    pub fn bytes(&self, parts: &[&str]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.sign().as_ref());
        bytes
    }
}

impl std::fmt::Debug for KeyedHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyedHash(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let hash = KeyedHash::new(b"an example key of 32 bytes or so.").unwrap();
        assert_eq!(hash.of(&["a", "b"]), hash.of(&["a", "b"]));
        assert_ne!(hash.of(&["a", "b"]), hash.of(&["ab", ""]));
        assert_ne!(hash.of(&["a", "b"]), KeyedHash::new(b"another example key of 32 bytes..").unwrap().of(&["a", "b"]));
    }

    #[test]
    fn keys_that_are_short_or_no_keys_at_all_are_refused() {
        assert!(KeyedHash::new(b"an example key of 31 bytes only").is_err());
        assert!(KeyedHash::new(&[0; 32]).is_err());
    }
}
