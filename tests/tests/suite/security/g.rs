//! Hostile requests that are not about one field: bodies where none is read, keys that mean something elsewhere,
//! queries, headers, and how statuses go with codes.

use http::{HeaderMap, Method};
use serde_json::{Value, json};
use shared::{
    error::{ApiError, ErrorCode},
    http::{Access, RecordId, Reply, Route, Routes},
};
use tests::{Answer, Tally, World, claims, world::routes};

use crate::{
    forms::{Place, forms},
    probe::Probe,
};

/// What an answer comes to, whatever numbers were drawn for it.
fn gist(answer: &Answer) -> (u16, i64, String) {
    (answer.status.as_u16(), answer.code(), answer.reason().to_owned())
}

#[tokio::test]
async fn g_01_a_body_that_nobody_reads_changes_nothing() {
    let tally = Tally::of("G-01");
    let world = World::new().await;
    for probe in Probe::all(&world).await {
        let is_bodyless = matches!(probe.method(), Method::GET | Method::DELETE) && !probe.takes_body();
        let plain = gist(&probe.send(None, b"").await);
        for (media_type, body) in [
            (Some("application/json"), &b""[..]),
            (Some("text/plain"), b""),
            (Some("application/x-www-form-urlencoded"), b""),
            (Some("text/plain"), b"garbage"),
            (Some("application/json"), b"{"),
            (None, b"\xff\xff"),
        ] {
            if is_bodyless || (!probe.takes_body() && body.is_empty()) {
                assert_eq!(gist(&probe.send(media_type, body).await), plain, "{} {}", probe.method(), probe.path);
                tally.count();
            }
        }
    }
}

#[tokio::test]
async fn g_05_what_is_nested_deep_is_refused_at_once() {
    let tally = Tally::of("G-05");
    let world = World::new().await;
    for probe in Probe::all(&world).await.iter().filter(|probe| probe.takes_body()) {
        for (open, close, levels) in
            [("[", "]", 17), ("[", "]", 30_000), ("{\"a\":", "}", 129), ("{\"a\":", "}", 9_000)]
        {
            for is_closed in [true, false] {
                let end = if is_closed { close.repeat(levels) } else { String::new() };
                let body = format!("{}1{end}", open.repeat(levels));
                probe.send(Some("application/json"), body.as_bytes()).await.refused(400, 400, "invalid_request");
                tally.count();
            }
        }
        let body = "[".repeat(100_000);
        probe.send(Some("application/json"), body.as_bytes()).await.refused(413, 413, "body_too_large");
        tally.count();
    }
}

#[tokio::test]
async fn g_07_json_has_several_names() {
    let tally = Tally::of("G-07");
    let world = World::new().await;
    for probe in Probe::all(&world).await.iter().filter(|probe| probe.takes_body()) {
        for media_type in [
            "application/json",
            "text/json",
            "application/problem+json",
            "application/json-patch+json",
            "APPLICATION/JSON; Charset=UTF-8",
        ] {
            let answer = probe.send(Some(media_type), b"{").await;
            answer.refused(400, 400, "invalid_request");
            tally.count();
        }
        for media_type in ["text/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "x"] {
            probe.send(Some(media_type), b"{}").await.refused(415, 415, "unsupported_media_type");
            tally.count();
        }
    }
}

#[tokio::test]
async fn g_08_nothing_is_unfolded() {
    let tally = Tally::of("G-08");
    let world = World::new().await;
    // What a hundred megabytes of zeros begin with, compressed.
    let bomb = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xed, 0xc1][..], &[0; 10_000]].concat();
    for probe in Probe::all(&world).await.iter().filter(|probe| probe.takes_body()) {
        for encoding in ["gzip", "br", "deflate", "zstd", "identity, gzip", "GZIP", "x"] {
            let client = probe.client().with("content-encoding", encoding);
            let answer = probe.send_as(&client, Some("application/json"), &bomb).await;
            answer.refused(415, 415, "unsupported_media_type");
            tally.count();
        }
    }
}

#[tokio::test]
async fn g_19_keys_that_mean_something_elsewhere_mean_nothing_here() {
    let tally = Tally::of("G-19");
    let (plain, odd) = (World::new().await, World::new().await);
    let (probes, odd_probes) = (Probe::all(&plain).await, Probe::all(&odd).await);
    let keys = [
        "__proto__",
        "constructor",
        "$where",
        "$gt",
        "#n",
        ":v",
        "aws:dynamodb:LeadingKeys",
        "pk",
        "sk",
        "id",
        "userId",
        "appId",
        "role",
        "points",
        "permission",
        "status",
        "tokenVersion",
        "phoneIsValid",
        "emailIsValid",
        "createDate",
        "ver",
    ];
    for (probe, odd_probe) in probes.iter().zip(&odd_probes) {
        for form in forms(&probe.route).iter().filter(|form| form.place != Place::Query) {
            let mut body = form.body(&[]);
            let expected = gist(&probe.ask("", Some(&body)).await);
            let object = if form.place == Place::Batch { &mut body[0] } else { &mut body };
            for key in keys {
                object[key] = json!({"admin": true});
                tally.count();
            }
            assert_eq!(gist(&odd_probe.ask("", Some(&body)).await), expected, "{}", probe.path);
        }
    }
    let stored = |rows: Vec<Value>| rows.into_iter().map(|row| row.as_object().unwrap().len()).collect::<Vec<_>>();
    assert_eq!(stored(plain.snapshot().await), stored(odd.snapshot().await), "no row has an attribute more");
}

#[tokio::test]
async fn g_23_no_path_near_an_app_is_one() {
    let tally = Tally::of("G-23");
    let world = World::new().await;
    let long = "9".repeat(10_000);
    for route in routes().record().filter(|route| route.path.contains("{app")) {
        for id in ["2;a=b", "2%20", "%202", "2%00", "%32%2500", "2.0", "+2", "0x2", "2e0", "²", "2,3", "..", ".", &long]
        {
            let encoded: String =
                id.chars().map(|c| if c.is_ascii() { c.to_string() } else { format!("%{:X}", u32::from(c)) }).collect();
            let path = crate::probe::fill(route.path, &encoded, &encoded);
            let answer = world.client().send(route.method.as_str().parse().unwrap(), &path, None, Vec::new()).await;
            assert!(matches!(answer.reason(), "app_not_found" | "route_not_found"), "{path:.100}: {}", answer.text);
            tally.count();
        }
    }
}

#[tokio::test]
async fn g_26_what_stands_in_a_query_is_no_credential() {
    let tally = Tally::of("G-26");
    let world = World::new().await;
    let token = world.client().sign_up(2, "alice", "correct horse battery").await;
    let secret = world.documented.secret.expose();
    let bitkey = crate::licences::issue(&world, &world.documented, shared::bitkey::BitkeyScope::Full).await.expose();
    let query = format!(
        "access_token={token}&token={token}&authorization=Bearer%20{token}&bitkey={bitkey}&x-app-secret={secret}\
         &appSecret={secret}&pwd=correct%20horse%20battery"
    );
    for probe in Probe::all(&world).await {
        if !probe.is(Access::Anonymous) {
            let path = format!("{}?{query}", probe.path);
            let answer = world.client().send(probe.method(), &path, None, Vec::new()).await;
            let reason = if probe.is(Access::Bearer) { "invalid_token" } else { "invalid_bitkey" };
            answer.refused(401, 401, reason);
            tally.count();
        }
    }
    let lines = world.watch.lines().join("");
    assert!(!lines.contains(&token) && !lines.contains("pwd") && !lines.contains(secret), "{lines}");
}

#[tokio::test]
async fn g_28_many_and_long_headers_change_no_answer_and_fill_no_log() {
    let tally = Tally::of("G-28");
    let world = World::new().await;
    let agent = "a".repeat(8_192);
    for probe in Probe::all(&world).await {
        let plain = probe.send_empty(&world.client()).await;
        let mut client = world.client().with("user-agent", &agent);
        for _ in 0..300 {
            client = client.with("x-more", "abcdefghijklmnopqrstuvwxyz");
        }
        assert_eq!(gist(&probe.send_empty(&client).await), gist(&plain), "{}", probe.path);
        tally.count();
    }
    assert!(world.watch.lines().iter().all(|line| line.len() < 2_000 && !line.contains(&agent)));
}

#[tokio::test]
async fn g_31_an_idempotency_key_is_an_order() {
    let world = World::new().await;
    let [alice, bob] = ["alice", "bob"].map(|name| {
        let client = world.client();
        async move { client.clone().bearer(&client.sign_up(2, name, "correct horse battery").await) }
    });
    let (alice, bob) = (alice.await, bob.await);
    let path = "/api/AppUsers/2/RechargePoints";
    let paid = async |client: &tests::Client, key: &str, price: u64| {
        client.clone().with("idempotency-key", key).post(path, json!({"price": price})).await
    };
    let first = paid(&alice, "order-1", 200).await;
    assert_eq!(*first.data(), json!(true));
    assert_eq!(paid(&alice, "order-1", 200).await.text, first.text);
    paid(&alice, "order-1", 500).await.refused(200, 409, "order_conflict");
    paid(&bob, "order-1", 200).await.refused(200, 409, "order_conflict");
    for bad in ["x".repeat(65), "x".repeat(300), "a\u{1f600}".to_owned()] {
        let answer = paid(&alice, &bad, 200).await;
        answer.refused(400, 400, "invalid_request");
    }
    let twice = alice.clone().with("idempotency-key", "a").with("idempotency-key", "b");
    twice.post(path, json!({"price": 200})).await.refused(400, 400, "invalid_request");
    let both = alice.clone().with("idempotency-key", "a");
    both.post(path, json!({"price": 200, "orderId": "b"})).await.refused(400, 400, "invalid_request");
}

/// The client of the kit judges every answer of the suite; here it sees every refusal there is, in every family.
#[tokio::test]
async fn g_35_every_refusal_has_the_status_that_its_family_gives_it() {
    async fn fails(RecordId(number): RecordId) -> Result<Reply<bool>, ApiError> {
        let code = ErrorCode::ALL[usize::try_from(number).unwrap() - 1];
        Err(match code {
            ErrorCode::Throttled => ApiError::throttled(7),
            ErrorCode::Unavailable => ApiError::unavailable("a test"),
            code => code.into(),
        })
    }
    const PATHS: [&str; 3] = ["/api/Failures/{id}", "/ExternalAccount/failures/{id}/x", "/sns/failures/x/y/{id}"];
    let failing = PATHS.iter().fold(Routes::new(), |all, path| all.add(Route::get(path, Access::Bearer), fails));
    let tally = Tally::of("G-35");
    let world = World::with_routes(failing.merge(routes())).await;
    for path in PATHS {
        for (number, code) in ErrorCode::ALL.iter().enumerate() {
            let answer = world.client().get(&path.replace("{id}", &(number + 1).to_string())).await;
            assert_eq!((answer.code(), answer.reason()), (i64::from(code.number()), code.reason()));
            tally.count();
        }
    }
}

#[tokio::test]
async fn hd_04_hd_08_no_header_changes_where_an_answer_comes_from() {
    let (plain, odd) = (World::new().await, World::new().await);
    let tally = Tally::of("HD-04");
    let (probes, odd_probes) = (Probe::all(&plain).await, Probe::all(&odd).await);
    let evil: HeaderMap = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-port", "81"),
        ("forwarded", "host=evil.example;proto=http"),
        ("x-original-url", "/api/AppUsers/3/Profile"),
        ("x-rewrite-url", "/api/AppUsers/3/Profile"),
        ("x-http-method-override", "DELETE"),
        ("user-agent", "ELB-HealthChecker/2.0 kube-probe/1.30 Amazon-Route53-Health-Check-Service"),
        ("x-amzn-apigateway-api-id", "internal"),
        ("x-internal", "true"),
    ]
    .into_iter()
    .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)))
    .collect();
    for (probe, odd_probe) in probes.iter().zip(&odd_probes) {
        let all = forms(&probe.route);
        let body = all.iter().find(|form| form.place != Place::Query).map(|form| form.body(&[]).to_string());
        let media_type = body.as_ref().map(|_| "application/json");
        let bytes = body.unwrap_or_default().into_bytes();
        let expected = probe.send(media_type, &bytes).await;
        let answer = odd_probe.send_as(&odd_probe.client().with_all(&evil), media_type, &bytes).await;
        assert_eq!(gist(&answer), gist(&expected), "{}", probe.path);
        assert!(!answer.text.contains("evil") && !format!("{:?}", answer.headers).contains("evil"));
        tally.add(evil.len());
    }
    // What a token says about its issuer is the deployment's own.
    let client = odd.client().with_all(&evil);
    let claims = claims(&client.sign_up(2, "carol", "correct horse battery").await);
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(tests::world::URL), &json!(tests::world::URL)));
}

#[tokio::test]
async fn hd_05_only_the_gateway_says_who_calls() {
    let tally = Tally::of("HD-05");
    let world = World::new().await;
    for n in 0..31 {
        let spoofed = format!("203.0.113.{n}");
        let client = ["x-forwarded-for", "x-real-ip", "cf-connecting-ip", "true-client-ip", "x-client-ip", "forwarded"]
            .into_iter()
            .fold(world.client(), |client, name| client.with(name, &spoofed));
        let answer = client.post("/api/AppUsers/2/QRCodePreSignIn", json!({})).await;
        assert_eq!(answer.code(), if n < 30 { 200 } else { 429 }, "{}", answer.text);
        tally.count();
    }
    assert!(world.watch.lines().iter().all(|line| line.contains(r#""ip":"192.0.2.1""#)));
}
