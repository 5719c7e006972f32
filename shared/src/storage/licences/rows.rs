//! Links as rows, read by name or in the order of linking, and the users that they stand for.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    ops::ControlFlow,
};

use aws_sdk_dynamodb::operation::query::QueryInput;
use serde::{Deserialize, Serialize};

use super::LinkedUser;
use crate::{
    licence::Sn,
    name_filter::Span,
    storage::{
        AppStore, Holder, Item, StorageError,
        keys::{self, BEHIND_LINKS, BY_ORDER, LINKS, ORDINAL, PK, SK, Table},
        number, read, text,
    },
    text::UserName,
    user::{UserId, UserStatus},
};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) ordinal: u64,
    pub(super) user: UserId,
    pub(super) name: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Link {
    pub(super) ordinal: u64,
    pub(super) user: UserId,
}

impl Row {
    pub(super) fn read(item: Item) -> Result<Self, StorageError> {
        let name = item.get(SK).and_then(|sk| sk.as_s().ok()).and_then(|sk| sk.strip_prefix(LINKS));
        let name = name.ok_or_else(|| StorageError::Corrupt("a link".to_owned()))?.to_owned();
        let Link { ordinal, user } = read(item)?;
        Ok(Self { ordinal, user, name })
    }
}

/// What of a user an answer shows.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Card {
    id: UserId,
    guid: String,
    user_name: String,
    #[serde(default)]
    nick_name: String,
    created_at: i64,
    status: UserStatus,
}

const CARD: [&str; 6] = ["id", "guid", "userName", "nickName", "createdAt", "status"];
const LINK: [&str; 3] = [SK, ORDINAL, "user"];

/// Where rows are read from.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    Order { start: u64, links: Option<u64> },
    Names { span: &'a Span, forward: bool, links: Option<u64> },
}

impl AppStore<'_> {
    /// Those of the names that are linked.
    pub(super) async fn links<'n>(
        &self,
        sn: &Sn,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<HashMap<String, Row>, StorageError> {
        let keys = names.map(|name| keys::link(self.app, sn, name)).collect::<Vec<_>>();
        let items = self.store.batch_get(Table::Licences, keys, &LINK, true).await?;
        items.into_iter().map(|item| Row::read(item).map(|row| (row.name.clone(), row))).collect()
    }

    /// The active users with exactly these names.
    pub(super) async fn users_named<'n>(
        &self,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<HashMap<String, UserId>, StorageError> {
        let wanted: HashSet<&str> = names.collect();
        // In order, so that the same request makes the same call.
        let canonical: BTreeSet<String> =
            wanted.iter().filter_map(|name| UserName::parse(*name).ok()).map(|name| name.canonical()).collect();
        let holders = canonical.iter().map(|name| keys::user_name(self.app, name)).collect::<Vec<_>>();
        let mut ids = Vec::new();
        for item in self.store.batch_get(Table::Users, holders, &["userId"], true).await? {
            ids.push(read::<Holder>(item)?.user_id);
        }
        let mut users = HashMap::new();
        for card in self.cards(ids, true).await? {
            if card.status == UserStatus::Active && wanted.contains(card.user_name.as_str()) {
                users.insert(card.user_name, card.id);
            }
        }
        Ok(users)
    }

    async fn cards(&self, ids: Vec<UserId>, consistent: bool) -> Result<Vec<Card>, StorageError> {
        let keys: Vec<_> = ids.into_iter().map(|id| keys::user(self.app, id)).collect();
        let items = self.store.batch_get(Table::Users, keys, &CARD, consistent).await?;
        items.into_iter().map(read).collect()
    }

    pub(super) async fn with_users(&self, rows: Vec<Row>) -> Result<Vec<LinkedUser>, StorageError> {
        let cards = self.cards(rows.iter().map(|row| row.user).collect(), false).await?;
        let mut cards: HashMap<_, _> = cards.into_iter().map(|card| (card.id, card)).collect();
        let users = rows.into_iter().map(|row| match cards.remove(&row.user) {
            Some(card) => LinkedUser {
                name: row.name,
                nick_name: card.nick_name,
                guid: card.guid,
                created_at: card.created_at,
                status: card.status,
            },
            None => LinkedUser {
                name: row.name,
                nick_name: String::new(),
                guid: String::new(),
                created_at: 0,
                status: UserStatus::Disabled,
            },
        });
        Ok(users.collect())
    }

    /// Visits the rows of the spans, by name. Single names are read at once, without a query each.
    pub(super) async fn visit_spans(
        &self,
        sn: &Sn,
        spans: &[Span],
        forward: bool,
        visit: &mut (dyn FnMut(Row) -> ControlFlow<()> + Send),
    ) -> Result<(), StorageError> {
        let points: Option<Vec<&str>> = spans.iter().map(Span::as_point).collect();
        if let Some(points) = points {
            let mut links = self.links(sn, points.iter().copied()).await?;
            for row in points.iter().filter_map(|name| links.remove(*name)) {
                if visit(row).is_break() {
                    break;
                }
            }
            return Ok(());
        }
        for span in spans {
            if self.visit(sn, Source::Names { span, forward, links: None }, visit).await?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Visits rows page by page, so that no more than one is in memory.
    pub(super) async fn visit(
        &self,
        sn: &Sn,
        source: Source<'_>,
        visit: &mut (dyn FnMut(Row) -> ControlFlow<()> + Send),
    ) -> Result<ControlFlow<()>, StorageError> {
        let query = QueryInput::builder()
            .table_name(self.licences()?)
            .projection_expression("#sk, #ordinal, #user")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_names("#ordinal", ORDINAL)
            .expression_attribute_names("#user", "user")
            .expression_attribute_values(":pk", text(keys::licence_partition(self.app, sn)))
            .consistent_read(true);
        let (query, mut left) = match source {
            Source::Order { start, links } => (
                query
                    .index_name(BY_ORDER)
                    .key_condition_expression("#pk = :pk AND #ordinal >= :start")
                    .expression_attribute_values(":start", number(start)),
                links,
            ),
            Source::Names { span, forward, links } => {
                // The end is inclusive here: what is one too many does not pass the filter, or is no link.
                let high = span.high.as_ref().map_or_else(|| BEHIND_LINKS.to_owned(), |high| format!("{LINKS}{high}"));
                let query = query
                    .key_condition_expression("#pk = :pk AND #sk BETWEEN :low AND :high")
                    .expression_attribute_values(":low", text(format!("{LINKS}{}", span.low)))
                    .expression_attribute_values(":high", text(high))
                    .scan_index_forward(forward);
                (query, links)
            }
        };
        let mut start = None;
        loop {
            let limit = left.map(|left| i32::try_from(left).unwrap_or(i32::MAX));
            let call = query.clone().set_limit(limit).set_exclusive_start_key(start);
            let page = self.store.db.send(call).await.map_err(StorageError::from_sdk)?;
            let items = page.items.unwrap_or_default();
            left = left.map(|left| left.saturating_sub(items.len() as u64));
            for item in items {
                if visit(Row::read(item)?).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            start = page.last_evaluated_key;
            if start.is_none() || left == Some(0) {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }
}
