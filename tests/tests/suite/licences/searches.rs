//! Searches, against what `SQLite` finds.

use std::collections::HashSet;

use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::{Value, json};
use shared::name_filter::{Filter, Op};
use tests::bulk::link_in_bulk;

use super::{Office, names_of};

/// A search as a client sends it and as SQL has it.
#[derive(Clone, Debug)]
struct Search {
    querys: Vec<(usize, Vec<String>)>,
    sort: Option<bool>,
    offset: usize,
    limit: usize,
}

const OPS: [&str; 7] = [">", ">=", "=", "<", "<=", "<>", "like"];

fn searches() -> impl Strategy<Value = Search> {
    let value = prop_oneof![
        "[a-dA\u{e9}\u{1f600}%_]{0,4}",
        "%[a-d0-9]{1,2}%",
        "[a-d][0-9a-d]{0,2}%",
        "[a-d]_[0-9a-d]{0,2}",
        "[a-d][0-9a-d]{3,5}",
    ];
    let query = (0..7_usize, prop::collection::vec(value, 1..4));
    (prop::collection::vec(query, 0..3), prop::option::of(any::<bool>()), 0..60_usize, 1..200_usize).prop_map(
        |(querys, sort, offset, limit)| {
            // Pages far behind are read in another way.
            let offset = if offset > 55 { offset * 180 } else { offset * offset };
            Search { querys, sort, offset, limit }
        },
    )
}

impl Search {
    fn body(&self) -> Value {
        let querys: Vec<_> =
            self.querys.iter().map(|(op, values)| json!({"name": "name", "op": OPS[*op], "values": values})).collect();
        let order = |descending: bool| if descending { "DESC" } else { "ASC" };
        let sorts: Vec<_> = self.sort.iter().map(|it| json!({"name": "name", "order": order(*it)})).collect();
        json!({"querys": querys, "sorts": sorts})
    }

    fn in_sqlite(&self, sqlite: &Connection) -> (usize, Vec<String>) {
        let (mut conditions, mut values) = (vec!["1".to_owned()], Vec::new());
        for (op, some) in &self.querys {
            let sql = some.iter().map(|_| format!("name {} ?", OPS[*op])).collect::<Vec<_>>();
            conditions.push(format!("({})", sql.join(if OPS[*op] == "<>" { " AND " } else { " OR " })));
            values.extend(some.iter().cloned());
        }
        let order = match self.sort {
            None => "ordinal",
            Some(false) => "name ASC",
            Some(true) => "name DESC",
        };
        let sql = format!("SELECT name FROM links WHERE {} ORDER BY {order}", conditions.join(" AND "));
        let mut statement = sqlite.prepare(&sql).unwrap();
        let rows = statement.query_map(rusqlite::params_from_iter(values), |row| row.get(0)).unwrap();
        let rows: Vec<String> = rows.map(Result::unwrap).collect();
        (rows.len(), rows.into_iter().skip(self.offset).take(self.limit).collect())
    }
}

#[tokio::test]
async fn f_10_searches_find_what_sqlite_finds_in_the_same_order() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let office = Office::new(None).await;
    let mut runner = TestRunner::deterministic();
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    while names.len() < 10_000 {
        let name = "[a-dA\u{e9}\u{1f600}]{1,2}[0-9a-d]{0,4}".new_tree(&mut runner).unwrap().current();
        if seen.insert(name.clone()) {
            names.push(name);
        }
    }
    link_in_bulk(&office.world, &names).await;
    let sqlite = Connection::open_in_memory().unwrap();
    sqlite
        .execute_batch("PRAGMA case_sensitive_like = on; CREATE TABLE links (ordinal INTEGER PRIMARY KEY, name TEXT COLLATE BINARY);")
        .unwrap();
    for (ordinal, name) in names.iter().enumerate() {
        let ordinal = i64::try_from(ordinal).unwrap();
        sqlite.execute("INSERT INTO links VALUES (?, ?)", rusqlite::params![ordinal, name]).unwrap();
    }
    let (mut found, mut searched) = (0, 0);
    for _ in 0..60 {
        let search = searches().new_tree(&mut runner).unwrap().current();
        let (total, rows) = search.in_sqlite(&sqlite);
        let path = format!("/sns/S1/users/data?offset={}&limit={}", search.offset, search.limit);
        let answer = office.client.post(&path, search.body()).await;
        assert_eq!(names_of(&answer), rows, "{search:?}");
        assert_eq!(answer.body["data"]["total"], total, "{search:?}");
        (found, searched) = (found + usize::from(total > 0), searched + 1);
    }
    assert!(found * 4 > searched, "{found} of {searched} searches found something");
    // Many more against the filter alone, which costs less.
    for _ in 0..500 {
        let search = searches().new_tree(&mut runner).unwrap().current();
        let filter = search
            .querys
            .iter()
            .fold(Filter::default(), |filter, (op, values)| filter.and(Op::parse(OPS[*op]).unwrap(), values.clone()));
        let expected = Search { sort: None, offset: 0, limit: usize::MAX, ..search.clone() }.in_sqlite(&sqlite).1;
        let passing: Vec<_> = names.iter().filter(|name| filter.matches(name)).cloned().collect();
        assert_eq!(passing, expected, "{search:?}");
    }
}
