//! Codes for consents, consents for tokens.

use http::Method;
use serde_json::{Value, json};

use super::{PASSWORD, user};
use crate::{
    Client,
    cost::{Case, Measured, Run},
};

const GRANT: &str = "/api/OAuth/2/GrantCode";
const AUTHORIZE: &str = "/api/OAuth/2/Authorize";
const CONSENTS: &str = "/api/OAuth/2/Consents";

async fn code(run: &mut Run, client: &Client) -> Value {
    let body = json!({"grant_type": "account", "scopes": "openid", "userName": "alice", "password": PASSWORD});
    let granted = run.case(client, Case::post("", GRANT, body).hashing()).await;
    json!({"code": granted.data()["code"]})
}

pub(super) async fn run(mut run: Run) -> Vec<Measured> {
    let client = run.world.client();
    user(&run.world, "alice").await;
    let first = code(&mut run, &client).await;
    let token = run.case(&client, Case::post("first consent", AUTHORIZE, first.clone())).await.token();
    run.world.wait(1);
    let again = code(&mut run, &client).await;
    run.measured.pop();
    run.case(&client, Case::post("", AUTHORIZE, again)).await;

    let alice = client.clone().bearer(&token);
    run.case(&alice, Case::get("with an OAuth token", &Run::at("Profile"))).await;
    let list = run.case(&alice, Case::get("one consent", CONSENTS)).await;
    let path = format!("{CONSENTS}/{}", list.data()[0]["id"]);
    run.case(&client, Case::post("code used", AUTHORIZE, first).refused(400)).await;
    let plain = client.post(&Run::at("SignIn"), json!({"userName": "alice", "pwd": PASSWORD})).await.token();
    let alice = client.clone().bearer(&plain);
    run.case(&alice, Case::get("", &path).by(Method::DELETE)).await;
    run.case(&alice, Case::get("unknown", &path).by(Method::DELETE).refused(404)).await;
    run.measured
}
