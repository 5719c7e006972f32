//! What a code is good for, and how often it may be guessed at.

use serde_json::json;
use shared::storage::Table;
use tests::{World, claims};

use super::{EMAIL, NEW_PASSWORD, PASSWORD, PHONE, call, code, path, phone_sign_in, phone_sign_up, wrong};

#[tokio::test]
async fn ot_13_a_new_code_replaces_the_old_one_of_its_purpose() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    let old = code(&world, PHONE, "signin").await;
    let other = code(&world, PHONE, "signup").await;
    let new = code(&world, PHONE, "signin").await;
    phone_sign_in(&world, PHONE, &old).await.refused(200, 400, "invalid_code");
    phone_sign_in(&world, PHONE, &other).await.token();
    phone_sign_in(&world, PHONE, &new).await.token();
}

#[tokio::test]
async fn ot_17_the_fifth_wrong_try_kills_a_code_and_the_answer_never_says_so() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    let digits = code(&world, PHONE, "signin").await;
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(phone_sign_in(&world, PHONE, &wrong(&digits)).await);
    }
    answers.push(phone_sign_in(&world, PHONE, &digits).await);
    answers.push(phone_sign_in(&world, "13900139000", &digits).await);
    for answer in &answers {
        answer.refused(200, 400, "invalid_code");
        assert_eq!(answer.essence(), answers[0].essence());
    }
    assert_eq!(answers[0].body["err"], "验证码错误或已过期");
    let digits = code(&world, PHONE, "signin").await;
    phone_sign_in(&world, PHONE, &digits).await.token();
}

#[tokio::test]
async fn ot_22_ten_wrong_tries_an_hour_whatever_is_sent_again() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    for purpose in ["signin", "forgetpwd"] {
        let digits = code(&world, PHONE, purpose).await;
        for _ in 0..5 {
            let body = json!({"phone": PHONE, "code": wrong(&digits), "pwd": NEW_PASSWORD});
            let endpoint = if purpose == "signin" { "PhoneSignIn" } else { "ResetPwd" };
            call(&world, endpoint, body).await.refused(200, 400, "invalid_code");
        }
    }
    let digits = code(&world, PHONE, "signin").await;
    phone_sign_in(&world, PHONE, &digits).await.refused(200, 400, "invalid_code");
    world.wait(3_600);
    let digits = code(&world, PHONE, "signin").await;
    phone_sign_in(&world, PHONE, &digits).await.token();
}

#[tokio::test]
async fn a_code_lives_five_minutes() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    let digits = code(&world, PHONE, "signin").await;
    world.wait(300);
    phone_sign_in(&world, PHONE, &digits).await.refused(200, 400, "invalid_code");
    let digits = code(&world, PHONE, "signin").await;
    world.wait(299);
    phone_sign_in(&world, PHONE, &digits).await.token();
    phone_sign_in(&world, PHONE, &digits).await.refused(200, 400, "invalid_code");
}

#[tokio::test]
async fn ot_20_right_digits_elsewhere_are_wrong_and_the_genuine_code_still_works() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    phone_sign_up(&world, "13900139000").await;
    let digits = code(&world, PHONE, "signin").await;
    phone_sign_in(&world, "13900139000", &digits).await.refused(200, 400, "invalid_code");
    let reset = json!({"phone": PHONE, "code": digits, "pwd": NEW_PASSWORD});
    call(&world, "ResetPwd", reset).await.refused(200, 400, "invalid_code");
    let other_app = json!({"phone": PHONE, "verifyCode": digits});
    let answer = world.client().post("/api/AppUsers/3/PhoneSignIn", other_app).await;
    answer.refused(200, 400, "invalid_code");
    let mail = json!({"email": "13800138000@example.com", "code": digits});
    call(&world, "EmailSignIn", mail).await.refused(200, 400, "invalid_code");
    phone_sign_in(&world, PHONE, &digits).await.token();
}

#[tokio::test]
async fn ot_25_a_code_survives_what_fails_for_another_reason() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    let digits = code(&world, PHONE, "signup").await;
    for _ in 0..7 {
        let again = json!({"phone": PHONE, "phoneCode": digits});
        call(&world, "PhoneSignUp", again).await.refused(200, 409, "account_exists");
        let weak = json!({"phone": PHONE, "phoneCode": digits, "pwd": "password"});
        call(&world, "PhoneSignUp", weak).await.refused(200, 422, "weak_password");
    }
    phone_sign_in(&world, PHONE, &digits).await.token();

    let digits = code(&world, "13900139000", "signup").await;
    phone_sign_in(&world, "13900139000", &digits).await.refused(200, 404, "user_not_found");
    let taken = json!({"phone": "13900139000", "phoneCode": digits, "userName": PHONE});
    call(&world, "PhoneSignUp", taken).await.refused(200, 409, "account_exists");
    call(&world, "PhoneSignUp", json!({"phone": "13900139000", "phoneCode": digits})).await.token();
}

#[tokio::test]
async fn su_13_a_wrong_code_does_not_cost_the_right_one_beside_it() {
    let world = World::new().await;
    world
        .change_app(&world.documented, |app| {
            app.settings.verify_phone = true;
            app.settings.verify_email = true;
        })
        .await;
    let (sms, mail) = (code(&world, PHONE, "signup").await, code(&world, EMAIL, "signup").await);
    let group = |sms: &str, mail: &str| {
        json!({
            "userName": "alice", "pwd": PASSWORD,
            "phone": PHONE, "phoneCode": sms, "email": EMAIL, "emailCode": mail,
        })
    };
    for _ in 0..2 {
        call(&world, "SignUp", group(&wrong(&sms), &mail)).await.refused(200, 400, "invalid_code");
        call(&world, "SignUp", group(&sms, &wrong(&mail))).await.refused(200, 400, "invalid_code");
    }
    assert!(world.rows(Table::Users).await.is_empty());
    let signed_up = claims(&call(&world, "SignUp", group(&sms, &mail)).await.token());
    assert_eq!((&signed_up["mobile"], &signed_up["email"]), (&json!(PHONE), &json!(EMAIL)));
}

#[tokio::test]
async fn an_app_may_insist_on_proven_addresses_at_every_sign_up() {
    let world = World::new().await;
    world.change_app(&world.documented, |app| app.settings.verify_email = true).await;
    let bare = json!({"userName": "alice", "pwd": PASSWORD, "email": EMAIL});
    let answer = call(&world, "SignUp", bare).await;
    answer.refused(200, 400, "contact_code_required");
    assert_eq!(answer.body["err"], "请先验证手机号或邮箱");
    let identity = json!({"platform": "wx", "unionID": "o1"});
    call(&world, "UnionIDSignUp", identity).await.refused(200, 400, "contact_code_required");
    let digits = code(&world, PHONE, "signup").await;
    let phone_only = json!({"phone": PHONE, "phoneCode": digits});
    call(&world, "PhoneSignUp", phone_only).await.refused(200, 400, "contact_code_required");
    let mail = code(&world, EMAIL, "signup").await;
    let both = json!({"phone": PHONE, "phoneCode": digits, "email": EMAIL, "emailCode": mail});
    call(&world, "PhoneSignUp", both).await.token();
}

#[tokio::test]
async fn su_17_an_address_without_a_code_reserves_nothing_and_signs_nobody_in() {
    let world = World::new().await;
    let body = json!({"userName": "xa", "pwd": PASSWORD, "phone": "+8613800138000", "email": EMAIL});
    let token = call(&world, "SignUp", body).await.token();
    let profile = world.client().bearer(&token).get(&path("Profile")).await;
    assert_eq!((&profile.data()["phone"], &profile.data()["phoneIsValid"]), (&json!(PHONE), &json!(false)));
    let digits = code(&world, PHONE, "signup").await;
    phone_sign_in(&world, PHONE, &digits).await.refused(200, 404, "user_not_found");
    let victim = call(&world, "PhoneSignUp", json!({"phone": PHONE, "phoneCode": digits})).await.token();
    let digits = code(&world, PHONE, "signin").await;
    let signed_in = phone_sign_in(&world, PHONE, &digits).await.token();
    assert_eq!(claims(&signed_in)["nameid"], claims(&victim)["nameid"], "SU-19");
    let strange = json!({"userName": "xb", "pwd": PASSWORD, "phone": "ext. 12", "email": "not a mailbox"});
    call(&world, "SignUp", strange).await.token();
}

#[tokio::test]
async fn codes_are_four_to_eight_digits_and_come_with_their_address() {
    let world = World::new().await;
    let before = world.snapshot().await;
    for code in [json!("123"), json!("123456789"), json!("12345a"), json!("１２３４５６"), json!(123_456), json!(true)]
    {
        for endpoint in ["PhoneSignIn", "PhoneSignUp", "ResetPwd", "SignUp"] {
            let body = json!({
                "userName": "alice", "phone": PHONE, "code": code, "phoneCode": code, "pwd": PASSWORD,
            });
            call(&world, endpoint, body).await.refused(400, 400, "invalid_request");
        }
    }
    for body in [
        json!({"phone": PHONE}),
        json!({"phoneCode": "123456"}),
        json!({"phone": PHONE, "phoneCode": ""}),
        json!({"phone": "", "phoneCode": "123456"}),
        json!({"email": EMAIL, "emailCode": "123456"}),
    ] {
        call(&world, "PhoneSignUp", body).await.refused(400, 400, "invalid_request");
    }
    for body in [
        json!({"phone": PHONE, "email": EMAIL, "code": "123456", "pwd": PASSWORD}),
        json!({"code": "123456", "pwd": PASSWORD}),
        json!({"phone": PHONE, "pwd": PASSWORD}),
        json!({"phone": PHONE, "code": "123456"}),
    ] {
        call(&world, "ResetPwd", body).await.refused(400, 400, "invalid_request");
    }
    assert_eq!(world.snapshot().await, before);
    let aliases = json!({"phone": PHONE, "verifyCode": "123456", "phoneCode": "654321"});
    call(&world, "PhoneSignIn", aliases).await.refused(400, 400, "invalid_request");
}

#[tokio::test]
async fn a_closed_app_takes_nobody_with_a_code_either() {
    let world = World::new().await;
    let digits = code(&world, PHONE, "signup").await;
    world.change_app(&world.documented, |app| app.settings.sign_up_enabled = false).await;
    let body = json!({"phone": PHONE, "phoneCode": digits});
    call(&world, "PhoneSignUp", body).await.refused(200, 403, "sign_up_disabled");
}

#[tokio::test]
async fn the_default_name_gives_way_to_one_that_is_taken() {
    let world = World::new().await;
    world.client().sign_up(2, PHONE, PASSWORD).await;
    let name = claims(&phone_sign_up(&world, PHONE).await)["unique_name"].as_str().unwrap().to_owned();
    assert!(name.starts_with("u_"), "{name}");
    let chosen = code(&world, EMAIL, "signup").await;
    let body = json!({"email": EMAIL, "emailCode": chosen, "userName": "alice", "pwd": "123456"});
    assert_eq!(claims(&call(&world, "EmailSignUp", body).await.token())["unique_name"], "alice");
}
