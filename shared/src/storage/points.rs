//! The points ledger: a row, its order, the balance and the day's sum are written together or not at all.
//!
//! A user's account counts the rows of each kind. A new row takes the next numbers within the transaction that writes
//! it, so that the numbers have no gaps, and a list can be entered at any place.

use aws_sdk_dynamodb::{
    operation::query::QueryInput,
    types::{Put, ReturnValuesOnConditionCheckFailure},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AppStore, Item, StorageError, item,
    keys::{self, Key, PK, SK, Table},
    number, read, text,
    transaction::{Transacted, Transaction, pause},
};
use crate::{
    points::{LedgerKind, LedgerRow, MAX_POINTS, Payment, Posting},
    text::OrderId,
    user::UserId,
};

/// How often an account is looked at again when others post to it at the same time.
const TRIES: u32 = 60;

/// What became of a posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It is in the ledger; what the user has now.
    Done {
        /// The points after it.
        balance: u64,
    },
    /// The same order was credited before; nothing was written.
    Repeated,
    /// The order was for another user or another price; nothing was written.
    OrderConflict,
    /// The user paid as much as is allowed in a day; nothing was written.
    DailyLimit,
    /// The user does not have so many points; nothing was written.
    Insufficient {
        /// What the user has.
        balance: u64,
    },
    /// The user would have more points than anybody can; nothing was written.
    TooMany,
}

/// What an order was credited for, as compared with what is asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderState {
    /// Not credited yet.
    New,
    /// Credited for the same user and price.
    Same,
    /// Credited for another user or another price.
    Other,
}

/// A user's account: one item, changed by every posting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    /// What the user has.
    balance: u64,
    /// Rows of the ledger.
    rows: u64,
    /// Those that credit.
    recharges: u64,
    /// Those that consume.
    consumptions: u64,
    /// The local calendar day of the last payment.
    #[serde(default)]
    day: String,
    /// Fen paid in that day.
    #[serde(default)]
    paid: u64,
}

impl Account {
    const fn rows_of(&self, kind: LedgerKind) -> u64 {
        match kind {
            LedgerKind::All => self.rows,
            LedgerKind::Recharge => self.recharges,
            LedgerKind::Consumption => self.consumptions,
        }
    }

    /// The account after the posting, or why it is refused.
    fn after(&self, posting: &Posting) -> Result<Self, Posted> {
        let mut after = self.clone();
        after.balance = match self.balance.checked_add_signed(posting.used) {
            Some(balance) if balance <= MAX_POINTS => balance,
            None if posting.used < 0 => return Err(Posted::Insufficient { balance: self.balance }),
            Some(_) | None => return Err(Posted::TooMany),
        };
        if let Some(payment) = &posting.payment {
            // A clock that runs behind another instance's must not begin yesterday anew.
            if after.day < payment.day {
                after.day.clone_from(&payment.day);
                after.paid = 0;
            }
            after.paid = after.paid.saturating_add(payment.price);
            if payment.daily_limit.is_some_and(|limit| after.paid > limit) {
                return Err(Posted::DailyLimit);
            }
        }
        after.rows += 1;
        if posting.used > 0 {
            after.recharges += 1;
        } else {
            after.consumptions += 1;
        }
        Ok(after)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderRow {
    user_id: UserId,
    price: u64,
    created_at: i64,
}

impl OrderRow {
    fn compared_with(&self, user: UserId, price: u64) -> OrderState {
        if self.user_id == user && self.price == price { OrderState::Same } else { OrderState::Other }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Account,
    Row,
    Order,
}

/// A part of a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerPage {
    /// Rows of the kind, all in all.
    pub total: u64,
    /// Those that were asked for, newest first.
    pub rows: Vec<LedgerRow>,
}

impl AppStore<'_> {
    /// Writes a row, once per order, and what follows from it.
    pub async fn post_points(&self, user: UserId, posting: &Posting, now: Timestamp) -> Result<Posted, StorageError> {
        if posting.used == 0 {
            return Err(StorageError::Corrupt("a posting of nothing".to_owned()));
        }
        for refusals in 0..TRIES {
            let seen: Option<Account> =
                self.store.get(Table::Points, keys::points_account(self.app, user), true).await?;
            let after = match seen.clone().unwrap_or_default().after(posting) {
                Ok(after) => after,
                // An order that was credited has its answer, whatever holds now. It is looked up after the account:
                // whoever used up the limit may have done it with this very order.
                Err(refused) => {
                    return Ok(match self.compare_order(user, posting.payment.as_ref()).await? {
                        OrderState::New => refused,
                        OrderState::Same => Posted::Repeated,
                        OrderState::Other => Posted::OrderConflict,
                    });
                }
            };
            let row = self.ledger_row(posting, now);
            let mut transaction = Transaction::new();
            transaction.put(Step::Account, self.put_account(user, &after, seen.as_ref())?);
            for put in self.put_row(user, &after, &row)? {
                transaction.put(Step::Row, put);
            }
            let order = posting.payment.as_ref().and_then(|payment| Some((payment.order.as_ref()?, payment.price)));
            if let Some((order, price)) = order {
                let row = OrderRow { user_id: user, price, created_at: now.as_millisecond() };
                transaction.put(Step::Order, self.put_new(item(keys::order(self.app, order), &row)?)?);
            }
            let refused = match transaction.commit(self.store).await? {
                Transacted::Committed => return Ok(Posted::Done { balance: after.balance }),
                Transacted::Refused(refused) => refused,
            };
            if let (Some((_, order)), Some((_, price))) =
                (refused.into_iter().find(|(step, _)| *step == Step::Order), order)
            {
                let earlier: OrderRow = read(order.unwrap_or_default())?;
                return Ok(match earlier.compared_with(user, price) {
                    OrderState::Same => Posted::Repeated,
                    OrderState::New | OrderState::Other => Posted::OrderConflict,
                });
            }
            // Somebody else posted to the account meanwhile: look again.
            pause(self.store, refusals).await;
        }
        Err(StorageError::Unavailable("others kept posting to the account".into()))
    }

    /// Whether the payment's order was credited before.
    pub async fn compare_order(&self, user: UserId, payment: Option<&Payment>) -> Result<OrderState, StorageError> {
        let Some((order, price)) = payment.and_then(|payment| Some((payment.order.as_ref()?, payment.price))) else {
            return Ok(OrderState::New);
        };
        let earlier = self.find_order(order).await?;
        Ok(earlier.map_or(OrderState::New, |earlier| earlier.compared_with(user, price)))
    }

    async fn find_order(&self, order: &OrderId) -> Result<Option<OrderRow>, StorageError> {
        self.store.get(Table::Points, keys::order(self.app, order), true).await
    }

    /// What a user has.
    pub async fn points_balance(&self, user: UserId) -> Result<u64, StorageError> {
        let account: Option<Account> =
            self.store.get(Table::Points, keys::points_account(self.app, user), true).await?;
        Ok(account.map_or(0, |account| account.balance))
    }

    /// The user's rows of a kind, newest first, behind `skip` others: two reads, wherever the page begins.
    pub async fn list_points(
        &self,
        user: UserId,
        kind: LedgerKind,
        skip: u64,
        take: u64,
    ) -> Result<LedgerPage, StorageError> {
        let account: Option<Account> =
            self.store.get(Table::Points, keys::points_account(self.app, user), true).await?;
        let total = account.map_or(0, |account| account.rows_of(kind));
        let newest = total.saturating_sub(skip);
        let oldest = newest.saturating_sub(take) + 1;
        let mut page = LedgerPage { total, rows: Vec::new() };
        if newest < oldest {
            return Ok(page);
        }
        let sort = |ordinal| keys::ledger_row(self.app, user, kind, ordinal).remove(SK).unwrap_or_else(|| text(""));
        let mut start: Option<Key> = None;
        loop {
            let answer = self
                .store
                .db
                .send(
                    QueryInput::builder()
                        .table_name(self.store.tables.get(Table::Points)?)
                        .key_condition_expression("#pk = :pk AND #sk BETWEEN :oldest AND :newest")
                        .expression_attribute_names("#pk", PK)
                        .expression_attribute_names("#sk", SK)
                        .expression_attribute_values(":pk", keys::user_partition(self.app, user))
                        .expression_attribute_values(":oldest", sort(oldest))
                        .expression_attribute_values(":newest", sort(newest))
                        .scan_index_forward(false)
                        .consistent_read(true)
                        .set_exclusive_start_key(start),
                )
                .await
                .map_err(StorageError::from_sdk)?;
            for item in answer.items.unwrap_or_default() {
                page.rows.push(read(item)?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(page);
            }
        }
    }

    /// The rows of an account that begins with a gift, for the transaction that creates its user.
    pub(super) fn open_account(&self, user: UserId, gift: &Posting, now: Timestamp) -> Result<Vec<Put>, StorageError> {
        let after = Account::default()
            .after(gift)
            .map_err(|refused| StorageError::Corrupt(format!("a gift of {}: {refused:?}", gift.used)))?;
        let mut puts = vec![self.put_account(user, &after, None)?];
        puts.extend(self.put_row(user, &after, &self.ledger_row(gift, now))?);
        Ok(puts)
    }

    fn ledger_row(&self, posting: &Posting, now: Timestamp) -> LedgerRow {
        LedgerRow {
            id: self.store.entropy.id(),
            used: posting.used,
            remark: posting.remark.clone(),
            created_at: now.as_millisecond(),
        }
    }

    /// Replaces the account that was seen; the number of rows tells whether it still is that one.
    fn put_account(&self, user: UserId, after: &Account, seen: Option<&Account>) -> Result<Put, StorageError> {
        let item = item(keys::points_account(self.app, user), after)?;
        match seen {
            None => self.put_new(item),
            Some(seen) => Put::builder()
                .table_name(self.store.tables.get(Table::Points)?)
                .set_item(Some(item))
                .condition_expression("#rows = :seen")
                .expression_attribute_names("#rows", "rows")
                .expression_attribute_values(":seen", number(seen.rows))
                .build()
                .map_err(StorageError::from_build),
        }
    }

    /// The row twice: among all of the user's, and among those of its kind.
    fn put_row(&self, user: UserId, after: &Account, row: &LedgerRow) -> Result<Vec<Put>, StorageError> {
        let kind = if row.used > 0 { LedgerKind::Recharge } else { LedgerKind::Consumption };
        [LedgerKind::All, kind]
            .into_iter()
            .map(|kind| self.put_new(item(keys::ledger_row(self.app, user, kind, after.rows_of(kind)), row)?))
            .collect()
    }

    fn put_new(&self, item: Item) -> Result<Put, StorageError> {
        Put::builder()
            .table_name(self.store.tables.get(Table::Points)?)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(StorageError::from_build)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posting(used: i64) -> Posting {
        Posting { used, remark: String::new(), payment: None }
    }

    fn paid(price: u64, day: &str, daily_limit: Option<u64>) -> Posting {
        let payment = Payment { price, order: None, day: day.to_owned(), daily_limit };
        Posting { used: 1, remark: String::new(), payment: Some(payment) }
    }

    #[test]
    fn a_balance_is_never_below_zero_nor_more_than_a_client_can_hold() {
        let account = Account { balance: 10, rows: 1, recharges: 1, ..Account::default() };
        assert_eq!(account.after(&posting(-11)), Err(Posted::Insufficient { balance: 10 }));
        assert_eq!(account.after(&posting(i64::MIN)), Err(Posted::Insufficient { balance: 10 }));
        assert_eq!(account.after(&posting(-10)).unwrap().balance, 0);
        let most = i64::try_from(MAX_POINTS).unwrap();
        assert_eq!(account.after(&posting(most - 10)).unwrap().balance, MAX_POINTS);
        assert_eq!(account.after(&posting(most - 9)), Err(Posted::TooMany));
        assert_eq!(account.after(&posting(i64::MAX)), Err(Posted::TooMany));
    }

    #[test]
    fn each_kind_has_numbers_of_its_own() {
        let account =
            [3, -1, 4].into_iter().fold(Account::default(), |account, used| account.after(&posting(used)).unwrap());
        let counts = [LedgerKind::All, LedgerKind::Recharge, LedgerKind::Consumption].map(|kind| account.rows_of(kind));
        assert_eq!(counts, [3, 2, 1]);
    }

    #[test]
    fn a_day_begins_anew_and_never_again() {
        let first = Account::default().after(&paid(800, "2026-03-01", Some(1_000))).unwrap();
        assert_eq!(first.after(&paid(201, "2026-03-01", Some(1_000))), Err(Posted::DailyLimit));
        let full = first.after(&paid(200, "2026-03-01", Some(1_000))).unwrap();
        let next = full.after(&paid(900, "2026-03-02", Some(1_000))).unwrap();
        assert_eq!(next.after(&paid(200, "2026-03-01", Some(1_000))), Err(Posted::DailyLimit), "a clock behind");
        assert_eq!(next.after(&posting(5)).unwrap().paid, 900, "a gift is not paid");
    }
}
