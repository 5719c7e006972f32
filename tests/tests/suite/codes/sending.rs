//! What is sent, to whom, how often, and in whose words.

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::{codes::DailyBudgets, storage::Table};
use tests::{World, claims};

use super::{
    EMAIL, NEW_PASSWORD, PASSWORD, PHONE, call, code, counts, email_sign_up, operations, path, phone_sign_in,
    phone_sign_up, send,
};

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
