//! The signing key is replaced while everything runs: whatever was issued stays good until it expires.

use serde_json::{Value, json};
use shared::{
    app::AppRecord,
    clock::Clock as _,
    current_tokens::{CurrentTokens, KeySource, MAX_AGE, REFRESH_AGE},
    entropy::Entropy,
    jwt::{KeyRing, SigningKeySet, Tokens},
    key_rotation::{PUBLISHED_FOR, REPLACED_FOR, RotationError, StackKeys, Step},
};
use tests::{Answer, Client, World, engine::Fault, inputs::SeededEntropy, parameters::Parameters, world::issuer};

const PROFILE: &str = "/api/AppUsers/2/Profile";
const DAY: i64 = 86_400;

/// A deployment whose functions follow the keys of one parameter store.
struct Deployment {
    world: World,
    parameters: Parameters,
    keys: StackKeys,
    entropy: SeededEntropy,
}

/// What an instance is told of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Knows {
    Signing,
    Verification,
}

impl Deployment {
    async fn new(seed: u64) -> Self {
        let world = World::new().await;
        world.change_app(&world.documented, |app: &mut AppRecord| app.settings.token_days = 99).await;
        world.client().post("/api/AppUsers/2/UnionIDSignUp", json!({"platform": "wx", "unionID": "o1"})).await.data();
        let parameters = Parameters::default();
        let keys = StackKeys::new(parameters.store(), "test".to_owned());
        let entropy = SeededEntropy::new(seed);
        let set = SigningKeySet::generate(&entropy).unwrap().published_at(world.clock.now());
        parameters.put("/tessera/test/signing-keys", &serde_json::to_string(&set).unwrap());
        let public = KeyRing::of_signing(&set).unwrap().verification_keys();
        parameters.put("/tessera/test/verification-keys", &public);
        Self { world, parameters, keys, entropy }
    }

    /// A new instance, started now.
    fn start(&self, knows: Knows) -> Client {
        self.start_at(&self.parameters, knows)
    }

    /// The same with its own view of the parameter store.
    fn start_at(&self, parameters: &Parameters, knows: Knows) -> Client {
        let (name, signs) = match knows {
            Knows::Signing => ("/tessera/test/signing-keys", true),
            Knows::Verification => ("/tessera/test/verification-keys", false),
        };
        let text = self.parameters.value(name).unwrap();
        let ring = if signs { KeyRing::signing(&text) } else { KeyRing::verifying(&text) }.unwrap();
        let source = KeySource { store: parameters.store(), parameter: name.to_owned(), signs };
        let tokens = CurrentTokens::following(Tokens::new(ring, issuer()), source, self.world.clock.now());
        self.world.instance(|parts| parts.tokens = tokens)
    }

    async fn rotate(&self) -> Result<Step, RotationError> {
        self.keys.rotate(self.world.clock.now(), &self.entropy).await
    }

    async fn leak(&self) {
        self.keys.begin_anew(self.world.clock.now(), &self.entropy).await.unwrap();
    }

    fn second(&self) -> i64 {
        self.world.clock.now().as_second()
    }
}

async fn sign_in(instance: &Client) -> Answer {
    instance.post("/api/AppUsers/2/UnionIDSignIn", json!({"platform": "wx", "unionID": "o1"})).await
}

async fn verify(instance: &Client, token: &str) -> Answer {
    instance.clone().bearer(token).get(PROFILE).await
}

fn part(token: &str, number: usize) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn kid(token: &str) -> String {
    part(token, 0)["kid"].as_str().unwrap().to_owned()
}

async fn published_kids(instance: &Client) -> Option<Vec<String>> {
    let answer = instance.get("/.well-known/jwks.json").await;
    let keys = answer.body["keys"].as_array()?;
    Some(keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect())
}

#[tokio::test]
async fn a_rotation_publishes_signs_and_retires_and_says_what_it_waits_for() {
    let deployment = Deployment::new(1).await;
    let world = &deployment.world;
    let signer = deployment.start(Knows::Signing);
    let verifier = deployment.start(Knows::Verification);
    let old = sign_in(&signer).await.token();

    let Step::Published { kid: new } = deployment.rotate().await.unwrap() else { panic!("published") };
    let until = deployment.second() + PUBLISHED_FOR;
    assert_eq!(deployment.rotate().await.unwrap(), Step::Waiting { kid: new.clone(), until });
    world.wait(PUBLISHED_FOR - 1);
    assert_eq!(deployment.rotate().await.unwrap(), Step::Waiting { kid: new.clone(), until });
    assert_eq!(kid(&sign_in(&signer).await.token()), kid(&old), "published, not used");
    assert_eq!(published_kids(&verifier).await.unwrap(), [kid(&old), new.clone()]);

    world.wait(1);
    assert_eq!(deployment.rotate().await.unwrap(), Step::Signing { kid: new.clone() });
    world.wait(REFRESH_AGE);
    let young = sign_in(&signer).await.token();
    assert_eq!(kid(&young), new);
    for token in [&old, &young] {
        verify(&verifier, token).await.data();
        verify(&signer, token).await.data();
    }

    let until = deployment.second() - REFRESH_AGE + REPLACED_FOR;
    assert_eq!(deployment.rotate().await.unwrap(), Step::Waiting { kid: kid(&old), until });
    world.wait(until - deployment.second());
    assert_eq!(deployment.rotate().await.unwrap(), Step::Retired { kid: kid(&old) });
    world.wait(REFRESH_AGE);
    assert_eq!(published_kids(&verifier).await.unwrap(), std::slice::from_ref(&new));
    let Step::Published { kid: next } = deployment.rotate().await.unwrap() else { panic!("the next rotation") };
    assert_ne!(next, new);
}

/// RC-26. Instances start, sleep and are cut off; operators rotate, fail half-way and get in each other's way; tokens
/// are issued and verified all the time. A token that has not expired is refused by nobody: an instance whose keys
/// are too old says that it cannot serve, never that the token is bad.
#[tokio::test]
async fn rc_26_every_token_verifies_until_it_expires_however_a_rotation_interleaves() {
    let (mut issued, mut signing, mut retired, mut unavailable) = (0, 0, 0, 0);
    for seed in 0..10 {
        let deployment = Deployment::new(seed).await;
        let world = &deployment.world;
        let dice: &dyn Entropy = &SeededEntropy::new(seed + 1_000);
        let throw = |sides: u64| usize::try_from(dice.below(sides)).unwrap();
        let mut instances = [Knows::Signing, Knows::Signing, Knows::Verification, Knows::Verification].map(|knows| {
            let view = deployment.parameters.view();
            (knows, deployment.start_at(&view, knows), view)
        });
        let mut tokens: Vec<String> = Vec::new();
        // What a resource server has of the published keys, and since when.
        let mut jwks: Option<(Vec<String>, i64)> = None;
        for _ in 0..120 {
            match throw(10) {
                0 | 1 => {
                    let short = [1, REFRESH_AGE, REFRESH_AGE, MAX_AGE / 3, MAX_AGE - 1, MAX_AGE, PUBLISHED_FOR];
                    let long = [DAY, 98 * DAY, REPLACED_FOR];
                    world.wait(if throw(4) > 0 { short[throw(7)] } else { long[throw(3)] });
                }
                2 | 3 => {
                    if let Ok(step) = deployment.rotate().await {
                        signing += usize::from(matches!(step, Step::Signing { .. }));
                        retired += usize::from(matches!(step, Step::Retired { .. }));
                    }
                }
                4 => {
                    // Fails at one of its calls, before or after that is done.
                    let fault = [Fault::InternalError, Fault::AnswerLost][throw(2)];
                    let before = throw(5);
                    deployment.parameters.spoil(std::iter::repeat_n(None, before).chain([Some(fault)]));
                    drop(deployment.rotate().await);
                    deployment.parameters.heal();
                }
                5 => {
                    let (one, other) = tokio::join!(deployment.rotate(), deployment.rotate());
                    drop((one, other));
                }
                6 => instances[throw(4)].2.set_away(throw(2) == 0),
                7 => {
                    let which = throw(4);
                    let (knows, client, view) = &mut instances[which];
                    view.set_away(false);
                    *client = deployment.start_at(view, *knows);
                }
                _ => {
                    let answer = sign_in(&instances[throw(2)].1).await;
                    if answer.status == 503 {
                        unavailable += 1;
                        continue;
                    }
                    let token = answer.token();
                    if let Some((kids, _)) = jwks.as_ref().filter(|(_, since)| deployment.second() < since + 300) {
                        assert!(kids.contains(&kid(&token)), "seed {seed}: a resource server does not know the key");
                    }
                    issued += 1;
                    tokens.push(token);
                }
            }
            let now = deployment.second();
            if jwks.as_ref().is_none_or(|(_, since)| now >= since + 300) {
                let kids = published_kids(&instances[3].1).await;
                jwks = kids.map(|kids| (kids, now));
            }
            tokens.retain(|token| now < part(token, 1)["exp"].as_i64().unwrap());
            // The oldest and the youngest are those that a rotation could have hurt.
            for token in tokens.first().into_iter().chain(tokens.last()) {
                let answer = verify(&instances[throw(4)].1, token).await;
                assert!(answer.status == 503 || answer.code() == 200, "seed {seed}: {}", answer.text);
            }
        }
        for token in tokens.iter().rev().take(5) {
            for (_, instance, view) in &instances {
                view.set_away(false);
                verify(instance, token).await.data();
            }
        }
    }
    assert!(
        issued > 100 && signing > 10 && retired > 5 && unavailable > 5,
        "{issued} {signing} {retired} {unavailable}"
    );
}

#[tokio::test]
async fn a_publication_that_failed_half_way_begins_its_wait_again() {
    for fault in [Fault::InternalError, Fault::AnswerLost] {
        let deployment = Deployment::new(6).await;
        // Reads; writes the signing keys; does not write the verification keys, or does not hear of it.
        deployment.parameters.spoil([None, None, Some(fault)]);
        deployment.rotate().await.unwrap_err();
        let verifier = deployment.start(Knows::Verification);
        deployment.world.wait(PUBLISHED_FOR);
        let known = published_kids(&deployment.start(Knows::Verification)).await.unwrap().len();
        let step = deployment.rotate().await.unwrap();
        if fault == Fault::AnswerLost {
            assert!(known == 2 && matches!(step, Step::Signing { .. }), "{step:?}");
        } else {
            let until = deployment.second() + PUBLISHED_FOR;
            assert!(known == 1 && matches!(step, Step::Waiting { until: it, .. } if it == until), "{step:?}");
            assert_eq!(published_kids(&deployment.start(Knows::Verification)).await.unwrap().len(), 2);
        }
        verify(&verifier, &sign_in(&deployment.start(Knows::Signing)).await.token()).await.data();
    }
}

#[tokio::test]
async fn fi_16_an_instance_keeps_its_keys_while_the_store_is_away_but_not_for_ever() {
    let deployment = Deployment::new(2).await;
    let world = &deployment.world;
    for knows in [Knows::Signing, Knows::Verification] {
        deployment.parameters.set_away(false);
        let signer = deployment.start(Knows::Signing);
        let instance = deployment.start(knows);
        let token = sign_in(&signer).await.token();
        deployment.parameters.set_away(true);
        world.wait(MAX_AGE - 1);
        verify(&instance, &token).await.data();
        world.wait(1);
        let before = world.snapshot().await;
        verify(&instance, &token).await.refused(503, 503, "unavailable");
        sign_in(&signer).await.refused(503, 503, "unavailable");
        assert_eq!(sign_in(&signer).await.header("retry-after"), "1");
        assert_eq!(world.snapshot().await, before, "nothing is changed for want of a key");
        deployment.parameters.set_away(false);
        verify(&instance, &token).await.data();
        sign_in(&signer).await.token();
    }
}

#[tokio::test]
async fn fi_14_the_store_is_asked_every_five_minutes_and_every_half_minute_while_it_is_away() {
    let deployment = Deployment::new(3).await;
    let world = &deployment.world;
    let instance = deployment.start(Knows::Signing);
    let reads = async |seconds: i64| {
        let before = deployment.parameters.reads();
        for _ in 0..seconds {
            world.wait(1);
            published_kids(&instance).await.unwrap();
        }
        deployment.parameters.reads() - before
    };
    assert_eq!(reads(REFRESH_AGE - 1).await, 0);
    assert_eq!(reads(1).await, 1);
    assert_eq!(reads(REFRESH_AGE).await, 1);
    // What cannot be used is like no answer: the instance goes on with what it has.
    deployment.parameters.put("/tessera/test/signing-keys", "{}");
    assert_eq!(reads(REFRESH_AGE + 60).await, 3);
}

#[tokio::test]
async fn fi_14_a_clock_that_was_put_back_keeps_no_key_for_longer() {
    let deployment = Deployment::new(6).await;
    let world = &deployment.world;
    for back in [1, MAX_AGE, 30 * DAY] {
        let instance = deployment.start(Knows::Signing);
        world.wait(-back);
        let before = deployment.parameters.reads();
        for _ in 0..REFRESH_AGE {
            published_kids(&instance).await.unwrap();
            world.wait(1);
        }
        assert_eq!(deployment.parameters.reads() - before, 1, "{back} seconds: at once, and not again");
        // While the store is away, what is as old as keys may be is used, and what may be older is not.
        let instance = deployment.start(Knows::Signing);
        deployment.parameters.set_away(true);
        world.wait(-back);
        assert_eq!(published_kids(&instance).await.is_some(), back < MAX_AGE, "{back} seconds");
        deployment.parameters.set_away(false);
    }
}

#[tokio::test]
async fn a_leaked_key_is_refused_as_soon_as_an_instance_learns_of_it() {
    let deployment = Deployment::new(4).await;
    let signer = deployment.start(Knows::Signing);
    let verifier = deployment.start(Knows::Verification);
    let old = sign_in(&signer).await.token();
    // An instance that has verified a token remembers it, but not beyond its key.
    for instance in [&signer, &verifier] {
        verify(instance, &old).await.data();
    }
    deployment.rotate().await.unwrap();
    deployment.leak().await;
    deployment.world.wait(REFRESH_AGE);
    for instance in [&signer, &verifier] {
        verify(instance, &old).await.refused(401, 401, "invalid_token");
        verify(instance, &sign_in(&signer).await.token()).await.data();
    }
    assert_eq!(published_kids(&verifier).await.unwrap().len(), 1);
}

#[tokio::test]
async fn keys_without_a_history_rotate_too_and_the_others_are_kept_as_long_as_if_replaced_now() {
    let deployment = Deployment::new(5).await;
    let mut set: Value =
        serde_json::from_str(&deployment.parameters.value("/tessera/test/signing-keys").unwrap()).unwrap();
    set.as_object_mut().unwrap().remove("history");
    let other = SigningKeySet::generate(&deployment.entropy).unwrap();
    set["keys"].as_array_mut().unwrap().push(serde_json::to_value(&other.keys[0]).unwrap());
    deployment.parameters.put("/tessera/test/signing-keys", &set.to_string());
    let until = deployment.second() + REPLACED_FOR;
    assert_eq!(deployment.rotate().await.unwrap(), Step::Waiting { kid: other.active.clone(), until });
    assert_eq!(published_kids(&deployment.start(Knows::Verification)).await.unwrap().len(), 2, "made good");
    deployment.world.wait(REPLACED_FOR);
    assert_eq!(deployment.rotate().await.unwrap(), Step::Retired { kid: other.active });
}
