//! External accounts: binding them, managing them, signing in by them. Signs tokens.

mod bind;
mod list;
mod sign_in;
mod unbind;
mod update;

use shared::{
    config::{SIGNING_KEYS, TOTP_KEY},
    http::Routes,
    storage::Table,
};

/// The group's endpoints.
pub fn routes() -> Routes {
    Routes::new()
        .stores_in([Table::Apps, Table::Users, Table::Bindings, Table::Consents])
        .needs(SIGNING_KEYS)
        .needs(TOTP_KEY)
        .add(bind::ROUTE, bind::handle)
        .add(list::ROUTE, list::handle)
        .add(unbind::ROUTE, unbind::handle)
        .add(update::ROUTE, update::handle)
        .add(sign_in::ROUTE, sign_in::handle)
}
