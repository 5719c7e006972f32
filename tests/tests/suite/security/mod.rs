//! The catalogue of attacks (`tests/catalogue.txt`), one file per group, where a case belongs to no one subject.

mod codes;
mod g;
mod g_fields;
mod good;
mod instances;
mod interleavings;
mod op;
mod passwords;
mod placements;
mod proofs;
mod properties_accounts;
mod properties_answers;
mod properties_factor;
mod properties_oauth;
mod properties_points;
mod properties_tenants;
mod properties_tokens;
mod random;
mod sign_up;
mod subject;
mod supply_chain;
mod ti;
mod timing;

use serde_json::Value;
use tests::{Answer, World};

/// What a request was answered, and what it cost: the calls to the store in their order, and the password hashes.
pub(crate) async fn work(world: &World, request: impl Future<Output = Answer>) -> (Answer, (Vec<String>, u64)) {
    world.engine.take_calls();
    let answer = request.await;
    let calls = world.engine.take_calls().into_iter().map(|call| call.operation).collect();
    let lines = world.watch.lines();
    let line = lines.iter().rev().find(|line| line.contains(r#""message":"request""#)).expect("a request's line");
    let line: Value = serde_json::from_str(line).expect("a line is JSON");
    (answer, (calls, line["PasswordHashes"].as_u64().unwrap_or_default()))
}
