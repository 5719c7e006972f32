//! The documented requests of the 2.0 family, sent by the clients that people use to the server that people start.
//!
//! `tests/install-clients.sh` brings the clients. Without them these tests are skipped aloud, unless both `CI` and
//! `TESSERA_CLIENTS_REQUIRED` are set: then that is a failure.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use jiff::Timestamp;
use serde_json::{Value, json};
use tests::Authenticator;

/// The local server, which ends with this value.
struct Server {
    process: Child,
    url: String,
    app_id: u64,
    app_key: String,
}

impl Server {
    fn start() -> Self {
        let mut process = Command::new(binary())
            .args(["dev", "--port", "0", "--dynamodb-port", "0", "--in-memory", "--json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server can be started");
        let mut line = String::new();
        let output = process.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("a line of its output");
        let said: Value = serde_json::from_str(&line).expect("one line of JSON");
        let text = |value: &Value| value.as_str().expect("a string").to_owned();
        Self {
            url: text(&said["baseUrl"]),
            app_id: said["demoApp"]["appId"].as_u64().expect("a number"),
            app_key: text(&said["demoApp"]["appKey"]),
            process,
        }
    }

    async fn sign_up(&self, user_name: &str) -> String {
        let url = format!("{}/api/AppUsers/{}/SignUp", self.url, self.app_id);
        let body = json!({"userName": user_name, "pwd": "correct horse battery"});
        let answer: Value = send(reqwest::Client::new().post(url).json(&body)).await;
        answer["data"]["access_token"].as_str().expect("a token").to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn send(request: reqwest::RequestBuilder) -> Value {
    request.send().await.expect("an answer").json().await.expect("JSON")
}

/// Builds the server's binary: `cargo test` itself does not. With the workspace's features, so that nothing else is
/// built anew.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--workspace", "--bin", "tessera"])
            .current_dir(root())
            .status()
            .expect("cargo can be started");
        assert!(built.success(), "the server cannot be built");
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("../debug/tessera")
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// The client's program if it is there; says aloud when it is not.
#[expect(clippy::disallowed_methods, reason = "whether being skipped is a failure is for the environment to say")]
fn client(program: &Path, needed: &[&Path]) -> bool {
    let runs = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if runs.is_ok_and(|status| status.success()) && needed.iter().all(|path| path.exists()) {
        return true;
    }
    let message = format!("SKIPPED: {} or what it needs is missing: tests/install-clients.sh", program.display());
    let is_required = ["CI", "TESSERA_CLIENTS_REQUIRED"].iter().all(|name| std::env::var_os(name).is_some());
    assert!(!is_required, "{message}");
    // Past the test runner, which would swallow what a passing test prints.
    writeln!(std::io::stderr(), "{message}").expect("standard error is open");
    false
}

async fn run(program: &Path, script: &str, installed: &Path) {
    let server = Server::start();
    let token = server.sign_up("alice").await;
    let done = Command::new(program)
        .arg(root().join("tests/clients").join(script))
        .args([&server.url, &server.app_key, &token])
        .env("CLIENTS", installed)
        .output()
        .expect("the client can be started");
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{script}: {said}");
}

fn installed() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../clients")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_requests_run_with_curl() {
    if client(Path::new("curl"), &[]) {
        run(Path::new("bash"), "curl.sh", &installed()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_requests_run_with_python_requests() {
    let python = installed().join("python/bin/python");
    if client(&python, &[]) {
        run(&python, "requests_client.py", &installed()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_requests_run_with_the_fetch_of_node() {
    if client(Path::new("node"), &[]) {
        run(Path::new("node"), "fetch.mjs", &installed()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_requests_run_with_axios() {
    if client(Path::new("node"), &[&installed().join("node_modules/axios")]) {
        run(Path::new("node"), "axios.mjs", &installed()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authenticator_of_today_enrols_and_signs_in() {
    let server = Server::start();
    let token = server.sign_up("alice").await;
    let http = reqwest::Client::new();
    let setup = format!("{}/User/{}/TwoFactorAuth", server.url, server.app_key);
    let answer = send(http.get(&setup).bearer_auth(&token)).await;
    let key = answer["data"]["manualEntryKey"].as_str().expect("a key").to_owned();
    let switch = json!({"enable": true, "twoFactorCode": code_of(&key, -1)});
    let on = send(http.put(&setup).bearer_auth(&token).json(&switch)).await;
    assert_eq!(on["data"]["recoveryCodes"].as_array().map(Vec::len), Some(10), "{on}");

    let sign_in = format!("{}/api/AppUsers/{}/SignIn", server.url, server.app_id);
    let mut body = json!({"userName": "alice", "pwd": "correct horse battery"});
    let refused = send(http.post(&sign_in).json(&body)).await;
    assert_eq!((&refused["code"], &refused["reason"]), (&json!(401), &json!("two_factor_required")));
    body["twoFactorCode"] = json!(code_of(&key, 0));
    assert_eq!(send(http.post(&sign_in).json(&body)).await["code"], 200);
    let replayed = send(http.post(&sign_in).json(&body)).await;
    assert_eq!((&replayed["code"], &replayed["reason"]), (&json!(401), &json!("invalid_two_factor_code")));
    body["twoFactorCode"] = on["data"]["recoveryCodes"][0].clone();
    assert_eq!(send(http.post(&sign_in).json(&body)).await["code"], 200);
    assert_eq!(send(http.post(&sign_in).json(&body)).await["reason"], "invalid_two_factor_code");
}

/// The code that `oathtool` shows, or our own reading of the RFC where it is not installed. Near the end of a step the
/// next one is awaited, so that the server sees the same step.
#[expect(clippy::disallowed_methods, reason = "a real authenticator goes by the real time")]
fn code_of(key: &str, steps_later: i64) -> String {
    while Timestamp::now().as_second() % 30 > 24 {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let now = Timestamp::now();
    let at = format!("@{}", now.as_second() + 30 * steps_later);
    let shown = Command::new("oathtool").args(["--totp", "--base32", "--now", &at, key]).output();
    match shown {
        Ok(shown) if shown.status.success() => String::from_utf8_lossy(&shown.stdout).trim().to_owned(),
        _ => Authenticator::with_key(key).code(now, steps_later),
    }
}
