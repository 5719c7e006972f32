//! F-12: whatever stands where a password's hash should be, comparing with it ends soon and lets nobody in.

use shared::{
    clock::Stopwatch,
    password::{PasswordHasher, Verified},
    secret::Password,
};

/// Four times today's memory, passes and lanes, on a slow machine, and some more.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(20);

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let stopwatch = Stopwatch::start();
    let verified = crate::wait_for(PasswordHasher::new().verify(&Password::new("password"), Some(text)));
    assert!(stopwatch.elapsed() < LONGEST, "{text:?} took {:?}", stopwatch.elapsed());
    match verified {
        Verified::Wrong => {}
        // Only the real thing: a hash of the one password that is tried here.
        Verified::Right { .. } => assert!(text.starts_with("$argon2id$v=19$m="), "{text:?}"),
    }
}
