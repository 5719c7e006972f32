//! Accounts, codes and passwords against their model: in any order, only what the model allows.

use proptest::prelude::*;
use tests::{
    Tally,
    model::{Model, Op},
    properties::hold,
};

#[test]
fn p_01_to_p_04_p_19_p_20_any_sequence_of_steps_does_what_the_model_does() {
    let tallies = ["P-01", "P-02", "P-03", "P-04", "P-19", "P-20"].map(Tally::of);
    let step = any::<[u8; 3]>().prop_map(Op::of);
    hold(48, &prop::collection::vec(step, 1..60), |steps| {
        for tally in &tallies {
            tally.add(steps.len());
        }
        async move {
            let mut model = Model::new().await;
            for step in steps {
                model.apply(step).await;
            }
            model.use_all_tokens().await;
        }
    });
}
