//! A hundred at once: sends, redemptions, sign-ups, guesses, resets.

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::storage::Table;
use tests::{World, engine::Fault};

use super::{NEW_PASSWORD, PHONE, call, code, counts, path, phone_sign_in, phone_sign_up, send, wrong};

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
