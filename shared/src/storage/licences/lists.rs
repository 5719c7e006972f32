//! Pages of linked users, all of them or those whose names pass.

use std::{collections::BinaryHeap, ops::ControlFlow};

use super::{
    Licence,
    rows::{Row, Source},
};
use crate::{
    licence::Sn,
    name_filter::{Filter, Span},
    storage::{AppStore, StorageError},
    user::UserStatus,
};

/// How many links a search in link order sorts in memory; for a page further behind it reads the index in order.
const SORTED: usize = 10_000;

/// How linked users are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkOrder {
    /// As they were linked.
    Linked,
    /// By name.
    NameAscending,
    /// By name, backwards.
    NameDescending,
}

/// Some of the users who are linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPage {
    /// How many there are in all.
    pub total: u64,
    /// Those that were asked for.
    pub users: Vec<LinkedUser>,
}

/// A linked user as of now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedUser {
    /// The user name.
    pub name: String,
    /// What others see.
    pub nick_name: String,
    /// The licence family's id of the user.
    pub guid: String,
    /// When the user signed up, in milliseconds since 1970.
    pub created_at: i64,
    /// Whether the user may do anything. One who is gone may not.
    pub status: UserStatus,
}

impl AppStore<'_> {
    /// The linked users whose names pass, from this offset on. `licence` is the licence code as of now.
    pub async fn find_linked_users(
        &self,
        sn: &Sn,
        licence: &Licence,
        filter: &Filter,
        order: LinkOrder,
        offset: u64,
        limit: usize,
    ) -> Result<LinkPage, StorageError> {
        let (total, rows) = match order {
            LinkOrder::Linked if filter.is_everything() => {
                (licence.users, self.rows_at(sn, licence, offset, limit).await?)
            }
            LinkOrder::Linked => self.search_in_order(sn, filter, offset, limit).await?,
            LinkOrder::NameAscending | LinkOrder::NameDescending => {
                let forward = order == LinkOrder::NameAscending;
                if filter.is_everything() {
                    (licence.users, self.all_by_name(sn, licence, forward, offset, limit).await?)
                } else {
                    self.search_by_name(sn, filter, forward, offset, limit).await?
                }
            }
        };
        Ok(LinkPage { total, users: self.with_users(rows).await? })
    }

    /// The rows at these places of the link order.
    async fn rows_at(&self, sn: &Sn, licence: &Licence, offset: u64, limit: usize) -> Result<Vec<Row>, StorageError> {
        let Some((start, before)) = licence.place(offset) else { return Ok(Vec::new()) };
        let mut rows = Vec::new();
        let mut to_skip = before;
        let links = Some(before.saturating_add(limit as u64));
        let _ = self
            .visit(sn, Source::Order { start, links }, &mut |row| {
                if to_skip > 0 {
                    to_skip -= 1;
                } else {
                    rows.push(row);
                }
                if rows.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .await?;
        Ok(rows)
    }

    async fn search_in_order(
        &self,
        sn: &Sn,
        filter: &Filter,
        offset: u64,
        limit: usize,
    ) -> Result<(u64, Vec<Row>), StorageError> {
        let spans = filter.spans();
        let page_end = usize::try_from(offset).unwrap_or(usize::MAX).saturating_add(limit);
        let is_whole = spans.iter().any(Span::is_everything);
        let mut total = 0;
        if is_whole || page_end > SORTED {
            // Their order is the index's: only the page is kept.
            let mut rows = Vec::new();
            let _ = self
                .visit(sn, Source::Order { start: 0, links: None }, &mut |row| {
                    if filter.matches(&row.name) {
                        if total >= offset && rows.len() < limit {
                            rows.push(row);
                        }
                        total += 1;
                    }
                    ControlFlow::Continue(())
                })
                .await?;
            return Ok((total, rows));
        }
        // The first rows up to the page's end, the last of them on top.
        let mut first = BinaryHeap::new();
        self.visit_spans(sn, &spans, true, &mut |row| {
            if filter.matches(&row.name) {
                total += 1;
                first.push(row);
                if first.len() > page_end {
                    first.pop();
                }
            }
            ControlFlow::Continue(())
        })
        .await?;
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok((total, first.into_sorted_vec().into_iter().skip(offset).collect()))
    }

    /// Everything by name: what stands before the page has to be read, but from the nearer end.
    async fn all_by_name(
        &self,
        sn: &Sn,
        licence: &Licence,
        forward: bool,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        let take = licence.users.saturating_sub(offset).min(limit as u64);
        if take == 0 {
            return Ok(Vec::new());
        }
        let behind = licence.users - offset - take;
        let from_end = behind < offset;
        let (mut to_skip, forward) = if from_end { (behind, !forward) } else { (offset, forward) };
        let source = Source::Names { span: &Span::everything(), forward, links: Some(to_skip + take) };
        let mut rows = Vec::new();
        let _ = self
            .visit(sn, source, &mut |row| {
                if to_skip > 0 {
                    to_skip -= 1;
                } else {
                    rows.push(row);
                }
                ControlFlow::Continue(())
            })
            .await?;
        if from_end {
            rows.reverse();
        }
        Ok(rows)
    }

    async fn search_by_name(
        &self,
        sn: &Sn,
        filter: &Filter,
        forward: bool,
        offset: u64,
        limit: usize,
    ) -> Result<(u64, Vec<Row>), StorageError> {
        let mut spans = filter.spans();
        if !forward {
            spans.reverse();
        }
        let (mut total, mut rows) = (0, Vec::new());
        self.visit_spans(sn, &spans, forward, &mut |row| {
            if filter.matches(&row.name) {
                if total >= offset && rows.len() < limit {
                    rows.push(row);
                }
                total += 1;
            }
            ControlFlow::Continue(())
        })
        .await?;
        Ok((total, rows))
    }
}
