//! Each function once from end to end, with a success and a refusal.

use serde_json::json;
use tests::{
    claims,
    lambda::{APP_KEY, Event, PASSWORD, SN, World, recorded},
};

use crate::emulator::{Lambda, Setup};

/// An event to an endpoint of the demo app.
fn app_users(method: &str, endpoint: &str) -> Event {
    Event::new(method, &format!("/api/AppUsers/{{appId}}/{endpoint}"), &["2"])
}

/// What the lines say of the requests so far.
fn reasons(function: &Lambda) -> Vec<String> {
    function.lines().iter().map(|line| line["reason"].as_str().expect("a reason").to_owned()).collect()
}

/// A user of the demo app.
async fn token(setup: &Setup, world: &World) -> String {
    let accounts = Lambda::start(setup, world, "accounts").await;
    accounts.invoke(&recorded("sign-up")).await.token()
}

#[tokio::test]
async fn a_user_signs_up_signs_in_and_changes_the_profile() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let accounts = Lambda::start(&setup, &world, "accounts").await;
    let profile = Lambda::start(&setup, &world, "profile").await;

    let signed_up = accounts.invoke(&recorded("sign-up")).await.data();
    assert_eq!(signed_up["token_type"], "Bearer");
    let token = accounts.invoke(&recorded("sign-in")).await.token();
    let wrong = json!({"userName": "alice", "pwd": "wrong"});
    accounts.invoke(&app_users("POST", "SignIn").json(&wrong)).await.refused(200, "invalid_credentials");

    let get = recorded("get-profile").bearer(&token);
    assert_eq!(profile.invoke(&get).await.data()["nickName"], "爱丽丝");
    assert_eq!(profile.invoke(&recorded("put-profile").bearer(&token)).await.data(), true);
    let changed = profile.invoke(&get).await.data();
    assert_eq!(changed["nickName"], "小爱 🦊");
    let refused = profile.invoke(&recorded("get-profile")).await;
    refused.refused(401, "invalid_token");
    assert_eq!(refused.header("www-authenticate"), "Bearer");

    assert_eq!(reasons(&accounts), ["ok", "ok", "invalid_credentials"]);
    assert_eq!(reasons(&profile), ["ok", "ok", "ok", "invalid_token"]);
    for line in accounts.lines().iter().chain(&profile.lines()[..3]) {
        assert_eq!((&line["app"], &line["user"]), (&json!(2), &changed["id"]), "{line}");
        assert_eq!((&line["ip"], line["gatewayRequestId"].is_string()), (&json!("203.0.113.7"), true), "{line}");
    }
    assert!(!accounts.log().contains(&token) && !profile.log().contains(&token));
}

#[tokio::test]
async fn a_code_is_sent_and_signs_somebody_up() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let codes = Lambda::start(&setup, &world, "codes").await;
    let accounts = Lambda::start(&setup, &world, "accounts").await;

    assert_eq!(codes.invoke(&recorded("send-sms-code")).await.data(), true);
    codes
        .invoke(&app_users("POST", "SendSMSCode").json(&json!({"phone": "1", "type": "signup"})))
        .await
        .refused(400, "invalid_request");
    let message = world.messages().await.pop().expect("a message");
    assert_eq!(message["to"], "+8613800138000");
    let mut sign_up = json!({"phone": "13800138000", "phoneCode": "0000", "pwd": PASSWORD});
    accounts.invoke(&app_users("POST", "PhoneSignUp").json(&sign_up)).await.refused(200, "invalid_code");
    sign_up["phoneCode"] = message["code"].clone();
    let token = accounts.invoke(&app_users("POST", "PhoneSignUp").json(&sign_up)).await.token();
    assert_eq!(claims(&token)["mobile"], "13800138000");

    let sent = &codes.lines()[0];
    assert_eq!((&sent["MessagesSent"], &sent["reason"]), (&json!(1), &json!("ok")));
    for log in [codes.log(), accounts.log()] {
        let code = message["code"].as_str().expect("a code");
        assert!(!log.contains("13800138000") && !log.contains(&format!("\"{code}\"")), "{log}");
    }
    assert!(codes.log().contains("138****8000"));
}

#[tokio::test]
async fn an_authorization_code_becomes_a_token_and_a_consent() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    token(&setup, &world).await;
    let oauth = Lambda::start(&setup, &world, "oauth").await;

    let grant = Event::new("POST", "/api/oauth/{appId}/GrantCode", &["2"]);
    let claim =
        |password: &str| json!({"grant_type": "account", "userName": "alice", "pwd": password, "scopes": "profile"});
    oauth.invoke(&grant.clone().json(&claim("wrong"))).await.refused(200, "invalid_credentials");
    let code = oauth.invoke(&grant.json(&claim(PASSWORD))).await.data()["code"].clone();
    // Clients send the code in the query and no body.
    let authorize = Event::new("POST", "/api/OAuth/{appId}/Authorize", &["2"]);
    let token = oauth.invoke(&authorize.query(&format!("code={}", code.as_str().expect("a code")))).await.token();
    assert_eq!(claims(&token)["scope"], "profile");
    let consents = oauth.invoke(&Event::new("GET", "/api/OAuth/{appId}/Consents", &["2"]).bearer(&token)).await.data();
    let id = consents[0]["id"].to_string();
    let delete = Event::new("DELETE", "/api/OAuth/{appId}/Consents/{id}", &["2", &id]).bearer(&token);
    assert_eq!(oauth.invoke(&delete).await.data(), true);
    oauth.invoke(&delete).await.refused(401, "invalid_token");
    assert_eq!(reasons(&oauth), ["invalid_credentials", "ok", "ok", "ok", "ok", "invalid_token"]);
}

#[tokio::test]
async fn points_are_recharged_and_listed() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let token = token(&setup, &world).await;
    let points = Lambda::start(&setup, &world, "points").await;

    let recharge = app_users("POST", "RechargePoints").bearer(&token);
    assert_eq!(points.invoke(&recharge.clone().json(&json!({"price": 200, "orderId": "o1"}))).await.data(), true);
    points.invoke(&recharge.json(&json!({"price": 201, "orderId": "o2"}))).await.refused(200, "price_not_listed");
    let by_query = app_users("GET", "RechargePoints").bearer(&token).query("price=500&remark=a%20b%2Bc&orderId=o3");
    assert_eq!(points.invoke(&by_query).await.data(), true);
    let log = points.invoke(&app_users("GET", "PointLog").bearer(&token).query("type=&skip=&take=")).await.data();
    assert_eq!((&log["total"], &log["data"][0]["remark"]), (&json!(2), &json!("a b+c")));
    assert_eq!(reasons(&points), ["ok", "price_not_listed", "ok", "ok"]);
}

#[tokio::test]
async fn an_external_account_is_bound_and_signs_in() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let token = token(&setup, &world).await;
    let external = Lambda::start(&setup, &world, "external-accounts").await;

    let accounts = |method: &str| Event::new(method, "/ExternalAccount/{appKey}", &[APP_KEY]).bearer(&token);
    let account = json!({"unionID": "o-1", "platform": "wechat", "platformName": "微信"});
    assert_eq!(external.invoke(&accounts("POST").json(&account)).await.data(), true);
    let sign_in = Event::new("POST", "/ExternalAccount/{appKey}/SignIn", &[APP_KEY]);
    let claim = |id: &str| json!({"unionID": id, "platform": "wechat"});
    external.invoke(&sign_in.clone().json(&claim("o-2"))).await.refused(401, "invalid_credentials");
    let token = external.invoke(&sign_in.json(&claim("o-1"))).await.token();
    assert_eq!(claims(&token)["grant_type"], "external");
    assert_eq!(external.invoke(&accounts("GET")).await.data()[0]["platformName"], "微信");
    assert_eq!(reasons(&external), ["ok", "invalid_credentials", "ok", "ok"]);
}

#[tokio::test]
async fn a_phone_signs_a_page_in() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let qr = Lambda::start(&setup, &world, "qr-sign-in").await;
    let wechat = Lambda::start(&setup, &world, "wechat").await;

    let key = qr.invoke(&recorded("qr-pre-sign-in")).await.data();
    let poll = app_users("POST", "QRCodeSignIn").json(&json!({"signInKey": key}));
    qr.invoke(&poll).await.refused(200, "scan_pending");
    let picture = wechat.invoke(&recorded("wxa-code-get")).await;
    assert_eq!((picture.status, picture.header("cache-control").as_str()), (200, "no-store"));
    assert!(picture.header("content-type").starts_with("image/") && picture.bytes.len() > 100, "{picture:?}");
    let bad = Event::new("POST", "/api/Wechat/{appId}/WXACodeGet", &["2"]).json(&json!({"path": "a b"}));
    wechat.invoke(&bad).await.refused(400, "invalid_request");

    qr.invoke(&app_users("POST", "QRCodeScan").json(&json!({"signInKey": key}))).await.data();
    qr.invoke(&poll).await.refused(200, "confirm_pending");
    let confirm = json!({"signInKey": key, "unionID": "o-1", "platform": "wechat"});
    qr.invoke(&app_users("POST", "QRCodeSignUp").json(&confirm)).await.token();
    assert_eq!(claims(&qr.invoke(&poll).await.token())["unionid"], "o-1");
    assert_eq!(reasons(&qr), ["ok", "scan_pending", "ok", "confirm_pending", "ok", "ok"]);
    assert_eq!(reasons(&wechat), ["ok", "invalid_request"]);
}

#[tokio::test]
async fn a_licence_code_gets_a_user() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    token(&setup, &world).await;
    let licences = Lambda::start(&setup, &world, "licences").await;

    let list = recorded("list-licence-users");
    licences.invoke(&list).await.refused(401, "invalid_bitkey");
    let list = list.header("bitkey", &world.bitkey);
    assert_eq!(licences.invoke(&list).await.data()["total"], 0);
    let link = Event::new("POST", "/bitanswer/api/sns/{sn}/users/user/{name}", &[SN, "alice"]);
    licences.invoke(&link.header("bitkey", &world.bitkey)).await.data();
    assert_eq!(licences.invoke(&list).await.data()["items"][0]["name"], "alice");
    assert_eq!(reasons(&licences), ["invalid_bitkey", "ok", "ok", "ok"]);
    assert!(licences.lines()[1]["bitkey"].is_string() && !licences.log().contains(&world.bitkey));
}

#[tokio::test]
async fn the_public_key_of_the_tokens_and_the_app_s_card_are_public() {
    let Some(setup) = Setup::find() else { return };
    let world = World::start().await;
    let directory = Lambda::start(&setup, &world, "directory").await;

    let keys = directory.invoke(&recorded("jwks")).await;
    assert_eq!((keys.status, keys.header("cache-control")), (200, "public, max-age=300".into()));
    assert_eq!(keys.body["keys"][0]["kid"], world.key_id);
    assert_eq!(keys.body["keys"][0].get("d"), None);
    assert_eq!(directory.invoke(&recorded("app-info")).await.data()["info"]["name"], "Demo");
    let other = Event::new("GET", "/api/Apps/{appId}/Info", &["9"]);
    directory.invoke(&other).await.refused(200, "app_not_found");
    assert_eq!(reasons(&directory), ["ok", "ok", "app_not_found"]);
}
