//! A state of the tables to come back to: cheaper than a new world for each of thousands of runs.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde_json::Value;
use shared::{clock::Clock as _, storage::Table};

use crate::{World, engine::Engine, world::table_of};

/// The rows of a table by their keys.
pub(crate) type Rows = BTreeMap<(String, String), Value>;

/// All rows, the time, and how much randomness was drawn.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    tables: Vec<(Table, u64, Arc<Rows>)>,
    now: Timestamp,
    drawn: u64,
}

/// The rows by their keys.
pub(crate) fn by_key(rows: Vec<Value>) -> Rows {
    let text = |row: &Value, name: &str| row[name]["S"].as_str().unwrap_or_default().to_owned();
    rows.into_iter().map(|row| ((text(&row, "pk"), text(&row, "sk")), row)).collect()
}

impl World {
    /// The state as it is now.
    pub async fn checkpoint(&self) -> Checkpoint {
        let mut tables = Vec::new();
        for table in Table::ALL {
            let name = self.table(table);
            tables.push((table, self.engine.state(&name), self.engine.rows(&name).await));
        }
        Checkpoint { tables, now: self.clock.now(), drawn: self.entropy.drawn() }
    }

    /// Makes everything as it was then, and forgets the calls and faults since. Randomness goes on: what was drawn for
    /// a secret is never drawn again for anything else.
    pub async fn restore(&self, checkpoint: &Checkpoint) {
        self.engine.heal();
        for (table, state, rows) in &checkpoint.tables {
            let name = self.table(*table);
            if self.engine.state(&name) == *state {
                continue;
            }
            let now = self.engine.rows(&name).await;
            for (key, row) in now.iter() {
                if !rows.contains_key(key) {
                    self.engine.delete(&name, row).await;
                }
            }
            for (key, row) in rows.iter() {
                if now.get(key) != Some(row) {
                    self.engine.put_back(&name, row).await;
                }
            }
            self.engine.set_state(&name, Some(*state));
        }
        self.clock.set(checkpoint.now);
        self.engine.take_calls();
    }
}

impl Checkpoint {
    /// How much randomness was drawn then.
    pub(crate) const fn drawn(&self) -> u64 {
        self.drawn
    }

    /// The state of an embedded engine, for whoever cannot wait.
    pub(crate) fn of_embedded(engine: &Engine, stack: &str, now: Timestamp) -> Option<Self> {
        if engine.is_shared() {
            return None;
        }
        let rows = |table| Arc::new(by_key(engine.dump_now(&table_of(stack, table))));
        let tables = Table::ALL.into_iter().map(|table| (table, 0, rows(table))).collect();
        Some(Self { tables, now, drawn: 0 })
    }

    /// The time then, in milliseconds since 1970.
    pub fn now_millis(&self) -> i64 {
        self.now.as_millisecond()
    }

    /// The rows of all tables.
    pub fn rows(&self) -> impl Iterator<Item = &Value> {
        self.tables.iter().flat_map(|(_, _, rows)| rows.values())
    }

    /// The rows of a table.
    pub fn table(&self, table: Table) -> impl Iterator<Item = &Value> {
        self.tables.iter().filter(move |(it, _, _)| *it == table).flat_map(|(_, _, rows)| rows.values())
    }

    /// The rows that are others than in an earlier state, as they were and as they are.
    pub fn changes(&self, earlier: &Self) -> Vec<(Option<Value>, Option<Value>)> {
        let mut changes = Vec::new();
        for ((_, now_state, now), (_, state, then)) in self.tables.iter().zip(&earlier.tables) {
            if now_state == state {
                continue;
            }
            let keys: std::collections::BTreeSet<_> = now.keys().chain(then.keys()).collect();
            let pairs = keys.into_iter().map(|key| (then.get(key).cloned(), now.get(key).cloned()));
            changes.extend(pairs.filter(|(then, now)| then != now));
        }
        changes
    }
}
