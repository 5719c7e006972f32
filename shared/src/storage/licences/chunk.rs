//! Links that change in one transaction, with the counts of their licence code.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure::AllOld, Update, builders::UpdateBuilder};

use super::{BLOCK, Licence, rows::Row};
use crate::{
    licence::Sn,
    storage::{
        AppStore, StorageError, keys, number,
        transaction::{Transacted, Transaction},
    },
};

/// The most links in a transaction: it takes a hundred items, and one of them counts. One less where another notes what
/// is done.
pub(super) const CHUNK: usize = 99;
/// How often a chunk is tried anew because others changed what it met.
pub(super) const TRIES: u32 = 100;

/// What a chunk came to.
pub(super) enum Chunk {
    Committed,
    /// Nothing was done: these links stand differently than was thought, and so may the licence code.
    Met {
        rows: Vec<(usize, Option<Row>)>,
        licence: Met,
    },
}

/// What a chunk met of its licence code.
pub(super) enum Met {
    /// What it should.
    AsExpected,
    Other(Licence),
    Nothing,
}

#[derive(Clone, Copy)]
pub(super) enum Step {
    Licence,
    Request,
    Link(usize),
}

impl AppStore<'_> {
    /// The change of the seats taken and of the blocks' links, `by` for each of the rows.
    pub(super) fn counts(&self, sn: &Sn, rows: &[Row], by: i64) -> UpdateBuilder {
        let mut blocks = BTreeMap::new();
        for row in rows {
            *blocks.entry(row.ordinal / BLOCK).or_insert(0) += by;
        }
        let adds =
            blocks.keys().fold("ADD #users :users".to_owned(), |adds, block| format!("{adds}, b{block} :b{block}"));
        let update = Update::builder()
            .set_table_name(self.licences().ok().map(str::to_owned))
            .set_key(Some(keys::licence(self.app, sn)))
            .update_expression(adds)
            .expression_attribute_names("#users", "users")
            .expression_attribute_values(":users", number(blocks.values().sum::<i64>()))
            .return_values_on_condition_check_failure(AllOld);
        blocks.into_iter().fold(update, |update, (block, links)| {
            update.expression_attribute_values(format!(":b{block}"), number(links))
        })
    }

    pub(super) async fn commit(&self, transaction: Transaction<Step>) -> Result<Chunk, StorageError> {
        let refused = match transaction.commit(self.store).await? {
            Transacted::Committed => return Ok(Chunk::Committed),
            Transacted::Refused(refused) => refused,
        };
        let (mut rows, mut licence) = (Vec::new(), Met::AsExpected);
        for (step, there) in refused {
            match step {
                Step::Licence => {
                    licence = match there {
                        Some(there) => Met::Other(Licence::read(&there)?),
                        None => Met::Nothing,
                    }
                }
                Step::Request => return Err(StorageError::Unavailable("somebody else works on the request".into())),
                Step::Link(position) => rows.push((position, there.map(Row::read).transpose()?)),
            }
        }
        Ok(Chunk::Met { rows, licence })
    }
}
