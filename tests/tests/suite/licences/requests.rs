//! Requests under an id: what a repetition gets, and who goes on with what was left.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use http::Method;
use serde_json::Value;
use shared::{bitkey::BitkeyScope, storage::Begun};
use tests::{Tally, engine::Fault};

use super::{MAC, Office, batch, issue, names_of, numbered};

#[tokio::test(start_paused = true)]
async fn li_26_a_repeated_request_gets_the_stored_answer_for_a_day() {
    let office = Office::new(Some(1)).await;
    office.users(["a", "b"]).await;
    let client = office.client.clone().with("x-bit-req-id", "r-1");
    let linked = client.post("/sns/S1/users", batch(["a", "b"])).await;
    assert_eq!(names_of(&linked), ["a"]);
    names_of(&office.client.delete("/sns/S1/users/a").await);
    let again = client.post("/sns/s1/users", batch(["a", "b"])).await;
    assert_eq!(again.essence(), linked.essence(), "what was answered, not what is");
    assert_eq!(office.check("S1").await, [""; 0]);
    let before = office.world.snapshot().await;
    for answer in [
        client.post("/sns/S1/users", batch(["b", "a"])).await,
        client.post("/sns/S9/users", batch(["a", "b"])).await,
        client.send(Method::DELETE, "/sns/S1/users", Some(MAC), batch(["a", "b"]).to_string().into_bytes()).await,
        client.delete("/sns/S1/users/a").await,
    ] {
        answer.refused(200, 409, "request_id_conflict");
    }
    assert_eq!(office.world.snapshot().await, before);
    // Another key of the same app has its own ids, and so has another app.
    let key = issue(&office.world, &office.world.documented, BitkeyScope::Full).await;
    let colleague = office.world.client().with("bitkey", &key.expose()).with("x-bit-req-id", "r-1");
    assert_eq!(names_of(&colleague.post("/sns/S1/users", batch(["b", "a"])).await), ["b"]);
    let failing = office.client.clone().with("x-bit-req-id", "r-2");
    failing.post("/sns/S1/users/user/a", Value::Null).await.refused(200, 409, "seats_exhausted");
    names_of(&office.client.delete("/sns/S1/users/b").await);
    failing.post("/sns/S1/users/user/a", Value::Null).await.refused(200, 409, "seats_exhausted");
    office.world.wait(24 * 3_600);
    assert_eq!(names_of(&failing.post("/sns/S1/users/user/a", Value::Null).await), ["a"]);
    for bad in ["two words", &"x".repeat(129), "\u{e9}"] {
        let bad = office.client.clone().with("x-bit-req-id", bad);
        bad.delete("/sns/S1/users/a").await.refused(400, 400, "invalid_request");
    }
}

#[tokio::test(start_paused = true)]
async fn li_26_rc_32_a_hundred_requests_of_one_id_are_one() {
    let office = Office::new(None).await;
    office.users(["a", "b"]).await;
    names_of(&office.client.post("/sns/S1/users", batch(["a", "b"])).await);
    let client = office.client.clone().with("x-bit-req-id", "once");
    let answers = join_all((0..100).map(|_| client.delete("/sns/S1/users/a"))).await;
    for answer in &answers {
        assert_eq!(names_of(answer), ["a"], "who did it and who waited answer alike");
    }
    assert_eq!(office.check("S1").await, ["b"]);
}

#[tokio::test(start_paused = true)]
async fn li_26_who_waits_for_a_request_without_an_answer_gives_up_after_five_seconds() {
    let office = Office::new(None).await;
    office.users(["a"]).await;
    names_of(&office.client.post("/sns/S1/users", batch(["a"])).await);
    let store = office.world.env.store.app(office.world.documented.record.app_id);
    let id = [office.bitkey.id().as_str(), "slow"];
    let content = ["unlink one", "S1", "a", "a"];
    let begun = store.begin_request(&id, &content, office.world.env.clock.now()).await.unwrap();
    assert!(matches!(begun, Begun::First(_)));
    let client = office.client.clone().with("x-bit-req-id", "slow");
    let started = tokio::time::Instant::now();
    let answer = client.delete("/sns/S1/users/a").await;
    answer.refused(503, 503, "unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    let waited = started.elapsed().as_millis();
    assert!((4_800..=5_200).contains(&waited), "{waited} ms");
    assert_eq!(office.check("S1").await, ["a"]);
    // The first one died: after its lease anybody may take over.
    office.world.wait(31);
    assert_eq!(names_of(&client.delete("/sns/S1/users/a").await), ["a"]);
    assert_eq!(names_of(&client.delete("/sns/S1/users/a").await), ["a"], "stored");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_failed_on_the_way_can_be_repeated_under_its_id() {
    let office = Office::new(None).await;
    let names = numbered(110);
    office.users(&names).await;
    let client = office.client.clone().with("x-bit-req-id", "r");
    let sn = "/sns/S1/users";
    // From now on the instance knows the bitkey, and one request makes as many calls as the next.
    names_of(&client.get(sn).await);
    office.world.engine.take_calls();
    names_of(&client.post(sn, batch(&names)).await);
    let calls = office.world.engine.take_calls().len();
    names_of(&office.delete(sn, &batch(&names)).await);
    // The last call keeps the answer, the one before it is the second chunk.
    office.world.engine.spoil(std::iter::repeat_n(None, calls - 2).chain([Some(Fault::InternalError); 3]));
    let client = office.client.clone().with("x-bit-req-id", "r2");
    assert_eq!(names_of(&client.post(sn, batch(&names)).await).len(), 99);
    office.world.engine.heal();
    assert_eq!(names_of(&client.post(sn, batch(&names)).await), names);
}

#[tokio::test(start_paused = true)]
async fn li_26_fi_10_who_goes_on_with_a_batch_tells_whom_the_one_before_unlinked_and_leaves_them_alone() {
    let tally = Tally::of("FI-10");
    let office = Office::new(None).await;
    let world = &office.world;
    let names = numbered(110);
    office.users(&names).await;
    names_of(&office.client.post("/sns/S1/users", batch(&names)).await);
    let start = world.checkpoint().await;
    let client = office.client.clone().with("x-bit-req-id", "r");
    let unlink = || client.send(Method::DELETE, "/sns/S1/users", Some(MAC), batch(&names).to_string().into_bytes());
    world.engine.take_calls();
    let once = unlink().await;
    assert_eq!(names_of(&once), names);
    let calls = world.engine.take_calls();
    let mut seen = BTreeSet::new();
    for number in (0..calls.len()).filter(|number| !["GetItem", "BatchGetItem"].contains(&&*calls[*number].operation)) {
        world.restore(&start).await;
        world.engine.spoil(std::iter::repeat_n(None, number).chain([Some(Fault::Panic)]));
        unlink().await.refused(500, 500, "internal_error");
        world.engine.heal();
        let left = office.check("S1").await;
        seen.insert(left.len());
        let back = names.iter().find(|name| !left.contains(name));
        if let Some(back) = back {
            names_of(&office.client.post("/sns/S1/users", batch([back])).await);
        }
        world.wait(31);
        assert_eq!(unlink().await.essence(), once.essence(), "after call {number}");
        assert_eq!(office.check("S1").await, Vec::from_iter(back.cloned()), "after call {number}");
        tally.count();
    }
    assert_eq!(seen, BTreeSet::from([0, 12, 110]), "nothing, one transaction and all of it was done");
}
