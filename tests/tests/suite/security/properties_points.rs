//! The points ledger against a model: a balance is the sum of its rows, an order is one row however often it is sent,
//! and pages of any size show every row once.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use serde_json::json;
use tests::{Answer, Client, Tally, World, ledger::assert_balanced, properties::hold};

const RECHARGE: &str = "/api/AppUsers/2/RechargePoints";
const LIMIT: u64 = 2_000;
/// Fen and what they buy; the last one is not listed.
const PRICES: [(u64, Option<i64>); 4] = [(200, Some(2_000)), (500, Some(5_000)), (800, Some(10_000)), (300, None)];

#[derive(Clone, Copy, Debug)]
enum Step {
    /// By whom, which order, which price, how often, and whether the order is named in the header.
    Recharge {
        user: usize,
        order: Option<usize>,
        price: usize,
        times: usize,
        in_header: bool,
    },
    NextDay,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let recharge = (0..2_usize, prop::option::weighted(0.8, 0..5_usize), 0..4_usize, 1..4_usize, any::<bool>());
    let recharge = recharge.prop_map(|(user, order, price, times, in_header)| {
        // Without a name a repeated request is another one.
        let times = if order.is_some() { times } else { 1 };
        Step::Recharge { user, order, price, times, in_header }
    });
    prop::collection::vec(prop_oneof![6 => recharge, 1 => Just(Step::NextDay)], 1..40)
}

#[derive(Default)]
struct Model {
    rows: [Vec<i64>; 2],
    paid_today: [u64; 2],
    orders: BTreeMap<usize, (usize, u64)>,
}

impl Model {
    /// What a recharge comes to: done, or why not.
    fn recharge(&mut self, user: usize, order: Option<usize>, (price, points): (u64, Option<i64>)) -> &'static str {
        match order.and_then(|order| self.orders.get(&order)) {
            Some(known) if *known == (user, price) => return "",
            Some(_) => return "order_conflict",
            None => {}
        }
        let Some(points) = points else { return "price_not_listed" };
        if self.paid_today[user] + price > LIMIT {
            return "daily_limit";
        }
        self.paid_today[user] += price;
        self.rows[user].push(points);
        self.orders.extend(order.map(|order| (order, (user, price))));
        ""
    }
}

async fn recharge(client: &Client, order: Option<usize>, price: u64, in_header: bool) -> Answer {
    let mut body = json!({"price": price, "remark": "r"});
    let order = order.map(|order| format!("order-{order}"));
    match order {
        Some(order) if in_header => return client.clone().with("idempotency-key", &order).post(RECHARGE, body).await,
        Some(order) => body["orderId"] = json!(order),
        None => {}
    }
    client.post(RECHARGE, body).await
}

/// All rows of a user by pages of these sizes, newest first.
async fn walk(client: &Client, sizes: &[usize]) -> Vec<(u64, i64)> {
    let mut rows: Vec<(u64, i64)> = Vec::new();
    for size in sizes.iter().cycle() {
        let answer = client.get(&format!("/api/AppUsers/2/PointLog?type=0&skip={}&take={size}", rows.len())).await;
        let page = answer.data()["data"].as_array().unwrap().clone();
        if page.is_empty() {
            assert_eq!(answer.data()["total"], rows.len());
            break;
        }
        rows.extend(page.iter().map(|row| (row["id"].as_u64().unwrap(), row["used"].as_i64().unwrap())));
    }
    rows
}

#[test]
fn p_05_p_17_p_18_a_ledger_adds_up_an_order_counts_once_and_pages_show_each_row_once() {
    let tallies = ["P-05", "P-17", "P-18"].map(Tally::of);
    let input = (steps(), prop::collection::vec(1..8_usize, 1..4));
    hold(96, &input, |(steps, sizes)| {
        for tally in &tallies {
            tally.add(steps.len());
        }
        async move {
            let world = World::new().await;
            world.change_app(&world.documented, |app| app.settings.daily_recharge_limit = Some(LIMIT)).await;
            let mut clients = Vec::new();
            for name in ["alice", "bob"] {
                let body = json!({"platform": "wx", "unionID": name, "userName": name});
                let token = world.client().post("/api/AppUsers/2/UnionIDSignUp", body).await.token();
                clients.push((world.client(), token));
            }
            let mut model = Model::default();
            for step in steps {
                match step {
                    Step::NextDay => {
                        world.wait(86_400);
                        model.paid_today = [0; 2];
                        for (number, name) in ["alice", "bob"].iter().enumerate() {
                            let body = json!({"platform": "wx", "unionID": name});
                            clients[number].1 =
                                world.client().post("/api/AppUsers/2/UnionIDSignIn", body).await.token();
                        }
                    }
                    Step::Recharge { user, order, price, times, in_header } => {
                        let client = clients[user].0.clone().bearer(&clients[user].1);
                        for _ in 0..times {
                            let answer = recharge(&client, order, PRICES[price].0, in_header).await;
                            assert_eq!(answer.reason(), model.recharge(user, order, PRICES[price]), "{}", answer.text);
                        }
                    }
                }
            }
            for ((client, token), rows) in clients.into_iter().zip(&model.rows) {
                let found = walk(&client.bearer(&token), &sizes).await;
                let used: Vec<_> = found.iter().rev().map(|(_, used)| *used).collect();
                assert_eq!(used, *rows);
                let ids: HashSet<_> = found.iter().map(|(id, _)| id).collect();
                assert_eq!(ids.len(), rows.len(), "each row once");
            }
            let mut balances: Vec<_> = assert_balanced(&world).await.into_values().collect();
            let mut sums: Vec<i64> = model.rows.iter().filter(|it| !it.is_empty()).map(|it| it.iter().sum()).collect();
            balances.sort_unstable();
            sums.sort_unstable();
            assert_eq!(balances, sums);
        }
    });
}
