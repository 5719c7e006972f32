//! Signing a page in with a phone.

use serde_json::{Value, json};
use shared::{
    entropy::Entropy,
    sign_in_key::SignInKey,
    storage::{NewQrSignIn, OpenedSignIn, QR_WAIT_SECONDS, Table},
    user::UserStatus,
};
use tests::{Answer, Client, World, engine::Fault};

pub(crate) const EXPIRED: (u16, i64, &str) = (200, 410, "qr_expired");
pub(crate) const UNUSABLE: (u16, i64, &str) = (200, 410, "qr_unusable");

/// The payload of a token, unverified.
fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// What a page and its phone hold of one sign-in.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    pub(crate) app: u32,
    pub(crate) key: Value,
    pub(crate) poll_secret: Value,
    pub(crate) scan_nonce: Value,
}

impl Ticket {
    pub(crate) async fn begin(client: &Client, app: u32) -> Self {
        let answer = client.post(&format!("/api/AppUsers/{app}/QRCodePreSignIn"), json!({})).await;
        Self {
            app,
            key: answer.data().clone(),
            poll_secret: answer.body["pollSecret"].clone(),
            scan_nonce: Value::Null,
        }
    }

    fn path(&self, endpoint: &str) -> String {
        format!("/api/AppUsers/{}/QRCode{endpoint}", self.app)
    }

    pub(crate) async fn scan(&mut self, client: &Client) -> Answer {
        let answer = client.post(&self.path("Scan"), json!({"signInKey": self.key})).await;
        if answer.code() == 200 {
            self.scan_nonce = answer.body["scanNonce"].clone();
        }
        answer
    }

    pub(crate) async fn confirm(&self, client: &Client, union_id: &str) -> Answer {
        let body = json!({"signInKey": self.key, "scanNonce": self.scan_nonce, "unionID": union_id});
        client.post(&self.path("SignUp"), body).await
    }

    pub(crate) async fn poll(&self, client: &Client) -> Answer {
        client.post(&self.path("SignIn"), json!({"signInKey": self.key, "pollSecret": self.poll_secret})).await
    }
}

#[track_caller]
fn refused(answer: &Answer, (status, code, reason): (u16, i64, &str)) {
    answer.refused(status, code, reason);
}

/// Accounts by union id without a password: nothing here is about hashing.
async fn world() -> World {
    let world = World::new().await;
    world.change_app(&world.documented, |app| app.settings.default_password = None).await;
    world
}

/// Raises the user's token version, as a password reset does.
async fn end_tokens(world: &World, token: &str) {
    change_user(world, token, "SET tokenVersion = tokenVersion + :value", json!({"N": "1"})).await;
}

async fn disable(world: &World, token: &str) {
    let disabled = serde_json::to_value(UserStatus::Disabled).unwrap();
    change_user(world, token, "SET #status = :value", json!({"S": disabled})).await;
}

pub(crate) async fn change_user(world: &World, token: &str, change: &str, value: Value) {
    use aws_sdk_dynamodb::types::AttributeValue;
    let value = match (value["N"].as_str(), value["S"].as_str()) {
        (Some(number), _) => AttributeValue::N(number.to_owned()),
        (_, text) => AttributeValue::S(text.unwrap().to_owned()),
    };
    let mut call = world
        .engine
        .client()
        .update_item()
        .table_name("test-Users")
        .key("pk", AttributeValue::S(format!("2#user#{}", claims(token)["nameid"].as_str().unwrap())))
        .update_expression(change)
        .expression_attribute_values(":value", value);
    if change.contains("#status") {
        call = call.expression_attribute_names("#status", "status");
    }
    call.send().await.unwrap();
}

#[tokio::test]
async fn qr_14_a_phone_signs_a_page_in() {
    let world = world().await;
    let (page, phone) = (world.client(), world.client().from("198.51.100.7"));
    let mut ticket = Ticket::begin(&page, 2).await;
    assert_eq!(ticket.key.as_u64().unwrap().to_string().len(), 13);
    assert_eq!(ticket.poll_secret, Value::Null, "the key alone is enough, as documented");

    let waiting = ticket.poll(&page).await;
    waiting.refused(200, 202, "scan_pending");
    assert_eq!(waiting.body["err"], "请扫码");

    ticket.scan(&phone).await.data();
    let scanned = ticket.poll(&page).await;
    scanned.refused(200, 202, "confirm_pending");
    assert_eq!(scanned.body["err"], "登陆中...");

    let phones = claims(&ticket.confirm(&phone, "o1").await.token());
    let answer = ticket.poll(&page).await;
    assert_eq!((&answer.data()["token_type"], &answer.data()["expires_in"]), (&json!("Bearer"), &json!(86_400)));
    let pages = claims(&answer.token());
    assert_eq!((&phones["grant_type"], &pages["grant_type"]), (&json!("unionid"), &json!("qrcode")));
    assert_eq!(phones["nameid"], pages["nameid"]);
    assert_eq!((&pages["platform"], &pages["unionid"]), (&json!("wxminip"), &json!("o1")));
    assert_ne!(phones["jti"], pages["jti"], "the phone gets a token of its own");
    assert_eq!(page.bearer(&answer.token()).get("/api/AppUsers/2/Profile").await.data()["unionID"], "o1");

    let gone = ticket.poll(&world.client()).await;
    refused(&gone, EXPIRED);
    assert_eq!(gone.body["err"], "二维码失效请刷新");
}

#[tokio::test]
async fn qr_16_qr_23_the_phone_sees_whom_it_would_sign_in_to() {
    let world = world().await;
    world.change_app(&world.documented, |app| app.card.logo = Some("https://demo.example/logo.png".to_owned())).await;
    let body = json!({"scopes": "openid profile", "remark": "Firefox <b>\u{202e}", "scheme": "app"});
    let key = world.client().post("/api/AppUsers/2/QRCodePreSignIn", body).await.data().clone();
    let card = world.client().post("/api/AppUsers/2/QRCodeScan", json!({"SigninKey": key.to_string()})).await;
    assert_eq!(
        card.text,
        "{\"code\":200,\"data\":{\"appID\":2,\"name\":\"Demo\",\"logo\":\"https://demo.example/logo.png\",\"website\":null,\
         \"description\":null,\"tags\":null,\"scopes\":\"openid profile\",\"remark\":\"Firefox <b>\u{202e}\",\
         \"scheme\":\"app\"},\"err\":\"\"}"
    );
    let mut plain = Ticket::begin(&world.client(), 2).await;
    let card = plain.scan(&world.client()).await;
    assert_eq!((&card.data()["scopes"], &card.data()["remark"]), (&json!("openid"), &Value::Null));
}

#[tokio::test]
async fn qr_04_and_qr_08_every_call_does_in_every_state_what_the_table_says() {
    let world = world().await;
    let client = &world.client();

    // Nobody's key.
    let mut nobody = Ticket { key: json!(1_234_567_890_123_u64), ..Ticket::begin(client, 2).await };
    refused(&nobody.scan(client).await, UNUSABLE);
    refused(&nobody.confirm(client, "o1").await, UNUSABLE);
    refused(&nobody.poll(client).await, EXPIRED);

    let mut ticket = Ticket::begin(client, 2).await;
    let shown = world.snapshot().await;
    let early = ticket.confirm(client, "o1").await;
    refused(&early, UNUSABLE);
    assert_eq!(early.body["err"], "二维码已失效，请刷新重试");
    ticket.poll(client).await.refused(200, 202, "scan_pending");
    assert_eq!(world.snapshot().await, shown, "nobody signed up, nothing moved");

    ticket.scan(client).await.data();
    let scanned = world.snapshot().await;
    refused(&ticket.clone().scan(client).await, UNUSABLE);
    ticket.poll(client).await.refused(200, 202, "confirm_pending");
    assert_eq!(world.snapshot().await, scanned);

    let first = ticket.confirm(client, "o1").await.token();
    let confirmed = world.snapshot().await;
    refused(&ticket.clone().scan(client).await, UNUSABLE);
    refused(&ticket.confirm(client, "o2").await, UNUSABLE);
    assert_eq!(world.snapshot().await, confirmed, "QR-10: nobody else confirms, and nobody else signs up");
    let again = ticket.confirm(client, "o1").await.token();
    assert_eq!(claims(&first)["nameid"], claims(&again)["nameid"]);
    assert_ne!(first, again, "a fresh token for the phone");

    assert_eq!(claims(&ticket.poll(client).await.token())["nameid"], claims(&first)["nameid"]);
    let taken = world.snapshot().await;
    refused(&ticket.clone().scan(client).await, UNUSABLE);
    refused(&ticket.confirm(client, "o1").await, UNUSABLE);
    refused(&ticket.poll(client).await, EXPIRED);
    assert_eq!(world.snapshot().await, taken);
}

#[tokio::test]
async fn qr_07_each_step_may_take_two_minutes_and_not_a_second_more() {
    let world = world().await;
    let client = &world.client();
    let mut slow = Ticket::begin(client, 2).await;
    world.wait(QR_WAIT_SECONDS - 1);
    slow.scan(client).await.data();
    world.wait(QR_WAIT_SECONDS - 1);
    slow.confirm(client, "o1").await.token();
    world.wait(QR_WAIT_SECONDS - 1);
    slow.poll(client).await.token();

    let mut shown = Ticket::begin(client, 2).await;
    let mut scanned = Ticket::begin(client, 2).await;
    let mut confirmed = Ticket::begin(client, 2).await;
    scanned.scan(client).await.data();
    confirmed.scan(client).await.data();
    confirmed.confirm(client, "o1").await.token();
    world.wait(QR_WAIT_SECONDS);
    let before = world.snapshot().await;
    refused(&shown.scan(client).await, UNUSABLE);
    for ticket in [shown, scanned, confirmed] {
        refused(&ticket.confirm(client, "o2").await, UNUSABLE);
        refused(&ticket.confirm(client, "o1").await, UNUSABLE);
        refused(&ticket.poll(client).await, EXPIRED);
    }
    assert_eq!(world.snapshot().await, before, "the rows are still there, and count for nothing");
}

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
async fn qr_13_nobody_confirms_a_contact_or_a_role_along_the_way() {
    let world = world().await;
    let client = world.client();
    let mut ticket = Ticket::begin(&client, 2).await;
    ticket.scan(&client).await.data();
    let body = json!({
        "signInKey": ticket.key, "unionID": "o1", "platform": "wx", "nickName": "爱丽丝", "role": "admin",
        "phone": "13800138000", "phoneIsValid": true, "email": "m@example.com", "emailIsValid": true, "userId": 1,
    });
    let token = client.post("/api/AppUsers/2/QRCodeSignUp", body).await.token();
    let profile = client.bearer(&token).get("/api/AppUsers/2/Profile").await;
    assert_eq!(profile.data()["nickName"], "爱丽丝");
    assert_eq!(profile.data()["platform"], "wx");
    assert_eq!(profile.data()["role"], "user");
    assert_eq!((&profile.data()["phoneIsValid"], &profile.data()["emailIsValid"]), (&json!(false), &json!(false)));
}

#[tokio::test]
async fn qr_25_a_closed_app_still_knows_its_users_and_takes_nobody_new() {
    let world = world().await;
    let client = &world.client();
    client.post("/api/AppUsers/2/UnionIDSignUp", json!({"platform": "wxminip", "unionID": "known"})).await.token();
    world
        .change_app(&world.documented, |app| {
            app.settings.sign_up_enabled = false;
            app.settings.verify_phone = true;
        })
        .await;
    let mut ticket = Ticket::begin(client, 2).await;
    ticket.scan(client).await.data();
    let before = world.snapshot().await;
    ticket.confirm(client, "new").await.refused(200, 403, "sign_up_disabled");
    assert_eq!(world.snapshot().await, before);
    // What only a sign-up would need is not even looked at.
    let body = json!({"signInKey": ticket.key, "unionID": "known", "pwd": "password", "nickName": "other"});
    let token = client.post("/api/AppUsers/2/QRCodeSignUp", body).await.token();
    assert_eq!(claims(&token)["given_name"], "");
    ticket.poll(client).await.token();
}

#[tokio::test]
async fn a_weak_password_or_a_taken_name_moves_nothing() {
    let world = world().await;
    let client = &world.client();
    client.sign_up(2, "alice", "correct horse battery").await;
    let mut ticket = Ticket::begin(client, 2).await;
    ticket.scan(client).await.data();
    let before = world.snapshot().await;
    for (member, value, refusal) in
        [("pwd", "password", (200, 422, "weak_password")), ("userName", "ALICE", (200, 409, "account_exists"))]
    {
        let body = json!({"signInKey": ticket.key, "unionID": "o1", member: value});
        refused(&client.post("/api/AppUsers/2/QRCodeSignUp", body).await, refusal);
    }
    assert_eq!(world.snapshot().await, before);
    ticket.confirm(client, "o1").await.token();
}

#[tokio::test]
async fn p_20_rp_05_a_password_reset_ends_what_was_confirmed_before_it() {
    let world = world().await;
    let client = &world.client();
    let mut ticket = Ticket::begin(client, 2).await;
    ticket.scan(client).await.data();
    let token = ticket.confirm(client, "o1").await.token();
    end_tokens(&world, &token).await;
    refused(&ticket.poll(client).await, EXPIRED);
    refused(&ticket.confirm(client, "o1").await, UNUSABLE);

    let mut ticket = Ticket::begin(client, 2).await;
    ticket.scan(client).await.data();
    let token = ticket.confirm(client, "o1").await.token();
    end_tokens(&world, &token).await;
    ticket.confirm(client, "o1").await.token();
    assert_eq!(claims(&ticket.poll(client).await.token())["ver"], "2", "confirmed again since");
}

#[tokio::test]
async fn a_user_who_is_gone_by_then_is_not_signed_in() {
    let world = world().await;
    let client = &world.client();
    let mut ticket = Ticket::begin(client, 2).await;
    ticket.scan(client).await.data();
    let token = ticket.confirm(client, "o1").await.token();
    disable(&world, &token).await;
    let gone = ticket.poll(client).await;
    gone.refused(200, 404, "user_not_found");
    assert_eq!(gone.body["err"], "用户不存在");
    refused(&ticket.poll(client).await, EXPIRED);

    let mut ticket = Ticket::begin(client, 2).await;
    ticket.scan(client).await.data();
    ticket.confirm(client, "o1").await.refused(200, 409, "account_exists");
    ticket.poll(client).await.refused(200, 202, "confirm_pending");
}

/// The calls on the table of codes: what they were, and whether they were consistent.
fn calls_on_codes(world: &World) -> Vec<(String, bool)> {
    let calls = world.engine.take_calls().into_iter();
    calls
        .filter(|call| call.input["TableName"] == "test-Codes")
        .map(|call| (call.operation, call.input["ConsistentRead"] == true))
        .collect()
}

#[tokio::test]
async fn a_waiting_page_costs_one_eventually_consistent_read_of_one_unit() {
    let world = world().await;
    let client = &world.client();
    // As large as a row gets: names of four bytes a character, and both secrets.
    world.change_app(&world.documented, |app| app.settings.qr_proof = world.strict.record.settings.qr_proof).await;
    let body = json!({"scopes": "\u{1f600}".repeat(200), "remark": "\u{1f600}".repeat(600)});
    let answer = client.post("/api/AppUsers/2/QRCodePreSignIn", body).await;
    let mut ticket = Ticket {
        app: 2,
        key: answer.data().clone(),
        poll_secret: answer.body["pollSecret"].clone(),
        scan_nonce: Value::Null,
    };
    for reason in ["scan_pending", "confirm_pending"] {
        let before = world.snapshot().await;
        world.engine.take_calls();
        ticket.poll(client).await.refused(200, 202, reason);
        let calls = world.engine.take_calls();
        let tables: Vec<_> = calls.iter().map(|call| call.input["TableName"].as_str().unwrap()).collect();
        // The first one reads the app's settings, which an instance keeps for a while; the tests' keeps nothing.
        assert_eq!(tables, ["test-Apps", "test-Codes"]);
        assert!(calls.iter().all(|call| call.operation == "GetItem" && call.input["ConsistentRead"] != true));
        assert_eq!(world.snapshot().await, before, "and no write");
        if reason == "scan_pending" {
            ticket.scan(client).await.data();
        }
    }
    ticket.confirm(client, "o1").await.token();
    let row = world.rows(Table::Codes).await.into_iter().find(|row| row.get("stage").is_some()).unwrap();
    let bytes: usize = row
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| name.len() + value["S"].as_str().or(value["N"].as_str()).unwrap().len())
        .sum();
    assert!(bytes < 4_096, "half a unit reads 4 KiB; the row has {bytes} bytes");
}

#[tokio::test]
async fn a_page_is_sent_away_only_after_a_consistent_read() {
    let world = world().await;
    let client = &world.client();
    let mut ticket = Ticket::begin(client, 2).await;
    let unknown = Ticket { key: json!(1_234_567_890_123_u64), ..ticket.clone() };
    calls_on_codes(&world);
    refused(&unknown.poll(client).await, EXPIRED);
    assert_eq!(calls_on_codes(&world), [("GetItem".to_owned(), false), ("GetItem".to_owned(), true)]);

    ticket.scan(client).await.data();
    ticket.confirm(client, "o1").await.token();
    calls_on_codes(&world);
    ticket.poll(client).await.token();
    assert_eq!(calls_on_codes(&world), [("GetItem".to_owned(), false), ("UpdateItem".to_owned(), false)]);
}

#[tokio::test]
async fn an_answer_that_was_lost_does_not_end_the_sign_in() {
    let world = world().await;
    let client = &world.client();
    client.post("/api/AppUsers/2/UnionIDSignUp", json!({"platform": "wxminip", "unionID": "o1"})).await.token();
    let mut ticket = Ticket::begin(client, 2).await;
    // The first call reads the app.
    world.engine.spoil([None, Some(Fault::AnswerLost)]);
    ticket.scan(client).await.data();
    world.engine.spoil([None, None, None, None, Some(Fault::AnswerLost)]);
    ticket.confirm(client, "o1").await.token();
    world.engine.spoil([None, None, None, Some(Fault::AnswerLost)]);
    ticket.poll(client).await.token();
    refused(&ticket.poll(client).await, EXPIRED);
    world.engine.heal();
}

#[tokio::test]
async fn a_store_that_does_not_answer_changes_nothing() {
    let world = world().await;
    let client = &world.client();
    client.post("/api/AppUsers/2/UnionIDSignUp", json!({"platform": "wxminip", "unionID": "o1"})).await.token();
    let mut ticket = Ticket::begin(client, 2).await;
    ticket.scan(client).await.data();
    ticket.confirm(client, "o1").await.token();
    let before = world.snapshot().await;
    for fault in [Fault::Throttled, Fault::InternalError] {
        for call in 0..4 {
            let spoilt = || (0..call).map(|_| None).chain([Some(fault); 3]);
            world.engine.spoil(spoilt());
            ticket.poll(client).await.refused(503, 503, "unavailable");
            world.engine.heal();
            world.engine.spoil(spoilt());
            ticket.confirm(client, "o1").await.refused(503, 503, "unavailable");
            world.engine.heal();
        }
        for call in 0..2 {
            world.engine.spoil((0..call).map(|_| None).chain([Some(fault); 3]));
            let answer = client.post("/api/AppUsers/2/QRCodePreSignIn", json!({})).await;
            answer.refused(503, 503, "unavailable");
            world.engine.heal();
        }
    }
    assert_eq!(world.snapshot().await, before);
    ticket.poll(client).await.token();
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

#[tokio::test]
async fn a_new_user_by_qr_code_is_given_points_too() {
    let world = world().await;
    world.change_app(&world.documented, |app| app.settings.sign_up_points = 7).await;
    let client = world.client();
    let mut ticket = Ticket::begin(&client, 2).await;
    ticket.scan(&client).await.data();
    let token = ticket.confirm(&client, "o1").await.token();
    let log = client.bearer(&token).get("/api/AppUsers/2/PointLog").await;
    assert_eq!((&log.data()["total"], &log.data()["data"][0]["used"]), (&json!(1), &json!(7)));
}
