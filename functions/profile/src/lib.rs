//! The profile: what a user may see and change of their own account. Verifies tokens, never signs one.

mod read;
mod update;

use shared::http::Routes;

/// The group's endpoints.
pub fn routes() -> Routes {
    Routes::new().add(read::ROUTE, read::handle).add(update::ROUTE, update::handle)
}
