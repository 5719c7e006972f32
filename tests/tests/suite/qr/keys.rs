//! Keys and their secrets: whom they are given to, where they are worth something.

use serde_json::{Value, json};
use shared::{
    entropy::Entropy,
    sign_in_key::SignInKey,
    storage::{NewQrSignIn, OpenedSignIn, QR_WAIT_SECONDS, Table},
};
use tests::{World, claims};

use super::{EXPIRED, Ticket, UNUSABLE, refused, world};

#[tokio::test]
async fn qr_02_without_its_secret_a_key_is_like_any_unknown_one() {
    let world = World::new().await;
    let client = &world.client();
    let server = &world.client().with("x-app-secret", world.strict.secret.expose());
    let mut ticket = Ticket::begin(client, 3).await;
    let unknown = Ticket { key: json!(1_234_567_890_123_u64), ..ticket.clone() };
    assert_eq!(ticket.poll_secret.as_str().unwrap().len(), 64);

    let card = ticket.scan(client).await;
    assert!(card.data().get("scanNonce").is_none(), "beside the data, not in it");
    assert_eq!(ticket.scan_nonce.as_str().unwrap().len(), 64);
    let before = world.snapshot().await;
    let other_nonce = ticket.poll_secret.clone();
    for wrong in [Value::Null, json!(""), json!("x"), other_nonce] {
        let guess = Ticket { scan_nonce: wrong, ..ticket.clone() };
        assert_eq!(guess.confirm(server, "o1").await.essence(), unknown.confirm(server, "o1").await.essence());
    }
    assert_eq!(world.snapshot().await, before);

    ticket.confirm(server, "o1").await.token();
    let before = world.snapshot().await;
    for wrong in [Value::Null, json!(""), json!("x"), ticket.scan_nonce.clone()] {
        let guess = Ticket { poll_secret: wrong, ..ticket.clone() };
        assert_eq!(guess.poll(client).await.essence(), unknown.poll(client).await.essence());
    }
    assert_eq!(world.snapshot().await, before);
    ticket.poll(client).await.token();

    let body = json!({"signInKey": ticket.key, "pollSecret": 7});
    client.post("/api/AppUsers/3/QRCodeSignIn", body).await.refused(400, 400, "invalid_request");
}

#[tokio::test]
async fn secrets_that_nobody_asked_for_are_ignored() {
    let world = world().await;
    let mut ticket = Ticket::begin(&world.client(), 2).await;
    ticket.scan(&world.client()).await.data();
    ticket.scan_nonce = json!("anything");
    ticket.poll_secret = json!("anything");
    ticket.confirm(&world.client(), "o1").await.token();
    ticket.poll(&world.client()).await.token();
}

#[tokio::test]
async fn qr_11_a_bare_union_id_confirms_nothing_for_a_strict_app() {
    let world = World::new().await;
    let client = &world.client();
    let mut ticket = Ticket::begin(client, 3).await;
    ticket.scan(client).await.data();
    let before = world.snapshot().await;
    ticket.confirm(client, "o1").await.refused(200, 403, "app_secret_required");
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn qr_20_a_key_is_worth_nothing_to_another_app() {
    let world = World::new().await;
    for (own, other) in [(2, 3), (3, 2)] {
        let client = &world.client().with("x-app-secret", world.strict.secret.expose());
        let mut ticket = Ticket::begin(client, own).await;
        let before = world.snapshot().await;
        let mut stolen = Ticket { app: other, ..ticket.clone() };
        refused(&stolen.scan(client).await, UNUSABLE);
        refused(&stolen.poll(client).await, EXPIRED);
        assert_eq!(world.snapshot().await, before);
        ticket.scan(client).await.data();
        let stolen = Ticket { app: other, ..ticket.clone() };
        refused(&stolen.confirm(client, "o1").await, UNUSABLE);
        ticket.poll(client).await.refused(200, 202, "confirm_pending");
    }
}

#[tokio::test]
async fn qr_22_a_key_is_a_positive_whole_number() {
    let world = world().await;
    let before = world.snapshot().await;
    for key in [
        json!("0x1"),
        json!(1.5),
        json!(-1),
        json!(0),
        json!("0"),
        json!(9_007_199_254_740_993_u64),
        json!([1]),
        json!({}),
        json!(true),
        json!(" 1"),
        json!("01"),
        Value::Null,
        json!(""),
    ] {
        for endpoint in ["Scan", "SignUp", "SignIn"] {
            let body = json!({"signInKey": key, "unionID": "o1"});
            let answer = world.client().post(&format!("/api/AppUsers/2/QRCode{endpoint}"), body).await;
            answer.refused(400, 400, "invalid_request");
        }
    }
    for body in [json!({"scopes": "a".repeat(201)}), json!({"remark": "a\nb"}), json!({"scheme": "web"}), json!([])] {
        let answer = world.client().post("/api/AppUsers/2/QRCodePreSignIn", body).await;
        answer.refused(400, 400, "invalid_request");
    }
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn one_address_begins_thirty_sign_ins_a_minute_over_all_apps() {
    let world = World::new().await;
    let begin = |address: &str, app: u32| {
        let client = world.client().from(address);
        async move { client.post(&format!("/api/AppUsers/{app}/QRCodePreSignIn"), json!({})).await }
    };
    world.wait(20);
    for number in 0..30 {
        begin("2001:db8::1", 2 + number % 2).await.data();
    }
    for address in ["2001:db8::1", "2001:db8::ffff:2"] {
        for app in [2, 3] {
            let throttled = begin(address, app).await;
            throttled.refused(200, 429, "throttled");
            assert_eq!(throttled.header("retry-after"), "40");
        }
    }
    begin("2001:db8:0:1::1", 2).await.data();
    let rows = world.rows(Table::Codes).await.len();
    assert_eq!(rows, 31 + 2, "a sign-in for each that was let through, a counter for each network");
    world.wait(39);
    begin("2001:db8::1", 2).await.refused(200, 429, "throttled");
    world.wait(1);
    begin("2001:db8::1", 2).await.data();

    // On this computer itself, too, unless the local server says otherwise.
    for _ in 0..30 {
        begin("127.0.0.1", 2).await.data();
    }
    begin("127.0.0.1", 2).await.refused(200, 429, "throttled");
}

/// The same bytes for ever.
#[derive(Debug)]
struct Stuck;

impl Entropy for Stuck {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

#[tokio::test]
async fn a_key_that_another_page_waits_under_is_not_given_out() {
    let world = world().await;
    let app = world.documented.record.app_id;
    let key = SignInKey::draw(app, &Stuck);
    let store = world.env.store.app(app);
    let new = NewQrSignIn { scopes: "openid", remark: None, poll_secret: None };
    let open = || async { store.open_qr_sign_in(key, new, world.env.clock.now()).await.unwrap() };
    assert_eq!(open().await, OpenedSignIn::Done);
    assert_eq!(open().await, OpenedSignIn::KeyTaken);
    world.wait(QR_WAIT_SECONDS - 1);
    assert_eq!(open().await, OpenedSignIn::KeyTaken);
    world.wait(1);
    assert_eq!(open().await, OpenedSignIn::Done, "a row that waits for the sweeper does not hold its key");
}

#[tokio::test]
async fn op_02_tables_hold_no_key_and_no_secret() {
    let world = World::new().await;
    let client = &world.client().with("x-app-secret", world.strict.secret.expose());
    let mut ticket = Ticket::begin(client, 3).await;
    ticket.scan(client).await.data();
    let phones = ticket.confirm(client, "o1").await.token();
    let before = serde_json::to_string(&world.snapshot().await).unwrap();
    let pages = ticket.poll(client).await.token();
    let after = serde_json::to_string(&world.snapshot().await).unwrap();
    let (poll_secret, scan_nonce) = (ticket.poll_secret.as_str().unwrap(), ticket.scan_nonce.as_str().unwrap());
    for secret in [&ticket.key.to_string(), poll_secret, scan_nonce, &phones, &pages] {
        assert!(!before.contains(secret) && !after.contains(secret));
    }
}

#[tokio::test]
async fn g_34_whoever_sends_a_token_along_is_still_nobody() {
    let world = world().await;
    let token = world.client().sign_up(2, "alice", "correct horse battery").await;
    let client = &world.client().bearer(&token);
    let mut ticket = Ticket::begin(client, 2).await;
    ticket.scan(client).await.data();
    ticket.confirm(client, "o1").await.token();
    assert_eq!(claims(&ticket.poll(client).await.token())["unionid"], "o1");
    for header in ["Bearer ", "Bearer x.y.z"] {
        Ticket::begin(&world.client().with("authorization", header), 2).await;
    }
}
