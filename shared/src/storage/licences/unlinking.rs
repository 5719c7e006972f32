//! Unlinking users, of one licence code or of all.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemInput,
    types::{Delete, ReturnValuesOnConditionCheckFailure::AllOld},
};

use super::{
    Licence,
    chunk::{CHUNK, Chunk, Met, Step, TRIES},
    rows::Row,
};
use crate::{
    licence::Sn,
    storage::{
        AppStore, Claim, StorageError, Updated,
        keys::{self, ORDINAL},
        number,
        transaction::Transaction,
    },
    text::UserName,
};

/// From so many empty blocks on their counts are taken away.
const EMPTY_BLOCKS: usize = 16;

/// What became of unlinking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unlinked {
    /// There is no such licence code.
    NoLicence,
    /// As far as they were linked.
    Done {
        /// The licence code as it is stored.
        sn: String,
        /// Those who were unlinked, in the order in which they were given.
        names: Vec<String>,
        /// Whether the store failed on the way: then more may be done by repeating.
        cut_short: bool,
    },
}

impl AppStore<'_> {
    /// Unlinks users by their names. The names must differ. `licence` is the licence code as it was a moment ago. Under a
    /// claim, whom earlier work on the request unlinked counts as unlinked now, and is left alone if linked again since.
    pub async fn unlink_users(
        &self,
        sn: &Sn,
        licence: Licence,
        names: &[UserName],
        claim: Option<&Claim>,
    ) -> Result<Unlinked, StorageError> {
        self.forget_empty_blocks(sn, &licence).await?;
        let names: Vec<&str> = names.iter().map(UserName::as_str).collect();
        let mut gone = claim.map(Claim::unlinked_before).cloned().unwrap_or_default();
        let left: Vec<&str> = names.iter().copied().filter(|name| !gone.contains(*name)).collect();
        let mut links = self.links(sn, left.iter().copied()).await?;
        let mut queue: Vec<Row> = left.iter().filter_map(|name| links.remove(*name)).collect();
        let most = CHUNK - usize::from(claim.is_some());
        let mut failure = None;
        let mut tries_left = TRIES;
        while !queue.is_empty() {
            let chunk = &queue[..queue.len().min(most)];
            match self.unlink_chunk(sn, chunk, claim).await {
                Ok(Chunk::Committed) => {
                    let done = chunk.len();
                    gone.extend(queue.drain(..done).map(|row| row.name));
                    tries_left = TRIES;
                }
                Ok(Chunk::Met { licence: Met::Nothing, .. }) => return Ok(Unlinked::NoLicence),
                Ok(Chunk::Met { .. }) if tries_left == 0 => {
                    failure = Some(StorageError::Unavailable("the licence code is too busy".into()));
                    break;
                }
                Ok(Chunk::Met { rows, licence: _ }) => {
                    tries_left -= 1;
                    // Somebody else unlinked them meanwhile, and perhaps linked them again.
                    let mut now: HashMap<_, _> = rows.into_iter().collect();
                    queue = queue
                        .into_iter()
                        .enumerate()
                        .filter_map(|(position, row)| now.remove(&position).unwrap_or(Some(row)))
                        .collect();
                }
                Err(error) => {
                    // Whether the chunk was done is not known: the request's record says, or else the links.
                    if let Some(claim) = claim {
                        gone = self.unlinked_by(claim).await?;
                    } else {
                        let there = self.links(sn, chunk.iter().map(|row| row.name.as_str())).await?;
                        gone.extend(chunk.iter().map(|row| row.name.clone()).filter(|name| !there.contains_key(name)));
                    }
                    failure = Some(error);
                    break;
                }
            }
        }
        let names: Vec<_> = names.into_iter().filter(|name| gone.contains(*name)).map(str::to_owned).collect();
        match failure {
            Some(error) if names.is_empty() => Err(error),
            failure => Ok(Unlinked::Done { sn: licence.sn, names, cut_short: failure.is_some() }),
        }
    }

    /// Unlinks a user from all of the app's licence codes; for whoever deletes the user. Returns from how many.
    pub async fn unlink_everywhere(&self, name: &UserName) -> Result<u64, StorageError> {
        let mut unlinked = 0;
        for licence in self.list_licences().await? {
            let Some(sn) = Sn::parse(&licence.sn) else { continue };
            match self.unlink_users(&sn, licence, std::slice::from_ref(name), None).await? {
                Unlinked::NoLicence => {}
                Unlinked::Done { names, .. } => unlinked += names.len() as u64,
            }
        }
        Ok(unlinked)
    }

    async fn unlink_chunk(&self, sn: &Sn, chunk: &[Row], claim: Option<&Claim>) -> Result<Chunk, StorageError> {
        let counts = self.counts(sn, chunk, -1).condition_expression("attribute_exists(pk)");
        let mut transaction = Transaction::new();
        transaction.update(Step::Licence, counts.build().map_err(StorageError::from_build)?);
        if let Some(claim) = claim {
            let names = chunk.iter().map(|row| row.name.as_str());
            transaction.update(Step::Request, self.note_unlinked_step(claim, names)?);
        }
        for (position, row) in chunk.iter().enumerate() {
            let delete = Delete::builder()
                .table_name(self.licences()?)
                .set_key(Some(keys::link(self.app, sn, &row.name)))
                .condition_expression("#ordinal = :ordinal")
                .expression_attribute_names("#ordinal", ORDINAL)
                .expression_attribute_values(":ordinal", number(row.ordinal))
                .return_values_on_condition_check_failure(AllOld)
                .build()
                .map_err(StorageError::from_build)?;
            transaction.delete(Step::Link(position), delete);
        }
        self.commit(transaction).await
    }

    /// Takes away the counts of blocks that have no link left, now and then.
    async fn forget_empty_blocks(&self, sn: &Sn, licence: &Licence) -> Result<(), StorageError> {
        let empty: Vec<_> = licence.blocks.iter().filter(|(_, links)| **links == 0).map(|(block, _)| block).collect();
        if empty.len() < EMPTY_BLOCKS {
            return Ok(());
        }
        let list = |format: fn(&u64) -> String, between| {
            empty.iter().take(CHUNK).map(|block| format(block)).collect::<Vec<_>>().join(between)
        };
        let call = UpdateItemInput::builder()
            .table_name(self.licences()?)
            .set_key(Some(keys::licence(self.app, sn)))
            .update_expression(format!("REMOVE {}", list(|block| format!("b{block}"), ", ")))
            // A link that was on its way may have arrived in one of them: then another time.
            .condition_expression(list(|block| format!("b{block} = :none"), " AND "))
            .expression_attribute_values(":none", number(0));
        match self.store.update(call).await? {
            Updated::Done(_) | Updated::Refused(_) => Ok(()),
        }
    }
}
