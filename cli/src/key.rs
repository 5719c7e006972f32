//! `tessera key`: the secrets of a deployed stack, made here, kept in its parameter store, and shown to nobody.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::{
    aws::Service,
    clock::{Clock as _, SystemClock},
    entropy::{Entropy, SystemEntropy},
    hash_key::KeyedHash,
    jwt::{KeyRing, SigningKeySet},
    key_rotation::{KeyTimes, PUBLISHED_FOR, REPLACED_FOR, SIGNING_KEYS, StackKeys, Step, VERIFICATION_KEYS},
    parameter_store::{Parameter, ParameterStore},
    two_factor::TotpKey,
};

use crate::{connection::operator_client, failure::Failure};

const HASH_KEY: &str = "hash-key";
const TOTP_KEY: &str = "totp-key";
/// What an operator writes, if at all.
const CARRIERS: [&str; 2] = ["mail", "sms"];

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Make the secrets that a stack needs and does not have; what is there already stays
    Init(Stack),
    /// Show which secrets there are, how old they are, and what a rotation waits for; never a secret
    #[command(visible_alias = "list")]
    Status(Stack),
    /// Do the next step of replacing the signing key: publish a new one, sign with it, retire the old one
    ///
    /// Says what it did, or until when it waits. Run it again then; nothing happens too early, and no token is lost.
    Rotate {
        #[command(flatten)]
        stack: Stack,
        /// Somebody else knows the keys: a new one takes the place of all now, and every token ends within minutes
        #[arg(long)]
        leaked: bool,
    },
    /// Make a new hash key: codes and QR codes that are out end, limits count from zero. Then start all functions anew
    ReplaceHashKey(Stack),
}

#[derive(Args)]
pub(crate) struct Stack {
    /// The name of the stack
    #[arg(long = "stack", value_name = "NAME")]
    name: String,
}

pub(crate) async fn run(command: KeyCommand) -> Result<Value, Failure> {
    let store = ParameterStore::new(operator_client(Service::SystemsManager).await?);
    match command {
        KeyCommand::Init(stack) => init(&store, &stack.name).await,
        KeyCommand::Status(stack) => status(&store, &stack.name).await,
        KeyCommand::Rotate { stack, leaked } => rotate(&store, stack.name, leaked).await,
        KeyCommand::ReplaceHashKey(stack) => replace_hash_key(&store, &stack.name).await,
    }
}

/// Looks at what there is before anything is written: a secret that cannot be used is for a person to look at.
async fn init(store: &ParameterStore, stack: &str) -> Result<Value, Failure> {
    let now = SystemClock.now();
    let names = [SIGNING_KEYS, VERIFICATION_KEYS, HASH_KEY, TOTP_KEY].map(|it| ParameterStore::name(stack, it));
    let found = store.read(&names).await?;
    let [signing, verification, hash, totp] = names;
    for parameter in &found {
        check(stack, parameter).map_err(|problem| {
            Failure::new(format!("{} is there but {problem}. Nothing was changed.", parameter.name))
        })?;
    }
    let mut made = Vec::new();
    let done = make_missing(store, [&signing, &hash, &totp], now, &mut made).await;
    let followed = match done {
        Ok(()) => StackKeys::new(store.clone(), stack.to_owned()).follow(now).await.map_err(Failure::from),
        Err(failure) => Err(failure),
    };
    let followed = followed.map_err(|failure| match made.as_slice() {
        [] => failure,
        made => Failure::new(format!(
            "{failure}. Made before that: {}. Run it again: it goes on from here.",
            made.join(", ")
        )),
    })?;
    let was_there = found.iter().any(|it| it.name == verification);
    if followed && !was_there {
        made.push(verification.clone());
    }
    // They belong to the signing keys: beside new ones, or after a write that failed, others must go.
    let replaced: Vec<_> = (followed && was_there).then_some(&verification).into_iter().collect();
    let is_kept = |name: &&String| !made.contains(name) && !replaced.contains(name);
    let kept: Vec<_> = [&signing, &verification, &hash, &totp].into_iter().filter(is_kept).collect();
    Ok(json!({ "stack": stack, "made": made, "kept": kept, "replaced": replaced }))
}

async fn make_missing(
    store: &ParameterStore,
    [signing, hash, totp]: [&String; 3],
    now: Timestamp,
    made: &mut Vec<String>,
) -> Result<(), Failure> {
    let entropy: &dyn Entropy = &SystemEntropy;
    let keys = serde_json::to_string(&SigningKeySet::generate(entropy)?.published_at(now))?;
    for (name, secret) in [(signing, keys), (hash, random_key()), (totp, random_key())] {
        let exists = store.find(name).await?.is_some();
        if !exists && store.create(name, &secret).await? {
            made.push(name.clone());
        }
    }
    Ok(())
}

/// What is wrong with a parameter that is there.
fn check(stack: &str, parameter: &Parameter) -> Result<(), String> {
    let is = |name| parameter.name == ParameterStore::name(stack, name);
    let decoded = || STANDARD.decode(parameter.value.trim()).map_err(|_| "is not base64".to_owned());
    if is(SIGNING_KEYS) {
        KeyRing::signing(&parameter.value).map(drop).map_err(|error| format!("cannot be used: {error}"))
    } else if is(HASH_KEY) {
        KeyedHash::new(&decoded()?).map(drop).map_err(|error| format!("cannot be used: {error}"))
    } else if is(TOTP_KEY) {
        TotpKey::new(&decoded()?).map(drop).map_err(|error| format!("cannot be used: {error}"))
    } else {
        // The verification keys are made good in any case.
        Ok(())
    }
}

async fn status(store: &ParameterStore, stack: &str) -> Result<Value, Failure> {
    let now = SystemClock.now();
    let (set, follows) = StackKeys::new(store.clone(), stack.to_owned()).show(now).await?;
    let signing = ParameterStore::name(stack, SIGNING_KEYS);
    let mut rows: Vec<_> = set
        .keys
        .iter()
        .map(|key| {
            let times = set.history.get(key.kid()).copied().unwrap_or_default();
            let (state, since, next) = state_of(set.active == key.kid(), times);
            json!({
                "parameter": signing, "kid": key.kid(), "algorithm": key.algorithm(), "state": state,
                "since": date(since), "days": days(since, now), "next": next,
            })
        })
        .collect();
    let names = [VERIFICATION_KEYS, HASH_KEY, TOTP_KEY, CARRIERS[0], CARRIERS[1]];
    let found = store.read(&names.map(|name| ParameterStore::name(stack, name))).await?;
    for name in names {
        let whole = ParameterStore::name(stack, name);
        let parameter = found.iter().find(|it| it.name == whole);
        let state = match parameter {
            None if CARRIERS.contains(&name) => "absent: no such message is sent",
            None => "missing: `key init` makes it",
            Some(_) if name == VERIFICATION_KEYS && !follows => "behind the signing keys: `key rotate` makes it good",
            Some(_) => "present",
        };
        let since = parameter.map(|it| it.modified.as_second());
        rows.push(json!({
            "parameter": whole, "state": state, "since": since.map(date), "days": since.map(|since| days(since, now)),
        }));
    }
    Ok(Value::Array(rows))
}

/// A signing key's state, since when, and what comes next.
fn state_of(is_active: bool, times: KeyTimes) -> (&'static str, i64, Option<String>) {
    if is_active {
        ("signing", times.signing.unwrap_or_default(), None)
    } else if let Some(replaced) = times.replaced {
        ("replaced", replaced, Some(format!("retired from {}", date(replaced + REPLACED_FOR))))
    } else {
        ("published", times.published, Some(format!("signs from {}", date(times.published + PUBLISHED_FOR))))
    }
}

async fn rotate(store: &ParameterStore, stack: String, leaked: bool) -> Result<Value, Failure> {
    let now = SystemClock.now();
    let keys = StackKeys::new(store.clone(), stack.clone());
    let step =
        if leaked { keys.begin_anew(now, &SystemEntropy).await? } else { keys.rotate(now, &SystemEntropy).await? };
    let after = |seconds: i64| date(now.as_second() + seconds);
    let (word, kid, next) = match &step {
        Step::Published { kid } => ("published", kid, format!("signs from {}", after(PUBLISHED_FOR))),
        Step::Signing { kid } if leaked => ("signing", kid, "all other keys are gone".to_owned()),
        Step::Signing { kid } => {
            ("signing", kid, format!("the key before it may be retired from {}", after(REPLACED_FOR)))
        }
        Step::Retired { kid } => ("retired", kid, "the rotation is done; the next one may begin".to_owned()),
        Step::Waiting { kid, until } => ("waiting", kid, format!("nothing to do before {}", date(*until))),
    };
    Ok(json!({ "stack": stack, "step": word, "kid": kid, "next": next }))
}

async fn replace_hash_key(store: &ParameterStore, stack: &str) -> Result<Value, Failure> {
    let name = ParameterStore::name(stack, HASH_KEY);
    if store.find(&name).await?.is_none() {
        return Err(Failure::new(format!("{name} does not exist: `key init` makes it")));
    }
    store.replace(&name, &random_key()).await?;
    Ok(
        json!({ "stack": stack, "replaced": [name], "next": "start all functions anew: sam deploy with another Generation" }),
    )
}

fn random_key() -> String {
    let entropy: &dyn Entropy = &SystemEntropy;
    STANDARD.encode(entropy.bytes::<32>())
}

fn date(second: i64) -> String {
    Timestamp::from_second(second).unwrap_or_default().to_string()
}

fn days(since: i64, now: Timestamp) -> i64 {
    (now.as_second() - since) / 86_400
}
