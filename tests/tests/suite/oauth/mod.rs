//! Authorization codes, their exchange, and consents.

mod consents;
mod exchanges;
mod grants;
mod races;

use http::Method;
use serde_json::{Value, json};
use shared::storage::Table;
use tests::{Answer, World};

const GRANT: &str = "/api/OAuth/2/GrantCode";
const AUTHORIZE: &str = "/api/OAuth/2/Authorize";
const CONSENTS: &str = "/api/OAuth/2/Consents";
const PROFILE: &str = "/api/AppUsers/2/Profile";
const PASSWORD: &str = "correct horse battery";
const CALLBACK: &str = "https://good.example/Path/cb?x=1";
/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// What alice asks for, with these members set.
fn ask(members: &Value) -> Value {
    let mut body = json!({"grant_type": "account", "scopes": "openid", "userName": "alice", "password": PASSWORD});
    body.as_object_mut()
        .expect("as the service writes it")
        .extend(members.as_object().expect("as the service writes it").clone());
    body
}

/// A world in which alice is in both apps.
async fn world() -> World {
    let world = World::new().await;
    world.client().sign_up(2, "alice", PASSWORD).await;
    world.client().sign_up(3, "alice", PASSWORD).await;
    world.engine.take_calls();
    world
}

async fn code_at(world: &World, app: u32, members: Value) -> String {
    let answer = world.client().post(&format!("/api/OAuth/{app}/GrantCode"), ask(&members)).await;
    answer.data()["code"].as_str().expect("as the service writes it").to_owned()
}

async fn code(world: &World, members: Value) -> String {
    code_at(world, 2, members).await
}

async fn authorize(world: &World, code: &str) -> Answer {
    world.client().send(Method::POST, &format!("{AUTHORIZE}?scheme=app&code={code}"), None, Vec::new()).await
}

fn is_invalid_grant(answer: &Answer) {
    answer.refused(200, 400, "invalid_grant");
    assert_eq!(answer.body["err"], "授权码过期");
}

async fn plain_token(world: &World) -> String {
    world.client().post("/api/AppUsers/2/SignIn", json!({"userName": "alice", "pwd": PASSWORD})).await.token()
}

async fn consents(world: &World, token: &str) -> Vec<Value> {
    world.client().bearer(token).get(CONSENTS).await.data().as_array().expect("as the service writes it").clone()
}

/// What is kept of consents that were not taken back.
async fn given(world: &World) -> Vec<Value> {
    world.rows(Table::Consents).await.into_iter().filter(|row| row.get("expires").is_none()).collect()
}
