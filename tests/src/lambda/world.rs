//! What the functions find around them: tables with the demo app in them, keys, and a carrier of messages.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use dynoxide::Database;
use infra::{Function, Template, Value as Setting};
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::{
    app::{AppId, AppKey, AppRecord},
    aws::{Access, Client, Service},
    bitkey::{Bitkey, BitkeyRecord, BitkeyScope},
    entropy::{Entropy, SystemEntropy},
    jwt::{KeyRing, SigningKeySet},
    licence::Sn,
    secret::AppSecret,
    settings::Preset,
    storage::{NewLicence, Store, TableNames},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::method};

const STACK: &str = "lambda";
/// The demo app's other name.
pub const APP_KEY: &str = "0c1d2e3f-0000-4000-8000-000000000002";
/// A licence code of the demo app.
pub const SN: &str = "DEMO-0000-0001";

/// A deployment of its own for each test.
pub struct World {
    /// The id of the key that signs.
    pub key_id: String,
    /// A key for the demo app's licence codes.
    pub bitkey: String,
    database: Database,
    wire: Wire,
    carrier: MockServer,
    secrets: BTreeMap<&'static str, String>,
}

impl World {
    /// A new deployment on this machine alone.
    pub async fn start() -> Self {
        Self::start_at(IpAddr::from(Ipv4Addr::LOCALHOST)).await
    }

    /// One whose tables are at this address of the machine.
    pub async fn start_at(address: IpAddr) -> Self {
        let database = Database::memory().expect("an engine in memory");
        let wire = Wire::to(serve(database.clone()).await, address).await;
        let client = Access::local(&wire.endpoint).client(Service::DynamoDb);
        let template = Template::bundled().expect("the template is readable");
        infra::create_tables(&client, &template, STACK).await.expect("the tables can be created");
        let bitkey = fill(client).await;

        let carrier = MockServer::start().await;
        Mock::given(method("POST")).respond_with(ResponseTemplate::new(204)).mount(&carrier).await;
        let webhook = format!(
            r#"{{"carrier":"webhook","url":"{}/","secret":"a secret of the tests, 32 characters"}}"#,
            carrier.uri()
        );
        let entropy: &dyn Entropy = &SystemEntropy;
        let keys = SigningKeySet::generate(entropy).expect("a key can be made");
        let signing = serde_json::to_string(&keys).expect("keys are JSON");
        let verifying = KeyRing::signing(&signing).expect("the keys are good").verification_keys();
        let secrets = [
            ("SIGNING_KEYS", signing),
            ("VERIFICATION_KEYS", verifying),
            ("HASH_KEY", STANDARD.encode(entropy.bytes::<32>())),
            ("TOTP_KEY", STANDARD.encode(entropy.bytes::<32>())),
            ("PUBLIC_URL", "https://id.example.com/".to_owned()),
            ("MAIL", webhook.clone()),
            ("SMS", webhook),
        ];
        Self { key_id: keys.active, bitkey: bitkey.expose(), database, wire, carrier, secrets: secrets.into() }
    }

    /// The environment that the template gives a function, with the values themselves where a deployment has the
    /// names of parameters.
    pub fn environment_of(&self, template: &Template, function: &Function) -> BTreeMap<String, String> {
        let mut environment: BTreeMap<String, String> = [
            ("TESSERA_DYNAMODB_ENDPOINT", self.wire.endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_SESSION_TOKEN", "local"),
            ("AWS_REGION", "local"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_LAMBDA_LOG_LEVEL", "INFO"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        for (name, setting) in &function.environment {
            let (name, value) = match name.strip_suffix("_PARAMETER") {
                Some(secret) => (secret, self.secrets[secret].clone()),
                None => (name.as_str(), value(template, setting)),
            };
            environment.insert(name.to_owned(), value);
        }
        environment
    }

    /// The messages that the carrier took, oldest first.
    pub async fn messages(&self) -> Vec<Value> {
        let requests = self.carrier.received_requests().await.unwrap_or_default();
        requests.iter().map(|request| request.body_json().expect("a message is JSON")).collect()
    }

    /// Ends every connection to the tables. New ones are taken.
    pub fn cut_connections(&self) -> usize {
        self.wire.cut()
    }

    /// The tables lose one of them.
    pub fn lose_table(&self, suffix: &str) {
        let name = format!("{STACK}-{suffix}");
        let unprotected = json!({ "TableName": name, "DeletionProtectionEnabled": false });
        let unprotected = serde_json::from_value(unprotected).expect("an input");
        self.database.update_table(unprotected).expect("the protection can be taken off");
        let deleted = serde_json::from_value(json!({ "TableName": name })).expect("an input");
        self.database.delete_table(deleted).expect("the table can be deleted");
    }
}

/// What the template says about a variable, in the deployment of the tests.
fn value(template: &Template, setting: &Setting) -> String {
    match setting {
        Setting::Literal(text) => text.clone(),
        Setting::Reference(id) => match template.tables().iter().find(|table| table.logical_id == *id) {
            Some(table) => table.name_in(STACK),
            None => template.parameter_default(id).expect("a parameter with a default").to_owned(),
        },
        Setting::Pattern(pattern) => pattern.replace("${AWS::StackName}", STACK),
        other @ Setting::Attribute { .. } => panic!("{other} has no value outside a deployment"),
    }
}

/// Stores the demo app, with a licence code and a key for it.
async fn fill(client: Client) -> Bitkey {
    let store = Store::new(client, TableNames::of_stack(STACK), None, Duration::ZERO, Arc::new(SystemEntropy));
    let secret = AppSecret::from_bytes([7; 32]);
    let (id, key) = (AppId::new(2).expect("a number"), AppKey::parse(APP_KEY).expect("a GUID"));
    let mut app = AppRecord::new(id, key, &secret, "Demo".to_owned(), Preset::Documented);
    app.cors_origins = vec!["https://shop.example".to_owned()];
    store.create_app(&app).await.expect("the app can be stored");

    let bitkey = Bitkey::generate(&SystemEntropy);
    let record = BitkeyRecord {
        id: bitkey.id().clone(),
        app_id: id,
        hash: bitkey.hash(),
        scope: BitkeyScope::Full,
        created_at: 0,
    };
    store.app(id).create_bitkey(&record).await.expect("the key can be stored");
    let sn = Sn::parse(SN).expect("a licence code");
    let created = store.app(id).create_licence(&sn, Some(1), Timestamp::UNIX_EPOCH).await;
    assert_eq!(created.expect("the licence can be stored"), NewLicence::Created);
    bitkey
}

#[expect(clippy::disallowed_methods, reason = "the engine serves until the test ends")]
async fn serve(engine: Database) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound port");
    tokio::spawn(dynoxide::server::serve_on(listener, engine));
    address.to_string()
}

/// A line to the engine that can be cut.
struct Wire {
    endpoint: String,
    cuts: watch::Sender<()>,
    open: Arc<AtomicUsize>,
}

impl Wire {
    #[expect(clippy::disallowed_methods, reason = "the line is there until the test ends")]
    async fn to(engine: String, address: IpAddr) -> Self {
        let listener = TcpListener::bind((address, 0)).await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("a bound port"));
        let (cuts, cut) = watch::channel(());
        let open = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&open);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (engine, mut cut, counter) = (engine.clone(), cut.clone(), Arc::clone(&counter));
                cut.mark_unchanged();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(engine).await.expect("the engine listens");
                    counter.fetch_add(1, Ordering::Relaxed);
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.changed() => {}
                    }
                    counter.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Self { endpoint, cuts, open }
    }

    fn cut(&self) -> usize {
        let open = self.open.load(Ordering::Relaxed);
        self.cuts.send_replace(());
        open
    }
}
