//! `tessera key` against a parameter store that others wrote: moto's server, which `tests/install.sh` installs. Where it
//! is missing, these tests say so and are skipped; with `CI` and `TESSERA_MOTO_REQUIRED` that is a failure.

#![expect(clippy::disallowed_methods, reason = "tests may ask what is installed, and look at the time")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Value, json};

const TESSERA: &str = env!("CARGO_BIN_EXE_tessera");
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// A parameter store; gone when the test is over.
struct Store {
    process: Child,
    address: SocketAddr,
}

impl Store {
    async fn start() -> Option<Self> {
        let moto = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/moto_server");
        if !moto.exists() {
            let message = "SKIPPED: a test of the operator's keys: tests/install.sh installs moto";
            let is_set = |name| std::env::var_os(name).is_some();
            assert!(!(is_set("CI") && is_set("TESSERA_MOTO_REQUIRED")), "{message}");
            // Past the test runner, which would swallow what a passing test prints.
            writeln!(std::io::stderr(), "{message}").expect("standard error is open");
            return None;
        }
        // The server takes a port itself: one that is looked for here may be another's by the time that it starts.
        let mut process = Command::new(moto)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.split_once("Running on http://")?.1.trim().parse().ok());
        // Nobody wants the rest, but a pipe that is full would stop the server.
        std::thread::spawn(move || lines.for_each(drop));
        let store = Self { process, address: address.expect("moto's server says where it listens") };
        // Its first answer takes long, and the tool has only so much patience.
        assert_eq!(store.value("nothing").await, None);
        Some(store)
    }

    fn key(&self, args: &[&str]) -> Output {
        key(self.address, args)
    }

    fn done(&self, args: &[&str]) -> Value {
        let output = self.key(args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn refused(&self, args: &[&str]) -> String {
        let output = self.key(args);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    }

    async fn call(&self, operation: &str, input: Value) -> Value {
        let request = reqwest::Client::new()
            .post(format!("http://{}/", self.address))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("AmazonSSM.{operation}"))
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=test/20260301/us-east-1/ssm/aws4_request, SignedHeaders=host, Signature=0",
            )
            .body(input.to_string());
        serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap()
    }

    async fn value(&self, name: &str) -> Option<String> {
        let name = format!("/tessera/shop/{name}");
        let answer = self.call("GetParameters", json!({"Names": [name], "WithDecryption": true})).await;
        answer["Parameters"][0]["Value"].as_str().map(str::to_owned)
    }

    async fn put(&self, name: &str, value: &str) {
        let name = format!("/tessera/shop/{name}");
        let input = json!({"Name": name, "Value": value, "Type": "SecureString", "Overwrite": true});
        assert!(self.call("PutParameter", input).await["Version"].is_number());
    }

    /// The passage of time: everything noted about the signing keys happened so many seconds earlier.
    async fn wait(&self, seconds: i64) {
        let mut set: Value = serde_json::from_str(&self.value("signing-keys").await.unwrap()).unwrap();
        for times in set["history"].as_object_mut().unwrap().values_mut() {
            for time in times.as_object_mut().unwrap().values_mut() {
                *time = json!(time.as_i64().unwrap() - seconds);
            }
        }
        self.put("signing-keys", &set.to_string()).await;
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn key(address: SocketAddr, args: &[&str]) -> Output {
    Command::new(TESSERA)
        .arg("key")
        .args(args)
        .args(["--stack", "shop", "--json"])
        .env_clear()
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")])
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL_SSM", format!("http://{address}"))
        .output()
        .unwrap()
}

#[test]
fn without_a_region_nothing_is_called() {
    let mut command = Command::new(TESSERA);
    command.args(["key", "init", "--stack", "shop"]).env_clear().env("AWS_EC2_METADATA_DISABLED", "true");
    command.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("no region is set"), "{said}");
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|name| name.as_str().unwrap().rsplit('/').next().unwrap()).collect()
}

#[tokio::test]
async fn a_first_deployment_gets_its_secrets_and_a_second_call_changes_none() {
    let Some(store) = Store::start().await else { return };
    let first = store.done(&["init"]);
    assert_eq!(names(&first["made"]), ["signing-keys", "hash-key", "totp-key", "verification-keys"]);
    let mut before = Vec::new();
    for name in ["signing-keys", "verification-keys", "hash-key", "totp-key"] {
        before.push(store.value(name).await.unwrap());
    }
    let again = store.done(&["init"]);
    assert_eq!((again["made"].as_array().unwrap().len(), again["kept"].as_array().unwrap().len()), (0, 4));

    // What a call that was cut off has left out is made, and nothing else.
    for name in ["verification-keys", "totp-key"] {
        store.call("DeleteParameter", json!({"Name": format!("/tessera/shop/{name}")})).await;
    }
    let shown = String::from_utf8(store.key(&["status"]).stdout).unwrap();
    assert!(shown.contains("behind") || shown.contains("missing"), "{shown}");
    assert_eq!(names(&store.done(&["init"])["made"]), ["totp-key", "verification-keys"]);
    assert_eq!(store.value("verification-keys").await.unwrap(), before[1]);
    assert_eq!(store.value("hash-key").await.unwrap(), before[2]);
    assert_ne!(store.value("totp-key").await.unwrap(), before[3]);

    // Verification keys of other signing keys are replaced.
    store.put("verification-keys", r#"{"keys":[]}"#).await;
    assert_eq!(names(&store.done(&["init"])["replaced"]), ["verification-keys"]);
    assert_eq!(store.value("verification-keys").await.unwrap(), before[1]);
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_is_left_to_a_person() {
    let Some(store) = Store::start().await else { return };
    for (name, value) in [("hash-key", "c2hvcnQ="), ("totp-key", "?"), ("signing-keys", "{}")] {
        store.put(name, value).await;
        let said = store.refused(&["init"]);
        assert!(said.contains(&format!("/tessera/shop/{name}")) && said.contains("Nothing was changed"), "{said}");
        assert_eq!(store.value("verification-keys").await, None);
        store.call("DeleteParameter", json!({"Name": format!("/tessera/shop/{name}")})).await;
    }
}

#[tokio::test]
async fn a_key_is_rotated_in_three_steps_and_shown_without_its_secret() {
    let Some(store) = Store::start().await else { return };
    assert!(store.refused(&["rotate"]).contains("key init"));
    store.done(&["init"]);
    let published = store.done(&["rotate"]);
    assert_eq!(published["step"], "published");
    assert_eq!(store.done(&["rotate"])["step"], "waiting");
    let signing = |rows: &Value| {
        let rows = rows.as_array().unwrap().iter().filter(|row| row["kid"].is_string());
        let mut states: Vec<_> = rows.map(|row| (row["state"].clone(), row["days"].clone())).collect();
        states.sort_by_key(|(state, _)| state.to_string());
        states
    };
    assert_eq!(signing(&store.done(&["status"])), [(json!("published"), json!(0)), (json!("signing"), json!(0))]);
    store.wait(2 * HOUR).await;
    let signs = store.done(&["rotate"]);
    assert_eq!((&signs["step"], &signs["kid"]), (&json!("signing"), &published["kid"]));
    store.wait(99 * DAY).await;
    assert_eq!(store.done(&["rotate"])["step"], "waiting");
    assert_eq!(signing(&store.done(&["list"])), [(json!("replaced"), json!(99)), (json!("signing"), json!(99))]);
    store.wait(2 * HOUR).await;
    assert_eq!(store.done(&["rotate"])["step"], "retired");

    let leaked = store.done(&["rotate", "--leaked"]);
    assert_eq!(leaked["step"], "signing");
    assert_ne!(leaked["kid"], published["kid"]);
    let rows = store.done(&["status"]);
    assert_eq!(signing(&rows), [(json!("signing"), json!(0))]);
    let kept = store.value("signing-keys").await.unwrap();
    let set: Value = serde_json::from_str(&kept).unwrap();
    for secret in [set["keys"][0]["pkcs8"].as_str().unwrap(), &store.value("hash-key").await.unwrap()] {
        assert!(!rows.to_string().contains(secret));
    }

    let hash = store.value("hash-key").await;
    store.done(&["replace-hash-key"]);
    assert_ne!(store.value("hash-key").await, hash);
}

#[test]
fn a_right_that_is_missing_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 8192]);
            let body = r#"{"__type":"AccessDeniedException","message":"not authorized"}"#;
            let head =
                format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all((head + body).as_bytes());
        }
    });
    for command in ["init", "status", "rotate", "replace-hash-key"] {
        let said = String::from_utf8(key(address, &[command]).stderr).unwrap();
        let expected = ["ssm:GetParameters of /tessera/shop/", "AccessDeniedException: not authorized"];
        assert!(expected.iter().all(|words| said.contains(words)), "{command}: {said}");
    }
}
