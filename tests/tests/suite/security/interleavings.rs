//! Races, in every order in which the calls of the requests can reach the store, each with up to one conflict that the
//! embedded engine would not report by itself.

use std::{cell::Cell, collections::BTreeMap};

use serde_json::{Value, json};
use shared::{
    app::AppId,
    points::Posting,
    storage::{Posted, Table},
    user::UserId,
};
use tests::{
    Answer, Client, Tally, World, claims,
    ledger::assert_balanced,
    schedules::{Actor, Bounds, Explored, explore},
};

use super::good::{Good, PASSWORD, Town};

/// Runs the requests in every order.
async fn all_orders(town: &Town, requests: &[Request], verify: impl AsyncFn(Vec<Answer>)) -> Explored {
    let from = town.world.checkpoint().await;
    // Conflicts among three would be too many orders; among two of them they are tried.
    let bounds = Bounds { conflicts: usize::from(requests.len() == 2), ..Bounds::default() };
    let actors = || requests.iter().map(|request| Box::pin(request.send()) as Actor<'_, Answer>).collect();
    let explored = explore(&town.world, &from, bounds, actors, verify).await;
    explored.report(std::thread::current().name().unwrap_or_default());
    explored
}

/// A request of a race.
#[derive(Clone)]
enum Request {
    Good(Good),
    Post(Client, String, Value),
}

impl Request {
    async fn send(&self) -> Answer {
        match self {
            Self::Good(good) => good.send().await,
            Self::Post(client, path, body) => client.post(path, body.clone()).await,
        }
    }
}

fn post(town: &Town, path: &str, body: Value) -> Request {
    Request::Post(town.world.client(), path.to_owned(), body)
}

fn good(town: &Town, name: &str) -> Request {
    Request::Good(town.good(name).clone())
}

fn twice(request: Request) -> [Request; 2] {
    [request.clone(), request]
}

/// The reasons of the answers, sorted; a success has none.
fn reasons(answers: &[Answer]) -> Vec<&str> {
    let mut reasons: Vec<_> = answers.iter().map(Answer::reason).collect();
    reasons.sort_unstable();
    reasons
}

/// The answers that gave a token.
fn tokens(answers: &[Answer]) -> Vec<String> {
    answers.iter().filter(|answer| answer.code() == 200).map(Answer::token).collect()
}

async fn is_live(world: &World, token: &str) -> bool {
    world.client().bearer(token).get("/api/AppUsers/2/Profile").await.code() == 200
}

fn tallied(id: &'static str, explored: Explored) {
    Tally::of(id).add(explored.schedules);
}

/// The tries that the one code of an address for signing in has had.
async fn tries(world: &World) -> Option<String> {
    let rows = world.rows(Table::Codes).await;
    let codes: Vec<_> = rows.iter().filter_map(|row| row["record"]["M"]["codes"]["M"].get("signin")).collect();
    // The code at the phone is the one that was tried.
    let most = codes.iter().filter_map(|code| code["M"]["tries"]["N"].as_str()).max();
    most.map(str::to_owned)
}

#[tokio::test(start_paused = true)]
async fn rc_01_two_sign_ups_of_one_name() {
    let town = Town::new().await;
    let sign_up = post(&town, "/api/AppUsers/2/SignUp", json!({"userName": "racer", "pwd": PASSWORD}));
    let explored = all_orders(&town, &twice(sign_up), async |answers| {
        assert_eq!(reasons(&answers), ["", "account_exists"]);
    })
    .await;
    tallied("RC-01", explored);
}

#[tokio::test(start_paused = true)]
async fn rc_02_rc_31_two_sign_ups_with_the_same_codes() {
    let town = Town::new().await;
    for (one, other) in [("POST PhoneSignUp 0", "POST PhoneSignUp 0"), ("POST PhoneSignUp 0", "POST EmailSignUp 0")] {
        let requests = [good(&town, one), good(&town, other)];
        let explored = all_orders(&town, &requests, async |answers| {
            assert_eq!(tokens(&answers).len(), 1, "{:?}", reasons(&answers));
            let refused = reasons(&answers)[1];
            assert!(["account_exists", "invalid_code"].contains(&refused), "{refused}");
        })
        .await;
        tallied(if one == other { "RC-02" } else { "RC-31" }, explored);
    }
}

#[tokio::test(start_paused = true)]
async fn rc_04_three_ways_to_one_name() {
    let town = Town::new().await;
    let union = |platform: &str| {
        post(&town, "/api/AppUsers/2/UnionIDSignUp", json!({"platform": platform, "unionID": "racer"}))
    };
    let requests = [
        post(
            &town,
            "/api/AppUsers/2/UnionIDSignUp",
            json!({"platform": "wx", "unionID": "other", "userName": "Racer"}),
        ),
        union("wx"),
        union("qq"),
    ];
    let explored = all_orders(&town, &requests, async |answers| {
        // Who chose the name may come too late; whom it would have been given by default gets another.
        assert!(["", "account_exists"].contains(&answers[0].reason()));
        assert_eq!(tokens(&answers[1..]).len(), 2);
        let users = town.world.rows(Table::Users).await;
        let called =
            users.iter().filter(|row| row["userName"]["S"].as_str().is_some_and(|it| it.to_lowercase() == "racer"));
        assert_eq!(called.count(), 1);
    })
    .await;
    tallied("RC-04", explored);
}

#[tokio::test(start_paused = true)]
async fn rc_05_one_code_redeemed_twice() {
    let town = Town::new().await;
    let explored = all_orders(&town, &twice(good(&town, "POST PhoneSignIn 0")), async |answers| {
        assert_eq!(reasons(&answers), ["", "invalid_code"]);
    })
    .await;
    tallied("RC-05", explored);
}

/// A town in which four wrong codes were tried at alice's phone; a wrong guess, and the right one.
async fn nearly_tried() -> (Town, Request, Request) {
    let town = Town::new().await;
    let digits = if town.people.phone_codes[0] == "000000" { "000001" } else { "000000" };
    let wrong = post(&town, "/api/AppUsers/2/PhoneSignIn", json!({"phone": "13800138000", "code": digits}));
    for _ in 0..4 {
        wrong.send().await.refused(200, 400, "invalid_code");
    }
    let right = good(&town, "POST PhoneSignIn 0");
    (town, wrong, right)
}

#[tokio::test(start_paused = true)]
async fn rc_07_two_wrong_codes_for_one_try_that_is_left() {
    let (town, wrong, right) = nearly_tried().await;
    let explored = all_orders(&town, &twice(wrong), async |answers| {
        assert_eq!(reasons(&answers), ["invalid_code", "invalid_code"]);
        assert_eq!(tries(&town.world).await.as_deref(), Some("5"));
        right.send().await.refused(200, 400, "invalid_code");
    })
    .await;
    tallied("RC-07", explored);
}

#[tokio::test(start_paused = true)]
async fn rc_08_a_wrong_and_a_right_code_for_one_try_that_is_left() {
    let (town, wrong, right) = nearly_tried().await;
    let explored = all_orders(&town, &[wrong, right.clone()], async |answers| {
        assert_eq!(answers[0].reason(), "invalid_code");
        assert!(["", "invalid_code"].contains(&answers[1].reason()));
        right.send().await.refused(200, 400, "invalid_code");
    })
    .await;
    tallied("RC-08", explored);
}

#[tokio::test(start_paused = true)]
async fn rc_10_rc_29_second_factors_that_are_used_twice() {
    let town = Town::new().await;
    let by_recovery_code = json!({"platform": "wx", "unionID": "bob", "twoFactorCode": town.people.recovery_code});
    let ways = [good(&town, "POST UnionIDSignIn 1"), post(&town, "/api/AppUsers/2/UnionIDSignIn", by_recovery_code)];
    for (way, id) in ways.into_iter().zip(["RC-10", "RC-29"]) {
        let explored = all_orders(&town, &twice(way), async |answers| {
            assert_eq!(reasons(&answers), ["", "invalid_two_factor_code"]);
        })
        .await;
        tallied(id, explored);
    }
}

#[tokio::test(start_paused = true)]
async fn rc_10_two_wrong_second_factors_for_one_try_that_is_left() {
    let town = Town::new().await;
    let right = town.people.bob.1.code(town.world.env.clock.now(), 0);
    let around: Vec<_> = (-2..3).map(|step| town.people.bob.1.code(town.world.env.clock.now(), step)).collect();
    let digits = (0..1_000_000).map(|n| format!("{n:06}")).find(|code| !around.contains(code)).unwrap();
    let body = |code: &str| json!({"platform": "wx", "unionID": "bob", "twoFactorCode": code});
    let wrong = post(&town, "/api/AppUsers/2/UnionIDSignIn", body(&digits));
    for _ in 0..4 {
        wrong.send().await.refused(200, 401, "invalid_two_factor_code");
    }
    let explored = all_orders(&town, &twice(wrong.clone()), async |answers| {
        assert_eq!(reasons(&answers), ["invalid_two_factor_code", "throttled"]);
    })
    .await;
    tallied("RC-10", explored);
    let right = post(&town, "/api/AppUsers/2/UnionIDSignIn", body(&right));
    let explored = all_orders(&town, &[wrong, right], async |answers| {
        let evaluated = answers.iter().filter(|answer| answer.reason() != "throttled").count();
        // The right one takes its own charge back, so that the other one may follow.
        assert!(evaluated == 1 || answers[1].code() == 200, "{:?}", reasons(&answers));
    })
    .await;
    tallied("RC-10", explored);
}

#[tokio::test(start_paused = true)]
async fn rc_11_one_authorization_code_exchanged_twice() {
    let town = Town::new().await;
    for name in ["POST Authorize 0", "POST Authorize 1"] {
        let explored = all_orders(&town, &twice(good(&town, name)), async |answers| {
            assert_eq!(reasons(&answers), ["", "invalid_grant"]);
            assert!(!is_live(&town.world, &tokens(&answers)[0]).await, "the second use was seen");
        })
        .await;
        tallied("RC-11", explored);
    }
}

#[tokio::test(start_paused = true)]
async fn rc_13_a_reset_and_what_was_opened_before_it() {
    let town = Town::new().await;
    let ask = json!({"grant_type": "account", "scopes": "openid", "userName": "alice", "password": PASSWORD});
    let granted = town.world.client().post("/api/OAuth/2/GrantCode", ask).await;
    let exchange = json!({"code": granted.data()["code"]});
    let others = [good(&town, "POST PhoneSignIn 0"), post(&town, "/api/OAuth/2/Authorize", exchange)];
    for other in others {
        let explored = all_orders(&town, &[good(&town, "POST ResetPwd 0"), other], async |answers| {
            assert_eq!(answers[0].reason(), "", "the code for the reset is its own");
            for token in tokens(&answers[1..]) {
                assert!(!is_live(&town.world, &token).await, "no token outlives the reset");
            }
        })
        .await;
        tallied("RC-13", explored);
    }
}

#[tokio::test(start_paused = true)]
async fn rc_14_two_polls_and_other_steps_of_one_qr_code() {
    let town = Town::new().await;
    let explored = all_orders(&town, &twice(good(&town, "POST QRCodeSignIn 0")), async |answers| {
        assert_eq!(reasons(&answers), ["", "qr_expired"]);
    })
    .await;
    tallied("RC-14", explored);
    let explored = all_orders(&town, &twice(good(&town, "POST QRCodeScan 0")), async |answers| {
        assert_eq!(reasons(&answers), ["", "qr_unusable"]);
    })
    .await;
    tallied("RC-14", explored);
    let ticket = &town.people.tickets[1];
    let confirm = |name: &str| {
        let body = json!({"signInKey": ticket.key, "platform": "wx", "unionID": name});
        post(&town, "/api/AppUsers/2/QRCodeSignUp", body)
    };
    let poll = post(&town, "/api/AppUsers/2/QRCodeSignIn", json!({"signInKey": ticket.key}));
    let explored = all_orders(&town, &[confirm("union"), confirm("carol"), poll.clone()], async |answers| {
        let winners: Vec<_> = [0, 1].into_iter().filter(|n| answers[*n].code() == 200).collect();
        assert_eq!(winners.len(), 1, "{:?}", reasons(&answers));
        let late = poll.send().await;
        let polled: Vec<_> = [&answers[2], &late].into_iter().filter(|answer| answer.code() == 200).collect();
        assert_eq!(polled.len(), 1, "one token");
        let subject = &claims(&polled[0].token())["nameid"];
        assert_eq!(*subject, claims(&answers[winners[0]].token())["nameid"], "the confirmer's");
    })
    .await;
    tallied("RC-14", explored);
}

#[tokio::test(start_paused = true)]
async fn rc_16_two_sends_to_one_address() {
    let town = Town::new().await;
    let from = town.world.checkpoint().await;
    let sent = || town.world.messages_to("13700137000").len();
    let before = Cell::new(0);
    let request = good(&town, "POST SendSMSCode 0");
    let actors = || {
        before.set(sent());
        (0..2).map(|_| Box::pin(request.send()) as Actor<'_, Answer>).collect()
    };
    let explored = explore(&town.world, &from, Bounds::default(), actors, async |answers| {
        assert_eq!(reasons(&answers), ["", "throttled"]);
        assert_eq!(sent() - before.get(), 1);
    })
    .await;
    explored.report("rc_16");
    tallied("RC-16", explored);
}

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

#[tokio::test(start_paused = true)]
async fn rc_22_the_last_two_ways_to_sign_in() {
    let town = Town::new().await;
    let world = &town.world;
    let token = world.client().sign_up(2, "last", PASSWORD).await;
    let client = world.client().bearer(&token);
    world.change_app(&world.documented, |app| app.settings.password_sign_in_enabled = false).await;
    let path = format!("/ExternalAccount/{}", world.documented.record.app_key.as_str());
    for union_id in ["l1", "l2"] {
        let body = json!({"unionID": union_id, "platform": "wechat", "platformName": "WeChat"});
        client.post(&path, body).await.data();
    }
    let list = client.get(&path).await;
    let paths: Vec<_> = list.data().as_array().unwrap().iter().map(|it| format!("{path}/{}", it["id"])).collect();
    let from = world.checkpoint().await;
    for disables in [false, true] {
        let actors = || {
            let first = async {
                if disables {
                    client.put(&paths[0], json!({"enable": false})).await
                } else {
                    client.delete(&paths[0]).await
                }
            };
            vec![Box::pin(first) as Actor<'_, Answer>, Box::pin(client.delete(&paths[1]))]
        };
        let explored = explore(world, &from, Bounds::default(), actors, async |answers| {
            assert_eq!(reasons(&answers), ["", "last_sign_in_method"]);
        })
        .await;
        explored.report("rc_22");
        tallied("RC-22", explored);
    }
}

#[tokio::test(start_paused = true)]
async fn rc_23_a_consent_is_deleted_while_codes_for_it_are_exchanged() {
    let town = Town::new().await;
    let plain = town.world.client().bearer(&town.people.union);
    let requests = [good(&town, "DELETE Consents 0"), good(&town, "POST Authorize 0")];
    let explored = all_orders(&town, &requests, async |answers| {
        assert_eq!(reasons(&answers), ["", ""]);
        let token = answers[1].token();
        let listed = plain.get("/api/OAuth/2/Consents").await;
        let mut listed = listed.data().as_array().unwrap().iter().map(|it| it["id"].to_string());
        let is_listed = listed.any(|id| id == claims(&token)["cid"].as_str().unwrap());
        assert_eq!(is_live(&town.world, &token).await, is_listed);
    })
    .await;
    tallied("RC-23", explored);
}

#[tokio::test(start_paused = true)]
async fn rc_25_a_user_is_taken_away_while_it_is_changed_and_bound() {
    let town = Town::new().await;
    let world = &town.world;
    let key = format!("2#user#{}", claims(&town.people.union)["nameid"].as_str().unwrap());
    let table = world.table(Table::Users);
    let client = world.engine.client();
    let remove = || async {
        let key = aws_sdk_dynamodb::types::AttributeValue::S(key.clone());
        client.delete_item().table_name(&table).key("pk", key).send().await.unwrap();
        None
    };
    let (change, bind) = (good(&town, "PUT Profile 0"), good(&town, "POST ExternalAccount 0 (2.0)"));
    let actors = || {
        let send = |request: Request| async move { Some(request.send().await) };
        let actors: Vec<Actor<'_, Option<Answer>>> =
            vec![Box::pin(remove()), Box::pin(send(change.clone())), Box::pin(send(bind.clone()))];
        actors
    };
    // Who is taken away by hand leaves reservations behind: nothing but the requests is looked at.
    let bounds = Bounds { checks_invariants: false, ..Bounds::default() };
    let explored = explore(world, &town.start, bounds, actors, async |answers| {
        assert!(world.rows(Table::Users).await.iter().all(|row| row["pk"]["S"] != key), "nobody comes back");
        for answer in answers.iter().flatten() {
            let reasons = ["", "user_gone", "invalid_token", "user_not_found"];
            assert!(reasons.contains(&answer.reason()), "{}", answer.text);
        }
        // A binding was there before its user went, or is not there at all.
        let is_bound = world.rows(Table::Bindings).await.iter().any(|row| row["unionId"]["S"] == "o9");
        assert_eq!(is_bound, answers[2].as_ref().is_some_and(|answer| answer.code() == 200));
    })
    .await;
    explored.report("rc_25");
    tallied("RC-25", explored);
}

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

#[tokio::test(start_paused = true)]
async fn one_identity_bound_by_two_users_and_signed_up_with() {
    let town = Town::new().await;
    let path = format!("/ExternalAccount/{}", town.world.documented.record.app_key.as_str());
    let bind = |token: &str| {
        let body = json!({"unionID": "racer", "platform": "wechat", "platformName": "WeChat"});
        Request::Post(town.world.client().bearer(token), path.clone(), body)
    };
    let sign_up = post(&town, "/api/AppUsers/2/UnionIDSignUp", json!({"platform": "wechat", "unionID": "racer"}));
    let requests = [bind(&town.people.union), bind(&town.people.carol.0), sign_up];
    all_orders(&town, &requests, async |answers| {
        let reasons = reasons(&answers);
        assert_eq!(reasons.iter().filter(|reason| reason.is_empty()).count(), 1, "{reasons:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn two_passwords_for_one_try_that_is_left() {
    let town = Town::new().await;
    let sign_in = |password: &str| post(&town, "/api/AppUsers/2/SignIn", json!({"userName": "alice", "pwd": password}));
    let wrong = sign_in("wrong horse battery");
    for _ in 0..4 {
        wrong.send().await.refused(200, 401, "invalid_credentials");
    }
    all_orders(&town, &twice(wrong), async |answers| {
        assert_eq!(reasons(&answers), ["invalid_credentials", "throttled"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn orders_that_are_left_out_come_to_what_others_came_to() {
    let town = Town::new().await;
    let requests = twice(good(&town, "POST SendSMSCode 0"));
    let mut outcomes = Vec::new();
    for everything in [false, true] {
        let seen = std::cell::RefCell::new(BTreeMap::new());
        let actors = || requests.iter().map(|request| Box::pin(request.send()) as Actor<'_, Answer>).collect();
        let bounds = Bounds { everything, conflicts: 0, ..Bounds::default() };
        let explored = explore(&town.world, &town.start, bounds, actors, async |answers: Vec<Answer>| {
            let answers: Vec<_> = answers.iter().map(|answer| answer.reason().to_owned()).collect();
            let end = town.known.changes(&town.world.checkpoint().await, &town.start);
            *seen.borrow_mut().entry((answers, end)).or_insert(0_usize) += 1;
        })
        .await;
        explored.report(if everything { "all orders" } else { "one of each kind" });
        outcomes.push((explored.schedules, seen.into_inner()));
    }
    let [(few, some), (many, all)] = outcomes.as_slice() else { unreachable!() };
    assert!(some.keys().eq(all.keys()) && few < many, "{few} of {many}");
}
