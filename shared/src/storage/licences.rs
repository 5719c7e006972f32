//! Licence codes and the users linked to them.
//!
//! A link is one item under the user's name. It carries an ordinal, drawn from a counter of the licence code: the
//! local index over it is the order of linking. Ordinals of links that were undone leave holes; so that a list can
//! begin anywhere without reading what stands before, the licence code's item counts the links in each block of
//! [`BLOCK`] ordinals. That item also counts the seats taken. Links and both counts change in one transaction, so they
//! agree at any moment; an item under a second key instead of the index would halve what fits into a transaction, and
//! a global index would lag behind.

use std::{
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet},
    ops::ControlFlow,
};

use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnValue, ReturnValuesOnConditionCheckFailure::AllOld, Update,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AppStore, Change, Claim, Holder, Item, StorageError, Updated, item,
    keys::{self, BEHIND_LINKS, BY_ORDER, LINKS, ORDINAL, PK, SK, Table},
    number, read, text,
    transaction::{Transacted, Transaction},
    update,
};
use crate::{
    licence::Sn,
    name_filter::{Filter, Span},
    text::UserName,
    user::{UserId, UserStatus},
};

/// How many ordinals are counted together: about what a page reads anyway.
const BLOCK: u64 = 1_000;
/// The most links in a transaction: it takes a hundred items, and one of them counts. One less where another notes what
/// is done.
const CHUNK: usize = 99;
/// The most new licence codes in a transaction: each is two items.
const NEW_CODES: usize = 50;
/// How often a chunk is tried anew because others changed what it met.
const TRIES: u32 = 100;
/// How many links a search in link order sorts in memory; for a page further behind it reads the index in order.
const SORTED: usize = 10_000;
/// From so many empty blocks on their counts are taken away.
const EMPTY_BLOCKS: usize = 16;

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

/// What became of a new licence code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewLicence {
    /// It is stored.
    Created,
    /// The app has it already; nothing was changed.
    Taken,
}

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

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    ordinal: u64,
    user: UserId,
    name: String,
}

#[derive(Serialize, Deserialize)]
struct Link {
    ordinal: u64,
    user: UserId,
}

impl Row {
    fn read(item: Item) -> Result<Self, StorageError> {
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

/// What a chunk came to.
enum Chunk {
    Committed,
    /// Nothing was done: these links stand differently than was thought, and so may the licence code.
    Met {
        rows: Vec<(usize, Option<Row>)>,
        licence: Met,
    },
}

/// What a chunk met of its licence code.
enum Met {
    /// What it should.
    AsExpected,
    Other(Licence),
    Nothing,
}

#[derive(Clone, Copy)]
enum Step {
    Licence,
    Request,
    Link(usize),
}

/// Where rows are read from.
#[derive(Clone, Copy)]
enum Source<'a> {
    Order { start: u64, links: Option<u64> },
    Names { span: &'a Span, forward: bool, links: Option<u64> },
}

impl AppStore<'_> {
    /// Stores a new licence code.
    pub async fn create_licence(
        &self,
        sn: &Sn,
        users_number: Option<u64>,
        now: Timestamp,
    ) -> Result<NewLicence, StorageError> {
        let outcomes = self.create_licences(&[(sn.clone(), users_number)], now).await?;
        Ok(outcomes.first().copied().unwrap_or(NewLicence::Taken))
    }

    /// Stores new licence codes, which must differ, each with the number of users that it may have. Those that are
    /// there already do not keep the others from being created.
    pub async fn create_licences(
        &self,
        licences: &[(Sn, Option<u64>)],
        now: Timestamp,
    ) -> Result<Vec<NewLicence>, StorageError> {
        let mut outcomes = vec![NewLicence::Created; licences.len()];
        let mut left: Vec<usize> = (0..licences.len()).collect();
        while !left.is_empty() {
            let chunk = &left[..left.len().min(NEW_CODES)];
            let mut transaction = Transaction::new();
            for position in chunk {
                for put in self.new_licence(&licences[*position], now)? {
                    transaction.put(*position, put);
                }
            }
            match transaction.commit(self.store).await? {
                Transacted::Committed => {
                    let done = chunk.len();
                    left.drain(..done);
                }
                Transacted::Refused(refused) => {
                    for (position, _) in refused {
                        outcomes[position] = NewLicence::Taken;
                    }
                    left.retain(|position| outcomes[*position] == NewLicence::Created);
                }
            }
        }
        Ok(outcomes)
    }

    fn new_licence(&self, licence: &(Sn, Option<u64>), now: Timestamp) -> Result<[Put; 2], StorageError> {
        let (sn, users_number) = licence;
        let mut item: Item = keys::licence(self.app, sn);
        item.insert("code".to_owned(), text(sn.as_str()));
        item.insert("users".to_owned(), number(0));
        item.insert("createdAt".to_owned(), number(now.as_millisecond()));
        item.extend(users_number.map(|seats| ("usersNumber".to_owned(), number(seats))));
        let put = |item| {
            Put::builder()
                .table_name(self.licences()?)
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(pk)")
                .build()
                .map_err(StorageError::from_build)
        };
        Ok([put(item)?, put(keys::licence_name(self.app, sn))?])
    }

    /// The licence code as of now.
    pub async fn find_licence(&self, sn: &Sn) -> Result<Option<Licence>, StorageError> {
        let answer = self
            .store
            .db
            .get_item()
            .table_name(self.licences()?)
            .set_key(Some(keys::licence(self.app, sn)))
            .consistent_read(true)
            .send()
            .await
            .map_err(StorageError::from_sdk)?;
        answer.item.as_ref().map(Licence::read).transpose()
    }

    /// The app's licence codes, in the order of their canonical forms.
    pub async fn list_licences(&self) -> Result<Vec<Licence>, StorageError> {
        let mut licences = BTreeMap::new();
        let mut start = None;
        loop {
            let page = self
                .store
                .db
                .query()
                .table_name(self.licences()?)
                .key_condition_expression("#pk = :pk")
                .expression_attribute_names("#pk", PK)
                .expression_attribute_values(":pk", text(keys::licence_names(self.app)))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(StorageError::from_sdk)?;
            let names = page.items.unwrap_or_default().into_iter();
            let sns = names.filter_map(|item| Sn::parse(item.get(SK)?.as_s().ok()?));
            for item in
                self.store.batch_get(Table::Licences, sns.map(|sn| keys::licence(self.app, &sn)), &[], true).await?
            {
                let licence = Licence::read(&item)?;
                licences.insert(licence.sn.to_ascii_uppercase(), licence);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(licences.into_values().collect());
            }
        }
    }

    /// Sets how many users may be linked. Those who are linked stay, even if they are more.
    pub async fn set_users_number(&self, sn: &Sn, users_number: Option<u64>) -> Result<Change, StorageError> {
        let call = self
            .store
            .db
            .update_item()
            .table_name(self.licences()?)
            .set_key(Some(keys::licence(self.app, sn)))
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#seats", "usersNumber");
        let call = match users_number {
            Some(seats) => {
                call.update_expression("SET #seats = :seats").expression_attribute_values(":seats", number(seats))
            }
            None => call.update_expression("REMOVE #seats"),
        };
        Ok(match update(call).await? {
            Updated::Done(_) => Change::Done,
            Updated::Refused(_) => Change::Gone,
        })
    }

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

    fn licences(&self) -> Result<&str, StorageError> {
        self.store.tables.get(Table::Licences)
    }

    /// Those of the names that are linked.
    async fn links<'n>(
        &self,
        sn: &Sn,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<HashMap<String, Row>, StorageError> {
        let keys = names.map(|name| keys::link(self.app, sn, name)).collect::<Vec<_>>();
        let items = self.store.batch_get(Table::Licences, keys, &LINK, true).await?;
        items.into_iter().map(|item| Row::read(item).map(|row| (row.name.clone(), row))).collect()
    }

    /// The active users with exactly these names.
    async fn users_named<'n>(
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

    async fn with_users(&self, rows: Vec<Row>) -> Result<Vec<LinkedUser>, StorageError> {
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

    /// Ordinals that nobody else gets; returns the first. Those that stay unused are holes.
    async fn draw_ordinals(&self, sn: &Sn, count: u64) -> Result<u64, StorageError> {
        #[derive(Deserialize)]
        struct Counter {
            next: u64,
        }
        let drawn = self
            .store
            .db
            .update_item()
            .table_name(self.licences()?)
            .set_key(Some(keys::next_ordinal(self.app, sn)))
            .update_expression("ADD #next :count")
            .expression_attribute_names("#next", "next")
            .expression_attribute_values(":count", number(count))
            .return_values(ReturnValue::AllNew)
            .send()
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

    /// The change of the seats taken and of the blocks' links, `by` for each of the rows.
    fn counts(&self, sn: &Sn, rows: &[Row], by: i64) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
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

    async fn commit(&self, transaction: Transaction<Step>) -> Result<Chunk, StorageError> {
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

    /// Takes away the counts of blocks that have no link left, now and then.
    async fn forget_empty_blocks(&self, sn: &Sn, licence: &Licence) -> Result<(), StorageError> {
        let empty: Vec<_> = licence.blocks.iter().filter(|(_, links)| **links == 0).map(|(block, _)| block).collect();
        if empty.len() < EMPTY_BLOCKS {
            return Ok(());
        }
        let list = |format: fn(&u64) -> String, between| {
            empty.iter().take(CHUNK).map(|block| format(block)).collect::<Vec<_>>().join(between)
        };
        let call = self
            .store
            .db
            .update_item()
            .table_name(self.licences()?)
            .set_key(Some(keys::licence(self.app, sn)))
            .update_expression(format!("REMOVE {}", list(|block| format!("b{block}"), ", ")))
            // A link that was on its way may have arrived in one of them: then another time.
            .condition_expression(list(|block| format!("b{block} = :none"), " AND "))
            .expression_attribute_values(":none", number(0));
        match update(call).await? {
            Updated::Done(_) | Updated::Refused(_) => Ok(()),
        }
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

    /// Visits the rows of the spans, by name. Single names are read at once, without a query each.
    async fn visit_spans(
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
    async fn visit(
        &self,
        sn: &Sn,
        source: Source<'_>,
        visit: &mut (dyn FnMut(Row) -> ControlFlow<()> + Send),
    ) -> Result<ControlFlow<()>, StorageError> {
        let query = self
            .store
            .db
            .query()
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
            let page = query
                .clone()
                .set_limit(limit)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(StorageError::from_sdk)?;
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
