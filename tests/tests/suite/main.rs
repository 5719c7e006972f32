//! The service over HTTP, in process: one file per subject.

mod accounts;
mod codes;
mod delivery;
mod races;
