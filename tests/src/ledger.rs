//! What must be true of every points ledger, whatever happened.

use std::collections::BTreeMap;

use serde_json::Value;
use shared::storage::Table;

use crate::world::World;

#[derive(Default)]
struct Ledger {
    account: Option<[i64; 4]>,
    /// Rows by their part of the key and their number there.
    rows: BTreeMap<String, BTreeMap<i64, (i64, i64)>>,
}

/// Fails the test unless every balance is the sum of its rows and not below zero, every row is there in both its
/// places, and the rows of each kind are numbered without a gap. Returns the balances by partition key.
pub async fn assert_balanced(world: &World) -> BTreeMap<String, i64> {
    balances(&world.rows(Table::Points).await)
}

/// The same for these rows; every test ends with it.
pub(crate) fn balances(rows: &[Value]) -> BTreeMap<String, i64> {
    let mut ledgers: BTreeMap<String, Ledger> = BTreeMap::new();
    for row in rows {
        let number = |name: &str| row[name]["N"].as_str().unwrap_or("0").parse::<i64>().expect("a number");
        let key = |name: &str| row[name]["S"].as_str().expect("a key").to_owned();
        let ledger = ledgers.entry(key("pk")).or_default();
        let sort = key("sk");
        match sort.split_once('#') {
            Some((kind, ordinal)) => {
                let ordinal = ordinal.parse().expect("an ordinal");
                ledger.rows.entry(kind.to_owned()).or_default().insert(ordinal, (number("id"), number("used")));
            }
            None if sort == "account" => {
                ledger.account = Some(["balance", "rows", "recharges", "consumptions"].map(number));
            }
            None => assert_eq!((sort.as_str(), row["userId"] == Value::Null), ("order", false)),
        }
    }
    ledgers.retain(|key, _| !key.contains("#order#"));
    for (key, ledger) in &ledgers {
        let [balance, all, recharges, consumptions] = ledger.account.expect("an account");
        let rows = |kind: &str| ledger.rows.get(kind).cloned().unwrap_or_default();
        for (kind, count) in [("all", all), ("in", recharges), ("out", consumptions)] {
            assert!(rows(kind).keys().copied().eq(1..=count), "{key}: the numbers of {kind} have gaps");
        }
        let sum: i64 = rows("all").values().map(|(_, used)| used).sum();
        assert_eq!(sum, balance, "{key}: the sum of the ledger is the balance");
        assert!(balance >= 0, "{key}");
        let mut of_kinds: Vec<_> = rows("in").into_values().chain(rows("out").into_values()).collect();
        let mut of_all: Vec<_> = rows("all").into_values().collect();
        of_kinds.sort_unstable();
        of_all.sort_unstable();
        assert_eq!(of_kinds, of_all, "{key}: every row is there in both its places");
        assert!(rows("in").values().all(|(_, used)| *used > 0) && rows("out").values().all(|(_, used)| *used < 0));
    }
    ledgers.into_iter().map(|(key, ledger)| (key, ledger.account.unwrap_or_default()[0])).collect()
}
