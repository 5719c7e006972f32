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

mod methods;
mod site;

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
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

use self::site::{Site, page};

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
    let document = methods::document(&methods, &sdk.called);
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
