//! What holds for every request to every route, whatever the endpoint does.

use std::collections::HashSet;

use http::Method;
use serde_json::json;
use tests::{Answer, World};

use crate::probe::Probe;

/// What every answer has, the router's own included.
fn is_enveloped(answer: &Answer) {
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8", "{}", answer.text);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("x-request-id").len(), 32);
    assert!(answer.body.is_object(), "{}", answer.text);
}

#[tokio::test]
async fn g_01_a_body_that_is_needed_and_missing_is_a_bad_request() {
    let world = World::new().await;
    let probes = Probe::all(&world).await;
    let before = world.snapshot().await;
    for probe in probes.iter().filter(|probe| probe.takes_body()) {
        for media_type in [None, Some("application/json"), Some("text/plain")] {
            let answer = probe.send(media_type, b"").await;
            answer.refused(400, 400, "invalid_request");
            is_enveloped(&answer);
        }
        probe.send(Some("application/json"), b" \n").await.refused(400, 400, "invalid_request");
    }
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn g_02_to_g_11_bodies_that_two_parsers_read_differently_are_bad_requests() {
    let world = World::new().await;
    let probes = Probe::all(&world).await;
    let before = world.snapshot().await;
    let nested = |levels: usize| format!("{{\"data\":{}{}}}", "[".repeat(levels), "]".repeat(levels)).into_bytes();
    let bodies = [
        b"<xml/>".to_vec(),
        b"userName=a&pwd=b".to_vec(),
        b"{'userName':'a'}".to_vec(),
        b"{\"a\":NaN}".to_vec(),
        b"{/**/}".to_vec(),
        b"{\"a\":".to_vec(),
        b"{} {}".to_vec(),
        b"{}x".to_vec(),
        nested(17),
        nested(129),
        nested(30_000),
        b"{\"a\":\"\xc0\xaf\"}".to_vec(),
        b"{\"a\":\"\xff\"}".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        b"\xff\xfe{\0}\0".to_vec(),
        b"{\"pwd\":\"a\",\"Pwd\":\"b\"}".to_vec(),
        b"{\"unknown\":1,\"UNKNOWN\":1}".to_vec(),
        b"\"text\"".to_vec(),
        b"7".to_vec(),
        b"null".to_vec(),
        b"true".to_vec(),
    ];
    for probe in probes.iter().filter(|probe| probe.takes_body()) {
        for body in &bodies {
            let answer = probe.send(Some("application/json"), body).await;
            assert_eq!(answer.reason(), "invalid_request", "{} {}", probe.path, String::from_utf8_lossy(body));
            assert_eq!(answer.status, 400);
        }
    }
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn g_07_g_08_other_media_types_and_compressed_bodies_are_not_taken() {
    let world = World::new().await;
    for probe in Probe::all(&world).await.iter().filter(|probe| probe.takes_body()) {
        for media_type in
            [None, Some("text/plain"), Some("multipart/form-data"), Some("application/json; charset=utf-16")]
        {
            let answer = probe.send(media_type, b"{}").await;
            answer.refused(415, 415, "unsupported_media_type");
            is_enveloped(&answer);
        }
    }
}

#[tokio::test]
async fn bodies_over_64_kib_are_refused_before_anything_else_is_looked_at() {
    let world = World::new().await;
    let body = vec![b' '; 64 * 1024 + 1];
    for probe in Probe::all(&world).await {
        // Not even a token is asked for.
        let answer = probe.send_as(&world.client(), Some("application/json"), &body).await;
        answer.refused(413, 413, "body_too_large");
        is_enveloped(&answer);
    }
}

#[tokio::test]
async fn g_25_other_methods_are_refused_and_lower_case_ones_are_not() {
    let world = World::new().await;
    for probe in Probe::all(&world).await {
        for method in ["PATCH", "HEAD", "TRACE", "CONNECT", "PROPFIND"] {
            let answer = world.client().send(method.parse().unwrap(), &probe.path, None, Vec::new()).await;
            assert_eq!(answer.status, 405, "{method} {}", probe.path);
            assert!(answer.header("allow").contains(probe.route.method.as_str()));
        }
        let overridden = world.client().with("x-http-method-override", probe.route.method.as_str());
        assert_eq!(overridden.send(Method::PATCH, &probe.path, None, Vec::new()).await.status, 405);
        let lower_case = Method::from_bytes(probe.route.method.as_str().to_ascii_lowercase().as_bytes()).unwrap();
        let answer = world.client().send(lower_case, &probe.path, None, Vec::new()).await;
        assert_ne!(answer.status, 405, "{}", probe.path);
    }
}

#[tokio::test]
async fn g_23_paths_match_in_any_letter_case_and_nothing_near_them() {
    let world = World::new().await;
    for probe in Probe::all(&world).await {
        let upper = probe.path.to_ascii_uppercase();
        let answer = world.client().send(probe.method(), &upper, None, Vec::new()).await;
        assert_ne!(answer.reason(), "route_not_found", "{upper}");
        for near in [
            format!("{}/", probe.path),
            format!("/{}", probe.path),
            format!("{}/x/y", probe.path),
            format!("{}x/..", probe.path),
        ] {
            // `/ExternalAccount/{appKey}` has records below it, which other methods reach.
            let is_record =
                [Method::PUT, Method::DELETE].iter().any(|it| tests::world::routes().reaches(it, &near).is_some());
            if is_record {
                continue;
            }
            let answer = world.client().send(probe.method(), &near, None, Vec::new()).await;
            answer.refused(404, 404, "route_not_found");
            is_enveloped(&answer);
        }
    }
}

#[tokio::test]
async fn g_19_unknown_keys_are_ignored_and_empty_values_are_absent() {
    let world = World::new().await;
    let body = json!({
        "userName": "alice", "pwd": "correct horse battery", "nickName": "", "avatar": null, "phone": "", "email": null,
        "__proto__": {"admin": true}, "constructor": 1, "$where": "1", "#n": "x", ":v": "y", "aws:dynamodb:LeadingKeys": [],
    });
    let token = world.client().post("/api/AppUsers/2/SignUp", body).await.token();
    let profile = world.client().bearer(&token).get("/api/AppUsers/2/Profile").await;
    assert_eq!(profile.data()["nickName"], "");
    assert_eq!(profile.data()["avatar"], "");
}

#[tokio::test]
async fn messages_are_chinese_unless_the_app_wants_english() {
    let world = World::new().await;
    let sign_in = json!({"userName": "nobody", "pwd": "correct horse battery"});
    let browser = world.client().with("accept-language", "en-US");
    let answer = browser.post("/api/AppUsers/2/SignIn", sign_in.clone()).await;
    assert_eq!(answer.body["err"], "账号或密码错误");
    world.change_app(&world.documented, |app| app.language = shared::settings::Language::En).await;
    let answer = world.client().post("/api/AppUsers/2/SignIn", sign_in).await;
    assert_eq!(answer.body["err"], "Wrong account or password");
}

#[tokio::test]
async fn hd_07_request_ids_are_the_servers_own() {
    let world = World::new().await;
    let client = world.client().with("x-request-id", "mine");
    let mut ids = HashSet::new();
    for _ in 0..10 {
        ids.insert(client.get("/nowhere").await.header("x-request-id").to_owned());
    }
    assert_eq!(ids.len(), 10);
    assert!(!ids.contains("mine"));
}

#[tokio::test]
async fn g_26_secrets_in_the_query_are_no_secrets() {
    let world = World::new().await;
    world.client().sign_up(2, "alice", "correct horse battery").await;
    let path = "/api/AppUsers/2/SignIn?userName=alice&pwd=correct%20horse%20battery";
    world.client().post(path, json!({"userName": "alice"})).await.refused(400, 400, "invalid_request");
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_next_request_is_fine() {
    use shared::http::{Access, Route, Routes};
    async fn breaks() -> Result<(), shared::error::ApiError> {
        panic!("a bug with a secret in it");
    }
    let routes = Routes::new().add(Route::get("/breaks", Access::Anonymous), breaks).merge(tests::world::routes());
    let world = World::with_routes(routes).await;
    let answer = world.client().get("/breaks").await;
    answer.refused(500, 500, "internal_error");
    assert!(!answer.text.contains("secret"));
    world.client().sign_up(2, "alice", "correct horse battery").await;
}
