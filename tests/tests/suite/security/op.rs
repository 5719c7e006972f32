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
use tests::{World, world::routes};

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
async fn op_01_an_answer_that_tells_too_much_is_found() {
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
