//! Authorization codes, their exchange, and consents.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::{join, join_all};
use http::Method;
use serde_json::{Value, json};
use shared::{
    app::AppId,
    consent::ConsentPlace,
    settings::{CodeExchange, Proof},
    storage::Table,
    user::UserId,
};
use tests::{Answer, World, engine::Fault};

const GRANT: &str = "/api/OAuth/2/GrantCode";
const AUTHORIZE: &str = "/api/OAuth/2/Authorize";
const CONSENTS: &str = "/api/OAuth/2/Consents";
const PROFILE: &str = "/api/AppUsers/2/Profile";
const PASSWORD: &str = "correct horse battery";
const CALLBACK: &str = "https://good.example/Path/cb?x=1";
/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).expect("as the service writes it");
    serde_json::from_slice(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("as the service writes it"),
    )
    .expect("as the service writes it")
}

/// What alice asks for, with these members set.
fn ask(members: &Value) -> Value {
    let mut body = json!({"grant_type": "account", "scopes": "openid", "userName": "alice", "password": PASSWORD});
    body.as_object_mut()
        .expect("as the service writes it")
        .extend(members.as_object().expect("as the service writes it").clone());
    body
}

/// A world in which alice is in both apps.
async fn world() -> World {
    let world = World::new().await;
    world.client().sign_up(2, "alice", PASSWORD).await;
    world.client().sign_up(3, "alice", PASSWORD).await;
    world.engine.take_calls();
    world
}

async fn code_at(world: &World, app: u32, members: Value) -> String {
    let answer = world.client().post(&format!("/api/OAuth/{app}/GrantCode"), ask(&members)).await;
    answer.data()["code"].as_str().expect("as the service writes it").to_owned()
}

async fn code(world: &World, members: Value) -> String {
    code_at(world, 2, members).await
}

async fn authorize(world: &World, code: &str) -> Answer {
    world.client().send(Method::POST, &format!("{AUTHORIZE}?scheme=app&code={code}"), None, Vec::new()).await
}

fn is_invalid_grant(answer: &Answer) {
    answer.refused(200, 400, "invalid_grant");
    assert_eq!(answer.body["err"], "授权码过期");
}

async fn plain_token(world: &World) -> String {
    world.client().post("/api/AppUsers/2/SignIn", json!({"userName": "alice", "pwd": PASSWORD})).await.token()
}

async fn consents(world: &World, token: &str) -> Vec<Value> {
    world.client().bearer(token).get(CONSENTS).await.data().as_array().expect("as the service writes it").clone()
}

/// What is kept of consents that were not taken back.
async fn given(world: &World) -> Vec<Value> {
    world.rows(Table::Consents).await.into_iter().filter(|row| row.get("expires").is_none()).collect()
}

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
    assert_ne!(self::claims(&again)["cid"], claims["cid"], "given again after it was taken back: a new one");
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

#[tokio::test]
async fn oa_14_codes_are_random_and_only_their_hash_is_kept() {
    let world = world().await;
    let identity = json!({"platform": "wx", "unionID": "o1"});
    world.client().post("/api/AppUsers/2/UnionIDSignUp", identity).await.token();
    let body = json!({"grant_type": "unionid", "scopes": "s", "platform": "wx", "unionId": "o1"});
    let mut codes = HashSet::new();
    for _ in 0..100 {
        let code = world.client().post(GRANT, body.clone()).await.data()["code"].as_str().unwrap().to_owned();
        assert!(code.len() == 32 && code.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{code}");
        codes.insert(code);
    }
    assert_eq!(codes.len(), 100);
    let dump = serde_json::to_string(&world.snapshot().await).unwrap();
    assert!(codes.iter().all(|code| !dump.contains(code)));
}

#[tokio::test]
async fn oa_16_a_second_use_revokes_what_the_first_gave_at_once_and_weeks_later() {
    let world = world().await;
    for pause in [0, 30, 3_600, 20 * 86_400] {
        let first = code(&world, json!({"expireInDays": 30})).await;
        let token = authorize(&world, &first).await.token();
        let other = code(&world, json!({"expireInDays": 30})).await;
        let other = authorize(&world, &other).await.token();
        world.wait(pause);
        world.client().bearer(&token).get(PROFILE).await.data();
        is_invalid_grant(&authorize(&world, &first).await);
        world.client().bearer(&token).get(PROFILE).await.refused(401, 401, "invalid_token");
        world.client().bearer(&other).get(PROFILE).await.data();
        assert_eq!(consents(&world, &other).await.len(), 1, "the consent stays");
    }
}

#[tokio::test]
async fn a_client_that_uses_every_code_twice_loses_its_consent_in_the_end() {
    let world = world().await;
    let mut ids = HashSet::new();
    for _ in 0..52 {
        let code = code(&world, json!({})).await;
        ids.insert(claims(&authorize(&world, &code).await.token())["cid"].clone());
        is_invalid_grant(&authorize(&world, &code).await);
        is_invalid_grant(&authorize(&world, &code).await);
    }
    assert_eq!(ids.len(), 2, "the fifty-first replay withdrew the first one");
    assert_eq!(consents(&world, &plain_token(&world).await).await.len(), 1);
}

#[tokio::test]
async fn oa_17_a_code_is_good_in_its_own_app_only_and_stays_good_there() {
    let world = world().await;
    let code = code(&world, json!({})).await;
    let before = world.snapshot().await;
    let elsewhere =
        world.client().send(Method::POST, &format!("/api/OAuth/3/Authorize?code={code}"), None, vec![]).await;
    is_invalid_grant(&elsewhere);
    assert_eq!(world.snapshot().await, before);
    authorize(&world, &code).await.token();
}

#[tokio::test]
async fn oa_19_a_challenge_and_its_verifier_need_each_other_under_either_setting() {
    let world = world().await;
    let challenge = json!({"code_challenge": CHALLENGE, "code_challenge_method": "S256"});
    for exchange in [CodeExchange::Open, CodeExchange::Pkce] {
        world.change_app(&world.documented, |app| app.settings.code_exchange = exchange).await;
        let cases = [
            (&challenge, json!({}), false),
            (&challenge, json!({"code_verifier": "x".repeat(43)}), false),
            (&challenge, json!({"code_verifier": CHALLENGE}), false),
            (&json!({}), json!({"code_verifier": VERIFIER}), false),
            (&challenge, json!({"code_verifier": VERIFIER}), true),
        ];
        for (asked, sent, is_good) in cases {
            let code = code(&world, asked.clone()).await;
            let mut sent = sent;
            sent["code"] = json!(code);
            let answer = world.client().post(AUTHORIZE, sent).await;
            if is_good {
                answer.token();
            } else {
                is_invalid_grant(&answer);
                let right = json!({"code": code, "code_verifier": VERIFIER});
                is_invalid_grant(&world.client().post(AUTHORIZE, right).await);
                is_invalid_grant(&authorize(&world, &code).await);
            }
        }
    }
}

#[tokio::test]
async fn oa_22_a_code_from_a_browser_needs_its_verifier_or_the_apps_secret() {
    let world = world().await;
    world.change_app(&world.strict, |app| app.redirect_uris = vec![CALLBACK.to_owned()]).await;
    let path = "/api/OAuth/3/Authorize";
    let code = code_at(&world, 3, json!({"redirect_uri": CALLBACK})).await;
    let body = json!({"code": code});
    let before = world.snapshot().await;
    world.client().post(path, body.clone()).await.refused(200, 403, "app_secret_required");
    let wrong = world.client().with("x-app-secret", world.documented.secret.expose());
    wrong.post(path, body.clone()).await.refused(200, 403, "app_secret_required");
    let in_query = format!("{path}?x-app-secret={}", world.strict.secret.expose());
    world.client().post(&in_query, body.clone()).await.refused(200, 403, "app_secret_required");
    assert_eq!(world.snapshot().await, before, "whoever may not exchange the code cannot spend it");
    let server = world.client().with("x-app-secret", world.strict.secret.expose());
    server.post(path, body).await.token();
    let challenged = json!({"redirect_uri": CALLBACK, "code_challenge": CHALLENGE, "code_challenge_method": "S256"});
    let code = code_at(&world, 3, challenged).await;
    world.client().post(path, json!({"code": code, "code_verifier": VERIFIER})).await.token();
    let direct = code_at(&world, 3, json!({})).await;
    world.client().post(path, json!({"code": direct})).await.token();
}

#[tokio::test]
async fn oa_23_what_is_not_exactly_the_code_is_unknown() {
    let world = world().await;
    let code = code(&world, json!({})).await;
    let before = world.snapshot().await;
    for wrong in [&code[..31], &format!("{code}0"), &code.to_uppercase(), &format!("%20{code}"), "x", &"0".repeat(32)] {
        if wrong != code {
            is_invalid_grant(&authorize(&world, wrong).await);
        }
    }
    // The query and the body must not disagree, and neither of them is spent.
    let other = self::code(&world, json!({})).await;
    let both = world.client().post(&format!("{AUTHORIZE}?code={code}"), json!({"code": other})).await;
    is_invalid_grant(&both);
    assert_eq!(world.snapshot().await.len(), before.len() + 1);
    world.client().post(&format!("/api/oauth/2/authorize?code={code}"), json!({"code": code})).await.token();
    world.client().post(AUTHORIZE, json!({"Code": other})).await.token();
}

#[tokio::test]
async fn oa_25_one_address_guesses_a_hundred_codes_an_hour_and_the_apps_own_server_is_no_guesser() {
    let tally = tests::Tally::of("OA-25");
    let world = world().await;
    let granted = code(&world, json!({})).await;
    for n in 0..1_000_u64 {
        let answer = authorize(&world, &format!("{n:032x}")).await;
        if n < 100 {
            is_invalid_grant(&answer);
        } else {
            answer.refused(200, 429, "throttled");
            assert_eq!(answer.header("retry-after"), "3600");
        }
        tally.count();
    }
    // Even the right one waits now, and is not spent by it. The app's own server asks for all of its users.
    authorize(&world, &granted).await.refused(200, 429, "throttled");
    let server = world.client().with("x-app-secret", world.documented.secret.expose());
    is_invalid_grant(&server.post(&format!("{AUTHORIZE}?code={:032x}", 1), json!({})).await);
    server.post(&format!("{AUTHORIZE}?code={granted}"), json!({})).await.token();
    world.wait(3_600);
    is_invalid_grant(&authorize(&world, &granted).await);
}

#[tokio::test]
async fn a_code_lives_two_minutes() {
    let world = world().await;
    let (late, early) = (code(&world, json!({})).await, code(&world, json!({})).await);
    world.wait(119);
    authorize(&world, &early).await.token();
    world.wait(1);
    is_invalid_grant(&authorize(&world, &late).await);
}

#[tokio::test]
async fn an_exchange_takes_a_body_or_none() {
    let world = world().await;
    let code = code(&world, json!({})).await;
    let path = format!("{AUTHORIZE}?code={code}");
    let send = |media_type: &'static str, body: &'static str| {
        let client = world.client();
        let path = path.clone();
        async move { client.send(Method::POST, &path, Some(media_type), body.as_bytes().to_vec()).await }
    };
    send("text/plain", "{}").await.refused(415, 415, "unsupported_media_type");
    for body in [" ", "[]", "null", "{", r#"{"code":1}"#, r#"{"code_verifier":["x"]}"#] {
        send("application/json", body).await.refused(400, 400, "invalid_request");
    }
    send("text/plain", "").await.token();
}

#[tokio::test]
async fn rp_05_a_code_of_a_user_who_was_disabled_or_reset_is_void() {
    let world = world().await;
    for change in ["SET #it = :new", "SET tokenVersion = :new"] {
        let code = code(&world, json!({})).await;
        let token = plain_token(&world).await;
        let user = claims(&token)["nameid"].as_str().unwrap().to_owned();
        let is_status = change.contains("#it");
        let value =
            |text: &str| if is_status { AttributeValue::S(text.to_owned()) } else { AttributeValue::N("7".to_owned()) };
        let set = |text: &'static str| {
            let call = world.engine.client().update_item().table_name("test-Users").update_expression(change);
            let call = if is_status { call.expression_attribute_names("#it", "status") } else { call };
            call.key("pk", AttributeValue::S(format!("2#user#{user}")))
                .expression_attribute_values(":new", value(text))
                .send()
        };
        set("disabled").await.unwrap();
        is_invalid_grant(&authorize(&world, &code).await);
        assert!(world.rows(Table::Consents).await.is_empty());
        set("active").await.unwrap();
    }
}

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
