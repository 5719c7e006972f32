//! The storage contract: what every DynamoDB must do for this service, whichever one it is. The ordinary run has it on
//! the embedded engine; `DYNAMODB_ENDPOINT=… cargo test -p tests --test suite contract::` has it on any other.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::storage::SavedApp;
use tests::{
    Client, World,
    cost::scenarios::{self, vendor},
};

const PASSWORD: &str = "correct horse battery";

/// Every endpoint's success and principal refusals: each verb's write, its conditions, and what it reads back.
#[tokio::test]
async fn every_verb_has_its_outcomes() {
    let measured = scenarios::all().await;
    assert!(measured.len() > 60, "each was answered as it should");
}

/// A transaction whose one condition fails leaves nothing of its other steps.
#[tokio::test]
async fn a_refused_transaction_does_nothing() {
    let world = World::new().await;
    let client = world.client();
    let identity = |name: &str| json!({"platform": "wx", "unionID": "o1", "userName": name, "pwd": PASSWORD});
    client.post("/api/AppUsers/2/UnionIDSignUp", identity("alice")).await.token();
    client.post("/api/AppUsers/2/UnionIDSignUp", identity("bob")).await.refused(200, 409, "account_exists");
    // The name that the refused one had put in is free.
    client.sign_up(2, "bob", PASSWORD).await;
}

#[tokio::test]
async fn a_change_to_what_was_changed_meanwhile_is_refused() {
    let world = World::new().await;
    let id = world.documented.record.app_id;
    let read = world.env.store.load_app(id).await.unwrap().expect("the app is stored");
    assert_eq!(world.env.store.save_app(&read).await.unwrap(), SavedApp::Saved);
    assert_eq!(world.env.store.save_app(&read).await.unwrap(), SavedApp::ChangedMeanwhile);
}

/// Of many at once that want the same, one gets it.
#[tokio::test]
async fn what_one_may_get_one_gets() {
    let world = World::new().await;
    let client = &world.client();
    let body = &json!({"platform": "wx", "unionID": "o1"});
    let answers =
        join_all((0..10).map(|_| client.post("/api/AppUsers/3/SignUp", json!({"userName": "alice", "pwd": PASSWORD}))));
    assert_eq!(answers.await.iter().filter(|answer| answer.code() == 200).count(), 1);
    let answers = join_all((0..10).map(|_| client.post("/api/AppUsers/2/UnionIDSignUp", body.clone())));
    assert_eq!(answers.await.iter().filter(|answer| answer.code() == 200).count(), 1);
}

/// Pages by an index, by a range of sort keys backwards, and by offset, each row on one of them.
#[tokio::test]
async fn pages_have_every_row_once() {
    let world = World::new().await;
    let names: Vec<String> = (0..130).map(|n| format!("user{n:03}")).collect();
    let vendor = vendor(&world, &names).await;
    let mut listed = Vec::new();
    for offset in (0..130).step_by(40) {
        let page = vendor.get(&format!("/sns/S1/users?offset={offset}&limit=40")).await;
        listed.extend(texts(&page.body["data"]["items"], "name"));
    }
    assert_eq!(listed, names, "in the order of linking");
    let search = json!({"querys": [{"name": "name", "op": "like", "values": ["user1%"]}], "sorts": [{"name": "name", "order": "desc"}]});
    let page = vendor.post("/sns/S1/users/data?limit=100", search).await;
    let found: BTreeSet<_> = texts(&page.body["data"]["items"], "name").into_iter().collect();
    assert_eq!(found, names[100..].iter().cloned().collect());

    let alice = alice(&world).await;
    for number in 0..7 {
        let order = json!({"price": 200, "orderId": format!("o-{number}"), "remark": number.to_string()});
        alice.post("/api/AppUsers/2/RechargePoints", order).await.data();
    }
    let mut remarks = Vec::new();
    for skip in [0, 3, 6] {
        let page = alice.get(&format!("/api/AppUsers/2/PointLog?skip={skip}&take=3")).await;
        assert_eq!(page.data()["total"], 7);
        remarks.extend(texts(&page.data()["data"], "remark"));
    }
    assert_eq!(remarks, ["6", "5", "4", "3", "2", "1", "0"], "the newest first");
}

async fn alice(world: &World) -> Client {
    let token = world.client().sign_up(2, "alice", PASSWORD).await;
    world.client().bearer(&token)
}

fn texts(rows: &Value, member: &str) -> Vec<String> {
    rows.as_array().unwrap().iter().map(|row| row[member].as_str().unwrap().to_owned()).collect()
}
