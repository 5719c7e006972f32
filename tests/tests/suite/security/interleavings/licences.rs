//! Seats and links.

use serde_json::Value;
use tests::{
    Answer,
    schedules::{Actor, Bounds, explore},
};

use crate::security::good::Town;

use super::{Request, all_orders, good, reasons, tallied};

#[tokio::test(start_paused = true)]
async fn one_seat_and_links_that_come_and_go() {
    let town = Town::new().await;
    let world = &town.world;
    let sn = shared::licence::Sn::parse("S1").unwrap();
    let store = world.env.store.app(world.documented.record.app_id);
    store.set_users_number(&sn, Some(4)).await.unwrap();
    let vendor = world.client().with("bitkey", &town.people.bitkey);
    let link = |name: &str| Request::Post(vendor.clone(), format!("/sns/S1/users/user/{name}"), Value::Null);
    all_orders(&town, &[link("carol"), link("dave")], async |answers| {
        assert_eq!(reasons(&answers), ["", "seats_exhausted"]);
    })
    .await;
    all_orders(&town, &[link("alice"), good(&town, "DELETE users 0")], async |answers| {
        assert!(["", "seats_exhausted"].contains(&answers[0].reason()));
        assert_eq!(answers[1].reason(), "");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn rc_32_one_licence_write_twice_under_one_request_id() {
    let town = Town::new().await;
    // Each write is ten calls, and who waits looks again and again: conflicts would make too many orders.
    let request = good(&town, "POST user 1");
    let actors = || (0..2).map(|_| Box::pin(request.send()) as Actor<'_, Answer>).collect();
    let bounds = Bounds { conflicts: 0, ..Bounds::default() };
    let explored = explore(&town.world, &town.start, bounds, actors, async |answers| {
        assert_eq!(reasons(&answers), ["", ""]);
        assert_eq!(answers[0].essence(), answers[1].essence());
    })
    .await;
    explored.report("rc_32");
    tallied("RC-32", explored);
}
