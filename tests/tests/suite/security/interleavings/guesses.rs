//! Codes, passwords and second factors that are tried at the same time.

use serde_json::json;

use crate::security::good::Town;

use super::{Request, all_orders, good, post, reasons, tallied, tries, twice};

#[tokio::test(start_paused = true)]
async fn rc_05_one_code_redeemed_twice() {
    let town = Town::new().await;
    let explored = all_orders(&town, &twice(good(&town, "POST PhoneSignIn 0")), async |answers| {
        assert_eq!(reasons(&answers), ["", "invalid_code"]);
    })
    .await;
    tallied("RC-05", explored);
}

/// A town in which four wrong codes were tried at alice's phone; a wrong guess, and the right one.
async fn nearly_tried() -> (Town, Request, Request) {
    let town = Town::new().await;
    let digits = if town.people.phone_codes[0] == "000000" { "000001" } else { "000000" };
    let wrong = post(&town, "/api/AppUsers/2/PhoneSignIn", json!({"phone": "13800138000", "code": digits}));
    for _ in 0..4 {
        wrong.send().await.refused(200, 400, "invalid_code");
    }
    let right = good(&town, "POST PhoneSignIn 0");
    (town, wrong, right)
}

#[tokio::test(start_paused = true)]
async fn rc_07_two_wrong_codes_for_one_try_that_is_left() {
    let (town, wrong, right) = nearly_tried().await;
    let explored = all_orders(&town, &twice(wrong), async |answers| {
        assert_eq!(reasons(&answers), ["invalid_code", "invalid_code"]);
        assert_eq!(tries(&town.world).await.as_deref(), Some("5"));
        right.send().await.refused(200, 400, "invalid_code");
    })
    .await;
    tallied("RC-07", explored);
}

#[tokio::test(start_paused = true)]
async fn rc_08_a_wrong_and_a_right_code_for_one_try_that_is_left() {
    let (town, wrong, right) = nearly_tried().await;
    let explored = all_orders(&town, &[wrong, right.clone()], async |answers| {
        assert_eq!(answers[0].reason(), "invalid_code");
        assert!(["", "invalid_code"].contains(&answers[1].reason()));
        right.send().await.refused(200, 400, "invalid_code");
    })
    .await;
    tallied("RC-08", explored);
}

#[tokio::test(start_paused = true)]
async fn rc_10_rc_29_second_factors_that_are_used_twice() {
    let town = Town::new().await;
    let by_recovery_code = json!({"platform": "wx", "unionID": "bob", "twoFactorCode": town.people.recovery_code});
    let ways = [good(&town, "POST UnionIDSignIn 1"), post(&town, "/api/AppUsers/2/UnionIDSignIn", by_recovery_code)];
    for (way, id) in ways.into_iter().zip(["RC-10", "RC-29"]) {
        let explored = all_orders(&town, &twice(way), async |answers| {
            assert_eq!(reasons(&answers), ["", "invalid_two_factor_code"]);
        })
        .await;
        tallied(id, explored);
    }
}

#[tokio::test(start_paused = true)]
async fn rc_10_two_wrong_second_factors_for_one_try_that_is_left() {
    let town = Town::new().await;
    let right = town.people.bob.1.code(town.world.env.clock.now(), 0);
    let around: Vec<_> = (-2..3).map(|step| town.people.bob.1.code(town.world.env.clock.now(), step)).collect();
    let digits = (0..1_000_000).map(|n| format!("{n:06}")).find(|code| !around.contains(code)).unwrap();
    let body = |code: &str| json!({"platform": "wx", "unionID": "bob", "twoFactorCode": code});
    let wrong = post(&town, "/api/AppUsers/2/UnionIDSignIn", body(&digits));
    for _ in 0..4 {
        wrong.send().await.refused(200, 401, "invalid_two_factor_code");
    }
    let explored = all_orders(&town, &twice(wrong.clone()), async |answers| {
        assert_eq!(reasons(&answers), ["invalid_two_factor_code", "throttled"]);
    })
    .await;
    tallied("RC-10", explored);
    let right = post(&town, "/api/AppUsers/2/UnionIDSignIn", body(&right));
    let explored = all_orders(&town, &[wrong, right], async |answers| {
        let evaluated = answers.iter().filter(|answer| answer.reason() != "throttled").count();
        // The right one takes its own charge back, so that the other one may follow.
        assert!(evaluated == 1 || answers[1].code() == 200, "{:?}", reasons(&answers));
    })
    .await;
    tallied("RC-10", explored);
}

#[tokio::test(start_paused = true)]
async fn two_passwords_for_one_try_that_is_left() {
    let town = Town::new().await;
    let sign_in = |password: &str| post(&town, "/api/AppUsers/2/SignIn", json!({"userName": "alice", "pwd": password}));
    let wrong = sign_in("wrong horse battery");
    for _ in 0..4 {
        wrong.send().await.refused(200, 401, "invalid_credentials");
    }
    all_orders(&town, &twice(wrong), async |answers| {
        assert_eq!(reasons(&answers), ["invalid_credentials", "throttled"]);
    })
    .await;
}
