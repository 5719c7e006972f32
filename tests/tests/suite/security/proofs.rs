//! What has to come with a claim, and where answers never lead.

use http::Method;
use serde_json::json;
use tests::{Answer, Tally, World};

use super::work;
use crate::probe::Probe;

const PASSWORD: &str = "correct horse battery";

#[tokio::test]
async fn un_08_without_the_proof_known_and_unknown_ids_are_refused_alike() {
    let tally = Tally::of("UN-08");
    let world = World::new().await;
    let server = world.client().with("x-app-secret", world.strict.secret.expose());
    let known =
        server.post("/api/AppUsers/3/UnionIDSignUp", json!({"platform": "wx", "unionID": "known"})).await.token();
    let key = world.strict.record.app_key.as_str();
    // The app's key is looked up once.
    world.client().get(&format!("/ExternalAccount/{key}")).await.refused(401, 401, "invalid_token");
    for (path, bearer) in [
        ("/api/AppUsers/3/UnionIDSignUp".to_owned(), None),
        ("/api/AppUsers/3/UnionIDSignIn".to_owned(), None),
        ("/api/AppUsers/3/QRCodeSignUp".to_owned(), None),
        ("/api/OAuth/3/GrantCode".to_owned(), None),
        (format!("/ExternalAccount/{key}/SignIn"), None),
        (format!("/ExternalAccount/{key}"), Some(&known)),
    ] {
        let mut seen = Vec::new();
        for id in ["known", "unknown"] {
            let client = bearer.map_or_else(|| world.client(), |token| world.client().bearer(token));
            let body = json!({
                "platform": "wx", "platformName": "wx", "unionID": id, "signInKey": 1, "grant_type": "unionid", "scopes": "a",
            });
            let (answer, cost) = work(&world, client.post(&path, body)).await;
            assert_eq!((answer.code(), answer.reason()), (403, "app_secret_required"), "{path}");
            seen.push((answer.essence(), cost));
            tally.count();
        }
        assert_eq!(seen[0], seen[1], "{path}");
    }
}

/// Fails unless the answer stays where it is and names no token but in its body.
fn leads_nowhere(answer: &Answer, what: &str) {
    assert!(!answer.status.is_redirection(), "{what}: {}", answer.status);
    for name in ["location", "refresh", "link", "content-location", "set-cookie"] {
        assert_eq!(answer.header(name), "", "{what}: {name}");
    }
    assert!(answer.headers.values().all(|value| !value.to_str().unwrap_or_default().contains("eyJ")), "{what}");
}

#[tokio::test]
async fn oa_32_oa_34_no_answer_redirects_or_carries_a_token_in_an_address() {
    let tally = Tally::of("OA-32");
    let world = World::new().await;
    for mut probe in Probe::all(&world).await {
        probe.path.push_str("?redirect_uri=https://evil.example/&next=//evil.example&returnUrl=%2f%2fevil.example");
        for body in
            [&b"{}"[..], br#"{"redirect_uri":"https://evil.example/","unionID":"o1","platform":"wx","scopes":"a"}"#]
        {
            leads_nowhere(&probe.send(Some("application/json"), body).await, probe.route.path);
            tally.count();
        }
    }
    // The whole way of a code to its token.
    world.client().sign_up(2, "alice", PASSWORD).await;
    let grant = json!({
        "grant_type": "account", "scopes": "openid", "userName": "alice", "password": PASSWORD,
        "redirect_uri": "https://evil.example/cb",
    });
    let granted = world.client().post("/api/OAuth/2/GrantCode", grant).await;
    leads_nowhere(&granted, "GrantCode");
    let code = granted.data()["code"].as_str().unwrap();
    let exchanged = world.client().post(&format!("/api/OAuth/2/Authorize?code={code}"), json!({})).await;
    exchanged.token();
    leads_nowhere(&exchanged, "Authorize");
}

#[tokio::test]
async fn oa_26_a_code_in_an_address_is_not_kept_by_logs_or_caches() {
    let world = World::new().await;
    world.client().sign_up(2, "alice", PASSWORD).await;
    let grant = json!({"grant_type": "account", "scopes": "openid", "userName": "alice", "password": PASSWORD});
    let granted = world.client().post("/api/OAuth/2/GrantCode", grant).await;
    let code = granted.data()["code"].as_str().unwrap();
    world.watch.guard(code);
    let path = format!("/api/OAuth/2/Authorize?code={code}");
    let exchanged = world.client().with("referer", &path).send(Method::POST, &path, None, Vec::new()).await;
    for answer in [&granted, &exchanged] {
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    exchanged.token();
    assert!(world.watch.lines().iter().all(|line| !line.contains(code)), "the code is in a log line");
    // The gateway writes the route, nothing of what the client wrote.
    let template = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml")).unwrap();
    let (_, format) = template.split_once("Format: >-").expect("an access log");
    let format = format.split_once("\n\n").map_or(format, |(format, _)| format);
    assert!(format.contains("$context.routeKey"), "{format}");
    for field in ["path", "querystring", "resourcePath", "authorizer", "input", "request.header"] {
        assert!(!format.contains(&format!("$context.{field}")), "{field}");
    }
}
