//! Tokens whose signature was verified here before. To verify one again is half of what reading a profile computes.
//!
//! Only what never changes is remembered: the claims under a signature of one of the ring's keys. What lives with the
//! keys is forgotten with them, and whether the token is good *now* (its times, the user, the consent) is asked at every
//! request.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::digest::{SHA256, digest};
use lru::LruCache;

use super::SignedToken;

/// How many are remembered: some 300 KiB.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// The tokens that were used last. Tokens themselves are not kept: they are found by their SHA-256.
pub(super) struct Remembered {
    tokens: Mutex<LruCache<Vec<u8>, SignedToken>>,
}

impl Remembered {
    pub(super) fn new() -> Self {
        Self { tokens: Mutex::new(LruCache::new(CAPACITY)) }
    }

    /// What was found out about the token earlier, or else now. What is no token is not remembered: nobody can push
    /// others out without one.
    pub(super) fn get_or_try_insert<E>(
        &self,
        token: &str,
        verify: impl FnOnce() -> Result<SignedToken, E>,
    ) -> Result<SignedToken, E> {
        let key = digest(&SHA256, token.as_bytes());
        let tokens = || self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = tokens().get(key.as_ref()) {
            return Ok(known.clone());
        }
        // Not under the lock: a verification takes longer than everything else here.
        let verified = verify()?;
        tokens().put(key.as_ref().to_vec(), verified.clone());
        Ok(verified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        app::AppId,
        jwt::{Validity, VerifiedToken},
        user::UserId,
    };

    fn signed() -> SignedToken {
        let token = VerifiedToken {
            app: AppId::parse("42").unwrap(),
            user: UserId::parse("7").unwrap(),
            version: 1,
            oauth: None,
        };
        SignedToken { token, validity: Validity { from: 0, until: 10 } }
    }

    /// Whether the token had to be verified.
    fn is_verified(remembered: &Remembered, token: &str) -> bool {
        let mut verified = false;
        let verify = || {
            verified = true;
            Ok::<_, ()>(signed())
        };
        assert_eq!(remembered.get_or_try_insert(token, verify).unwrap().token, signed().token);
        verified
    }

    #[test]
    fn a_token_is_verified_once_and_another_one_by_itself() {
        let remembered = Remembered::new();
        assert!(is_verified(&remembered, "a"));
        assert!(!is_verified(&remembered, "a"));
        assert!(is_verified(&remembered, "b"));
        assert!(!is_verified(&remembered, "a"));
    }

    #[test]
    fn what_is_no_token_is_looked_at_each_time() {
        let remembered = Remembered::new();
        for _ in 0..2 {
            assert_eq!(remembered.get_or_try_insert("a", || Err("bad")).unwrap_err(), "bad");
        }
        assert!(is_verified(&remembered, "a"));
    }

    #[test]
    fn who_was_not_seen_for_long_makes_room() {
        let remembered = Remembered::new();
        assert!(is_verified(&remembered, "old"));
        assert!(is_verified(&remembered, "used"));
        for i in 2..=CAPACITY.get() {
            assert!(!is_verified(&remembered, "used"));
            assert!(is_verified(&remembered, &i.to_string()));
        }
        assert!(!is_verified(&remembered, "used"));
        assert!(is_verified(&remembered, "old"));
        assert_eq!(remembered.tokens.lock().unwrap().len(), CAPACITY.get());
    }
}
