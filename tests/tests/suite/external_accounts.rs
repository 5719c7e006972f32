//! External accounts: bound, listed, changed, unbound, and signing in by them.

use std::collections::HashMap;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use shared::{storage::Table, text::ExternalId};
use tests::{Answer, AppHandle, Client, World};

const PASSWORD: &str = "correct horse battery";

/// A path of the demo app.
fn at(app: &AppHandle, rest: &str) -> String {
    format!("/ExternalAccount/{}{rest}", app.record.app_key.as_str())
}

/// The payload of a token, unverified.
fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn account(union_id: &str) -> Value {
    json!({"unionID": union_id, "platform": "wechat", "platformName": "微信"})
}

/// A user of the documented app with a password, ready to call.
async fn alice(world: &World) -> Client {
    let token = world.client().sign_up(2, "alice", PASSWORD).await;
    world.client().bearer(&token)
}

/// A user of the documented app who has nothing but what they bind.
async fn passwordless(world: &World, union_id: &str) -> Client {
    world.change_app(&world.documented, |app| app.settings.default_password = None).await;
    let identity = json!({"platform": "wx", "unionID": union_id});
    let token = world.client().post("/api/AppUsers/2/UnionIDSignUp", identity).await.token();
    world.client().bearer(&token)
}

async fn bind(world: &World, client: &Client, union_id: &str) -> Answer {
    client.post(&at(&world.documented, ""), account(union_id)).await
}

async fn sign_in(world: &World, union_id: &str) -> Answer {
    let body = json!({"unionID": union_id, "platform": "wechat"});
    world.client().post(&at(&world.documented, "/SignIn"), body).await
}

async fn list(world: &World, client: &Client) -> Vec<Value> {
    client.get(&at(&world.documented, "")).await.data().as_array().unwrap().clone()
}

async fn ids(world: &World, client: &Client) -> Vec<u64> {
    list(world, client).await.iter().map(|it| it["id"].as_u64().unwrap()).collect()
}

async fn codes(answers: impl IntoIterator<Item = impl Future<Output = Answer>>) -> HashMap<(u16, String), usize> {
    let mut counts = HashMap::new();
    for answer in join_all(answers).await {
        assert_eq!(i64::from(answer.status.as_u16()), answer.code(), "{}", answer.text);
        *counts.entry((answer.status.as_u16(), answer.reason().to_owned())).or_default() += 1;
    }
    counts
}

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

async fn before_user(world: &World) -> u64 {
    let rows = world.rows(Table::Bindings).await;
    rows[0]["userId"]["N"].as_str().unwrap().parse().unwrap()
}

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
