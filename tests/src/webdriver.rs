//! A local server as people start it, and browsers in front of it, driven in the `WebDriver` protocol.

use std::{
    ffi::OsString,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// The first line of a program's output that the pick accepts; the rest is read and dropped.
fn first_line<T: Send + 'static>(output: ChildStdout, pick: impl Fn(&str) -> Option<T> + Send + 'static) -> T {
    let (found, first) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(picked) = pick(&line) {
                // Only the first one is waited for.
                let _ = found.send(picked);
            }
        }
    });
    first.recv_timeout(Duration::from_mins(1)).expect("the program says that it is ready")
}

/// A program that ends with this value.
#[derive(Debug)]
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The local server, which ends with this value.
#[derive(Debug)]
pub struct Server {
    /// Its address.
    pub url: String,
    /// Its store's.
    pub dynamodb_url: String,
    /// The number of the demo app.
    pub app_id: u64,
    binary: PathBuf,
    _program: Program,
}

impl Server {
    /// Starts a server with an empty store.
    pub fn start() -> Self {
        let binary = tessera();
        let mut child = Command::new(&binary)
            .args(["dev", "--port", "0", "--dynamodb-port", "0", "--in-memory", "--json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the local server can be started");
        let output = child.stdout.take().expect("its output is a pipe");
        let program = Program(child);
        let ready = first_line(output, |line| {
            serde_json::from_str::<Value>(line).ok().filter(|ready| ready["baseUrl"].is_string())
        });
        let text = |key: &str| ready[key].as_str().expect("a text").to_owned();
        Self {
            url: text("baseUrl"),
            dynamodb_url: text("dynamodbUrl"),
            app_id: ready["demoApp"]["appId"].as_u64().expect("a number"),
            binary,
            _program: program,
        }
    }

    /// Runs an operator's command on the server's store; what it prints for programs.
    pub fn operate(&self, command: &[&str]) -> Value {
        let done = Command::new(&self.binary)
            .args(command)
            .args(["--json", "--dynamodb-endpoint", &self.dynamodb_url])
            .stdin(Stdio::null())
            .output()
            .expect("the command can be started");
        assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).expect("one JSON value")
    }
}

/// The binary as the sources are now: tests of this package do not build it by themselves.
fn tessera() -> PathBuf {
    if let Some(path) = variable("TESSERA_BINARY") {
        return path.into();
    }
    // The same packages as the whole test run, so that nothing is compiled a second time with other features.
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--workspace", "--bin", "tessera", "--message-format", "json"])
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be run");
    assert!(built.status.success(), "the local server can be built");
    String::from_utf8_lossy(&built.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "tessera")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo says where the binary is")
}

/// A variable of the environment that says something.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says what is there and what must be")]
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Says that a test is skipped, and what it lacks; with `CI` and the variable, that is a failure.
pub fn skip(message: &str, required: &str) {
    let message = format!("SKIPPED: {message}");
    assert!(variable("CI").is_none() || variable(required).is_none(), "{message}");
    // Past the test runner, which would swallow what a passing test prints.
    writeln!(std::io::stderr(), "{message}").expect("standard error is open");
}

/// `chromedriver`, which starts and ends browsers.
#[derive(Debug)]
pub struct Driver {
    port: u16,
    _program: Program,
}

impl Driver {
    /// Starts the driver if it is there; the variable is that of [`skip`].
    pub fn start(required: &str) -> Option<Self> {
        let started = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = started else {
            skip("a test in a browser: there is no chromedriver (tests/install-browser.sh)", required);
            return None;
        };
        let output = child.stdout.take().expect("its output is a pipe");
        let program = Program(child);
        let port: u16 = first_line(output, |line| {
            line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        Some(Self { port, _program: program })
    }
}

impl Drop for Driver {
    /// Asks nicely first: whoever kills the driver leaves its browsers behind.
    fn drop(&mut self) {
        let Ok(mut driver) = TcpStream::connect(("127.0.0.1", self.port)) else { return };
        let asked = driver.write_all(b"GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        let answered = driver.set_read_timeout(Some(Duration::from_secs(10)));
        if asked.and(answered).is_ok() {
            // The connection ends with the driver.
            let _ = driver.read_to_end(&mut Vec::new());
        }
    }
}

/// A browser of its own, spoken to in the `WebDriver` protocol.
#[derive(Debug)]
pub struct Browser {
    http: reqwest::Client,
    session: String,
}

impl Browser {
    /// Opens a window of its own, with a profile of its own.
    pub async fn open(driver: &Driver, width: u32, height: u32) -> Self {
        let http = reqwest::Client::new();
        let arguments = [
            "--headless=new".to_owned(),
            format!("--window-size={width},{height}"),
            "--hide-scrollbars".to_owned(),
            // Containers run as root and have a small /dev/shm; the browser opens nothing but our own pages.
            "--no-sandbox".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-gpu".to_owned(),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"script": 60_000, "pageLoad": 60_000},
        }}});
        let session = send(&http, &format!("http://127.0.0.1:{}/session", driver.port), &wanted).await;
        let id = session["sessionId"].as_str().expect("a session").to_owned();
        Self { http, session: format!("http://127.0.0.1:{}/session/{id}", driver.port) }
    }

    async fn call(&self, command: &str, body: Value) -> Value {
        send(&self.http, &format!("{}/{command}", self.session), &body).await
    }

    /// Opens a page.
    pub async fn go(&self, url: &str) {
        self.call("url", json!({ "url": url })).await;
    }

    /// Runs a function body in the page, and waits for the promise that it may return.
    pub async fn run(&self, script: &str, arguments: Value) -> Value {
        self.call("execute/sync", json!({"script": script, "args": arguments})).await
    }

    /// Waits, in the page, until an attribute or a text changes so that the condition holds.
    async fn waits_until(&self, condition: &str, arguments: Value) {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             const check = () => {{ if ({condition}) {{ watch.disconnect(); done(true); }} }};
             const watch = new MutationObserver(check);
             watch.observe(document.body, {{ attributes: true, childList: true, subtree: true }});
             check();"
        );
        self.call("execute/async", json!({"script": script, "args": arguments})).await;
    }

    /// Waits until the page has reached a state.
    pub async fn reaches(&self, state: &str) {
        self.waits_until("document.body.dataset.state === arguments[0]", json!([state])).await;
    }

    /// Waits until the page says something.
    pub async fn says(&self, status: &str) {
        self.waits_until("document.getElementById('status').textContent === arguments[0]", json!([status])).await;
    }

    async fn element(&self, selector: &str) -> String {
        let found = self.call("element", json!({"using": "css selector", "value": selector})).await;
        let id = found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str);
        format!("element/{}", id.expect("an element"))
    }

    /// The text that a person sees.
    pub async fn text(&self, selector: &str) -> String {
        let text = self.run("return document.querySelector(arguments[0]).innerText", json!([selector])).await;
        text.as_str().expect("a text").trim().to_owned()
    }

    /// Clicks.
    pub async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        self.call(&format!("{element}/click"), json!({})).await;
    }

    /// Types.
    pub async fn fill(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        self.call(&format!("{element}/value"), json!({ "text": text })).await;
    }

    /// What a QR code on the page says, read from the pixels that the browser makes of it.
    pub async fn scan(&self, selector: &str) -> String {
        let script = "
            const picture = document.querySelector(arguments[0]);
            const canvas = document.createElement('canvas');
            [canvas.width, canvas.height] = [480, 480];
            const context = canvas.getContext('2d');
            context.drawImage(picture, 0, 0, 480, 480);
            const { data } = context.getImageData(0, 0, 480, 480);
            return Array.from({ length: 480 * 480 }, (_, pixel) => data[4 * pixel] < 128 ? 1 : 0).join('');";
        let pixels = self.run(script, json!([selector])).await;
        let pixels = pixels.as_str().expect("pixels").as_bytes();
        let mut image =
            rqrr::PreparedImage::prepare_from_greyscale(
                480,
                480,
                |x, y| {
                    if pixels[y * 480 + x] == b'1' { 0 } else { 255 }
                },
            );
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1, "one code is on the page");
        grids[0].decode().expect("the code can be read").1
    }

    /// Leaves a picture of the window.
    pub async fn screenshot(&self, file: &Path) {
        let answer = self.http.get(format!("{}/screenshot", self.session)).send().await.expect("chromedriver answers");
        let answer: Value = answer.json().await.expect("chromedriver answers JSON");
        let picture = STANDARD.decode(answer["value"].as_str().expect("a picture")).expect("base64");
        assert!(
            picture.starts_with(b"\x89PNG") && picture.len() > 5_000,
            "{}: {} bytes",
            file.display(),
            picture.len()
        );
        std::fs::write(file, picture).expect("the screenshot can be kept");
    }

    /// What the page's console has to say, hints aside.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.call("se/log", json!({"type": "browser"})).await;
        let entries = log.as_array().expect("a log").iter();
        entries
            .filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING")
            .map(ToString::to_string)
            .collect()
    }
}

async fn send(http: &reqwest::Client, url: &str, body: &Value) -> Value {
    let answer = http.post(url).json(body).send().await.expect("chromedriver answers");
    let status = answer.status();
    let mut answer: Value = answer.json().await.expect("chromedriver answers JSON");
    assert!(status.is_success(), "{url}: {answer}");
    answer["value"].take()
}
