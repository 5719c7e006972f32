//! Codes, consents and their tokens against a model: a code is exchanged once, a token carries the scope that was
//! granted, and it lives as long as its consent does.

use http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};
use tests::{Answer, Client, Tally, World, claims, properties::hold};

const SCOPES: [&str; 3] = ["openid", "openid profile", "openid,profile"];
const PLACES: [&str; 2] = ["", "https://good.example/cb"];

#[derive(Clone, Copy, Debug)]
enum Step {
    Grant { scope: usize, place: usize },
    Authorize(usize),
    Use(usize),
    Delete(usize),
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3_usize, 0..2_usize).prop_map(|(scope, place)| Step::Grant { scope, place }),
        6 => (0..100_usize).prop_map(Step::Authorize),
        3 => (0..100_usize).prop_map(Step::Use),
        2 => (0..100_usize).prop_map(Step::Delete),
        1 => prop_oneof![Just(1), Just(60), Just(119), Just(120), Just(40_000), Just(86_401)].prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..40)
}

struct Code {
    text: String,
    pair: (usize, usize),
    until: i64,
    /// What became of it: a token, or nothing any more.
    token: Option<usize>,
}

struct Token {
    client: Client,
    consent: String,
    is_replayed: bool,
    until: i64,
}

struct Model {
    world: World,
    /// Signed in otherwise, again and again.
    now: i64,
    codes: Vec<Code>,
    tokens: Vec<Token>,
    /// The consent of each pair, while there is one.
    consents: Vec<((usize, usize), String)>,
}

impl Model {
    async fn new() -> Self {
        let world = World::new().await;
        let body = json!({"platform": "wx", "unionID": "alice", "userName": "alice"});
        world.client().post("/api/AppUsers/2/UnionIDSignUp", body).await.token();
        Self { world, now: 0, codes: Vec::new(), tokens: Vec::new(), consents: Vec::new() }
    }

    async fn owner(&self) -> Client {
        let body = json!({"platform": "wx", "unionID": "alice"});
        let token = self.world.client().post("/api/AppUsers/2/UnionIDSignIn", body).await.token();
        self.world.client().bearer(&token)
    }

    async fn apply(&mut self, step: Step) {
        match step {
            Step::Grant { scope, place } => {
                let body = json!({
                    "grant_type": "unionid", "scopes": SCOPES[scope], "redirect_uri": PLACES[place],
                    "platform": "wx", "unionId": "alice",
                });
                let answer = self.world.client().post("/api/OAuth/2/GrantCode", body).await;
                let text = answer.data()["code"].as_str().unwrap().to_owned();
                self.codes.push(Code { text, pair: (scope, place), until: self.now + 120, token: None });
            }
            Step::Authorize(number) if !self.codes.is_empty() => {
                let number = number % self.codes.len();
                let path = format!("/api/OAuth/2/Authorize?scheme=app&code={}", self.codes[number].text);
                let answer = self.world.client().send(Method::POST, &path, None, Vec::new()).await;
                self.authorized(number, &answer);
            }
            Step::Use(number) if !self.tokens.is_empty() => self.use_token(number % self.tokens.len()).await,
            Step::Delete(number) if !self.consents.is_empty() => {
                let (_, consent) = self.consents.remove(number % self.consents.len());
                let answer = self.owner().await.delete(&format!("/api/OAuth/2/Consents/{consent}")).await;
                assert_eq!(answer.data(), true);
            }
            Step::Authorize(_) | Step::Use(_) | Step::Delete(_) => {}
            Step::Wait(seconds) => {
                self.world.wait(seconds);
                self.now += seconds;
            }
        }
    }

    fn authorized(&mut self, number: usize, answer: &Answer) {
        let code = &mut self.codes[number];
        if let Some(token) = code.token {
            answer.refused(200, 400, "invalid_grant");
            // A code that is known to two: what the first one got ends.
            self.tokens[token].is_replayed = true;
            return;
        }
        if self.now >= code.until {
            return answer.refused(200, 400, "invalid_grant");
        }
        let text = answer.token();
        let claims = claims(&text);
        assert_eq!(claims["scope"], SCOPES[code.pair.0], "the scope that was granted");
        let consent = claims["cid"].as_str().unwrap().to_owned();
        match self.consents.iter().find(|(pair, _)| *pair == code.pair) {
            Some((_, known)) => assert_eq!(consent, *known, "one consent for each pair"),
            None => self.consents.push((code.pair, consent.clone())),
        }
        code.token = Some(self.tokens.len());
        let client = self.world.client().bearer(&text);
        self.tokens.push(Token { client, consent, is_replayed: false, until: self.now + 86_400 });
    }

    async fn use_token(&self, number: usize) {
        let token = &self.tokens[number];
        let answer = token.client.get("/api/AppUsers/2/Profile").await;
        let has_consent = self.consents.iter().any(|(_, consent)| *consent == token.consent);
        if has_consent && !token.is_replayed && self.now < token.until {
            answer.data();
        } else {
            answer.refused(401, 401, "invalid_token");
        }
    }

    async fn end(&self) {
        for number in 0..self.tokens.len() {
            self.use_token(number).await;
        }
        let listed = self.owner().await.get("/api/OAuth/2/Consents").await;
        let text = |consent: &Value, name: &str| consent[name].as_str().unwrap().to_owned();
        let listed = listed
            .data()
            .as_array()
            .unwrap()
            .iter()
            .map(|consent| (consent["id"].to_string(), text(consent, "scopes"), text(consent, "redirectUri")));
        let mut listed: Vec<_> = listed.collect();
        let known = self
            .consents
            .iter()
            .map(|((scope, place), id)| (id.clone(), SCOPES[*scope].to_owned(), PLACES[*place].to_owned()));
        let mut known: Vec<_> = known.collect();
        listed.sort();
        known.sort();
        assert_eq!(listed, known, "what is listed is what was granted");
    }
}

#[test]
fn p_04_p_15_p_19_a_token_has_its_grants_scope_and_lives_as_long_as_its_consent() {
    let tallies = ["P-04", "P-15", "P-19"].map(Tally::of);
    hold(96, &steps(), |steps| {
        for tally in &tallies {
            tally.add(steps.len());
        }
        async move {
            let mut model = Model::new().await;
            for step in steps {
                model.apply(step).await;
            }
            model.end().await;
        }
    });
}
