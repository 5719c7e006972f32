//! Licence codes and their users.

use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use serde_json::{Value, json};
use shared::{
    bitkey::{Bitkey, BitkeyRecord, BitkeyScope},
    licence::Sn,
    storage::Table,
};

use crate::{
    Client, World,
    bulk::{link_in_bulk, users_in_bulk},
    cost::{Case, Measured, Run},
};

/// Somebody who holds a bitkey of the app with the documented settings, which has the licence code `S1` with these
/// users.
pub async fn vendor(world: &World, names: &[String]) -> Client {
    let app = world.documented.record.app_id;
    let store = world.env.store.app(app);
    let bitkey = Bitkey::from_bytes([1; 8], [1; 32]);
    let (id, hash) = (bitkey.id().clone(), bitkey.hash());
    let record = BitkeyRecord { id, app_id: app, hash, scope: BitkeyScope::Full, created_at: 0 };
    store.create_bitkey(&record).await.expect("a bitkey");
    let sn = Sn::parse("S1").expect("a licence code");
    store.create_licence(&sn, None, world.env.clock.now()).await.expect("a licence code");
    link_in_bulk(world, names).await;
    users_in_bulk(world, names).await;
    world.client().with("bitkey", &bitkey.expose())
}

pub(super) async fn run(mut run: Run) -> Vec<Measured> {
    let names: Vec<String> = (0..200).map(|n| format!("user{n:06}@example.com")).collect();
    let vendor = vendor(&run.world, &names).await;
    for name in ["alice", "bob", "carol"] {
        run.world.client().sign_up(2, name, super::PASSWORD).await;
    }
    run.world.engine.take_calls();
    // What the instance has learnt of the bitkey stays.
    vendor.get("/sns/S1/users?limit=1").await;
    // As the bulk of rows would have it, had it been linked one by one.
    reserve_ordinals(&run.world, names.len()).await;

    run.case(&vendor, Case::get("50 of 200 users", "/sns/S1/users")).await;
    run.case(&vendor, Case::get("unknown code", "/sns/S2/users").refused(404)).await;
    let equal = json!({"querys": [{"name": "name", "op": "=", "values": [names[7]]}]});
    run.case(&vendor, Case::post("one name", "/sns/S1/users/data", equal)).await;
    run.case(&vendor, Case::post("", "/sns/S1/users/user/alice", Value::Null)).await;
    run.case(&vendor, Case::post("linked already", "/sns/S1/users/user/alice", Value::Null)).await;
    run.case(&vendor, Case::post("", "/sns/S1/users/alice", Value::Null).by(Method::DELETE)).await;
    let two = json!([{"name": "bob"}, {"name": "carol"}]);
    run.case(&vendor, Case::post("two users", "/sns/S1/users", two.clone())).await;
    run.case(&vendor, Case::post("two users", "/sns/S1/users", two.clone()).by(Method::DELETE)).await;
    let once = vendor.clone().with("x-bit-req-id", "r-1");
    run.case(&once, Case::post("two users under a request id", "/sns/S1/users", two.clone())).await;
    let once = vendor.clone().with("x-bit-req-id", "r-2");
    run.case(&once, Case::post("two users under a request id", "/sns/S1/users", two).by(Method::DELETE)).await;
    run.measured
}

async fn reserve_ordinals(world: &World, drawn: usize) {
    let update = world.engine.client().update_item().table_name(world.table(Table::Licences));
    update
        .key("pk", AttributeValue::S("2#sn#S1".to_owned()))
        .key("sk", AttributeValue::S("next".to_owned()))
        .update_expression("ADD #next :drawn")
        .expression_attribute_names("#next", "next")
        .expression_attribute_values(":drawn", AttributeValue::N(drawn.to_string()))
        .send()
        .await
        .expect("the counter is there");
}
