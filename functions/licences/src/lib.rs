//! Licence codes and their users, for vendors' back offices. Knows bitkeys and no tokens.

mod link;
mod link_batch;
mod list;
mod names;
mod page;
mod search;
mod unlink;
mod unlink_batch;
mod write;

use shared::{config::HASH_KEY, http::Routes, storage::Table};

/// The group's endpoints.
pub fn routes() -> Routes {
    Routes::new()
        .stores_in([Table::Apps, Table::Users, Table::Codes, Table::Licences])
        .needs(HASH_KEY)
        .add(list::ROUTE, list::handle)
        .add(link_batch::ROUTE, link_batch::handle)
        .add(unlink_batch::ROUTE, unlink_batch::handle)
        .add(search::ROUTE, search::handle)
        .add(link::ROUTE, link::handle)
        .add(unlink::ROUTE, unlink::handle)
}
