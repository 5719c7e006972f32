//! The points ledger: reading it, recharging it. Verifies tokens, never signs one.

mod point_log;
mod recharge;
mod recharge_by_query;

use shared::{http::Routes, storage::Table};

/// The group's endpoints.
pub fn routes() -> Routes {
    Routes::new()
        .stores_in([Table::Apps, Table::Users, Table::Consents, Table::Points])
        .add(point_log::ROUTE, point_log::handle)
        .add(recharge::ROUTE, recharge::handle)
        .add(recharge_by_query::ROUTE, recharge_by_query::handle)
}
