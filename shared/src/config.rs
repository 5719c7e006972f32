//! What a function is told by its environment: the only place that reads it.
//!
//! | variable | meaning |
//! |---|---|
//! | `APPS_TABLE`, `USERS_TABLE`, … | the tables that the function uses ([`Table::variable`]) |
//! | `PUBLIC_URL` | `iss` and `aud` of the tokens, with a trailing slash |
//! | `SIGNING_KEYS` | a function that signs: [`crate::jwt::SigningKeySet`] as JSON |
//! | `VERIFICATION_KEYS` | a function that only verifies: [`KeyRing::verification_keys`] |
//! | `HASH_KEY` | at least 32 bytes, base64 ([`KeyedHash`]); for functions that need one |
//! | `TOTP_KEY` | 32 bytes, base64 ([`TotpKey`]); for functions that let users in or enrol their second factor |
//! | `TIME_ZONE` | IANA name, default `Asia/Shanghai` |
//! | `TENANT_ID`, `TENANT_NAME` | claims of that name; default `1` and the public URL's host |
//! | `TESSERA_DYNAMODB_ENDPOINT` | another DynamoDB than the region's; empty is none |
//!
//! Each of `PUBLIC_URL`, `SIGNING_KEYS`, `VERIFICATION_KEYS`, `HASH_KEY` and `TOTP_KEY` is usually given by the name of
//! a parameter in the Systems Manager's parameter store, in the variable of that name with `_PARAMETER` behind it:
//! that keeps secrets out of the function's settings.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::tz::TimeZone;

use crate::{
    clock::SystemClock,
    entropy::{Entropy, SystemEntropy},
    env::{Env, Parts},
    hash_key::KeyedHash,
    jwt::{Issuer, KeyRing, Tokens},
    password::PasswordHasher,
    storage::{Store, Table, TableNames},
    two_factor::TotpKey,
};

/// How old an app's settings may be when they are used, on Lambda.
pub const SETTINGS_MAX_AGE: Duration = Duration::from_secs(30);

const PUBLIC_URL: &str = "PUBLIC_URL";
const SIGNING_KEYS: &str = "SIGNING_KEYS";
const VERIFICATION_KEYS: &str = "VERIFICATION_KEYS";
const HASH_KEY: &str = "HASH_KEY";
/// The variable of the key that guards second factors.
pub const TOTP_KEY: &str = "TOTP_KEY";
/// The values that may be kept as parameters.
const PARAMETERS: [&str; 5] = [PUBLIC_URL, SIGNING_KEYS, VERIFICATION_KEYS, HASH_KEY, TOTP_KEY];

/// Why a function does not start.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A variable is missing.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// A variable has a value that cannot be used. The value is not shown: it may be a secret.
    #[error("{name}: {problem}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A parameter cannot be read.
    #[error("the parameters cannot be read: {0}")]
    Parameters(String),
}

/// The variables of a function, with the parameters that some of them name.
#[derive(Debug)]
pub struct Config {
    tables: TableNames,
    ring: KeyRing,
    issuer: Issuer,
    hash: Option<KeyedHash>,
    totp: Option<TotpKey>,
    time_zone: TimeZone,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRing(***)")
    }
}

impl Config {
    /// Reads variables that were looked up already.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let required = |name| variable(name).ok_or(ConfigError::Missing(name));
        let invalid = |name, problem: String| ConfigError::Invalid { name, problem };

        let url = required(PUBLIC_URL)?;
        let host = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"))
            .and_then(|rest| rest.strip_suffix('/'))
            .filter(|host| !host.is_empty() && !host.contains('/'))
            .ok_or_else(|| invalid(PUBLIC_URL, "must be like https://id.example.com/".to_owned()))?
            .to_owned();
        let ring = match variable(SIGNING_KEYS) {
            Some(keys) => KeyRing::signing(&keys).map_err(|error| invalid(SIGNING_KEYS, error.to_string()))?,
            None => KeyRing::verifying(&required(VERIFICATION_KEYS)?)
                .map_err(|error| invalid(VERIFICATION_KEYS, error.to_string()))?,
        };
        // Whatever keeps counters keeps them under hashes.
        if variable(Table::Codes.variable()).is_some() {
            required(HASH_KEY)?;
        }
        let decoded = |name| match variable(name) {
            Some(key) => STANDARD.decode(key.trim()).map(Some).map_err(|_| invalid(name, "is not base64".to_owned())),
            None => Ok(None),
        };
        let hash = decoded(HASH_KEY)?
            .map(|key| KeyedHash::new(&key).map_err(|error| invalid(HASH_KEY, error.to_string())))
            .transpose()?;
        let totp = decoded(TOTP_KEY)?
            .map(|key| TotpKey::new(&key).map_err(|error| invalid(TOTP_KEY, error.to_string())))
            .transpose()?;
        let zone = variable("TIME_ZONE").unwrap_or_else(|| "Asia/Shanghai".to_owned());
        Ok(Self {
            tables: TableNames::from_lookup(|table| variable(table.variable())),
            ring,
            issuer: Issuer {
                url,
                tenant_id: variable("TENANT_ID").unwrap_or_else(|| "1".to_owned()),
                tenant_name: variable("TENANT_NAME").unwrap_or(host),
            },
            hash,
            totp,
            time_zone: TimeZone::get(&zone).map_err(|error| invalid("TIME_ZONE", error.to_string()))?,
        })
    }

    /// The same with other tables.
    #[must_use]
    pub fn with_tables(self, tables: TableNames) -> Self {
        Self { tables, ..self }
    }

    /// What requests are served with: the system's clock and randomness, and this client's tables.
    pub fn into_env(self, db: aws_sdk_dynamodb::Client, settings_max_age: Duration) -> Env {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        Env::new(Parts {
            store: Store::new(db, self.tables, self.hash, settings_max_age, Arc::clone(&entropy)),
            clock: Arc::new(SystemClock),
            entropy,
            passwords: PasswordHasher::new(),
            tokens: Tokens::new(self.ring, self.issuer),
            totp: self.totp,
            time_zone: self.time_zone,
        })
    }
}

/// What a Lambda function is served with, read from its environment and its parameters. Without one of the `needed`
/// variables it does not start: a missing secret must not be found out by the first user whom it concerns.
pub async fn load(needed: &[&'static str]) -> Result<Env, ConfigError> {
    let aws = aws_config(None).await;
    let mut variables: HashMap<_, _> = std::env::vars().collect();
    let parameters: BTreeMap<_, _> = PARAMETERS
        .into_iter()
        .filter_map(|name| Some((variables.get(&format!("{name}_PARAMETER"))?.clone(), name)))
        .filter(|(parameter, _)| !parameter.is_empty())
        .collect();
    if !parameters.is_empty() {
        for (parameter, value) in read_parameters(&aws, parameters.keys().cloned().collect()).await? {
            if let Some(name) = parameters.get(&parameter) {
                variables.insert((*name).to_owned(), value);
            }
        }
    }
    if let Some(missing) = needed.iter().find(|name| variables.get(**name).is_none_or(String::is_empty)) {
        return Err(ConfigError::Missing(missing));
    }
    let config = Config::from_variables(|name| variables.get(name).cloned())?;
    let endpoint = variables.get("TESSERA_DYNAMODB_ENDPOINT").map(String::as_str);
    Ok(config.into_env(dynamodb(&aws, endpoint), SETTINGS_MAX_AGE))
}

async fn read_parameters(aws: &SdkConfig, names: Vec<String>) -> Result<Vec<(String, String)>, ConfigError> {
    let answer = aws_sdk_ssm::Client::new(aws)
        .get_parameters()
        .set_names(Some(names))
        .with_decryption(true)
        .send()
        .await
        .map_err(|error| ConfigError::Parameters(error.into_service_error().to_string()))?;
    if let Some(missing) = answer.invalid_parameters().first() {
        return Err(ConfigError::Parameters(format!("{missing} does not exist")));
    }
    let parameters = answer.parameters.unwrap_or_default().into_iter();
    Ok(parameters.filter_map(|parameter| Some((parameter.name?, parameter.value?))).collect())
}

/// The SDK's settings: a call that does not answer is given up while the client still waits for us.
pub async fn aws_config(region: Option<&'static str>) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(2))
                .operation_attempt_timeout(Duration::from_secs(3))
                .operation_timeout(Duration::from_secs(8))
                .build(),
        );
    if let Some(region) = region {
        loader = loader.region(region);
    }
    loader.load().await
}

/// A DynamoDB client; an empty endpoint is none.
pub fn dynamodb(aws: &SdkConfig, endpoint: Option<&str>) -> aws_sdk_dynamodb::Client {
    let mut config = aws_sdk_dynamodb::config::Builder::from(aws);
    if let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.is_empty()) {
        config = config.endpoint_url(endpoint);
    }
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// The tables' variables, for whoever sets a function's environment.
pub fn table_variables() -> impl Iterator<Item = &'static str> {
    Table::ALL.into_iter().map(Table::variable)
}
