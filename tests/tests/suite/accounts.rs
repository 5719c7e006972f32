//! Signing up and signing in.

use serde_json::json;
use shared::storage::Table;
use tests::{World, claims};

const SIGN_UP: &str = "/api/AppUsers/2/SignUp";
const SIGN_IN: &str = "/api/AppUsers/2/SignIn";
const UNION_SIGN_UP: &str = "/api/AppUsers/2/UnionIDSignUp";
const UNION_SIGN_IN: &str = "/api/AppUsers/2/UnionIDSignIn";
const PASSWORD: &str = "correct horse battery";

#[tokio::test]
async fn a_sign_up_answers_with_a_token_and_the_password_signs_in() {
    let world = World::new().await;
    let client = world.client();
    let answer = client.post(SIGN_UP, json!({"userName": "Alice", "pwd": PASSWORD})).await;
    assert_eq!(answer.data()["token_type"], "Bearer");
    assert_eq!(answer.data()["expires_in"], 86_400);
    assert_eq!(answer.body["err"], "");
    let first = claims(&answer.token());
    let again = client.post(SIGN_IN, json!({"USERNAME": "alice", "Password": PASSWORD})).await;
    assert_eq!(claims(&again.token())["nameid"], first["nameid"]);
}

#[tokio::test]
async fn a_token_has_the_claims_that_clients_read() {
    let world = World::new().await;
    let claims = claims(&world.client().sign_up(2, "Alice", PASSWORD).await);
    let mut names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "appid",
            "aud",
            "email",
            "exp",
            "given_name",
            "grant_type",
            "groupsid",
            "iat",
            "iss",
            "jti",
            "mobile",
            "nameid",
            "nbf",
            "permission",
            "picture",
            "platform",
            "role",
            "scope",
            "sub",
            "tenant_id",
            "tenant_name",
            "unionid",
            "unique_name",
            "ver",
        ]
    );
    for (name, value) in claims.as_object().unwrap() {
        assert_eq!(value.is_number(), ["exp", "iat", "nbf"].contains(&name.as_str()), "{name}: {value}");
    }
    assert_eq!(claims["iss"], "https://id.test/");
    assert_eq!(claims["appid"], "2");
    assert_eq!(claims["sub"], claims["nameid"]);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 86_400);
}

#[tokio::test]
async fn su_01_su_02_a_taken_user_name_is_refused_in_any_letter_case_and_composition() {
    let world = World::new().await;
    let client = world.client();
    client.sign_up(2, "Caf\u{e9}", PASSWORD).await;
    let before = world.snapshot().await;
    for taken in ["Caf\u{e9}", "CAF\u{c9}", "cafe\u{301}"] {
        let answer = client.post(SIGN_UP, json!({"userName": taken, "pwd": PASSWORD})).await;
        answer.refused(200, 409, "account_exists");
        assert_eq!(answer.body["err"], "账号已存在");
    }
    assert_eq!(world.snapshot().await, before);
    client.sign_up(3, "Caf\u{e9}", PASSWORD).await;
}

#[tokio::test]
async fn su_05_names_that_speak_for_the_operator_are_taken() {
    let world = World::new().await;
    for name in ["admin", "Root", "SYSTEM", "support", "api", "me", "null", "undefined"] {
        let answer = world.client().post(SIGN_UP, json!({"userName": name, "pwd": PASSWORD})).await;
        answer.refused(200, 409, "account_exists");
    }
}

#[tokio::test]
async fn su_07_what_anybody_would_try_first_is_no_password() {
    let world = World::new().await;
    let before = world.snapshot().await;
    for weak in ["password", "Demo", "walter99", "aaaaaaaaaaaaaaaa", "qwertyuiop", "123456", "12345"] {
        let answer = world.client().post(SIGN_UP, json!({"userName": "walter99", "pwd": weak})).await;
        answer.refused(200, 422, "weak_password");
        assert_eq!(answer.body["err"], "密码过于简单");
    }
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn su_20_nobody_chooses_a_role_points_or_a_proof() {
    let world = World::new().await;
    let body = json!({
        "userName": "mallory", "pwd": PASSWORD, "role": "admin", "points": 9, "id": 1, "userId": 1,
        "phone": "13800138000", "phoneIsValid": true, "email": "m@example.com", "emailIsValid": true,
    });
    let token = world.client().post(SIGN_UP, body).await.token();
    assert_eq!(claims(&token)["role"], "user");
    assert_eq!(claims(&token)["mobile"], "");
    assert_eq!(claims(&token)["email"], "");
    let profile = world.client().bearer(&token).get("/api/AppUsers/2/Profile").await;
    assert_eq!(profile.data()["phone"], "13800138000");
    assert_eq!(profile.data()["phoneIsValid"], false);
    assert_eq!(profile.data()["emailIsValid"], false);
}

#[tokio::test]
async fn si_01_every_failing_sign_in_is_the_same_and_does_the_same_work() {
    let world = World::new().await;
    let client = world.client();
    client.sign_up(2, "alice", PASSWORD).await;
    world.change_app(&world.documented, |app| app.settings.default_password = None).await;
    client.post(UNION_SIGN_UP, json!({"platform": "wx", "unionID": "nopassword"})).await.token();
    let mut answers = Vec::new();
    for (user_name, password) in [("alice", "wrong horse battery"), ("nobody", PASSWORD), ("nopassword", PASSWORD)] {
        world.engine.take_calls();
        let answer = client.post(SIGN_IN, json!({"userName": user_name, "pwd": password})).await;
        answer.refused(200, 401, "invalid_credentials");
        let operations: Vec<_> = world.engine.take_calls().into_iter().map(|call| call.operation).collect();
        answers.push((answer.essence(), operations));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
}

#[tokio::test]
async fn si_07_after_five_failures_each_try_waits_longer_and_known_and_unknown_names_alike() {
    let world = World::new().await;
    let client = world.client();
    client.sign_up(2, "alice", PASSWORD).await;
    for name in ["nobody", "alice"] {
        let attempt = || client.post(SIGN_IN, json!({"userName": name, "pwd": "wrong horse battery"}));
        for _ in 0..5 {
            attempt().await.refused(200, 401, "invalid_credentials");
        }
        for wait in [1, 3, 5, 10, 30, 60, 300, 900, 3_600, 3_600] {
            let throttled = attempt().await;
            throttled.refused(200, 429, "throttled");
            assert_eq!(throttled.header("retry-after"), wait.to_string());
            world.wait(wait - 1);
            assert_eq!(attempt().await.header("retry-after"), "1", "a refused try costs nothing");
            world.wait(1);
            attempt().await.refused(200, 401, "invalid_credentials");
        }
    }
    let right = json!({"userName": "alice", "pwd": PASSWORD});
    client.post(SIGN_IN, right.clone()).await.refused(200, 429, "throttled");
    world.wait(3_600);
    client.post(SIGN_IN, right.clone()).await.token();
    client.post(SIGN_IN, json!({"userName": "alice", "pwd": "wrong horse battery"})).await.refused(
        200,
        401,
        "invalid_credentials",
    );
    client.post(SIGN_IN, right).await.token();
}

#[tokio::test]
async fn si_17_passwords_can_be_switched_off() {
    let world = World::new().await;
    world.client().sign_up(2, "alice", PASSWORD).await;
    world.change_app(&world.documented, |app| app.settings.password_sign_in_enabled = false).await;
    let answer = world.client().post(SIGN_IN, json!({"userName": "alice", "pwd": PASSWORD})).await;
    answer.refused(200, 401, "invalid_credentials");
}

#[tokio::test]
async fn a_sign_in_is_three_calls_and_reads_consistently_once() {
    let world = World::new().await;
    world.client().sign_up(2, "alice", PASSWORD).await;
    world.change_app(&world.documented, |_| {}).await;
    world.engine.take_calls();
    world.client().post(SIGN_IN, json!({"userName": "alice", "pwd": PASSWORD})).await.token();
    let operations: Vec<_> = world.engine.take_calls().into_iter().map(|call| call.operation).collect();
    // The first one reads the app's settings, which an instance keeps for a while; the tests' keeps nothing.
    assert_eq!(operations, ["GetItem", "BatchGetItem", "UpdateItem", "UpdateItem"]);
}

#[tokio::test]
async fn un_02_un_11_a_union_id_signs_up_once_and_in_ever_after() {
    let world = World::new().await;
    let client = world.client();
    let identity = json!({"platform": "wxminip", "unionID": "oT1"});
    let unknown = client.post(UNION_SIGN_IN, identity.clone()).await;
    unknown.refused(200, 404, "user_not_found");
    assert_eq!(unknown.body["err"], "用户不存在");
    let signed_up = claims(&client.post(UNION_SIGN_UP, identity.clone()).await.token());
    assert_eq!(
        (&signed_up["grant_type"], &signed_up["unionid"], &signed_up["unique_name"]),
        (&json!("unionid"), &json!("oT1"), &json!("oT1"))
    );
    client.post(UNION_SIGN_UP, identity.clone()).await.refused(200, 409, "account_exists");
    let signed_in = claims(&client.post(UNION_SIGN_IN, json!({"Platform": "wxminip", "unionId": "oT1"})).await.token());
    assert_eq!(signed_in["nameid"], signed_up["nameid"]);
    for other in [json!({"platform": "wxminip", "unionID": "ot1"}), json!({"platform": "wx", "unionID": "minipoT1"})] {
        client.post(UNION_SIGN_IN, other).await.refused(200, 404, "user_not_found");
    }
}

#[tokio::test]
async fn un_01_un_14_a_bare_union_id_is_worth_nothing_to_a_strict_app() {
    let world = World::new().await;
    let identity = json!({"platform": "wx", "unionID": "o1"});
    let before = world.snapshot().await;
    for path in ["/api/AppUsers/3/UnionIDSignUp", "/api/AppUsers/3/UnionIDSignIn"] {
        let answer = world.client().post(path, identity.clone()).await;
        answer.refused(200, 403, "app_secret_required");
        let wrong = world.client().with("x-app-secret", world.documented.secret.expose());
        wrong.post(path, identity.clone()).await.refused(200, 403, "app_secret_required");
        // The proof comes before the body: a bad one is not even looked at.
        world.client().post(path, json!({})).await.refused(200, 403, "app_secret_required");
    }
    assert_eq!(world.snapshot().await, before);
    let server = world.client().with("x-app-secret", world.strict.secret.expose());
    server.post("/api/AppUsers/3/UnionIDSignUp", identity.clone()).await.token();
    server.post("/api/AppUsers/3/UnionIDSignIn", identity).await.token();
}

#[tokio::test]
async fn un_16_a_default_name_never_fails_a_sign_up() {
    let world = World::new().await;
    let client = world.client();
    client.sign_up(2, "o1", PASSWORD).await;
    for union_id in ["o1", "root", &"x".repeat(100)] {
        let token = client.post(UNION_SIGN_UP, json!({"platform": "wx", "unionID": union_id})).await.token();
        let name = claims(&token)["unique_name"].as_str().unwrap().to_owned();
        assert!(name.starts_with("u_") && name.len() == 18, "{name}");
    }
    let chosen = json!({"platform": "wx", "unionID": "o2", "userName": "O1"});
    client.post(UNION_SIGN_UP, chosen).await.refused(200, 409, "account_exists");
}

#[tokio::test]
async fn the_password_that_clients_send_for_everybody_is_none() {
    let world = World::new().await;
    let client = world.client();
    let sign_up = |id: &str| json!({"platform": "wx", "unionID": id, "pwd": "123456"});
    client.post(UNION_SIGN_UP, sign_up("o1")).await.token();
    client.post(SIGN_IN, json!({"userName": "o1", "pwd": "123456"})).await.token();
    world.change_app(&world.documented, |app| app.settings.default_password = None).await;
    client.post(UNION_SIGN_UP, sign_up("o2")).await.token();
    client.post(SIGN_IN, json!({"userName": "o2", "pwd": "123456"})).await.refused(200, 401, "invalid_credentials");
    let weak = json!({"platform": "wx", "unionID": "o3", "pwd": "password"});
    client.post(UNION_SIGN_UP, weak).await.refused(200, 422, "weak_password");
}

#[tokio::test]
async fn su_25_one_address_creates_so_many_users_an_hour() {
    let world = World::new().await;
    world.change_app(&world.strict, |app| app.settings.sign_ups_per_ip_per_hour = Some(2)).await;
    let sign_up = |address: &str, name: &str| {
        let body = json!({"userName": name, "pwd": PASSWORD});
        let client = world.client().from(address);
        async move { client.post("/api/AppUsers/3/SignUp", body).await }
    };
    sign_up("192.0.2.7", "u1").await.token();
    sign_up("192.0.2.7", "u1").await.refused(200, 409, "account_exists");
    sign_up("192.0.2.7", "u2").await.token();
    let throttled = sign_up("192.0.2.7", "u3").await;
    throttled.refused(200, 429, "throttled");
    assert_eq!(throttled.header("retry-after"), "3600");
    sign_up("192.0.2.8", "u3").await.token();
    world.wait(3_600);
    sign_up("192.0.2.7", "u4").await.token();
}

#[tokio::test]
async fn a_closed_app_takes_nobody() {
    let world = World::new().await;
    world.change_app(&world.documented, |app| app.settings.sign_up_enabled = false).await;
    let answer = world.client().post(SIGN_UP, json!({"userName": "alice", "pwd": PASSWORD})).await;
    answer.refused(200, 403, "sign_up_disabled");
    assert!(world.rows(Table::Users).await.is_empty());
}

#[tokio::test]
async fn op_02_tables_hold_no_password_and_no_secret() {
    let world = World::new().await;
    let token = world.client().sign_up(2, "alice", PASSWORD).await;
    let dump = serde_json::to_string(&world.snapshot().await).unwrap();
    for secret in [PASSWORD, &token, world.documented.secret.expose(), world.strict.secret.expose()] {
        assert!(!dump.contains(secret));
    }
}
