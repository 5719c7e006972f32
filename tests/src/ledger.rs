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
    let found = imbalances(rows.iter());
    assert!(found.is_empty(), "{}", found.join("\n"));
    read(rows.iter()).into_iter().map(|(key, ledger)| (key, ledger.account.unwrap_or_default()[0])).collect()
}

/// What is wrong with the rows of the table, a sentence each.
pub(crate) fn imbalances<'a>(table: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let mut found = Vec::new();
    for (key, ledger) in read(table) {
        let mut check = |holds: bool, rule: &str| {
            if !holds {
                found.push(format!("{key}: {rule}"));
            }
        };
        let Some([balance, all, recharges, consumptions]) = ledger.account else {
            check(false, "rows have their account");
            continue;
        };
        let rows = |kind: &str| ledger.rows.get(kind).cloned().unwrap_or_default();
        for (kind, count) in [("all", all), ("in", recharges), ("out", consumptions)] {
            check(rows(kind).keys().copied().eq(1..=count), &format!("the numbers of {kind} have no gaps"));
        }
        let sum: i64 = rows("all").values().map(|(_, used)| used).sum();
        check(sum == balance, "the sum of the ledger is the balance");
        check(balance >= 0, "no balance is below zero");
        let mut of_kinds: Vec<_> = rows("in").into_values().chain(rows("out").into_values()).collect();
        let mut of_all: Vec<_> = rows("all").into_values().collect();
        of_kinds.sort_unstable();
        of_all.sort_unstable();
        check(of_kinds == of_all, "every row is there in both its places");
        let have_signs =
            rows("in").values().all(|(_, used)| *used > 0) && rows("out").values().all(|(_, used)| *used < 0);
        check(have_signs, "a row is of the kind that it says");
    }
    found
}

/// The ledgers by partition key. Orders are none.
fn read<'a>(table: impl Iterator<Item = &'a Value>) -> BTreeMap<String, Ledger> {
    let mut ledgers: BTreeMap<String, Ledger> = BTreeMap::new();
    for row in table {
        let number = |name: &str| row[name]["N"].as_str().unwrap_or("0").parse::<i64>().expect("a number");
        let key = |name: &str| row[name]["S"].as_str().expect("a key").to_owned();
        let sort = key("sk");
        if sort == "order" {
            continue;
        }
        let ledger = ledgers.entry(key("pk")).or_default();
        if let Some((kind, ordinal)) = sort.split_once('#') {
            let ordinal = ordinal.parse().expect("an ordinal");
            ledger.rows.entry(kind.to_owned()).or_default().insert(ordinal, (number("id"), number("used")));
        } else {
            assert_eq!(sort, "account");
            ledger.account = Some(["balance", "rows", "recharges", "consumptions"].map(number));
        }
    }
    ledgers
}
