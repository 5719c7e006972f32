//! Signing up: what a password may be, whose a code is, and what an address without proof is worth.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{Answer, Tally, World};

use super::work;
use crate::codes::{EMAIL, PASSWORD, PHONE, call, code, phone_sign_in, phone_sign_up};

const OTHER_PHONE: &str = "13900139000";

/// Every sign-up that takes a code beside its own fields, with an identity of its own.
const SIGN_UPS: [&str; 5] = ["SignUp", "UnionIDSignUp", "QRCodeSignUp", "PhoneSignUp", "EmailSignUp"];

/// Signs somebody up in this way, with these members set.
async fn sign_up(world: &World, endpoint: &str, app: u32, number: usize, members: &Value) -> Answer {
    let client = world.client().from("198.51.100.7");
    let at = |endpoint: &str| format!("/api/AppUsers/{app}/{endpoint}");
    let mut body = match endpoint {
        "SignUp" => json!({"userName": format!("user{number}"), "pwd": PASSWORD}),
        "UnionIDSignUp" => json!({"platform": "wx", "unionID": format!("o{number}")}),
        "QRCodeSignUp" => {
            let begun = client.post(&at("QRCodePreSignIn"), json!({})).await;
            let key = begun.data().clone();
            let scanned = client.post(&at("QRCodeScan"), json!({"signInKey": key})).await;
            json!({"signInKey": key, "scanNonce": scanned.body["scanNonce"], "unionID": format!("q{number}")})
        }
        _ => json!({}),
    };
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    client.post(&at(endpoint), body).await
}

/// A password of this many characters that nobody would try first.
fn text(length: usize) -> String {
    (0..length).map(|n| char::from(b'a' + u8::try_from((n * 7 + n * n) % 26).unwrap())).collect()
}

#[tokio::test]
async fn su_08_passwords_have_a_least_and_a_greatest_length_in_code_points() {
    let tally = Tally::of("SU-08");
    let world = World::new().await;
    let emoji: String = (0..128).map(|n| char::from_u32(0x1_f600 + (n * 7) % 64).unwrap()).collect();
    for (number, endpoint) in ["SignUp", "UnionIDSignUp", "QRCodeSignUp"].into_iter().enumerate() {
        for (n, (password, code)) in
            [(text(5), 422), (text(6), 200), (text(64), 200), (text(128), 200), (emoji.clone(), 200), (text(129), 400)]
                .into_iter()
                .enumerate()
        {
            let name = format!("name{number}{n}");
            let members = json!({"userName": name, "pwd": password});
            let answer = sign_up(&world, endpoint, 2, number * 10 + n, &members).await;
            assert_eq!(answer.code(), code, "{endpoint} {n}: {}", answer.text);
            if code == 200 {
                call(&world, "SignIn", json!({"userName": name, "pwd": password})).await.token();
            }
            tally.count();
        }
    }
    // The app's least length, and never where a password is only verified.
    let short = json!({"userName": "short", "pwd": text(7)});
    world.client().post("/api/AppUsers/3/SignUp", short).await.refused(200, 422, "weak_password");
    world.change_app(&world.documented, |app| app.settings.password_min_length = 100).await;
    call(&world, "SignIn", json!({"userName": "name01", "pwd": text(6)})).await.token();
}

#[tokio::test]
async fn su_10_su_11_passwords_are_compared_composed_and_to_their_last_byte() {
    let world = World::new().await;
    let long = text(100);
    for (n, (set, same, others)) in [
        (
            "cafe\u{301} horse \u{fb01}".to_owned(),
            "caf\u{e9} horse \u{fb01}".to_owned(),
            vec!["caf\u{e9} horse fi".to_owned()],
        ),
        (long.clone(), long.clone(), vec![format!("{}!", &long[..99]), long[..72].to_owned(), format!("{long}a")]),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("user{n}");
        call(&world, "SignUp", json!({"userName": name, "pwd": set})).await.token();
        for other in others {
            let answer = call(&world, "SignIn", json!({"userName": name, "pwd": other})).await;
            answer.refused(200, 401, "invalid_credentials");
        }
        call(&world, "SignIn", json!({"userName": name, "pwd": same})).await.token();
    }
    // A NUL would end the password in some libraries: there is none with one.
    for endpoint in ["SignUp", "SignIn"] {
        let body = json!({"userName": "nul", "pwd": "correct horse\u{0}battery"});
        call(&world, endpoint, body).await.refused(400, 400, "invalid_request");
    }
}

#[tokio::test]
async fn su_14_su_16_a_code_is_good_for_its_address_in_its_app() {
    let tally = Tally::of("SU-14");
    let world = World::new().await;
    for (number, endpoint) in SIGN_UPS.into_iter().enumerate() {
        // A minute between two, an hour after five.
        world.wait(3_600);
        let (mail, phones) =
            (format!("u{number}@example.com"), [format!("1370013700{number}"), format!("1350013500{number}")]);
        let sms = code(&world, &phones[0], "signup").await;
        let mail_code = code(&world, &mail, "signup").await;
        let with_sms = |phone: &str| json!({"phone": phone, "phoneCode": sms, "email": mail, "emailCode": mail_code});
        // To another number, and in another app: charged to the address that was named there.
        sign_up(&world, endpoint, 2, number, &with_sms(&phones[1])).await.refused(200, 400, "invalid_code");
        let strict = world.client().with("x-app-secret", world.strict.secret.expose());
        let body = json!({
            "platform": "wx", "unionID": format!("s{number}"), "userName": format!("strict{number}"),
            "phone": phones[0], "phoneCode": sms,
        });
        strict.post("/api/AppUsers/3/UnionIDSignUp", body).await.refused(200, 400, "invalid_code");
        // The genuine code is as it was.
        sign_up(&world, endpoint, 2, number, &with_sms(&phones[0])).await.token();
        tally.count();
    }
    // P1's code was tried at P2 five times here: P2's own code is dead by that, P1's is not.
    world.wait(3_600);
    let (first, second) = (code(&world, PHONE, "signup").await, code(&world, OTHER_PHONE, "signup").await);
    for _ in 0..5 {
        let body = json!({"phone": OTHER_PHONE, "phoneCode": first});
        call(&world, "PhoneSignUp", body).await.refused(200, 400, "invalid_code");
    }
    let body = json!({"phone": OTHER_PHONE, "phoneCode": second});
    call(&world, "PhoneSignUp", body).await.refused(200, 400, "invalid_code");
    call(&world, "PhoneSignUp", json!({"phone": PHONE, "phoneCode": first})).await.token();
}

#[tokio::test]
async fn su_19_a_number_without_proof_is_its_owners_to_prove() {
    let world = World::new().await;
    let attacker = json!({"userName": "xa", "pwd": PASSWORD, "phone": PHONE, "email": EMAIL});
    let attacker = call(&world, "SignUp", attacker).await.token();
    let victim = phone_sign_up(&world, PHONE).await;
    // The attacker keeps a text, nothing else.
    let profile = world.client().bearer(&attacker).get("/api/AppUsers/2/Profile").await;
    assert_eq!((&profile.data()["phone"], &profile.data()["phoneIsValid"]), (&json!(PHONE), &json!(false)));
    let signin = code(&world, PHONE, "signin").await;
    let signed_in = phone_sign_in(&world, PHONE, &signin).await.token();
    let id = async |token: &str| world.client().bearer(token).get("/api/AppUsers/2/Profile").await.data()["id"].clone();
    assert_eq!(id(&signed_in).await, id(&victim).await);
    // A password that is right for the attacker opens nothing under the victim's number.
    let grant = json!({"grant_type": "phone", "scopes": "openid", "userName": PHONE, "password": PASSWORD});
    world.client().post("/api/OAuth/2/GrantCode", grant).await.refused(200, 401, "invalid_credentials");
    // And nothing is sent to an address that nobody proved.
    world.wait(60);
    call(&world, "SendEmailCode", json!({"email": EMAIL, "type": "forgetpwd"})).await.data();
    assert!(world.messages_to(EMAIL).is_empty());
}

#[tokio::test]
async fn su_23_an_avatar_is_no_script_and_is_never_fetched() {
    let tally = Tally::of("SU-23");
    let world = World::new().await;
    let long = format!("https://a.example/{}", "a".repeat(4_096));
    for (number, endpoint) in ["SignUp", "UnionIDSignUp", "QRCodeSignUp"].into_iter().enumerate() {
        for bad in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            " javascript:x",
            "data:image/svg+xml,<svg/>",
            "vbscript:x",
            &long,
        ] {
            let answer = sign_up(&world, endpoint, 2, number, &json!({"avatar": bad})).await;
            answer.refused(400, 400, "invalid_request");
            tally.count();
        }
        // What only a server would be lured to is a text to us.
        let inside = json!({"avatar": "http://169.254.169.254/latest/meta-data"});
        let token = sign_up(&world, endpoint, 2, number, &inside).await.token();
        let profile = world.client().bearer(&token).get("/api/AppUsers/2/Profile").await;
        assert_eq!(profile.data()["avatar"], inside["avatar"]);
        tally.count();
    }
}

#[tokio::test]
async fn su_26_a_taken_name_costs_the_work_of_a_free_one() {
    let world = World::new().await;
    world.client().sign_up(2, "alice", PASSWORD).await;
    let ask = |name: &str| json!({"userName": name, "pwd": PASSWORD});
    let (taken, taken_work) = work(&world, call(&world, "SignUp", ask("alice"))).await;
    taken.refused(200, 409, "account_exists");
    let (free, free_work) = work(&world, call(&world, "SignUp", ask("bob"))).await;
    free.token();
    assert_eq!(taken_work, free_work);
    assert_eq!(free_work.1, 1);
    // Also when many ask at once.
    let answers = join_all((0..10).map(|_| call(&world, "SignUp", ask("carol")))).await;
    assert_eq!(answers.iter().filter(|answer| answer.code() == 200).count(), 1);
}
