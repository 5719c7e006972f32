//! Phone and mailbox: codes, signing up and in with them, resetting a password.

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::{codes::DailyBudgets, storage::Table};
use tests::{Answer, World, engine::Fault};

pub(crate) const PHONE: &str = "13800138000";
pub(crate) const EMAIL: &str = "Alice@Example.com";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const NEW_PASSWORD: &str = "staple tractor giraffe";

pub(crate) fn path(endpoint: &str) -> String {
    format!("/api/AppUsers/2/{endpoint}")
}

pub(crate) async fn call(world: &World, endpoint: &str, body: Value) -> Answer {
    world.client().post(&path(endpoint), body).await
}

/// Has a code sent, after the minute that must lie between two.
pub(crate) async fn code(world: &World, address: &str, purpose: &str) -> String {
    world.wait(60);
    send(world, address, purpose).await.data();
    world.code_for(address)
}

pub(crate) async fn send(world: &World, address: &str, purpose: &str) -> Answer {
    if address.contains('@') {
        call(world, "SendEmailCode", json!({"email": address, "type": purpose})).await
    } else {
        call(world, "SendSMSCode", json!({"phone": address, "type": purpose})).await
    }
}

pub(crate) async fn phone_sign_up(world: &World, phone: &str) -> String {
    let code = code(world, phone, "signup").await;
    call(world, "PhoneSignUp", json!({"phone": phone, "phoneCode": code})).await.token()
}

pub(crate) async fn email_sign_up(world: &World, email: &str) -> String {
    let code = code(world, email, "signup").await;
    call(world, "EmailSignUp", json!({"email": email, "emailCode": code, "pwd": PASSWORD})).await.token()
}

pub(crate) async fn phone_sign_in(world: &World, phone: &str, code: &str) -> Answer {
    call(world, "PhoneSignIn", json!({"phone": phone, "verifyCode": code})).await
}

/// Another code than this one.
pub(crate) fn wrong(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn counts(answers: &[Answer]) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for answer in answers {
        *counts.entry(if answer.code() == 200 { "ok" } else { answer.reason() }).or_default() += 1;
    }
    counts
}

fn operations(world: &World) -> Vec<String> {
    world.engine.take_calls().into_iter().map(|call| call.operation).collect()
}

#[tokio::test]
async fn the_whole_round() {
    let world = World::new().await;
    let first = phone_sign_up(&world, PHONE).await;
    let signed_up = claims(&first);
    assert_eq!(
        (&signed_up["grant_type"], &signed_up["mobile"], &signed_up["unique_name"]),
        (&json!("phone"), &json!(PHONE), &json!(PHONE))
    );
    let profile = world.client().bearer(&first).get(&path("Profile")).await;
    assert_eq!((&profile.data()["phone"], &profile.data()["phoneIsValid"]), (&json!(PHONE), &json!(true)));

    let digits = code(&world, PHONE, "signin").await;
    let signed_in = claims(&phone_sign_in(&world, "+8613800138000", &digits).await.token());
    assert_eq!((&signed_in["nameid"], &signed_in["grant_type"]), (&signed_up["nameid"], &json!("phone")));

    let digits = code(&world, PHONE, "forgetpwd").await;
    let reset = call(&world, "ResetPwd", json!({"phone": PHONE, "code": digits, "pwd": NEW_PASSWORD})).await;
    assert_eq!(reset.data(), &json!(true));
    world.client().bearer(&first).get(&path("Profile")).await.refused(401, 401, "invalid_token");
    call(&world, "SignIn", json!({"userName": PHONE, "pwd": NEW_PASSWORD})).await.token();
}

#[tokio::test]
async fn ot_10_a_mailbox_is_compared_in_lower_case_and_kept_as_sent() {
    let world = World::new().await;
    let signed_up = claims(&email_sign_up(&world, EMAIL).await);
    assert_eq!(
        (&signed_up["grant_type"], &signed_up["email"], &signed_up["unique_name"]),
        (&json!("email"), &json!(EMAIL), &json!(EMAIL))
    );
    let digits = code(&world, "alice@example.COM", "signin").await;
    let sent = world.messages_to("ALICE@example.com").pop().unwrap();
    assert_eq!((sent.to.as_str(), sent.channel, sent.purpose), (EMAIL, "email", "signin"), "the stored address");
    let body = json!({"email": "alice@EXAMPLE.com", "code": digits});
    let signed_in = claims(&call(&world, "EmailSignIn", body).await.token());
    assert_eq!((&signed_in["nameid"], &signed_in["grant_type"]), (&signed_up["nameid"], &json!("email")));
}

#[tokio::test]
async fn the_outbox_shows_what_was_sent() {
    let world = World::new().await;
    let digits = code(&world, "+8613800138000", "signup").await;
    let sent = world.messages_to(PHONE);
    assert_eq!(sent.len(), 1);
    assert_eq!(
        serde_json::to_value(&sent[0]).unwrap(),
        json!({
            "to": PHONE, "channel": "sms", "purpose": "signup", "code": digits, "sentAt": "2026-03-01T04:01:00Z",
            "text": format!("【Demo】您正在注册，验证码 {digits}，5 分钟内有效。请勿告诉他人；如非本人操作，请忽略。"),
        })
    );
    code(&world, "+14155550123", "signup").await;
    assert_eq!(world.messages_to("+14155550123")[0].to, "+14155550123");
}

#[tokio::test]
async fn a_sign_up_code_signs_in_and_a_sign_in_code_does_not_sign_up() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    let digits = code(&world, PHONE, "signup").await;
    phone_sign_in(&world, PHONE, &digits).await.token();
    // Sent to an address that somebody has, so that there is one; used for another account's sign-up.
    let digits = code(&world, PHONE, "signin").await;
    let body = json!({"userName": "other", "pwd": PASSWORD, "phone": PHONE, "phoneCode": digits});
    call(&world, "SignUp", body).await.refused(200, 400, "invalid_code");
    phone_sign_in(&world, PHONE, &digits).await.token();
}

#[tokio::test]
async fn ot_01_ot_07_and_ot_08_bad_requests_send_nothing() {
    let world = World::new().await;
    let before = world.snapshot().await;
    for kind in [json!(null), json!(""), json!("SIGNUP"), json!("welcome"), json!(["signup"]), json!(1)] {
        call(&world, "SendSMSCode", json!({"phone": PHONE, "type": kind})).await.refused(400, 400, "invalid_request");
        call(&world, "SendEmailCode", json!({"email": EMAIL, "type": kind})).await.refused(400, 400, "invalid_request");
    }
    for phone in [json!("138 0013 8000"), json!("13800138000,13900139000"), json!("\u{ff11}3800138000"), json!([PHONE])]
    {
        call(&world, "SendSMSCode", json!({"phone": phone, "type": "signup"})).await.refused(
            400,
            400,
            "invalid_request",
        );
    }
    for email in [json!("a@x\r\nBcc:b@y"), json!("a@x,b@y"), json!("\"a\"@x"), json!(["v@x", "a@x"]), json!("a@x.")] {
        call(&world, "SendEmailCode", json!({"email": email, "type": "signup"})).await.refused(
            400,
            400,
            "invalid_request",
        );
    }
    assert_eq!(world.snapshot().await, before);
    assert!(world.env.messages.outbox().unwrap().read(None).is_empty());
}

#[tokio::test]
async fn ot_02_known_and_unknown_addresses_get_the_same_bytes_after_the_same_calls() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    email_sign_up(&world, EMAIL).await;
    world.wait(60);
    for (known, unknown) in [(PHONE, "13900139000"), (EMAIL, "nobody@example.com")] {
        for purpose in ["signin", "forgetpwd", "signup"] {
            world.wait(60);
            let sent_before = (world.messages_to(known).len(), world.messages_to(unknown).len());
            world.engine.take_calls();
            let first = (send(&world, known, purpose).await.essence(), operations(&world));
            let second = (send(&world, unknown, purpose).await.essence(), operations(&world));
            assert_eq!(first, second, "{known} {purpose}");
            let strangers = usize::from(purpose == "signup");
            let sent = (world.messages_to(known).len(), world.messages_to(unknown).len());
            assert_eq!(sent, (sent_before.0 + 1, sent_before.1 + strangers), "{known} {purpose}");
        }
        let wrong = |address: &str| json!({"phone": address, "code": "0000", "pwd": NEW_PASSWORD});
        if known == PHONE {
            world.engine.take_calls();
            let first = (call(&world, "ResetPwd", wrong(known)).await.essence(), operations(&world));
            let second = (call(&world, "ResetPwd", wrong(unknown)).await.essence(), operations(&world));
            assert_eq!(first, second);
        }
    }
}

#[tokio::test]
async fn ot_28_a_disabled_user_is_sent_nothing_and_is_nobody() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    let (signin, reset) = (code(&world, PHONE, "signin").await, code(&world, PHONE, "forgetpwd").await);
    disable_all(&world).await;
    let sent = world.messages_to(PHONE).len();
    world.wait(60);
    send(&world, PHONE, "signin").await.data();
    assert_eq!(world.messages_to(PHONE).len(), sent);
    // The code that was sent before was replaced by one that nobody has.
    phone_sign_in(&world, PHONE, &signin).await.refused(200, 400, "invalid_code");
    let body = json!({"phone": PHONE, "code": reset, "pwd": NEW_PASSWORD});
    call(&world, "ResetPwd", body).await.refused(200, 400, "invalid_code");
    let digits = code(&world, PHONE, "signup").await;
    phone_sign_in(&world, PHONE, &digits).await.refused(200, 404, "user_not_found");
}

async fn disable_all(world: &World) {
    let client = world.engine.client();
    for row in world.rows(Table::Users).await {
        if row.get("status").is_some() {
            let key = aws_sdk_dynamodb::types::AttributeValue::S(row["pk"]["S"].as_str().unwrap().to_owned());
            let disabled = aws_sdk_dynamodb::types::AttributeValue::S("disabled".to_owned());
            let call = client.update_item().table_name("test-Users").key("pk", key);
            let call = call.update_expression("SET #s = :d").expression_attribute_names("#s", "status");
            call.expression_attribute_values(":d", disabled).send().await.unwrap();
        }
    }
}

#[tokio::test]
async fn ot_04_and_ot_05_an_address_gets_one_a_minute_five_an_hour_ten_a_day() {
    let world = World::new().await;
    let digits = code(&world, PHONE, "signup").await;
    let refused = send(&world, "+8613800138000", "forgetpwd").await;
    refused.refused(200, 429, "throttled");
    assert_eq!((refused.header("retry-after"), refused.body["err"].as_str()), ("60", Some("操作过于频繁，请稍后再试")));
    world.wait(59);
    let before = world.snapshot().await;
    assert_eq!(send(&world, PHONE, "signup").await.header("retry-after"), "1");
    assert_eq!(world.snapshot().await, before, "a refused send counts nowhere");
    for _ in 0..4 {
        code(&world, PHONE, "signup").await;
    }
    world.wait(60);
    send(&world, PHONE, "signup").await.refused(200, 429, "throttled");
    world.wait(3_600);
    for _ in 0..5 {
        code(&world, PHONE, "signup").await;
    }
    world.wait(7_200);
    send(&world, PHONE, "signup").await.refused(200, 429, "throttled");
    world.wait(86_400);
    code(&world, PHONE, "signup").await;
    assert_eq!(world.messages_to(PHONE).len(), 11);
    phone_sign_in(&world, PHONE, &digits).await.refused(200, 400, "invalid_code");
}

#[tokio::test]
async fn ot_05_a_client_has_twenty_an_hour_over_all_apps() {
    let world = World::new().await;
    let send = |app: u32, number: usize, address: &'static str| {
        let client = world.client().from(address);
        let body = json!({"phone": format!("139{number:08}"), "type": "signup"});
        async move { client.post(&format!("/api/AppUsers/{app}/SendSMSCode"), body).await }
    };
    for number in 0..20 {
        send(2 + u32::from(number % 2 == 1), number, "2001:db8::1").await.data();
    }
    let refused = send(2, 20, "2001:db8::ffff").await;
    refused.refused(200, 429, "throttled");
    assert_eq!(refused.header("retry-after"), "3600");
    send(2, 20, "2001:db8:0:1::1").await.data();
    // Loopback is an address like any other unless the configuration says otherwise.
    for number in 30..50 {
        send(2, number, "127.0.0.1").await.data();
    }
    send(2, 50, "127.0.0.1").await.refused(200, 429, "throttled");
    world.wait(3_600);
    send(2, 51, "2001:db8::1").await.data();
}

#[tokio::test]
async fn a_deployment_has_a_budget_for_each_channel_and_day_over_all_clients() {
    let world = World::new().await;
    let limited = world.instance(|parts| parts.budgets = DailyBudgets { sms: 3, mail: 1 });
    let sms = async |n: u32| {
        let client = limited.clone().from(&format!("198.51.100.{n}"));
        // Whoever is unknown is counted, too: else the budget would tell who is not.
        let purpose = if n.is_multiple_of(2) { "signup" } else { "signin" };
        client.post(&path("SendSMSCode"), json!({"phone": format!("1380013{n:04}"), "type": purpose})).await
    };
    for n in 0..3 {
        sms(n).await.data();
    }
    let before = world.snapshot().await;
    let refused = sms(3).await;
    refused.refused(200, 429, "throttled");
    // The tests begin at four in the morning, UTC.
    assert_eq!(refused.header("retry-after"), (20 * 3_600).to_string());
    assert_eq!(world.snapshot().await, before, "the address and the client keep what they may send");
    let mail = json!({"email": "a@example.com", "type": "signup"});
    limited.post(&path("SendEmailCode"), mail).await.data();
    world.wait(20 * 3_600 - 1);
    sms(4).await.refused(200, 429, "throttled");
    world.wait(1);
    sms(4).await.data();
}

#[tokio::test]
async fn a_large_budget_is_counted_in_places_and_the_last_code_is_found() {
    let world = World::new().await;
    let budget = DailyBudgets { sms: 1_000, mail: 0 };
    let limited = world.instance(|parts| parts.budgets = budget);
    let day = "2026-03-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second() / 86_400;
    for (place, count) in [(0, "500"), (1, "498")] {
        let pk = format!("codes#sms#{day}#{place}");
        let row = json!({"pk": {"S": pk}, "count": {"N": count}, "expires": {"N": "9999999999"}});
        world.engine.put(&world.table(Table::Codes), &row).await;
    }
    let answers =
        (0..8).map(|n| {
            let client = limited.clone();
            async move {
                client.post(&path("SendSMSCode"), json!({"phone": format!("1380013000{n}"), "type": "signup"})).await
            }
        });
    assert_eq!(counts(&join_all(answers).await), HashMap::from([("ok", 2), ("throttled", 6)]));
    let mail = json!({"email": "a@example.com", "type": "signup"});
    limited.post(&path("SendEmailCode"), mail).await.refused(200, 429, "throttled");
}

#[tokio::test]
async fn ot_13_a_new_code_replaces_the_old_one_of_its_purpose() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    let old = code(&world, PHONE, "signin").await;
    let other = code(&world, PHONE, "signup").await;
    let new = code(&world, PHONE, "signin").await;
    phone_sign_in(&world, PHONE, &old).await.refused(200, 400, "invalid_code");
    phone_sign_in(&world, PHONE, &other).await.token();
    phone_sign_in(&world, PHONE, &new).await.token();
}

#[tokio::test]
async fn ot_17_the_fifth_wrong_try_kills_a_code_and_the_answer_never_says_so() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    let digits = code(&world, PHONE, "signin").await;
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(phone_sign_in(&world, PHONE, &wrong(&digits)).await);
    }
    answers.push(phone_sign_in(&world, PHONE, &digits).await);
    answers.push(phone_sign_in(&world, "13900139000", &digits).await);
    for answer in &answers {
        answer.refused(200, 400, "invalid_code");
        assert_eq!(answer.essence(), answers[0].essence());
    }
    assert_eq!(answers[0].body["err"], "验证码错误或已过期");
    let digits = code(&world, PHONE, "signin").await;
    phone_sign_in(&world, PHONE, &digits).await.token();
}

#[tokio::test]
async fn ot_22_ten_wrong_tries_an_hour_whatever_is_sent_again() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    for purpose in ["signin", "forgetpwd"] {
        let digits = code(&world, PHONE, purpose).await;
        for _ in 0..5 {
            let body = json!({"phone": PHONE, "code": wrong(&digits), "pwd": NEW_PASSWORD});
            let endpoint = if purpose == "signin" { "PhoneSignIn" } else { "ResetPwd" };
            call(&world, endpoint, body).await.refused(200, 400, "invalid_code");
        }
    }
    let digits = code(&world, PHONE, "signin").await;
    phone_sign_in(&world, PHONE, &digits).await.refused(200, 400, "invalid_code");
    world.wait(3_600);
    let digits = code(&world, PHONE, "signin").await;
    phone_sign_in(&world, PHONE, &digits).await.token();
}

#[tokio::test]
async fn a_code_lives_five_minutes() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    let digits = code(&world, PHONE, "signin").await;
    world.wait(300);
    phone_sign_in(&world, PHONE, &digits).await.refused(200, 400, "invalid_code");
    let digits = code(&world, PHONE, "signin").await;
    world.wait(299);
    phone_sign_in(&world, PHONE, &digits).await.token();
    phone_sign_in(&world, PHONE, &digits).await.refused(200, 400, "invalid_code");
}

#[tokio::test]
async fn ot_20_right_digits_elsewhere_are_wrong_and_the_genuine_code_still_works() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    phone_sign_up(&world, "13900139000").await;
    let digits = code(&world, PHONE, "signin").await;
    phone_sign_in(&world, "13900139000", &digits).await.refused(200, 400, "invalid_code");
    let reset = json!({"phone": PHONE, "code": digits, "pwd": NEW_PASSWORD});
    call(&world, "ResetPwd", reset).await.refused(200, 400, "invalid_code");
    let other_app = json!({"phone": PHONE, "verifyCode": digits});
    let answer = world.client().post("/api/AppUsers/3/PhoneSignIn", other_app).await;
    answer.refused(200, 400, "invalid_code");
    let mail = json!({"email": "13800138000@example.com", "code": digits});
    call(&world, "EmailSignIn", mail).await.refused(200, 400, "invalid_code");
    phone_sign_in(&world, PHONE, &digits).await.token();
}

#[tokio::test]
async fn ot_25_a_code_survives_what_fails_for_another_reason() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    let digits = code(&world, PHONE, "signup").await;
    for _ in 0..7 {
        let again = json!({"phone": PHONE, "phoneCode": digits});
        call(&world, "PhoneSignUp", again).await.refused(200, 409, "account_exists");
        let weak = json!({"phone": PHONE, "phoneCode": digits, "pwd": "password"});
        call(&world, "PhoneSignUp", weak).await.refused(200, 422, "weak_password");
    }
    phone_sign_in(&world, PHONE, &digits).await.token();

    let digits = code(&world, "13900139000", "signup").await;
    phone_sign_in(&world, "13900139000", &digits).await.refused(200, 404, "user_not_found");
    let taken = json!({"phone": "13900139000", "phoneCode": digits, "userName": PHONE});
    call(&world, "PhoneSignUp", taken).await.refused(200, 409, "account_exists");
    call(&world, "PhoneSignUp", json!({"phone": "13900139000", "phoneCode": digits})).await.token();
}

#[tokio::test]
async fn su_13_a_wrong_code_does_not_cost_the_right_one_beside_it() {
    let world = World::new().await;
    world
        .change_app(&world.documented, |app| {
            app.settings.verify_phone = true;
            app.settings.verify_email = true;
        })
        .await;
    let (sms, mail) = (code(&world, PHONE, "signup").await, code(&world, EMAIL, "signup").await);
    let group = |sms: &str, mail: &str| {
        json!({
            "userName": "alice", "pwd": PASSWORD,
            "phone": PHONE, "phoneCode": sms, "email": EMAIL, "emailCode": mail,
        })
    };
    for _ in 0..2 {
        call(&world, "SignUp", group(&wrong(&sms), &mail)).await.refused(200, 400, "invalid_code");
        call(&world, "SignUp", group(&sms, &wrong(&mail))).await.refused(200, 400, "invalid_code");
    }
    assert!(world.rows(Table::Users).await.is_empty());
    let signed_up = claims(&call(&world, "SignUp", group(&sms, &mail)).await.token());
    assert_eq!((&signed_up["mobile"], &signed_up["email"]), (&json!(PHONE), &json!(EMAIL)));
}

#[tokio::test]
async fn an_app_may_insist_on_proven_addresses_at_every_sign_up() {
    let world = World::new().await;
    world.change_app(&world.documented, |app| app.settings.verify_email = true).await;
    let bare = json!({"userName": "alice", "pwd": PASSWORD, "email": EMAIL});
    let answer = call(&world, "SignUp", bare).await;
    answer.refused(200, 400, "contact_code_required");
    assert_eq!(answer.body["err"], "请先验证手机号或邮箱");
    let identity = json!({"platform": "wx", "unionID": "o1"});
    call(&world, "UnionIDSignUp", identity).await.refused(200, 400, "contact_code_required");
    let digits = code(&world, PHONE, "signup").await;
    let phone_only = json!({"phone": PHONE, "phoneCode": digits});
    call(&world, "PhoneSignUp", phone_only).await.refused(200, 400, "contact_code_required");
    let mail = code(&world, EMAIL, "signup").await;
    let both = json!({"phone": PHONE, "phoneCode": digits, "email": EMAIL, "emailCode": mail});
    call(&world, "PhoneSignUp", both).await.token();
}

#[tokio::test]
async fn su_17_an_address_without_a_code_reserves_nothing_and_signs_nobody_in() {
    let world = World::new().await;
    let body = json!({"userName": "xa", "pwd": PASSWORD, "phone": "+8613800138000", "email": EMAIL});
    let token = call(&world, "SignUp", body).await.token();
    let profile = world.client().bearer(&token).get(&path("Profile")).await;
    assert_eq!((&profile.data()["phone"], &profile.data()["phoneIsValid"]), (&json!(PHONE), &json!(false)));
    let digits = code(&world, PHONE, "signup").await;
    phone_sign_in(&world, PHONE, &digits).await.refused(200, 404, "user_not_found");
    let victim = call(&world, "PhoneSignUp", json!({"phone": PHONE, "phoneCode": digits})).await.token();
    let digits = code(&world, PHONE, "signin").await;
    let signed_in = phone_sign_in(&world, PHONE, &digits).await.token();
    assert_eq!(claims(&signed_in)["nameid"], claims(&victim)["nameid"], "SU-19");
    let strange = json!({"userName": "xb", "pwd": PASSWORD, "phone": "ext. 12", "email": "not a mailbox"});
    call(&world, "SignUp", strange).await.token();
}

#[tokio::test]
async fn codes_are_four_to_eight_digits_and_come_with_their_address() {
    let world = World::new().await;
    let before = world.snapshot().await;
    for code in [json!("123"), json!("123456789"), json!("12345a"), json!("１２３４５６"), json!(123_456), json!(true)]
    {
        for endpoint in ["PhoneSignIn", "PhoneSignUp", "ResetPwd", "SignUp"] {
            let body = json!({
                "userName": "alice", "phone": PHONE, "code": code, "phoneCode": code, "pwd": PASSWORD,
            });
            call(&world, endpoint, body).await.refused(400, 400, "invalid_request");
        }
    }
    for body in [
        json!({"phone": PHONE}),
        json!({"phoneCode": "123456"}),
        json!({"phone": PHONE, "phoneCode": ""}),
        json!({"phone": "", "phoneCode": "123456"}),
        json!({"email": EMAIL, "emailCode": "123456"}),
    ] {
        call(&world, "PhoneSignUp", body).await.refused(400, 400, "invalid_request");
    }
    for body in [
        json!({"phone": PHONE, "email": EMAIL, "code": "123456", "pwd": PASSWORD}),
        json!({"code": "123456", "pwd": PASSWORD}),
        json!({"phone": PHONE, "pwd": PASSWORD}),
        json!({"phone": PHONE, "code": "123456"}),
    ] {
        call(&world, "ResetPwd", body).await.refused(400, 400, "invalid_request");
    }
    assert_eq!(world.snapshot().await, before);
    let aliases = json!({"phone": PHONE, "verifyCode": "123456", "phoneCode": "654321"});
    call(&world, "PhoneSignIn", aliases).await.refused(400, 400, "invalid_request");
}

#[tokio::test]
async fn a_closed_app_takes_nobody_with_a_code_either() {
    let world = World::new().await;
    let digits = code(&world, PHONE, "signup").await;
    world.change_app(&world.documented, |app| app.settings.sign_up_enabled = false).await;
    let body = json!({"phone": PHONE, "phoneCode": digits});
    call(&world, "PhoneSignUp", body).await.refused(200, 403, "sign_up_disabled");
}

#[tokio::test]
async fn rp_05_rp_13_a_reset_unlocks_and_ends_every_earlier_token_and_code() {
    let world = World::new().await;
    let (sms, mail) = (code(&world, PHONE, "signup").await, code(&world, EMAIL, "signup").await);
    let both = json!({"phone": PHONE, "phoneCode": sms, "email": EMAIL, "emailCode": mail, "pwd": PASSWORD});
    let token = call(&world, "PhoneSignUp", both).await.token();
    for _ in 0..6 {
        let failed = json!({"userName": PHONE, "pwd": "wrong horse battery"});
        assert_ne!(call(&world, "SignIn", failed).await.code(), 200);
    }
    let mail_reset = code(&world, EMAIL, "forgetpwd").await;
    let mail_signin = code(&world, EMAIL, "signin").await;
    let sms_signin = code(&world, PHONE, "signin").await;
    let sms_reset = code(&world, PHONE, "forgetpwd").await;
    let answer = call(&world, "ResetPwd", json!({"phone": PHONE, "code": sms_reset, "pwd": NEW_PASSWORD})).await;
    assert_eq!(answer.data(), &json!(true));
    world.client().bearer(&token).get(&path("Profile")).await.refused(401, 401, "invalid_token");
    phone_sign_in(&world, PHONE, &sms_signin).await.refused(200, 400, "invalid_code");
    let signin = json!({"email": EMAIL, "code": mail_signin});
    call(&world, "EmailSignIn", signin).await.refused(200, 400, "invalid_code");
    for (address, digits) in [("phone", sms_reset), ("email", mail_reset)] {
        let to = if address == "phone" { PHONE } else { EMAIL };
        let body = json!({address: to, "code": digits, "pwd": "another good password"});
        call(&world, "ResetPwd", body).await.refused(200, 400, "invalid_code");
    }
    // The failures of before are forgotten.
    call(&world, "SignIn", json!({"userName": PHONE, "pwd": NEW_PASSWORD})).await.token();
    call(&world, "SignIn", json!({"userName": PHONE, "pwd": PASSWORD})).await.refused(200, 401, "invalid_credentials");
}

#[tokio::test]
async fn rp_07_a_weak_new_password_costs_no_code() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    let digits = code(&world, PHONE, "forgetpwd").await;
    for weak in ["password", "123456", PHONE, "aaaaaaaa", "short"] {
        for _ in 0..2 {
            let body = json!({"phone": PHONE, "code": digits, "pwd": weak});
            call(&world, "ResetPwd", body).await.refused(200, 422, "weak_password");
        }
    }
    call(&world, "ResetPwd", json!({"phone": PHONE, "code": digits, "pwd": NEW_PASSWORD})).await.data();
}

#[tokio::test]
async fn rp_08_and_rp_10_a_reset_sets_the_first_password_in_one_app_only() {
    let world = World::new().await;
    world.change_app(&world.documented, |app| app.settings.default_password = None).await;
    phone_sign_up(&world, PHONE).await;
    let other = |endpoint: &str| format!("/api/AppUsers/3/{endpoint}");
    world.client().post(&other("SendSMSCode"), json!({"phone": PHONE, "type": "signup"})).await.data();
    let body = json!({"phone": PHONE, "phoneCode": world.code_for(PHONE), "pwd": PASSWORD});
    let elsewhere = world.client().post(&other("PhoneSignUp"), body).await.token();
    let digits = code(&world, PHONE, "forgetpwd").await;
    call(&world, "ResetPwd", json!({"phone": PHONE, "code": digits, "pwd": NEW_PASSWORD})).await.data();
    call(&world, "SignIn", json!({"userName": PHONE, "pwd": NEW_PASSWORD})).await.token();
    world.client().bearer(&elsewhere).get(&other("Profile")).await.data();
    world.client().post(&other("SignIn"), json!({"userName": PHONE, "pwd": PASSWORD})).await.token();
}

#[tokio::test]
async fn the_default_name_gives_way_to_one_that_is_taken() {
    let world = World::new().await;
    world.client().sign_up(2, PHONE, PASSWORD).await;
    let name = claims(&phone_sign_up(&world, PHONE).await)["unique_name"].as_str().unwrap().to_owned();
    assert!(name.starts_with("u_"), "{name}");
    let chosen = code(&world, EMAIL, "signup").await;
    let body = json!({"email": EMAIL, "emailCode": chosen, "userName": "alice", "pwd": "123456"});
    assert_eq!(claims(&call(&world, "EmailSignUp", body).await.token())["unique_name"], "alice");
}

#[tokio::test]
async fn ot_31_an_app_says_it_in_its_own_words() {
    let world = World::new().await;
    let templates = |json: Value| serde_json::from_value(json).unwrap();
    world
        .change_app(&world.documented, |app| {
            app.settings.templates = templates(json!({"sms": {"signup": "您的注册码是{code}。"}}));
        })
        .await;
    let digits = code(&world, PHONE, "signup").await;
    assert_eq!(world.messages_to(PHONE)[0].text, format!("您的注册码是{digits}。"));
    for bad in ["no code", "{code} {name}", "{code} {code}", "{code}\u{0}", "{code}{{7*7}}"] {
        let mut record = world.documented.record.clone();
        record.settings.templates = templates(json!({"mail": {"signin": bad}}));
        assert!(record.check().is_err(), "{bad}");
    }
}

#[tokio::test]
async fn su_22_a_welcome_mail_goes_to_one_recipient_and_evaluates_nothing() {
    let world = World::new().await;
    world.change_app(&world.documented, |app| app.settings.templates.welcome_mail = true).await;
    let digits = code(&world, EMAIL, "signup").await;
    let nick_name = "\"><img onerror=x> {{7*7}} ${jndi:x} {code}";
    let body = json!({"email": EMAIL, "emailCode": digits, "nickName": nick_name});
    call(&world, "EmailSignUp", body).await.token();
    let sent = world.messages_to(EMAIL);
    assert_eq!((sent.len(), sent[1].purpose, &sent[1].code), (2, "welcome", &None));
    assert!(sent[1].text.starts_with(nick_name), "{}", sent[1].text);
    // Nobody is welcomed at an address that they did not prove.
    let bare = json!({"userName": "bob", "pwd": PASSWORD, "email": "bob@example.com"});
    call(&world, "SignUp", bare).await.token();
    assert!(world.messages_to("bob@example.com").is_empty());
}

#[tokio::test]
async fn op_02_tables_hold_no_code_and_throwaway_rows_no_address() {
    let world = World::new().await;
    email_sign_up(&world, EMAIL).await;
    let codes = [code(&world, PHONE, "signup").await, code(&world, EMAIL, "forgetpwd").await];
    let dump = serde_json::to_string(&world.snapshot().await).unwrap();
    for code in codes {
        assert!(!dump.contains(&format!("\"{code}\"")));
    }
    let throwaway = serde_json::to_string(&world.rows(Table::Codes).await).unwrap();
    for address in ["13800138000", "alice", "Alice"] {
        assert!(!throwaway.contains(address));
    }
    let now = world.env.clock.now().as_second();
    for row in world.rows(Table::Codes).await {
        let expires: i64 = row["expires"]["N"].as_str().unwrap().parse().unwrap();
        assert!((now..=now + 26 * 3_600).contains(&expires), "{row}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_16_a_hundred_sends_to_one_address_are_one_message() {
    let world = World::new().await;
    world.engine.spoil([None, Some(Fault::Conflict), None, Some(Fault::Conflict), None, Some(Fault::AnswerLost)]);
    let answers = join_all((0..100).map(|_| send(&world, PHONE, "signup"))).await;
    assert_eq!(counts(&answers), HashMap::from([("ok", 1), ("throttled", 99)]));
    assert_eq!(world.messages_to(PHONE).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_05_a_hundred_redemptions_of_one_code_are_one_token() {
    for fault in [Fault::ItemConflict, Fault::Throttled, Fault::AnswerLost] {
        let world = World::new().await;
        phone_sign_up(&world, PHONE).await;
        let digits = code(&world, PHONE, "signin").await;
        world.engine.spoil((0..400).map(|n| (n % 7 == 0).then_some(fault)));
        let answers = join_all((0..100).map(|_| phone_sign_in(&world, PHONE, &digits))).await;
        let counts = counts(&answers);
        // Three faults in a row at one call are not hidden from its client.
        let unavailable = counts.get("unavailable").copied().unwrap_or_default();
        assert!(counts.get("ok").is_none_or(|ok| *ok == 1), "{fault:?}: {counts:?}");
        assert!(unavailable > 0 || counts["ok"] == 1, "{fault:?}: {counts:?}");
        assert!(fault != Fault::ItemConflict || unavailable == 0, "{counts:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_02_a_hundred_sign_ups_with_one_code_are_one_user() {
    let world = World::new().await;
    let digits = code(&world, PHONE, "signup").await;
    world.engine.spoil((0..400).map(|n| match n % 11 {
        0 => Some(Fault::Conflict),
        5 => Some(Fault::ItemConflict),
        _ => None,
    }));
    let body = json!({"phone": PHONE, "phoneCode": digits});
    let answers = join_all((0..100).map(|_| call(&world, "PhoneSignUp", body.clone()))).await;
    let counts = counts(&answers);
    assert_eq!(counts["ok"], 1, "{counts:?}");
    assert!(counts.keys().all(|reason| ["ok", "invalid_code", "account_exists"].contains(reason)), "{counts:?}");
    assert_eq!(world.rows(Table::Users).await.len(), 3, "the user and two reservations");
    phone_sign_in(&world, PHONE, &digits).await.refused(200, 400, "invalid_code");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_07_a_hundred_wrong_guesses_are_five_evaluated_ones() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    let digits = code(&world, PHONE, "signin").await;
    world.engine.spoil((0..400).map(|n| (n % 7 == 0).then_some(Fault::ItemConflict)));
    let guess = wrong(&digits);
    let answers = join_all((0..100).map(|_| phone_sign_in(&world, PHONE, &guess))).await;
    assert_eq!(counts(&answers), HashMap::from([("invalid_code", 100)]));
    world.engine.heal();
    let record = address_record(&world).await;
    assert_eq!(record["codes"]["M"]["signin"]["M"]["tries"]["N"], "5");
    assert_eq!(record["failures"]["L"].as_array().unwrap().len(), 10);
    // From elsewhere: the hundred were one client's share.
    let right = json!({"phone": PHONE, "verifyCode": digits});
    world.client().from("198.51.100.7").post(&path("PhoneSignIn"), right).await.refused(200, 400, "invalid_code");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_08_one_right_guess_among_a_hundred_is_one_of_five_or_nothing() {
    for _ in 0..5 {
        let world = World::new().await;
        phone_sign_up(&world, PHONE).await;
        let digits = code(&world, PHONE, "signin").await;
        let guesses = (0..100).map(|n| if n == 50 { digits.clone() } else { wrong(&digits) });
        let answers = join_all(guesses.map(|guess| {
            let world = world.clone();
            async move { phone_sign_in(&world, PHONE, &guess).await }
        }))
        .await;
        let counts = counts(&answers);
        assert!(counts.get("ok").is_none_or(|ok| *ok == 1), "{counts:?}");
        let record = address_record(&world).await;
        let tries = record["codes"]["M"].get("signin").map(|code| code["M"]["tries"]["N"].clone());
        assert_eq!(tries.is_none(), counts.contains_key("ok"), "used, or dead at five: {tries:?}");
        assert!(tries.is_none_or(|tries| tries == "5"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_resets_with_one_code_are_one() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    let digits = code(&world, PHONE, "forgetpwd").await;
    world.engine.spoil((0..400).map(|n| (n % 9 == 0).then_some(Fault::Conflict)));
    let answers = join_all((0..100).map(|n| {
        let body = json!({"phone": PHONE, "code": digits, "pwd": format!("{NEW_PASSWORD} {n}")});
        let world = world.clone();
        async move { call(&world, "ResetPwd", body).await }
    }))
    .await;
    assert_eq!(counts(&answers), HashMap::from([("ok", 1), ("invalid_code", 99)]));
}

/// What is stored about the one address that codes were tried at.
async fn address_record(world: &World) -> Value {
    let rows = world.rows(Table::Codes).await;
    let row = rows.into_iter().find(|row| row.get("record").is_some()).unwrap();
    row["record"]["M"].clone()
}

#[tokio::test]
async fn fi_05_conflicts_are_tried_again_and_in_the_end_refused_without_a_trace() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    let digits = code(&world, PHONE, "signup").await;
    let before = world.snapshot().await;
    for fault in [Fault::Conflict, Fault::Throttled, Fault::InternalError] {
        world.wait(1);
        // The first two calls read the app and the record.
        world.engine.spoil([None, None].into_iter().chain(std::iter::repeat_n(Some(fault), 50)));
        let answer = send(&world, "13900139000", "signup").await;
        answer.refused(503, 503, "unavailable");
        assert_eq!(answer.header("retry-after"), "1");
        world.engine.heal();
        assert_eq!(world.snapshot().await, before, "{fault:?}");
    }
    assert!(world.messages_to("13900139000").is_empty());
    // FI-20: what cannot be charged is not compared.
    world.engine.spoil([None, None].into_iter().chain(std::iter::repeat_n(Some(Fault::ItemConflict), 200)));
    phone_sign_in(&world, PHONE, &digits).await.refused(503, 503, "unavailable");
    world.engine.heal();
    assert_eq!(world.snapshot().await, before);
    phone_sign_in(&world, PHONE, &digits).await.token();
}
