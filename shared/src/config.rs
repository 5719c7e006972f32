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
//! | `MAIL`, `SMS` | who carries messages: [`MailConfig`] and [`SmsConfig`] as JSON; without, none is sent |
//! | `DELIVERY_MILLISECONDS` | how long a carrier may take, default 2000 |
//! | `SEND_LIMITS` | codes per address of an app, default `1/60 5/3600 10/86400` (so many within so many seconds) |
//! | `SENDS_PER_IP_PER_HOUR` | codes per client address, default 20 |
//! | `PASSWORD_FAILURES_PER_IP_PER_HOUR` | wrong passwords per client address, default 100 |
//! | `VERIFICATION_FAILURES_PER_IP_PER_HOUR` | wrong verification codes per client address, default 100 |
//! | `CODE_FAILURES_PER_IP_PER_HOUR` | unknown authorization codes per client address, default 100 |
//! | `SMS_PER_DAY`, `MAILS_PER_DAY` | codes of a day, over all apps, default 1000 and 10000; 0 sends none |
//! | `LICENCE_FAILURES_PER_IP_PER_MINUTE` | unknown bitkeys and licence codes per client address, default 20 |
//! | `TIME_ZONE` | IANA name, default `Asia/Shanghai` |
//! | `TENANT_ID`, `TENANT_NAME` | claims of that name; default `1` and the public URL's host |
//! | `QR_CODES_PER_IP_PER_MINUTE` | QR sign-ins that one address may begin; default 30 |
//! | `EXEMPT_LOOPBACK` | `true`: limits per address do not count this computer's own; for the local server only |
//! | `WECHAT_URL` | another WeChat than `https://api.weixin.qq.com` |
//! | `METRICS_NAMESPACE` | where the metrics of [`crate::log::emf`] go; without, there are none |
//! | `AWS_LAMBDA_LOG_LEVEL` | `INFO` (the default), `WARN` or `ERROR`; finer ones are `INFO`, since what libraries say there may hold secrets |
//! | `CA_BUNDLE` | certificates (PEM file) trusted for AWS, or `system` for the operating system's; see [`crate::aws`] |
//! | `TESSERA_DYNAMODB_ENDPOINT` | another DynamoDB than the region's; empty is none |
//!
//! Each of `PUBLIC_URL`, `SIGNING_KEYS`, `VERIFICATION_KEYS`, `HASH_KEY`, `TOTP_KEY`, `MAIL` and `SMS` is usually given by
//! the name of a parameter in the Systems Manager's parameter store, in the variable of that name with `_PARAMETER`
//! behind it: that keeps secrets out of the function's settings. A parameter for `MAIL` or `SMS` need not exist.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{Timestamp, tz::TimeZone};
use tracing::level_filters::LevelFilter;

use crate::{
    aws::{self, Access, Service},
    clock::{Clock, SystemClock},
    codes::{DailyBudgets, SendLimits},
    current_tokens::{CurrentTokens, KeySource},
    entropy::{Entropy, SystemEntropy},
    env::{Env, Parts},
    hash_key::KeyedHash,
    jwt::{Issuer, KeyRing, Tokens},
    limits::Limits,
    messages::{MailConfig, Messages, SmsConfig},
    parameter_store::ParameterStore,
    password::PasswordHasher,
    storage::{Store, Table, TableNames},
    two_factor::TotpKey,
    weak_key,
};

/// How old an app's settings may be when they are used, on Lambda.
pub const SETTINGS_MAX_AGE: Duration = Duration::from_secs(30);

const PUBLIC_URL: &str = "PUBLIC_URL";
/// The variable of the keys that sign tokens.
pub const SIGNING_KEYS: &str = "SIGNING_KEYS";
const VERIFICATION_KEYS: &str = "VERIFICATION_KEYS";
/// The variable of the key under which counters and codes are kept.
pub const HASH_KEY: &str = "HASH_KEY";
/// The variable of the key that guards second factors.
pub const TOTP_KEY: &str = "TOTP_KEY";
/// Where WeChat answers everybody.
const WECHAT_URL: &str = "https://api.weixin.qq.com";
const MAIL: &str = "MAIL";
const SMS: &str = "SMS";
/// The values that may be kept as parameters.
const PARAMETERS: [&str; 7] = [PUBLIC_URL, SIGNING_KEYS, VERIFICATION_KEYS, HASH_KEY, TOTP_KEY, MAIL, SMS];
/// Those whose parameter may be missing: a deployment that sends nothing yet works otherwise.
const OPTIONAL_PARAMETERS: [&str; 2] = [MAIL, SMS];

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
    key_source: Option<(KeySource, Timestamp)>,
    issuer: Issuer,
    hash: Option<KeyedHash>,
    totp: Option<TotpKey>,
    messages: Messages,
    send_limits: SendLimits,
    budgets: DailyBudgets,
    time_zone: TimeZone,
    limits: Limits,
    wechat_url: String,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRing(***)")
    }
}

impl Config {
    /// Reads variables that were looked up already, away from AWS.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Self::with_aws(variable, None)
    }

    /// The same with the settings of AWS, for the carriers that need them.
    fn with_aws(variable: impl Fn(&str) -> Option<String>, aws: Option<&Access>) -> Result<Self, ConfigError> {
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
        if let Some((kid, problem)) = ring.weak_key() {
            return Err(invalid(SIGNING_KEYS, format!("key {kid} {problem}")));
        }
        let decoded = |name| {
            let Some(key) = variable(name) else { return Ok(None) };
            let key = STANDARD.decode(key.trim()).map_err(|_| invalid(name, "is not base64".to_owned()))?;
            match weak_key::problem(&key) {
                Some(problem) => Err(invalid(name, problem.to_owned())),
                None => Ok(Some(key)),
            }
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
            key_source: None,
            issuer: Issuer {
                url,
                tenant_id: variable("TENANT_ID").unwrap_or_else(|| "1".to_owned()),
                tenant_name: variable("TENANT_NAME").unwrap_or(host),
            },
            hash,
            totp,
            messages: messages(variable, aws)?,
            send_limits: send_limits(variable)?,
            budgets: budgets(variable)?,
            time_zone: TimeZone::get(&zone).map_err(|error| invalid("TIME_ZONE", error.to_string()))?,
            limits: limits(variable)?,
            wechat_url: variable("WECHAT_URL").unwrap_or_else(|| WECHAT_URL.to_owned()),
        })
    }

    /// The same with other tables.
    #[must_use]
    pub fn with_tables(self, tables: TableNames) -> Self {
        Self { tables, ..self }
    }

    /// What requests are served with: the system's clock and randomness, and this client's tables.
    pub fn into_env(self, db: aws::Client, settings_max_age: Duration) -> Env {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let tokens = Tokens::new(self.ring, self.issuer);
        Env::new(Parts {
            store: Store::new(db, self.tables, self.hash, settings_max_age, Arc::clone(&entropy)),
            clock: Arc::new(SystemClock),
            entropy,
            passwords: PasswordHasher::new(),
            tokens: match self.key_source {
                Some((source, read_at)) => CurrentTokens::following(tokens, source, read_at),
                None => tokens.into(),
            },
            totp: self.totp,
            messages: self.messages,
            send_limits: self.send_limits,
            budgets: self.budgets,
            time_zone: self.time_zone,
            limits: self.limits,
            wechat_url: self.wechat_url,
        })
    }
}

fn messages(variable: impl Fn(&str) -> Option<String>, aws: Option<&Access>) -> Result<Messages, ConfigError> {
    let invalid = |name| move |problem| ConfigError::Invalid { name, problem };
    let mail = variable(MAIL).map(|json| MailConfig::parse(&json).map_err(invalid(MAIL))).transpose()?;
    let sms = variable(SMS).map(|json| SmsConfig::parse(&json).map_err(invalid(SMS))).transpose()?;
    let deadline = number(&variable, "DELIVERY_MILLISECONDS", 1..=10_000)?;
    let deadline = deadline.map_or(Messages::DEADLINE, Duration::from_millis);
    Messages::new(mail.as_ref(), sms.as_ref(), aws, deadline).map_err(invalid("MAIL or SMS"))
}

fn send_limits(variable: impl Fn(&str) -> Option<String>) -> Result<SendLimits, ConfigError> {
    let Some(rates) = variable("SEND_LIMITS") else { return Ok(SendLimits::default()) };
    SendLimits::parse(&rates).ok_or_else(|| ConfigError::Invalid {
        name: "SEND_LIMITS",
        problem: "must be like 1/60 5/3600 10/86400".to_owned(),
    })
}

/// What a day may cost in messages.
fn budgets(variable: impl Fn(&str) -> Option<String>) -> Result<DailyBudgets, ConfigError> {
    let default = DailyBudgets::default();
    let budget = |name| number(&variable, name, 0..=1_000_000_000);
    Ok(DailyBudgets {
        sms: budget("SMS_PER_DAY")?.unwrap_or(default.sms),
        mail: budget("MAILS_PER_DAY")?.unwrap_or(default.mail),
    })
}

/// The limits per client address: each has a variable of its own.
fn limits(variable: impl Fn(&str) -> Option<String>) -> Result<Limits, ConfigError> {
    let mut limits =
        Limits { exempt_loopback: variable("EXEMPT_LOOPBACK").as_deref() == Some("true"), ..Limits::default() };
    let counts = [
        ("QR_CODES_PER_IP_PER_MINUTE", &mut limits.qr_codes_per_ip_per_minute),
        ("SENDS_PER_IP_PER_HOUR", &mut limits.sends_per_ip_per_hour),
        ("PASSWORD_FAILURES_PER_IP_PER_HOUR", &mut limits.password_failures_per_ip_per_hour),
        ("VERIFICATION_FAILURES_PER_IP_PER_HOUR", &mut limits.verification_failures_per_ip_per_hour),
        ("CODE_FAILURES_PER_IP_PER_HOUR", &mut limits.code_failures_per_ip_per_hour),
        ("LICENCE_FAILURES_PER_IP_PER_MINUTE", &mut limits.licence_failures_per_ip_per_minute),
    ];
    for (name, limit) in counts {
        if let Some(number) = number(&variable, name, 1..=1_000_000)? {
            *limit = number;
        }
    }
    Ok(limits)
}

fn number(
    variable: impl Fn(&str) -> Option<String>,
    name: &'static str,
    range: std::ops::RangeInclusive<u64>,
) -> Result<Option<u64>, ConfigError> {
    let Some(text) = variable(name) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| range.contains(number));
    let problem = || format!("must be a whole number from {} to {}", range.start(), range.end());
    number.map(Some).ok_or_else(|| ConfigError::Invalid { name, problem: problem() })
}

/// What is written to the log, and how.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// The least level that is written.
    pub level: LevelFilter,
    /// The namespace of the metrics, if there are any.
    pub namespace: Option<String>,
    /// Where the lines have their time from.
    pub clock: Arc<dyn Clock>,
}

impl LogConfig {
    /// Reads variables.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let level = match variable("AWS_LAMBDA_LOG_LEVEL").as_deref() {
            Some("WARN") => LevelFilter::WARN,
            Some("ERROR" | "FATAL") => LevelFilter::ERROR,
            _ => LevelFilter::INFO,
        };
        let namespace = variable("METRICS_NAMESPACE").filter(|namespace| !namespace.is_empty());
        Self { level, namespace, clock: Arc::new(SystemClock) }
    }

    /// Reads this process's environment.
    #[expect(clippy::disallowed_methods, reason = "this is the module that reads the environment")]
    pub fn of_environment() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }
}

/// What a Lambda function is served with, read from its environment and its parameters. Without one of the `needed`
/// variables it does not start: a missing secret must not be found out by the first user whom it concerns.
pub async fn load(needed: &[&'static str]) -> Result<Env, ConfigError> {
    let variables: BTreeMap<_, _> = std::env::vars().collect();
    let aws = Access::of_function(|name| variables.get(name).cloned())?;
    let store = ParameterStore::new(aws.client(Service::SystemsManager));
    load_from(variables, &aws, store, needed).await
}

/// The same from variables and a parameter store that are at hand.
pub async fn load_from(
    mut variables: BTreeMap<String, String>,
    aws: &Access,
    store: ParameterStore,
    needed: &[&'static str],
) -> Result<Env, ConfigError> {
    let parameters: BTreeMap<_, _> = PARAMETERS
        .into_iter()
        .filter_map(|name| Some((variables.get(&format!("{name}_PARAMETER"))?.clone(), name)))
        .filter(|(parameter, _)| !parameter.is_empty())
        .collect();
    let read_at = SystemClock.now();
    if !parameters.is_empty() {
        let names: Vec<_> = parameters.keys().cloned().collect();
        let found = store.read(&names).await.map_err(|error| ConfigError::Parameters(error.to_string()))?;
        let is_missing = |parameter: &String| !found.iter().any(|it| it.name == *parameter);
        let needed = parameters.iter().filter(|(_, variable)| !OPTIONAL_PARAMETERS.contains(variable));
        if let Some(missing) = needed.map(|(parameter, _)| parameter).find(|parameter| is_missing(parameter)) {
            return Err(ConfigError::Parameters(format!("{missing} does not exist")));
        }
        for parameter in found {
            if let Some(variable) = parameters.get(&parameter.name) {
                variables.insert((*variable).to_owned(), parameter.value);
            }
        }
    }
    if let Some(missing) = needed.iter().find(|name| variables.get(**name).is_none_or(String::is_empty)) {
        return Err(ConfigError::Missing(missing));
    }
    let mut config = Config::with_aws(|name| variables.get(name).cloned(), Some(aws))?;
    // As `with_aws` does, a function that has both takes the keys that sign.
    let holder = |variable| parameters.iter().find(|(_, it)| **it == variable).map(|(parameter, _)| parameter.clone());
    let signs = variables.get(SIGNING_KEYS).is_some_and(|keys| !keys.is_empty());
    config.key_source = holder(if signs { SIGNING_KEYS } else { VERIFICATION_KEYS })
        .map(|parameter| (KeySource { store, parameter, signs }, read_at));
    let endpoint = variables.get("TESSERA_DYNAMODB_ENDPOINT").map(String::as_str);
    let db = aws.clone().with_endpoint(endpoint).client(Service::DynamoDb);
    Ok(config.into_env(db, SETTINGS_MAX_AGE))
}

/// The tables' variables, for whoever sets a function's environment.
pub fn table_variables() -> impl Iterator<Item = &'static str> {
    Table::ALL.into_iter().map(Table::variable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::SigningKeySet;

    /// What a function is told, with one of its values replaced.
    fn start(name: &str, value: Option<String>) -> Result<Config, ConfigError> {
        let entropy: &dyn Entropy = &SystemEntropy;
        let key = || STANDARD.encode(entropy.bytes::<32>());
        let signing = serde_json::to_string(&SigningKeySet::generate(entropy).unwrap()).unwrap();
        let mut variables: BTreeMap<&str, String> = BTreeMap::from([
            (PUBLIC_URL, "https://id.example.com/".to_owned()),
            (SIGNING_KEYS, signing),
            (HASH_KEY, key()),
            (TOTP_KEY, key()),
            (Table::Codes.variable(), "codes".to_owned()),
        ]);
        match value {
            Some(value) => variables.insert(name, value),
            None => variables.remove(name),
        };
        Config::from_variables(|name| variables.get(name).cloned())
    }

    #[test]
    fn op_08_no_function_starts_without_its_secrets_or_with_weak_ones() {
        start("", None).unwrap();
        for missing in [PUBLIC_URL, SIGNING_KEYS] {
            assert!(start(missing, None).is_err(), "{missing}");
            assert!(start(missing, Some(String::new())).is_err(), "{missing}");
        }
        let weak = [
            "changeme".to_owned(),
            STANDARD.encode("changeme"),
            STANDARD.encode([0; 32]),
            STANDARD.encode([7; 31]),
            STANDARD.encode("a key of the tests, never of a deployment"),
            STANDARD.encode("0123456789abcdef0123456789abcdef"),
        ];
        for value in weak {
            for name in [HASH_KEY, TOTP_KEY] {
                let error = start(name, Some(value.clone())).unwrap_err().to_string();
                assert!(error.starts_with(name) && !error.contains(&value), "{error}");
            }
            let shared = serde_json::json!({"active": "k", "keys": [{"alg": "HS256", "kid": "k", "secret": value}]});
            assert!(start(SIGNING_KEYS, Some(shared.to_string())).is_err(), "{value}");
        }
        let printed = serde_json::json!({"keys": [{
            "kty": "EC", "kid": "k", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        }]});
        let ring = KeyRing::verifying(&printed.to_string()).unwrap();
        assert_eq!(ring.weak_key(), Some(("k", "is printed in a document")));
        for url in ["id.example.com", "https://id.example.com", "https:///", "ftp://id.example.com/"] {
            assert!(start(PUBLIC_URL, Some(url.to_owned())).is_err(), "{url}");
        }
    }
}
