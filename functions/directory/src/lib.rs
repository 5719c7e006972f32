//! What everybody may know: the public keys, an app's card. Also answers what no other function does.

mod app_info;
mod elsewhere;
mod jwks;

use shared::{http::Routes, storage::Table};

/// The group's endpoints.
pub fn routes() -> Routes {
    Routes::new()
        .stores_in([Table::Apps])
        .add(app_info::ROUTE, app_info::handle)
        .add(jwks::ROUTE, jwks::handle)
        .known_elsewhere(elsewhere::ENDPOINTS)
}
