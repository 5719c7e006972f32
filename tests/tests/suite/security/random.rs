//! Random requests of valid shape, by everybody to everything, from a seed.

use serde_json::{Value, json};
use shared::{
    bitkey::BitkeyScope,
    entropy::Entropy,
    http::{Access, Route},
};
use tests::{Answer, AppHandle, Client, Tally, World, inputs::SeededEntropy, world::routes};

use crate::{
    forms::{Field, Kind, Place, forms},
    licences::{issue, licence},
    probe::fill,
};

const PASSWORD: &str = "correct horse battery";

/// Somebody who asks anything of one app.
pub(crate) struct Random {
    entropy: Box<dyn Entropy>,
    routes: Vec<Route>,
    app: AppHandle,
    /// Nobody, a user, the app's server, whoever holds a bitkey.
    clients: Vec<Client>,
    /// Numbers that answers gave: of records, of QR sign-ins.
    numbers: Vec<u64>,
    /// Authorization codes that answers gave.
    codes: Vec<String>,
}

impl Random {
    pub(crate) async fn new(world: &World, app: &AppHandle, entropy: SeededEntropy) -> Self {
        // Every app's users come from an address of their own: what is counted by address is shared.
        let nobody = world.client().from(&format!("192.0.2.{}", 10 + app.id()));
        let server = nobody.clone().with("x-app-secret", app.secret.expose());
        let mut clients = vec![nobody.clone(), server.clone()];
        for name in ["user-0", "user-1"] {
            clients.push(server.clone().bearer(&nobody.sign_up(app.id(), name, PASSWORD).await));
        }
        let bitkey = issue(world, app, BitkeyScope::Full).await.expose();
        licence(world, app, "SN-1", Some(3)).await;
        clients.push(nobody.with("bitkey", &bitkey));
        let routes = routes().record().copied().collect();
        Self {
            entropy: Box::new(entropy),
            routes,
            app: app.clone(),
            clients,
            numbers: vec![1],
            codes: vec!["0".repeat(32)],
        }
    }

    fn below(&self, bound: usize) -> usize {
        usize::try_from(self.entropy.below(bound as u64)).unwrap()
    }

    fn one<'a, T>(&self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// The next request.
    pub(crate) async fn ask(&mut self) -> Answer {
        let route = loop {
            let route = *self.one(&self.routes);
            // What hashes a password takes most of the time: it comes less often.
            let is_slow = ["SignUp", "SignIn", "ResetPwd", "GrantCode"].iter().any(|end| route.path.ends_with(end));
            if !is_slow || self.below(20) == 0 {
                break route;
            }
        };
        let mut path = fill(route.path, &self.app.id().to_string(), self.app.record.app_key.as_str());
        if route.path.ends_with("{id}") {
            path = format!("{}{}", path.trim_end_matches('1'), self.one(&self.numbers));
        } else if route.access == Access::Bitkey {
            path = path.replacen("/1/", "/SN-1/", 1);
            if route.path.ends_with("{name}") {
                path = format!("{}user-{}", path.trim_end_matches('1'), self.below(4));
            }
        }
        let mut body = None;
        let all = forms(&route);
        let bodies: Vec<_> = all.iter().filter(|form| form.place != Place::Query).collect();
        if !bodies.is_empty() {
            let form = *self.one(&bodies);
            let given = form.fields.iter().filter(|field| field.is_required || self.below(3) > 0);
            let object: Value = given.map(|field| (field.name.to_owned(), self.value(field))).collect();
            body = Some(if form.place == Place::Batch { json!([object]) } else { object });
        }
        if let Some(form) = all.iter().find(|form| form.place == Place::Query).filter(|_| self.below(2) == 0) {
            path = format!("{path}?{}", form.query(&[]));
        }
        let client = match route.access {
            _ if self.below(10) == 0 => self.one(&self.clients),
            Access::Anonymous => &self.clients[self.below(2)],
            Access::Bearer => &self.clients[2 + self.below(2)],
            Access::Bitkey => &self.clients[4],
        };
        let bytes = body.as_ref().map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let method = route.method.as_str().parse().unwrap();
        let answer = client.send(method, &path, body.map(|_| "application/json"), bytes).await;
        self.remember(&answer.body["data"]);
        answer
    }

    fn value(&self, field: &Field) -> Value {
        match (field.name, field.kind) {
            ("userName" | "name", Kind::Identifier(_)) => json!(format!("user-{}", self.below(4))),
            ("unionID", _) => json!(format!("o-{}", self.below(4))),
            ("phone", _) => json!(format!("1380013800{}", self.below(4))),
            ("signInKey", _) => json!(self.one(&self.numbers)),
            ("code", Kind::Opaque) => json!(self.one(&self.codes)),
            ("orderId", _) => json!(format!("order-{}", self.below(30))),
            ("type", Kind::Strict) => json!(self.one(&["signup", "signin", "forgetpwd"])),
            ("price", _) => json!(self.one(&[0, 200, 500, 7])),
            ("enable", _) => json!(self.below(2) == 0),
            ("pwd" | "password", _) => json!(self.one(&[PASSWORD, PASSWORD, "another horse", "password"])),
            (_, Kind::Integer(least, most)) => json!(least + self.entropy.below((most - least).min(100) + 1)),
            (_, Kind::Display(most)) if self.below(4) == 0 => json!("爱".repeat(1 + self.below(most.min(60)))),
            _ => field.good.clone(),
        }
    }

    fn remember(&mut self, data: &Value) {
        if let Some(number) = data.as_u64().or(data[0]["id"].as_u64()) {
            self.numbers.push(number);
        }
        if let Some(code) = data["code"].as_str() {
            self.codes.push(code.to_owned());
        }
    }
}

#[tokio::test]
async fn g_32_ten_thousand_random_requests_are_answered_by_the_rules() {
    let tally = Tally::of("G-32");
    for seed in 0..10 {
        let world = World::new().await;
        let mut random = Random::new(&world, &world.documented, SeededEntropy::new(seed)).await;
        let mut successes = 0;
        for _ in 0..1_000 {
            let answer = random.ask().await;
            assert!(answer.status.as_u16() < 500, "{}", answer.text);
            successes += usize::from(answer.reason().is_empty());
            tally.count();
            world.wait(1);
        }
        assert!(successes > 200, "requests of valid shape are often good ones: {successes}");
        tests::ledger::assert_balanced(&world).await;
    }
}
