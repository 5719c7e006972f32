//! A deployment of its own for each test: engine, clock, keys, two apps.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use jiff::SignedDuration;
use shared::{
    app::{AppId, AppKey, AppRecord},
    bitkey::{Bitkey, BitkeyRecord, BitkeyScope},
    clock::Clock,
    codes::{DailyBudgets, SendLimits},
    config::SETTINGS_MAX_AGE,
    entropy::{Entropy, SystemEntropy},
    env::{Env, Parts},
    hash_key::KeyedHash,
    http::{Routes, Service, app},
    jwt::{Issuer, KeyRing, SigningKeySet, Tokens},
    limits::Limits,
    messages::{MailConfig, Messages, Sent, SmsConfig},
    password::PasswordHasher,
    secret::AppSecret,
    settings::Preset,
    storage::{NewApp, NewBitkey, SavedApp, Store, Table, TableNames},
    two_factor::TotpKey,
};

use crate::{
    canary::Watch,
    checkpoint::Checkpoint,
    client::Client,
    engine::Engine,
    inputs::{FixedClock, SeededEntropy},
    invariants,
};

/// The public URL of the deployment under test.
pub const URL: &str = "https://id.test/";
/// The time at which every test begins.
pub const START: &str = "2026-03-01T04:00:00Z";

/// An address where nothing answers.
const NOWHERE: &str = "http://127.0.0.1:9";

/// An app as its operator knows it.
#[derive(Clone, Debug)]
pub struct AppHandle {
    /// The stored record, as it was created.
    pub record: AppRecord,
    /// The app's secret.
    pub secret: AppSecret,
}

impl AppHandle {
    /// The app's number.
    pub fn id(&self) -> u32 {
        self.record.app_id.get()
    }
}

/// Everything that one test needs.
#[derive(Clone)]
pub struct World {
    /// The service under test.
    pub service: Service,
    /// Its surroundings.
    pub env: Env,
    /// Its DynamoDB.
    pub engine: Engine,
    stack: String,
    /// Its clock.
    pub clock: Arc<FixedClock>,
    /// Its randomness.
    pub entropy: Arc<SeededEntropy>,
    /// Its signing keys.
    pub keys: SigningKeySet,
    /// An app as the public documents of the modelled systems describe it.
    pub documented: AppHandle,
    /// An app with the settings for everything new.
    pub strict: AppHandle,
    /// What must not be found anywhere when the test is over.
    pub watch: Arc<Watch>,
    _last_look: Arc<LastLook>,
}

/// Looks at the tables when the test is over.
struct LastLook {
    engine: Engine,
    stack: String,
    clock: Arc<FixedClock>,
}

impl Drop for LastLook {
    fn drop(&mut self) {
        if std::thread::panicking() || !self.engine.is_untouched() {
            return;
        }
        if let Some(tables) = Checkpoint::of_embedded(&self.engine, &self.stack, self.clock.now()) {
            let found = invariants::violations(&tables);
            assert!(found.is_empty(), "{}", found.join("\n"));
        }
    }
}

/// The groups of endpoints, by the name of their function's binary.
pub fn groups() -> &'static [(&'static str, Routes)] {
    static GROUPS: OnceLock<Vec<(&str, Routes)>> = OnceLock::new();
    GROUPS.get_or_init(all_groups)
}

fn all_groups() -> Vec<(&'static str, Routes)> {
    vec![
        ("accounts", accounts::routes()),
        ("codes", codes::routes()),
        ("external-accounts", external_accounts::routes()),
        ("licences", licences::routes()),
        ("oauth", oauth::routes()),
        ("points", points::routes()),
        ("profile", profile::routes()),
        ("qr-sign-in", qr_sign_in::routes()),
        ("wechat", wechat::routes()),
        // Last: it answers for what the others do not have.
        ("directory", directory::routes()),
    ]
}

/// All endpoints of all groups, anew: what a group keeps in memory is no other world's.
pub fn routes() -> Routes {
    all_groups().into_iter().map(|(_, routes)| routes).fold(Routes::new(), Routes::merge)
}

/// A path with this app in it, and some value for every other parameter.
pub fn filled(path: &str, app_id: &str, app_key: &str) -> String {
    let segments = path.split('/').map(|segment| match segment {
        "{appId}" => app_id,
        "{appKey}" => app_key,
        parameter if parameter.starts_with('{') => "1",
        literal => literal,
    });
    segments.collect::<Vec<_>>().join("/")
}

impl World {
    /// A fresh deployment.
    pub async fn new() -> Self {
        Self::with_routes(routes()).await
    }

    /// A fresh deployment of some endpoints only.
    pub async fn with_routes(routes: Routes) -> Self {
        Self::build(routes, outbox(), NOWHERE, Duration::ZERO).await
    }

    /// A fresh deployment that sends its messages this way.
    pub async fn with_messages(messages: Messages) -> Self {
        Self::build(routes(), messages, NOWHERE, Duration::ZERO).await
    }

    /// A fresh deployment that finds WeChat at this address.
    pub async fn with_wechat(url: &str) -> Self {
        Self::build(routes(), outbox(), url, Duration::ZERO).await
    }

    /// A fresh deployment whose instance keeps the settings of apps for a while, as those on Lambda do.
    pub async fn with_cached_settings() -> Self {
        Self::build(routes(), outbox(), NOWHERE, SETTINGS_MAX_AGE).await
    }

    async fn build(routes: Routes, messages: Messages, wechat_url: &str, settings_max_age: Duration) -> Self {
        let engine = Engine::new();
        let system: &dyn Entropy = &SystemEntropy;
        // On an engine of its own a test needs no name of its own, and a fixed one reads better.
        let stack = if engine.is_shared() { format!("test{}", system.hex::<8>()) } else { "test".to_owned() };
        let template = infra::Template::bundled().expect("the template can be read");
        infra::create_tables(&engine.service_client(), &template, &stack).await.expect("tables can be created");
        let seeded = Arc::new(SeededEntropy::new(1));
        let entropy: Arc<dyn Entropy> = Arc::clone(&seeded) as Arc<dyn Entropy>;
        let clock = Arc::new(FixedClock::at(START));
        let hash = KeyedHash::new(b"a key of the tests, never of a deployment").expect("a key");
        let tables = TableNames::of_stack(&stack);
        let store = Store::new(engine.service_client(), tables, Some(hash), settings_max_age, Arc::clone(&entropy));
        let keys = SigningKeySet::generate(&SystemEntropy).expect("a key can be made");
        let ring = KeyRing::signing(&serde_json::to_string(&keys).expect("keys serialise")).expect("keys");
        let names = Table::ALL.iter().map(|table| (*table, format!("{stack}-{table:?}"))).collect();
        let watch = Watch::new(engine.clone(), names, messages.clone());
        let env = Env::new(Parts {
            store,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            entropy,
            passwords: PasswordHasher::new(),
            tokens: Tokens::new(ring, issuer()).into(),
            totp: Some(totp_key()),
            messages,
            send_limits: SendLimits::default(),
            budgets: DailyBudgets::default(),
            time_zone: jiff::tz::TimeZone::get("Asia/Shanghai").expect("a zone"),
            limits: Limits::default(),
            wechat_url: wechat_url.to_owned(),
        });
        let documented = create_app(&env, 2, "Demo", Preset::Documented).await;
        let strict = create_app(&env, 3, "Strict", Preset::Strict).await;
        for app in [&documented, &strict] {
            watch.guard(app.secret.expose());
        }
        engine.take_calls();
        let last_look = LastLook { engine: engine.clone(), stack: stack.clone(), clock: Arc::clone(&clock) };
        Self {
            _last_look: Arc::new(last_look),
            service: app(routes, env.clone()),
            env,
            engine,
            stack,
            clock,
            entropy: seeded,
            keys,
            documented,
            strict,
            watch,
        }
    }

    /// Somebody who calls another instance of all functions over the same data, changed in some of its parts.
    pub fn instance(&self, change: impl FnOnce(&mut Parts)) -> Client {
        let mut parts = Parts {
            store: self.env.store.clone(),
            clock: Arc::clone(&self.env.clock),
            entropy: Arc::clone(&self.env.entropy),
            passwords: PasswordHasher::new(),
            tokens: Tokens::new(KeyRing::of_signing(&self.keys).expect("keys"), issuer()).into(),
            totp: Some(totp_key()),
            messages: self.env.messages.clone(),
            send_limits: self.env.send_limits.clone(),
            budgets: self.env.budgets,
            time_zone: self.env.time_zone.clone(),
            limits: self.env.limits,
            wechat_url: self.env.wechat_url.clone(),
        };
        change(&mut parts);
        Client::new(app(routes(), Env::new(parts)), Arc::clone(&self.watch))
    }

    /// Somebody who calls the service, from an address of their own.
    pub fn client(&self) -> Client {
        Client::new(self.service.clone(), Arc::clone(&self.watch))
    }

    /// The messages to an address, oldest first.
    pub fn messages_to(&self, address: &str) -> Vec<Sent> {
        self.env.messages.outbox().expect("an outbox").read(Some(address))
    }

    /// The code in the latest message to an address.
    #[track_caller]
    pub fn code_for(&self, address: &str) -> String {
        self.messages_to(address).pop().and_then(|message| message.code).expect("a message with a code")
    }

    /// Changes an app as its operator would.
    pub async fn change_app(&self, app: &AppHandle, change: impl FnOnce(&mut AppRecord)) {
        let mut record = self.env.store.load_app(app.record.app_id).await.expect("a store").expect("an app");
        change(&mut record);
        record.check().expect("a valid change");
        assert_eq!(self.env.store.save_app(&record).await.expect("a store"), SavedApp::Saved);
    }

    /// A new key to the licence codes of an app.
    pub async fn issue_bitkey(&self, app: &AppHandle, scope: BitkeyScope) -> Bitkey {
        let bitkey = Bitkey::generate(self.env.entropy.as_ref());
        let (id, app_id) = (bitkey.id().clone(), app.record.app_id);
        let record = BitkeyRecord { id, app_id, hash: bitkey.hash(), scope, created_at: 0 };
        let created = self.env.store.app(app_id).create_bitkey(&record).await.expect("a store");
        assert_eq!(created, NewBitkey::Created);
        bitkey
    }

    /// Sets an attribute of a user's item, as an operator would, or somebody who got at the table.
    pub async fn set_user(&self, app: &AppHandle, user_name: &str, attribute: &str, value: serde_json::Value) {
        let table = self.table(Table::Users);
        let prefix = format!("{}#user#", app.id());
        let mut rows = self.rows(Table::Users).await.into_iter();
        let mut row = rows
            .find(|row| {
                row["userName"]["S"] == user_name && row["pk"]["S"].as_str().is_some_and(|pk| pk.starts_with(&prefix))
            })
            .expect("a user of this name");
        row[attribute] = value;
        self.engine.put(&table, &row).await;
    }

    /// Lets time pass.
    pub fn wait(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// The name of a table.
    pub fn table(&self, table: Table) -> String {
        table_of(&self.stack, table)
    }

    /// The rows of a table.
    pub async fn rows(&self, table: Table) -> Vec<serde_json::Value> {
        self.engine.dump(&self.table(table)).await
    }

    /// The rows of all tables but what clients' addresses have used of their budgets: two equal snapshots mean that
    /// nothing was changed in between.
    pub async fn snapshot(&self) -> Vec<serde_json::Value> {
        let mut rows = Vec::new();
        for table in Table::ALL {
            rows.extend(self.rows(table).await);
        }
        rows.retain(|row| !row["pk"]["S"].as_str().is_some_and(is_ip_budget));
        rows
    }
}

/// What the deployment under test writes into its tokens.
pub fn issuer() -> Issuer {
    Issuer { url: URL.to_owned(), tenant_id: "1".to_owned(), tenant_name: "id.test".to_owned() }
}

fn totp_key() -> TotpKey {
    TotpKey::new(b"a TOTP key of the tests: 32 byte").expect("a key")
}

/// Whether the partition is of a client address, of one app or over all.
fn is_ip_budget(partition: &str) -> bool {
    partition.split('#').take(2).any(|part| part == "ip")
}

/// The name of a stack's table.
pub(crate) fn table_of(stack: &str, table: Table) -> String {
    format!("{stack}-{table:?}")
}

/// Messages are kept to be read.
fn outbox() -> Messages {
    Messages::new(Some(&MailConfig::Outbox), Some(&SmsConfig::Outbox), None, Duration::ZERO).expect("an outbox")
}

async fn create_app(env: &Env, number: u32, name: &str, preset: Preset) -> AppHandle {
    let secret = AppSecret::generate(env.entropy.as_ref());
    let app_id = AppId::new(number).expect("a number");
    let key = AppKey::generate(env.entropy.as_ref());
    let record = AppRecord::new(app_id, key, &secret, name.to_owned(), preset);
    assert_eq!(env.store.create_app(&record).await.expect("a store"), NewApp::Created);
    AppHandle { record, secret }
}
