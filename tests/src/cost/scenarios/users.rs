//! The caller's profile, second factor and points.

use http::Method;
use serde_json::json;

use super::user;
use crate::{
    Authenticator,
    cost::{Case, Measured, Run},
};

pub(super) async fn run(mut run: Run) -> Vec<Measured> {
    let alice = user(&run.world, "alice").await;
    let profile = Run::at("Profile");
    run.case(&alice, Case::get("", &profile)).await;
    run.case(&alice, Case::post("", &profile, json!({"nickName": "Alice"})).by(Method::PUT)).await;

    let (recharge, log) = (Run::at("RechargePoints"), Run::at("PointLog"));
    let order = json!({"price": 200, "orderId": "o-1"});
    run.case(&alice, Case::post("", &recharge, order.clone())).await;
    run.case(&alice, Case::post("order repeated", &recharge, order)).await;
    run.case(&alice, Case::get("", &format!("{recharge}?price=200&orderId=o-2"))).await;
    for _ in 0..20 {
        alice.post(&recharge, json!({"price": 200})).await.data();
    }
    run.case(&alice, Case::get("20 rows", &log)).await;

    let two_factor = format!("/User/{}/TwoFactorAuth", run.app_key());
    let enrolment = run.case(&alice, Case::get("", &two_factor)).await;
    let key = enrolment.data()["manualEntryKey"].as_str().expect("a key");
    let code = Authenticator::with_key(key).code(run.world.env.clock.now(), 0);
    let switch =
        |code: &str| Case::post("", &two_factor, json!({"enable": true, "twoFactorCode": code})).by(Method::PUT);
    let wrong = format!("{:06}", (code.parse::<u32>().expect("digits") + 1) % 1_000_000);
    run.case(&alice, Case { name: "wrong code", ..switch(&wrong) }.refused(401)).await;
    run.case(&alice, switch(&code)).await;
    run.measured
}
