//! Accounts: signing up and signing in. Hashes passwords and signs tokens.

mod code_sign_up;
mod email_sign_in;
mod email_sign_up;
mod phone_sign_in;
mod phone_sign_up;
mod reset_pwd;
mod sign_in;
mod sign_up;
mod union_id_sign_in;
mod union_id_sign_up;

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
        .add(sign_up::ROUTE, sign_up::handle)
        .add(sign_in::ROUTE, sign_in::handle)
        .add(union_id_sign_up::ROUTE, union_id_sign_up::handle)
        .add(union_id_sign_in::ROUTE, union_id_sign_in::handle)
        .add(phone_sign_up::ROUTE, phone_sign_up::handle)
        .add(phone_sign_in::ROUTE, phone_sign_in::handle)
        .add(email_sign_up::ROUTE, email_sign_up::handle)
        .add(email_sign_in::ROUTE, email_sign_in::handle)
        .add(reset_pwd::ROUTE, reset_pwd::handle)
}
