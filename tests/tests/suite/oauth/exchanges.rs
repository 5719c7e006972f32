//! What a code is good for: once, in its app, for whoever has its verifier.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use serde_json::json;
use shared::{settings::CodeExchange, storage::Table};

use tests::claims;

use super::{
    AUTHORIZE, CALLBACK, CHALLENGE, GRANT, PROFILE, VERIFIER, authorize, code, code_at, consents, is_invalid_grant,
    plain_token, world,
};

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
