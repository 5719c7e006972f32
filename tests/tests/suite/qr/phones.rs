//! What a phone does in which state, for whom, and what comes of it.

use serde_json::{Value, json};
use shared::storage::QR_WAIT_SECONDS;
use tests::claims;

use super::{EXPIRED, Ticket, UNUSABLE, disable, end_tokens, refused, world};

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
