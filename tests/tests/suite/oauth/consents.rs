//! Consents: one row each, and the tokens end with them.

use std::collections::HashMap;

use http::Method;
use serde_json::json;
use shared::{app::AppId, consent::ConsentPlace, user::UserId};
use tests::{Answer, claims};

use super::{CALLBACK, CONSENTS, PASSWORD, PROFILE, authorize, code, code_at, consents, plain_token, world};

#[tokio::test]
async fn a_consent_is_one_row_for_the_same_place_and_scopes_and_the_latest_comes_first() {
    let world = world().await;
    let mut tokens = Vec::new();
    for (scopes, redirect_uri) in [("a b", ""), ("b a", ""), ("a b", CALLBACK), ("A b", ""), ("a b", ""), ("a  b", "")]
    {
        world.wait(60);
        let code = code(&world, json!({"scopes": scopes, "redirect_uri": redirect_uri})).await;
        tokens.push(authorize(&world, &code).await.token());
    }
    let listed = consents(&world, &tokens[0]).await;
    let seen: Vec<_> = listed
        .iter()
        .map(|row| {
            [&row["scopes"], &row["redirectUri"], &row["createDate"], &row["lastUpdate"]].map(|it| it.as_str().unwrap())
        })
        .collect();
    assert_eq!(
        seen,
        [
            ["a  b", "", "2026-03-01 12:06:00", "2026-03-01 12:06:00"],
            ["a b", "", "2026-03-01 12:01:00", "2026-03-01 12:05:00"],
            ["A b", "", "2026-03-01 12:04:00", "2026-03-01 12:04:00"],
            ["a b", CALLBACK, "2026-03-01 12:03:00", "2026-03-01 12:03:00"],
            ["b a", "", "2026-03-01 12:02:00", "2026-03-01 12:02:00"],
        ]
    );
    assert_eq!(claims(&tokens[0])["cid"], claims(&tokens[4])["cid"]);
    // A refresh says how the user signed in the last time.
    let user = claims(&tokens[0])["nameid"].clone();
    world.engine.import("test-Users", [json!({"pk": {"S": "2#email#a@b.example"}, "userId": {"N": user}})]);
    world.wait(1);
    let by_mail = json!({"grant_type": "email", "userName": "a@b.example", "scopes": "b a"});
    world.wait(60);
    let code = code(&world, by_mail).await;
    authorize(&world, &code).await.token();
    let first = &consents(&world, &tokens[0]).await[0];
    assert_eq!((&first["scopes"], &first["grantType"]), (&json!("b a"), &json!("email")));
}

/// Two sets of scopes of a user that come to the same place; among a million pairs there usually are such two.
fn colliding_scopes(user: UserId) -> [String; 2] {
    let app = AppId::new(2).unwrap();
    let mut taken = HashMap::new();
    for number in 0_u32.. {
        let scopes = format!("s{number}");
        if let Some(earlier) = taken.insert(ConsentPlace::of(app, user, "", &scopes, 0), number) {
            return [format!("s{earlier}"), scopes];
        }
    }
    unreachable!("there are fewer places than numbers");
}

#[tokio::test]
async fn two_consents_that_come_to_one_place_are_told_apart() {
    let world = world().await;
    let plain = plain_token(&world).await;
    let user = claims(&plain)["nameid"].as_str().unwrap().parse().unwrap();
    let [one, other] = colliding_scopes(UserId::new(user));
    let mut tokens = Vec::new();
    for scopes in [&one, &other, &one, &other] {
        world.wait(60);
        let code = code(&world, json!({"scopes": scopes})).await;
        tokens.push(authorize(&world, &code).await.token());
    }
    let ids: Vec<_> = tokens.iter().map(|token| claims(token)["cid"].clone()).collect();
    assert_eq!((&ids[0], &ids[1]), (&ids[2], &ids[3]));
    assert_ne!(ids[0], ids[1]);
    let scopes: Vec<_> = consents(&world, &plain).await.iter().map(|it| it["scopes"].clone()).collect();
    assert_eq!(scopes, [json!(other), json!(one)]);

    // Whichever is taken back, the other one stays, and is found again past what is left of the first.
    world.client().bearer(&plain).delete(&format!("{CONSENTS}/{}", ids[0].as_str().unwrap())).await.data();
    world.client().bearer(&tokens[2]).get(PROFILE).await.refused(401, 401, "invalid_token");
    world.client().bearer(&tokens[3]).get(PROFILE).await.data();
    for (scopes, is_new) in [(&other, false), (&one, true)] {
        let code = code(&world, json!({"scopes": scopes})).await;
        let id = claims(&authorize(&world, &code).await.token())["cid"].clone();
        assert_eq!(!ids.contains(&id), is_new, "{scopes}");
    }
    world.client().bearer(&tokens[0]).get(PROFILE).await.refused(401, 401, "invalid_token");
}

#[tokio::test]
async fn oa_28_nobody_deletes_what_is_not_theirs() {
    let world = world().await;
    let mallory = world.client().sign_up(2, "mallory", PASSWORD).await;
    let in_b = code_at(&world, 3, json!({})).await;
    let in_b = world.client().post("/api/OAuth/3/Authorize", json!({"code": in_b})).await.token();
    let code = code(&world, json!({})).await;
    let token = authorize(&world, &code).await.token();
    let id: u64 = claims(&token)["cid"].as_str().unwrap().parse().unwrap();
    let before = world.snapshot().await;
    let mut ids: Vec<_> = (id - 3..=id + 3).map(|id| id.to_string()).collect();
    ids.extend(["0", "-1", "9007199254740992", "9007199254740993", "1;2", "%00", "x", "１", "01"].map(str::to_owned));
    ids.push(claims(&in_b)["cid"].as_str().unwrap().to_owned());
    for other in ids {
        let answer = world.client().bearer(&mallory).delete(&format!("{CONSENTS}/{other}")).await;
        answer.refused(200, 404, "not_found");
    }
    world.client().bearer(&in_b).delete(&format!("{CONSENTS}/{id}")).await.refused(401, 401, "invalid_token");
    world.client().delete(&format!("{CONSENTS}/{id}")).await.refused(401, 401, "invalid_token");
    world.client().get(CONSENTS).await.refused(401, 401, "invalid_token");
    assert_eq!(world.snapshot().await, before);
    // A body and a media type do not matter here.
    let own = world.client().bearer(&token);
    let path = format!("{CONSENTS}/{id}");
    assert_eq!(own.send(Method::DELETE, &path, Some("text/plain"), b"x".to_vec()).await.data(), true);
    world.client().bearer(&plain_token(&world).await).delete(&path).await.refused(200, 404, "not_found");
}

#[tokio::test]
async fn a_hundred_thousand_consents_cost_a_bearer_request_nothing_and_the_list_ends() {
    let world = world().await;
    let code = code(&world, json!({})).await;
    let token = authorize(&world, &code).await.token();
    let claims = claims(&token);
    let partition = format!("2#{}", claims["nameid"].as_str().unwrap());
    world.engine.import(
        "test-Consents",
        (1..=100_000_u64).map(|id| {
            let at = (1_600_000_000_000 + id).to_string();
            json!({
                "pk": {"S": partition}, "sk": {"S": format!("consent#{id:010x}")}, "id": {"N": (id << 13 | 1).to_string()},
                "scopes": {"S": "x"}, "grantType": {"S": "account"}, "createdAt": {"N": at}, "updatedAt": {"N": at},
            })
        }),
    );
    let calls_of = async |answer: &dyn Fn(&Answer), request: std::pin::Pin<Box<dyn Future<Output = Answer>>>| {
        world.engine.take_calls();
        answer(&request.await);
        world.engine.take_calls().into_iter().map(|call| call.operation).collect::<Vec<_>>()
    };
    let ok = |answer: &Answer| {
        answer.data();
    };
    let client = world.client().bearer(&token);
    let mine = client.clone();
    let profile = calls_of(&ok, Box::pin(async move { mine.get(PROFILE).await })).await;
    assert_eq!(profile, ["GetItem", "GetItem", "GetItem"], "the app, the user, the consent");
    let mine = client.clone();
    let list = calls_of(
        &|answer| {
            let rows = answer.data().as_array().unwrap();
            assert_eq!(rows.len(), 1_000);
            // The latest first of those that were looked at.
            assert_eq!((&rows[0]["id"], &rows[999]["id"]), (&json!(1_000 << 13 | 1), &json!(1 << 13 | 1)));
        },
        Box::pin(async move { mine.get(CONSENTS).await }),
    )
    .await;
    assert_eq!(list, ["GetItem", "GetItem", "GetItem", "Query"]);
    let mine = client.clone();
    let own = format!("{CONSENTS}/{}", claims["cid"].as_str().unwrap());
    let deletion = calls_of(&ok, Box::pin(async move { mine.delete(&own).await })).await;
    assert_eq!(deletion, ["GetItem", "GetItem", "GetItem", "UpdateItem"]);
}

#[tokio::test]
async fn a_token_of_a_code_is_good_for_the_ledger_as_long_as_its_consent() {
    let world = world().await;
    let code = code(&world, json!({})).await;
    let token = authorize(&world, &code).await.token();
    let client = world.client().bearer(&token);
    client.get("/api/AppUsers/2/PointLog").await.data();
    let id = claims(&token)["cid"].as_str().unwrap().to_owned();
    client.delete(&format!("/api/OAuth/2/Consents/{id}")).await.data();
    client.get("/api/AppUsers/2/PointLog").await.refused(401, 401, "invalid_token");
}
