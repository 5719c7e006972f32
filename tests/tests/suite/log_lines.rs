//! The line that every request leaves: an audit record, a source of metrics, and no place for secrets.

use std::{collections::BTreeSet, sync::Arc};

use http::Method;
use serde_json::{Value, json};
use shared::{bitkey::BitkeyScope, log::emf as metrics};
use tests::{World, emf, journal::Journal};

use crate::{licences::issue, probe::Probe};

const PASSWORD: &str = "correct horse battery";

fn listen(world: &World) -> Journal {
    Journal::listen(Arc::clone(&world.clock) as Arc<_>)
}

/// The lines of requests among these.
fn requests(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| line["message"] == "request").collect()
}

#[tokio::test]
async fn op_05_every_request_leaves_one_line_that_says_who_when_where_and_what_came_of_it() {
    let world = World::new().await;
    let token = world.client().sign_up(2, "alice", PASSWORD).await;
    let user = world.client().bearer(&token).get("/api/AppUsers/2/Profile").await.data()["id"].clone();
    let bitkey = issue(&world, &world.documented, BitkeyScope::Full).await;
    let journal = listen(&world);
    let client = world.client().from("203.0.113.7");
    let wrong = json!({"userName": "alice", "pwd": "wrong"});
    let right = json!({"userName": "alice", "pwd": PASSWORD});
    let answers = [
        client.post("/api/appusers/2/SignIn", right).await,
        client.post("/api/AppUsers/2/SignIn", wrong).await,
        client.clone().bearer(&token).get("/api/AppUsers/2/Profile?secret=1").await,
        client.get("/api/AppUsers/2/Profile").await,
        client.clone().with("bitkey", &bitkey.expose()).get("/sns/nobody/users").await,
        client.post("/api/AppUsers/2/alice", json!({})).await,
        client.send(Method::OPTIONS, "/api/AppUsers/2/SignIn", None, Vec::new()).await,
        client.send("ALICE".parse().unwrap(), "/api/AppUsers/9/SignIn", None, Vec::new()).await,
    ];
    let lines = journal.take();
    assert_eq!(lines.len(), answers.len(), "{lines:#?}");

    let sign_in = "/api/AppUsers/{appId}/SignIn";
    let profile = "/api/AppUsers/{appId}/Profile";
    let expected = [
        ("POST", sign_in, json!(2), user.clone(), "ok"),
        ("POST", sign_in, json!(2), user.clone(), "invalid_credentials"),
        ("GET", profile, json!(2), user.clone(), "ok"),
        ("GET", profile, json!(2), Value::Null, "invalid_token"),
        ("GET", "/sns/{sn}/users", json!(2), Value::Null, "sn_not_found"),
        ("POST", "unknown", Value::Null, Value::Null, "route_not_found"),
        ("OPTIONS", "preflight", Value::Null, Value::Null, "ok"),
        ("other", "unknown", Value::Null, Value::Null, "method_not_allowed"),
    ];
    for ((line, answer), (method, route, app, user, reason)) in lines.iter().zip(&answers).zip(expected) {
        let who = (&line["method"], &line["route"], &line["app"], &line["user"], &line["reason"]);
        assert_eq!(who, (&json!(method), &json!(route), &app, &user, &json!(reason)), "{line}");
        assert_eq!((&line["timestamp"], &line["level"]), (&json!("2026-03-01T04:00:00.000Z"), &json!("INFO")));
        assert_eq!((&line["ip"], &line["status"]), (&json!("203.0.113.7"), &json!(answer.status.as_u16())));
        assert_eq!(line["requestId"], answer.header("x-request-id"));
    }
    assert_eq!(lines[4]["bitkey"], bitkey.id().as_str());
}

#[tokio::test]
async fn op_04_what_people_type_stands_in_no_line_and_contacts_are_masked() {
    let world = World::new().await;
    let journal = listen(&world);
    let client = world.client();
    client.post("/api/AppUsers/2/SendSMSCode", json!({"phone": "13800138000", "type": "signup"})).await.data();
    client.post("/api/AppUsers/2/SendEmailCode", json!({"email": "alice@example.com", "type": "signup"})).await.data();
    let code = world.code_for("13800138000");
    let body = json!({"phone": "13800138000", "phoneCode": code, "pwd": PASSWORD, "nickName": "爱丽丝"});
    let token = client.post("/api/AppUsers/2/PhoneSignUp?q=canary-query", body).await.token();
    client.clone().bearer(&token).get("/api/AppUsers/2/Profile").await.data();
    client.get("/canary-path").await;

    let text = journal.take_text();
    for typed in ["13800138000", "alice@", PASSWORD, &code, &token, "canary", "爱丽丝"] {
        assert!(!text.contains(typed), "{typed}: {text}");
    }
    assert!(text.contains(r#""to":"138****8000""#) && text.contains(r#""to":"a***@example.com""#), "{text}");
}

#[tokio::test]
async fn what_happens_on_the_way_says_in_which_request() {
    let world = World::new().await;
    let journal = listen(&world);
    let sent =
        world.client().post("/api/AppUsers/2/SendSMSCode", json!({"phone": "13800138000", "type": "signup"})).await;
    let lines = journal.take();
    let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["message delivered", "request"]);
    assert!(lines.iter().all(|line| line["requestId"] == sent.header("x-request-id")), "{lines:#?}");
}

#[tokio::test]
async fn the_metrics_of_a_request_are_in_its_line() {
    let world = World::new().await;
    let journal = listen(&world);
    let client = world.client();
    client.sign_up(2, "alice", PASSWORD).await;
    client.post("/api/AppUsers/2/SignIn", json!({"userName": "alice", "pwd": "wrong"})).await;
    client.post("/api/AppUsers/2/SendSMSCode", json!({"phone": "13800138000", "type": "signup"})).await;
    client.post("/api/AppUsers/2/SendSMSCode", json!({"phone": "13800138000", "type": "signup"})).await;
    let key = client.post("/api/AppUsers/2/QRCodePreSignIn", json!({})).await.data().clone();
    client.post("/api/AppUsers/2/QRCodeSignIn", json!({"signInKey": key})).await.refused(200, 202, "scan_pending");

    let lines = journal.take();
    let counted: Vec<_> = requests(&lines)
        .into_iter()
        .map(|line| {
            let mut metrics = emf::read(line).unwrap_or_else(|rule| panic!("{rule}: {line}"));
            metrics.retain(|(name, ..)| name != "Duration");
            metrics
        })
        .collect();
    let total = |name: &str| (name.to_owned(), None, 1.0);
    let refusal = |reason: &str| ("Refusals".to_owned(), Some(reason.to_owned()), 1.0);
    let hashed = vec![total("Requests"), total("PasswordHashes")];
    let expected = [
        hashed.clone(),
        [hashed, vec![refusal("invalid_credentials")]].concat(),
        vec![total("Requests"), total("MessagesSent")],
        vec![total("Requests"), refusal("throttled")],
        vec![total("Requests")],
        vec![total("Requests")],
    ];
    assert_eq!(counted, expected);
    assert!(lines.iter().filter(|line| line["message"] != "request").all(|line| line.get("_aws").is_none()));
}

/// Everything that a client chooses differs from app to app, and no metric does.
#[tokio::test]
async fn op_11_no_metric_is_named_by_a_client() {
    let world = World::new().await;
    let probes = Probe::all(&world).await;
    let journal = listen(&world);
    for probe in &probes {
        probe.send_empty(&world.client()).await;
        probe.send(Some("application/json"), br#"{"userName":"canary"}"#).await;
    }
    world.client().with("x-request-id", "canary").get("/canary/13800138000").await;
    let mut seen = BTreeSet::new();
    for line in journal.take() {
        let metrics = emf::read(&line).unwrap_or_else(|rule| panic!("{rule}: {line}"));
        seen.extend(metrics.into_iter().map(|(name, by, _)| (name, by)));
    }
    let totals = metrics::TOTALS.iter().map(|(name, _)| ((*name).to_owned(), None));
    let refusals = metrics::refusals().map(|code| ("Refusals".to_owned(), Some(code.reason().to_owned())));
    let all: BTreeSet<_> = totals.chain(refusals).collect();
    assert!(seen.len() > 7 && seen.is_subset(&all), "{seen:?}");
}
