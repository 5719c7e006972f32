//! Who may bind and sign in, and what is refused before anything is read.

use http::Method;
use serde_json::{Value, json};
use shared::text::ExternalId;
use tests::{World, claims};

use super::{PASSWORD, account, alice, at, before_user, bind, ids, list, sign_in};

#[tokio::test]
async fn ex_02_a_strict_app_wants_its_secret_for_binding_and_signing_in() {
    let world = World::new().await;
    let token = world.client().sign_up(3, "alice", PASSWORD).await;
    let alice = world.client().bearer(&token);
    let before = world.snapshot().await;
    let (bind, sign_in) = (at(&world.strict, ""), at(&world.strict, "/SignIn"));
    alice.post(&bind, account("o1")).await.refused(403, 403, "app_secret_required");
    alice.post(&bind, json!({})).await.refused(403, 403, "app_secret_required");
    world.client().post(&bind, account("o1")).await.refused(401, 401, "invalid_token");
    let wrong = alice.clone().with("x-app-secret", world.documented.secret.expose());
    wrong.post(&bind, account("o1")).await.refused(403, 403, "app_secret_required");
    assert_eq!(world.snapshot().await, before);
    let server = alice.with("x-app-secret", world.strict.secret.expose());
    server.post(&bind, account("o1")).await.data();
    let identity = json!({"platform": "wechat", "unionID": "o1"});
    world.client().post(&sign_in, identity.clone()).await.refused(403, 403, "app_secret_required");
    world.client().with("x-app-secret", world.strict.secret.expose()).post(&sign_in, identity).await.token();
    // The list and the changes claim no identity.
    let alice = world.client().bearer(&token);
    let id = alice.get(&bind).await.data()[0]["id"].as_u64().unwrap();
    alice.put(&at(&world.strict, &format!("/{id}")), json!({"enable": false})).await.data();
    alice.delete(&at(&world.strict, &format!("/{id}"))).await.data();
}

#[tokio::test]
async fn ex_04_apps_bind_the_same_identity_independently() {
    let world = World::new().await;
    world.change_app(&world.strict, |app| app.settings.union_id_proof = shared::settings::Proof::None).await;
    let alice = alice(&world).await;
    bind(&world, &alice, "o1").await.data();
    let identity = json!({"platform": "wechat", "unionID": "o1"});
    let elsewhere = at(&world.strict, "/SignIn");
    world.client().post(&elsewhere, identity.clone()).await.refused(401, 401, "invalid_credentials");
    let other = world.client().bearer(&world.client().sign_up(3, "alice", PASSWORD).await);
    other.post(&at(&world.strict, ""), account("o1")).await.data();
    assert_eq!(claims(&world.client().post(&elsewhere, identity).await.token())["appid"], "3");
    // TI-01: a token is worth nothing at the other app.
    alice.get(&at(&world.strict, "")).await.refused(401, 401, "invalid_token");
    alice.post(&at(&world.strict, ""), account("o2")).await.refused(401, 401, "invalid_token");
}

#[tokio::test]
async fn ex_05_the_user_is_the_bearer_whatever_the_query_says() {
    let world = World::new().await;
    let alice = alice(&world).await;
    let bob = world.client().bearer(&world.client().sign_up(2, "bob", PASSWORD).await);
    bind(&world, &alice, "o1").await.data();
    let id = ids(&world, &alice).await[0];
    let user = list(&world, &alice).await[0]["userID"].clone();
    let query = format!("?userId={user}");
    assert_eq!(bob.get(&at(&world.documented, &query)).await.data(), &json!([]));
    bob.post(&at(&world.documented, &query), account("o2")).await.data();
    assert_eq!(list(&world, &alice).await.len(), 1);
    let path = at(&world.documented, &format!("/{id}{query}"));
    bob.put(&path, json!({"enable": false})).await.refused(404, 404, "not_found");
    bob.delete(&path).await.refused(404, 404, "not_found");
    sign_in(&world, "o1").await.token();
}

#[tokio::test]
async fn ex_07_and_ex_16_ids_that_are_not_the_callers_do_not_exist() {
    let world = World::new().await;
    let alice = alice(&world).await;
    let bob = world.client().bearer(&world.client().sign_up(2, "bob", PASSWORD).await);
    bind(&world, &alice, "o1").await.data();
    let id = ids(&world, &alice).await[0];
    let before = world.snapshot().await;
    for id in [id.to_string(), (id + 1).to_string(), "0".into(), "-1".into(), "9007199254740993".into(), "1;2".into()]
        .into_iter()
        .chain(["%00", "1%2F2", "+1", "01", "%EF%BC%91", "abc"].map(str::to_owned))
    {
        let path = at(&world.documented, &format!("/{id}"));
        bob.delete(&path).await.refused(404, 404, "not_found");
        bob.put(&path, json!({"enable": false})).await.refused(404, 404, "not_found");
    }
    for path in [at(&world.documented, "/1/"), at(&world.documented, "/"), at(&world.documented, "/1/2")] {
        bob.delete(&path).await.refused(404, 404, "route_not_found");
    }
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn a_failing_sign_in_does_not_tell_why() {
    let world = World::new().await;
    let alice = alice(&world).await;
    bind(&world, &alice, "disabled").await.data();
    let id = ids(&world, &alice).await[0];
    alice.put(&at(&world.documented, &format!("/{id}")), json!({"enable": false})).await.data();
    let unknown = sign_in(&world, "unknown").await;
    unknown.refused(401, 401, "invalid_credentials");
    assert_eq!(unknown.header("www-authenticate"), "", "no bearer was asked for");
    assert_eq!(sign_in(&world, "disabled").await.essence(), unknown.essence());
    let garbage = world.client().with("authorization", "Bearer ");
    let body = json!({"unionID": "unknown", "platform": "wechat"});
    assert_eq!(garbage.post(&at(&world.documented, "/SignIn"), body).await.essence(), unknown.essence(), "G-34");
}

#[tokio::test]
async fn what_the_documents_patterns_refuse_is_a_bad_request() {
    let world = World::new().await;
    let alice = alice(&world).await;
    let before = world.snapshot().await;
    let path = at(&world.documented, "/SignIn");
    for body in [
        json!({"platform": "wechat"}),
        json!({"unionID": "o1"}),
        json!({"unionID": "", "platform": "wechat"}),
        json!({"unionID": "o 1", "platform": "wechat"}),
        json!({"unionID": "o".repeat(51), "platform": "wechat"}),
        json!({"unionID": "o1", "platform": "we-chat"}),
        json!({"unionID": "o1", "platform": "p".repeat(21)}),
        json!({"unionID": ["o1"], "platform": "wechat"}),
        json!({"unionID": {"$regex": ".*"}, "platform": "wechat"}),
        json!({"unionID": 1, "platform": "wechat"}),
        json!({"unionID": "o1", "platform": "wechat", "twoFactorCode": "12345"}),
        json!({"unionID": "o1", "platform": "wechat", "twoFactorCode": "string"}),
        json!({"unionID": "o1", "platform": "wechat", "twoFactorCode": 123_456}),
    ] {
        world.client().post(&path, body).await.refused(400, 400, "invalid_request");
    }
    let path = at(&world.documented, "");
    for (field, bad) in [
        ("unionID", json!("")),
        ("unionID", json!("x".repeat(101))),
        ("unionID", json!("x\u{200b}")),
        ("platform", json!("")),
        ("platform", json!("x".repeat(51))),
        ("platform", json!("x\u{0}")),
        ("platformName", json!("")),
        ("platformName", json!("x".repeat(51))),
        ("platformName", json!("x\n")),
        ("platformName", Value::Null),
        ("avatar", json!("javascript:alert(1)")),
        ("avatar", json!("x".repeat(1_000))),
        ("data", json!("x".repeat(32 * 1024 + 1))),
        ("data", json!("\u{0}")),
        ("data", json!({"a": 1})),
    ] {
        let mut body = account("o1");
        body[field] = bad;
        alice.post(&path, body).await.refused(400, 400, "invalid_request");
    }
    for bad in
        [json!({"enable": "true"}), json!({"enable": 1}), json!({"avatar": 1}), json!([]), json!({"a": 1, "A": 2})]
    {
        alice.put(&at(&world.documented, "/1"), bad).await.refused(400, 400, "invalid_request");
    }
    assert_eq!(world.snapshot().await, before);
    let longest = json!({"unionID": "x".repeat(100), "platform": "x".repeat(50), "platformName": "微".repeat(50)});
    alice.post(&path, longest).await.data();
}

#[tokio::test]
async fn an_unknown_app_key_is_a_404_before_everything_else() {
    let world = World::new().await;
    for key in ["0a1b2c3d-0000-4000-8000-0123456789ab", "2", "x", "0a1b2c3d"] {
        let path = format!("/ExternalAccount/{key}");
        world.client().get(&path).await.refused(404, 404, "app_not_found");
        world.client().post(&format!("{path}/SignIn"), json!({})).await.refused(404, 404, "app_not_found");
    }
    let upper = at(&world.documented, "/SignIn").to_uppercase();
    let body = json!({"unionID": "o1", "platform": "wechat"});
    world.client().post(&upper, body).await.refused(401, 401, "invalid_credentials");
}

#[tokio::test]
async fn methods_come_in_any_letter_case_and_bodies_where_none_is_needed() {
    let world = World::new().await;
    let alice = alice(&world).await;
    let method = |name: &str| Method::from_bytes(name.as_bytes()).unwrap();
    let path = at(&world.documented, "");
    let json = Some("application/json");
    alice.send(method("post"), &path, json, account("o1").to_string().into_bytes()).await.data();
    alice.send(method("get"), &path, json, b"not json".to_vec()).await.data();
    let path = at(&world.documented, &format!("/{}", ids(&world, &alice).await[0]));
    alice.send(method("put"), &path, json, b"{}".to_vec()).await.data();
    alice.send(method("patch"), &path, json, b"{}".to_vec()).await.refused(405, 405, "method_not_allowed");
    alice.send(method("delete"), &path, Some("text/plain"), b"whatever".to_vec()).await.data();
}

#[tokio::test]
async fn a_user_who_is_gone_or_switched_off_changes_nothing() {
    let world = World::new().await;
    let alice = alice(&world).await;
    bind(&world, &alice, "o1").await.data();
    world.set_user(&world.documented, "alice", "status", json!({"S": "disabled"})).await;
    let before = world.snapshot().await;
    bind(&world, &alice, "o2").await.refused(401, 401, "invalid_token");
    sign_in(&world, "o1").await.refused(401, 401, "invalid_credentials");
    // RC-25: as the store sees it when the user is switched off after the token was read.
    let id = ExternalId {
        platform: shared::text::Platform::parse("wechat").unwrap(),
        union_id: shared::text::UnionId::parse("o3").unwrap(),
    };
    let user = shared::user::UserId::new(before_user(&world).await);
    let binding = shared::binding::Binding {
        id: shared::binding::BindingId::new(7),
        user_id: user,
        platform: "wechat".into(),
        platform_name: "x".into(),
        union_id: "o3".into(),
        avatar: None,
        data: None,
        enabled: true,
        version: 0,
        created_at: 0,
        updated_at: 0,
    };
    let store = world.env.store.app(world.documented.record.app_id);
    assert_eq!(store.bind(&id, &binding).await.unwrap(), shared::storage::Bound::UserGone);
    let nobody = shared::binding::Binding { user_id: shared::user::UserId::new(1), ..binding };
    assert_eq!(store.bind(&id, &nobody).await.unwrap(), shared::storage::Bound::UserGone);
    assert_eq!(world.snapshot().await, before);
}
