//! Orders and balances.

use serde_json::json;
use shared::{app::AppId, points::Posting, storage::Posted, user::UserId};
use tests::{
    World, claims,
    ledger::assert_balanced,
    schedules::{Actor, Bounds, explore},
};

use crate::security::good::Town;

use super::{Request, all_orders, reasons, tallied};

/// What the town's user with an account has.
async fn balance(world: &World) -> i64 {
    assert_balanced(world).await.into_values().max().unwrap_or_default()
}

fn order(town: &Town, order: &str) -> Request {
    let client = town.world.client().bearer(&town.people.union);
    Request::Post(client, "/api/AppUsers/2/RechargePoints".to_owned(), json!({"price": 200, "orderId": order}))
}

#[tokio::test(start_paused = true)]
async fn rc_17_rc_32_two_orders_and_one_order_twice() {
    let town = Town::new().await;
    let before = balance(&town.world).await;
    for (second, credited, id) in [("o-8", 4_000, "RC-17"), ("o-7", 2_000, "RC-32")] {
        let explored = all_orders(&town, &[order(&town, "o-7"), order(&town, second)], async |answers| {
            assert_eq!(reasons(&answers), ["", ""]);
            assert_eq!(balance(&town.world).await - before, credited);
        })
        .await;
        tallied(id, explored);
    }
}

#[tokio::test(start_paused = true)]
async fn rc_19_two_orders_of_which_the_day_has_room_for_one() {
    let town = Town::new().await;
    // 200 were paid already.
    town.world.change_app(&town.world.documented, |app| app.settings.daily_recharge_limit = Some(400)).await;
    let explored = all_orders(&town, &[order(&town, "o-7"), order(&town, "o-8")], async |answers| {
        assert_eq!(reasons(&answers), ["", "daily_limit"]);
    })
    .await;
    tallied("RC-19", explored);
}

#[tokio::test(start_paused = true)]
async fn rc_20_a_balance_that_is_consumed_once() {
    let town = Town::new().await;
    let all = balance(&town.world).await;
    let user = UserId::new(claims(&town.people.union)["nameid"].as_str().unwrap().parse().unwrap());
    let store = town.world.env.store.app(AppId::new(2).unwrap());
    let now = town.world.env.clock.now();
    let posting = &Posting { used: -all, remark: String::new(), payment: None };
    let actors = || {
        (0..2)
            .map(|_| Box::pin(async move { store.post_points(user, posting, now).await.unwrap() }) as Actor<'_, Posted>)
            .collect()
    };
    let explored = explore(&town.world, &town.start, Bounds::default(), actors, async |posted| {
        assert!(posted.contains(&Posted::Done { balance: 0 }) && posted.contains(&Posted::Insufficient { balance: 0 }));
    })
    .await;
    explored.report("rc_20");
    tallied("RC-20", explored);
}
