//! F-14: steps of clients and operators, three bytes each, against the model of accounts.

use tests::model::{Model, Op};

/// More steps take longer and find nothing that fewer do not.
const MOST_STEPS: usize = 48;

pub(crate) fn run(bytes: &[u8]) {
    crate::wait_for(async {
        let mut model = Model::new().await;
        for op in Op::all_of(bytes).into_iter().take(MOST_STEPS) {
            model.apply(op).await;
        }
        model.use_all_tokens().await;
    });
}
