//! How properties are tried: seeded, so that every run of the tests tries the same, and with an end to shrinking.

use std::future::Future;

use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngSeed, TestRunner},
};

/// Tries so many cases; fails the test with the smallest one that panics. `PROPTEST_RNG_SEED` chooses other cases.
pub fn hold<S: Strategy, F: Future<Output = ()>>(cases: u32, input: &S, property: impl Fn(S::Value) -> F) {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 64, ..Config::default() };
    let rng_seed = match config.rng_seed {
        RngSeed::Random => RngSeed::Fixed(8),
        chosen @ RngSeed::Fixed(_) => chosen,
    };
    let config = Config { rng_seed, ..config };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let tried = TestRunner::new(config).run(input, |input| {
        runtime.block_on(property(input));
        Ok(())
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
}
