//! The started binary over real HTTP: what a newcomer and a script see, and what survives.

#![expect(clippy::disallowed_methods, reason = "tests may ask what is installed, and run clients beside each other")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

const TESSERA: &str = env!("CARGO_BIN_EXE_tessera");

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tessera-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running server; killed when the test is over.
struct Server {
    process: Child,
    ready: Value,
}

impl Server {
    fn start(data: &Path) -> Self {
        Self::start_with(&["--data", data.to_str().unwrap()])
    }

    fn start_with(args: &[&str]) -> Self {
        let mut process = Command::new(TESSERA)
            .args(["dev", "--port", "0", "--dynamodb-port", "0", "--json"])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Self { process, ready: serde_json::from_str(&line).unwrap() }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.ready["baseUrl"].as_str().unwrap())
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let answer = Client::new().post(self.url(path)).json(&body).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// The operator's tool on this server's data.
    fn operate(&self, args: &[&str]) -> Output {
        let endpoint = self.ready["dynamodbUrl"].as_str().unwrap();
        Command::new(TESSERA).args(args).args(["--json", "--dynamodb-endpoint", endpoint]).output().unwrap()
    }

    fn operate_well(&self, args: &[&str]) -> Value {
        let output = self.operate(args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn alice() -> Value {
    json!({"userName": "alice", "pwd": "correct horse battery"})
}

#[tokio::test]
async fn somebody_signs_up_signs_in_and_edits_their_profile() {
    let server = Server::start_with(&["--in-memory"]);
    assert_eq!(server.ready["demoApp"]["appId"], 2);
    let signed_up = server.post("/api/AppUsers/2/SignUp", alice()).await;
    assert_eq!(signed_up["code"], 200, "{signed_up}");
    let token =
        server.post("/api/appUsers/2/SignIn", alice()).await["data"]["access_token"].as_str().unwrap().to_owned();
    let profile = server.url("/api/AppUsers/2/Profile");
    let client = Client::new();
    let put = client.put(&profile).bearer_auth(&token).json(&json!({"nickName": "Al"})).send().await.unwrap();
    assert_eq!(put.json::<Value>().await.unwrap(), json!({"code": 200, "data": true, "err": ""}));
    let got: Value = client.get(&profile).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
    assert_eq!(got["data"]["nickName"], "Al");
    let lower_case = Method::from_bytes(b"get").unwrap();
    let answer = client.request(lower_case, &profile).bearer_auth(&token).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_and_a_restart() {
    let folder = Folder::new("kill");
    let mut server = Server::start(&folder.0);
    let token =
        server.post("/api/AppUsers/2/SignUp", alice()).await["data"]["access_token"].as_str().unwrap().to_owned();
    let demo = server.ready["demoApp"].clone();
    // The hardest end that there is: no handler runs, nothing is flushed.
    server.process.kill().unwrap();
    server.process.wait().unwrap();

    let server = Server::start(&folder.0);
    assert_eq!(server.ready["demoApp"], demo, "the demo app's secrets stay the same");
    assert_eq!(server.post("/api/AppUsers/2/SignUp", alice()).await["reason"], "account_exists");
    assert_eq!(server.post("/api/AppUsers/2/SignIn", alice()).await["code"], 200);
    let profile = Client::new().get(server.url("/api/AppUsers/2/Profile")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(profile.status(), StatusCode::OK, "the token is good after the restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_under_load_loses_no_acknowledged_user() {
    let folder = Folder::new("load");
    let mut server = Server::start(&folder.0);
    let url = server.url("/api/AppUsers/2/UnionIDSignUp");
    let (acknowledge, mut acknowledged) = tokio::sync::mpsc::unbounded_channel();
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let (url, acknowledge) = (url.clone(), acknowledge.clone());
            tokio::spawn(async move {
                let http = Client::new();
                for n in 0.. {
                    let identity = json!({"platform": "load", "unionID": format!("{client}-{n}"), "userName": format!("u{client}-{n}")});
                    let Ok(answer) = http.post(&url).json(&identity).send().await else { return };
                    let Ok(answer) = answer.json::<Value>().await else { return };
                    assert_eq!(answer["code"], 200, "{answer}");
                    acknowledge.send(identity).unwrap();
                }
            })
        })
        .collect();
    drop(acknowledge);
    let mut users = Vec::new();
    while users.len() < 40 {
        users.push(acknowledged.recv().await.unwrap());
    }
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    for client in clients {
        client.await.unwrap();
    }
    while let Some(user) = acknowledged.recv().await {
        users.push(user);
    }
    let server = Server::start(&folder.0);
    for user in users {
        assert_eq!(server.post("/api/AppUsers/2/UnionIDSignIn", user.clone()).await["code"], 200, "{user}");
    }
}

#[tokio::test]
#[cfg(unix)]
async fn ctrl_c_ends_it_cleanly() {
    let folder = Folder::new("interrupt");
    let mut server = Server::start(&folder.0);
    assert_eq!(server.post("/api/AppUsers/2/SignUp", alice()).await["code"], 200);
    let interrupted = Command::new("kill").args(["-INT", &server.process.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert!(server.process.wait().unwrap().success());
}

#[tokio::test]
async fn two_servers_in_memory_know_nothing_of_each_other() {
    let (one, other) = (Server::start_with(&["--in-memory"]), Server::start_with(&["--in-memory"]));
    assert_ne!(one.ready["demoApp"]["appSecret"], other.ready["demoApp"]["appSecret"]);
    assert_eq!(one.post("/api/AppUsers/2/SignUp", alice()).await["code"], 200);
    assert_eq!(other.post("/api/AppUsers/2/SignIn", alice()).await["code"], 401);
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_flag() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in ["--port", "--dynamodb-port"] {
        let other = if flag == "--port" { "--dynamodb-port" } else { "--port" };
        let output = Command::new(TESSERA).args(["dev", "--in-memory", flag, &port, other, "0"]).output().unwrap();
        assert!(!output.status.success());
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(&port) && error.contains(&format!("with {flag} ")), "{error}");
    }
}

#[tokio::test]
async fn an_outside_engine_is_used_instead_of_the_embedded_one() {
    let engine = Server::start_with(&["--in-memory"]);
    let mut process = Command::new(TESSERA)
        .args(["dev", "--port", "0", "--json", "--in-memory", "--dynamodb-endpoint"])
        .arg(engine.ready["dynamodbUrl"].as_str().unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let second = Server { process, ready: serde_json::from_str(&line).unwrap() };
    assert_eq!(second.ready["dynamodbUrl"], engine.ready["dynamodbUrl"]);
    assert_eq!(second.post("/api/AppUsers/2/SignUp", alice()).await["code"], 200);
    assert_eq!(engine.post("/api/AppUsers/2/SignIn", alice()).await["code"], 200, "both see the same users");
}

#[tokio::test]
async fn an_operator_creates_changes_and_disables_apps() {
    let server = Server::start_with(&["--in-memory"]);
    let app = server.operate_well(&["app", "create", "--name", "Shop", "--preset", "documented"]);
    let id = app["appId"].as_u64().unwrap().to_string();
    assert_eq!(app["appSecret"].as_str().unwrap().len(), 64);
    let sign_up = format!("/api/AppUsers/{id}/SignUp");
    assert_eq!(server.post(&sign_up, alice()).await["code"], 200);

    let listed = server.operate_well(&["app", "list"]);
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|app| app["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 2);
    assert!(names.contains(&"Shop") && names.contains(&"Demo"));

    server.operate_well(&["app", "set", "--app", &id, "signUpEnabled=false", "name=Closed shop"]);
    assert_eq!(server.operate_well(&["app", "show", "--app", &id])["name"], "Closed shop");
    let bob = json!({"userName": "bob", "pwd": "correct horse battery"});
    assert_eq!(server.post(&sign_up, bob.clone()).await["reason"], "sign_up_disabled");

    let rotated = server.operate_well(&["app", "rotate-secret", "--app", &id]);
    assert_ne!(rotated["appSecret"], app["appSecret"]);

    server.operate_well(&["app", "disable", "--app", &id]);
    assert_eq!(server.post(&sign_up, bob).await["reason"], "app_not_found");

    for bad in [
        &["app", "show", "--app", "999"][..],
        &["app", "show", "--app", "x"],
        &["app", "set", "--app", &id, "tokenDays=0"],
        &["app", "set", "--app", &id, "nothing=1"],
        &["app", "create", "--name", ""],
    ] {
        let output = server.operate(bad);
        assert!(!output.status.success() && output.stdout.is_empty(), "{bad:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[tokio::test]
async fn an_operator_lets_somebody_in_whom_wrong_passwords_keep_out() {
    let server = Server::start_with(&["--in-memory"]);
    let token =
        server.post("/api/AppUsers/2/SignUp", alice()).await["data"]["access_token"].as_str().unwrap().to_owned();
    let profile = Client::new().get(server.url("/api/AppUsers/2/Profile")).bearer_auth(&token).send().await.unwrap();
    let id = profile.json::<Value>().await.unwrap()["data"]["id"].to_string();
    let wrong = json!({"userName": "alice", "pwd": "wrong horse battery"});
    while server.post("/api/AppUsers/2/SignIn", wrong.clone()).await["reason"] != "throttled" {}
    assert_eq!(server.post("/api/AppUsers/2/SignIn", alice()).await["reason"], "throttled");
    let unlocked = server.operate_well(&["user", "unlock", "--app", "2", "--user", &id]);
    assert_eq!(unlocked["locked"], false, "{unlocked}");
    assert_eq!(server.post("/api/AppUsers/2/SignIn", alice()).await["code"], 200);
    assert!(!server.operate(&["user", "unlock", "--app", "2", "--user", "1"]).status.success(), "there is nobody");
}

#[tokio::test]
async fn an_operator_without_a_server_is_told_what_to_do() {
    let output =
        Command::new(TESSERA).args(["app", "list", "--dynamodb-endpoint", "http://127.0.0.1:1"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("is `tessera dev` running?"));
}

#[tokio::test]
async fn people_are_shown_a_curl_line_that_works() {
    if Command::new("curl").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "curl is not installed");
        eprintln!("SKIPPED: curl is not installed, so its line was not pasted");
        return;
    }
    let folder = Folder::new("people");
    let mut process = Command::new(TESSERA)
        .args(["--port", "0", "--dynamodb-port", "0", "--data", folder.0.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut text = String::new();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    while !text.contains("Ctrl-C") {
        assert!(output.read_line(&mut text).unwrap() > 0, "{text}");
    }
    let curl = text.lines().map(str::trim).find(|line| line.starts_with("curl")).unwrap();
    let answer = Command::new("sh").args(["-c", curl]).output().unwrap();
    let answer: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(answer["code"], 200, "{answer}");
    process.kill().unwrap();
    process.wait().unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
}
