//! Linking users, as long as there are seats.

use std::collections::HashSet;

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemInput,
    types::{Put, ReturnValue},
};
use serde::Deserialize;

use super::{
    Licence,
    chunk::{CHUNK, Chunk, Met, Step, TRIES},
    rows::{Link, Row},
};
use crate::{
    licence::Sn,
    storage::{AppStore, StorageError, item, keys, number, read, transaction::Transaction},
    text::UserName,
};

/// What became of linking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linked {
    /// There is no such licence code.
    NoLicence,
    /// As far as seats and users were there.
    Done {
        /// The licence code as it is stored.
        sn: String,
        /// Those who are linked now, in the order in which they were given.
        names: Vec<String>,
        /// Whether any of them is a user at all.
        any_known: bool,
        /// Whether the store failed on the way: then more may be done by repeating.
        cut_short: bool,
    },
}

impl AppStore<'_> {
    /// Links users by their names, as long as there are seats, in the order given. The names must differ. `licence` is
    /// the licence code as it was a moment ago.
    pub async fn link_users(&self, sn: &Sn, mut licence: Licence, names: &[UserName]) -> Result<Linked, StorageError> {
        let names: Vec<&str> = names.iter().map(UserName::as_str).collect();
        let mut linked: HashSet<String> = self.links(sn, names.iter().copied()).await?.into_keys().collect();
        let users = self.users_named(names.iter().copied().filter(|name| !linked.contains(*name))).await?;
        let any_known = !linked.is_empty() || !users.is_empty();
        let mut queue: Vec<Row> = names
            .iter()
            .filter_map(|name| Some(Row { ordinal: 0, user: *users.get(*name)?, name: (*name).to_owned() }))
            .collect();
        if !queue.is_empty() && licence.free_seats() > 0 {
            let first = self.draw_ordinals(sn, queue.len() as u64).await?;
            for (ordinal, row) in (first..).zip(&mut queue) {
                row.ordinal = ordinal;
            }
        }
        let mut failure = None;
        let mut tries_left = TRIES;
        loop {
            let seats = usize::try_from(licence.free_seats()).unwrap_or(usize::MAX);
            let chunk = &queue[..queue.len().min(CHUNK).min(seats)];
            if chunk.is_empty() {
                break;
            }
            match self.link_chunk(sn, &licence, chunk).await {
                Ok(Chunk::Committed) => {
                    licence.users += chunk.len() as u64;
                    let done = chunk.len();
                    linked.extend(queue.drain(..done).map(|row| row.name));
                    tries_left = TRIES;
                }
                Ok(Chunk::Met { licence: Met::Nothing, .. }) => return Ok(Linked::NoLicence),
                Ok(Chunk::Met { .. }) if tries_left == 0 => {
                    failure = Some(StorageError::Unavailable("the licence code is too busy".into()));
                    break;
                }
                Ok(Chunk::Met { rows, licence: now }) => {
                    tries_left -= 1;
                    if let Met::Other(now) = now {
                        licence = now;
                    }
                    // Somebody else linked them meanwhile.
                    let there: HashSet<_> = rows.iter().map(|(position, _)| queue[*position].name.clone()).collect();
                    queue.retain(|row| !there.contains(&row.name));
                    linked.extend(there);
                }
                Err(error) => {
                    // Whether the chunk was done is not known: the links themselves say.
                    let chunk: Vec<_> = chunk.iter().map(|row| row.name.clone()).collect();
                    linked.extend(self.links(sn, chunk.iter().map(String::as_str)).await?.into_keys());
                    failure = Some(error);
                    break;
                }
            }
        }
        let names: Vec<_> = names.into_iter().filter(|name| linked.contains(*name)).map(str::to_owned).collect();
        match failure {
            Some(error) if names.is_empty() => Err(error),
            failure => Ok(Linked::Done { sn: licence.sn, names, any_known, cut_short: failure.is_some() }),
        }
    }

    /// Ordinals that nobody else gets; returns the first. Those that stay unused are holes.
    async fn draw_ordinals(&self, sn: &Sn, count: u64) -> Result<u64, StorageError> {
        #[derive(Deserialize)]
        struct Counter {
            next: u64,
        }
        let drawn = self
            .store
            .db
            .send(
                UpdateItemInput::builder()
                    .table_name(self.licences()?)
                    .set_key(Some(keys::next_ordinal(self.app, sn)))
                    .update_expression("ADD #next :count")
                    .expression_attribute_names("#next", "next")
                    .expression_attribute_values(":count", number(count))
                    .return_values(ReturnValue::AllNew),
            )
            .await
            .map_err(StorageError::from_sdk)?;
        let Counter { next } = read(drawn.attributes.unwrap_or_default())?;
        Ok(next - count)
    }

    async fn link_chunk(&self, sn: &Sn, licence: &Licence, chunk: &[Row]) -> Result<Chunk, StorageError> {
        let counts = self.counts(sn, chunk, 1);
        let counts = match licence.users_number {
            None => counts.condition_expression("attribute_exists(pk) AND attribute_not_exists(#seats)"),
            Some(seats) => counts
                .condition_expression("#seats = :seats AND #users <= :most")
                .expression_attribute_values(":seats", number(seats))
                .expression_attribute_values(":most", number(seats - chunk.len() as u64)),
        };
        let counts = counts.expression_attribute_names("#seats", "usersNumber");
        let mut transaction = Transaction::new();
        transaction.update(Step::Licence, counts.build().map_err(StorageError::from_build)?);
        for (position, row) in chunk.iter().enumerate() {
            let link = Link { ordinal: row.ordinal, user: row.user };
            let put = Put::builder()
                .table_name(self.licences()?)
                .set_item(Some(item(keys::link(self.app, sn, &row.name), &link)?))
                .condition_expression("attribute_not_exists(pk)")
                .build()
                .map_err(StorageError::from_build)?;
            transaction.put(Step::Link(position), put);
        }
        self.commit(transaction).await
    }
}
