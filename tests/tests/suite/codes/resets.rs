//! Passwords set anew with a code.

use serde_json::json;
use tests::World;

use super::{EMAIL, NEW_PASSWORD, PASSWORD, PHONE, call, code, path, phone_sign_in, phone_sign_up};

#[tokio::test]
async fn rp_05_rp_13_a_reset_unlocks_and_ends_every_earlier_token_and_code() {
    let world = World::new().await;
    let (sms, mail) = (code(&world, PHONE, "signup").await, code(&world, EMAIL, "signup").await);
    let both = json!({"phone": PHONE, "phoneCode": sms, "email": EMAIL, "emailCode": mail, "pwd": PASSWORD});
    let token = call(&world, "PhoneSignUp", both).await.token();
    for _ in 0..6 {
        let failed = json!({"userName": PHONE, "pwd": "wrong horse battery"});
        assert_ne!(call(&world, "SignIn", failed).await.code(), 200);
    }
    let mail_reset = code(&world, EMAIL, "forgetpwd").await;
    let mail_signin = code(&world, EMAIL, "signin").await;
    let sms_signin = code(&world, PHONE, "signin").await;
    let sms_reset = code(&world, PHONE, "forgetpwd").await;
    let answer = call(&world, "ResetPwd", json!({"phone": PHONE, "code": sms_reset, "pwd": NEW_PASSWORD})).await;
    assert_eq!(answer.data(), &json!(true));
    world.client().bearer(&token).get(&path("Profile")).await.refused(401, 401, "invalid_token");
    phone_sign_in(&world, PHONE, &sms_signin).await.refused(200, 400, "invalid_code");
    let signin = json!({"email": EMAIL, "code": mail_signin});
    call(&world, "EmailSignIn", signin).await.refused(200, 400, "invalid_code");
    for (address, digits) in [("phone", sms_reset), ("email", mail_reset)] {
        let to = if address == "phone" { PHONE } else { EMAIL };
        let body = json!({address: to, "code": digits, "pwd": "another good password"});
        call(&world, "ResetPwd", body).await.refused(200, 400, "invalid_code");
    }
    // The failures of before are forgotten.
    call(&world, "SignIn", json!({"userName": PHONE, "pwd": NEW_PASSWORD})).await.token();
    call(&world, "SignIn", json!({"userName": PHONE, "pwd": PASSWORD})).await.refused(200, 401, "invalid_credentials");
}

#[tokio::test]
async fn rp_07_a_weak_new_password_costs_no_code() {
    let world = World::new().await;
    phone_sign_up(&world, PHONE).await;
    let digits = code(&world, PHONE, "forgetpwd").await;
    for weak in ["password", "123456", PHONE, "aaaaaaaa", "short"] {
        for _ in 0..2 {
            let body = json!({"phone": PHONE, "code": digits, "pwd": weak});
            call(&world, "ResetPwd", body).await.refused(200, 422, "weak_password");
        }
    }
    call(&world, "ResetPwd", json!({"phone": PHONE, "code": digits, "pwd": NEW_PASSWORD})).await.data();
}

#[tokio::test]
async fn rp_08_and_rp_10_a_reset_sets_the_first_password_in_one_app_only() {
    let world = World::new().await;
    world.change_app(&world.documented, |app| app.settings.default_password = None).await;
    phone_sign_up(&world, PHONE).await;
    let other = |endpoint: &str| format!("/api/AppUsers/3/{endpoint}");
    world.client().post(&other("SendSMSCode"), json!({"phone": PHONE, "type": "signup"})).await.data();
    let body = json!({"phone": PHONE, "phoneCode": world.code_for(PHONE), "pwd": PASSWORD});
    let elsewhere = world.client().post(&other("PhoneSignUp"), body).await.token();
    let digits = code(&world, PHONE, "forgetpwd").await;
    call(&world, "ResetPwd", json!({"phone": PHONE, "code": digits, "pwd": NEW_PASSWORD})).await.data();
    call(&world, "SignIn", json!({"userName": PHONE, "pwd": NEW_PASSWORD})).await.token();
    world.client().bearer(&elsewhere).get(&other("Profile")).await.data();
    world.client().post(&other("SignIn"), json!({"userName": PHONE, "pwd": PASSWORD})).await.token();
}
