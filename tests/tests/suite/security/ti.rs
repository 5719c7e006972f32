//! One app's doings, and another one.

use std::collections::BTreeMap;

use serde_json::json;
use shared::{app::AppStatus, bitkey::BitkeyScope, http::Access, storage::Table};
use tests::{AppHandle, Client, Tally, World, claims, inputs::SeededEntropy, world::routes};

use super::random::Random;
use crate::{licences::issue, probe::fill};

const PASSWORD: &str = "correct horse battery";

/// An app's user with one of everything that a user may own.
struct Owner {
    client: Client,
    consent: u64,
    binding: u64,
}

impl Owner {
    async fn of(world: &World, app: &AppHandle) -> Self {
        let (id, key) = (app.id(), app.record.app_key.as_str());
        let token = world.client().sign_up(id, "alice", PASSWORD).await;
        let client = world.client().bearer(&token).with("x-app-secret", app.secret.expose());
        let bind = json!({"platform": "wx", "platformName": "WeChat", "unionID": "o-1"});
        client.post(&format!("/ExternalAccount/{key}"), bind).await.data();
        let grant = json!({"grant_type": "account", "userName": "alice", "password": PASSWORD, "scopes": "openid"});
        let code = client.post(&format!("/api/OAuth/{id}/GrantCode"), grant).await.data()["code"].clone();
        client.post(&format!("/api/OAuth/{id}/Authorize"), json!({"code": code})).await.data();
        let consents = client.get(&format!("/api/OAuth/{id}/Consents")).await;
        let bindings = client.get(&format!("/ExternalAccount/{key}")).await;
        let number = |answer: &tests::Answer| answer.data()[0]["id"].as_u64().unwrap();
        Self { consent: number(&consents), binding: number(&bindings), client }
    }
}

#[tokio::test]
async fn ti_02_another_apps_records_are_not_there() {
    let tally = Tally::of("TI-02");
    let world = World::new().await;
    let (mine, others) = (Owner::of(&world, &world.documented).await, Owner::of(&world, &world.strict).await);
    let before = world.snapshot().await;
    for (app, own, foreign) in [(&world.documented, &mine, &others), (&world.strict, &others, &mine)] {
        let (id, key) = (app.id(), app.record.app_key.as_str());
        let consent = own.client.delete(&format!("/api/OAuth/{id}/Consents/{}", foreign.consent)).await;
        consent.refused(200, 404, "not_found");
        own.client.delete(&format!("/ExternalAccount/{key}/{}", foreign.binding)).await.refused(404, 404, "not_found");
        let change = json!({"avatar": "https://evil.example/a.png"});
        let changed = own.client.put(&format!("/ExternalAccount/{key}/{}", foreign.binding), change).await;
        changed.refused(404, 404, "not_found");
        tally.add(3);
    }
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn ti_04_the_same_identities_are_two_people_in_two_apps() {
    let world = World::new().await;
    let secret = world.strict.secret.expose();
    let mut ids = Vec::new();
    for app in [2, 3] {
        let client = world.client().with("x-app-secret", secret);
        client
            .post(&format!("/api/AppUsers/{app}/SendSMSCode"), json!({"phone": "13800138000", "type": "signup"}))
            .await
            .data();
        let code = world.code_for("13800138000");
        let body = json!({
            "userName": "alice", "pwd": PASSWORD, "platform": "wx", "unionID": "o-1", "phone": "13800138000", "phoneCode": code,
        });
        let token = client.post(&format!("/api/AppUsers/{app}/UnionIDSignUp"), body.clone()).await.token();
        let again = json!({"platform": "wx", "unionID": "o-1"});
        client.post(&format!("/api/AppUsers/{app}/UnionIDSignUp"), again).await.refused(200, 409, "account_exists");
        let claims = claims(&token);
        ids.push(claims["nameid"].clone());
    }
    assert_ne!(ids[0], ids[1]);
    // Each app counts its own failures.
    let wrong = json!({"userName": "alice", "pwd": "wrong"});
    for _ in 0..5 {
        world.client().post("/api/AppUsers/2/SignIn", wrong.clone()).await.refused(200, 401, "invalid_credentials");
    }
    world.client().post("/api/AppUsers/2/SignIn", wrong.clone()).await.refused(200, 429, "throttled");
    world.client().post("/api/AppUsers/3/SignIn", wrong).await.refused(200, 401, "invalid_credentials");
}

#[tokio::test]
async fn ti_05_an_app_under_attack_shares_nothing_but_addresses() {
    let world = World::new().await;
    for app in [2, 3] {
        world.client().sign_up(app, "alice", PASSWORD).await;
    }
    // Every budget of the first app is used up from addresses that change.
    for n in 0..40 {
        let bot = world.client().from(&format!("198.51.100.{n}"));
        bot.post("/api/AppUsers/2/SignIn", json!({"userName": "alice", "pwd": "wrong"})).await;
        bot.post("/api/AppUsers/2/SendSMSCode", json!({"phone": "13800138000", "type": "signup"})).await;
        bot.post("/api/AppUsers/2/PhoneSignIn", json!({"phone": "13800138000", "verifyCode": "000000"})).await;
    }
    let right = json!({"userName": "alice", "pwd": PASSWORD});
    world.client().post("/api/AppUsers/2/SignIn", right.clone()).await.refused(200, 429, "throttled");
    world.client().post("/api/AppUsers/3/SignIn", right).await.token();
    world.client().post("/api/AppUsers/3/SendSMSCode", json!({"phone": "13800138000", "type": "signup"})).await.data();
    let code = world.code_for("13800138000");
    let body = json!({"userName": "bob", "phone": "13800138000", "phoneCode": code});
    world.client().post("/api/AppUsers/3/PhoneSignUp", body).await.token();
}

#[tokio::test]
async fn ti_08_a_disabled_app_is_gone_for_everybody_and_no_other_is() {
    let tally = Tally::of("TI-08");
    let world = World::new().await;
    let mine = Owner::of(&world, &world.strict).await;
    let bitkey = issue(&world, &world.strict, BitkeyScope::Full).await.expose();
    world.change_app(&world.strict, |app| app.status = AppStatus::Disabled).await;
    // Settings may be half a minute old.
    world.wait(31);
    let before = world.snapshot().await;
    for route in routes().record().filter(|route| route.path.starts_with("/api/") || route.access != Access::Anonymous)
    {
        let path = fill(route.path, "3", world.strict.record.app_key.as_str());
        let client = mine.client.clone().with("bitkey", &bitkey);
        let answer = client.send(route.method.as_str().parse().unwrap(), &path, None, Vec::new()).await;
        let expected = if route.access == Access::Bitkey { "invalid_bitkey" } else { "app_not_found" };
        assert_eq!(answer.reason(), expected, "{path}");
        tally.count();
    }
    assert_eq!(world.snapshot().await, before);
    world.client().sign_up(2, "bob", PASSWORD).await;
}

/// The answers and the rows of one app come out the same, whether or not another app's users are at work.
#[tokio::test]
async fn ti_11_p_09_what_one_app_does_changes_nothing_for_another() {
    let tally = Tally::of("TI-11");
    for seed in 0..6 {
        let (alone, together) = (World::new().await, World::new().await);
        let mut watched = Vec::new();
        for (world, with_others) in [(&alone, false), (&together, true)] {
            let mut mine = Random::new(world, &world.documented, SeededEntropy::new(seed)).await;
            let mut theirs = Random::new(world, &world.strict, SeededEntropy::new(seed + 100)).await;
            let mut answers = Vec::new();
            for _ in 0..60 {
                if with_others {
                    theirs.ask().await;
                }
                let answer = mine.ask().await;
                answers.push((answer.status, answer.code(), answer.reason().to_owned()));
                if !with_others {
                    tally.count();
                }
            }
            watched.push((answers, rows_of(world, 2).await));
        }
        assert_eq!(watched[0], watched[1], "seed {seed}");
    }
}

/// How many rows of each kind an app has.
async fn rows_of(world: &World, app: u32) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for table in [Table::Users, Table::Bindings, Table::Consents, Table::Points, Table::Licences] {
        for row in world.rows(table).await {
            let key = row["pk"]["S"].as_str().unwrap();
            let kind: String =
                key.split('#').nth(1).unwrap_or_default().chars().filter(|c| !c.is_ascii_digit()).collect();
            if key.starts_with(&format!("{app}#")) {
                *counts.entry((format!("{table:?}"), kind)).or_default() += 1;
            }
        }
    }
    counts
}
