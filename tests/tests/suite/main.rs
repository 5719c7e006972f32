//! The service over HTTP, in process: one file per subject.

mod accounts;
mod external_accounts;
mod races;
mod two_factor;
