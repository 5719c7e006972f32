//! Linking and unlinking: seats, order, races, and what fails on the way.

use std::collections::HashSet;

use futures_util::future::join_all;
use http::Method;
use serde_json::Value;
use shared::{licence::Sn, storage::Table, text::UserName};
use tests::engine::Fault;

use super::{MAC, Office, batch, disable, names_of, numbered, user};

#[tokio::test]
async fn li_13_li_14_a_batch_reports_exactly_those_who_are_linked_now() {
    let office = Office::new(None).await;
    office.users(["a", "B", "c"]).await;
    let gone = user(&office.world, &office.world.documented, "gone").await;
    disable(&office.world, &gone).await;
    user(&office.world, &office.world.strict, "theirs").await;
    let client = &office.client;
    assert_eq!(names_of(&client.post("/sns/S1/users", batch(["c"])).await), ["c"]);
    let names = ["B", "nobody", "a", "theirs", "B", "b", "c", "gone", "A", "a"];
    let answer = client.post("/sns/S1/users", batch(names)).await;
    assert_eq!(names_of(&answer), ["B", "a", "c"]);
    assert_eq!(answer.body["data"]["total"], 3);
    assert_eq!(office.listed("S1").await, ["c", "B", "a"]);
    assert_eq!(office.check("S1").await, ["B", "a", "c"]);
    let before = office.world.snapshot().await;
    client.post("/sns/S1/users", batch(["nobody", "b", "gone"])).await.refused(200, 404, "user_not_found");
    assert_eq!(office.world.snapshot().await, before);
}

#[tokio::test]
async fn a_batch_of_a_thousand_is_linked_and_unlinked_in_the_order_sent() {
    let office = Office::new(None).await;
    let mut names = numbered(1_000);
    office.users(&names).await;
    names.reverse();
    assert_eq!(names_of(&office.client.post("/sns/S1/users", batch(&names)).await), names);
    assert_eq!(office.listed("S1").await, names);
    let odd: Vec<_> = names.iter().step_by(2).cloned().collect();
    let answer = office.delete("/sns/S1/users", &batch(odd.iter().rev())).await;
    assert_eq!(names_of(&answer), odd.iter().rev().cloned().collect::<Vec<_>>());
    let left: Vec<_> = names.iter().skip(1).step_by(2).cloned().collect();
    assert_eq!(office.listed("S1").await, left);
    for offset in [0, 1, 250, 499] {
        let page = office.client.get(&format!("/sns/S1/users?offset={offset}&limit=1")).await;
        assert_eq!(names_of(&page), [left[offset].clone()], "holes do not count");
    }
    office.check("S1").await;
}

#[tokio::test]
async fn li_16_seats_fill_in_order_and_the_rest_is_left_out() {
    let office = Office::new(Some(2)).await;
    office.users(["a", "b", "c", "d"]).await;
    let client = &office.client;
    assert_eq!(names_of(&client.post("/sns/S1/users", batch(["nobody", "c", "a", "b"])).await), ["c", "a"]);
    let before = office.world.snapshot().await;
    client.post("/sns/S1/users", batch(["b"])).await.refused(200, 409, "seats_exhausted");
    client.post("/sns/S1/users/user/b", Value::Null).await.refused(200, 409, "seats_exhausted");
    client.post("/sns/S1/users/user/nobody", Value::Null).await.refused(200, 404, "user_not_found");
    assert_eq!(names_of(&client.post("/sns/S1/users/user/a", Value::Null).await), ["a"], "linked already");
    assert_eq!(office.world.snapshot().await, before);
    assert_eq!(names_of(&office.client.delete("/sns/S1/users/c").await), ["c"]);
    assert_eq!(names_of(&client.post("/sns/S1/users", batch(["b", "d", "a"])).await), ["b", "a"]);
    let sn = Sn::parse("s1").unwrap();
    let store = office.world.env.store.app(office.world.documented.record.app_id);
    store.set_users_number(&sn, Some(1)).await.unwrap();
    assert_eq!(office.check("S1").await, ["a", "b"], "who is linked stays");
    client.post("/sns/S1/users", batch(["d"])).await.refused(200, 409, "seats_exhausted");
    store.set_users_number(&sn, None).await.unwrap();
    assert_eq!(names_of(&client.post("/sns/S1/users", batch(["d"])).await), ["d"]);
}

#[tokio::test]
async fn li_17_unlinking_undoes_links_and_nothing_else() {
    let office = Office::new(None).await;
    office.users(["a", "b", "c"]).await;
    names_of(&office.client.post("/sns/S1/users", batch(["a", "b"])).await);
    let users = office.world.rows(Table::Users).await;
    let before = office.world.snapshot().await;
    let nobody = office.delete("/sns/S1/users", &batch(["c", "nobody", "A"])).await;
    assert_eq!(nobody.text, r#"{"status":0,"data":{"total":0,"items":[]}}"#);
    office.client.delete("/sns/S1/users/c").await.refused(200, 404, "not_found");
    office.client.delete("/sns/S1/users/A").await.refused(200, 404, "not_found");
    assert_eq!(office.world.snapshot().await, before);
    assert_eq!(names_of(&office.delete("/sns/S1/users", &batch(["c", "b", "b"])).await), ["b"]);
    assert_eq!(names_of(&office.client.delete("/sns/S1/users/a").await), ["a"]);
    office.client.delete("/sns/S1/users/a").await.refused(200, 404, "not_found");
    assert_eq!(office.world.rows(Table::Users).await, users);
    assert_eq!(office.check("S1").await, [""; 0]);
}

#[tokio::test]
async fn a_delete_that_lost_its_body_unlinks_nobody() {
    let office = Office::new(None).await;
    office.users(["a"]).await;
    names_of(&office.client.post("/sns/S1/users", batch(["a"])).await);
    let before = office.world.snapshot().await;
    for body in ["", "null", "{}", "[]", "[{}]", r#"[{"name":"a"},{}]"#, r#"[{"name":"a"}"#, " "] {
        for method in [Method::DELETE, Method::POST] {
            let answer = office.client.send(method, "/sns/S1/users", Some(MAC), body.into()).await;
            answer.refused(400, 400, "invalid_request");
        }
    }
    let answer = office.client.send(Method::DELETE, "/sns/S1/users", Some("text/plain"), b"[]".to_vec()).await;
    answer.refused(415, 415, "unsupported_media_type");
    assert_eq!(office.world.snapshot().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_links_against_ten_seats_take_ten() {
    let office = Office::new(Some(10)).await;
    let names = numbered(100);
    office.users(&names).await;
    let links = names.iter().map(|name| {
        let client = office.client.clone();
        async move { client.post(&format!("/sns/S1/users/user/{name}"), Value::Null).await }
    });
    let answers = join_all(links).await;
    let linked: HashSet<_> = answers.iter().filter(|answer| answer.code() == 0).flat_map(names_of).collect();
    assert_eq!(linked.len(), 10);
    assert_eq!(answers.iter().filter(|answer| answer.reason() == "seats_exhausted").count(), 90);
    assert_eq!(office.check("S1").await.into_iter().collect::<HashSet<_>>(), linked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn overlapping_batches_leave_counts_that_equal_rows() {
    let office = Office::new(Some(220)).await;
    let names = numbered(300);
    office.users(&names).await;
    for _ in 0..3 {
        let batches = (0..6_usize).map(|n| {
            let (office, names) = (&office, &names);
            async move {
                let some = batch(names.iter().cycle().skip(n * 50).take(150));
                if n % 3 == 2 {
                    office.delete("/sns/S1/users", &some).await
                } else {
                    office.client.post("/sns/S1/users", some).await
                }
            }
        });
        for answer in join_all(batches).await {
            assert!(answer.code() == 0 || answer.reason() == "seats_exhausted", "{}", answer.text);
        }
        assert!(office.check("S1").await.len() <= 220);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_batches_never_unlink_one_link_twice() {
    let office = Office::new(None).await;
    let names = numbered(150);
    office.users(&names).await;
    names_of(&office.client.post("/sns/S1/users", batch(&names)).await);
    let all = batch(&names);
    let answers = join_all((0..8).map(|_| office.delete("/sns/S1/users", &all))).await;
    let mut unlinked: Vec<_> = answers.iter().flat_map(names_of).collect();
    unlinked.sort();
    assert_eq!(unlinked, names, "each is reported by one");
    assert_eq!(office.check("S1").await, [""; 0]);
}

/// Faults at one call of a request; the SDK tries each call three times.
fn faults() -> Vec<Vec<Fault>> {
    vec![
        vec![Fault::Throttled],
        vec![Fault::Throttled; 3],
        vec![Fault::InternalError; 3],
        vec![Fault::AnswerLost],
        vec![Fault::AnswerLost; 3],
        vec![Fault::Conflict],
        vec![Fault::Conflict; 6],
        vec![Fault::LeftOver; 3],
        vec![Fault::LeftOver; 8],
    ]
}

#[tokio::test(start_paused = true)]
async fn fi_01_to_fi_07_whatever_fails_on_the_way_a_batch_names_exactly_those_who_are_linked_afterwards() {
    let office = Office::new(Some(105)).await;
    let names = numbered(110);
    office.users(&names).await;
    office.world.engine.take_calls();
    names_of(&office.client.post("/sns/S1/users", batch(&names)).await);
    let calls = office.world.engine.take_calls().len();
    assert!(calls >= 10, "two chunks, and what is read before them: {calls}");
    let mut partial = 0;
    for call in 0..calls {
        for faults in faults() {
            names_of(&office.delete("/sns/S1/users", &batch(&names)).await);
            office.world.engine.spoil(std::iter::repeat_n(None, call).chain(faults.iter().copied().map(Some)));
            let answer = office.client.post("/sns/S1/users", batch(&names)).await;
            office.world.engine.heal();
            let rows = office.check("S1").await;
            if answer.status == 503 {
                assert_eq!(answer.header("retry-after"), "1");
            } else {
                assert_eq!(names_of(&answer), rows, "call {call}, {faults:?}");
                partial += usize::from(rows.len() < 105);
            }
            let again = office.client.post("/sns/S1/users", batch(&names)).await;
            assert_eq!(names_of(&again), names[..105], "call {call}, {faults:?}");
        }
    }
    assert!(partial > 0, "some batches were cut short");
}

#[tokio::test(start_paused = true)]
async fn fi_01_to_fi_05_whatever_fails_on_the_way_a_batch_names_exactly_those_who_were_unlinked() {
    let office = Office::new(None).await;
    let names = numbered(110);
    office.users(&names).await;
    names_of(&office.client.post("/sns/S1/users", batch(&names)).await);
    office.world.engine.take_calls();
    names_of(&office.delete("/sns/S1/users", &batch(&names)).await);
    let calls = office.world.engine.take_calls().len();
    for call in 0..calls {
        for faults in faults() {
            names_of(&office.client.post("/sns/S1/users", batch(&names)).await);
            office.world.engine.spoil(std::iter::repeat_n(None, call).chain(faults.iter().copied().map(Some)));
            let answer = office.delete("/sns/S1/users", &batch(&names)).await;
            office.world.engine.heal();
            let rows = office.check("S1").await;
            if answer.status != 503 {
                let mut all = names_of(&answer);
                all.extend(rows);
                all.sort();
                assert_eq!(all, names, "call {call}, {faults:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_user_who_is_to_be_deleted_can_be_unlinked_everywhere() {
    let office = Office::new(None).await;
    office.licence("S2", None).await;
    office.users(["a", "b"]).await;
    for sn in ["S1", "S2"] {
        names_of(&office.client.post(&format!("/sns/{sn}/users"), batch(["a", "b"])).await);
    }
    let store = office.world.env.store.app(office.world.documented.record.app_id);
    assert_eq!(store.unlink_everywhere(&UserName::parse("a").unwrap()).await.unwrap(), 2);
    assert_eq!(office.check("S1").await, ["b"]);
    assert_eq!(office.check("S2").await, ["b"]);
}
