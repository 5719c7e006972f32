//! The points ledger: reading it, recharging it. Verifies tokens, never signs one.

mod point_log;
mod recharge;
mod recharge_by_query;

use shared::http::Routes;

/// The group's endpoints.
pub fn routes() -> Routes {
    Routes::new()
        .add(point_log::ROUTE, point_log::handle)
        .add(recharge::ROUTE, recharge::handle)
        .add(recharge_by_query::ROUTE, recharge_by_query::handle)
}
