//! Sign-ups that want the same name or the same codes.

use serde_json::json;
use shared::storage::Table;

use crate::security::good::{PASSWORD, Town};

use super::{all_orders, good, post, reasons, tallied, tokens, twice};

#[tokio::test(start_paused = true)]
async fn rc_01_two_sign_ups_of_one_name() {
    let town = Town::new().await;
    let sign_up = post(&town, "/api/AppUsers/2/SignUp", json!({"userName": "racer", "pwd": PASSWORD}));
    let explored = all_orders(&town, &twice(sign_up), async |answers| {
        assert_eq!(reasons(&answers), ["", "account_exists"]);
    })
    .await;
    tallied("RC-01", explored);
}

#[tokio::test(start_paused = true)]
async fn rc_02_rc_31_two_sign_ups_with_the_same_codes() {
    let town = Town::new().await;
    for (one, other) in [("POST PhoneSignUp 0", "POST PhoneSignUp 0"), ("POST PhoneSignUp 0", "POST EmailSignUp 0")] {
        let requests = [good(&town, one), good(&town, other)];
        let explored = all_orders(&town, &requests, async |answers| {
            assert_eq!(tokens(&answers).len(), 1, "{:?}", reasons(&answers));
            let refused = reasons(&answers)[1];
            assert!(["account_exists", "invalid_code"].contains(&refused), "{refused}");
        })
        .await;
        tallied(if one == other { "RC-02" } else { "RC-31" }, explored);
    }
}

#[tokio::test(start_paused = true)]
async fn rc_04_three_ways_to_one_name() {
    let town = Town::new().await;
    let union = |platform: &str| {
        post(&town, "/api/AppUsers/2/UnionIDSignUp", json!({"platform": platform, "unionID": "racer"}))
    };
    let requests = [
        post(
            &town,
            "/api/AppUsers/2/UnionIDSignUp",
            json!({"platform": "wx", "unionID": "other", "userName": "Racer"}),
        ),
        union("wx"),
        union("qq"),
    ];
    let explored = all_orders(&town, &requests, async |answers| {
        // Who chose the name may come too late; whom it would have been given by default gets another.
        assert!(["", "account_exists"].contains(&answers[0].reason()));
        assert_eq!(tokens(&answers[1..]).len(), 2);
        let users = town.world.rows(Table::Users).await;
        let called =
            users.iter().filter(|row| row["userName"]["S"].as_str().is_some_and(|it| it.to_lowercase() == "racer"));
        assert_eq!(called.count(), 1);
    })
    .await;
    tallied("RC-04", explored);
}
