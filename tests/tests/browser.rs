//! The local server's demo pages in a real browser: one shows a QR code and polls, the other plays the phone.
//!
//! The browser is Chromium, headless, driven by `chromedriver` (`tests/install-browser.sh` installs both). Without it
//! the test is skipped aloud. Screenshots of the states are left in `target/tmp`.
//!
//! | variable | meaning |
//! |---|---|
//! | `TESSERA_BINARY` | the local server; without it, it is built from the sources |
//! | `TESSERA_BROWSER_REQUIRED` | with `CI`: being skipped is a failure |

use std::path::{Path, PathBuf};

use serde_json::json;
use tests::webdriver::{Browser, Driver, Server};

#[tokio::test]
async fn a_phone_signs_a_page_in_before_our_eyes() {
    let Some(driver) = Driver::start("TESSERA_BROWSER_REQUIRED") else { return };
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
    page.screenshot(&picture("shown")).await;

    phone.go(link.as_str().expect("an address")).await;
    phone.screenshot(&picture("phone-ready")).await;
    phone.click("#scan button").await;
    phone.reaches("scanned").await;
    assert_eq!(phone.text("h1:not([hidden])").await, "Sign in to Demo?");
    let card = phone.text("#card").await;
    assert!(card.contains("openid") && card.contains("HeadlessChrome"), "{card}");
    phone.screenshot(&picture("phone-scanned")).await;

    page.reaches("scanned").await;
    assert_eq!(page.text("figcaption:not([hidden])").await, "✓\nScanned");
    assert_eq!(page.text("#status").await, "Now confirm on your phone.");
    page.screenshot(&picture("scanned")).await;

    // A name that would be markup, if anybody took it for that.
    phone.fill("#nick", "爱丽丝 <b>A</b>").await;
    phone.click("#confirm button").await;
    phone.reaches("confirmed").await;
    phone.screenshot(&picture("phone-confirmed")).await;

    page.reaches("signed-in").await;
    assert_eq!(page.text("h1:not([hidden])").await, "Welcome, 爱丽丝 <b>A</b>");
    let claims = page.text("#claims").await;
    for expected in ["demo-phone", "wxminip / demo-phone", "qrcode"] {
        assert!(claims.contains(expected), "{claims}");
    }
    assert_eq!(page.run("return document.querySelectorAll('figure:not([hidden])').length", json!([])).await, 0);
    page.screenshot(&picture("signed-in")).await;

    // The code is spent: a second phone is told so, and stays where it is.
    phone.go(link.as_str().expect("an address")).await;
    phone.click("#scan button").await;
    phone.says("二维码已失效，请刷新重试").await;
    phone.screenshot(&picture("phone-refused")).await;

    // Somebody else can begin anew.
    page.click("#leave").await;
    page.reaches("shown").await;
    assert_ne!(page.scan("#code").await, code);

    for browser in [&page, &phone] {
        assert_eq!(browser.complaints().await, Vec::<String>::new());
    }
}

/// Where a picture of a state is kept.
fn picture(state: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("demo-{state}.png"))
}
