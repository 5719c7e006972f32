//! Ways to sign in that come and go, and users with them.

use serde_json::json;
use shared::storage::Table;
use tests::{
    Answer, claims,
    schedules::{Actor, Bounds, explore},
};

use crate::security::good::{PASSWORD, Town};

use super::{Request, all_orders, good, post, reasons, tallied};

#[tokio::test(start_paused = true)]
async fn rc_22_the_last_two_ways_to_sign_in() {
    let town = Town::new().await;
    let world = &town.world;
    let token = world.client().sign_up(2, "last", PASSWORD).await;
    let client = world.client().bearer(&token);
    world.change_app(&world.documented, |app| app.settings.password_sign_in_enabled = false).await;
    let path = format!("/ExternalAccount/{}", world.documented.record.app_key.as_str());
    for union_id in ["l1", "l2"] {
        let body = json!({"unionID": union_id, "platform": "wechat", "platformName": "WeChat"});
        client.post(&path, body).await.data();
    }
    let list = client.get(&path).await;
    let paths: Vec<_> = list.data().as_array().unwrap().iter().map(|it| format!("{path}/{}", it["id"])).collect();
    let from = world.checkpoint().await;
    for disables in [false, true] {
        let actors = || {
            let first = async {
                if disables {
                    client.put(&paths[0], json!({"enable": false})).await
                } else {
                    client.delete(&paths[0]).await
                }
            };
            vec![Box::pin(first) as Actor<'_, Answer>, Box::pin(client.delete(&paths[1]))]
        };
        let explored = explore(world, &from, Bounds::default(), actors, async |answers| {
            assert_eq!(reasons(&answers), ["", "last_sign_in_method"]);
        })
        .await;
        explored.report("rc_22");
        tallied("RC-22", explored);
    }
}

#[tokio::test(start_paused = true)]
async fn rc_25_a_user_is_taken_away_while_it_is_changed_and_bound() {
    let town = Town::new().await;
    let world = &town.world;
    let key = format!("2#user#{}", claims(&town.people.union)["nameid"].as_str().unwrap());
    let table = world.table(Table::Users);
    let client = world.engine.client();
    let delete = || {
        let key = aws_sdk_dynamodb::types::AttributeValue::S(key.clone());
        client.delete_item().table_name(&table).key("pk", key).send()
    };
    let remove = || async {
        // The SDK takes a conflict with a transaction for an answer.
        if delete().await.is_err() {
            delete().await.unwrap();
        }
        None
    };
    let (change, bind) = (good(&town, "PUT Profile 0"), good(&town, "POST ExternalAccount 0 (2.0)"));
    let actors = || {
        let send = |request: Request| async move { Some(request.send().await) };
        let actors: Vec<Actor<'_, Option<Answer>>> =
            vec![Box::pin(remove()), Box::pin(send(change.clone())), Box::pin(send(bind.clone()))];
        actors
    };
    // Who is taken away by hand leaves reservations behind: nothing but the requests is looked at.
    let bounds = Bounds { checks_invariants: false, ..Bounds::default() };
    let explored = explore(world, &town.start, bounds, actors, async |answers| {
        assert!(world.rows(Table::Users).await.iter().all(|row| row["pk"]["S"] != key), "nobody comes back");
        for answer in answers.iter().flatten() {
            let reasons = ["", "user_gone", "invalid_token", "user_not_found"];
            assert!(reasons.contains(&answer.reason()), "{}", answer.text);
        }
        // A binding was there before its user went, or is not there at all.
        let is_bound = world.rows(Table::Bindings).await.iter().any(|row| row["unionId"]["S"] == "o9");
        assert_eq!(is_bound, answers[2].as_ref().is_some_and(|answer| answer.code() == 200));
    })
    .await;
    explored.report("rc_25");
    tallied("RC-25", explored);
}

#[tokio::test(start_paused = true)]
async fn one_identity_bound_by_two_users_and_signed_up_with() {
    let town = Town::new().await;
    let path = format!("/ExternalAccount/{}", town.world.documented.record.app_key.as_str());
    let bind = |token: &str| {
        let body = json!({"unionID": "racer", "platform": "wechat", "platformName": "WeChat"});
        Request::Post(town.world.client().bearer(token), path.clone(), body)
    };
    let sign_up = post(&town, "/api/AppUsers/2/UnionIDSignUp", json!({"platform": "wechat", "unionID": "racer"}));
    let requests = [bind(&town.people.union), bind(&town.people.carol.0), sign_up];
    all_orders(&town, &requests, async |answers| {
        let reasons = reasons(&answers);
        assert_eq!(reasons.iter().filter(|reason| reason.is_empty()).count(), 1, "{reasons:?}");
    })
    .await;
}
