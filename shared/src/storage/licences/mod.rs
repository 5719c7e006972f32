//! Licence codes and the users linked to them.
//!
//! A link is one item under the user's name. It carries an ordinal, drawn from a counter of the licence code: the
//! local index over it is the order of linking. Ordinals of links that were undone leave holes; so that a list can
//! begin anywhere without reading what stands before, the licence code's item counts the links in each block of
//! [`BLOCK`] ordinals. That item also counts the seats taken. Links and both counts change in one transaction, so they
//! agree at any moment; an item under a second key instead of the index would halve what fits into a transaction, and
//! a global index would lag behind.

mod chunk;
mod codes;
mod linking;
mod lists;
mod rows;
mod unlinking;

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;

pub use self::{
    codes::NewLicence,
    linking::Linked,
    lists::{LinkOrder, LinkPage, LinkedUser},
    unlinking::Unlinked,
};
use super::{AppStore, Item, StorageError, keys::Table};

/// How many ordinals are counted together: about what a page reads anyway.
const BLOCK: u64 = 1_000;

/// A licence code as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Licence {
    /// The code as its operator wrote it.
    pub sn: String,
    /// How many users may be linked; none is any number.
    pub users_number: Option<u64>,
    /// How many users are linked.
    pub users: u64,
    /// How many links each block of ordinals has.
    blocks: BTreeMap<u64, u64>,
}

impl Licence {
    fn free_seats(&self) -> u64 {
        self.users_number.map_or(u64::MAX, |seats| seats.saturating_sub(self.users))
    }

    pub(super) fn read(item: &Item) -> Result<Self, StorageError> {
        let corrupt = || StorageError::Corrupt("a licence code".to_owned());
        let number = |value: &AttributeValue| value.as_n().ok().and_then(|number| number.parse().ok());
        let mut blocks = BTreeMap::new();
        for (name, value) in item {
            if let Some(block) = name.strip_prefix('b').and_then(|block| block.parse().ok()) {
                blocks.insert(block, number(value).ok_or_else(corrupt)?);
            }
        }
        Ok(Self {
            sn: item.get("code").and_then(|code| code.as_s().ok()).ok_or_else(corrupt)?.clone(),
            users_number: item.get("usersNumber").map(|seats| number(seats).ok_or_else(corrupt)).transpose()?,
            users: item.get("users").and_then(number).ok_or_else(corrupt)?,
            blocks,
        })
    }

    /// The first ordinal of the block in which the link at this offset stands, and how many links of the block stand
    /// before it.
    fn place(&self, offset: u64) -> Option<(u64, u64)> {
        let mut before = offset;
        for (block, links) in &self.blocks {
            if before < *links {
                return Some((block * BLOCK, before));
            }
            before -= links;
        }
        None
    }
}

impl AppStore<'_> {
    fn licences(&self) -> Result<&str, StorageError> {
        self.store.tables.get(Table::Licences)
    }
}
