//! What the gateway makes of a request, and what Lambda does to a function between two of them.

use serde_json::{Value, json};
use tests::lambda::{Event, PASSWORD, SN, World, recorded};

use crate::emulator::{Lambda, Setup};

#[tokio::test]
async fn bodies_that_the_gateway_encoded_are_decoded() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let accounts = Lambda::start(&setup, &world, "accounts").await;

    accounts.invoke(&recorded("sign-up-base64")).await.token();
    let sign_in = Event::new("POST", "/api/AppUsers/{appId}/SignIn", &["2"]);
    let body = r#"{"userName":"bob","pwd":"correct horse battery"}"#;
    accounts.invoke(&sign_in.clone().bytes("application/json", body.as_bytes())).await.token();
    let no_text = [b"\xff\xfe\x00", body.as_bytes()].concat();
    accounts.invoke(&sign_in.clone().bytes("application/json", &no_text)).await.refused(400, "invalid_request");
    let zipped = sign_in.clone().bytes("application/json", b"\x1f\x8b\x08").header("content-encoding", "gzip");
    accounts.invoke(&zipped).await.refused(415, "unsupported_media_type");
    let long = sign_in.bytes("application/json", &vec![b' '; 64 * 1024 + 1]);
    accounts.invoke(&long).await.refused(413, "body_too_large");
    assert_eq!(accounts.lines().len(), 5);
}

#[tokio::test]
async fn cookies_and_forwarding_headers_change_nothing() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let accounts = Lambda::start(&setup, &world, "accounts").await;

    let event = recorded("sign-up")
        .cookies(&["session=1; x", "token=eyJhbGciOiJub25lIn0.e30."])
        .header("x-forwarded-for", "198.51.100.9, 203.0.113.7")
        .header("x-forwarded-host", "evil.example");
    accounts.invoke(&event).await.token();
    let line = &accounts.lines()[0];
    assert_eq!((&line["ip"], line.get("cookie")), (&json!("203.0.113.7"), None));
}

#[tokio::test]
async fn a_query_parameter_that_is_there_twice_is_refused() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let accounts = Lambda::start(&setup, &world, "accounts").await;
    let points = Lambda::start(&setup, &world, "points").await;

    let token = accounts.invoke(&recorded("sign-up")).await.token();
    let log = Event::new("GET", "/api/appUsers/{appId}/PointLog", &["2"]).bearer(&token);
    // Joined by the gateway, the two would be one text that is no number; as they stood in the URL, they are two.
    points.invoke(&log.clone().query("take=1&take=1")).await.refused(400, "invalid_request");
    assert_eq!(points.invoke(&log.query("take=1&TAK%45=")).await.body["reason"], "invalid_request");
    let profile = Lambda::start(&setup, &world, "profile").await;
    profile.invoke(&recorded("get-profile").bearer(&token)).await.data();
}

#[tokio::test]
async fn path_parameters_are_decoded_exactly_once() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let directory = Lambda::start(&setup, &world, "directory").await;

    for name in ["app-info", "app-info-encoded-digit"] {
        assert_eq!(directory.invoke(&recorded(name)).await.data()["info"]["name"], "Demo", "{name}");
    }
    // The gateway decodes the raw path twice and cuts it at a question mark: read from there, the first three of these
    // would be app 2, another route, and no route.
    for what in ["twice", "slash", "question-mark", "hash", "space", "emoji"] {
        directory.invoke(&recorded(&format!("app-info-encoded-{what}"))).await.refused(200, "app_not_found");
    }
}

/// A name with everything in it that a path gives a meaning to.
#[tokio::test]
async fn a_user_s_name_in_the_path_is_exactly_that_name() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let accounts = Lambda::start(&setup, &world, "accounts").await;
    let licences = Lambda::start(&setup, &world, "licences").await;

    let sign_up = Event::new("POST", "/api/AppUsers/{appId}/SignUp", &["2"]);
    for name in ["a%41/b ?#🦊", "aA/b ?#🦊"] {
        accounts.invoke(&sign_up.clone().json(&json!({"userName": name, "pwd": PASSWORD}))).await.token();
    }
    let path = "/sns/{sn}/users/user/{name}";
    let link = Event::new("POST", path, &[SN, "a%41/b ?#🦊"]).header("bitkey", &world.bitkey);
    licences.invoke(&link).await.data();
    let list = recorded("list-licence-users").header("bitkey", &world.bitkey);
    assert_eq!(licences.invoke(&list).await.data()["items"][0]["name"], "a%41/b ?#🦊");
}

#[tokio::test]
async fn whatever_no_route_takes_is_answered_in_an_envelope() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let directory = Lambda::start(&setup, &world, "directory").await;

    for (name, status, reason) in [
        ("unknown-route", 404, "route_not_found"),
        ("unknown-route-emoji", 404, "route_not_found"),
        ("wrong-method", 405, "method_not_allowed"),
    ] {
        directory.invoke(&recorded(name)).await.refused(status, reason);
    }

    let preflight = directory.invoke(&recorded("preflight")).await;
    assert_eq!((preflight.status, &preflight.body), (204, &Value::Null));
    assert_eq!(preflight.header("access-control-allow-origin"), "https://shop.example");
    assert!(directory.lines().iter().all(|line| ["unknown", "preflight"].iter().any(|route| line["route"] == *route)));
}

#[tokio::test]
async fn fi_14_a_function_that_was_frozen_opens_its_dead_connections_anew() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let accounts = Lambda::start(&setup, &world, "accounts").await;

    accounts.invoke(&recorded("sign-up")).await.token();
    accounts.signal("-STOP");
    assert!(world.cut_connections() > 0, "the function keeps its connections");
    accounts.signal("-CONT");
    accounts.invoke(&recorded("sign-in")).await.token();
}
