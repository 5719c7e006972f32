//! Points: what a user has, and the rows that say why.

use serde::{Deserialize, Serialize};

use crate::{
    http::{Field, Json, Refusal},
    text::OrderId,
};

/// The most points that anybody can have: clients keep the number in a double.
pub const MAX_POINTS: u64 = (1 << 53) - 1;
/// The remark of what a new user is given.
pub const GIFT_REMARK: &str = "注册赠送";

/// A row of a user's ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerRow {
    /// Its number, random.
    pub id: u64,
    /// Points credited, or consumed when below zero. Never zero.
    pub used: i64,
    /// What for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remark: String,
    /// When, in milliseconds since 1970.
    pub created_at: i64,
}

/// Which rows of a ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LedgerKind {
    /// Every row.
    #[default]
    All,
    /// What was credited.
    Recharge,
    /// What was consumed.
    Consumption,
}

impl Field for LedgerKind {
    fn read(value: Json) -> Result<Self, Refusal> {
        match u64::read(value) {
            Ok(0) => Ok(Self::All),
            Ok(1) => Ok(Self::Recharge),
            Ok(2) => Ok(Self::Consumption),
            _ => Err("must be 0, 1 or 2"),
        }
    }
}

/// A row that is to be written, and what must hold for it.
#[derive(Clone, Debug)]
pub struct Posting {
    /// Points to credit, or to consume when below zero. Zero is refused.
    pub used: i64,
    /// What for.
    pub remark: String,
    /// What was paid, if it was.
    pub payment: Option<Payment>,
}

/// What a user paid for points.
#[derive(Clone, Debug)]
pub struct Payment {
    /// In fen.
    pub price: u64,
    /// The order, which is credited once.
    pub order: Option<OrderId>,
    /// The local calendar day, `yyyy-MM-dd`.
    pub day: String,
    /// Fen that the user may pay in that day.
    pub daily_limit: Option<u64>,
}
