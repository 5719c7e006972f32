//! What an app may ask for, of whom, and where the code goes.

use http::Method;
use serde_json::{Value, json};
use shared::storage::Table;

use tests::claims;

use super::{
    AUTHORIZE, CALLBACK, CHALLENGE, CONSENTS, GRANT, PROFILE, ask, authorize, code, code_at, consents,
    is_invalid_grant, plain_token, world,
};

#[tokio::test]
async fn oa_29_a_grant_becomes_a_token_and_a_consent_and_the_token_ends_with_the_consent() {
    let world = world().await;
    let granted = world
        .client()
        .post(
            &format!("{GRANT}?scheme=app"),
            ask(&json!({"scopes": "openid,profile", "redirect_uri": CALLBACK, "expireInDays": "7"})),
        )
        .await;
    assert_eq!(granted.data()["expires_in"], 120);
    world.wait(10);
    let answer = authorize(&world, granted.data()["code"].as_str().unwrap()).await;
    assert_eq!((&answer.data()["token_type"], &answer.data()["expires_in"]), (&json!("Bearer"), &json!(7 * 86_400)));
    let token = answer.token();
    let claims = claims(&token);
    assert_eq!(claims["scope"], "openid,profile");
    assert_eq!(claims["grant_type"], "account");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 7 * 86_400);
    assert_eq!(claims["gid"].as_str().unwrap().len(), 32);

    let consent = &consents(&world, &token).await[0];
    assert_eq!(
        *consent,
        json!({
            "id": claims["cid"].as_str().unwrap().parse::<u64>().unwrap(),
            "createDate": "2026-03-01 12:00:10", "lastUpdate": "2026-03-01 12:00:10",
            "grantType": "account", "redirectUri": CALLBACK, "remark": null, "scopes": "openid,profile",
        })
    );
    let plain = plain_token(&world).await;
    let deleted = world.client().bearer(&plain).delete(&format!("{CONSENTS}/{}", consent["id"])).await;
    assert_eq!(deleted.data(), true);
    let refused = world.client().bearer(&token).get(PROFILE).await;
    refused.refused(401, 401, "invalid_token");
    assert_eq!(refused.header("www-authenticate"), "Bearer");
    world.client().bearer(&plain).get(PROFILE).await.data();
    assert_eq!(consents(&world, &plain).await, [] as [Value; 0]);

    let again = code(&world, json!({"scopes": "openid,profile", "redirect_uri": CALLBACK})).await;
    let again = authorize(&world, &again).await.token();
    assert_ne!(tests::claims(&again)["cid"], claims["cid"], "given again after it was taken back: a new one");
    world.client().bearer(&again).get(PROFILE).await.data();
    world.client().bearer(&token).get(PROFILE).await.refused(401, 401, "invalid_token");
}

#[tokio::test]
async fn oa_01_no_mutation_of_a_registered_redirect_uri_is_taken() {
    let world = world().await;
    world.change_app(&world.documented, |app| app.redirect_uris = vec![CALLBACK.to_owned()]).await;
    let before = world.snapshot().await;
    let mutations = [
        "https://good.example/path/cb?x=1",
        "https://good.example/Path/CB?x=1",
        "https://good.example/Path/cb/?x=1",
        "https://good.example/Path/cb",
        "https://good.example/Path/cb?",
        "https://good.example/Path/cb?x=1/",
        "https://good.example/Path/cb?x=1&y=2",
        "https://good.example/Path/cb?x=1#",
        "https://good.example/Path/cb?x=1#f",
        "https://good.example/Path/cb?x=%31",
        "https://good.example/Path/cb?X=1",
        "https://good.example/Path/../Path/cb?x=1",
        "https://good.example/Path/./cb?x=1",
        "https://good.example//Path/cb?x=1",
        "https://good.example/Path/%2f../cb?x=1",
        "https://good.example/Path/..;/cb?x=1",
        "https://good.example/Path/c%62?x=1",
        "https://good.example/Path/c%2562?x=1",
        "https://good.example:443/Path/cb?x=1",
        "https://good.example:8443/Path/cb?x=1",
        "https://good.example./Path/cb?x=1",
        "https://GOOD.example/Path/cb?x=1",
        "HTTPS://good.example/Path/cb?x=1",
        "http://good.example/Path/cb?x=1",
        "https://good.example@evil.example/Path/cb?x=1",
        "https://evil.example@good.example/Path/cb?x=1",
        "https://good.example.evil.com/Path/cb?x=1",
        "https://evilgood.example/Path/cb?x=1",
        "https://sub.good.example/Path/cb?x=1",
        "https://evil.example/?https://good.example/Path/cb?x=1",
        "https://evil.example#https://good.example/Path/cb?x=1",
        "https://evil.example\\@good.example/Path/cb?x=1",
        "//good.example/Path/cb?x=1",
        "//evil.example",
        "\\\\evil.example",
        "/Path/cb?x=1",
        "good.example/Path/cb?x=1",
        "https://localhost:80@evil.example/",
        "http://localhost/",
        "https://gооd.example/Path/cb?x=1",
        "https://xn--gd-jbca.example/Path/cb?x=1",
        "javascript:alert(1)",
        "data:text/html,x",
        "myapp://good.example/Path/cb?x=1",
        "https://*.example/Path/cb?x=1",
        "*",
        " https://good.example/Path/cb?x=1",
        "https://good.example/Path/cb?x=1 ",
        "https://good.example/Path/cb?x=1\u{200b}",
    ];
    for uri in mutations {
        let answer = world.client().post(GRANT, ask(&json!({"redirect_uri": uri}))).await;
        answer.refused(200, 400, "redirect_uri_not_allowed");
        assert_eq!(answer.body["err"], "回调地址不在白名单内", "{uri}");
    }
    let long = format!("{CALLBACK}{}", "a".repeat(4_096));
    let malformed = [
        json!("https://good.example/Path/cb?x=1\t"),
        json!("https://good.example/Path/cb?x=1\n"),
        json!("https://good.example/Path/cb?x=1\u{0}"),
        json!([CALLBACK]),
        json!({"uri": CALLBACK}),
        json!(1),
        json!(long),
    ];
    for uri in malformed {
        let answer = world.client().post(GRANT, ask(&json!({"redirect_uri": uri}))).await;
        answer.refused(400, 400, "invalid_request");
    }
    assert_eq!(world.snapshot().await, before, "no code, no charged password");
    code(&world, json!({"redirect_uri": CALLBACK})).await;
}

#[tokio::test]
async fn oa_02_an_empty_list_allows_nothing_or_any_absolute_uri_and_none_is_always_allowed() {
    let world = world().await;
    for redirect_uri in [json!(""), json!(null)] {
        code_at(&world, 3, json!({"redirect_uri": redirect_uri})).await;
    }
    let strict = world.client().post("/api/OAuth/3/GrantCode", ask(&json!({"redirect_uri": CALLBACK}))).await;
    strict.refused(200, 400, "redirect_uri_not_allowed");
    for uri in [CALLBACK, "http://localhost:5173/#/login", "myapp://cb"] {
        code(&world, json!({"redirect_uri": uri})).await;
    }
    for uri in ["/cb", "cb", "//evil.example/", "javascript:alert(1)", "data:text/html,x", "https://a@b/"] {
        let answer = world.client().post(GRANT, ask(&json!({"redirect_uri": uri}))).await;
        answer.refused(200, 400, "redirect_uri_not_allowed");
    }
    // A list that is not empty decides alone.
    world.change_app(&world.documented, |app| app.redirect_uris = vec!["myapp://cb".to_owned()]).await;
    let other = world.client().post(GRANT, ask(&json!({"redirect_uri": CALLBACK}))).await;
    other.refused(200, 400, "redirect_uri_not_allowed");
}

#[tokio::test]
async fn oa_04_a_redirect_uri_at_the_exchange_is_the_granted_one_or_spends_the_code() {
    let world = world().await;
    for (granted, sent) in [(CALLBACK, "https://evil.example/"), ("", CALLBACK)] {
        let code = code(&world, json!({"redirect_uri": granted})).await;
        let body = json!({"code": code, "redirect_uri": sent});
        is_invalid_grant(&world.client().post(AUTHORIZE, body).await);
        is_invalid_grant(&authorize(&world, &code).await);
    }
    assert!(world.rows(Table::Consents).await.is_empty());
    let code = code(&world, json!({"redirect_uri": CALLBACK})).await;
    world.client().post(AUTHORIZE, json!({"code": code, "redirect_uri": CALLBACK})).await.token();
}

#[tokio::test]
async fn oa_05_a_bare_union_id_is_worth_what_the_app_says() {
    let world = world().await;
    let identity = json!({"platform": "wx", "unionID": "o1"});
    world.client().post("/api/AppUsers/2/UnionIDSignUp", identity.clone()).await.token();
    let server = world.client().with("x-app-secret", world.strict.secret.expose());
    server.post("/api/AppUsers/3/UnionIDSignUp", identity).await.token();
    let body = json!({"grant_type": "unionid", "scopes": "s", "platform": "wx", "unionId": "o1"});
    let code = world.client().post(GRANT, body.clone()).await.data()["code"].as_str().unwrap().to_owned();
    let token = claims(&authorize(&world, &code).await.token());
    assert_eq!((&token["grant_type"], &token["unionid"]), (&json!("unionid"), &json!("o1")));
    let before = world.snapshot().await;
    world.client().post("/api/OAuth/3/GrantCode", body.clone()).await.refused(200, 403, "app_secret_required");
    let unknown = json!({"grant_type": "unionid", "scopes": "s", "platform": "wx", "unionId": "o2"});
    world.client().post(GRANT, unknown).await.refused(200, 404, "user_not_found");
    assert_eq!(world.snapshot().await, before);
    server.post("/api/OAuth/3/GrantCode", body).await.data();
}

#[tokio::test]
async fn si_08_phones_and_mailboxes_that_were_proven_sign_in_and_share_the_users_budget() {
    let world = world().await;
    let user = claims(&plain_token(&world).await)["nameid"].as_str().unwrap().to_owned();
    let holder = |key: &str| json!({"pk": {"S": key}, "userId": {"N": user}});
    world.engine.import("test-Users", [holder("2#phone#+8613800138000"), holder("2#email#alice@example.com")]);
    for (grant_type, name) in
        [("phone", "13800138000"), ("phone", "+8613800138000"), ("email", "Alice@Example.com"), ("account", "ALICE")]
    {
        let code = code(&world, json!({"grant_type": grant_type, "userName": name})).await;
        let token = claims(&authorize(&world, &code).await.token());
        assert_eq!((&token["grant_type"], &token["nameid"]), (&json!(grant_type), &json!(user)), "{name}");
    }
    for (grant_type, name) in [("phone", "13900139000"), ("email", "bob@example.com"), ("account", "alice@example.com")]
    {
        let answer = world.client().post(GRANT, ask(&json!({"grant_type": grant_type, "userName": name}))).await;
        answer.refused(200, 401, "invalid_credentials");
    }
    let wrong = |grant_type: &str, name: &str| {
        let body = ask(&json!({"grant_type": grant_type, "userName": name, "password": "wrong horse battery"}));
        let client = world.client();
        async move { client.post(GRANT, body).await }
    };
    for (grant_type, name) in [("phone", "13800138000"), ("email", "alice@example.com"), ("account", "alice")] {
        wrong(grant_type, name).await.refused(200, 401, "invalid_credentials");
    }
    for _ in 0..2 {
        wrong("phone", "13800138000").await.refused(200, 401, "invalid_credentials");
    }
    wrong("account", "alice").await.refused(200, 429, "throttled");
}

#[tokio::test]
async fn oa_10_oa_11_oa_20_what_the_request_alone_shows_is_a_bad_request() {
    let world = world().await;
    let before = world.snapshot().await;
    for query in ["scheme=web", "scheme=APP", "scheme=app&scheme=app", "scheme=%ff"] {
        let answer = world.client().post(&format!("{GRANT}?{query}"), ask(&json!({}))).await;
        answer.refused(400, 400, "invalid_request");
        let answer = world.client().send(Method::POST, &format!("{AUTHORIZE}?{query}&code=x"), None, vec![]).await;
        answer.refused(400, 400, "invalid_request");
    }
    for members in [
        json!({"scopes": ""}),
        json!({"scopes": null}),
        json!({"scopes": "a".repeat(201)}),
        json!({"scopes": "a\nb"}),
        json!({"scopes": ["openid"]}),
        json!({"grant_type": "password"}),
        json!({"grant_type": ""}),
        json!({"grant_type": "Account"}),
        json!({"userName": ""}),
        json!({"password": true}),
        json!({"password": "a", "pwd": "b"}),
        json!({"expireInDays": 0}),
        json!({"expireInDays": 100}),
        json!({"expireInDays": "01"}),
        json!({"expireInDays": 1.5}),
        json!({"code_challenge": CHALLENGE}),
        json!({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}),
        json!({"code_challenge": CHALLENGE, "code_challenge_method": "s256"}),
        json!({"code_challenge": "short", "code_challenge_method": "S256"}),
        json!({"code_challenge_method": "S256"}),
        json!({"code_challenge_method": "plain"}),
    ] {
        world.client().post(GRANT, ask(&members)).await.refused(400, 400, "invalid_request");
    }
    for query in ["", "?code=", "?code=undefined", "?code=null"] {
        let answer = world.client().send(Method::POST, &format!("{AUTHORIZE}{query}"), None, vec![]).await;
        answer.refused(400, 400, "invalid_request");
    }
    assert_eq!(world.snapshot().await, before);
}
