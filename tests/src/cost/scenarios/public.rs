//! What anybody may read.

use serde_json::json;

use crate::cost::{Case, Measured, Run};

pub(super) async fn run(mut run: Run) -> Vec<Measured> {
    let client = run.world.client();
    run.case(&client, Case::get("", "/api/Apps/2/Info")).await;
    run.case(&client, Case::get("", "/.well-known/jwks.json")).await;
    run.case(&client, Case::post("plain code", "/api/Wechat/2/WXACodeGet", json!({"path": "pages/login/index"}))).await;
    run.measured
}
