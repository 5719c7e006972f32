//! Exchanges of one code or for one consent at the same time.

use std::collections::{HashMap, HashSet};

use futures_util::future::{join, join_all};
use serde_json::json;
use shared::{settings::Proof, storage::Table};
use tests::{Answer, claims, engine::Fault};

use super::{
    AUTHORIZE, CALLBACK, CONSENTS, GRANT, PROFILE, authorize, code, consents, given, is_invalid_grant, plain_token,
    world,
};

#[tokio::test]
async fn an_exchange_is_three_calls_and_survives_a_lost_answer_and_a_conflict() {
    let world = world().await;
    let codes = [code(&world, json!({})).await, code(&world, json!({})).await, code(&world, json!({})).await];
    world.engine.take_calls();
    authorize(&world, &codes[0]).await.token();
    let operations: Vec<_> = world.engine.take_calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(operations, ["GetItem", "BatchGetItem", "BatchGetItem", "TransactWriteItems"]);
    // The app, the code, the user with the consent, and then the transaction.
    for (code, fault) in [(&codes[1], Fault::AnswerLost), (&codes[2], Fault::Conflict)] {
        world.engine.spoil([None, None, None, Some(fault)]);
        let token = authorize(&world, code).await.token();
        world.engine.heal();
        world.client().bearer(&token).get(PROFILE).await.data();
    }
    assert_eq!(consents(&world, &plain_token(&world).await).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_11_a_hundred_exchanges_of_one_code_give_one_token_and_then_it_is_revoked() {
    let world = world().await;
    let code = code(&world, json!({})).await;
    let answers = join_all((0..100).map(|_| authorize(&world, &code))).await;
    let tokens: Vec<_> = answers.iter().filter(|answer| answer.code() == 200).collect();
    assert_eq!(tokens.len(), 1);
    answers.iter().filter(|answer| answer.code() != 200).for_each(is_invalid_grant);
    let token = tokens[0].token();
    world.client().bearer(&token).get(PROFILE).await.refused(401, 401, "invalid_token");
    assert_eq!(consents(&world, &plain_token(&world).await).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_right_and_wrong_exchanges_of_one_code_no_token_survives() {
    let world = world().await;
    for _ in 0..10 {
        let code = code(&world, json!({})).await;
        let answers = join_all((0..20).map(|number| {
            let redirect_uri = if number % 2 == 0 { "" } else { CALLBACK };
            let client = world.client();
            let body = json!({"code": code, "redirect_uri": redirect_uri});
            async move { client.post(AUTHORIZE, body).await }
        }))
        .await;
        let tokens: Vec<_> = answers.iter().filter(|answer| answer.code() == 200).map(Answer::token).collect();
        assert!(tokens.len() <= 1);
        for token in tokens {
            world.client().bearer(&token).get(PROFILE).await.refused(401, 401, "invalid_token");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_codes_for_one_consent_at_once_are_fifty_tokens_and_one_row() {
    let world = world().await;
    let identity = json!({"platform": "wx", "unionID": "o1"});
    world.client().post("/api/AppUsers/2/UnionIDSignUp", identity).await.token();
    world.change_app(&world.documented, |app| app.settings.union_id_proof = Proof::None).await;
    let body = json!({"grant_type": "unionid", "scopes": "s", "platform": "wx", "unionId": "o1"});
    let granted = join_all((0..50).map(|_| async { world.client().post(GRANT, body.clone()).await })).await;
    let exchanged = join_all(granted.iter().map(async |granted| {
        world.wait(1);
        authorize(&world, granted.data()["code"].as_str().unwrap()).await.token()
    }))
    .await;
    let ids: HashSet<_> = exchanged.iter().map(|token| claims(token)["cid"].to_string()).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(consents(&world, &exchanged[0]).await.len(), 1);
    assert_eq!(world.rows(Table::Consents).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_23_a_deleted_consent_has_no_live_token_whatever_came_between() {
    let world = world().await;
    let plain = plain_token(&world).await;
    for _ in 0..20 {
        let first = code(&world, json!({})).await;
        let first = authorize(&world, &first).await.token();
        let second = code(&world, json!({})).await;
        let path = format!("{CONSENTS}/{}", claims(&first)["cid"].as_str().unwrap());
        let client = world.client().bearer(&plain);
        let (deleted, second) = join(client.delete(&path), authorize(&world, &second)).await;
        assert_eq!(deleted.data(), true);
        let listed: HashMap<_, _> =
            consents(&world, &plain).await.into_iter().map(|row| (row["id"].to_string(), row)).collect();
        for token in [&first, &second.token()] {
            let is_listed = listed.contains_key(claims(token)["cid"].as_str().unwrap());
            let is_live = world.client().bearer(token).get(PROFILE).await.code() == 200;
            assert_eq!(is_live, is_listed);
        }
        assert!(!listed.contains_key(claims(&first)["cid"].as_str().unwrap()));
        assert_eq!(given(&world).await.len(), listed.len(), "nothing is left over");
        for id in listed.keys() {
            client.delete(&format!("{CONSENTS}/{id}")).await.data();
        }
        world.wait(1);
    }
}
