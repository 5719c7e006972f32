//! Lost answers, a broken store, and a hundred at once.

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::json;
use shared::storage::Table;
use tests::World;

use super::{PASSWORD, account, alice, at, bind, codes, ids, list, sign_in};

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_a_broken_store_changes_nothing() {
    use tests::engine::Fault;
    let world = World::new().await;
    if world.engine.is_shared() {
        println!("SKIPPED: moto does not remember the token of a transaction, DynamoDB does");
        return;
    }
    let alice = alice(&world).await;
    let transactions = || {
        let calls = world.engine.take_calls();
        calls.iter().filter(|call| call.operation == "TransactWriteItems").count()
    };
    // The app's number is known after the first call; then come the app, the user, and what the endpoint does.
    assert_eq!(list(&world, &alice).await.len(), 0);
    transactions();
    world.engine.spoil([None, None, Some(Fault::AnswerLost)]);
    bind(&world, &alice, "o1").await.data();
    assert_eq!(transactions(), 2);
    assert_eq!(ids(&world, &alice).await.len(), 1);
    world.engine.spoil([None, None, Some(Fault::Conflict), Some(Fault::Conflict)]);
    bind(&world, &alice, "o2").await.data();
    assert_eq!(transactions(), 3);
    let before = world.snapshot().await;
    world.engine.spoil([None, None].into_iter().chain([Some(Fault::Throttled); 3]));
    bind(&world, &alice, "o3").await.refused(503, 503, "unavailable");
    assert_eq!(world.snapshot().await, before);
    let bound = list(&world, &alice).await;
    let first = bound.iter().find(|it| it["unionID"] == "o1").unwrap();
    let path = at(&world.documented, &format!("/{}", first["id"]));
    transactions();
    world.engine.spoil([None, None, None, Some(Fault::AnswerLost)]);
    alice.put(&path, json!({"enable": false})).await.data();
    assert_eq!(transactions(), 2);
    sign_in(&world, "o1").await.refused(401, 401, "invalid_credentials");
    world.engine.spoil([None, None, None, Some(Fault::AnswerLost)]);
    alice.delete(&path).await.data();
    assert_eq!(transactions(), 2);
    assert_eq!(ids(&world, &alice).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_binds_of_one_identity_by_two_users_have_one_owner() {
    let world = World::new().await;
    let alice = alice(&world).await;
    let bob = world.client().bearer(&world.client().sign_up(2, "bob", PASSWORD).await);
    let path = at(&world.documented, "");
    let counts = codes((0..100).map(|n| {
        let (client, path) = (if n % 2 == 0 { alice.clone() } else { bob.clone() }, path.clone());
        async move { client.post(&path, account("o1")).await }
    }))
    .await;
    assert_eq!(counts, HashMap::from([((200, String::new()), 50), ((409, "external_account_taken".to_owned()), 50)]));
    assert_eq!(ids(&world, &alice).await.len() + ids(&world, &bob).await.len(), 1);
    assert_eq!(world.rows(Table::Bindings).await.len(), 1);
    sign_in(&world, "o1").await.token();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_binds_at_once_stop_at_twenty() {
    let world = World::new().await;
    let alice = alice(&world).await;
    let path = at(&world.documented, "");
    let counts = codes((0..100).map(|n| {
        let (alice, path) = (alice.clone(), path.clone());
        async move { alice.post(&path, account(&format!("o{n}"))).await }
    }))
    .await;
    assert_eq!(counts[&(200, String::new())], 20, "{counts:?}");
    assert_eq!(ids(&world, &alice).await.len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_22_of_the_last_two_ways_one_remains() {
    for round in 0..20 {
        let world = World::new().await;
        let alice = alice(&world).await;
        world.change_app(&world.documented, |app| app.settings.password_sign_in_enabled = false).await;
        bind(&world, &alice, "o1").await.data();
        bind(&world, &alice, "o2").await.data();
        let paths: Vec<_> =
            ids(&world, &alice).await.iter().map(|id| at(&world.documented, &format!("/{id}"))).collect();
        let first = async {
            if round % 2 == 0 {
                alice.delete(&paths[0]).await
            } else {
                alice.put(&paths[0], json!({"enable": false})).await
            }
        };
        let (first, second) = tokio::join!(first, alice.delete(&paths[1]));
        let mut answers = [first.code(), second.code()];
        answers.sort_unstable();
        assert_eq!(answers, [200, 409]);
        let usable = list(&world, &alice).await.iter().filter(|it| it["enable"] == true).count();
        assert_eq!(usable, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_of_one_binding_at_once_leave_row_reservation_and_count_in_step() {
    let world = World::new().await;
    let alice = alice(&world).await;
    bind(&world, &alice, "o1").await.data();
    bind(&world, &alice, "o2").await.data();
    let path = at(&world.documented, &format!("/{}", ids(&world, &alice).await[0]));
    for _ in 0..10 {
        join_all((0..8).map(|n| {
            let (alice, path) = (alice.clone(), path.clone());
            async move { alice.put(&path, json!({"enable": n % 2 == 0})).await }
        }))
        .await;
        let usable = list(&world, &alice).await.iter().filter(|it| it["enable"] == true).count();
        let users = world.rows(Table::Users).await;
        let counted = users.iter().find_map(|row| row.get("usableBindings")).unwrap();
        assert_eq!(counted["N"], usable.to_string());
        let disabled = users.iter().filter(|row| row["disabled"]["BOOL"] == true).count();
        assert_eq!(disabled, 2 - usable);
    }
}
