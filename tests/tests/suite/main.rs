//! The service over HTTP, in process: one file per subject.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod accounts;
mod authorization;
mod cors;
mod directory;
mod docs;
mod external_accounts;
mod faults;
mod oauth;
mod points;
mod probe;
mod profile;
mod races;
mod template;
mod tokens;
mod two_factor;
mod wire;
