//! What one request asked of DynamoDB: its calls, how many of them wait for another, and the capacity units.
//!
//! The units are those that the engine reports for each call ([`ReturnConsumedCapacity`][doc]). A write that its
//! condition refuses is reported by nobody, and billed all the same: it counts here as one item of up to 1 KB, in a
//! transaction as two units for each of its items.
//!
//! [doc]: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ConsumedCapacity.html

use std::collections::BTreeMap;

use serde_json::Value;

/// An item, or for a query the items of one partition, as a call touched it.
#[derive(Clone, Debug, PartialEq)]
pub struct Touch {
    /// The table, without its stack.
    pub table: String,
    /// The partition key.
    pub partition: String,
    /// The sort key, where a single item was named and its table has one.
    pub sort: Option<String>,
    /// Read units.
    pub read: f64,
    /// Write units.
    pub write: f64,
}

/// A call as it was made and answered.
#[derive(Clone, Debug, PartialEq)]
struct Metered {
    operation: String,
    touches: Vec<Touch>,
    started: u64,
    ended: u64,
}

/// Looks at the calls of an engine.
#[derive(Debug, Default)]
pub struct Meter {
    clock: u64,
    calls: Vec<Metered>,
}

/// What one request asked of DynamoDB.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// How many calls of each operation.
    pub operations: BTreeMap<String, u32>,
    /// The longest chain of calls of which each waited for the one before.
    pub depth: u32,
    /// Read units: 4 KiB consistent each, 8 KiB otherwise.
    pub read: f64,
    /// Write units: 1 KiB each, in a transaction half of it.
    pub write: f64,
    /// The items that were read and written.
    pub touches: Vec<Touch>,
}

impl Profile {
    /// How many calls in all.
    pub fn calls(&self) -> u32 {
        self.operations.values().sum()
    }
}

impl Meter {
    /// A moment, later than all before it.
    pub fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Takes note of a call that started then and was answered now.
    pub fn answered(&mut self, started: u64, operation: &str, input: &Value, answer: &Value) {
        let ended = self.tick();
        let touches = touches(operation, input, answer);
        self.calls.push(Metered { operation: operation.to_owned(), touches, started, ended });
    }

    /// All calls together.
    pub fn profile(self) -> Profile {
        let mut calls = self.calls;
        calls.sort_by_key(|call| call.started);
        let mut profile = Profile::default();
        let mut depths: Vec<(u64, u32)> = Vec::new();
        for call in calls {
            let before = depths.iter().filter(|(ended, _)| *ended < call.started).map(|(_, depth)| *depth).max();
            let depth = before.unwrap_or(0) + 1;
            depths.push((call.ended, depth));
            profile.depth = profile.depth.max(depth);
            *profile.operations.entry(call.operation).or_default() += 1;
            for touch in call.touches {
                profile.read += touch.read;
                profile.write += touch.write;
                profile.touches.push(touch);
            }
        }
        profile
    }
}

/// The items of a call, the units of each table spread over its items.
fn touches(operation: &str, input: &Value, answer: &Value) -> Vec<Touch> {
    let reads = matches!(operation, "GetItem" | "BatchGetItem" | "Query" | "Scan" | "TransactGetItems");
    let items = items(operation, input);
    let refused = if operation == "TransactWriteItems" { 2.0 } else { 1.0 };
    let is_refused = answer["__type"].as_str().is_some_and(|kind| {
        kind.ends_with("ConditionalCheckFailedException") || kind.ends_with("TransactionCanceledException")
    });
    let mut touches = Vec::new();
    for (table, partition, sort) in &items {
        let of_table = items.iter().filter(|(other, ..)| other == table).count();
        let share = u32::try_from(of_table).map_or(1.0, |items| 1.0 / f64::from(items));
        let units = if is_refused { refused } else { reported(answer, table) * share };
        let (read, write) = if reads { (units, 0.0) } else { (0.0, units) };
        touches.push(Touch {
            table: table.rsplit('-').next().unwrap_or_default().to_owned(),
            partition: partition.clone(),
            sort: sort.clone(),
            read,
            write,
        });
    }
    touches
}

/// The units of a table, its indexes included, as the engine reports them.
fn reported(answer: &Value, table: &str) -> f64 {
    let capacity = &answer["ConsumedCapacity"];
    let tables = capacity.as_array().cloned().unwrap_or_else(|| vec![capacity.clone()]);
    let units = tables.iter().find(|it| it["TableName"] == table).and_then(|it| it["CapacityUnits"].as_f64());
    units.unwrap_or_else(|| panic!("no units of {table}: {answer}"))
}

type Item = (String, String, Option<String>);

fn items(operation: &str, input: &Value) -> Vec<Item> {
    match operation {
        "BatchGetItem" => {
            let tables = input["RequestItems"].as_object().into_iter().flatten();
            let keys = |(table, wanted): (&String, &Value)| {
                wanted["Keys"].as_array().into_iter().flatten().map(|key| item(table, key)).collect::<Vec<_>>()
            };
            tables.flat_map(keys).collect()
        }
        "TransactWriteItems" | "TransactGetItems" => {
            let steps = input["TransactItems"].as_array().into_iter().flatten();
            steps.filter_map(|step| step.as_object()?.values().next()).map(single).collect()
        }
        "Query" => {
            let partition = input["ExpressionAttributeValues"][":pk"]["S"].as_str().expect("a query of a partition");
            vec![(table(input), partition.to_owned(), None)]
        }
        _ => vec![single(input)],
    }
}

fn table(input: &Value) -> String {
    input["TableName"].as_str().unwrap_or_default().to_owned()
}

fn single(input: &Value) -> Item {
    item(&table(input), input.get("Key").unwrap_or(&input["Item"]))
}

fn item(table: &str, key: &Value) -> Item {
    let text = |name: &str| key[name]["S"].as_str().map(str::to_owned);
    (table.to_owned(), text("pk").unwrap_or_default(), text("sk"))
}
