//! The points ledger.

use std::collections::{HashMap, HashSet};

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use shared::{
    app::AppId,
    points::{MAX_POINTS, Posting},
    settings::Recharge,
    storage::{Posted, Table},
    user::UserId,
};
use tests::{Answer, Client, World, engine::Fault, ledger::assert_balanced};

const RECHARGE: &str = "/api/AppUsers/2/RechargePoints";
const LOG: &str = "/api/AppUsers/2/PointLog";
const PASSWORD: &str = "correct horse battery";

fn user_of(token: &str) -> u64 {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice::<Value>(&payload).unwrap()["nameid"].as_str().unwrap().parse().unwrap()
}

/// A world, alice in its documented app, and her number.
async fn world() -> (World, Client, u64) {
    let world = World::new().await;
    let token = world.client().sign_up(2, "alice", PASSWORD).await;
    world.engine.take_calls();
    let client = world.client().bearer(&token);
    (world, client, user_of(&token))
}

async fn post(world: &World, user: u64, used: i64, remark: &str) -> Posted {
    let posting = Posting { used, remark: remark.to_owned(), payment: None };
    let now = shared::clock::Clock::now(&*world.clock);
    world.env.store.app(AppId::new(2).unwrap()).post_points(UserId::new(user), &posting, now).await.unwrap()
}

async fn total(client: &Client) -> u64 {
    client.get(LOG).await.data()["total"].as_u64().unwrap()
}

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
    let taken = world.client().post("/api/AppUsers/2/SignUp", json!({"userName": "bob", "pwd": PASSWORD})).await;
    taken.refused(200, 409, "account_exists");
    assert_eq!(world.snapshot().await, before);
    bob.post(RECHARGE, json!({"price": 200})).await.data();
    assert_eq!(assert_balanced(&world).await[&format!("2#{}", user_of(&token))], 2_050);
}

#[tokio::test]
async fn pt_13_pt_14_the_log_is_the_callers_own_and_its_pages_are_bounded() {
    let (world, client, user) = world().await;
    let other = world.client().bearer(&world.client().sign_up(2, "bob", PASSWORD).await);
    for number in 1..=120 {
        let used = if number % 3 == 0 { -1 } else { number };
        post(&world, user, used, &number.to_string()).await;
    }
    let page = |query: &str| {
        let (client, path) = (client.clone(), format!("{LOG}{query}"));
        async move {
            let answer = client.get(&path).await;
            let rows = answer.data()["data"].as_array().unwrap();
            let remarks: Vec<u64> = rows.iter().map(|row| row["remark"].as_str().unwrap().parse().unwrap()).collect();
            (answer.data()["total"].as_u64().unwrap(), remarks)
        }
    };
    let newest: Vec<u64> = (1..=120).rev().collect();
    for query in ["", "?type=&skip=&take=", "?type=0&skip=0&take=10", "?type=undefined&skip=null"] {
        assert_eq!(page(query).await, (120, newest[..10].to_vec()), "{query}");
    }
    assert_eq!(page("?take=100").await, (120, newest[..100].to_vec()));
    for query in ["?take=101", "?take=1000000000", "?Take=9007199254740991"] {
        assert_eq!(page(query).await, (120, newest[..100].to_vec()), "{query}");
    }
    assert_eq!(page("?skip=115").await, (120, newest[115..].to_vec()));
    for query in ["?skip=120", "?skip=2147483648", "?skip=9007199254740991", "?take=0"] {
        assert_eq!(page(query).await, (120, vec![]), "{query}");
    }
    let of = |is_consumption: bool| newest.iter().copied().filter(move |number| (number % 3 == 0) == is_consumption);
    assert_eq!(page("?type=1&skip=5&take=7").await, (80, of(false).skip(5).take(7).collect()));
    assert_eq!(page("?type=2&skip=35").await, (40, of(true).skip(35).collect()));
    // Page by page, every row once.
    let mut walked = Vec::new();
    for skip in (0..120).step_by(7) {
        walked.extend(page(&format!("?skip={skip}&take=7")).await.1);
    }
    assert_eq!(walked, newest);
    for query in [
        "?type=-1",
        "?type=9",
        "?type=abc",
        "?skip=-1",
        "?skip=x",
        "?take=-1",
        "?take=1e9",
        "?take=1.0",
        "?skip=1&skip=2",
        "?type=1;2",
    ] {
        client.get(&format!("{LOG}{query}")).await.refused(400, 400, "invalid_request");
    }
    let own = other.get(&format!("{LOG}?userId={user}&userID={user}")).await;
    own.refused(400, 400, "invalid_request");
    assert_eq!(other.get(&format!("{LOG}?userId={user}&appId=3")).await.data()["total"], 0);
    world.client().get(LOG).await.refused(401, 401, "invalid_token");
    assert_balanced(&world).await;
}

#[tokio::test]
async fn a_hundred_thousand_rows_page_in_two_reads_wherever_the_page_begins() {
    let (world, client, user) = world().await;
    let partition = format!("2#{user}");
    let row = |sort: String, number: u64, used: i64| {
        json!({
            "pk": {"S": partition}, "sk": {"S": sort}, "id": {"N": number.to_string()}, "used": {"N": used.to_string()},
            "remark": {"S": number.to_string()}, "createdAt": {"N": "1772000000000"},
        })
    };
    let (mut rows, mut counts, mut balance) = (Vec::new(), [0_u64; 2], 0_i64);
    for number in 1..=100_000_u64 {
        let used = if number % 5 == 0 { -1 } else { 2 };
        let kind = usize::from(used < 0);
        counts[kind] += 1;
        balance += used;
        rows.push(row(format!("all#{number:016}"), number, used));
        rows.push(row(format!("{}#{:016}", ["in", "out"][kind], counts[kind]), number, used));
    }
    rows.push(json!({
        "pk": {"S": partition}, "sk": {"S": "account"}, "balance": {"N": balance.to_string()},
        "rows": {"N": "100000"}, "recharges": {"N": counts[0].to_string()}, "consumptions": {"N": counts[1].to_string()},
    }));
    world.engine.import("test-Points", rows);
    for (kind, total) in [(0, 100_000_u64), (1, 80_000), (2, 20_000)] {
        for skip in [0, 1, 9_999, total / 2, total - 100, total - 3, total, total + 7] {
            world.engine.take_calls();
            let answer = client.get(&format!("{LOG}?type={kind}&skip={skip}&take=100")).await;
            let operations: Vec<_> = world.engine.take_calls().into_iter().map(|call| call.operation).collect();
            let expected: &[&str] = if skip < total {
                &["GetItem", "GetItem", "GetItem", "Query"]
            } else {
                &["GetItem", "GetItem", "GetItem"]
            };
            assert_eq!(operations, expected, "the app, the user, the account, the rows");
            assert_eq!(answer.data()["total"], total);
            let ids: Vec<_> =
                answer.data()["data"].as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect();
            let newest = (1..=100_000_u64).rev().filter(|number| kind == 0 || (number % 5 == 0) == (kind == 2));
            let skip = usize::try_from(skip).unwrap();
            assert_eq!(ids, newest.skip(skip).take(100).collect::<Vec<_>>(), "type {kind} skip {skip}");
        }
    }
    client.post(RECHARGE, json!({"price": 200})).await.data();
    assert_eq!(total(&client).await, 100_001);
    assert_eq!(assert_balanced(&world).await[&partition], balance + 2_000);
}

#[tokio::test]
async fn a_recharge_survives_a_lost_answer_and_a_conflict_and_fails_whole() {
    let (world, client, user) = world().await;
    for (number, fault) in
        [Fault::AnswerLost, Fault::Conflict, Fault::Throttled, Fault::InternalError].into_iter().enumerate()
    {
        // The app, the user, the account, and then the transaction.
        world.engine.spoil([None, None, None, Some(fault)]);
        client.post(RECHARGE, json!({"price": 200, "orderId": number})).await.refused(400, 400, "invalid_request");
        world.engine.heal();
        world.engine.spoil([None, None, None, Some(fault)]);
        client.post(RECHARGE, json!({"price": 200, "orderId": number.to_string()})).await.data();
        world.engine.heal();
    }
    world.engine.spoil([None, None, None].into_iter().chain([Some(Fault::InternalError); 20]));
    let answer = client.post(RECHARGE, json!({"price": 200, "orderId": "late"})).await;
    answer.refused(503, 503, "unavailable");
    assert_ne!(answer.header("retry-after"), "");
    world.engine.heal();
    assert_eq!(assert_balanced(&world).await[&format!("2#{user}")], 8_000);
    client.post(RECHARGE, json!({"price": 200, "orderId": "late"})).await.data();
    assert_eq!(assert_balanced(&world).await[&format!("2#{user}")], 10_000);
}

async fn codes(answers: impl Iterator<Item = impl Future<Output = Answer>>) -> HashMap<i64, usize> {
    let mut counts = HashMap::new();
    for answer in join_all(answers).await {
        *counts.entry(answer.code()).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_17_a_hundred_recharges_of_distinct_orders_sum_exactly() {
    let (world, client, user) = world().await;
    let counts =
        codes((0..100).map(|number| client.post(RECHARGE, json!({"price": 200, "orderId": format!("o{number}")}))))
            .await;
    assert_eq!(counts, HashMap::from([(200, 100)]));
    assert_eq!(total(&client).await, 100);
    assert_eq!(assert_balanced(&world).await[&format!("2#{user}")], 200_000);
    let log = client.get(&format!("{LOG}?take=100")).await;
    let ids: HashSet<_> = log.data()["data"].as_array().unwrap().iter().map(|row| row["id"].as_u64()).collect();
    assert_eq!(ids.len(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_32_a_hundred_recharges_of_one_order_credit_once() {
    let (world, client, user) = world().await;
    // The second hundred finds a limit that the first one has used up.
    world.change_app(&world.documented, |app| app.settings.daily_recharge_limit = Some(200)).await;
    let counts = codes((0..100).map(|_| client.post(RECHARGE, json!({"price": 200, "orderId": "o"})))).await;
    assert_eq!(counts, HashMap::from([(200, 100)]));
    assert_eq!(assert_balanced(&world).await[&format!("2#{user}")], 2_000);
    let bob = world.client().bearer(&world.client().sign_up(2, "bob", PASSWORD).await);
    let both = (0..100).map(|number| {
        let client = if number % 2 == 0 { &client } else { &bob };
        client.post(RECHARGE, json!({"price": 200, "orderId": "p"}))
    });
    world.change_app(&world.documented, |app| app.settings.daily_recharge_limit = None).await;
    assert_eq!(codes(both).await, HashMap::from([(200, 50), (409, 50)]));
    assert_eq!(assert_balanced(&world).await.into_values().sum::<i64>(), 4_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_19_a_hundred_recharges_against_a_daily_limit_stop_exactly_at_it() {
    let (world, client, user) = world().await;
    world
        .change_app(&world.documented, |app| {
            app.settings.price_table = Some([("1".to_owned(), 1)].into());
            app.settings.daily_recharge_limit = Some(50);
        })
        .await;
    let counts =
        codes((0..100).map(|number| client.post(RECHARGE, json!({"price": 1, "orderId": format!("o{number}")})))).await;
    assert_eq!(counts, HashMap::from([(200, 50), (422, 50)]));
    assert_eq!(assert_balanced(&world).await[&format!("2#{user}")], 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_20_a_balance_of_ten_is_consumed_ten_times() {
    let (world, client, user) = world().await;
    post(&world, user, 10, "").await;
    let posted = join_all((0..100).map(|_| post(&world, user, -1, "used"))).await;
    assert_eq!(posted.iter().filter(|posted| matches!(posted, Posted::Done { .. })).count(), 10);
    assert_eq!(posted.iter().filter(|posted| **posted == Posted::Insufficient { balance: 0 }).count(), 90);
    assert_eq!(client.get(&format!("{LOG}?type=2")).await.data()["total"], 10);
    assert_eq!(assert_balanced(&world).await[&format!("2#{user}")], 0);
}
