//! A user's bindings: how many, which, and the last way to sign in.

use http::Method;
use serde_json::{Value, json};
use shared::text::ExternalId;
use tests::{World, claims};

use super::{PASSWORD, account, alice, at, bind, ids, list, passwordless, sign_in};

#[tokio::test]
async fn an_account_is_bound_listed_disabled_enabled_and_unbound() {
    let world = World::new().await;
    let alice = alice(&world).await;
    let me = claims(
        &world.client().post("/api/AppUsers/2/SignIn", json!({"userName": "alice", "pwd": PASSWORD})).await.token(),
    );
    let bound = alice
        .post(
            &at(&world.documented, ""),
            json!({"UnionID": "o-1_x", "platform": "wechat", "platformName": "微信", "avatar": "https://x.example/a.png"}),
        )
        .await;
    assert_eq!(bound.body, json!({"code": 200, "data": true, "error": ""}));
    world.wait(1);
    bind(&world, &alice, "second").await.data();

    let accounts = list(&world, &alice).await;
    let id = accounts[0]["id"].as_u64().unwrap();
    assert_eq!(
        accounts[0],
        json!({
            "id": id,
            "userID": me["nameid"].as_str().unwrap().parse::<u64>().unwrap(),
            "platformName": "微信",
            "platform": "wechat",
            "unionID": "o-1_x",
            "avatar": "https://x.example/a.png",
            "data": null,
            "enable": true,
            "createDate": "2026-03-01T12:00:00+08:00",
            "lastUpdate": "2026-03-01T12:00:00+08:00",
        })
    );
    assert!((1..1 << 53).contains(&id));
    assert_eq!(accounts[1]["unionID"], "second");
    assert_eq!(accounts[1]["avatar"], Value::Null);

    let token = claims(&sign_in(&world, "o-1_x").await.token());
    assert_eq!((&token["nameid"], &token["grant_type"]), (&me["nameid"], &json!("external")));

    let path = at(&world.documented, &format!("/{id}"));
    assert_eq!(alice.put(&path, json!({"enable": false})).await.body, json!({"code": 200, "data": true, "error": ""}));
    sign_in(&world, "o-1_x").await.refused(401, 401, "invalid_credentials");
    assert_eq!(list(&world, &alice).await[0]["enable"], false);
    alice.put(&path, json!({"enable": true})).await.data();
    sign_in(&world, "o-1_x").await.token();

    assert_eq!(alice.delete(&path).await.body, json!({"code": 200, "data": true, "error": ""}));
    sign_in(&world, "o-1_x").await.refused(401, 401, "invalid_credentials");
    alice.delete(&path).await.refused(404, 404, "not_found");
    assert_eq!(list(&world, &alice).await.len(), 1);
    // What was let go can be bound again, by anybody.
    let bob = world.client().bearer(&world.client().sign_up(2, "bob", PASSWORD).await);
    bind(&world, &bob, "o-1_x").await.data();
}

#[tokio::test]
async fn a_token_whose_consent_was_deleted_reaches_neither_accounts_nor_the_second_factor() {
    let world = World::new().await;
    let alice = alice(&world).await;
    let grant = json!({"grant_type": "account", "scopes": "openid", "userName": "alice", "password": PASSWORD});
    let code = world.client().post("/api/OAuth/2/GrantCode", grant).await.data()["code"].as_str().unwrap().to_owned();
    let exchange = format!("/api/OAuth/2/Authorize?scheme=app&code={code}");
    let token = world.client().send(Method::POST, &exchange, None, Vec::new()).await.token();
    let delegate = world.client().bearer(&token);
    let setup = at(&world.documented, "/TwoFactorAuth").replace("/ExternalAccount/", "/User/");
    delegate.get(&at(&world.documented, "")).await.data();
    delegate.get(&setup).await.data();
    let consents = alice.get("/api/OAuth/2/Consents").await;
    let consent = &consents.data()[0]["id"];
    alice.delete(&format!("/api/OAuth/2/Consents/{consent}")).await.data();
    delegate.get(&at(&world.documented, "")).await.refused(401, 401, "invalid_token");
    delegate.get(&setup).await.refused(401, 401, "invalid_token");
}

#[tokio::test]
async fn an_empty_list_is_an_array() {
    let world = World::new().await;
    let alice = alice(&world).await;
    assert_eq!(alice.get(&at(&world.documented, "")).await.text, r#"{"code":200,"data":[],"error":""}"#);
}

#[tokio::test]
async fn ex_08_a_change_sets_avatar_data_and_enable_only() {
    let world = World::new().await;
    let alice = alice(&world).await;
    bind(&world, &alice, "o1").await.data();
    let before = list(&world, &alice).await[0].clone();
    let path = at(&world.documented, &format!("/{}", before["id"]));
    world.wait(5);
    let change = json!({
        "platform": "x", "unionID": "x", "userID": 1, "appID": 1, "id": 1, "platformName": "x",
        "avatar": "https://x.example/b.png", "data": "{\"a\":\"\\u0007\"}",
    });
    alice.put(&path, change.clone()).await.data();
    let mut expected = before;
    expected["avatar"] = change["avatar"].clone();
    expected["data"] = change["data"].clone();
    expected["lastUpdate"] = json!("2026-03-01T12:00:05+08:00");
    assert_eq!(list(&world, &alice).await, [expected.clone()]);
    // Absent, null and "" change nothing, but that somebody was here.
    world.wait(5);
    for nothing in [json!({}), json!({"avatar": null, "data": "", "enable": null}), json!({"avatar": ""})] {
        alice.put(&path, nothing).await.data();
    }
    expected["lastUpdate"] = json!("2026-03-01T12:00:10+08:00");
    assert_eq!(list(&world, &alice).await, [expected]);
}

#[tokio::test]
async fn ex_11_the_last_way_to_sign_in_stays() {
    let world = World::new().await;
    let alice = passwordless(&world, "own").await;
    bind(&world, &alice, "o1").await.data();
    let id = ids(&world, &alice).await[0];
    let path = at(&world.documented, &format!("/{id}"));
    // The own union id is a way.
    alice.put(&path, json!({"enable": false})).await.data();
    alice.put(&path, json!({"enable": true})).await.data();

    // A password is one while the app takes passwords.
    let bob = world.client().bearer(&world.client().sign_up(2, "bob", PASSWORD).await);
    world.change_app(&world.documented, |app| app.settings.password_sign_in_enabled = false).await;
    bind(&world, &bob, "b1").await.data();
    // Bound, but no way in: the pattern of the sign-in would refuse it.
    let odd = json!({"unionID": "b 2", "platform": "wechat", "platformName": "x"});
    bob.post(&at(&world.documented, ""), odd).await.data();
    let accounts = list(&world, &bob).await;
    let of = |union_id: &str| {
        let found = accounts.iter().find(|it| it["unionID"] == union_id).unwrap();
        at(&world.documented, &format!("/{}", found["id"]))
    };
    let before = world.snapshot().await;
    bob.put(&of("b1"), json!({"enable": false, "data": "x"})).await.refused(409, 409, "last_sign_in_method");
    bob.delete(&of("b1")).await.refused(409, 409, "last_sign_in_method");
    assert_eq!(world.snapshot().await, before);
    bob.put(&of("b 2"), json!({"enable": false})).await.data();
    bob.delete(&of("b 2")).await.data();
    world.wait(1);
    bind(&world, &bob, "b3").await.data();
    bob.put(&of("b1"), json!({"enable": false})).await.data();
    let last = at(&world.documented, &format!("/{}", ids(&world, &bob).await[1]));
    bob.delete(&last).await.refused(409, 409, "last_sign_in_method");
    // A disabled one is no way, so that nothing is lost with it.
    bob.delete(&of("b1")).await.data();
    bob.delete(&last).await.refused(409, 409, "last_sign_in_method");
    world.change_app(&world.documented, |app| app.settings.password_sign_in_enabled = true).await;
    bob.delete(&last).await.data();
}

#[tokio::test]
async fn ex_14_twenty_bindings_are_enough() {
    let world = World::new().await;
    let alice = alice(&world).await;
    for n in 0..20 {
        bind(&world, &alice, &format!("o{n}")).await.data();
    }
    let before = world.snapshot().await;
    bind(&world, &alice, "o20").await.refused(409, 409, "binding_limit");
    assert_eq!(world.snapshot().await, before);
    // What is held already stays a success, what another one holds is taken.
    bind(&world, &alice, "o7").await.data();
    let bob = world.client().bearer(&world.client().sign_up(2, "bob", PASSWORD).await);
    bind(&world, &bob, "b1").await.data();
    bind(&world, &alice, "b1").await.refused(409, 409, "external_account_taken");
    let id = ids(&world, &alice).await[3];
    alice.delete(&at(&world.documented, &format!("/{id}"))).await.data();
    bind(&world, &alice, "o20").await.data();
    bind(&world, &alice, "o21").await.refused(409, 409, "binding_limit");
}

#[tokio::test]
async fn ex_17_binding_what_one_holds_changes_nothing() {
    let world = World::new().await;
    let alice = passwordless(&world, "own").await;
    bind(&world, &alice, "o1").await.data();
    let id = ids(&world, &alice).await[0];
    alice.put(&at(&world.documented, &format!("/{id}")), json!({"enable": false})).await.data();
    let before = world.snapshot().await;
    let again = json!({"unionID": "o1", "platform": "wechat", "platformName": "other", "data": "x"});
    alice.post(&at(&world.documented, ""), again).await.data();
    // One's own identity is held, too.
    let own = json!({"unionID": "own", "platform": "wx", "platformName": "x"});
    alice.post(&at(&world.documented, ""), own).await.data();
    assert_eq!(world.snapshot().await, before);
    let bob = world.client().bearer(&world.client().sign_up(2, "bob", PASSWORD).await);
    for taken in [account("o1"), json!({"unionID": "own", "platform": "wx", "platformName": "x"})] {
        let refused = bob.post(&at(&world.documented, ""), taken).await;
        refused.refused(409, 409, "external_account_taken");
    }
}

#[tokio::test]
async fn one_namespace_serves_union_ids_and_bindings() {
    let world = World::new().await;
    let alice = passwordless(&world, "own").await;
    bind(&world, &alice, "o1").await.data();
    let me = list(&world, &alice).await[0]["userID"].to_string();
    let of = |platform: &str, id: &str| json!({"platform": platform, "unionID": id});
    let client = world.client();
    // A binding signs in by union id, an own identity as an external account.
    let token = client.post("/api/AppUsers/2/UnionIDSignIn", of("wechat", "o1")).await.token();
    assert_eq!((&claims(&token)["nameid"], &claims(&token)["grant_type"]), (&json!(me), &json!("unionid")));
    let token = client.post(&at(&world.documented, "/SignIn"), of("wx", "own")).await.token();
    assert_eq!((&claims(&token)["nameid"], &claims(&token)["grant_type"]), (&json!(me), &json!("external")));
    // Signing up with a held pair is refused, bound or own, enabled or not.
    let id = ids(&world, &alice).await[0];
    for enable in [true, false] {
        alice.put(&at(&world.documented, &format!("/{id}")), json!({"enable": enable})).await.data();
        let refused = client.post("/api/AppUsers/2/UnionIDSignUp", of("wechat", "o1")).await;
        refused.refused(200, 409, "account_exists");
    }
    // Disabled, it finds nobody.
    client.post("/api/AppUsers/2/UnionIDSignIn", of("wechat", "o1")).await.refused(200, 404, "user_not_found");
    let identity: Option<shared::user::UserId> = world
        .env
        .store
        .app(world.documented.record.app_id)
        .find_external_id(&ExternalId {
            platform: shared::text::Platform::parse("wechat").unwrap(),
            union_id: shared::text::UnionId::parse("o1").unwrap(),
        })
        .await
        .unwrap();
    assert_eq!(identity, None);
    // Unbound, it is free for a sign-up.
    alice.delete(&at(&world.documented, &format!("/{id}"))).await.data();
    client.post("/api/AppUsers/2/UnionIDSignUp", of("wechat", "o1")).await.token();
}
