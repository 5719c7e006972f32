//! Faults, generated: every good request of [`Town`], every call that it makes to the store, every fault that the
//! call can meet.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use shared::storage::Table;
use tests::{
    Answer, Tally,
    engine::{Call, Fault},
    invariants,
    schedules::{Actor, Bounds, explore},
};

use super::{
    good::Town,
    subject::{Effect, Subject, difference, is_failure, is_generic},
};

fn is_transaction(call: &Call) -> bool {
    call.operation == "TransactWriteItems"
}

fn is_single_write(call: &Call) -> bool {
    matches!(call.operation.as_str(), "PutItem" | "UpdateItem" | "DeleteItem")
}

fn is_write(call: &Call) -> bool {
    is_transaction(call) || is_single_write(call)
}

/// The conditions of a call, by the numbers of their steps.
fn conditions(call: &Call) -> Vec<usize> {
    let has_one = |step: &serde_json::Value| step.get("ConditionExpression").is_some();
    if is_transaction(call) {
        let steps = call.input["TransactItems"].as_array().into_iter().flatten().enumerate();
        let steps = steps.filter(|(_, step)| step.as_object().is_some_and(|step| step.values().any(has_one)));
        steps.map(|(number, _)| number).collect()
    } else {
        Vec::from_iter((is_single_write(call) && has_one(&call.input)).then_some(0))
    }
}

/// As often as the SDK tries a call.
const ALWAYS: usize = 3;

/// Runs every request with the faults that fit each of its calls.
async fn place(tally: &Tally, faults: impl Fn(&Call) -> Vec<(Vec<Fault>, Effect)>) {
    let town = Town::new().await;
    let (mut runs, mut failures) = (0, 0);
    for subject in Subject::all(&town).await {
        for (number, call) in subject.calls.iter().enumerate() {
            for (faults, effect) in faults(call) {
                // What panicked is printed; the other placements are worth running all the same.
                let run = AssertUnwindSafe(subject.spoilt(number, &faults, effect)).catch_unwind().await;
                failures += usize::from(run.is_err());
                tally.count();
                runs += 1;
            }
        }
    }
    println!("{runs} runs");
    assert!(runs > 0);
    assert_eq!(failures, 0, "of {runs} runs");
}

#[tokio::test(start_paused = true)]
async fn fi_01_a_throttled_call_is_tried_again_and_given_up_in_the_end() {
    place(&Tally::of("FI-01"), |_| {
        vec![(vec![Fault::Throttled], Effect::None), (vec![Fault::Throttled; ALWAYS], Effect::Undone)]
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn fi_02_an_internal_error_is_tried_again_and_an_answer_that_is_lost_is_asked_for_again() {
    place(&Tally::of("FI-02"), |call| {
        // Whoever only reads has lost nothing with an answer.
        let lost = is_write(call)
            .then(|| [(vec![Fault::AnswerLost], Effect::None), (vec![Fault::AnswerLost; ALWAYS], Effect::Unknown)]);
        let broken = [(vec![Fault::InternalError], Effect::None), (vec![Fault::InternalError; ALWAYS], Effect::Undone)];
        broken.into_iter().chain(lost.into_iter().flatten()).collect()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn fi_04_whichever_condition_is_refused_the_answer_says_what_somebody_else_did() {
    place(&Tally::of("FI-04"), |call| {
        conditions(call).into_iter().map(|step| (vec![Fault::Condition(step)], Effect::Outrun)).collect()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn fi_05_conflicts_are_tried_again_and_given_up_in_the_end() {
    place(&Tally::of("FI-05"), |call| {
        let conflict = if is_transaction(call) {
            Fault::Conflict
        } else if is_single_write(call) {
            Fault::ItemConflict
        } else {
            return Vec::new();
        };
        vec![(vec![conflict], Effect::None), (vec![conflict; 3], Effect::Undone), (vec![conflict; 200], Effect::Undone)]
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn fi_07_keys_that_are_left_over_are_asked_for_again_and_given_up_in_the_end() {
    place(&Tally::of("FI-07"), |call| {
        if call.operation != "BatchGetItem" {
            return Vec::new();
        }
        vec![
            (vec![Fault::LeftOver], Effect::None),
            (vec![Fault::AllLeftOver; 2], Effect::None),
            (vec![Fault::AllLeftOver; 200], Effect::Undone),
        ]
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn fi_10_an_instance_that_ends_after_any_call_leaves_nothing_half_done() {
    place(&Tally::of("FI-10"), |call| {
        // Silence ends the instance before the call, which is after the one before it.
        let panics = is_write(call).then(|| (vec![Fault::Panic], Effect::Unknown));
        std::iter::once((vec![Fault::Silence], Effect::Undone)).chain(panics).collect()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn fi_22_what_the_store_refuses_for_good_is_an_internal_error() {
    place(&Tally::of("FI-22"), |call| {
        // One of them for what is read: to the code they are the same.
        let exceptions =
            ["ValidationException", "ResourceNotFoundException", "ItemCollectionSizeLimitExceededException"];
        let some = if is_write(call) { 3 } else { 1 };
        exceptions[..some].iter().map(|exception| (vec![Fault::Rejected(exception)], Effect::Undone)).collect()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn fi_13_a_slow_store_is_given_up_while_the_client_still_waits_and_nothing_is_written_afterwards() {
    let tally = Tally::of("FI-13");
    let town = Town::new().await;
    for subject in Subject::all(&town).await {
        for seconds in [5, 30] {
            town.world.restore(&town.start).await;
            town.world.engine.spoil([Some(Fault::Slow(seconds)); 200]);
            let begun = tokio::time::Instant::now();
            let answer = subject.good.send().await;
            let took = begun.elapsed().as_secs_f32();
            assert!(took < 25.0, "{}: {took} s", subject.good.name);
            if !subject.calls.is_empty() {
                is_generic(&answer, &subject.good.name);
            }
            town.world.engine.heal();
            let then = town.world.snapshot().await;
            tokio::time::sleep(std::time::Duration::from_mins(1)).await;
            assert_eq!(town.world.snapshot().await, then, "{}", subject.good.name);
            tally.count();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fi_08_a_replica_that_lags_lets_nothing_through_twice() {
    let tally = Tally::of("FI-08");
    let town = Town::new().await;
    let tables = Table::ALL.map(|table| town.world.table(table));
    for subject in Subject::all(&town).await {
        if !subject.calls.iter().any(is_write) {
            continue;
        }
        town.world.restore(&town.start).await;
        // What is written from now on is seen by consistent reads only.
        town.world.engine.lag(&tables, true).await;
        let first = subject.good.send().await;
        let once = Subject::end(&town, &first).await;
        let again = subject.good.send().await;
        let twice = Subject::end(&town, &again).await;
        town.world.engine.lag(&tables, false).await;
        invariants::assert_hold(&town.world).await;
        assert!(once == subject.once, "{}: {}", subject.good.name, difference(&once, &subject.once));
        assert!(twice == subject.twice, "{}: {}", subject.good.name, difference(&twice, &subject.twice));
        tally.count();
    }
}

#[tokio::test(start_paused = true)]
async fn fi_11_one_request_delivered_twice_at_once_has_the_effect_of_one_after_the_other() {
    let tally = Tally::of("FI-11");
    let town = Town::new().await;
    let mut schedules = 0;
    for subject in Subject::all(&town).await {
        let good = subject.good;
        let bounds = Bounds { conflicts: 0, ..Bounds::default() };
        let actors = || (0..2).map(|_| Box::pin(good.send()) as Actor<'_, Answer>).collect();
        let explored = explore(&town.world, &town.start, bounds, actors, async |answers: Vec<Answer>| {
            let end = town.known.changes(&town.world.checkpoint().await, &town.start);
            assert!([&subject.once.rows, &subject.twice.rows].contains(&&end), "{}: {end:#?}", good.name);
            assert!(answers.iter().any(|answer| town.known.answer(answer) == subject.once.answer), "{}", good.name);
            assert!(answers.iter().all(|answer| !is_failure(answer)), "{}", good.name);
        })
        .await;
        schedules += explored.schedules;
        tally.add(explored.schedules);
    }
    println!("{schedules} schedules");
}

#[tokio::test(start_paused = true)]
async fn fi_28_what_a_newer_version_keeps_in_a_row_is_no_trouble_and_stays_with_people() {
    let tally = Tally::of("FI-28");
    let town = Town::new().await;
    let newer = |row: &serde_json::Value| row.get("ofANewerVersion").is_some();
    for subject in Subject::all(&town).await {
        town.world.restore(&town.start).await;
        for table in Table::ALL {
            for mut row in town.world.rows(table).await {
                row["ofANewerVersion"] = serde_json::json!({"M": {"x": {"N": "1"}}});
                town.world.engine.put(&town.world.table(table), &row).await;
            }
        }
        let before = town.world.checkpoint().await;
        let answer = subject.good.send().await;
        assert_eq!(town.known.answer(&answer), subject.once.answer, "{}", subject.good.name);
        for table in [Table::Apps, Table::Users, Table::Bindings, Table::Licences] {
            for row in town.world.rows(table).await {
                let was_there = before.table(table).any(|it| it["pk"] == row["pk"] && it["sk"] == row["sk"]);
                assert!(!was_there || newer(&row), "{}: {row}", subject.good.name);
            }
        }
        tally.count();
    }
}
