//! A function under its emulator, and what it answers.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use infra::Template;
use serde_json::{Value, json};
use tests::{
    emf, journal,
    lambda::{Event, PASSWORD, World, answers, free_address},
};

/// Where the bootstraps and the emulator are.
#[derive(Clone)]
pub(crate) struct Setup {
    bootstraps: PathBuf,
    emulator: PathBuf,
}

impl Setup {
    pub(crate) fn find() -> Option<Self> {
        if let (Some(bootstraps), Some(emulator)) = (path("TESSERA_LAMBDA_DIR"), path("TESSERA_RIE")) {
            return Some(Self { bootstraps, emulator });
        }
        skip(
            "a test under the Lambda runtime API: TESSERA_LAMBDA_DIR or TESSERA_RIE is not set",
            "TESSERA_LAMBDA_REQUIRED",
        );
        None
    }

    pub(crate) fn bootstrap(&self, function: &str) -> PathBuf {
        self.bootstraps.join(function).join("bootstrap")
    }
}

/// A path that these tests were told.
#[expect(clippy::disallowed_methods, reason = "these tests are told by whoever built the bootstraps")]
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Says that a test is skipped, and fails it where it must not be.
#[track_caller]
pub(crate) fn skip(what: &str, unless: &str) {
    let message = format!("SKIPPED: {what}");
    assert!(path("CI").is_none() || path(unless).is_none(), "{message}");
    // Past the test runner, which would swallow what a passing test prints.
    writeln!(std::io::stderr(), "{message}").expect("standard error is open");
}

/// A function under its emulator, which ends with this value.
pub(crate) struct Lambda {
    emulator: Child,
    url: String,
    log: PathBuf,
}

impl Lambda {
    /// A function with the environment that the template gives it.
    pub(crate) async fn start(setup: &Setup, world: &World, name: &str) -> Self {
        let template = Template::bundled().expect("the template is readable");
        let function = template.functions().iter().find(|it| it.binary == name).expect("the template has the function");
        Self::start_with(setup, name, world.environment_of(&template, function)).await
    }

    /// A function with an environment of its own.
    pub(crate) async fn start_with(setup: &Setup, name: &str, environment: BTreeMap<String, String>) -> Self {
        let [http, runtime_api] = [(); 2].map(|()| free_address());
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lambda-{name}-{http}.log").replace(':', "-"));
        let output = File::create(&log).expect("the log can be written");

        let emulator = Command::new(&setup.emulator)
            .args(["--runtime-interface-emulator-address", &http, "--runtime-api-address", &runtime_api])
            .arg(setup.bootstrap(name))
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("the log can be shared"))
            .stderr(output)
            .spawn()
            .expect("the emulator can be started");
        // The path is the same for every function: an emulator has only one.
        let url = format!("http://{http}/2015-03-31/functions/function/invocations");
        let lambda = Self { emulator, url, log };
        assert!(answers(&http, Duration::from_secs(10)).await, "the emulator does not answer on {http}");
        lambda
    }

    /// Calls the function as the gateway does.
    pub(crate) async fn invoke(&self, event: &Event) -> Answer {
        let answer = reqwest::Client::new().post(&self.url).json(&event.0).send().await.expect("the emulator answers");
        Answer::read(&answer.json().await.expect("the function answers"))
    }

    /// Freezes the function, as Lambda does between two requests, or thaws it.
    pub(crate) fn signal(&self, signal: &str) {
        let emulator = self.emulator.id();
        let children = fs::read_to_string(format!("/proc/{emulator}/task/{emulator}/children")).unwrap_or_default();
        let threads = fs::read_dir(format!("/proc/{emulator}/task")).expect("the emulator runs");
        let of_threads = threads.flatten().filter_map(|it| fs::read_to_string(it.path().join("children")).ok());
        let function = of_threads.chain([children]).find(|it| !it.trim().is_empty()).expect("the function runs");
        let sent = Command::new("kill").args([signal, function.trim()]).status().expect("kill can be run");
        assert!(sent.success(), "{signal} {function}");
    }

    /// What the function wrote, beside what the emulator did: the lines of requests, all others being flat JSON too,
    /// all metrics being as the format wants them, and nothing being there that must not be.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let log = self.log();
        assert!(!log.contains(PASSWORD), "{log}");
        let lines: Vec<_> = log.lines().filter(|line| !is_of_emulator(line)).map(journal::parse).collect();
        for line in &lines {
            let metrics = emf::read(line).unwrap_or_else(|rule| panic!("{rule}: {line}"));
            assert_eq!(metrics.is_empty(), line["message"] != "request", "{line}");
        }
        lines.into_iter().filter(|line| line["message"] == "request").collect()
    }

    /// Everything that was written, by the function and the emulator.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("the log can be read")
    }
}

/// The emulator writes into the same file.
fn is_of_emulator(line: &str) -> bool {
    line.contains("(rapid)") || ["START ", "END ", "REPORT "].iter().any(|word| line.starts_with(word))
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
pub(crate) struct Answer {
    pub(crate) status: u64,
    pub(crate) headers: BTreeMap<String, String>,
    /// Null when it is no JSON.
    pub(crate) body: Value,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    fn read(answer: &Value) -> Self {
        let status = answer["statusCode"].as_u64().unwrap_or_else(|| panic!("no answer for a gateway: {answer}"));
        let headers = answer["headers"].as_object().into_iter().flatten();
        let headers =
            headers.map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap_or_default().to_owned())).collect();
        let text = answer["body"].as_str().unwrap_or_default();
        let bytes = if answer["isBase64Encoded"] == true {
            STANDARD.decode(text).unwrap_or_else(|error| panic!("{error}: {answer}"))
        } else {
            text.as_bytes().to_vec()
        };
        Self { status, headers, body: serde_json::from_slice(&bytes).unwrap_or_default(), bytes }
    }

    pub(crate) fn header(&self, name: &str) -> String {
        self.headers.get(name).cloned().unwrap_or_default()
    }

    fn check_envelope(&self) {
        assert_eq!(self.header("content-type"), "application/json; charset=utf-8", "{self:?}");
        assert_eq!(self.header("cache-control"), "no-store", "{self:?}");
        assert_eq!(self.header("x-content-type-options"), "nosniff", "{self:?}");
        assert!(!self.header("x-request-id").is_empty(), "{self:?}");
    }

    /// The data of a success.
    #[track_caller]
    pub(crate) fn data(&self) -> Value {
        self.check_envelope();
        // The licence family calls its code a status, and a success zero.
        let is_success = self.body["code"] == 200 || self.body["status"] == 0;
        assert!(self.status == 200 && is_success, "{self:?}");
        self.body["data"].clone()
    }

    /// The token of a success.
    #[track_caller]
    pub(crate) fn token(&self) -> String {
        self.data()["access_token"].as_str().expect("a token").to_owned()
    }

    /// Fails the test unless the answer is this refusal.
    #[track_caller]
    pub(crate) fn refused(&self, status: u64, reason: &str) {
        self.check_envelope();
        assert_eq!((self.status, &self.body["reason"]), (status, &json!(reason)), "{self:?}");
        assert!(self.body["data"].is_null(), "{self:?}");
    }
}
