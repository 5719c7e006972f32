//! A page that waits, a phone that scans and confirms.

use serde_json::json;

use crate::cost::{Case, Measured, Run};

pub(super) async fn run(mut run: Run) -> Vec<Measured> {
    let client = run.world.client();
    let [begin, scan, confirm, poll] =
        ["PreSignIn", "Scan", "SignUp", "SignIn"].map(|it| Run::at(&format!("QRCode{it}")));
    client.post(&Run::at("UnionIDSignUp"), json!({"platform": "wxminip", "unionID": "o1"})).await.token();
    for (union_id, case) in [("o1", ""), ("o2", "new user")] {
        let page = run.case(&client, Case::post("", &begin, json!({}))).await;
        let key = json!({"signInKey": page.data()});
        run.case(&client, Case::post("waiting", &poll, key.clone()).refused(202)).await;
        run.case(&client, Case::post("", &scan, key.clone())).await;
        let body = json!({"signInKey": page.data(), "unionID": union_id});
        let hashes = u32::from(!case.is_empty());
        run.case(&client, Case { hashes, ..Case::post(case, &confirm, body) }).await;
        run.case(&client, Case::post("", &poll, key.clone())).await;
        run.case(&client, Case::post("used", &poll, key).refused(410)).await;
    }
    // The second round differs in the confirmation alone.
    let mut seen = std::collections::BTreeSet::new();
    run.measured.retain(|it| seen.insert((it.route.clone(), it.case)));
    run.measured
}
