//! The tables past the service: read, written, brought in by the thousand, and as a replica sees them that lags.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use dynoxide::Database;

use super::{
    Engine,
    backend::{Backend, run},
};
use crate::checkpoint::{Rows, by_key};

impl Engine {
    /// From now on eventually consistent reads see the tables as they are now; or again as they are.
    pub async fn lag(&self, tables: &[String], lags: bool) {
        let replica = if lags { Some(Arc::new(self.copy(tables).await)) } else { None };
        *self.0.replica.lock().unwrap_or_else(PoisonError::into_inner) = replica;
    }

    async fn copy(&self, tables: &[String]) -> Database {
        let copy = Database::memory().expect("memory can be had");
        for table in tables {
            let (status, text) =
                self.done("DescribeTable", serde_json::json!({ "TableName": table }).to_string()).await;
            assert_eq!(status, 200, "{text}");
            let described: serde_json::Value = serde_json::from_str(&text).expect("the engine answers JSON");
            let described = &described["Table"];
            let mut create = serde_json::json!({ "BillingMode": "PAY_PER_REQUEST" });
            for name in ["TableName", "KeySchema", "AttributeDefinitions"] {
                create[name] = described[name].clone();
            }
            if let Some(indexes) = described["LocalSecondaryIndexes"].as_array() {
                create["LocalSecondaryIndexes"] = indexes
                    .iter()
                    .map(|index| {
                        let kept = ["IndexName", "KeySchema", "Projection"].into_iter();
                        kept.map(|name| (name.to_owned(), index[name].clone())).collect::<serde_json::Value>()
                    })
                    .collect();
            }
            run(&copy, "CreateTable", &create.to_string()).expect("the table can be copied");
            let rows = self.dump(table).await;
            let rows = rows.into_iter().map(|row| serde_json::from_value(row).expect("a row")).collect();
            copy.import_items(table, rows, dynoxide::ImportOptions::default()).expect("rows can be copied");
        }
        copy
    }

    /// The state that a table is in; the same number means the same rows.
    pub(crate) fn state(&self, table: &str) -> u64 {
        if self.is_shared() {
            // Its calls go past this.
            return self.0.writes.fetch_add(1, Ordering::Relaxed) + 1;
        }
        self.0.states.lock().unwrap_or_else(PoisonError::into_inner).get(table).copied().unwrap_or_default()
    }

    /// Takes note that a table is in another state, or in an earlier one again.
    pub(crate) fn set_state(&self, table: &str, state: Option<u64>) {
        let state = state.unwrap_or_else(|| self.0.writes.fetch_add(1, Ordering::Relaxed) + 1);
        self.0.states.lock().unwrap_or_else(PoisonError::into_inner).insert(table.to_owned(), state);
    }

    /// The rows of a table, read again only if they may be others.
    pub(crate) async fn rows(&self, table: &str) -> Arc<Rows> {
        let state = self.state(table);
        let read = self.0.read.lock().unwrap_or_else(PoisonError::into_inner).get(table).cloned();
        if let Some((_, rows)) = read.filter(|(of, _)| *of == state) {
            return rows;
        }
        let rows = Arc::new(by_key(self.dump(table).await));
        self.0.read.lock().unwrap_or_else(PoisonError::into_inner).insert(table.to_owned(), (state, Arc::clone(&rows)));
        rows
    }

    /// The rows of a table, in DynamoDB's own JSON: for counting, and for searching for what must not be there.
    pub async fn dump(&self, table: &str) -> Vec<serde_json::Value> {
        let mut rows = Vec::new();
        let mut scan = serde_json::json!({ "TableName": table });
        loop {
            let (status, page) = self.done("Scan", scan.to_string()).await;
            assert_eq!(status, 200, "{page}");
            let page: serde_json::Value = serde_json::from_str(&page).expect("the engine answers JSON");
            rows.extend(page["Items"].as_array().cloned().unwrap_or_default());
            match page.get("LastEvaluatedKey") {
                Some(key) => scan["ExclusiveStartKey"] = key.clone(),
                None => return rows,
            }
        }
    }

    /// The rows of a table of the embedded engine, where nothing can be waited for. Of another engine, none.
    pub(crate) fn dump_now(&self, table: &str) -> Vec<serde_json::Value> {
        let Backend::Embedded(database) = &self.0.backend else { return Vec::new() };
        let mut rows = Vec::new();
        let mut scan = serde_json::json!({ "TableName": table });
        loop {
            let page = run(database, "Scan", &scan.to_string()).expect("a table");
            let mut page: serde_json::Value = serde_json::from_str(&page).expect("the engine answers JSON");
            if let Some(items) = page["Items"].as_array_mut() {
                rows.append(items);
            }
            match page.get("LastEvaluatedKey") {
                Some(key) => scan["ExclusiveStartKey"] = key.clone(),
                None => return rows,
            }
        }
    }

    /// Writes rows as they would be found after years of use, in the API's JSON, past the calls that are recorded.
    pub fn import(&self, table: &str, rows: impl IntoIterator<Item = serde_json::Value>) {
        self.set_state(table, None);
        self.0.is_touched.store(true, Ordering::Relaxed);
        let rows = rows.into_iter().map(|row| serde_json::from_value(row).expect("a row")).collect();
        self.0.was_written_to.store(true, Ordering::Relaxed);
        let Backend::Embedded(database) = &self.0.backend else { panic!("only the embedded engine imports") };
        database.import_items(table, rows, dynoxide::ImportOptions::default()).expect("rows can be imported");
    }

    /// Whether a test wrote rows past the service.
    pub(crate) fn was_written_to(&self) -> bool {
        self.0.was_written_to.load(Ordering::Relaxed)
    }

    /// Puts a row where the service would not.
    pub async fn put(&self, table: &str, row: &serde_json::Value) {
        self.0.was_written_to.store(true, Ordering::Relaxed);
        self.0.is_touched.store(true, Ordering::Relaxed);
        self.put_back(table, row).await;
    }

    /// Takes away a row that the service wrote since.
    pub(crate) async fn delete(&self, table: &str, row: &serde_json::Value) {
        let names = ["pk", "sk"].into_iter().filter(|name| row.get(name).is_some());
        let key: serde_json::Value = names.map(|name| (name.to_owned(), row[name].clone())).collect();
        let delete = serde_json::json!({ "TableName": table, "Key": key });
        let (status, answer) = self.done("DeleteItem", delete.to_string()).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Puts a row where the service had it.
    pub(crate) async fn put_back(&self, table: &str, row: &serde_json::Value) {
        let put = serde_json::json!({ "TableName": table, "Item": row });
        let (status, answer) = self.done("PutItem", put.to_string()).await;
        assert_eq!(status, 200, "{answer}");
    }
}
