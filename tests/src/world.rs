//! A deployment of its own for each test: engine, clock, keys, two apps.

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;
use shared::{
    app::{AppCard, AppId, AppKey, AppRecord, AppStatus},
    clock::Clock,
    entropy::{Entropy, SystemEntropy},
    env::{Env, Parts},
    hash_key::KeyedHash,
    http::{Routes, Service, app},
    jwt::{Issuer, KeyRing, SigningKeySet, Tokens},
    password::PasswordHasher,
    secret::AppSecret,
    settings::{Language, Preset, Settings},
    storage::{NewApp, Store, Table, TableNames},
};

use crate::{
    client::Client,
    engine::Engine,
    inputs::{FixedClock, SeededEntropy},
};

/// The stack whose tables the tests use.
pub const STACK: &str = "test";
/// The public URL of the deployment under test.
pub const URL: &str = "https://id.test/";
/// The time at which every test begins.
pub const START: &str = "2026-03-01T04:00:00Z";

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
    /// Its clock.
    pub clock: Arc<FixedClock>,
    /// Its signing keys.
    pub keys: SigningKeySet,
    /// An app as the public documents of the modelled systems describe it.
    pub documented: AppHandle,
    /// An app with the settings for everything new.
    pub strict: AppHandle,
}

/// All endpoints of all groups.
pub fn routes() -> Routes {
    [accounts::routes(), oauth::routes(), points::routes(), profile::routes(), directory::routes()]
        .into_iter()
        .fold(Routes::new(), Routes::merge)
}

impl World {
    /// A fresh deployment.
    pub async fn new() -> Self {
        Self::with_routes(routes()).await
    }

    /// A fresh deployment of some endpoints only.
    pub async fn with_routes(routes: Routes) -> Self {
        let engine = Engine::new();
        let template = infra::Template::bundled().expect("the template can be read");
        infra::create_tables(&engine.client(), &template, STACK).await.expect("tables can be created");
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
        let clock = Arc::new(FixedClock::at(START));
        let hash = KeyedHash::new(b"a key of the tests, never of a deployment").expect("a key");
        let tables = TableNames::of_stack(STACK);
        let store = Store::new(engine.client(), tables, Some(hash), Duration::ZERO, Arc::clone(&entropy));
        let keys = SigningKeySet::generate(&SystemEntropy).expect("a key can be made");
        let ring = KeyRing::signing(&serde_json::to_string(&keys).expect("keys serialise")).expect("keys");
        let issuer = Issuer { url: URL.to_owned(), tenant_id: "1".to_owned(), tenant_name: "id.test".to_owned() };
        let env = Env::new(Parts {
            store,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            entropy,
            passwords: PasswordHasher::new(),
            tokens: Tokens::new(ring, issuer),
            time_zone: jiff::tz::TimeZone::get("Asia/Shanghai").expect("a zone"),
        });
        let documented = create_app(&env, 2, "Demo", Preset::Documented).await;
        let strict = create_app(&env, 3, "Strict", Preset::Strict).await;
        engine.take_calls();
        Self { service: app(routes, env.clone()), env, engine, clock, keys, documented, strict }
    }

    /// Somebody who calls the service, from an address of their own.
    pub fn client(&self) -> Client {
        Client::new(self.service.clone())
    }

    /// Changes an app as its operator would.
    pub async fn change_app(&self, app: &AppHandle, change: impl FnOnce(&mut AppRecord)) {
        let mut record = self.env.store.load_app(app.record.app_id).await.expect("a store").expect("an app");
        change(&mut record);
        record.check().expect("a valid change");
        self.env.store.save_app(&record).await.expect("a store");
    }

    /// Lets time pass.
    pub fn wait(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// The rows of a table.
    pub async fn rows(&self, table: Table) -> Vec<serde_json::Value> {
        self.engine.dump(&format!("{STACK}-{table:?}")).await
    }

    /// The rows of all tables: two equal snapshots mean that nothing was changed in between.
    pub async fn snapshot(&self) -> Vec<serde_json::Value> {
        let mut rows = Vec::new();
        for table in Table::ALL {
            rows.extend(self.rows(table).await);
        }
        rows
    }
}

async fn create_app(env: &Env, number: u32, name: &str, preset: Preset) -> AppHandle {
    let secret = AppSecret::generate(env.entropy.as_ref());
    let settings = Settings::preset(preset);
    let record = AppRecord {
        app_id: AppId::new(number).expect("a number"),
        app_key: AppKey::generate(env.entropy.as_ref()),
        secret_hash: secret.hash(),
        status: AppStatus::Active,
        card: AppCard { name: name.to_owned(), ..AppCard::default() },
        redirect_uris: Vec::new(),
        cors_origins: Vec::new(),
        roles: [(settings.default_role.clone(), Vec::new())].into(),
        language: Language::default(),
        settings,
    };
    assert_eq!(env.store.create_app(&record).await.expect("a store"), NewApp::Created);
    AppHandle { record, secret }
}
