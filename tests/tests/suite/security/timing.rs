//! Who asks about somebody and who asks about nobody has the same work done: the same hashes, the same calls, read and
//! written by the same rules. `cargo run --release -p tests --example timing` measures the time of the same questions.

use std::sync::Arc;

use serde_json::Value;
use tests::{Answer, Tally, World, engine::Call, journal::Journal, questions};

/// What a request costs, without what names whom it is about.
#[derive(Debug, PartialEq)]
struct Work {
    password_hashes: i64,
    calls: Vec<(String, usize)>,
}

/// Each operation with the number of items that it touches.
fn calls(made: &[Call]) -> Vec<(String, usize)> {
    let items = |call: &Call| call.input["TransactItems"].as_array().map_or(1, Vec::len);
    made.iter().map(|call| (call.operation.clone(), items(call))).collect()
}

async fn ask(world: &World, journal: &Journal, path: &str, body: &Value) -> (Work, Answer) {
    questions::forget(world);
    journal.take();
    let answer = world.client().post(path, body.clone()).await;
    let lines = journal.take();
    let line = lines.iter().find(|line| line["message"] == "request").expect("a line for the request");
    let password_hashes = line["PasswordHashes"].as_i64().unwrap_or(0);
    (Work { password_hashes, calls: calls(&world.engine.take_calls()) }, answer)
}

#[tokio::test]
async fn si_02_ot_02_un_08_nobody_can_be_told_from_somebody_by_the_work_that_is_done() {
    let tallies = ["SI-02", "OT-02", "UN-08"].map(Tally::of);
    let all = questions::all(&questions::world().await);
    assert_eq!(questions::unasked(&all), [], "each anonymous route has a question, or a reason to have none");
    for number in 0..all.len() {
        // What an earlier question left behind is not the subject.
        let world = questions::world().await;
        let journal = Journal::listen(Arc::clone(&world.clock) as Arc<_>);
        let question = &questions::all(&world)[number];
        let (work, answer) = ask(&world, &journal, &question.path, &question.nobody).await;
        for (state, body) in &question.somebody {
            let what = format!("{}: {}, {state}", question.path, question.name);
            let (same, other) = ask(&world, &journal, &question.path, body).await;
            tallies.iter().for_each(Tally::count);
            if question.is_one_answer {
                assert_eq!(other.essence(), answer.essence(), "{what}");
                assert_eq!(same, work, "{what}");
            } else {
                assert_eq!(same.password_hashes, work.password_hashes, "{what}");
            }
        }
    }
}
