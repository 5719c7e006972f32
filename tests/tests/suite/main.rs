//! The service over HTTP, in process: one file per subject.

mod accounts;
mod licences;
mod races;
