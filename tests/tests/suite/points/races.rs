//! Lost answers, conflicts, and a hundred at once.

use std::collections::{HashMap, HashSet};

use futures_util::future::join_all;
use serde_json::json;
use shared::storage::Posted;
use tests::{Answer, engine::Fault, ledger::assert_balanced};

use super::{LOG, PASSWORD, RECHARGE, post, total, world};

#[tokio::test]
async fn a_recharge_survives_a_lost_answer_and_a_conflict_and_fails_whole() {
    let (world, client, user) = world().await;
    for (number, fault) in
        [Fault::AnswerLost, Fault::Conflict, Fault::Throttled, Fault::InternalError].into_iter().enumerate()
    {
        // The app, the user, the account, and then the transaction.
        world.engine.spoil([None, None, None, Some(fault)]);
        client.post(RECHARGE, json!({"price": 200, "orderId": number})).await.refused(400, 400, "invalid_request");
        world.engine.heal();
        world.engine.spoil([None, None, None, Some(fault)]);
        client.post(RECHARGE, json!({"price": 200, "orderId": number.to_string()})).await.data();
        world.engine.heal();
    }
    world.engine.spoil([None, None, None].into_iter().chain([Some(Fault::InternalError); 20]));
    let answer = client.post(RECHARGE, json!({"price": 200, "orderId": "late"})).await;
    answer.refused(503, 503, "unavailable");
    assert_ne!(answer.header("retry-after"), "");
    world.engine.heal();
    assert_eq!(assert_balanced(&world).await[&format!("2#{user}")], 8_000);
    client.post(RECHARGE, json!({"price": 200, "orderId": "late"})).await.data();
    assert_eq!(assert_balanced(&world).await[&format!("2#{user}")], 10_000);
}

async fn codes(answers: impl Iterator<Item = impl Future<Output = Answer>>) -> HashMap<i64, usize> {
    let mut counts = HashMap::new();
    for answer in join_all(answers).await {
        *counts.entry(answer.code()).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_17_a_hundred_recharges_of_distinct_orders_sum_exactly() {
    let (world, client, user) = world().await;
    let counts =
        codes((0..100).map(|number| client.post(RECHARGE, json!({"price": 200, "orderId": format!("o{number}")}))))
            .await;
    assert_eq!(counts, HashMap::from([(200, 100)]));
    assert_eq!(total(&client).await, 100);
    assert_eq!(assert_balanced(&world).await[&format!("2#{user}")], 200_000);
    let log = client.get(&format!("{LOG}?take=100")).await;
    let ids: HashSet<_> = log.data()["data"].as_array().unwrap().iter().map(|row| row["id"].as_u64()).collect();
    assert_eq!(ids.len(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_32_a_hundred_recharges_of_one_order_credit_once() {
    let (world, client, user) = world().await;
    // The second hundred finds a limit that the first one has used up.
    world.change_app(&world.documented, |app| app.settings.daily_recharge_limit = Some(200)).await;
    let counts = codes((0..100).map(|_| client.post(RECHARGE, json!({"price": 200, "orderId": "o"})))).await;
    assert_eq!(counts, HashMap::from([(200, 100)]));
    assert_eq!(assert_balanced(&world).await[&format!("2#{user}")], 2_000);
    let bob = world.client().bearer(&world.client().sign_up(2, "bob", PASSWORD).await);
    let both = (0..100).map(|number| {
        let client = if number % 2 == 0 { &client } else { &bob };
        client.post(RECHARGE, json!({"price": 200, "orderId": "p"}))
    });
    world.change_app(&world.documented, |app| app.settings.daily_recharge_limit = None).await;
    assert_eq!(codes(both).await, HashMap::from([(200, 50), (409, 50)]));
    assert_eq!(assert_balanced(&world).await.into_values().sum::<i64>(), 4_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_19_a_hundred_recharges_against_a_daily_limit_stop_exactly_at_it() {
    let (world, client, user) = world().await;
    world
        .change_app(&world.documented, |app| {
            app.settings.price_table = Some([("1".to_owned(), 1)].into());
            app.settings.daily_recharge_limit = Some(50);
        })
        .await;
    let counts =
        codes((0..100).map(|number| client.post(RECHARGE, json!({"price": 1, "orderId": format!("o{number}")})))).await;
    assert_eq!(counts, HashMap::from([(200, 50), (422, 50)]));
    assert_eq!(assert_balanced(&world).await[&format!("2#{user}")], 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_20_a_balance_of_ten_is_consumed_ten_times() {
    let (world, client, user) = world().await;
    post(&world, user, 10, "").await;
    let posted = join_all((0..100).map(|_| post(&world, user, -1, "used"))).await;
    assert_eq!(posted.iter().filter(|posted| matches!(posted, Posted::Done { .. })).count(), 10);
    assert_eq!(posted.iter().filter(|posted| **posted == Posted::Insufficient { balance: 0 }).count(), 90);
    assert_eq!(client.get(&format!("{LOG}?type=2")).await.data()["total"], 10);
    assert_eq!(assert_balanced(&world).await[&format!("2#{user}")], 0);
}
