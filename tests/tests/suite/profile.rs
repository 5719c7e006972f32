//! The caller's own account.

use serde_json::{Value, json};
use shared::storage::Table;
use tests::{Client, World};

const PROFILE: &str = "/api/AppUsers/2/Profile";

async fn alice(world: &World) -> Client {
    let body = json!({"userName": "Alice", "pwd": "correct horse battery", "nickName": "A", "email": "a@example.com"});
    let token = world.client().post("/api/AppUsers/2/SignUp", body).await.token();
    world.client().bearer(&token)
}

#[tokio::test]
async fn pf_02_a_profile_has_the_documented_members_and_no_other() {
    let world = World::new().await;
    let alice = alice(&world).await;
    let answer = alice.get(PROFILE).await;
    let id = answer.data()["id"].clone();
    assert!(id.as_u64().is_some_and(|id| id < 1 << 53));
    let expected = json!({
        "appID": 2, "platform": "", "unionID": "", "phone": "", "createDate": "2026-03-01 12:00:00", "userName": "Alice",
        "phoneIsValid": false, "data": null, "email": "a@example.com", "emailIsValid": false,
        "lastUpdate": "2026-03-01 12:00:00", "nickName": "A", "id": id, "avatar": "", "role": "user",
    });
    assert_eq!(*answer.data(), expected);
}

#[tokio::test]
async fn pf_05_what_a_profile_holds_is_text_and_stays_as_it_was_sent() {
    let world = World::new().await;
    let alice = alice(&world).await;
    for text in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "{{7*7}}${jndi:ldap://x}",
        "'; DROP TABLE users; --",
        "\u{202e}evil\u{2066}",
        "=cmd|' /C calc'!A0",
        "%00%0d%0a",
    ] {
        alice.put(PROFILE, json!({"nickName": text, "data": text})).await.data();
        let profile = alice.get(PROFILE).await;
        assert_eq!((&profile.data()["nickName"], &profile.data()["data"]), (&json!(text), &json!(text)));
        assert_eq!(profile.header("content-type"), "application/json; charset=utf-8");
    }
    for avatar in ["javascript:alert(1)", " JavaScript:alert(1)", "data:text/html,x", "vbscript:x"] {
        alice.put(PROFILE, json!({"avatar": avatar})).await.refused(400, 400, "invalid_request");
    }
}

#[tokio::test]
async fn pf_10_the_largest_user_is_far_from_what_a_row_may_be() {
    let world = World::new().await;
    let wide = |count: usize| "\u{1f600}".repeat(count);
    let body = json!({
        "userName": wide(64), "pwd": "correct horse battery", "platform": wide(50), "unionID": wide(100), "nickName": wide(50),
        "avatar": wide(999), "data": wide(8 * 1024), "phone": "9".repeat(32), "email": format!("{}@x", wide(200)),
    });
    let token = world.client().post("/api/AppUsers/2/UnionIDSignUp", body).await.token();
    let update = json!({"nickName": wide(50), "avatar": wide(999), "data": wide(8 * 1024)});
    world.client().bearer(&token).put(PROFILE, update).await.data();
    let largest = world.rows(Table::Users).await.iter().map(|row| row.to_string().len()).max();
    assert!(largest.is_some_and(|bytes| bytes < 100_000), "{largest:?}");
}

#[tokio::test]
async fn an_update_sets_what_is_given_and_keeps_the_rest_byte_for_byte() {
    let world = World::new().await;
    let alice = alice(&world).await;
    let data = " {\"k\":\"\\u00e9\"}\r\n\t\u{1f600}";
    world.wait(61);
    let put = alice.put(PROFILE, json!({"data": data, "avatar": "https://example.com/a.png", "nickName": ""})).await;
    assert_eq!(*put.data(), json!(true));
    let put = alice.put(PROFILE, json!({"nickName": "Al", "avatar": null, "data": ""})).await;
    assert_eq!(*put.data(), json!(true));
    let profile = alice.get(PROFILE).await;
    assert_eq!(profile.data()["data"], data);
    assert_eq!(profile.data()["avatar"], "https://example.com/a.png");
    assert_eq!(profile.data()["nickName"], "Al");
    assert_eq!(profile.data()["createDate"], "2026-03-01 12:00:00");
    assert_eq!(profile.data()["lastUpdate"], "2026-03-01 12:01:01");
}

#[tokio::test]
async fn pf_04_what_is_not_the_users_to_change_is_ignored() {
    let world = World::new().await;
    let alice = alice(&world).await;
    let before = alice.get(PROFILE).await.data().clone();
    let body = json!({"email": "x@example.com", "emailIsValid": true, "role": "admin", "userName": "x", "id": 1, "appID": 3, "createDate": "x"});
    alice.put(PROFILE, body).await.data();
    assert_eq!(*alice.get(PROFILE).await.data(), before);
}

#[tokio::test]
async fn pf_07_two_updates_at_once_both_stay() {
    let world = World::new().await;
    let alice = alice(&world).await;
    let (nick, avatar) =
        tokio::join!(alice.put(PROFILE, json!({"nickName": "N"})), alice.put(PROFILE, json!({"avatar": "V"})));
    assert_eq!((nick.data(), avatar.data()), (&json!(true), &json!(true)));
    let profile = alice.get(PROFILE).await;
    assert_eq!((&profile.data()["nickName"], &profile.data()["avatar"]), (&json!("N"), &json!("V")));
}

#[tokio::test]
async fn a_user_who_is_gone_is_told_so_and_one_who_is_disabled_is_not() {
    let world = World::new().await;
    let alice = alice(&world).await;
    let row = world.rows(Table::Users).await.into_iter().find(|row| row.get("userName").is_some()).unwrap();
    let pk = row["pk"]["S"].as_str().unwrap().to_owned();
    let client = world.engine.client();
    let key = || aws_sdk_dynamodb::types::AttributeValue::S(pk.clone());
    let disable =
        client.update_item().table_name(world.table(Table::Users)).key("pk", key()).update_expression("SET #s = :d");
    let disabled = aws_sdk_dynamodb::types::AttributeValue::S("disabled".to_owned());
    disable
        .expression_attribute_names("#s", "status")
        .expression_attribute_values(":d", disabled)
        .send()
        .await
        .unwrap();
    alice.get(PROFILE).await.refused(401, 401, "invalid_token");
    client.delete_item().table_name(world.table(Table::Users)).key("pk", key()).send().await.unwrap();
    for answer in [alice.get(PROFILE).await, alice.put(PROFILE, json!({"nickName": "x"})).await] {
        answer.refused(200, 404, "user_gone");
        assert_eq!(answer.body["err"], Value::from("不存在的用户"));
    }
}

#[tokio::test]
async fn reading_a_profile_is_one_consistent_read_beside_the_settings() {
    let world = World::new().await;
    let alice = alice(&world).await;
    world.engine.take_calls();
    alice.get(PROFILE).await.data();
    let calls = world.engine.take_calls();
    let reads: Vec<_> =
        calls.iter().map(|call| (call.operation.as_str(), call.input["ConsistentRead"].as_bool())).collect();
    assert_eq!(reads, [("GetItem", Some(false)), ("GetItem", Some(true))]);
}
