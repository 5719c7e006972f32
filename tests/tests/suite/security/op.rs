//! Nothing secret is written down: the search that every test ends with finds what is there to be found.

use std::panic::AssertUnwindSafe;

use axum::body::Bytes;
use futures_util::FutureExt as _;
use serde_json::json;
use shared::{
    error::ApiError,
    http::{Access, Reply, Route, Routes},
    storage::Table,
};
use tests::{Tally, World, inputs::SeededEntropy, world::routes};

use super::random::Random;
use crate::{
    forms::{Place, forms},
    probe::Probe,
};

/// What the search at the world's end says.
fn ending(world: World) -> String {
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| drop(world)));
    ended.map_or_else(|said| said.downcast::<String>().map(|said| *said).unwrap_or_default(), |()| String::new())
}

/// A service with an endpoint that logs what it was sent.
async fn careless() -> World {
    async fn logs(body: Bytes) -> Result<Reply<bool>, ApiError> {
        tracing::warn!(text = %String::from_utf8_lossy(&body), "careless");
        Ok(Reply::ok(true))
    }
    World::with_routes(Routes::new().add(Route::post("/careless", Access::Anonymous), logs).merge(routes())).await
}

#[tokio::test]
async fn op_01_a_secret_in_a_log_line_is_found() {
    for (field, value) in [
        ("pwd", "correct horse battery"),
        ("phoneCode", "804163"),
        ("access_token", "eyJ.eyJ.c2lnbmF0dXJlLW9mLWEtdG9rZW4"),
        ("recoveryCodes", "ab12c-d34ef"),
    ] {
        let world = careless().await;
        world.client().post("/careless", json!({"first": true, field: value})).await.data();
        let said = ending(world);
        assert!(said.contains(value) && said.contains("log line"), "{field}: {said}");
    }
    let world = careless().await;
    world.client().post("/careless", json!({"remark": "nothing of value"})).await.data();
    assert_eq!(ending(world), "");
}

#[tokio::test]
async fn g_29_op_01_an_answer_that_tells_too_much_is_found() {
    async fn repeats(body: Bytes) -> Result<Reply<String>, ApiError> {
        Ok(Reply::ok(String::from_utf8_lossy(&body).into_owned()))
    }
    let routes = Routes::new().add(Route::post("/repeats", Access::Anonymous), repeats).merge(routes());
    for (body, is_found) in [
        (json!({"pwd": "correct horse battery"}), true),
        (json!({"remark": "arn:aws:dynamodb:eu-west-1:1:table/test-Users"}), true),
        (json!({"remark": "thread panicked at src/main.rs:1"}), true),
        (json!({"remark": "nothing of value"}), false),
    ] {
        let world = World::with_routes(routes.clone()).await;
        let answer = AssertUnwindSafe(world.client().post("/repeats", body)).catch_unwind().await;
        assert_eq!(answer.is_err(), is_found);
    }
}

#[tokio::test]
async fn op_02_a_secret_in_a_table_is_found() {
    let world = World::new().await;
    world.client().sign_up(2, "alice", "correct horse battery").await;
    assert_eq!(world.watch.leaks(), [""; 0]);
    world.set_user(&world.documented, "alice", "nickName", json!({"S": "it is: correct horse battery"})).await;
    let said = ending(world);
    assert!(said.contains("correct horse battery") && said.contains("a row of Users"), "{said}");
}

/// What a refused request makes the store do is no more than what a good one does.
#[tokio::test]
async fn op_13_hostile_requests_cost_no_more_calls_than_good_ones() {
    let tally = Tally::of("OP-13");
    let world = World::new().await;
    let units = async |probe: &Probe, body: &[u8]| {
        world.engine.take_calls();
        probe.send(Some("application/json"), body).await;
        world.engine.take_calls().len()
    };
    for probe in &Probe::all(&world).await {
        let Some(form) = forms(&probe.route).into_iter().find(|form| form.place != Place::Query) else { continue };
        let good = units(probe, form.body(&[]).to_string().as_bytes()).await;
        let hostile = [
            "[".repeat(30_000),
            format!("{{{}}}", (0..4_000).map(|n| format!("\"k{n}\":0")).collect::<Vec<_>>().join(",")),
            format!("{{\"a\":\"{}\"}}", "\\u0000".repeat(9_000)),
            format!("[{}]", vec!["{}"; 20_000].join(",")),
            "9".repeat(60_000),
        ];
        for body in hostile {
            let cost = units(probe, body.as_bytes()).await;
            assert!(cost <= good, "{}: {cost} calls, a good request {good}", probe.path);
            tally.count();
        }
    }
}

#[tokio::test]
async fn op_14_every_row_that_is_for_a_while_says_when_it_ends() {
    let world = World::new().await;
    let mut random = Random::new(&world, &world.documented, SeededEntropy::new(7)).await;
    for _ in 0..600 {
        random.ask().await;
        world.wait(1);
    }
    let now = world.env.clock.now().as_second();
    let rows = world.rows(Table::Codes).await;
    assert!(rows.len() > 10, "{}", rows.len());
    for row in rows {
        let expires: i64 = row["expires"]["N"].as_str().and_then(|number| number.parse().ok()).expect("an end");
        assert!(expires < now + 120 * 86_400, "kept for months: {row}");
    }
    let template = infra::Template::bundled().unwrap();
    let codes = template.tables().iter().find(|table| table.name_suffix == "Codes").unwrap();
    assert_eq!(codes.ttl_attribute.as_deref(), Some("expires"));
}

/// The gateway's own name would lead past whatever stands in front of the domain.
#[test]
fn hd_10_a_domain_is_the_only_way_in() {
    let template = include_str!("../../../../template.yaml");
    let is_disabled = template.contains("DisableExecuteApiEndpoint: !If [HasDomain, true, false]");
    assert_eq!(is_disabled, template.contains("DomainName"), "a domain, and the gateway's own name beside it");
    assert!(template.contains("AWS::Serverless::HttpApi") && !template.contains("AWS::Serverless::Api\n"));
}

#[tokio::test]
async fn pt_16_a_ledger_that_does_not_add_up_is_found() {
    for attribute in ["balance", "rows"] {
        let world = World::new().await;
        let alice = world.client();
        let alice = alice.clone().bearer(&alice.sign_up(2, "alice", "correct horse battery").await);
        for order in ["a", "b", "b"] {
            let body = json!({"price": 200, "orderId": order});
            alice.post("/api/AppUsers/2/RechargePoints", body).await.data();
        }
        let mut account = world.rows(Table::Points).await.into_iter().find(|row| row["sk"]["S"] == "account").unwrap();
        account[attribute] = json!({"N": "4001"});
        world.engine.put(&world.table(Table::Points), &account).await;
        let balanced = AssertUnwindSafe(tests::ledger::assert_balanced(&world)).catch_unwind().await;
        assert!(balanced.is_err(), "{attribute}");
    }
}

#[tokio::test]
async fn op_02_an_address_in_a_throwaway_row_is_found() {
    let world = World::new().await;
    let phone = "13800138000";
    world.client().post("/api/AppUsers/2/SendSMSCode", json!({"phone": phone, "type": "signup"})).await.data();
    assert_eq!(world.watch.leaks(), [""; 0]);
    let row = json!({"pk": {"S": format!("2#contact#{phone}")}});
    world.engine.put(&world.table(Table::Codes), &row).await;
    assert!(ending(world).contains("a row of Codes"));
}
