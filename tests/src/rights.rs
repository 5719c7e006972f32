//! Which actions on which tables each function's code really makes: recorded while the suite runs, compared with the
//! template's roles afterwards.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use serde_json::Value;

use crate::{records, world::groups};

tokio::task_local! {
    /// The group whose endpoint serves the request at hand.
    static GROUP: Option<&'static str>;
}

/// Runs a request; the calls that it makes count for the group that serves it.
pub(crate) async fn serving<F: Future>(method: &http::Method, path: &str, request: F) -> F::Output {
    let serves = |routes: &shared::http::Routes| routes.reaches(method, path).is_some();
    let group = groups().iter().find(|(_, routes)| serves(routes)).map(|(name, _)| *name);
    GROUP.scope(group, request).await
}

/// What was written already.
static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Takes note of a call.
pub(crate) fn record(operation: &str, input: &Value) {
    let Ok(Some(group)) = GROUP.try_with(|group| *group) else { return };
    for (action, table) in actions(operation, input) {
        // A stack's tables are called like it, then a hyphen, then the table.
        let suffix = table.rsplit('-').next().unwrap_or_default();
        let line = format!("{group} {action} {suffix}\n");
        if KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(line.clone()) {
            records::append(&folder(), &line);
        }
    }
}

/// The actions that a role must allow for a call, each with its table.
fn actions(operation: &str, input: &Value) -> Vec<(String, String)> {
    let name = |input: &Value| input["TableName"].as_str().unwrap_or_default().to_owned();
    match operation {
        "TransactWriteItems" | "TransactGetItems" => {
            let steps = input["TransactItems"].as_array().into_iter().flatten();
            let steps = steps.filter_map(|step| step.as_object()?.iter().next());
            let action = |step: &str| match step {
                "ConditionCheck" => "ConditionCheckItem".to_owned(),
                step => format!("{step}Item"),
            };
            steps.map(|(step, input)| (action(step), name(input))).collect()
        }
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = input["RequestItems"].as_object().into_iter().flatten();
            tables.map(|(table, _)| (operation.to_owned(), table.clone())).collect()
        }
        _ => vec![(operation.to_owned(), name(input))],
    }
}

/// Where the records are: beside the built tests.
pub fn folder() -> PathBuf {
    records::folder("recorded-rights")
}
