//! The service over HTTP, in process: one file per subject.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod accounts;
mod licences;
mod races;
