//! Signing in with a password: what guessing costs, and what is never told.

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{Answer, Client, Tally, World};

const SIGN_IN: &str = "/api/AppUsers/2/SignIn";
const GRANT: &str = "/api/OAuth/2/GrantCode";
const PASSWORD: &str = "correct horse battery";
const WRONG: &str = "wrong horse battery";

async fn sign_in(client: &Client, user_name: &str, password: &str) -> Answer {
    client.post(SIGN_IN, json!({"userName": user_name, "pwd": password})).await
}

async fn grant(client: &Client, user_name: &str, password: &str) -> Answer {
    client.post(GRANT, account(user_name, password)).await
}

fn account(user_name: &str, password: &str) -> Value {
    json!({"grant_type": "account", "scopes": "openid", "userName": user_name, "password": password})
}

#[tokio::test]
async fn si_13_si_14_one_address_has_a_hundred_wrong_passwords_an_hour_over_all_users_and_apps() {
    let tally = Tally::of("SI-14");
    let world = World::new().await;
    world.client().sign_up(2, "alice", PASSWORD).await;
    world.client().sign_up(3, "alice", PASSWORD).await;
    // Each from another address of the household's network, and whatever a header says.
    let client = |n: u64| {
        let header = format!("198.51.100.{}", n % 250);
        world.client().from(&format!("2001:db8:0:7::{n:x}")).with("x-forwarded-for", &header)
    };
    for n in 0..100 {
        let name = format!("user{n}");
        let answer =
            if n % 2 == 0 { sign_in(&client(n), &name, WRONG).await } else { grant(&client(n), &name, WRONG).await };
        answer.refused(200, 401, "invalid_credentials");
        tally.count();
    }
    // Known and unknown, right and wrong, on every endpoint that takes a password: one answer.
    let mut answers = Vec::new();
    for (user_name, password) in [("alice", PASSWORD), ("alice", WRONG), ("nobody", WRONG)] {
        answers.push(sign_in(&client(1_000), user_name, password).await);
        answers.push(grant(&client(1_001), user_name, password).await);
        let strict = json!({"userName": user_name, "pwd": password});
        answers.push(client(1_002).post("/api/AppUsers/3/SignIn", strict).await);
    }
    for answer in &answers {
        answer.refused(200, 429, "throttled");
        assert_eq!(answer.essence(), answers[0].essence());
        tally.count();
    }
    assert_eq!(answers[0].header("retry-after"), "3600");
    // Nobody else is concerned, and an hour later nobody at all.
    sign_in(&world.client().from("2001:db8:0:8::1"), "alice", PASSWORD).await.token();
    world.wait(3_600);
    sign_in(&client(1), "alice", PASSWORD).await.token();
}

#[tokio::test]
async fn si_14_wrong_passwords_at_the_same_moment_are_told_a_hundred_times() {
    let world = World::new().await;
    let client = world.client();
    let wrong = (0..120).map(|n| client.post(SIGN_IN, json!({"userName": format!("user{n}"), "pwd": WRONG})));
    let mut counts = HashMap::new();
    for answer in join_all(wrong).await {
        *counts.entry(answer.code()).or_insert(0) += 1;
    }
    assert_eq!(counts, HashMap::from([(401, 100), (429, 20)]));
}
