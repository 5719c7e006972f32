//! Every input of the corpus as a test, and inputs near it: what a fuzzer found once never comes back, and each
//! target is tried on every machine that runs the tests.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::Path};

use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};
use tests::Tally;

/// The inputs of a target, by name.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has no corpus");
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Bytes put in, taken out, repeated or replaced at some places of an input of the corpus.
fn near(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), 0..4_u8, prop::collection::vec(any::<u8>(), 0..4));
    (prop::sample::select(corpus), prop::collection::vec(edit, 0..6)).prop_map(|(mut input, edits)| {
        for (at, kind, bytes) in edits {
            let at = at.index(input.len() + 1);
            let end = (at + bytes.len()).min(input.len());
            match kind {
                0 => drop(input.splice(at..at, bytes)),
                1 => drop(input.drain(at..end)),
                2 => drop(input.splice(at..end, bytes)),
                _ => drop(input.splice(at..at, input[at..end].to_vec())),
            }
        }
        input
    })
}

fn replay(target: &str, cases: &[&'static str], inputs: u32) {
    let run = fuzz::target(target).unwrap().run;
    let tallies: Vec<_> = cases.iter().map(|case| Tally::of(case)).collect();
    let count = || tallies.iter().for_each(Tally::count);
    let corpus = corpus(target);
    for input in &corpus {
        run(input);
        count();
    }
    let config =
        ProptestConfig { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::with_cases(inputs) };
    let tried = TestRunner::new(config).run(&near(corpus), |input| {
        run(&input);
        Ok(())
    });
    if let Err(error) = tried {
        panic!("{target}: {error}");
    }
    for tally in &tallies {
        tally.add(inputs as usize);
    }
}

macro_rules! replays {
    ($($test:ident $target:literal $cases:expr, $inputs:literal;)+) => {
        $(#[test]
        fn $test() {
            replay($target, &$cases, $inputs);
        })+

        #[test]
        fn every_target_is_replayed_and_has_a_corpus() {
            let mut replayed = [$($target),+];
            replayed.sort_unstable();
            assert_eq!(replayed.to_vec(), fuzz::TARGETS.map(|target| target.name));
        }
    };
}

replays! {
    f_01_events_of_the_gateway "event" ["F-01"], 100;
    f_02_bodies_of_every_endpoint "request" ["F-02"], 100;
    f_03_tokens "token" ["F-03"], 4_000;
    f_05_mailboxes "email" ["F-05"], 20_000;
    f_06_phones "phone" ["F-06"], 20_000;
    f_07_f_09_names_and_scopes "names" ["F-07", "F-09"], 10_000;
    f_08_redirect_addresses "redirect" ["F-08"], 10_000;
    f_10_searches "search" ["F-10"], 10_000;
    f_11_second_factors "second_factor" ["F-11"], 20_000;
    f_12_stored_hashes "stored_hash" ["F-12"], 50;
    f_13_keys "keys" ["F-13"], 10_000;
    f_14_steps_against_the_model "model" ["F-14"], 10;
    f_15_lines_of_the_log "log" ["F-15"], 4_000;
    f_16_answers_of_carriers "carriers" ["F-16"], 60;
}
