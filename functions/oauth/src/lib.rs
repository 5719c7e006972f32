//! OAuth: codes for users who signed in, tokens for codes, and what users consented to. Signs tokens.

mod authorize;
mod delete_consent;
mod grant_code;
mod list_consents;
mod scheme;

use shared::{
    config::{HASH_KEY, SIGNING_KEYS, TOTP_KEY},
    http::Routes,
    storage::Table,
};

/// The group's endpoints.
pub fn routes() -> Routes {
    Routes::new()
        .stores_in([Table::Apps, Table::Users, Table::Codes, Table::Consents])
        .needs(SIGNING_KEYS)
        .needs(HASH_KEY)
        .needs(TOTP_KEY)
        .add(grant_code::ROUTE, grant_code::handle)
        .add(authorize::ROUTE, authorize::handle)
        .add(list_consents::ROUTE, list_consents::handle)
        .add(delete_consent::ROUTE, delete_consent::handle)
}
