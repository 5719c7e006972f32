//! Verification codes, wherever one is taken.

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::storage::Table;
use tests::{Answer, Tally, World};

use super::work;
use crate::codes::{EMAIL, NEW_PASSWORD, PASSWORD, PHONE, call, code, email_sign_up, path, phone_sign_up, send, wrong};

/// Everything that takes a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Consumer {
    SignUp,
    UnionIdSignUp,
    QrCodeSignUp,
    ContactSignUp,
    ContactSignIn,
    ResetPwd,
}

impl Consumer {
    const ALL: [Self; 6] = [
        Self::SignUp,
        Self::UnionIdSignUp,
        Self::QrCodeSignUp,
        Self::ContactSignUp,
        Self::ContactSignIn,
        Self::ResetPwd,
    ];

    fn is_sign_up(self) -> bool {
        !matches!(self, Self::ContactSignIn | Self::ResetPwd)
    }

    fn takes(self, purpose: &str) -> bool {
        match self {
            Self::ContactSignIn => purpose != "forgetpwd",
            Self::ResetPwd => purpose == "forgetpwd",
            Self::SignUp | Self::UnionIdSignUp | Self::QrCodeSignUp | Self::ContactSignUp => purpose == "signup",
        }
    }

    async fn redeem(self, world: &World, address: &str, digits: &str) -> Answer {
        let is_mail = address.contains('@');
        let (field, code_field, channel) =
            if is_mail { ("email", "emailCode", "Email") } else { ("phone", "phoneCode", "Phone") };
        // Somebody else each time.
        let identity = format!("consumer{}", world.env.entropy.id());
        let (endpoint, mut body) = match self {
            Self::SignUp => ("SignUp".to_owned(), json!({"userName": identity, "pwd": PASSWORD})),
            Self::UnionIdSignUp => ("UnionIDSignUp".to_owned(), json!({"platform": "wx", "unionID": identity})),
            Self::QrCodeSignUp => {
                let begun = call(world, "QRCodePreSignIn", json!({})).await;
                call(world, "QRCodeScan", json!({"signInKey": begun.data()})).await.data();
                ("QRCodeSignUp".to_owned(), json!({"signInKey": begun.data(), "unionID": identity}))
            }
            Self::ContactSignUp => (format!("{channel}SignUp"), json!({})),
            Self::ContactSignIn => (format!("{channel}SignIn"), json!({})),
            Self::ResetPwd => ("ResetPwd".to_owned(), json!({"pwd": NEW_PASSWORD})),
        };
        body[field] = address.into();
        body[if self.is_sign_up() { code_field } else { "code" }] = digits.into();
        call(world, &endpoint, body).await
    }
}

/// The wrong tries that count at the one address that a code was sent to.
async fn failures(world: &World) -> usize {
    let rows = world.rows(Table::Codes).await;
    let record = rows.iter().find(|row| row.get("record").is_some()).expect("a record of the address");
    record["record"]["M"]["failures"]["L"].as_array().expect("a list").len()
}

#[tokio::test]
async fn ot_16_ot_19_ot_32_rp_01_a_code_is_good_once_for_its_purpose_and_a_wrong_one_is_charged() {
    let tallies = ["OT-16", "OT-19", "OT-32", "RP-01"].map(Tally::of);
    for consumer in Consumer::ALL {
        for address in [PHONE, EMAIL] {
            for purpose in ["signup", "signin", "forgetpwd"] {
                let world = World::new().await;
                let needs_holder = purpose != "signup" || !consumer.is_sign_up();
                if needs_holder && address == PHONE {
                    phone_sign_up(&world, PHONE).await;
                } else if needs_holder {
                    email_sign_up(&world, EMAIL).await;
                }
                let digits = code(&world, address, purpose).await;
                let before = failures(&world).await;
                consumer.redeem(&world, address, &wrong(&digits)).await.refused(200, 400, "invalid_code");
                assert_eq!(failures(&world).await, before + 1, "{consumer:?} {address} {purpose}");
                let right = consumer.redeem(&world, address, &digits).await;
                if consumer.takes(purpose) {
                    right.data();
                } else {
                    right.refused(200, 400, "invalid_code");
                    assert_eq!(failures(&world).await, before + 2);
                }
                consumer.redeem(&world, address, &digits).await.refused(200, 400, "invalid_code");
                tallies.iter().for_each(Tally::count);
            }
        }
    }
}

#[tokio::test]
async fn ot_02_sending_costs_the_same_work_for_known_and_unknown_addresses() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    email_sign_up(&world, EMAIL).await;
    for purpose in ["signup", "signin", "forgetpwd"] {
        for (known, unknown) in [(PHONE, "13900139000"), (EMAIL, "nobody@example.com")] {
            world.wait(3_600);
            let mut seen = Vec::new();
            for address in [known, unknown] {
                let (answer, cost) = work(&world, send(&world, address, purpose)).await;
                seen.push((answer.essence(), cost));
            }
            assert_eq!(seen[0], seen[1], "{purpose}");
        }
    }
}

#[tokio::test]
async fn ot_23_guesses_at_one_code_from_many_addresses_share_its_five_tries() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    let digits = code(&world, PHONE, "signin").await;
    let mut counts = HashMap::new();
    for n in 0..300_u32 {
        let client = world.client().from(&format!("198.51.{}.{}", n / 250, n % 250));
        let guess = format!("{:06}", (digits.parse::<u32>().unwrap() + n + 1) % 1_000_000);
        let answer = client.post(&path("PhoneSignIn"), json!({"phone": PHONE, "verifyCode": guess})).await;
        *counts.entry(answer.reason().to_owned()).or_insert(0) += 1;
    }
    assert_eq!(counts, HashMap::from([("invalid_code".to_owned(), 300)]));
    assert_eq!(failures(&world).await, 10, "as many as an hour allows; five of them were compared");
    let right = json!({"phone": PHONE, "verifyCode": digits});
    call(&world, "PhoneSignIn", right).await.refused(200, 400, "invalid_code");
}

#[tokio::test]
async fn ot_24_one_client_has_a_hundred_wrong_codes_an_hour_over_all_recipients_and_endpoints() {
    let tally = Tally::of("OT-24");
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    let digits = code(&world, PHONE, "signin").await;
    for n in 0..100 {
        let address = if n % 4 < 2 { format!("137{n:08}") } else { format!("user{n}@example.com") };
        let consumer = Consumer::ALL[n % Consumer::ALL.len()];
        consumer.redeem(&world, &address, "123456").await.refused(200, 400, "invalid_code");
        tally.count();
    }
    // From now on nothing is compared or charged, not even what is right.
    let before = world.snapshot().await;
    for (consumer, address, digits) in [
        (Consumer::ContactSignIn, PHONE, digits.as_str()),
        (Consumer::ContactSignIn, "13700137000", "123456"),
        (Consumer::ResetPwd, EMAIL, "123456"),
        (Consumer::ContactSignUp, EMAIL, "123456"),
        (Consumer::SignUp, EMAIL, "123456"),
        (Consumer::UnionIdSignUp, EMAIL, "123456"),
    ] {
        consumer.redeem(&world, address, digits).await.refused(200, 429, "throttled");
        tally.count();
    }
    assert_eq!(world.snapshot().await, before);
    // Nobody else is concerned, and an hour later nobody at all.
    let other = world.client().from("2001:db8:0:8::1");
    let right = json!({"phone": PHONE, "verifyCode": digits});
    other.post(&path("PhoneSignIn"), right).await.token();
    world.wait(3_600);
    let digits = code(&world, PHONE, "signin").await;
    call(&world, "PhoneSignIn", json!({"phone": PHONE, "verifyCode": digits})).await.token();
}

#[tokio::test]
async fn ot_24_wrong_codes_at_the_same_moment_are_told_a_hundred_times() {
    let world = World::new().await;
    let wrong = (0..120).map(|n| json!({"phone": format!("137{n:08}"), "verifyCode": "123456"}));
    let mut counts = HashMap::new();
    for answer in join_all(wrong.map(|body| call(&world, "PhoneSignIn", body))).await {
        *counts.entry(answer.code()).or_insert(0) += 1;
    }
    assert_eq!(counts, HashMap::from([(400, 100), (429, 20)]));
}

#[tokio::test]
async fn rp_02_rp_04_a_reset_takes_one_address_and_a_code_that_was_sent() {
    let tally = Tally::of("RP-04");
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    let reset = json!({"phone": PHONE, "code": "000000", "pwd": NEW_PASSWORD});
    let with = |members: Value| {
        let mut body = reset.clone();
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    };
    let before = world.rows(Table::Users).await;
    for members in [
        json!({"email": EMAIL}),
        json!({"phone": ""}),
        json!({"phone": null}),
        json!({"phone": "", "email": ""}),
        json!({"phone": [PHONE]}),
        json!({"code": ""}),
        json!({"code": null}),
        json!({"code": true}),
        json!({"code": 0}),
        json!({"code": ["000000"]}),
        json!({"code": "0"}),
        json!({"code": "000000000"}),
        json!({"code": "\u{ff10}\u{ff10}\u{ff10}\u{ff10}\u{ff10}\u{ff10}"}),
    ] {
        call(&world, "ResetPwd", with(members)).await.refused(400, 400, "invalid_request");
        tally.count();
    }
    let missing = json!({"phone": PHONE, "pwd": NEW_PASSWORD});
    call(&world, "ResetPwd", missing).await.refused(400, 400, "invalid_request");
    for code in ["000000", "0000", "00000000", "123456"] {
        call(&world, "ResetPwd", with(json!({"code": code}))).await.refused(200, 400, "invalid_code");
        tally.count();
    }
    assert_eq!(world.rows(Table::Users).await, before);
}

#[tokio::test]
async fn rp_14_no_header_reaches_a_message() {
    let tally = Tally::of("RP-14");
    let world = World::new().await;
    email_sign_up(&world, EMAIL).await;
    for header in ["host", "x-forwarded-host", "x-original-host", "forwarded", "origin", "referer", "user-agent"] {
        for purpose in ["forgetpwd", "signin", "signup"] {
            world.wait(86_400);
            let value = if header == "forwarded" { "host=evil.example" } else { "evil.example" };
            let client = world.client().with(header, value);
            client.post(&path("SendEmailCode"), json!({"email": EMAIL, "type": purpose})).await.data();
            let sent = world.messages_to(EMAIL).pop().expect("a message");
            assert!(!serde_json::to_string(&sent).unwrap().contains("evil"), "{header}: {}", sent.text);
            tally.count();
        }
    }
}
