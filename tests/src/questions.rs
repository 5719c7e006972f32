//! What an attacker asks to learn whether somebody exists: one request about nobody, and the same about accounts in
//! several states. All of them must be the same work and, where the contract does not say otherwise, the same answer.

use serde_json::{Value, json};
use shared::http::{Access, Route};

use crate::{Client, World, world::routes};

const PASSWORD: &str = "correct horse battery";
const WRONG: &str = "wrong donkey staple";

/// One question.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is asked, for people.
    pub name: &'static str,
    /// The route's pattern.
    pub route: &'static str,
    /// Where it is sent.
    pub path: String,
    /// About nobody.
    pub nobody: Value,
    /// About somebody, by their state.
    pub somebody: Vec<(&'static str, Value)>,
    /// Whether the answers are one and the same; where they are not, the contract says so.
    pub is_one_answer: bool,
}

/// Anonymous routes that are asked about nobody's account, with the reason.
pub const WITHOUT: [(&str, &str); 7] = [
    ("/api/AppUsers/{appId}/QRCodePreSignIn", "names nobody"),
    ("/api/AppUsers/{appId}/QRCodeScan", "names a random key"),
    ("/api/AppUsers/{appId}/QRCodeSignIn", "names a random key"),
    ("/api/OAuth/{appId}/Authorize", "names a random code"),
    ("/api/Apps/{appId}/Info", "apps are public"),
    ("/api/Wechat/{appId}/WXACodeGet", "draws a picture"),
    ("/.well-known/jwks.json", "is public"),
];

/// The anonymous routes that neither have a question nor a reason to have none.
pub fn unasked(questions: &[Question]) -> Vec<Route> {
    let anonymous = routes().record().copied().filter(|route| route.access == Access::Anonymous).collect::<Vec<_>>();
    let is_asked = |path: &str| questions.iter().any(|question| question.route == path);
    let has_reason = |path: &str| WITHOUT.iter().any(|(without, _)| *without == path);
    anonymous.into_iter().filter(|route| !is_asked(route.path) && !has_reason(route.path)).collect()
}

/// A world with accounts in every state: with a password, phone, mailbox, union id; without a password; disabled.
pub async fn world() -> World {
    let world = World::new().await;
    world.change_app(&world.documented, |app| app.settings.default_password = None).await;
    for (app, handle) in [(2, &world.documented), (3, &world.strict)] {
        let client = world.client().with("x-app-secret", handle.secret.expose());
        sign_up(&world, &client, app, ("alice", "13800138000", "alice@example.com"), Some(PASSWORD)).await;
        sign_up(&world, &client, app, ("robin", "13800138001", "robin@example.com"), None).await;
        sign_up(&world, &client, app, ("wendy", "13800138002", "wendy@example.com"), Some(PASSWORD)).await;
        world.set_user(handle, "wendy", "status", json!({"S": "disabled"})).await;
    }
    let body = json!({"platform": "wx", "unionID": "alice"});
    let token = world.client().post("/api/AppUsers/2/UnionIDSignIn", body).await.token();
    let alice = world.client().bearer(&token);
    let accounts = format!("/ExternalAccount/{}", world.documented.record.app_key.as_str());
    let binding = json!({"platform": "qq", "unionID": "alice-off", "platformName": "QQ"});
    alice.post(&accounts, binding).await.data();
    let id = alice.get(&accounts).await.data()[0]["id"].to_string();
    alice.put(&format!("{accounts}/{id}"), json!({"enable": false})).await.data();
    forget(&world);
    world
}

/// Lets pass what counts against a further try, so that each asks in the same state.
pub fn forget(world: &World) {
    world.wait(86_401);
    world.engine.take_calls();
}

async fn sign_up(world: &World, client: &Client, app: u32, who: (&str, &str, &str), password: Option<&str>) {
    let (name, phone, email) = who;
    let base = format!("/api/AppUsers/{app}");
    client.post(&format!("{base}/SendSMSCode"), json!({"phone": phone, "type": "signup"})).await.data();
    client.post(&format!("{base}/SendEmailCode"), json!({"email": email, "type": "signup"})).await.data();
    let body = json!({
        "platform": "wx", "unionID": name, "userName": name, "pwd": password,
        "phone": phone, "phoneCode": world.code_for(phone), "email": email, "emailCode": world.code_for(email),
    });
    client.post(&format!("{base}/UnionIDSignUp"), body).await.token();
}

/// Everything that is asked, about names of one length.
pub fn all(world: &World) -> Vec<Question> {
    let key = world.documented.record.app_key.as_str();
    let phones = ["13900139000", "13800138000", "13800138001", "13800138002"];
    let emails = ["nobod@example.com", "alice@example.com", "robin@example.com", "wendy@example.com"];
    let names = ["nobod", "alice", "robin", "wendy"];
    let mut questions = Vec::new();
    let mut ask =
        |name, app: u32, route: &'static str, whom: [&str; 4], is_one_answer, body: &dyn Fn(&str) -> Value| {
            questions.push(Question {
                name,
                route,
                path: route.replace("{appId}", &app.to_string()).replace("{appKey}", key),
                nobody: body(whom[0]),
                somebody: ["active", "without a password", "disabled"]
                    .into_iter()
                    .zip(whom[1..].iter().map(|it| body(it)))
                    .collect(),
                is_one_answer,
            });
        };

    ask("password", 2, "/api/AppUsers/{appId}/SignIn", names, true, &|name| json!({"userName": name, "pwd": WRONG}));
    // Right passwords of those who must not sign in.
    ask(
        "password of the disabled",
        2,
        "/api/AppUsers/{appId}/SignIn",
        ["nobod", "wendy", "robin", "wendy"],
        true,
        &|name| json!({"userName": name, "pwd": PASSWORD}),
    );
    ask(
        "name at sign-up",
        2,
        "/api/AppUsers/{appId}/SignUp",
        ["fresh", "alice", "robin", "wendy"],
        false,
        &|name| json!({"userName": name, "pwd": PASSWORD}),
    );
    let union_id = |name: &str| json!({"platform": "wx", "unionID": name});
    ask("union id without proof", 3, "/api/AppUsers/{appId}/UnionIDSignIn", names, true, &union_id);
    ask("union id without proof", 3, "/api/AppUsers/{appId}/UnionIDSignUp", names, true, &union_id);
    ask(
        "identity under an unknown key",
        2,
        "/api/AppUsers/{appId}/QRCodeSignUp",
        names,
        true,
        &|name| json!({"signInKey": 1_234_567_890_123_u64, "platform": "wx", "unionID": name}),
    );
    let phone = |field: &'static str| move |phone: &str| json!({"phone": phone, field: "000000", "pwd": PASSWORD});
    let email = |field: &'static str| move |email: &str| json!({"email": email, field: "000000", "pwd": PASSWORD});
    ask("wrong code", 2, "/api/AppUsers/{appId}/PhoneSignUp", phones, true, &phone("phoneCode"));
    ask("wrong code", 2, "/api/AppUsers/{appId}/PhoneSignIn", phones, true, &phone("verifyCode"));
    ask("wrong code", 2, "/api/AppUsers/{appId}/EmailSignUp", emails, true, &email("emailCode"));
    ask("wrong code", 2, "/api/AppUsers/{appId}/EmailSignIn", emails, true, &email("verifyCode"));
    ask("wrong code for a phone", 2, "/api/AppUsers/{appId}/ResetPwd", phones, true, &phone("code"));
    ask("wrong code for a mailbox", 2, "/api/AppUsers/{appId}/ResetPwd", emails, true, &email("code"));
    for purpose in ["signup", "signin", "forgetpwd"] {
        let body = move |field: &'static str| move |to: &str| json!({field: to, "type": purpose});
        ask(purpose, 2, "/api/AppUsers/{appId}/SendSMSCode", phones, true, &body("phone"));
        ask(purpose, 2, "/api/AppUsers/{appId}/SendEmailCode", emails, true, &body("email"));
    }
    for (grant_type, whom) in [("account", names), ("phone", phones), ("email", emails)] {
        ask(
            grant_type,
            2,
            "/api/OAuth/{appId}/GrantCode",
            whom,
            true,
            &|whom| json!({"grant_type": grant_type, "scopes": "openid", "userName": whom, "password": WRONG}),
        );
    }
    ask(
        "union id without proof",
        3,
        "/api/OAuth/{appId}/GrantCode",
        names,
        true,
        &|name| json!({"grant_type": "unionid", "scopes": "openid", "platform": "wx", "unionId": name}),
    );
    // Only identities that let nobody in are asked about: the others get a token.
    ask("identity", 2, "/ExternalAccount/{appKey}/SignIn", ["nobod", "wendy", "wendy", "wendy"], true, &union_id);
    questions.push(Question {
        name: "disabled binding",
        route: "/ExternalAccount/{appKey}/SignIn",
        path: format!("/ExternalAccount/{key}/SignIn"),
        nobody: json!({"platform": "qq", "unionID": "nobod-off"}),
        somebody: vec![("disabled binding", json!({"platform": "qq", "unionID": "alice-off"}))],
        is_one_answer: true,
    });
    questions
}
