//! The ledger, page by page.

use serde_json::json;
use tests::ledger::assert_balanced;

use super::{LOG, PASSWORD, RECHARGE, post, total, world};

#[tokio::test]
async fn pt_13_pt_14_the_log_is_the_callers_own_and_its_pages_are_bounded() {
    let (world, client, user) = world().await;
    let other = world.client().bearer(&world.client().sign_up(2, "bob", PASSWORD).await);
    for number in 1..=120 {
        let amount = if number % 3 == 0 { -1 } else { number };
        post(&world, user, amount, &number.to_string()).await;
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
    let row = |sort: String, number: u64, amount: i64| {
        json!({
            "pk": {"S": partition}, "sk": {"S": sort}, "id": {"N": number.to_string()}, "used": {"N": amount.to_string()},
            "remark": {"S": number.to_string()}, "createdAt": {"N": "1772000000000"},
        })
    };
    let (mut rows, mut counts, mut balance) = (Vec::new(), [0_u64; 2], 0_i64);
    for number in 1..=100_000_u64 {
        let amount = if number % 5 == 0 { -1 } else { 2 };
        let kind = usize::from(amount < 0);
        counts[kind] += 1;
        balance += amount;
        rows.push(row(format!("all#{number:016}"), number, amount));
        rows.push(row(format!("{}#{:016}", ["in", "out"][kind], counts[kind]), number, amount));
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
