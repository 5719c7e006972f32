//! Signing in with a password: what guessing costs, and what is never told.

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::{storage::Table, user::UserId};
use tests::{Answer, Client, Tally, World};

use super::work;
use crate::codes::{PHONE, call, code, phone_sign_in};

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

/// Somebody for every reason to be refused, by name; the password is right for all who have one.
async fn refused_users(world: &World) -> [&'static str; 4] {
    for name in ["wrong", "disabled", "ended"] {
        world.client().sign_up(2, name, if name == "wrong" { "another horse battery" } else { PASSWORD }).await;
    }
    world.change_app(&world.documented, |app| app.settings.default_password = None).await;
    call(world, "UnionIDSignUp", json!({"platform": "wx", "unionID": "passwordless"})).await.token();
    world.set_user(&world.documented, "disabled", "status", json!({"S": "disabled"})).await;
    world.set_user(&world.documented, "ended", "passwordFailures", json!({"N": "100"})).await;
    world.set_user(&world.documented, "ended", "lastPasswordFailure", json!({"N": "1"})).await;
    ["wrong", "disabled", "passwordless", "unknown"]
}

#[tokio::test]
async fn si_02_every_refusal_costs_the_same_work() {
    let tally = Tally::of("SI-02");
    let world = World::new().await;
    let names = refused_users(&world).await;
    let client = world.client();
    for is_grant in [false, true] {
        let mut seen = Vec::new();
        for name in names.into_iter().chain(["ended"]) {
            let ask = async {
                if is_grant { grant(&client, name, PASSWORD).await } else { sign_in(&client, name, PASSWORD).await }
            };
            let (answer, cost) = work(&world, ask).await;
            answer.refused(200, 401, "invalid_credentials");
            seen.push((answer.essence(), cost));
            tally.count();
        }
        assert!(seen.iter().all(|it| *it == seen[0]), "{seen:#?}");
        assert_eq!(seen[0].1.1, 1, "one hash");
    }
}

#[tokio::test]
async fn si_04_si_05_a_password_is_exactly_the_password_and_a_string() {
    let tally = Tally::of("SI-05");
    let world = World::new().await;
    world.client().sign_up(2, "alice", PASSWORD).await;
    let client = world.client();
    for (n, other) in
        ["Correct horse battery", "CORRECT HORSE BATTERY", " correct horse battery", "correct horse battery "]
            .into_iter()
            .enumerate()
    {
        let answer =
            if n % 2 == 0 { sign_in(&client, "alice", other).await } else { grant(&client, "alice", other).await };
        answer.refused(200, 401, "invalid_credentials");
    }
    let before = world.snapshot().await;
    for value in [json!(true), json!(0), json!([]), json!({}), json!([PASSWORD]), json!({"S": PASSWORD}), json!(1.5)] {
        let (mut plain, mut granted) = (json!({"userName": "alice"}), account("alice", PASSWORD));
        plain["pwd"] = value.clone();
        granted["password"] = value;
        client.post(SIGN_IN, plain).await.refused(400, 400, "invalid_request");
        client.post(GRANT, granted).await.refused(400, 400, "invalid_request");
        tally.add(2);
    }
    assert_eq!(world.snapshot().await, before);
    sign_in(&client, "alice", PASSWORD).await.token();
}

#[tokio::test]
async fn si_10_signing_in_by_code_says_nothing_about_the_password() {
    let world = World::new().await;
    let sign_up = code(&world, PHONE, "signup").await;
    let body = json!({"phone": PHONE, "phoneCode": sign_up, "userName": "alice", "pwd": PASSWORD});
    call(&world, "PhoneSignUp", body).await.token();
    let client = world.client();
    for _ in 0..4 {
        sign_in(&client, "alice", WRONG).await.refused(200, 401, "invalid_credentials");
    }
    let digits = code(&world, PHONE, "signin").await;
    phone_sign_in(&world, PHONE, &digits).await.token();
    sign_in(&client, "alice", WRONG).await.refused(200, 401, "invalid_credentials");
    sign_in(&client, "alice", WRONG).await.refused(200, 429, "throttled");
}

/// The number of failures that is kept of every name, a user's or not, is set.
async fn set_failures(world: &World, failures: u32) {
    for table in [Table::Users, Table::Codes] {
        for mut row in world.rows(table).await {
            if row.get("passwordFailures").is_some() {
                row["passwordFailures"] = json!({"N": failures.to_string()});
                world.engine.put(&world.table(table), &row).await;
            }
        }
    }
}

#[tokio::test]
async fn si_11_a_hundred_failures_in_a_row_end_a_password_until_it_is_set_anew() {
    let world = World::new().await;
    let sign_up = code(&world, PHONE, "signup").await;
    let body = json!({"phone": PHONE, "phoneCode": sign_up, "userName": "alice", "pwd": PASSWORD});
    let token = call(&world, "PhoneSignUp", body).await.token();
    let client = world.client();
    for name in ["alice", "nobody"] {
        sign_in(&client, name, WRONG).await.refused(200, 401, "invalid_credentials");
    }
    // One in an hour is all that may be tried by now: these took four days.
    set_failures(&world, 98).await;
    for _ in 0..2 {
        for name in ["alice", "nobody"] {
            sign_in(&client, name, WRONG).await.refused(200, 429, "throttled");
        }
        world.wait(3_600);
        for name in ["alice", "nobody"] {
            sign_in(&client, name, WRONG).await.refused(200, 401, "invalid_credentials");
        }
    }
    // Right or wrong, at once or years later, known or not: one answer after the same work, and nothing is counted.
    for days in [0, 31, 3_650] {
        world.wait(days * 86_400);
        let before = world.snapshot().await;
        let mut seen = Vec::new();
        for (name, password) in [("alice", PASSWORD), ("alice", WRONG), ("nobody", PASSWORD)] {
            let (answer, cost) = work(&world, sign_in(&client, name, password)).await;
            answer.refused(200, 401, "invalid_credentials");
            seen.push((answer.essence(), cost));
        }
        assert!(seen.iter().all(|it| *it == seen[0]), "{seen:#?}");
        assert_eq!(world.snapshot().await, before);
    }
    let now = world.env.clock.now().as_second();
    let kept = world.rows(Table::Codes).await.into_iter().find(|row| row.get("passwordFailures").is_some()).unwrap();
    assert!(kept["expires"]["N"].as_str().unwrap().parse::<i64>().unwrap() > now + 50 * 365 * 86_400, "{kept}");
    // The account lives: codes sign in, and a reset gives a password again. So does the operator.
    let digits = code(&world, PHONE, "signin").await;
    let signed_in = phone_sign_in(&world, PHONE, &digits).await.token();
    let reset = code(&world, PHONE, "forgetpwd").await;
    call(&world, "ResetPwd", json!({"phone": PHONE, "code": reset, "pwd": "staple tractor giraffe"})).await.data();
    sign_in(&client, "alice", "staple tractor giraffe").await.token();
    assert_ne!(token, signed_in);
    world.set_user(&world.documented, "alice", "passwordFailures", json!({"N": "100"})).await;
    sign_in(&client, "alice", "staple tractor giraffe").await.refused(200, 401, "invalid_credentials");
    let row = world.rows(Table::Users).await.into_iter().find(|row| row.get("passwordFailures").is_some()).unwrap();
    let user = UserId::parse(row["id"]["N"].as_str().unwrap()).unwrap();
    let store = world.env.store.app(world.documented.record.app_id);
    assert!(store.forget_failures(user).await.unwrap());
    assert!(!store.forget_failures(UserId::NOBODY).await.unwrap());
    sign_in(&client, "alice", "staple tractor giraffe").await.token();
}

async fn stored_hash(world: &World) -> String {
    let row = world.rows(Table::Users).await.into_iter().find(|row| row["userName"]["S"] == "alice").unwrap();
    row["passwordHash"]["S"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn si_16_a_hash_of_older_parameters_is_renewed_by_a_success_only() {
    // Made with the reference implementation: argon2 somesalt -id -t 2 -k 256 -p 1 -l 32.
    const OLD: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let world = World::new().await;
    world.client().sign_up(2, "alice", PASSWORD).await;
    world.set_user(&world.documented, "alice", "passwordHash", json!({"S": OLD})).await;
    let client = world.client();
    sign_in(&client, "alice", WRONG).await.refused(200, 401, "invalid_credentials");
    assert_eq!(stored_hash(&world).await, OLD);
    grant(&client, "alice", "password").await.data();
    let renewed = stored_hash(&world).await;
    assert!(renewed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{renewed}");
    sign_in(&client, "alice", "password").await.token();
    assert_eq!(stored_hash(&world).await, renewed, "once");
}

#[tokio::test]
async fn si_20_a_hash_that_cannot_be_read_is_a_wrong_password_and_an_error_in_the_log() {
    let tally = Tally::of("SI-20");
    let world = World::new().await;
    world.client().sign_up(2, "alice", PASSWORD).await;
    let (unknown, expected) = work(&world, sign_in(&world.client(), "nobody", PASSWORD)).await;
    for broken in [
        "",
        "plain",
        "$argon2id$",
        "$argon2id$v=19$m=19456,t=4294967295,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    ] {
        world.set_user(&world.documented, "alice", "passwordHash", json!({"S": broken})).await;
        let (answer, cost) = work(&world, sign_in(&world.client(), "alice", PASSWORD)).await;
        assert_eq!((answer.essence(), &cost), (unknown.essence(), &expected), "{broken}");
        let lines = world.watch.lines();
        assert!(
            lines.iter().rev().take(2).any(|line| line.contains("a stored password hash cannot be read")),
            "{lines:#?}"
        );
        tally.count();
    }
}

#[tokio::test]
async fn si_22_a_sign_in_answers_with_a_token_and_nothing_else() {
    let tally = Tally::of("SI-22");
    let world = World::new().await;
    let sign_up = code(&world, PHONE, "signup").await;
    let ways = [
        ("PhoneSignUp", json!({"phone": PHONE, "phoneCode": sign_up, "userName": "alice", "pwd": PASSWORD})),
        ("SignUp", json!({"userName": "bob", "pwd": PASSWORD})),
        ("UnionIDSignUp", json!({"platform": "wx", "unionID": "o1"})),
        ("UnionIDSignIn", json!({"platform": "wx", "unionID": "o1"})),
        ("SignIn", json!({"userName": "alice", "pwd": PASSWORD})),
        ("PhoneSignIn", json!({"phone": PHONE})),
    ];
    for (endpoint, mut body) in ways {
        if endpoint == "PhoneSignIn" {
            body["code"] = code(&world, PHONE, "signin").await.into();
        }
        let answer = call(&world, endpoint, body).await;
        let members: Vec<_> = answer.data().as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members.len(), 3, "{endpoint}");
        assert!(["access_token", "token_type", "expires_in"].iter().all(|it| members.contains(it)), "{endpoint}");
        assert_eq!(answer.body.as_object().unwrap().len(), 3, "{endpoint}");
        tally.count();
    }
}

#[tokio::test]
async fn who_signed_up_a_moment_ago_signs_in_and_is_guarded_before_replicas_know_them() {
    let world = World::new().await;
    let tables = Table::ALL.map(|table| world.table(table));
    world.engine.lag(&tables, true).await;
    world.client().sign_up(2, "alice", PASSWORD).await;
    sign_in(&world.client(), "alice", PASSWORD).await.token();
    grant(&world.client(), "alice", PASSWORD).await.data();
    for _ in 0..3 {
        sign_in(&world.client(), "alice", WRONG).await.refused(200, 401, "invalid_credentials");
    }
    // Each was counted as hers, not only as those of a name that nobody holds: two more, and she has to wait.
    world.engine.lag(&tables, false).await;
    for _ in 0..2 {
        sign_in(&world.client(), "alice", WRONG).await.refused(200, 401, "invalid_credentials");
    }
    sign_in(&world.client(), "alice", PASSWORD).await.refused(200, 429, "throttled");
}
