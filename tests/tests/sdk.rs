//! The published browser SDK of the v1 API, `oauthapp` from npm, in a real browser against the local server.
//!
//! The page comes from another origin than the API, so that CORS is a part of it. It loads the package's own script,
//! unchanged, and names the server in the way that the SDK has for that: the data of the script tag `appcore`. What
//! the SDK sends is noted through jQuery's own event, and one `fetch` that is wrapped by the page.
//!
//! `docs/sdk.md` is made of the methods that were called here. `UPDATE_DOCS=1` writes it anew.
//!
//! | variable | meaning |
//! |---|---|
//! | `TESSERA_BINARY` | the local server; without it, it is built from the sources |
//! | `TESSERA_SDK_REQUIRED` | with `CI`: being skipped, for want of the browser or of the SDK, is a failure |

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

use aws_sdk_dynamodb::{
    operation::{delete_item::DeleteItemInput, scan::ScanInput},
    types::AttributeValue,
};
use serde_json::{Value, json};
use shared::aws::{Access, Service};
use tests::{
    documents,
    webdriver::{self, Browser, Driver, Server},
};

const REQUIRED: &str = "TESSERA_SDK_REQUIRED";
const PASSWORD: &str = "correct horse battery";
const NEW_PASSWORD: &str = "staple battery horse";

#[tokio::test]
async fn the_browser_sdk_works_unchanged() {
    let Some((script, driver)) = installed() else { return };
    let server = Server::start();
    let site = Site::start(page(&server), script);
    let mut sdk = Sdk::open(&driver, server, &site).await;

    visits(&mut sdk, &site).await;
    accounts_and_profiles(&mut sdk).await;
    external_identities(&mut sdk).await;
    phones(&mut sdk).await;
    mailboxes(&mut sdk).await;
    a_phone_signs_the_page_in(&mut sdk).await;
    points(&mut sdk).await;
    authorization(&mut sdk).await;
    what_needs_no_server(&mut sdk).await;
    assert_eq!(sdk.browser.complaints().await, Vec::<String>::new());
    a_token_that_is_no_longer_good(&mut sdk).await;

    let methods = sdk.browser.run("return methods()", json!([])).await;
    let methods: Vec<String> = serde_json::from_value(methods).expect("names");
    let document = document(&methods, &sdk.called);
    println!("{document}");
    documents::check("sdk.md", &document);
}

#[tokio::test]
async fn a_new_app_answers_the_pages_that_it_lists() {
    let Some((script, driver)) = installed() else { return };
    let mut server = Server::start();
    let created = server.operate(&["app", "create", "--name", "Shop"]);
    server.app_id = created["appId"].as_u64().expect("a number");
    let site = Site::start(page(&server), script);
    let mut sdk = Sdk::open(&driver, server, &site).await;

    // No page is listed: the browser keeps the answer from the page.
    let script = "return oauthapp.accountSignIn('alice', 'x').then(() => null, (request) => request.status)";
    assert_eq!(sdk.browser.run(script, json!([])).await, 0);

    let origins = format!("corsOrigins={}", site.url.trim_end_matches('/'));
    sdk.server.operate(&["app", "set", "--app", &sdk.server.app_id.to_string(), &origins]);
    assert_eq!(sdk.call("ready", json!([])).await["info"]["name"], "Shop");
    sdk.data("accountSignUp", json!([{"userName": "alice", "pwd": PASSWORD}])).await;
    let token = sdk.data("accountSignIn", json!(["alice", PASSWORD])).await;
    let user = sdk.call("accesstokenSignIn", json!([token["access_token"], token["expires_in"]])).await;
    assert_eq!(user["userName"], "alice");

    // A fingerprint is no proof, and the SDK has no place for the secret that comes with a code.
    sdk.refused("unionIDSignIn", json!(["o-1", "web"]), "app_secret_required").await;
    let script = "return oauthapp.signInWithWebIdentity().then(() => null, (refusal) => refusal)";
    assert_eq!(sdk.browser.run(script, json!([])).await, "需要应用密钥");
    let key = sdk.data("__minipPreSignIn", json!([])).await;
    sdk.refused("minipSignInResult", json!([key]), "qr_expired").await;
}

/// A stranger becomes a user of the app by its browser alone, and is the same one at the next visit.
async fn visits(sdk: &mut Sdk, site: &Site) {
    let app = sdk.call("allReady", json!([])).await;
    assert_eq!((&app["info"]["id"], &app["info"]["name"]), (&json!(2), &json!("Demo")));
    assert_eq!((&app["props"], &app["blobs"]), (&json!([]), &json!([])));
    let sent = ["GET /api/apps/2/Info", "POST /api/appUsers/2/UnionIDSignIn", "POST /api/appUsers/2/UnionIDSignUp"];
    assert_eq!(sdk.sent[..3], sent);
    assert_eq!(sdk.sent[3..], ["GET /api/appUsers/2/Profile"]);
    let user = sdk.browser.run("return oauthapp.appUser", json!([])).await;
    assert_eq!(user["platform"], "web");

    let again = sdk.call("signInWithWebIdentity", json!([])).await;
    assert_eq!(again["id"], user["id"]);
    assert_eq!(sdk.sent, ["POST /api/appUsers/2/UnionIDSignIn", "GET /api/appUsers/2/Profile"]);

    // The SDK's cookie brings the token back, and the SDK finds the app's number in it.
    sdk.browser.go(&site.url).await;
    sdk.call("allReady", json!([])).await;
    assert_eq!(sdk.sent, ["GET /api/apps/2/Info", "GET /api/appUsers/2/Profile"]);
    assert_eq!(sdk.browser.run("return oauthapp.appUser", json!([])).await, user);
    assert_eq!(sdk.call("ready", json!([])).await, app);
}

async fn accounts_and_profiles(sdk: &mut Sdk) {
    let form = json!({"userName": "alice", "pwd": PASSWORD, "nickName": "Alice"});
    sdk.data("accountSignUp", json!([form])).await;
    sdk.refused("accountSignUp", json!([form]), "account_exists").await;
    sdk.refused("accountSignIn", json!(["alice", "something else"]), "invalid_credentials").await;
    let token = sdk.data("accountSignIn", json!(["alice", PASSWORD])).await;
    assert_eq!(token["token_type"], "Bearer");
    let claims = sdk.call("decode_access_token", json!([token["access_token"]])).await;
    assert_eq!((&claims["appid"], &claims["unique_name"]), (&json!("2"), &json!("alice")));

    let user = sdk.call("accesstokenSignIn", json!([token["access_token"], token["expires_in"]])).await;
    assert_eq!((&user["userName"], &user["nickName"]), (&json!("alice"), &json!("Alice")));
    let changed = json!(["https://example.com/a.png", "爱丽丝", {"theme": "dark"}]);
    assert_eq!(sdk.data("profilePut", changed).await, true);
    let profile = sdk.data("profile", json!([])).await;
    assert_eq!(
        (&profile["avatar"], &profile["nickName"], &profile["data"]),
        (&json!("https://example.com/a.png"), &json!("爱丽丝"), &json!(r#"{"theme":"dark"}"#))
    );
    assert_eq!(sdk.data("profilePut", json!(["", "Alice"])).await, true);
}

async fn external_identities(sdk: &mut Sdk) {
    sdk.refused("unionIDSignIn", json!(["o-1", "wechat"]), "user_not_found").await;
    // The spelling of the SDK's own code.
    let form = json!({"UnionID": "o-1", "Platform": "wechat", "Pwd": PASSWORD, "Avatar": ""});
    sdk.data("unionIDSignUp", json!([form])).await;
    sdk.refused("unionIDSignUp", json!([form]), "account_exists").await;
    let token = sdk.data("unionIDSignIn", json!(["o-1", "wechat"])).await;
    let user = sdk.call("accesstokenSignIn", json!([token["access_token"], token["expires_in"]])).await;
    assert_eq!((&user["platform"], &user["unionID"]), (&json!("wechat"), &json!("o-1")));
}

async fn phones(sdk: &mut Sdk) {
    let phone = "13800138000";
    assert_eq!(sdk.data("sendSMSCode", json!([{"phone": phone, "type": "signup"}])).await, true);
    let code = sdk.code(phone, "signup").await;
    let wrong = json!([{"phone": phone, "phoneCode": other_than(&code), "pwd": PASSWORD}]);
    sdk.refused("phoneSignUp", wrong, "invalid_code").await;
    sdk.data("phoneSignUp", json!([{"phone": phone, "phoneCode": code, "pwd": PASSWORD}])).await;

    sdk.a_minute_passes().await;
    sdk.data("sendSMSCode", json!([{"phone": phone, "type": "signin"}])).await;
    let code = sdk.code(phone, "signin").await;
    sdk.refused("phoneSignIn", json!([phone, other_than(&code)]), "invalid_code").await;
    sdk.data("phoneSignIn", json!([phone, code])).await;

    sdk.a_minute_passes().await;
    sdk.data("sendSMSCode", json!([{"phone": phone, "type": "forgetpwd"}])).await;
    let code = sdk.code(phone, "forgetpwd").await;
    let reset = json!([{"phone": phone, "code": code, "pwd": NEW_PASSWORD}]);
    assert_eq!(sdk.data("resetPwd", reset.clone()).await, true);
    sdk.refused("resetPwd", reset, "invalid_code").await;
    sdk.refused("accountSignIn", json!([phone, PASSWORD]), "invalid_credentials").await;
    sdk.data("accountSignIn", json!([phone, NEW_PASSWORD])).await;
}

async fn mailboxes(sdk: &mut Sdk) {
    let email = "alice@example.com";
    assert_eq!(sdk.data("sendEmailCode", json!([{"email": email, "type": "signup"}])).await, true);
    let code = sdk.code(email, "signup").await;
    let wrong = json!([{"email": email, "emailCode": other_than(&code), "pwd": PASSWORD}]);
    sdk.refused("emailSignUp", wrong, "invalid_code").await;
    sdk.data("emailSignUp", json!([{"email": email, "emailCode": code, "pwd": PASSWORD}])).await;

    sdk.a_minute_passes().await;
    sdk.data("sendEmailCode", json!([{"email": email, "type": "signin"}])).await;
    let code = sdk.code(email, "signin").await;
    sdk.refused("emailSignIn", json!([email, other_than(&code)]), "invalid_code").await;
    sdk.data("emailSignIn", json!([email, code])).await;

    sdk.a_minute_passes().await;
    sdk.data("sendEmailCode", json!([{"email": email, "type": "forgetpwd"}])).await;
    let code = sdk.code(email, "forgetpwd").await;
    assert_eq!(sdk.data("resetPwd", json!([{"email": email, "code": code, "pwd": NEW_PASSWORD}])).await, true);
    sdk.data("accountSignIn", json!([email, NEW_PASSWORD])).await;
}

async fn a_phone_signs_the_page_in(sdk: &mut Sdk) {
    let shown = sdk.call("minipSignInQRCode", json!([])).await;
    let key = &shown["signInKey"];
    let script = "const picture = document.getElementById('code');
        picture.src = arguments[0];
        return picture.decode();";
    sdk.browser.run(script, json!([shown["qrcode"]])).await;
    assert_eq!(sdk.browser.scan("#code").await, format!("pages/index/index?appId=2&signinKey={key}"));
    sdk.refused("minipSignInResult", json!([key]), "scan_pending").await;

    let scanned = sdk.post("QRCodeScan", json!({"signInKey": key})).await;
    let confirmed = json!({"signInKey": key, "scanNonce": scanned["scanNonce"], "unionID": "o-2", "nickName": "Bob"});
    sdk.post("QRCodeSignUp", confirmed).await;
    let token = sdk.data("minipSignInResult", json!([key])).await;
    let user = sdk.call("accesstokenSignIn", json!([token["access_token"], token["expires_in"]])).await;
    assert_eq!((&user["nickName"], &user["unionID"]), (&json!("Bob"), &json!("o-2")));

    let key = sdk.data("__minipPreSignIn", json!(["openid profile", "the page"])).await;
    assert!(key.is_u64(), "{key}");
    let path = format!("pages/index/index?appId=2&signinKey={key}");
    let picture = sdk.call("wechatWXACodeGet", json!([{"path": path, "width": 128}])).await;
    assert!(picture["blob"].as_str().is_some_and(|kind| kind.starts_with("image/")), "{picture}");
}

async fn points(sdk: &mut Sdk) {
    assert_eq!(sdk.data("pointLogs", json!([])).await, json!({"total": 0, "data": []}));
    sdk.post("RechargePoints", json!({"price": 200, "remark": "充值"})).await;
    let log = sdk.data("pointLogs", json!([0, 0, 30])).await;
    assert_eq!((&log["total"], &log["data"][0]["remark"]), (&json!(1), &json!("充值")));
}

async fn authorization(sdk: &mut Sdk) {
    let token = sdk.data("accountSignIn", json!(["alice", PASSWORD])).await;
    sdk.call("accesstokenSignIn", json!([token["access_token"], token["expires_in"]])).await;
    let form = json!({"grant_type": "account", "userName": "alice", "pwd": PASSWORD, "scopes": "openid profile"});
    let granted = sdk.data("oauthGrantCode", json!(["app", form])).await;
    let token = sdk.data("oauthAuthorize", json!(["app", granted["code"]])).await;
    assert_eq!(token["token_type"], "Bearer");
    sdk.refused("oauthAuthorize", json!(["app", "0000"]), "invalid_grant").await;
    let consents = sdk.data("oauthConsents", json!([])).await;
    assert_eq!(consents.as_array().map(Vec::len), Some(1), "{consents}");
    assert_eq!(sdk.data("oauthDeleteConsent", json!([consents[0]["id"]])).await, true);
    assert_eq!(sdk.data("oauthConsents", json!([])).await, json!([]));
}

async fn what_needs_no_server(sdk: &mut Sdk) {
    assert_eq!(sdk.call("decode_access_token", json!([""])).await, json!({"appid": "0"}));
    assert_eq!(sdk.call("__appPropValue", json!(["default_avatar"])).await, "");
    sdk.call("__resetHeaderTags", json!([])).await;
    assert_eq!(sdk.browser.run("return document.title", json!([])).await, "Demo");
}

/// The SDK handles no HTTP failure: a page with a token that is no longer good waits until somebody removes it.
async fn a_token_that_is_no_longer_good(sdk: &mut Sdk) {
    let script = "
        oauthapp.settings.access_token += 'x';
        return oauthapp.profile().then(() => null, (request) => [request.status, request.responseJSON.reason])";
    assert_eq!(sdk.browser.run(script, json!([])).await, json!([401, "invalid_token"]));
    let script = "
        const signedIn = oauthapp.accesstokenSignIn().then(() => 'settled', () => 'settled');
        const answered = new Promise((done) => $(document).one('ajaxStop', () => setTimeout(done, 0, 'waits')));
        return Promise.race([signedIn, answered])";
    assert_eq!(sdk.browser.run(script, json!([])).await, "waits");
}

/// A code of six digits that is not this one.
fn other_than(code: &str) -> &'static str {
    if code == "000000" { "111111" } else { "000000" }
}

/// The SDK in a page.
struct Sdk {
    browser: Browser,
    server: Server,
    http: reqwest::Client,
    /// What the last method sent.
    sent: Vec<String>,
    /// The methods that were called, with what they sent the first time.
    called: BTreeMap<String, Vec<String>>,
}

impl Sdk {
    async fn open(driver: &Driver, server: Server, site: &Site) -> Self {
        let browser = Browser::open(driver, 960, 900).await;
        browser.go(&site.url).await;
        Self { browser, server, http: reqwest::Client::new(), sent: Vec::new(), called: BTreeMap::new() }
    }

    /// Calls a method; what it answers in the end.
    async fn call(&mut self, method: &str, given: Value) -> Value {
        let mut done = self.browser.run("return call(...arguments)", json!([method, given])).await;
        assert_eq!(done["failed"], Value::Null, "{method} {given}: {done}");
        self.sent = serde_json::from_value(done["sent"].take()).expect("what was sent");
        self.called.entry(method.to_owned()).or_insert_with(|| self.sent.clone());
        done["answer"].take()
    }

    /// The data of a success.
    async fn data(&mut self, method: &str, given: Value) -> Value {
        let mut answer = self.call(method, given).await;
        assert_eq!((&answer["code"], &answer["err"]), (&json!(200), &json!("")), "{method}: {answer}");
        answer["data"].take()
    }

    /// Calls a method that the server refuses by rule, which the SDK is told in a successful answer.
    async fn refused(&mut self, method: &str, given: Value, reason: &str) {
        let answer = self.call(method, given).await;
        assert_eq!(answer["reason"], reason, "{method}: {answer}");
        assert!(answer["code"] != 200 && answer["err"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
    }

    /// A request that is not the page's, with the page's token.
    async fn post(&self, action: &str, body: Value) -> Value {
        let token = self.browser.run("return oauthapp.settings.access_token", json!([])).await;
        let url = format!("{}/api/AppUsers/{}/{action}", self.server.url, self.server.app_id);
        let request = self.http.post(url).bearer_auth(token.as_str().expect("a token")).json(&body);
        let mut answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        assert_eq!(answer["code"], 200, "{action}: {answer}");
        answer["data"].take()
    }

    /// Nobody gets two codes within a minute, and the server's clock is not ours: it forgets what it sent.
    async fn a_minute_passes(&self) {
        let db = Access::local(&self.server.dynamodb_url).client(Service::DynamoDb);
        let table = "tessera-Codes";
        let rows = db.send(ScanInput::builder().table_name(table)).await.expect("the rows").items.unwrap_or_default();
        let prefix = format!("{}#contact#", self.server.app_id);
        let is_ours = |row: &&HashMap<_, _>| key_of(row).is_some_and(|key| key.starts_with(&prefix));
        let ours: Vec<_> = rows.iter().filter(is_ours).collect();
        assert!(!ours.is_empty(), "codes were sent");
        for row in ours {
            let delete = DeleteItemInput::builder().table_name(table).key("pk", row["pk"].clone());
            db.send(delete).await.expect("one row less");
        }
    }

    /// The last code that was sent to somebody. It may come later than the answer.
    async fn code(&self, to: &str, purpose: &str) -> String {
        let outbox = format!("{}/_local/outbox?to={to}", self.server.url);
        for _ in 0..100 {
            let sent: Value = self.http.get(&outbox).send().await.expect("an answer").json().await.expect("JSON");
            let sent = sent.as_array().expect("a list").iter().rev();
            let mut codes = sent.filter(|message| message["purpose"] == purpose);
            if let Some(code) = codes.find_map(|message| message["code"].as_str()) {
                return code.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no code for {purpose} came to {to}");
    }
}

fn key_of(row: &HashMap<String, AttributeValue>) -> Option<&str> {
    row.get("pk")?.as_s().ok().map(String::as_str)
}

/// The SDK's script, as the package has it, and what starts browsers, if both are there.
fn installed() -> Option<(String, Driver)> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../sdk/node_modules/oauthapp");
    let Ok(script) = std::fs::read_to_string(folder.join("oauthapp.min.js")) else {
        webdriver::skip("the browser SDK: it is not installed (tests/install-sdk.sh)", REQUIRED);
        return None;
    };
    Some((script, Driver::start(REQUIRED)?))
}

/// A page that loads the SDK.
fn page(server: &Server) -> String {
    const PAGE: &str = r#"<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>SDK</title></head>
<body>
<img id="code" alt="">
<script id="appcore" src="/sdk.js" data-server="SERVER" data-appid="APP"></script>
<script>
"use strict";
const sent = [];
const note = (method, url) => sent.push(`${method} ${new URL(url).pathname}`);
$(document).ajaxSend((event, request, settings) => note(settings.type, settings.url));
const plainFetch = window.fetch;
window.fetch = (url, options) => { note(options.method, url); return plainFetch(url, options); };

const methods = () => Object.keys(oauthapp).filter((name) => typeof oauthapp[name] === "function");

async function call(method, given) {
  sent.length = 0;
  try {
    const answer = await oauthapp[method](...given);
    return { answer: answer instanceof Blob ? { blob: answer.type } : answer ?? null, sent };
  } catch (failure) {
    return { failed: failure.responseText ?? String(failure), sent };
  }
}
</script>
</body>
</html>
"#;
    PAGE.replace("SERVER", &server.url).replace("APP", &server.app_id.to_string())
}

/// A web site of one page and one script, on an origin of its own. It is there until the tests end.
struct Site {
    url: String,
}

impl Site {
    fn start(page: String, script: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("its address"));
        let files = Arc::new((page, script));
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let files = Arc::clone(&files);
                // A browser connects ahead of need: each connection waits on its own.
                std::thread::spawn(move || serve(connection, &files.0, &files.1));
            }
        });
        Self { url }
    }
}

/// Answers one request. A browser that went away is no failure of the site.
fn serve(mut connection: TcpStream, page: &str, script: &str) {
    let mut head = BufReader::new(&connection).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let Some(request) = head.next() else { return };
    head.for_each(drop);
    let (status, kind, body) = match request.split(' ').nth(1) {
        Some("/") => ("200 OK", "text/html", page),
        Some("/sdk.js") => ("200 OK", "text/javascript", script),
        // Icons.
        _ => ("204 No Content", "text/plain", ""),
    };
    let length = body.len();
    let head = format!("Content-Type: {kind}; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close");
    let _ = write!(connection, "HTTP/1.1 {status}\r\n{head}\r\n\r\n{body}");
}

/// Why the other methods are not called: nothing answers them.
const NOT_OURS: &[(&str, &[&str])] = &[
    ("`/api/TenantBlobs`: files, not identity", &["upload", "fsDelete"]),
    (
        "`/api/AppStorage`: an app's tables, not identity",
        &["tables", "table", "tableDetail", "tablePost", "tableDelete", "tablePut", "tableCreate"],
    ),
    (
        "`/api/AppRank`: rankings, not identity",
        &["ranks", "rankStatistics", "rank", "rankOfUser", "rankSubmit", "rankCreate"],
    ),
    (
        "`/api/AppChatMessages`: messages between users, not identity",
        &[
            "messageTables",
            "messageCategories",
            "messages",
            "messagePost",
            "messagePut",
            "messageDelete",
            "messageCreate",
        ],
    ),
    (
        "`/api/Wechat`: of WeChat's own API, only the picture of a code has an endpoint here",
        &[
            "wechatSubscribeSend",
            "wechatGenerateScheme",
            "wechatUrlLinkGenerate",
            "wechatWXACodeGetUnlimited",
            "wechatJSCode2Session",
            "wechatDecrypt",
            "wechatUserInfo",
            "wechatSubscribeMSG",
            "wechatJSConfig",
        ],
    ),
    ("`/api/DingTalk`: DingTalk's own API has no endpoint here", &["dingtalkSignIn"]),
    ("`/api/AppOrder`: orders, not identity", &["orders", "orderCreate", "order"]),
    (
        "`/api/Alipay`: payments, not identity",
        &[
            "alipayCreateOrderQRCode",
            "alipayCreateOrderPagePay",
            "alipayCreateOrderWapPay",
            "alipayOrderRefund",
            "alipayReturnPageNotify",
            "alipayOrder",
        ],
    ),
];

/// The table of the SDK's methods. Each is either called or has a reason.
fn document(methods: &[String], called: &BTreeMap<String, Vec<String>>) -> String {
    let mut text = "# The browser SDK\n\n\
        The browser SDK that pages of the v1 API load (`oauthapp` 1.9.9 on npm, its file `oauthapp.min.js`) works \
        with Tessera unchanged; the page says where the server is:\n\n\
        ```html\n\
        <script id=\"appcore\" src=\"oauthapp.min.js\" data-server=\"https://id.example.com\" data-appid=\"2\"></script>\n\
        ```\n\n\
        The app lists the page's origin among its `corsOrigins`. `tests/tests/sdk.rs` calls the methods in Chromium, \
        from another origin than the server's, and makes this table of them.\n\n\
        **A revoked token.** The SDK handles no HTTP failure. When its cookie holds a token that is no longer good \
        (after a password reset, say), `Profile` answers 401, and the promises of `accesstokenSignIn` and `allReady` \
        are never settled. A page that must not hang looks for that (`$(document).ajaxError`), removes the cookie \
        `_oauthapp_access_token` and loads anew.\n\n\
        **New apps.** An app with the preset `strict` takes no union id from a browser (`app_secret_required`): \
        `signInWithWebIdentity` rejects, and `allReady`, which signs strangers in by their browser's fingerprint, is \
        never settled. Nor does such an app tell a QR code's result without the `pollSecret`, which the SDK does not keep. \
        There a page calls `ready` and signs people in by account, phone or e-mail; or the operator relaxes \
        `unionIdProof` and `qrProof`, knowing what they are for.\n\n\
        The package's other two files are not loaded: `oauthapp.alipay.min.js` repeats the methods for Alipay, \
        `oauthapp.dingtalk.min.js` calls methods that the package no longer has.\n\n"
        .to_owned();
    let mut rows = String::new();
    for method in methods {
        let reason = NOT_OURS.iter().find(|(_, names)| names.contains(&method.as_str())).map(|(reason, _)| reason);
        let row = match (called.get(method), reason) {
            (Some(sent), None) => {
                let sent: Vec<_> = sent.iter().map(|sent| format!("`{}`", with_placeholders(sent))).collect();
                format!("| `{method}` | yes | {} |\n", if sent.is_empty() { "—".to_owned() } else { sent.join(", ") })
            }
            (None, Some(reason)) => format!("| `{method}` | no | {reason} |\n"),
            (Some(_), Some(_)) => panic!("{method} is called, and has a reason not to be"),
            (None, None) => panic!("{method} is neither called nor has it a reason"),
        };
        rows.push_str(&row);
    }
    for name in NOT_OURS.iter().flat_map(|(_, names)| *names) {
        assert!(methods.iter().any(|method| method == name), "the SDK has no {name}");
    }
    write!(text, "Covered: {} of {} methods.\n\n", called.len(), methods.len()).expect("a text takes more text");
    text + "| method | covered | what it sends, or why not |\n|---|---|---|\n" + &rows
}

/// A path without the numbers of this run.
fn with_placeholders(sent: &str) -> String {
    let mut numbers = ["{appId}", "{id}"].into_iter();
    let segments = sent.split('/').map(|segment| {
        let is_number = !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit());
        if is_number { numbers.next().unwrap_or("{…}") } else { segment }
    });
    segments.collect::<Vec<_>>().join("/")
}
