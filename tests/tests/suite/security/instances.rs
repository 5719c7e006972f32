//! What an instance meets beside failing calls: a clock that jumps, a start without its parameters, a log that is full,
//! somebody who is asked for too often.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use infra::Template;
use serde_json::json;
use shared::{
    config::{self, LogConfig},
    entropy::Entropy,
    jwt::{KeyRing, SigningKeySet},
    log,
    storage::Table,
};
use tests::{Tally, World, engine::Fault, inputs::SeededEntropy, invariants, parameters::Parameters, world::groups};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::{
    good::{PASSWORD, Town},
    subject::{Subject, difference, is_failure},
};

const SIGN_IN: &str = "/api/AppUsers/2/SignIn";
const PROFILE: &str = "/api/AppUsers/2/Profile";

#[tokio::test(start_paused = true)]
async fn fi_14_a_clock_that_jumps_breaks_nothing_and_a_small_step_is_not_noticed() {
    let tally = Tally::of("FI-14");
    let town = Town::new().await;
    let world = &town.world;
    for subject in Subject::all(&town).await {
        for jump in [-1, 1, -120, 120, -86_400, 86_400] {
            let context = format!("{}, {jump} s", subject.good.name);
            world.restore(&town.start).await;
            let then = world.env.clock.now();
            world.wait(jump);
            let answer = subject.good.send().await;
            // To an earlier clock, somebody is still at work on the batch that nobody finished.
            let is_leased = jump < -30 && subject.good.name == "DELETE users 2";
            assert_eq!(is_failure(&answer), is_leased, "{context}: {}", answer.text);
            if jump.abs() == 1 {
                let end = Subject::end(&town, &answer).await;
                assert!(end == subject.once, "{context}: {}", difference(&end, &subject.once));
            }
            // Once the clock is right again, so is what it comes to; whoever is told to wait does not wait for long.
            world.clock.set(then);
            if jump.abs() < 86_400 {
                subject.send_until_answered(&context).await;
            }
            // What was made to last from a time to come is right then.
            world.wait(jump.abs());
            invariants::assert_hold(world).await;
            tally.count();
        }
    }
}

#[tokio::test]
async fn fi_16_a_function_starts_with_its_parameters_or_not_at_all() {
    let tally = Tally::of("FI-16");
    let template = Template::bundled().expect("the template is readable");
    let entropy: &dyn Entropy = &SeededEntropy::new(16);
    let keys = SigningKeySet::generate(entropy).unwrap();
    let verification = KeyRing::of_signing(&keys).unwrap().verification_keys();
    let secret = || STANDARD.encode(entropy.bytes::<32>());
    let values: BTreeMap<_, _> = [
        ("SIGNING_KEYS", serde_json::to_string(&keys).unwrap()),
        ("VERIFICATION_KEYS", verification),
        ("HASH_KEY", secret()),
        ("TOTP_KEY", secret()),
        ("PUBLIC_URL", "https://id.example.com/".to_owned()),
    ]
    .into();
    for function in template.functions() {
        let routes = &groups().iter().find(|(name, _)| *name == function.binary).expect("a group").1;
        let parameters = Parameters::default();
        let mut variables: BTreeMap<String, String> =
            ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|it| (it.into(), "local".into())).into();
        variables.extend(Table::ALL.map(|table| (table.variable().to_owned(), format!("test-{table:?}"))));
        for name in function.environment.keys().filter_map(|name| name.strip_suffix("_PARAMETER")) {
            variables.insert(format!("{name}_PARAMETER"), format!("/{name}"));
            if let Some(value) = values.get(name) {
                parameters.put(&format!("/{name}"), value);
            }
        }
        let aws = shared::aws::Access::of_function(|name| variables.get(name).cloned()).unwrap();
        let start = async || config::load_from(variables.clone(), &aws, parameters.store(), routes.needed()).await;
        parameters.set_away(true);
        let error = start().await.expect_err("there is no default for a secret").to_string();
        assert!(error.starts_with("the parameters cannot be read"), "{}: {error}", function.binary);
        parameters.set_away(false);
        parameters.spoil([Some(Fault::InternalError)]);
        assert!(start().await.is_err(), "{}", function.binary);
        start().await.unwrap_or_else(|error| panic!("{}: {error}", function.binary));
        tally.count();
    }
}

/// Where nothing can be written.
#[derive(Clone, Default)]
struct Full(Arc<AtomicUsize>);

impl io::Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }
}

#[tokio::test(start_paused = true)]
async fn fi_19_a_log_that_cannot_be_written_keeps_nobody_from_an_answer() {
    let tally = Tally::of("FI-19");
    let town = Town::new().await;
    let full = Full::default();
    for subject in Subject::all(&town).await {
        town.world.restore(&town.start).await;
        let config = LogConfig {
            level: LevelFilter::INFO,
            namespace: Some("Tessera/test".to_owned()),
            clock: Arc::clone(&town.world.env.clock),
        };
        let (before, writer) = (full.0.load(Ordering::Relaxed), full.clone());
        let answer = {
            let _log = log::subscriber(config, move || writer.clone()).set_default();
            subject.good.send().await
        };
        assert!(full.0.load(Ordering::Relaxed) > before, "{} writes a line", subject.good.name);
        let end = Subject::end(&town, &answer).await;
        assert!(end == subject.once, "{}: {}", subject.good.name, difference(&end, &subject.once));
        tally.count();
    }
}

#[tokio::test]
async fn fi_20_no_password_is_compared_that_could_not_be_counted() {
    let world = World::new().await;
    world.client().sign_up(2, "alice", PASSWORD).await;
    // The settings and the name are read; charging the try fails.
    world.engine.spoil([None, None].into_iter().chain([Some(Fault::InternalError); 3]));
    let right = json!({"userName": "alice", "pwd": PASSWORD});
    world.client().post(SIGN_IN, right).await.refused(503, 503, "unavailable");
}

#[tokio::test(start_paused = true)]
async fn fi_25_whoever_hashes_has_the_memory_for_the_largest_hash_that_is_accepted() {
    /// Of a hash, in MiB: a stored one may be four times as costly as those that are made.
    const HASH: u32 = 4 * 19;
    /// Everything else of a function, in MiB.
    const REST: u32 = 128;
    let town = Town::new().await;
    let template = Template::bundled().expect("the template is readable");
    let mut hashing = BTreeSet::new();
    for good in &town.good {
        town.world.restore(&town.start).await;
        let before = town.world.watch.lines().len();
        good.send().await;
        let lines = town.world.watch.lines();
        if lines[before..].iter().any(|line| line.contains(r#""PasswordHashes":"#)) {
            let (method, path) = (good.route.method.as_str().parse().unwrap(), good.route.path);
            let group = groups().iter().find(|(_, routes)| routes.reaches(&method, path).is_some());
            hashing.insert(group.expect("a group").0);
        }
    }
    assert!(hashing.contains("accounts") && hashing.contains("oauth"), "{hashing:?}");
    for function in template.functions().iter().filter(|function| hashing.contains(function.binary.as_str())) {
        assert!(function.memory_mb >= HASH + REST, "{}: {} MB", function.binary, function.memory_mb);
    }
}

#[tokio::test(start_paused = true)]
async fn fi_26_one_user_asked_for_a_thousand_times_makes_nobody_else_wait() {
    let tally = Tally::of("FI-26");
    let world = World::new().await;
    let tokens = [world.client().sign_up(2, "alice", PASSWORD).await, world.client().sign_up(2, "bob", PASSWORD).await];
    let [alice, bob] = tokens.map(|token| world.client().bearer(&token));
    let id = alice.get(PROFILE).await.data()["id"].clone();
    let sign_in = async |name| world.client().post(SIGN_IN, json!({"userName": name, "pwd": PASSWORD})).await;
    world.engine.set_hot(Some(&format!("2#user#{id}")));
    for n in 0..1_000 {
        let answer = alice.get(PROFILE).await;
        answer.refused(503, 503, "unavailable");
        assert_eq!(answer.header("retry-after"), "1");
        if n % 100 == 0 {
            sign_in("alice").await.refused(503, 503, "unavailable");
            bob.get(PROFILE).await.data();
            sign_in("bob").await.token();
            world.client().sign_up(2, &format!("user{n}"), PASSWORD).await;
        }
        tally.count();
    }
    // Counters of addresses that are throttled stop guessing, and nothing that is not counted.
    world.engine.set_hot(Some("ip#"));
    sign_in("bob").await.refused(503, 503, "unavailable");
    alice.get(PROFILE).await.data();
    world.engine.set_hot(None);
    for name in ["alice", "bob"] {
        sign_in(name).await.token();
    }
}
