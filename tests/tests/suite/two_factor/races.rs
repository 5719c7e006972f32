//! Lost answers, a broken store, and a hundred at once.

use std::collections::HashMap;

use futures_util::future::join_all;
use shared::clock::Clock as _;
use tests::{World, engine::Fault};

use super::{Enrolled, Way, codes, signed_up, start, switch};

#[tokio::test]
async fn a_lost_answer_does_not_turn_a_right_code_into_a_replayed_one() {
    let enrolled = Enrolled::new().await;
    let world = &enrolled.world;
    // App, reservation, user, charge; then the acceptance whose answer is lost.
    let spoil = || world.engine.spoil([None, None, None, None, Some(Fault::AnswerLost)]);
    spoil();
    enrolled.sign_in(Way::UnionId, Some(&enrolled.code())).await.token();
    spoil();
    enrolled.sign_in(Way::UnionId, Some(&enrolled.recovery_codes[0])).await.token();
    enrolled.sign_in(Way::UnionId, Some(&enrolled.recovery_codes[0])).await.refused(
        200,
        401,
        "invalid_two_factor_code",
    );
    world.wait(30);
    // App, user, charge; then the switch.
    world.engine.spoil([None, None, None, Some(Fault::AnswerLost)]);
    world.engine.take_calls();
    switch(world, &enrolled.client, false, &enrolled.code()).await.data();
    let updates = world.engine.take_calls().iter().filter(|call| call.operation == "UpdateItem").count();
    assert_eq!(updates, 3, "the charge, the switch, and the switch again");
}

#[tokio::test]
async fn fi_20_when_the_budget_cannot_be_charged_nobody_gets_in() {
    let enrolled = Enrolled::new().await;
    let faults = [None, None, None].into_iter().chain([Some(Fault::InternalError); 3]);
    enrolled.world.engine.spoil(faults);
    let answer = enrolled.sign_in(Way::UnionId, Some(&enrolled.code())).await;
    answer.refused(503, 503, "unavailable");
    enrolled.sign_in(Way::UnionId, Some(&enrolled.code())).await.token();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_10_a_hundred_wrong_codes_are_five_evaluated_ones() {
    let enrolled = Enrolled::new().await;
    let wrong = enrolled.wrong_code();
    let counts = codes((0..100).map(|n| {
        let way = [Way::UnionId, Way::BoundUnionId, Way::ExternalAccount][n % 3];
        enrolled.sign_in(way, Some(&wrong))
    }))
    .await;
    let expected = [((401, "invalid_two_factor_code".to_owned()), 5), ((429, "throttled".to_owned()), 95)];
    assert_eq!(counts, HashMap::from(expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_10_a_hundred_uses_of_one_right_code_are_one_token() {
    let enrolled = Enrolled::new().await;
    let code = enrolled.code();
    let counts = codes((0..100).map(|n| {
        let way = [Way::UnionId, Way::BoundUnionId, Way::ExternalAccount][n % 3];
        enrolled.sign_in(way, Some(&code))
    }))
    .await;
    assert_eq!(counts[&(200, String::new())], 1, "{counts:?}");
    assert_eq!(counts.values().sum::<usize>(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_29_a_hundred_uses_of_one_recovery_code_are_one_token() {
    let enrolled = Enrolled::new().await;
    let code = enrolled.recovery_codes[4].clone();
    let counts = codes((0..100).map(|_| enrolled.sign_in(Way::UnionId, Some(&code)))).await;
    assert_eq!(counts[&(200, String::new())], 1, "{counts:?}");
    enrolled.world.wait(3_600);
    enrolled.sign_in(Way::UnionId, Some(&enrolled.recovery_codes[5])).await.token();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_is_switched_on_once_with_one_set_of_recovery_codes() {
    let world = World::new().await;
    let client = signed_up(&world, "alice").await;
    let authenticator = start(&world, &client).await;
    let code = authenticator.code(world.clock.now(), 0);
    let answers = join_all((0..100).map(|_| switch(&world, &client, true, &code))).await;
    let on: Vec<_> = answers.iter().filter(|answer| answer.code() == 200).collect();
    assert_eq!(on.len(), 1);
    world.wait(3_600);
    let recovery = on[0].data()["recoveryCodes"][0].as_str().unwrap();
    Way::UnionId.sign_in(&world, "alice", Some(recovery)).await.token();
}
