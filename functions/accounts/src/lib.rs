//! Accounts: signing up and signing in. Hashes passwords and signs tokens.

mod sign_in;
mod sign_up;
mod union_id_sign_in;
mod union_id_sign_up;

use shared::{config::TOTP_KEY, http::Routes};

/// The group's endpoints.
pub fn routes() -> Routes {
    Routes::new()
        .needs(TOTP_KEY)
        .add(sign_up::ROUTE, sign_up::handle)
        .add(sign_in::ROUTE, sign_in::handle)
        .add(union_id_sign_up::ROUTE, union_id_sign_up::handle)
        .add(union_id_sign_in::ROUTE, union_id_sign_in::handle)
}
