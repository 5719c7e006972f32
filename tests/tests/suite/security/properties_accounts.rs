//! Accounts, codes and passwords against their model: in any order, only what the model allows.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use tests::{
    Tally,
    model::{Model, Op},
    properties::hold,
};

#[test]
fn p_01_to_p_04_p_19_p_20_any_sequence_of_steps_does_what_the_model_does() {
    let tallies = ["P-01", "P-02", "P-03", "P-04", "P-19", "P-20"].map(Tally::of);
    let old_tokens = AtomicUsize::new(0);
    // Few steps at random get a new password set, or anything done with a phone.
    let steps = prop_oneof![
        8 => any::<[u8; 3]>().prop_map(|bytes| vec![Op::of(bytes)]),
        1 => any::<usize>().prop_map(Op::prove_phone),
        1 => any::<(usize, usize)>().prop_map(|(phone, password)| Op::forget_password(phone, password)),
    ];
    hold(48, &prop::collection::vec(steps, 1..48), |steps| {
        let steps = steps.concat();
        for tally in &tallies {
            tally.add(steps.len());
        }
        let old_tokens = &old_tokens;
        async move {
            let mut model = Model::new().await;
            for step in steps {
                model.apply(step).await;
            }
            model.use_all_tokens().await;
            old_tokens.fetch_add(model.tokens_of_old_passwords(), Ordering::Relaxed);
        }
    });
    assert!(old_tokens.into_inner() >= 20, "too few passwords were set anew to say that earlier tokens end");
}
