//! Verification codes: sending them. Sends messages; signs nothing.

mod send;
mod send_email_code;
mod send_sms_code;

use shared::{config::HASH_KEY, http::Routes, storage::Table};

/// The group's endpoints.
pub fn routes() -> Routes {
    Routes::new()
        .stores_in([Table::Apps, Table::Users, Table::Codes])
        .needs(HASH_KEY)
        .add(send_sms_code::ROUTE, send_sms_code::handle)
        .add(send_email_code::ROUTE, send_email_code::handle)
}
