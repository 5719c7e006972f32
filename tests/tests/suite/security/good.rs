//! A good request to every endpoint, in a world where all of them have something to do.
//!
//! Tests that spoil, repeat and interleave requests walk the recorded routes through this: an endpoint for which no
//! good request is written fails them.

use http::Method;
use serde_json::{Value, json};
use shared::{
    bitkey::{Bitkey, BitkeyScope},
    http::Route,
    licence::Sn,
    storage::{Begun, NewLicence, Unlinked},
    text::UserName,
};
use tests::{Answer, Authenticator, Checkpoint, Client, World, essence::Known, world::routes};

use crate::{
    licences::{issue, names_of},
    qr::Ticket,
};

pub(crate) const PASSWORD: &str = "correct horse battery";
const NEW_PHONE: &str = "13900139001";
const NEW_MAIL: &str = "new@example.com";
const PHONE: &str = "13800138000";
const MAIL: &str = "alice@example.com";
/// The id of a licence write that nobody finished.
const LEFT: &str = "r-0";
/// Whom it unlinks: the first of them is unlinked by the one who did not finish it, the second linked since.
const LEFT_NAMES: [&str; 3] = ["dave", "alice", "nobody"];

/// A request that succeeds.
#[derive(Clone)]
pub(crate) struct Good {
    pub(crate) name: String,
    pub(crate) route: Route,
    client: Client,
    path: String,
    body: Option<Value>,
}

impl Good {
    pub(crate) async fn send(&self) -> Answer {
        let method: Method = self.route.method.as_str().parse().unwrap();
        let body = self.body.as_ref().map(|body| body.to_string().into_bytes());
        let media_type = body.as_ref().map(|_| "application/json");
        self.client.send(method, &self.path, media_type, body.unwrap_or_default()).await
    }
}

/// A world with people in it, and what can be asked of it from its checkpoint on.
pub(crate) struct Town {
    pub(crate) world: World,
    pub(crate) start: Checkpoint,
    pub(crate) known: Known,
    pub(crate) good: Vec<Good>,
    pub(crate) people: People,
}

/// Whom the requests are about.
pub(crate) struct People {
    pub(crate) alice: String,
    /// Has no password, one consent, two external accounts.
    pub(crate) union: String,
    /// Has a second factor.
    pub(crate) bob: (String, Authenticator),
    pub(crate) recovery_code: String,
    /// Is about to have one.
    pub(crate) carol: (String, Authenticator),
    pub(crate) bitkey: String,
    pub(crate) consent: u64,
    pub(crate) bindings: Vec<u64>,
    pub(crate) phone_codes: [String; 2],
    pub(crate) mail_codes: [String; 2],
    pub(crate) new_codes: [String; 2],
    /// Shown, scanned, scanned, confirmed.
    pub(crate) tickets: [Ticket; 4],
    /// For scopes that were allowed before, and for others.
    pub(crate) grants: [String; 2],
}

async fn sign_up(world: &World, name: &str) -> String {
    let body = json!({"platform": "wx", "unionID": name, "userName": name});
    world.client().post("/api/AppUsers/2/UnionIDSignUp", body).await.token()
}

async fn send_code(world: &World, address: &str, purpose: &str, from: &str) -> String {
    let (endpoint, field) = if address.contains('@') { ("SendEmailCode", "email") } else { ("SendSMSCode", "phone") };
    let body = json!({field: address, "type": purpose});
    world.client().from(from).post(&format!("/api/AppUsers/2/{endpoint}"), body).await.data();
    world.code_for(address)
}

async fn two_factor(world: &World, token: &str) -> Authenticator {
    let path = format!("/User/{}/TwoFactorAuth", world.documented.record.app_key.as_str());
    let answer = world.client().bearer(token).get(&path).await;
    Authenticator::with_key(answer.data()["manualEntryKey"].as_str().unwrap())
}

async fn grant(world: &World, scopes: &str) -> String {
    let body = json!({"grant_type": "unionid", "scopes": scopes, "platform": "wx", "unionId": "union"});
    let granted = world.client().post("/api/OAuth/2/GrantCode", body).await;
    granted.data()["code"].as_str().unwrap().to_owned()
}

async fn authorize(world: &World, code: &str) -> Answer {
    let path = format!("/api/OAuth/2/Authorize?scheme=app&code={code}");
    world.client().send(Method::POST, &path, None, Vec::new()).await
}

async fn ticket(world: &World, confirmed_by: Option<&str>, is_scanned: bool) -> Ticket {
    let client = world.client().from("192.0.2.77");
    let mut ticket = Ticket::begin(&client, 2).await;
    if is_scanned {
        ticket.scan(&client).await.data();
    }
    if let Some(name) = confirmed_by {
        let body = json!({"signInKey": ticket.key, "platform": "wx", "unionID": name});
        client.post("/api/AppUsers/2/QRCodeSignUp", body).await.data();
    }
    ticket
}

/// Has somebody work on a batch to unlink who ends before its answer is kept.
async fn leave_half_done(world: &World, bitkey: &Bitkey, names: [&str; 3]) {
    let store = world.env.store.app(world.documented.record.app_id);
    let mut content = vec!["unlink", "S1", ""];
    content.extend(names);
    let begun = store.begin_request(&[bitkey.id().as_str(), LEFT], &content, world.env.clock.now()).await.unwrap();
    let Begun::First(claim) = begun else { panic!("{begun:?}") };
    let names = names.map(|name| UserName::parse(name).unwrap());
    let sn = Sn::parse("S1").unwrap();
    let licence = store.find_licence(&sn).await.unwrap().expect("the licence code is stored");
    let unlinked = store.unlink_users(&sn, licence, &names, Some(&claim)).await.unwrap();
    assert!(matches!(unlinked, Unlinked::Done { names, .. } if names == ["dave"]));
}

impl People {
    async fn settle(world: &World) -> Self {
        world
            .change_app(&world.documented, |app| {
                app.settings.default_password = None;
                app.settings.sign_up_points = 10;
                app.settings.sign_ups_per_ip_per_hour = Some(1_000);
                app.settings.daily_recharge_limit = Some(1_000);
                app.settings.templates.welcome_mail = true;
            })
            .await;
        let key = world.documented.record.app_key.as_str();
        let phone_code = send_code(world, PHONE, "signup", "192.0.2.11").await;
        let mail_code = send_code(world, MAIL, "signup", "192.0.2.12").await;
        let body = json!({
            "userName": "alice", "pwd": PASSWORD, "phone": PHONE, "phoneCode": phone_code, "email": MAIL, "emailCode": mail_code,
        });
        let alice = world.client().post("/api/AppUsers/2/EmailSignUp", body).await.token();
        let (union, bob, carol) =
            (sign_up(world, "union").await, sign_up(world, "bob").await, sign_up(world, "carol").await);
        sign_up(world, "dave").await;
        let caller = world.client().bearer(&union);
        for (union_id, enable) in [("o1", true), ("o2", true), ("o3", false)] {
            let body = json!({"unionID": union_id, "platform": "wechat", "platformName": "WeChat"});
            caller.post(&format!("/ExternalAccount/{key}"), body).await.data();
            if !enable {
                let list = caller.get(&format!("/ExternalAccount/{key}")).await;
                let id =
                    list.data().as_array().unwrap().iter().find(|it| it["unionID"] == union_id).unwrap()["id"].clone();
                caller.put(&format!("/ExternalAccount/{key}/{id}"), json!({"enable": false})).await.data();
            }
        }
        let list = caller.get(&format!("/ExternalAccount/{key}")).await;
        let bindings = list.data().as_array().unwrap().iter().map(|it| it["id"].as_u64().unwrap()).collect();
        caller.post("/api/AppUsers/2/RechargePoints", json!({"price": 200, "orderId": "o-0"})).await.data();

        let authenticator = two_factor(world, &bob).await;
        let code = authenticator.code(world.env.clock.now(), 0);
        let switch = json!({"enable": true, "twoFactorCode": code});
        let on = world.client().bearer(&bob).put(&format!("/User/{key}/TwoFactorAuth"), switch).await;
        let recovery_code = on.data()["recoveryCodes"][0].as_str().unwrap().to_owned();
        let pending = two_factor(world, &carol).await;

        let bitkey = issue(world, &world.documented, BitkeyScope::Full).await;
        let now = world.env.clock.now();
        let store = world.env.store.app(world.documented.record.app_id);
        let created = store.create_licence(&Sn::parse("S1").unwrap(), Some(5), now).await.unwrap();
        assert_eq!(created, NewLicence::Created);
        let vendor = world.client().with("bitkey", &bitkey.expose());
        let link = async |name| names_of(&vendor.post(&format!("/sns/S1/users/user/{name}"), Value::Null).await);
        link("dave").await;
        leave_half_done(world, &bitkey, LEFT_NAMES).await;
        for name in ["alice", "bob", "union"] {
            link(name).await;
        }

        world.wait(61);
        let first = (
            send_code(world, PHONE, "signin", "192.0.2.13").await,
            send_code(world, MAIL, "signin", "192.0.2.13").await,
        );
        let new_codes = [
            send_code(world, NEW_PHONE, "signup", "192.0.2.13").await,
            send_code(world, NEW_MAIL, "signup", "192.0.2.13").await,
        ];
        world.wait(61);
        let phone_codes = [first.0, send_code(world, PHONE, "forgetpwd", "192.0.2.13").await];
        let mail_codes = [first.1, send_code(world, MAIL, "forgetpwd", "192.0.2.13").await];
        let allowed = authorize(world, &grant(world, "openid").await).await;
        allowed.token();
        let consents = caller.get("/api/OAuth/2/Consents").await;
        let consent = consents.data()[0]["id"].as_u64().unwrap();
        world.wait(10);
        Self {
            alice,
            union,
            bob: (bob, authenticator),
            recovery_code,
            carol: (carol, pending),
            bitkey: bitkey.expose(),
            consent,
            bindings,
            phone_codes,
            mail_codes,
            new_codes,
            tickets: [
                ticket(world, None, false).await,
                ticket(world, None, true).await,
                ticket(world, None, true).await,
                ticket(world, Some("union"), true).await,
            ],
            grants: [grant(world, "openid").await, grant(world, "openid,profile").await],
        }
    }
}

impl Town {
    pub(crate) async fn new() -> Self {
        Self::of(World::new().await).await
    }

    pub(crate) async fn of(world: World) -> Self {
        let people = Box::pin(People::settle(&world)).await;
        let mut good = Vec::new();
        for route in routes().record() {
            let requests = requests(&world, &people, route);
            assert!(!requests.is_empty());
            for (number, (client, path, body)) in requests.into_iter().enumerate() {
                let last = route.path.rsplit('/').find(|part| !part.starts_with('{')).unwrap_or_default();
                let name = format!("{} {last} {number}", route.method.as_str());
                let name = if route.path.starts_with("/ExternalAccount") { format!("{name} (2.0)") } else { name };
                good.push(Good { name, route: *route, client, path, body });
            }
        }
        let start = world.checkpoint().await;
        let known = Known::of(&start);
        world.engine.take_calls();
        Self { world, start, known, good, people }
    }

    /// The good request of this name.
    pub(crate) fn good(&self, name: &str) -> &Good {
        self.good.iter().find(|good| good.name == name).unwrap_or_else(|| panic!("no good request is called {name}"))
    }
}

/// Good requests to an endpoint: by whom, to where, with what.
#[expect(clippy::too_many_lines, reason = "one table")]
fn requests(world: &World, people: &People, route: &Route) -> Vec<(Client, String, Option<Value>)> {
    let anybody = world.client();
    let caller = |token: &str| world.client().bearer(token);
    let vendor = world.client().with("bitkey", &people.bitkey);
    let key = world.documented.record.app_key.as_str();
    let path = route.path.replace("{appId}", "2").replace("{appKey}", key).replace("{sn}", "S1");
    let (union, now) = (caller(&people.union), world.env.clock.now());
    let bob_code = people.bob.1.code(now, 0);
    let batch = |names: &[&str]| -> Value { names.iter().map(|name| json!({ "name": name })).collect() };
    let one = |client: Client, body: Option<Value>| vec![(client, path.clone(), body)];
    let id = |id: u64| path.replace("{id}", &id.to_string());
    match (route.method.as_str(), route.path) {
        ("POST", "/api/AppUsers/{appId}/SignUp") => one(anybody, Some(json!({"userName": "new", "pwd": PASSWORD}))),
        ("POST", "/api/AppUsers/{appId}/SignIn") => one(anybody, Some(json!({"userName": "alice", "pwd": PASSWORD}))),
        ("POST", "/api/AppUsers/{appId}/UnionIDSignUp") => {
            one(anybody, Some(json!({"platform": "wx", "unionID": "new"})))
        }
        ("POST", "/api/AppUsers/{appId}/UnionIDSignIn") => {
            let with_factor = json!({"platform": "wx", "unionID": "bob", "twoFactorCode": bob_code});
            vec![
                (anybody.clone(), path.clone(), Some(json!({"platform": "wx", "unionID": "union"}))),
                (anybody, path, Some(with_factor)),
            ]
        }
        ("POST", "/api/AppUsers/{appId}/PhoneSignUp") => {
            one(anybody, Some(json!({"phone": NEW_PHONE, "phoneCode": people.new_codes[0]})))
        }
        ("POST", "/api/AppUsers/{appId}/PhoneSignIn") => {
            one(anybody, Some(json!({"phone": PHONE, "code": people.phone_codes[0]})))
        }
        ("POST", "/api/AppUsers/{appId}/EmailSignUp") => {
            let both = json!({
                "email": NEW_MAIL, "emailCode": people.new_codes[1],
                "phone": NEW_PHONE, "phoneCode": people.new_codes[0],
            });
            one(anybody, Some(both))
        }
        ("POST", "/api/AppUsers/{appId}/EmailSignIn") => {
            one(anybody, Some(json!({"email": MAIL, "code": people.mail_codes[0]})))
        }
        ("POST", "/api/AppUsers/{appId}/SendSMSCode") => {
            one(anybody, Some(json!({"phone": "13700137000", "type": "signup"})))
        }
        ("POST", "/api/AppUsers/{appId}/SendEmailCode") => {
            one(anybody, Some(json!({"email": "nobody@example.com", "type": "signin"})))
        }
        ("POST", "/api/AppUsers/{appId}/ResetPwd") => {
            one(anybody, Some(json!({"phone": PHONE, "code": people.phone_codes[1], "pwd": "a wholly new password"})))
        }
        ("POST", "/api/AppUsers/{appId}/QRCodePreSignIn") => one(anybody, Some(json!({}))),
        ("POST", "/api/AppUsers/{appId}/QRCodeScan") => one(anybody, Some(json!({"signInKey": people.tickets[0].key}))),
        ("POST", "/api/AppUsers/{appId}/QRCodeSignUp") => {
            let confirm = |ticket: &Ticket, name: &str| {
                let body = json!({"signInKey": ticket.key, "platform": "wx", "unionID": name});
                (world.client(), path.clone(), Some(body))
            };
            vec![confirm(&people.tickets[1], "union"), confirm(&people.tickets[2], "new")]
        }
        ("POST", "/api/AppUsers/{appId}/QRCodeSignIn") => {
            one(anybody, Some(json!({"signInKey": people.tickets[3].key})))
        }
        ("POST", "/ExternalAccount/{appKey}/SignIn") => {
            one(anybody, Some(json!({"unionID": "o1", "platform": "wechat"})))
        }
        ("POST", "/api/OAuth/{appId}/GrantCode") => {
            let by_union_id =
                json!({"grant_type": "unionid", "scopes": "openid", "platform": "wx", "unionId": "union"});
            let by_password =
                json!({"grant_type": "account", "scopes": "openid", "userName": "alice", "password": PASSWORD});
            vec![(anybody.clone(), path.clone(), Some(by_union_id)), (anybody, path, Some(by_password))]
        }
        ("POST", "/api/OAuth/{appId}/Authorize") => {
            let exchange = |code: &str| (world.client(), format!("{path}?scheme=app&code={code}"), None);
            vec![exchange(&people.grants[0]), exchange(&people.grants[1])]
        }
        (
            "GET",
            "/api/OAuth/{appId}/Consents"
            | "/ExternalAccount/{appKey}"
            | "/api/AppUsers/{appId}/Profile"
            | "/api/AppUsers/{appId}/PointLog",
        ) => one(union, None),
        ("DELETE", "/api/OAuth/{appId}/Consents/{id}") => vec![(union, id(people.consent), None)],
        ("POST", "/api/AppUsers/{appId}/RechargePoints") => one(union, Some(json!({"price": 200, "orderId": "o-1"}))),
        ("GET", "/api/AppUsers/{appId}/RechargePoints") => {
            vec![(union, format!("{path}?price=500&orderId=o-2"), None)]
        }
        ("PUT", "/api/AppUsers/{appId}/Profile") => {
            one(union, Some(json!({"nickName": "Fox", "avatar": "https://cdn.example.com/fox.png"})))
        }
        ("GET", "/User/{appKey}/TwoFactorAuth") => one(caller(&people.alice), None),
        ("PUT", "/User/{appKey}/TwoFactorAuth") => {
            let on = json!({"enable": true, "twoFactorCode": people.carol.1.code(now, 0)});
            let off = json!({"enable": false, "twoFactorCode": bob_code});
            vec![(caller(&people.carol.0), path.clone(), Some(on)), (caller(&people.bob.0), path, Some(off))]
        }
        ("POST", "/ExternalAccount/{appKey}") => {
            one(union, Some(json!({"unionID": "o9", "platform": "wechat", "platformName": "WeChat"})))
        }
        ("PUT", "/ExternalAccount/{appKey}/{id}") => vec![
            (union.clone(), id(people.bindings[0]), Some(json!({"enable": false}))),
            (union, id(people.bindings[1]), Some(json!({"data": "kept"}))),
        ],
        ("DELETE", "/ExternalAccount/{appKey}/{id}") => vec![(union, id(people.bindings[0]), None)],
        ("POST", "/sns/{sn}/users/user/{name}") => {
            let path = path.replace("{name}", "carol");
            vec![(vendor.clone(), path.clone(), None), (vendor.with("x-bit-req-id", "r-1"), path, None)]
        }
        ("DELETE", "/sns/{sn}/users/{name}") => {
            let path = path.replace("{name}", "alice");
            vec![(vendor.clone(), path.clone(), None), (vendor.with("x-bit-req-id", "r-4"), path, None)]
        }
        ("POST", "/sns/{sn}/users") => {
            // One of them is linked, one is nobody.
            let body = Some(batch(&["carol", "alice", "nobody", "dave"]));
            vec![(vendor.clone(), path.clone(), body.clone()), (vendor.with("x-bit-req-id", "r-2"), path, body)]
        }
        ("DELETE", "/sns/{sn}/users") => {
            let body = Some(batch(&["alice", "bob", "nobody"]));
            let left = (vendor.clone().with("x-bit-req-id", LEFT), path.clone(), Some(batch(&LEFT_NAMES)));
            vec![(vendor.clone(), path.clone(), body.clone()), (vendor.with("x-bit-req-id", "r-3"), path, body), left]
        }
        ("GET", "/sns/{sn}/users") => one(vendor, None),
        ("POST", "/sns/{sn}/users/data") => {
            one(vendor, Some(json!({"querys": [{"name": "name", "op": "like", "values": ["a%"]}]})))
        }
        ("GET", "/api/Apps/{appId}/Info" | "/.well-known/jwks.json") => one(anybody, None),
        ("POST", "/api/Wechat/{appId}/WXACodeGet") => one(anybody, Some(json!({"path": "pages/index"}))),
        (method, path) => panic!("write a good request for {method} {path}"),
    }
}
