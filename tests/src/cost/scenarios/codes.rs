//! Codes by phone and mail, and what they open.

use serde_json::json;

use super::PASSWORD;
use crate::cost::{Case, Measured, Run};

const PHONE: &str = "13800138000";
const EMAIL: &str = "alice@example.com";

pub(super) async fn run(mut run: Run) -> Vec<Measured> {
    let client = run.world.client();
    for (channel, address, endpoint) in [("phone", PHONE, "SendSMSCode"), ("email", EMAIL, "SendEmailCode")] {
        let (send, capital) = (Run::at(endpoint), if channel == "phone" { "Phone" } else { "Email" });
        let ask = |purpose: &str| json!({channel: address, "type": purpose});
        run.case(&client, Case::post("to sign up", &send, ask("signup"))).await;
        run.case(&client, Case::post("too soon", &send, ask("signup")).refused(429)).await;
        let code = run.code_for(address);
        let wrong = format!("{:06}", (code.parse::<u32>().expect("digits") + 1) % 1_000_000);
        let (up, sign_in) = (Run::at(&format!("{capital}SignUp")), Run::at(&format!("{capital}SignIn")));
        let body = |code: &str| json!({channel: address, format!("{channel}Code"): code, "pwd": PASSWORD});
        run.case(&client, Case::post("wrong code", &up, body(&wrong)).refused(400)).await;
        run.case(&client, Case::post("", &up, body(&code)).hashing()).await;

        run.world.wait(61);
        run.case(&client, Case::post("to sign in", &send, ask("signin"))).await;
        let code = run.code_for(address);
        let body = |code: &str| json!({channel: address, "verifyCode": code});
        run.case(&client, Case::post("wrong code", &sign_in, body(&wrong)).refused(400)).await;
        run.case(&client, Case::post("", &sign_in, body(&code))).await;
    }
    run.world.wait(61);
    client.post(&Run::at("SendSMSCode"), json!({"phone": PHONE, "type": "forgetpwd"})).await.data();
    let reset = json!({"phone": PHONE, "code": run.code_for(PHONE), "pwd": "staple tractor giraffe"});
    run.case(&client, Case::post("", &Run::at("ResetPwd"), reset.clone()).hashing()).await;
    run.case(&client, Case::post("code used", &Run::at("ResetPwd"), reset).refused(400)).await;
    run.measured
}
