//! The profile: what a user may see and change of their own account, the second factor included. Verifies tokens, never
//! signs one.

mod read;
mod two_factor_enrol;
mod two_factor_switch;
mod update;

use shared::{config::TOTP_KEY, http::Routes, storage::Table};

/// The group's endpoints.
pub fn routes() -> Routes {
    Routes::new()
        .stores_in([Table::Apps, Table::Users, Table::Consents])
        .needs(TOTP_KEY)
        .add(read::ROUTE, read::handle)
        .add(update::ROUTE, update::handle)
        .add(two_factor_enrol::ROUTE, two_factor_enrol::handle)
        .add(two_factor_switch::ROUTE, two_factor_switch::handle)
}
