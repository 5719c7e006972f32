//! OAuth: codes for users who signed in, tokens for codes, and what users consented to. Signs tokens.

mod authorize;
mod delete_consent;
mod grant_code;
mod list_consents;
mod scheme;

use shared::{
    config::{SIGNING_KEYS, TOTP_KEY},
    http::Routes,
};

/// The group's endpoints.
pub fn routes() -> Routes {
    Routes::new()
        .needs(SIGNING_KEYS)
        .needs(TOTP_KEY)
        .add(grant_code::ROUTE, grant_code::handle)
        .add(authorize::ROUTE, authorize::handle)
        .add(list_consents::ROUTE, list_consents::handle)
        .add(delete_consent::ROUTE, delete_consent::handle)
}
