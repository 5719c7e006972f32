//! External accounts: bound, listed, changed, unbound, and signing in by them.

mod access;
mod bindings;
mod races;

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::storage::Table;
use tests::{Answer, AppHandle, Client, World};

const PASSWORD: &str = "correct horse battery";

/// A path of the demo app.
fn at(app: &AppHandle, rest: &str) -> String {
    format!("/ExternalAccount/{}{rest}", app.record.app_key.as_str())
}

fn account(union_id: &str) -> Value {
    json!({"unionID": union_id, "platform": "wechat", "platformName": "微信"})
}

/// A user of the documented app with a password, ready to call.
async fn alice(world: &World) -> Client {
    let token = world.client().sign_up(2, "alice", PASSWORD).await;
    world.client().bearer(&token)
}

/// A user of the documented app who has nothing but what they bind.
async fn passwordless(world: &World, union_id: &str) -> Client {
    world.change_app(&world.documented, |app| app.settings.default_password = None).await;
    let identity = json!({"platform": "wx", "unionID": union_id});
    let token = world.client().post("/api/AppUsers/2/UnionIDSignUp", identity).await.token();
    world.client().bearer(&token)
}

async fn bind(world: &World, client: &Client, union_id: &str) -> Answer {
    client.post(&at(&world.documented, ""), account(union_id)).await
}

async fn sign_in(world: &World, union_id: &str) -> Answer {
    let body = json!({"unionID": union_id, "platform": "wechat"});
    world.client().post(&at(&world.documented, "/SignIn"), body).await
}

async fn list(world: &World, client: &Client) -> Vec<Value> {
    client.get(&at(&world.documented, "")).await.data().as_array().unwrap().clone()
}

async fn ids(world: &World, client: &Client) -> Vec<u64> {
    list(world, client).await.iter().map(|it| it["id"].as_u64().unwrap()).collect()
}

async fn codes(answers: impl IntoIterator<Item = impl Future<Output = Answer>>) -> HashMap<(u16, String), usize> {
    let mut counts = HashMap::new();
    for answer in join_all(answers).await {
        assert_eq!(i64::from(answer.status.as_u16()), answer.code(), "{}", answer.text);
        *counts.entry((answer.status.as_u16(), answer.reason().to_owned())).or_default() += 1;
    }
    counts
}

async fn before_user(world: &World) -> u64 {
    let rows = world.rows(Table::Bindings).await;
    rows[0]["userId"]["N"].as_str().unwrap().parse().unwrap()
}
