//! Many requests at once: what only one may get, one gets.

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::json;
use shared::storage::{SavedApp, Table};
use tests::World;

/// How many answers came with each code.
async fn codes(answers: impl Iterator<Item = impl Future<Output = tests::Answer>>) -> HashMap<i64, usize> {
    let mut counts = HashMap::new();
    for answer in join_all(answers).await {
        *counts.entry(answer.code()).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_01_a_hundred_sign_ups_of_one_name_make_one_user() {
    let world = World::new().await;
    let client = world.client();
    let body = json!({"userName": "alice", "pwd": "correct horse battery"});
    let counts = codes((0..100).map(|_| client.post("/api/AppUsers/2/SignUp", body.clone()))).await;
    assert_eq!(counts, HashMap::from([(200, 1), (409, 99)]));
    assert_eq!(world.rows(Table::Users).await.len(), 2, "the user and the reservation of the name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_sign_ups_of_one_union_id_make_one_user() {
    let world = World::new().await;
    let client = world.client();
    let body = json!({"platform": "wx", "unionID": "o1"});
    let counts = codes((0..100).map(|_| client.post("/api/AppUsers/2/UnionIDSignUp", body.clone()))).await;
    assert_eq!(counts, HashMap::from([(200, 1), (409, 99)]));
    assert_eq!(world.rows(Table::Users).await.len(), 3, "the user and two reservations");
}

#[tokio::test]
async fn a_hundred_parallel_wrong_passwords_are_five_evaluated_ones() {
    let world = World::new().await;
    let client = world.client();
    client.sign_up(2, "alice", "correct horse battery").await;
    for name in ["alice", "nobody"] {
        let body = json!({"userName": name, "pwd": "wrong horse battery"});
        let counts = codes((0..100).map(|_| client.post("/api/AppUsers/2/SignIn", body.clone()))).await;
        assert_eq!(counts, HashMap::from([(401, 5), (429, 95)]), "{name}");
    }
}

#[tokio::test]
async fn of_two_changes_to_an_app_at_once_none_is_lost() {
    let world = World::new().await;
    let id = world.documented.record.app_id;
    let read = world.env.store.load_app(id).await.unwrap().unwrap();
    assert_eq!(world.env.store.save_app(&read).await.unwrap(), SavedApp::Saved);
    assert_eq!(world.env.store.save_app(&read).await.unwrap(), SavedApp::ChangedMeanwhile);
}
