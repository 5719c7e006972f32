//! The built bootstraps, run as Lambda runs them: started by the runtime interface emulator, called with the events of
//! an HTTP API, storing in an embedded engine behind the DynamoDB API.
//!
//! `cargo test` builds no bootstraps, so these tests are told where they are, and are skipped aloud otherwise:
//!
//! | variable | meaning |
//! |---|---|
//! | `TESSERA_LAMBDA_DIR` | folder with `<function>/bootstrap`, built for this machine |
//! | `TESSERA_RIE` | the emulator; the package `aws-sam-cli` brings it |
//! | `TESSERA_LAMBDA_REQUIRED` | with `CI`: being skipped is a failure |

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use infra::{Function, Template, Value as Setting};
use serde_json::{Value, json};

use world::World;

/// The password in the events; it must never show up in a log.
const PASSWORD: &str = "correct horse battery";

#[tokio::test]
async fn a_user_signs_up_signs_in_and_changes_the_profile() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let accounts = Lambda::start(&setup, &world, "accounts").await;
    let profile = Lambda::start(&setup, &world, "profile").await;

    let signed_up = accounts.invoke(&event("sign-up")).await.data();
    assert_eq!(signed_up["token_type"], "Bearer");
    let token = accounts.invoke(&event("sign-in")).await.data()["access_token"].clone();
    let token = token.as_str().expect("a token");

    assert_eq!(profile.invoke(&event_of("get-profile", token)).await.data()["nickName"], "爱丽丝");
    assert_eq!(profile.invoke(&event_of("put-profile", token)).await.data(), true);
    assert_eq!(profile.invoke(&event_of("get-profile", token)).await.data()["nickName"], "小爱 🦊");

    let refused = profile.invoke(&event("get-profile")).await;
    assert_eq!((refused.status, refused.reason()), (401, "invalid_token".into()));
    assert_eq!(refused.header("www-authenticate"), "Bearer");

    for log in [accounts.log(), profile.log()] {
        assert!(!log.contains(PASSWORD) && !log.contains(token), "{log}");
    }
}

#[tokio::test]
async fn an_event_that_is_delivered_twice_signs_up_once() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let accounts = Lambda::start(&setup, &world, "accounts").await;

    accounts.invoke(&event("sign-up")).await.data();
    let again = accounts.invoke(&event("sign-up")).await;
    assert_eq!((again.status, again.reason()), (200, "account_exists".into()));
}

#[tokio::test]
async fn a_body_that_the_gateway_encoded_is_decoded() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let accounts = Lambda::start(&setup, &world, "accounts").await;

    let token = accounts.invoke(&event("sign-up-base64")).await.data()["access_token"].clone();
    assert_eq!(claims(&token)["unique_name"], "bob");
}

#[tokio::test]
async fn the_public_key_of_the_tokens_is_published() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let directory = Lambda::start(&setup, &world, "directory").await;

    let keys = directory.invoke(&event("jwks")).await;
    assert_eq!((keys.status, keys.header("cache-control")), (200, "public, max-age=300".into()));
    assert_eq!(keys.body["keys"][0]["kid"], world.key_id);
    assert_eq!(keys.body["keys"][0].get("d"), None);
}

#[tokio::test]
async fn path_parameters_are_decoded_exactly_once() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let directory = Lambda::start(&setup, &world, "directory").await;

    for name in ["app-info", "app-info-encoded-digit"] {
        assert_eq!(directory.invoke(&event(name)).await.data()["info"]["name"], "Demo", "{name}");
    }
    // The gateway decodes the raw path twice and cuts it at a question mark: read from there, the first three of these
    // would be app 2, another route, and no route.
    for what in ["twice", "slash", "question-mark", "hash", "space", "emoji"] {
        let answer = directory.invoke(&event(&format!("app-info-encoded-{what}"))).await;
        assert_eq!((answer.status, answer.reason()), (200, "app_not_found".into()), "{what}");
    }
}

#[tokio::test]
async fn whatever_no_route_takes_is_answered_in_an_envelope() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let directory = Lambda::start(&setup, &world, "directory").await;

    for (name, status, reason) in [
        ("unknown-route", 404, "route_not_found"),
        ("unknown-route-emoji", 404, "route_not_found"),
        ("wrong-method", 405, "method_not_allowed"),
    ] {
        let answer = directory.invoke(&event(name)).await;
        assert_eq!((answer.status, answer.reason()), (status, reason.into()), "{name}");
    }

    let preflight = directory.invoke(&event("preflight")).await;
    assert_eq!((preflight.status, &preflight.body), (204, &Value::Null));
    assert_eq!(preflight.header("access-control-allow-origin"), "https://shop.example");
}

#[tokio::test]
async fn a_function_without_a_secret_of_its_own_says_so_and_ends() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let template = Template::bundled().expect("the template is readable");

    for function in template.functions() {
        // A deployment that sends no messages yet works otherwise.
        let needed = |name: &&str| !["MAIL", "SMS"].contains(name);
        let secrets = function.environment.keys().filter_map(|name| name.strip_suffix("_PARAMETER"));
        for missing in secrets.filter(needed) {
            let mut environment = world.environment_of(&template, function);
            environment.remove(missing);
            let ended = Command::new(setup.bootstrap(&function.binary))
                .env_clear()
                .envs(&environment)
                .output()
                .expect("the bootstrap can be started");
            let log = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
            assert!(!ended.status.success() && log.contains(missing), "{} without {missing}: {log}", function.binary);
        }
    }
}

/// Where the bootstraps and the emulator are.
struct Setup {
    bootstraps: PathBuf,
    emulator: PathBuf,
}

impl Setup {
    #[expect(clippy::disallowed_methods, reason = "these tests are told by whoever built the bootstraps")]
    fn find() -> Option<Self> {
        let path = |name| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        if let (Some(bootstraps), Some(emulator)) = (path("TESSERA_LAMBDA_DIR"), path("TESSERA_RIE")) {
            return Some(Self { bootstraps, emulator });
        }
        let message = "SKIPPED: a test under the Lambda runtime API: TESSERA_LAMBDA_DIR or TESSERA_RIE is not set";
        assert!(path("CI").is_none() || path("TESSERA_LAMBDA_REQUIRED").is_none(), "{message}");
        // Past the test runner, which would swallow what a passing test prints.
        writeln!(std::io::stderr(), "{message}").expect("standard error is open");
        None
    }

    fn bootstrap(&self, function: &str) -> PathBuf {
        self.bootstraps.join(function).join("bootstrap")
    }
}

/// A function under its emulator, which ends with this value.
struct Lambda {
    emulator: Child,
    url: String,
    log: PathBuf,
}

impl Lambda {
    async fn start(setup: &Setup, world: &World, name: &str) -> Self {
        let template = Template::bundled().expect("the template is readable");
        let function = template.functions().iter().find(|it| it.binary == name).expect("the template has the function");
        let [http, runtime_api] = free_addresses();
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lambda-{name}-{http}.log").replace(':', "-"));
        let output = File::create(&log).expect("the log can be written");

        let emulator = Command::new(&setup.emulator)
            .args(["--runtime-interface-emulator-address", &http, "--runtime-api-address", &runtime_api])
            .arg(setup.bootstrap(name))
            .env_clear()
            .envs(world.environment_of(&template, function))
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("the log can be shared"))
            .stderr(output)
            .spawn()
            .expect("the emulator can be started");
        // The path is the same for every function: an emulator has only one.
        let url = format!("http://{http}/2015-03-31/functions/function/invocations");
        let lambda = Self { emulator, url, log };
        for _ in 0..500 {
            if tokio::net::TcpStream::connect(&http).await.is_ok() {
                return lambda;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the emulator does not listen on {http}");
    }

    async fn invoke(&self, event: &Value) -> Answer {
        let answer = reqwest::Client::new().post(&self.url).json(event).send().await.expect("the emulator answers");
        Answer::read(&answer.json().await.expect("the function answers"))
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("the log can be read")
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        // A politely ended emulator ends its function too.
        let _ = Command::new("kill").arg(self.emulator.id().to_string()).status();
        let _ = self.emulator.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// What the gateway would make a response of.
#[derive(Debug)]
struct Answer {
    status: u64,
    headers: BTreeMap<String, String>,
    body: Value,
}

impl Answer {
    fn read(answer: &Value) -> Self {
        let status = answer["statusCode"].as_u64().unwrap_or_else(|| panic!("no answer for a gateway: {answer}"));
        let texts = |headers: &Value| -> Vec<(String, String)> {
            let headers = headers.as_object().into_iter().flatten();
            headers.map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap_or_default().to_owned())).collect()
        };
        let body = match answer["body"].as_str() {
            None | Some("") => Value::Null,
            Some(text) => serde_json::from_str(text).unwrap_or_else(|_| panic!("a body that is no JSON: {text}")),
        };
        assert_ne!(answer["isBase64Encoded"], true, "{answer}");
        Self { status, headers: texts(&answer["headers"]).into_iter().collect(), body }
    }

    fn header(&self, name: &str) -> String {
        self.headers.get(name).cloned().unwrap_or_default()
    }

    fn check_envelope(&self) {
        assert_eq!(self.header("content-type"), "application/json; charset=utf-8", "{self:?}");
        assert_eq!(self.header("cache-control"), "no-store", "{self:?}");
        assert_eq!(self.header("x-content-type-options"), "nosniff", "{self:?}");
        assert!(!self.header("x-request-id").is_empty(), "{self:?}");
    }

    /// The data of a success.
    fn data(&self) -> Value {
        self.check_envelope();
        assert_eq!((self.status, &self.body["code"]), (200, &json!(200)), "{self:?}");
        self.body["data"].clone()
    }

    /// The reason of a failure.
    fn reason(&self) -> String {
        self.check_envelope();
        assert_ne!(self.body["code"], 200, "{self:?}");
        self.body["reason"].as_str().unwrap_or_default().to_owned()
    }
}

/// An event as an HTTP API sends it.
fn event(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("events").join(name).with_extension("json");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The event with a user's token in it.
fn event_of(name: &str, token: &str) -> Value {
    let mut event = event(name);
    event["headers"]["authorization"] = json!(format!("Bearer {token}"));
    event
}

fn claims(token: &Value) -> Value {
    let claims = token.as_str().and_then(|token| token.split('.').nth(1)).expect("a token has three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64")).expect("JSON")
}

/// Two addresses that nobody listens on. All are taken before one is freed, so that they differ.
fn free_addresses() -> [String; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("a bound port").to_string())
}

/// What the functions find around them: tables with the demo app in them, and keys.
mod world {
    use std::{sync::Arc, time::Duration};

    use aws_sdk_dynamodb::{
        Client,
        config::{BehaviorVersion, Credentials, Region},
    };
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use shared::{
        app::{AppId, AppKey, AppRecord},
        entropy::{Entropy, SystemEntropy},
        jwt::{KeyRing, SigningKeySet},
        secret::AppSecret,
        settings::Preset,
        storage::{Store, TableNames},
    };

    use super::{BTreeMap, Function, Setting, Template};

    const STACK: &str = "lambda";

    pub(super) struct World {
        /// The id of the key that signs.
        pub(super) key_id: String,
        endpoint: String,
        secrets: BTreeMap<&'static str, String>,
    }

    impl World {
        pub(super) async fn start() -> Self {
            let endpoint = serve_engine().await;
            let client = client(&endpoint);
            let template = Template::bundled().expect("the template is readable");
            infra::create_tables(&client, &template, STACK).await.expect("the tables can be created");
            let store = Store::new(client, TableNames::of_stack(STACK), None, Duration::ZERO, Arc::new(SystemEntropy));
            store.create_app(&demo_app()).await.expect("the app can be stored");

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
                ("MAIL", r#"{"carrier":"outbox"}"#.to_owned()),
                ("SMS", r#"{"carrier":"outbox"}"#.to_owned()),
            ];
            Self { key_id: keys.active, endpoint, secrets: secrets.into() }
        }

        /// The environment that the template gives a function, with the values themselves where a deployment has the
        /// names of parameters.
        pub(super) fn environment_of(&self, template: &Template, function: &Function) -> BTreeMap<String, String> {
            let mut environment: BTreeMap<String, String> = [
                ("TESSERA_DYNAMODB_ENDPOINT", self.endpoint.as_str()),
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
    }

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

    #[expect(clippy::disallowed_methods, reason = "the engine serves until the test ends")]
    async fn serve_engine() -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let engine = dynoxide::Database::memory().expect("an engine in memory");
        tokio::spawn(dynoxide::server::serve_on(listener, engine));
        format!("http://{address}")
    }

    fn client(endpoint: &str) -> Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("local"))
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .endpoint_url(endpoint)
            .build();
        Client::from_conf(config)
    }

    fn demo_app() -> AppRecord {
        let id = AppId::new(2).expect("a number");
        let key = AppKey::parse("0c1d2e3f-0000-4000-8000-000000000002").expect("a GUID");
        let secret = AppSecret::from_bytes([7; 32]);
        let mut app = AppRecord::new(id, key, &secret, "Demo".to_owned(), Preset::Documented);
        app.cors_origins = vec!["https://shop.example".to_owned()];
        app
    }
}
