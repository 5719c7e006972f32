//! The service over HTTP, in process: one file per subject.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod accounts;
mod authorization;
mod codes;
mod contract;
mod cors;
mod cost;
mod delivery;
mod directory;
mod docs;
mod external_accounts;
mod forms;
mod licences;
mod log_lines;
mod oauth;
mod points;
mod probe;
mod profile;
mod qr;
mod qr_model;
mod races;
mod rotation;
mod security;
mod template;
mod tokens;
mod traffic;
mod two_factor;
mod wechat;
mod wire;
