//! The points ledger.

mod log;
mod races;
mod recharges;

use shared::{app::AppId, points::Posting, storage::Posted, user::UserId};
use tests::{Client, World, claims};

const RECHARGE: &str = "/api/AppUsers/2/RechargePoints";
const LOG: &str = "/api/AppUsers/2/PointLog";
const PASSWORD: &str = "correct horse battery";

fn user_of(token: &str) -> u64 {
    claims(token)["nameid"].as_str().and_then(|id| id.parse().ok()).expect("a user's number")
}

/// A world, alice in its documented app, and her number.
async fn world() -> (World, Client, u64) {
    let world = World::new().await;
    let token = world.client().sign_up(2, "alice", PASSWORD).await;
    world.engine.take_calls();
    let client = world.client().bearer(&token);
    (world, client, user_of(&token))
}

async fn post(world: &World, user: u64, amount: i64, remark: &str) -> Posted {
    let posting = Posting { used: amount, remark: remark.to_owned(), payment: None };
    let now = shared::clock::Clock::now(&*world.clock);
    world
        .env
        .store
        .app(AppId::new(2).expect("as the service writes it"))
        .post_points(UserId::new(user), &posting, now)
        .await
        .expect("as the service writes it")
}

async fn total(client: &Client) -> u64 {
    client.get(LOG).await.data()["total"].as_u64().expect("as the service writes it")
}
