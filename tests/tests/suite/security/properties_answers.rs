//! A refusal is a function of the request's shape: whatever is sent beside it, nobody and somebody get one answer.

use proptest::prelude::*;
use serde_json::{Value, json};
use tests::{Tally, properties::hold, questions};

/// What a client may send beside what is asked for, and a code of any length.
fn decoration() -> impl Strategy<Value = (Vec<(String, Value)>, String)> {
    let value = prop_oneof![
        Just(Value::Null),
        Just(json!("")),
        Just(json!("x")),
        Just(json!(7)),
        Just(json!(["a"])),
        "[a-z]{1,9}".prop_map(Value::from),
    ];
    let name = "nickName|avatar|data|twoFactorCode|remark|role|points|id|userId|appId|__proto__";
    (prop::collection::vec((name, value), 0..4), "[0-9]{4,8}")
}

#[test]
fn p_16_a_refused_sign_in_tells_nothing_about_the_account() {
    let tally = &Tally::of("P-16");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(questions::world());
    let all: Vec<_> = questions::all(&world).into_iter().filter(|question| question.is_one_answer).collect();
    let (world, all) = (&world, &all);
    hold(72, &(any::<prop::sample::Index>(), decoration()), |(which, (members, code))| async move {
        let question = &all[which.index(all.len())];
        let ask = |body: &Value| {
            let mut body = body.clone();
            for (name, value) in &members {
                body[name] = value.clone();
            }
            for name in ["code", "verifyCode", "phoneCode", "emailCode"] {
                if body.get(name).is_some() {
                    body[name] = json!(code);
                }
            }
            body
        };
        questions::forget(world);
        let nobody = world.client().post(&question.path, ask(&question.nobody)).await;
        for (state, body) in &question.somebody {
            questions::forget(world);
            let somebody = world.client().post(&question.path, ask(body)).await;
            assert_eq!(somebody.essence(), nobody.essence(), "{}, {}: {state}", question.path, question.name);
            tally.count();
        }
    });
}
