//! What Tessera's own server is asked: the same as the peers, and what only it has.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    PASSWORD, USERS,
    failure::Failure,
    step::{Session, Step, Task},
};

/// Signs the users up and returns what they ask, by scenario.
pub(crate) async fn prepare(base: &str, app: &Value) -> Result<BTreeMap<String, Vec<Task>>, Failure> {
    let mut tasks: BTreeMap<String, Vec<Task>> = BTreeMap::new();
    let accounts = |name: &str| format!("/api/AppUsers/{app}/{name}");
    let (grant, authorize) = (format!("/api/OAuth/{app}/GrantCode"), format!("/api/OAuth/{app}/Authorize"));
    let mut session = Session::new(base)?;
    for number in 0..USERS {
        let name = format!("user{number}");
        let union = json!({"platform": "wxminip", "unionID": name});
        let sign_up = json!({"userName": name, "pwd": PASSWORD});
        let steps = [
            Step::post(&accounts("SignUp"), &sign_up).take("token", "/data/access_token"),
            Step::post(&accounts("UnionIDSignUp"), &union).take("union", "/data/access_token"),
        ];
        session.run(&steps).await?;
        let mut add = |scenario: &str, task: Task| tasks.entry(scenario.to_owned()).or_default().push(task);

        let sign_in = Step::post(&accounts("SignIn"), &sign_up).expect("access_token");
        add("sign-in", vec![sign_in].into());
        let read = Step::get(&accounts("Profile")).bearer(&session.taken["token"]).expect(&name);
        add("read", vec![read].into());

        // Without a password, so that no hash hides the rest.
        let wish = json!({"grant_type": "unionid", "scopes": "openid", "platform": "wxminip", "unionID": name});
        let grant = Step::post(&grant, &wish).take("code", "/data/code");
        let authorize = Step::post(&authorize, &json!({"code": "{code}"})).take("oauth", "/data/access_token");
        add("grant", vec![grant.clone(), authorize.clone()].into());
        let read = Step::get(&accounts("Profile")).bearer("{oauth}").expect("data");
        add("oauth-read", Task { before: vec![grant, authorize], steps: vec![read] });

        let show = Step::post(&accounts("QRCodePreSignIn"), &json!({})).take("key", "/data");
        let poll = Step::post(&accounts("QRCodeSignIn"), &json!({"signInKey": "{key}"})).expect("\"code\":202");
        add("poll", Task { before: vec![show], steps: vec![poll] });
    }
    Ok(tasks)
}
