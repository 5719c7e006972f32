//! External accounts of a user.

use http::Method;
use serde_json::{Value, json};

use super::user;
use crate::cost::{Case, Measured, Run};

pub(super) async fn run(mut run: Run) -> Vec<Measured> {
    let client = run.world.client();
    let (alice, bob) = (user(&run.world, "alice").await, user(&run.world, "bob").await);
    let path = format!("/ExternalAccount/{}", run.app_key());
    let account = json!({"unionID": "o1", "platform": "wechat", "platformName": "WeChat"});
    run.case(&alice, Case::post("", &path, account.clone())).await;
    run.case(&bob, Case::post("taken", &path, account).refused(409)).await;
    let list = run.case(&alice, Case::get("one account", &path)).await;
    let sign_in = format!("{path}/SignIn");
    run.case(&client, Case::post("", &sign_in, json!({"unionID": "o1", "platform": "wechat"}))).await;
    let unknown = json!({"unionID": "o2", "platform": "wechat"});
    run.case(&client, Case::post("unknown identity", &sign_in, unknown).refused(401)).await;
    let one = format!("{path}/{}", list.data()[0]["id"]);
    run.case(&alice, Case::post("", &one, json!({"enable": false})).by(Method::PUT)).await;
    run.case(&alice, Case::post("", &one, Value::Null).by(Method::DELETE)).await;
    run.measured
}
