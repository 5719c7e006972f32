//! What is asked for when, and how often it may be guessed at.

use serde_json::{Value, json};
use shared::{clock::Clock as _, storage::Table};
use tests::World;

use super::{Enrolled, PASSWORD, Way, signed_up, start, switch};

#[tokio::test]
async fn tf_11_no_way_in_goes_around_it() {
    let enrolled = Enrolled::new().await;
    for way in Way::ALL {
        way.refused(&enrolled.sign_in(way, None).await, 401, "two_factor_required");
        way.refused(&enrolled.sign_in(way, Some("")).await, 401, "two_factor_required");
        way.refused(&enrolled.sign_in(way, Some(&enrolled.wrong_code())).await, 401, "invalid_two_factor_code");
        let code = enrolled.code();
        enrolled.sign_in(way, Some(&code)).await.data();
        // The step is used up for every way in, and for switching off. Three tries, so that the budget lasts.
        for replay in [Way::Password, Way::ExternalAccount] {
            replay.refused(&enrolled.sign_in(replay, Some(&code)).await, 401, "invalid_two_factor_code");
        }
        let off = switch(&enrolled.world, &enrolled.client, false, &code).await;
        off.refused(401, 401, "invalid_two_factor_code");
        enrolled.world.wait(60);
    }
}

#[tokio::test]
async fn it_is_asked_for_after_the_first_factor_only() {
    let enrolled = Enrolled::new().await;
    let before = enrolled.world.snapshot().await;
    let body = json!({"userName": "alice", "pwd": "wrong horse battery", "twoFactorCode": enrolled.code()});
    let answer = enrolled.world.client().post("/api/AppUsers/2/SignIn", body).await;
    answer.refused(200, 401, "invalid_credentials");
    let users = |rows: Vec<Value>| rows.into_iter().find_map(|row| row.get("totpStep").cloned()).unwrap();
    assert_eq!(users(enrolled.world.snapshot().await), users(before), "the code is not used up");
    enrolled.sign_in(Way::Password, Some(&enrolled.code())).await.token();
}

#[tokio::test]
async fn ex_13_while_it_is_off_the_field_is_ignored() {
    let world = World::new().await;
    signed_up(&world, "alice").await;
    for way in [Way::Password, Way::UnionId] {
        for code in ["123456", "string", "12345", ""] {
            way.sign_in(&world, "alice", Some(code)).await.token();
        }
    }
    for code in ["123456", "aaaa-bbbb-cccc-dddd", ""] {
        Way::ExternalAccount.sign_in(&world, "alice", Some(code)).await.token();
    }
}

#[tokio::test]
async fn tf_05_and_tf_07_the_current_step_and_the_one_before_are_accepted_in_this_order_only() {
    let enrolled = Enrolled::new().await;
    let now = || enrolled.world.clock.now();
    for offset in [-2, 1, 2] {
        let code = enrolled.authenticator.code(now(), offset);
        Way::Password.refused(&enrolled.sign_in(Way::Password, Some(&code)).await, 401, "invalid_two_factor_code");
    }
    enrolled.world.wait(60);
    let (before, current) = (enrolled.authenticator.code(now(), -1), enrolled.code());
    enrolled.sign_in(Way::Password, Some(&before)).await.token();
    enrolled.sign_in(Way::Password, Some(&current)).await.token();
    enrolled.world.wait(60);
    let (before, current) = (enrolled.authenticator.code(now(), -1), enrolled.code());
    enrolled.sign_in(Way::Password, Some(&current)).await.token();
    Way::Password.refused(&enrolled.sign_in(Way::Password, Some(&before)).await, 401, "invalid_two_factor_code");
}

#[tokio::test]
async fn tf_08_wrong_codes_wait_for_the_next_step_then_a_quarter_of_an_hour_then_for_good() {
    let enrolled = Enrolled::new().await;
    let world = &enrolled.world;
    let wrong = async |way: Way| {
        way.refused(&enrolled.sign_in(way, Some(&enrolled.wrong_code())).await, 401, "invalid_two_factor_code");
    };
    // The right code waits like any other, everywhere; what is no try of it does not.
    let is_locked = async |seconds: &str| {
        for way in Way::ALL {
            let throttled = enrolled.sign_in(way, Some(&enrolled.code())).await;
            way.refused(&throttled, 429, "throttled");
            assert_eq!(throttled.header("retry-after"), seconds);
        }
        switch(world, &enrolled.client, false, &enrolled.code()).await.refused(429, 429, "throttled");
        Way::Password.refused(&enrolled.sign_in(Way::Password, None).await, 401, "two_factor_required");
    };
    for way in [Way::Password, Way::UnionId, Way::BoundUnionId, Way::ExternalAccount] {
        wrong(way).await;
    }
    world.wait(20);
    let off = switch(world, &enrolled.client, false, &enrolled.wrong_code()).await;
    off.refused(401, 401, "invalid_two_factor_code");
    is_locked("10").await;
    world.wait(10);
    for _ in 0..5 {
        wrong(Way::Password).await;
    }
    is_locked("900").await;
    let recovered = enrolled.sign_in(Way::Password, Some(&enrolled.recovery_codes[0])).await;
    recovered.token();
    // A right code ends the row, and not what counts in all.
    for failures in [9, 9] {
        for n in 0..failures {
            if n == 5 {
                world.wait(30);
            }
            wrong(Way::UnionId).await;
        }
        enrolled.sign_in(Way::UnionId, Some(&enrolled.code())).await.token();
        world.wait(60);
    }
    for n in 18..100 {
        if n >= 27 {
            world.wait(900);
        } else if n == 23 {
            world.wait(30);
        }
        wrong(Way::UnionId).await;
    }
    world.wait(3_600);
    for way in Way::ALL {
        way.refused(&enrolled.sign_in(way, Some(&enrolled.code())).await, 401, "invalid_two_factor_code");
    }
    let off = switch(world, &enrolled.client, false, &enrolled.code()).await;
    off.refused(401, 401, "invalid_two_factor_code");
    enrolled.sign_in(Way::Password, Some(&enrolled.recovery_codes[1])).await.token();
    enrolled.sign_in(Way::Password, Some(&enrolled.code())).await.token();
}

#[tokio::test]
async fn tf_08_a_fresh_secret_begins_the_count_anew() {
    let world = World::new().await;
    let client = signed_up(&world, "alice").await;
    let authenticator = start(&world, &client).await;
    world.set_user(&world.documented, "alice", "totpFailuresInAll", json!({"N": "100"})).await;
    let code = authenticator.code(world.clock.now(), 0);
    switch(&world, &client, true, &code).await.refused(401, 401, "invalid_two_factor_code");
    let authenticator = start(&world, &client).await;
    switch(&world, &client, true, &authenticator.code(world.clock.now(), 0)).await.data();
}

#[tokio::test]
async fn tf_10_what_is_no_code_is_a_bad_request_and_is_not_charged() {
    let enrolled = Enrolled::new().await;
    let before = enrolled.world.rows(Table::Users).await;
    for bad in ["12345", "1234567", "１２３４５６", " 123456", "abcdef", "aaaa-bbbb-cccc-ddd1"] {
        for way in Way::ALL {
            enrolled.sign_in(way, Some(bad)).await.refused(400, 400, "invalid_request");
        }
    }
    for bad in [json!(123_456), json!(["123456"]), json!(true)] {
        let body = json!({"userName": "alice", "pwd": PASSWORD, "twoFactorCode": bad});
        let answer = enrolled.world.client().post("/api/AppUsers/2/SignIn", body).await;
        answer.refused(400, 400, "invalid_request");
    }
    assert_eq!(enrolled.world.rows(Table::Users).await, before);
}

#[tokio::test]
async fn tf_13_each_recovery_code_works_once_and_for_its_user_only() {
    let enrolled = Enrolled::new().await;
    let bob = Enrolled::named(enrolled.world.clone(), "bob").await;
    for foreign in &bob.recovery_codes[..3] {
        let answer = enrolled.sign_in(Way::Password, Some(foreign)).await;
        answer.refused(200, 401, "invalid_two_factor_code");
    }
    for (number, code) in enrolled.recovery_codes.iter().enumerate() {
        let way = Way::ALL[number % Way::ALL.len()];
        let typed = if number % 2 == 0 { code.to_uppercase() } else { code.replace('-', "") };
        enrolled.sign_in(way, Some(&typed)).await.data();
        way.refused(&enrolled.sign_in(way, Some(code)).await, 401, "invalid_two_factor_code");
    }
    // With the last one gone the authenticator still works.
    enrolled.sign_in(Way::Password, Some(&enrolled.code())).await.token();
}

#[tokio::test]
async fn tf_17_the_time_is_the_servers() {
    let enrolled = Enrolled::new().await;
    let later = enrolled.authenticator.code(enrolled.world.clock.now(), 20);
    let body = json!({
        "userName": "alice", "pwd": PASSWORD, "twoFactorCode": later, "now": "2026-03-01T04:10:30Z", "time": 1,
    });
    let client = enrolled.world.client().with("date", "Sun, 01 Mar 2026 04:10:30 GMT");
    client.post("/api/AppUsers/2/SignIn", body).await.refused(200, 401, "invalid_two_factor_code");
}

#[tokio::test]
async fn codes_by_phone_and_mail_need_it_too_and_survive_without_it() {
    for (field, address, send, sign_in) in [
        ("phone", "13800138000", "SendSMSCode", "PhoneSignIn"),
        ("email", "alice@example.com", "SendEmailCode", "EmailSignIn"),
    ] {
        let world = World::new().await;
        let path = |endpoint: &str| format!("/api/AppUsers/2/{endpoint}");
        let send = || {
            let (client, path) = (world.client(), path(send));
            async move { client.post(&path, json!({field: address, "type": "signup"})).await }
        };
        send().await.data();
        let code = world.code_for(address);
        let body = json!({"userName": "alice", "pwd": PASSWORD, field: address, (format!("{field}Code")): code});
        let token = world.client().post(&path("SignUp"), body).await.token();
        let client = world.client().bearer(&token);
        let authenticator = start(&world, &client).await;
        switch(&world, &client, true, &authenticator.code(world.clock.now(), 0)).await.data();
        world.wait(60);

        send().await.data();
        let code = world.code_for(address);
        let sign_in = |second: Value| {
            let body = json!({field: address, "verifyCode": code, "twoFactorCode": second});
            let (client, path) = (world.client(), path(sign_in));
            async move { client.post(&path, body).await }
        };
        sign_in(Value::Null).await.refused(200, 401, "two_factor_required");
        sign_in(json!("aaaa-bbbb-cccc-dddd")).await.refused(200, 401, "invalid_two_factor_code");
        sign_in(json!(authenticator.code(world.clock.now(), 0))).await.token();
        world.wait(30);
        sign_in(json!(authenticator.code(world.clock.now(), 0))).await.refused(200, 400, "invalid_code");
    }
}
