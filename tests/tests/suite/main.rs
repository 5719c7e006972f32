//! The service over HTTP, in process: one file per subject.

mod accounts;
mod oauth;
mod points;
mod races;
