//! The service over HTTP, in process: one file per subject.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod accounts;
mod codes;
mod delivery;
mod races;
