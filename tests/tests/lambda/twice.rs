//! Lambda may deliver one event more than once: it has one effect.

use serde_json::{Value, json};
use tests::lambda::{APP_KEY, Event, PASSWORD, SN, World, recorded};

use crate::emulator::{Lambda, Setup};

#[tokio::test]
async fn a_sign_up_signs_up_once() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let accounts = Lambda::start(&setup, &world, "accounts").await;

    accounts.invoke(&recorded("sign-up")).await.data();
    accounts.invoke(&recorded("sign-up")).await.refused(200, "account_exists");
    accounts.invoke(&recorded("sign-in")).await.data();
}

#[tokio::test]
async fn a_code_is_sent_once_and_used_once() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let codes = Lambda::start(&setup, &world, "codes").await;
    let accounts = Lambda::start(&setup, &world, "accounts").await;

    codes.invoke(&recorded("send-sms-code")).await.data();
    codes.invoke(&recorded("send-sms-code")).await.refused(200, "throttled");
    let messages = world.messages().await;
    assert_eq!(messages.len(), 1, "{messages:?}");
    let body = json!({"phone": "13800138000", "phoneCode": messages[0]["code"], "pwd": PASSWORD});
    let sign_up = Event::new("POST", "/api/AppUsers/{appId}/PhoneSignUp", &["2"]).json(&body);
    accounts.invoke(&sign_up).await.token();
    let again = accounts.invoke(&sign_up).await;
    assert!(["invalid_code", "account_exists"].iter().any(|reason| again.body["reason"] == *reason), "{again:?}");
}

#[tokio::test]
async fn an_order_is_credited_once() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let token = Lambda::start(&setup, &world, "accounts").await.invoke(&recorded("sign-up")).await.token();
    let points = Lambda::start(&setup, &world, "points").await;

    let recharge = Event::new("POST", "/api/AppUsers/{appId}/RechargePoints", &["2"])
        .bearer(&token)
        .json(&json!({"price": 200, "orderId": "o1"}));
    for _ in 0..2 {
        assert_eq!(points.invoke(&recharge).await.data(), true);
    }
    let log = points.invoke(&Event::new("GET", "/api/AppUsers/{appId}/PointLog", &["2"]).bearer(&token)).await.data();
    assert_eq!((&log["total"], &log["data"][0]["used"]), (&json!(1), &json!(2000)));
}

#[tokio::test]
async fn a_link_takes_one_seat_and_gets_one_answer() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    Lambda::start(&setup, &world, "accounts").await.invoke(&recorded("sign-up")).await.token();
    let licences = Lambda::start(&setup, &world, "licences").await;

    let link = Event::new("POST", "/bitanswer/api/sns/{sn}/users/user/{name}", &[SN, "alice"])
        .header("bitkey", &world.bitkey)
        .header("x-bit-req-id", "r-1");
    let answers = [licences.invoke(&link).await, licences.invoke(&link).await];
    assert_eq!(answers[0].data(), answers[1].data());
    let list = licences.invoke(&recorded("list-licence-users").header("bitkey", &world.bitkey)).await.data();
    assert_eq!(list["total"], 1);
}

#[tokio::test]
async fn an_external_account_is_bound_once() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let token = Lambda::start(&setup, &world, "accounts").await.invoke(&recorded("sign-up")).await.token();
    let external = Lambda::start(&setup, &world, "external-accounts").await;

    let accounts = |method: &str| Event::new(method, "/ExternalAccount/{appKey}", &[APP_KEY]).bearer(&token);
    let bind = accounts("POST").json(&json!({"unionID": "o-1", "platform": "wechat", "platformName": "W"}));
    for _ in 0..2 {
        assert_eq!(external.invoke(&bind).await.data(), true);
    }
    assert_eq!(external.invoke(&accounts("GET")).await.data().as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn an_authorization_code_and_a_scanned_page_give_one_token() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    Lambda::start(&setup, &world, "accounts").await.invoke(&recorded("sign-up")).await.token();
    let oauth = Lambda::start(&setup, &world, "oauth").await;
    let qr = Lambda::start(&setup, &world, "qr-sign-in").await;

    let code = oauth.invoke(&recorded("grant-code")).await.data()["code"].clone();
    let authorize = Event::new("POST", "/api/OAuth/{appId}/Authorize", &["2"]).json(&json!({"code": code}));
    oauth.invoke(&authorize).await.token();
    oauth.invoke(&authorize).await.refused(200, "invalid_grant");

    let key = qr.invoke(&recorded("qr-pre-sign-in")).await.data();
    let step =
        |name: &str, body: Value| Event::new("POST", &format!("/api/AppUsers/{{appId}}/{name}"), &["2"]).json(&body);
    qr.invoke(&step("QRCodeScan", json!({"signInKey": key}))).await.data();
    qr.invoke(&step("QRCodeSignUp", json!({"signInKey": key, "unionID": "o-1", "platform": "wechat"}))).await.token();
    let poll = step("QRCodeSignIn", json!({"signInKey": key}));
    qr.invoke(&poll).await.token();
    qr.invoke(&poll).await.refused(200, "qr_expired");
}
