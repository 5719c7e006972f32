//! Who credits what, at which price, and how much in a day.

use http::Method;
use serde_json::json;
use shared::{
    points::MAX_POINTS,
    settings::Recharge,
    storage::{Posted, Table},
};
use tests::{Client, World, ledger::assert_balanced};

use super::{LOG, PASSWORD, RECHARGE, post, total, user_of, world};

#[tokio::test]
async fn a_paid_price_is_credited_once_and_the_log_shows_it() {
    let (world, client, user) = world().await;
    assert_eq!(*client.get(LOG).await.data(), json!({"total": 0, "data": []}));
    world.wait(61);
    let answer = client.post(RECHARGE, json!({"price": 200, "remark": "first", "orderId": "o-1"})).await;
    assert_eq!(*answer.data(), true);
    world.wait(1);
    let again = client.post(RECHARGE, json!({"price": "200", "remark": "again", "orderId": "o-1"})).await;
    assert_eq!(again.essence(), answer.essence());
    client.post(RECHARGE, json!({"price": 500})).await.data();
    let log = client.get(LOG).await;
    assert_eq!(log.data()["total"], 2);
    let [newest, oldest] = log.data()["data"].as_array().unwrap().as_slice() else { panic!("{}", log.text) };
    assert_eq!((&newest["used"], &newest["remark"]), (&json!(5_000), &json!("")));
    assert_eq!(
        *oldest,
        json!({"id": oldest["id"], "userID": user, "used": 2_000, "remark": "first", "createDate": "2026-03-01 12:01:01"})
    );
    assert!(oldest["id"].as_u64().unwrap() < 1 << 53 && oldest["id"] != newest["id"]);
    assert_eq!(assert_balanced(&world).await[&format!("2#{user}")], 7_000);
}

#[tokio::test]
async fn pt_01_pt_02_where_the_server_credits_points_its_secret_comes_before_the_body() {
    let world = World::new().await;
    let path = "/api/AppUsers/3/RechargePoints";
    let table = [("200".to_owned(), 2_000)].into();
    world.change_app(&world.strict, |app| app.settings.price_table = Some(table)).await;
    let client = world.client().bearer(&world.client().sign_up(3, "alice", PASSWORD).await);
    let before = world.snapshot().await;
    for client in [client.clone(), client.clone().with("x-app-secret", world.documented.secret.expose())] {
        for body in [json!({"price": 200}), json!({}), json!({"price": "many"})] {
            let answer = client.post(path, body).await;
            answer.refused(200, 403, "app_secret_required");
            assert_eq!(answer.body["err"], "需要应用密钥");
        }
        client.send(Method::POST, path, Some("text/plain"), b"x".to_vec()).await.refused(
            200,
            403,
            "app_secret_required",
        );
    }
    let server = client.clone().with("x-app-secret", world.strict.secret.expose());
    let without_bearer = world.client().with("x-app-secret", world.strict.secret.expose());
    without_bearer.post(path, json!({"price": 200})).await.refused(401, 401, "invalid_token");
    let twice = server.clone().with("x-app-secret", world.strict.secret.expose());
    twice.post(path, json!({"price": 200})).await.refused(200, 403, "app_secret_required");
    assert_eq!(world.snapshot().await, before);
    server.post(path, json!({"price": 200})).await.data();
    server.post(path, json!({})).await.refused(400, 400, "invalid_request");
    // The other method is not there for anybody.
    for client in [&client, &server] {
        let answer = client.get(&format!("{path}?price=200")).await;
        answer.refused(405, 405, "method_not_allowed");
        assert_eq!(answer.header("allow"), "POST");
    }
    world.client().get(path).await.refused(401, 401, "invalid_token");
    assert_eq!(assert_balanced(&world).await.into_values().sum::<i64>(), 2_000);
}

#[tokio::test]
async fn where_users_credit_themselves_the_query_does_it_too() {
    let (world, client, user) = world().await;
    let answer = client.get(&format!("{RECHARGE}?price=200&remark=%E5%85%85+%E5%80%BC&orderId=o-1")).await;
    assert_eq!(*answer.data(), true);
    client.post(RECHARGE, json!({"price": 200, "orderId": "o-1"})).await.data();
    client.get(&format!("{RECHARGE}?Price=500&remark=undefined&orderId=")).await.data();
    client.get("/api/appusers/2/rechargepoints?price=500&orderId=null").await.data();
    for query in ["", "?price=", "?price=2e2", "?price=-1", "?price=200&price=200", "?price=1000000001", "?price=0200"]
    {
        client.get(&format!("{RECHARGE}{query}")).await.refused(400, 400, "invalid_request");
    }
    client.get(&format!("{RECHARGE}?price=0")).await.refused(200, 422, "price_not_listed");
    let remarks: Vec<_> =
        client.get(LOG).await.data()["data"].as_array().unwrap().iter().map(|row| row["remark"].clone()).collect();
    assert_eq!(remarks, ["", "", "充 值"]);
    assert_eq!(assert_balanced(&world).await[&format!("2#{user}")], 12_000);
}

#[tokio::test]
async fn pt_04_rc_32_an_order_is_credited_once_for_one_user_and_one_price() {
    let (world, alice, _) = world().await;
    let bob = world.client().bearer(&world.client().sign_up(2, "bob", PASSWORD).await);
    let keyed = |client: &Client, key: &str| client.clone().with("idempotency-key", key);
    alice.post(RECHARGE, json!({"price": 200, "orderId": "order 1"})).await.data();
    let before = world.snapshot().await;
    for (client, body) in [
        (alice.clone(), json!({"price": 200, "orderId": "order 1"})),
        (keyed(&alice, "order 1"), json!({"price": 200})),
        (keyed(&alice, "order 1"), json!({"price": 200, "orderId": "order 1"})),
    ] {
        assert_eq!(*client.post(RECHARGE, body).await.data(), true);
    }
    for (client, body) in [
        (alice.clone(), json!({"price": 500, "orderId": "order 1"})),
        (alice.clone(), json!({"price": 7, "orderId": "order 1"})),
        (bob.clone(), json!({"price": 200, "orderId": "order 1"})),
        (keyed(&bob, "order 1"), json!({"price": 200})),
    ] {
        let answer = client.post(RECHARGE, body).await;
        answer.refused(200, 409, "order_conflict");
    }
    for (client, body) in [
        (keyed(&alice, "order 2"), json!({"price": 200, "orderId": "order 1"})),
        (keyed(&alice, &"x".repeat(65)), json!({"price": 200})),
        (keyed(&alice, &"x".repeat(300)), json!({"price": 200})),
        (keyed(&alice, "a\tb"), json!({"price": 200})),
        (keyed(&keyed(&alice, "a"), "a"), json!({"price": 200})),
        (alice.clone(), json!({"price": 200, "orderId": "x".repeat(65)})),
        (alice.clone(), json!({"price": 200, "orderId": "a\nb"})),
        (alice.clone(), json!({"price": 200, "orderId": "a\u{200b}"})),
        (alice.clone(), json!({"price": 200, "orderId": 7})),
    ] {
        client.post(RECHARGE, body).await.refused(400, 400, "invalid_request");
    }
    assert_eq!(world.snapshot().await, before);
    bob.post(RECHARGE, json!({"price": 200, "orderId": "Order 1"})).await.data();
    // The same order in another app is another order, and a changed table does not change what was credited.
    let other = world.client().bearer(&world.client().sign_up(3, "alice", PASSWORD).await);
    let settings = |app: &mut shared::app::AppRecord| {
        app.settings.recharge = Recharge::User;
        app.settings.price_table = Some([("500".to_owned(), 5)].into());
    };
    world.change_app(&world.strict, settings).await;
    world.change_app(&world.documented, settings).await;
    other.post("/api/AppUsers/3/RechargePoints", json!({"price": 500, "orderId": "order 1"})).await.data();
    alice.post(RECHARGE, json!({"price": 200, "orderId": "order 1"})).await.data();
    alice.post(RECHARGE, json!({"price": 200, "orderId": "order 9"})).await.refused(200, 422, "price_not_listed");
    assert_eq!(assert_balanced(&world).await.into_values().sum::<i64>(), 4_005);
}

#[tokio::test]
async fn pt_05_pt_07_pt_10_prices_are_whole_listed_and_all_that_a_body_decides() {
    let (world, client, user) = world().await;
    let mallory = world.client().bearer(&world.client().sign_up(2, "mallory", PASSWORD).await);
    let before = world.snapshot().await;
    for price in [
        "-1",
        "-0",
        "0.5",
        "1e309",
        "9223372036854775808",
        "\"1e2\"",
        "\"007\"",
        "null",
        "\"\"",
        "[200]",
        "true",
        "1000000001",
    ] {
        let body = format!(r#"{{"price":{price}}}"#).into_bytes();
        client.send(Method::POST, RECHARGE, Some("application/json"), body).await.refused(400, 400, "invalid_request");
    }
    for body in [json!({}), json!({"price": 200, "remark": "a\u{7}"}), json!({"price": 200, "remark": 1})] {
        client.post(RECHARGE, body).await.refused(400, 400, "invalid_request");
    }
    for price in [0, 1, 201, 1_000_000_000] {
        let answer = client.post(RECHARGE, json!({"price": price, "points": 9, "currency": "x"})).await;
        answer.refused(200, 422, "price_not_listed");
    }
    assert_eq!(world.snapshot().await, before);
    let body = json!({"price": 200, "points": 9, "balance": 9, "used": 9, "userId": user, "appId": 3, "remark": "汉".repeat(600)});
    mallory.post(RECHARGE, body).await.data();
    assert_eq!(total(&client).await, 0);
    let log = mallory.get(&format!("{LOG}?userId={user}&appId=3")).await;
    assert_eq!(log.data()["data"][0]["used"], 2_000);
    assert_eq!(log.data()["data"][0]["remark"], "汉".repeat(512));
    assert_balanced(&world).await;
}

#[tokio::test]
async fn pt_08_a_balance_is_never_more_than_clients_can_hold_nor_below_zero() {
    let (world, client, user) = world().await;
    let most = i64::try_from(MAX_POINTS).unwrap();
    assert_eq!(post(&world, user, most - 1_999, "gift").await, Posted::Done { balance: MAX_POINTS - 1_999 });
    let before = world.snapshot().await;
    let answer = client.post(RECHARGE, json!({"price": 200, "orderId": "o"})).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (200, 422));
    assert_eq!(post(&world, user, 2_000, "").await, Posted::TooMany);
    assert_eq!(post(&world, user, -most, "").await, Posted::Insufficient { balance: MAX_POINTS - 1_999 });
    assert_eq!(world.snapshot().await, before);
    assert_eq!(post(&world, user, -1, "").await, Posted::Done { balance: MAX_POINTS - 2_000 });
    client.post(RECHARGE, json!({"price": 200, "orderId": "o"})).await.data();
    assert_eq!(post(&world, user, -most, "all").await, Posted::Done { balance: 0 });
    assert_balanced(&world).await;
}

#[tokio::test]
async fn pt_11_an_app_without_prices_sells_nothing() {
    let (world, client, _) = world().await;
    world.change_app(&world.documented, |app| app.settings.price_table = None).await;
    for answer in
        [client.post(RECHARGE, json!({"price": 200})).await, client.get(&format!("{RECHARGE}?price=200")).await]
    {
        answer.refused(200, 403, "recharge_disabled");
        assert_eq!(answer.body["err"], "应用未开启充值");
    }
    assert!(world.rows(Table::Points).await.is_empty());
}

#[tokio::test]
async fn a_daily_limit_counts_fen_in_the_deployments_calendar_day() {
    let (world, client, user) = world().await;
    world.change_app(&world.documented, |app| app.settings.daily_recharge_limit = Some(1_000)).await;
    let pay = |price: u64, order: &str| {
        let body = json!({"price": price, "orderId": order});
        let client = client.clone();
        async move { client.post(RECHARGE, body).await }
    };
    // It is noon in Shanghai.
    pay(800, "a").await.data();
    let refused = pay(500, "b").await;
    refused.refused(200, 422, "daily_limit");
    assert_eq!(refused.body["err"], "已超过每日充值上限");
    pay(200, "c").await.data();
    pay(200, "d").await.refused(200, 422, "daily_limit");
    pay(800, "a").await.data();
    pay(500, "a").await.refused(200, 409, "order_conflict");
    world.wait(12 * 3_600 - 1);
    pay(200, "d").await.refused(200, 422, "daily_limit");
    world.wait(1);
    // What was refused was not remembered: the same order goes through when there is room.
    pay(200, "d").await.data();
    pay(800, "e").await.data();
    pay(200, "f").await.refused(200, 422, "daily_limit");
    post(&world, user, 1_000_000, "a gift is not paid for").await;
    // Raised within the day, it counts what was paid before.
    world.change_app(&world.documented, |app| app.settings.daily_recharge_limit = Some(1_200)).await;
    pay(200, "f").await.data();
    pay(200, "g").await.refused(200, 422, "daily_limit");
    assert_balanced(&world).await;
}

#[tokio::test]
async fn a_new_user_is_given_points_by_the_sign_up_itself() {
    let (world, alice, _) = world().await;
    world.change_app(&world.documented, |app| app.settings.sign_up_points = 50).await;
    let token = world.client().sign_up(2, "bob", PASSWORD).await;
    let bob = world.client().bearer(&token);
    let log = bob.get(&format!("{LOG}?type=1")).await;
    assert_eq!(log.data()["total"], 1);
    let row = &log.data()["data"][0];
    assert_eq!(
        *row,
        json!({"id": row["id"], "userID": user_of(&token), "used": 50, "remark": "注册赠送", "createDate": "2026-03-01 12:00:00"})
    );
    let union = world.client().post("/api/AppUsers/2/UnionIDSignUp", json!({"platform": "wx", "unionID": "o1"})).await;
    assert_eq!(total(&world.client().bearer(&union.token())).await, 1);
    assert_eq!(total(&alice).await, 0, "who was there before gets nothing");
    // A sign-up that fails gives nothing, one that goes on has what it was given.
    let before = world.snapshot().await;
    let failed = world.client().post("/api/AppUsers/2/SignUp", json!({"userName": "bob", "pwd": PASSWORD})).await;
    failed.refused(200, 409, "account_exists");
    assert_eq!(world.snapshot().await, before);
    bob.post(RECHARGE, json!({"price": 200})).await.data();
    assert_eq!(assert_balanced(&world).await[&format!("2#{}", user_of(&token))], 2_050);
}
