//! QR sign-in: a page shows a key, a phone scans and confirms it, the page collects a token. Signs tokens; polled
//! often, and then one read.
//!
//! | state \ call | scan | sign-up (confirm) | sign-in (poll) |
//! |---|---|---|---|
//! | unknown, expired, taken | unusable | unusable | expired |
//! | shown | → scanned | unusable | pending |
//! | scanned | unusable | → confirmed | pending |
//! | confirmed | unusable | the same user again, nobody else | → taken, with the token |
//!
//! Showing, scanning and confirming each start the wait anew.

mod pre_sign_in;
mod scan;
mod sign_in;
mod sign_up;

use shared::{
    config::{HASH_KEY, SIGNING_KEYS, TOTP_KEY},
    http::Routes,
    storage::Table,
};

/// The group's endpoints.
pub fn routes() -> Routes {
    Routes::new()
        .stores_in([Table::Apps, Table::Users, Table::Codes, Table::Points])
        .needs(SIGNING_KEYS)
        .needs(HASH_KEY)
        .needs(TOTP_KEY)
        .add(pre_sign_in::ROUTE, pre_sign_in::handle)
        .add(scan::ROUTE, scan::handle)
        .add(sign_up::ROUTE, sign_up::handle)
        .add(sign_in::ROUTE, sign_in::handle)
}
