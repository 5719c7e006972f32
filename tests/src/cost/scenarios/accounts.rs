//! Signing up and in with names, passwords and external identities.

use serde_json::json;

use super::PASSWORD;
use crate::cost::{Case, Measured, Run};

pub(super) async fn run(mut run: Run) -> Vec<Measured> {
    let client = run.world.client();
    let (up, sign_in) = (Run::at("SignUp"), Run::at("SignIn"));
    let alice = json!({"userName": "alice", "pwd": PASSWORD});
    run.case(&client, Case::post("", &up, alice.clone()).hashing()).await;
    run.case(&client, Case::post("name taken", &up, alice.clone()).refused(409).hashing()).await;
    run.case(&client, Case::post("", &sign_in, alice).hashing()).await;
    let wrong = json!({"userName": "alice", "pwd": "wrong horse battery"});
    run.case(&client, Case::post("wrong password", &sign_in, wrong.clone()).refused(401).hashing()).await;
    let nobody = json!({"userName": "nobody", "pwd": PASSWORD});
    run.case(&client, Case::post("unknown name", &sign_in, nobody).refused(401).hashing()).await;
    for _ in 0..4 {
        client.post(&sign_in, wrong.clone()).await;
    }
    run.case(&client, Case::post("too many failures", &sign_in, wrong).refused(429)).await;

    let (up, sign_in) = (Run::at("UnionIDSignUp"), Run::at("UnionIDSignIn"));
    let identity = json!({"platform": "wx", "unionID": "o1"});
    run.case(&client, Case::post("", &up, identity.clone()).hashing()).await;
    run.case(&client, Case::post("", &sign_in, identity)).await;
    let unknown = json!({"platform": "wx", "unionID": "o2"});
    run.case(&client, Case::post("unknown identity", &sign_in, unknown).refused(404)).await;
    run.measured
}
