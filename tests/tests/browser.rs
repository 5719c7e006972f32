//! The local server's demo pages in a real browser: one shows a QR code and polls, the other plays the phone.
//!
//! The browser is Chromium, headless, driven by `chromedriver` (`tests/install-browser.sh` installs both). Without it
//! the test is skipped aloud. Screenshots of the states are left in `target/tmp`.
//!
//! | variable | meaning |
//! |---|---|
//! | `TESSERA_BINARY` | the local server; without it, it is built from the sources |
//! | `TESSERA_BROWSER_REQUIRED` | with `CI`: being skipped is a failure |

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

#[tokio::test]
async fn a_phone_signs_a_page_in_before_our_eyes() {
    let Some(driver) = Driver::start() else { return };
    let server = Server::start();
    let page = Browser::open(&driver, 960, 900).await;
    let phone = Browser::open(&driver, 480, 900).await;

    page.go(&format!("{}/demo", server.url)).await;
    page.reaches("shown").await;
    assert_eq!(page.text("h1:not([hidden])").await, "Sign in with your phone");
    assert_eq!(page.text("#status").await, "Scan the code to sign in.");
    let code = page.scan("#code").await;
    let key =
        code.strip_prefix("demo/phone?appId=2&signinKey=").expect("the code leads to the phone's page").to_owned();
    assert_eq!(key.len(), 13, "{key}");
    let link = page.run("return document.getElementById('phone').href", json!([])).await;
    assert_eq!(link, format!("{}/demo/phone?signinKey={key}", server.url));
    page.screenshot("shown").await;

    phone.go(link.as_str().expect("an address")).await;
    phone.screenshot("phone-ready").await;
    phone.click("#scan button").await;
    phone.reaches("scanned").await;
    assert_eq!(phone.text("h1:not([hidden])").await, "Sign in to Demo?");
    let card = phone.text("#card").await;
    assert!(card.contains("openid") && card.contains("HeadlessChrome"), "{card}");
    phone.screenshot("phone-scanned").await;

    page.reaches("scanned").await;
    assert_eq!(page.text("figcaption:not([hidden])").await, "✓\nScanned");
    assert_eq!(page.text("#status").await, "Now confirm on your phone.");
    page.screenshot("scanned").await;

    // A name that would be markup, if anybody took it for that.
    phone.fill("#nick", "爱丽丝 <b>A</b>").await;
    phone.click("#confirm button").await;
    phone.reaches("confirmed").await;
    phone.screenshot("phone-confirmed").await;

    page.reaches("signed-in").await;
    assert_eq!(page.text("h1:not([hidden])").await, "Welcome, 爱丽丝 <b>A</b>");
    let claims = page.text("#claims").await;
    for expected in ["demo-phone", "wxminip / demo-phone", "qrcode"] {
        assert!(claims.contains(expected), "{claims}");
    }
    assert_eq!(page.run("return document.querySelectorAll('figure:not([hidden])').length", json!([])).await, 0);
    page.screenshot("signed-in").await;

    // The code is spent: a second phone is told so, and stays where it is.
    phone.go(link.as_str().expect("an address")).await;
    phone.click("#scan button").await;
    phone.says("二维码已失效，请刷新重试").await;
    phone.screenshot("phone-refused").await;

    // Somebody else can begin anew.
    page.click("#leave").await;
    page.reaches("shown").await;
    assert_ne!(page.scan("#code").await, code);

    for browser in [&page, &phone] {
        assert_eq!(browser.complaints().await, Vec::<String>::new());
    }
}

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
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The local server.
struct Server {
    url: String,
    _program: Program,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(tessera())
            .args(["dev", "--port", "0", "--dynamodb-port", "0", "--in-memory", "--json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the local server can be started");
        let output = child.stdout.take().expect("its output is a pipe");
        let program = Program(child);
        let url = first_line(output, |line| {
            let ready: Value = serde_json::from_str(line).ok()?;
            ready["baseUrl"].as_str().map(str::to_owned)
        });
        Self { url, _program: program }
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

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says what is there and what must be")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// `chromedriver`, which starts and ends browsers.
struct Driver {
    port: u16,
    _program: Program,
}

impl Driver {
    fn start() -> Option<Self> {
        let started = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = started else {
            let message = "SKIPPED: a test in a browser: there is no chromedriver (tests/install-browser.sh)";
            assert!(variable("CI").is_none() || variable("TESSERA_BROWSER_REQUIRED").is_none(), "{message}");
            // Past the test runner, which would swallow what a passing test prints.
            writeln!(std::io::stderr(), "{message}").expect("standard error is open");
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
struct Browser {
    http: reqwest::Client,
    session: String,
}

impl Browser {
    async fn open(driver: &Driver, width: u32, height: u32) -> Self {
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

    async fn go(&self, url: &str) {
        self.call("url", json!({ "url": url })).await;
    }

    /// Runs a function body in the page.
    async fn run(&self, script: &str, arguments: Value) -> Value {
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

    async fn reaches(&self, state: &str) {
        self.waits_until("document.body.dataset.state === arguments[0]", json!([state])).await;
    }

    async fn says(&self, status: &str) {
        self.waits_until("document.getElementById('status').textContent === arguments[0]", json!([status])).await;
    }

    async fn element(&self, selector: &str) -> String {
        let found = self.call("element", json!({"using": "css selector", "value": selector})).await;
        let id = found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str);
        format!("element/{}", id.expect("an element"))
    }

    /// The text that a person sees.
    async fn text(&self, selector: &str) -> String {
        let text = self.run("return document.querySelector(arguments[0]).innerText", json!([selector])).await;
        text.as_str().expect("a text").trim().to_owned()
    }

    async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        self.call(&format!("{element}/click"), json!({})).await;
    }

    async fn fill(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        self.call(&format!("{element}/value"), json!({ "text": text })).await;
    }

    /// What a QR code on the page says, read from the pixels that the browser makes of it.
    async fn scan(&self, selector: &str) -> String {
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

    /// Leaves a picture of the window beside the other test output.
    async fn screenshot(&self, name: &str) {
        let answer = self.http.get(format!("{}/screenshot", self.session)).send().await.expect("chromedriver answers");
        let answer: Value = answer.json().await.expect("chromedriver answers JSON");
        let picture = STANDARD.decode(answer["value"].as_str().expect("a picture")).expect("base64");
        assert!(picture.starts_with(b"\x89PNG") && picture.len() > 5_000, "{name}: {} bytes", picture.len());
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("demo-{name}.png"));
        std::fs::write(file, picture).expect("the screenshot can be kept");
    }

    /// What the page's console has to say, hints aside.
    async fn complaints(&self) -> Vec<String> {
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
