//! Three apps with users of the same names, phones and identities: without what one of them did, the others' answers
//! and rows are the same.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::json;
use shared::{
    app::{AppId, AppKey, AppRecord},
    secret::AppSecret,
    settings::Preset,
    storage::{NewApp, Table},
};
use tests::{Answer, Tally, World, properties::hold};

const APPS: [u32; 3] = [2, 3, 4];

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Which app, what, whose, and with which order.
    Request(usize, u8, usize, usize),
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let request = (0..3_usize, 0..8_u8, 0..2_usize, 0..3_usize);
    let request = request.prop_map(|(app, kind, who, order)| Step::Request(app, kind, who, order));
    let wait = prop_oneof![Just(1), Just(60), Just(300)].prop_map(Step::Wait);
    prop::collection::vec(prop_oneof![8 => request, 1 => wait], 1..60)
}

/// A text without the words that are drawn anew in every run.
fn plain(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let is_drawn = |word: &str| {
        word.len() >= 20
            || (word.len() >= 16 && word.bytes().all(|b| b.is_ascii_hexdigit()))
            || (word.len() >= 10 && word.bytes().all(|b| b.is_ascii_digit()))
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end.max(c.len_utf8()));
        out.push_str(if is_drawn(word) { "#" } else { word });
        rest = behind;
    }
    out
}

/// What a run came to, for the second and the third app.
#[derive(Debug, PartialEq)]
struct Seen {
    answers: Vec<(u16, String)>,
    rows: Vec<String>,
}

async fn run(steps: &[Step], with_first: bool) -> Seen {
    let mut apps = Apps::new().await;
    let mut answers = Vec::new();
    for step in steps {
        match *step {
            Step::Wait(seconds) => apps.world.wait(seconds),
            Step::Request(0, ..) if !with_first => {}
            Step::Request(app, kind, who, order) => {
                let answer = apps.request(app, kind, who, order).await;
                if app != 0 {
                    answers.push((answer.status.as_u16(), plain(&answer.text)));
                }
            }
        }
    }
    let mut rows = Vec::new();
    for table in Table::ALL {
        for row in apps.world.rows(table).await {
            let key = row["pk"]["S"].as_str().unwrap();
            if key.starts_with("3#") || key.starts_with("4#") {
                rows.push(format!("{table:?} {}", plain(&row.to_string())));
            }
        }
    }
    rows.sort();
    Seen { answers, rows }
}

struct Apps {
    world: World,
    secrets: [AppSecret; 3],
    tokens: HashMap<(usize, usize), String>,
    codes: HashMap<(usize, usize), String>,
}

impl Apps {
    async fn new() -> Self {
        let world = World::new().await;
        let secret = AppSecret::from_bytes([7; 32]);
        let key = AppKey::parse("0a1b2c3d-0000-4000-8000-0123456789ab").unwrap();
        let mut app = AppRecord::new(AppId::new(4).unwrap(), key, &secret, "Third".to_owned(), Preset::Documented);
        app.settings.default_password = None;
        assert_eq!(world.env.store.create_app(&app).await.unwrap(), NewApp::Created);
        world.change_app(&world.documented, |app| app.settings.default_password = None).await;
        let secrets = [world.documented.secret.clone(), world.strict.secret.clone(), secret];
        Self { world, secrets, tokens: HashMap::new(), codes: HashMap::new() }
    }

    async fn request(&mut self, app: usize, kind: u8, who: usize, order: usize) -> Answer {
        let client =
            self.world.client().from(&format!("10.0.{app}.1")).with("x-app-secret", self.secrets[app].expose());
        let bearer = match self.tokens.get(&(app, who)) {
            Some(token) => client.clone().bearer(token),
            None => client.clone(),
        };
        let path = |endpoint: &str| format!("/api/AppUsers/{}/{endpoint}", APPS[app]);
        let (name, phone) = (["alice", "bob"][who], ["13800138000", "13800138001"][who]);
        let answer = match kind {
            0 => {
                let body = json!({"platform": "wx", "unionID": name, "userName": name});
                client.post(&path("UnionIDSignUp"), body).await
            }
            1 => client.post(&path("UnionIDSignIn"), json!({"platform": "wx", "unionID": name})).await,
            2 => {
                let answer = client.post(&path("SendSMSCode"), json!({"phone": phone, "type": "signup"})).await;
                if answer.code() == 200 {
                    self.codes.insert((app, who), self.world.code_for(phone));
                }
                answer
            }
            3 => {
                let code = self.codes.get(&(app, who)).map_or("000000", String::as_str);
                client.post(&path("PhoneSignUp"), json!({"phone": phone, "phoneCode": code})).await
            }
            4 => bearer.get(&path("Profile")).await,
            5 => bearer.put(&path("Profile"), json!({"nickName": format!("n{order}")})).await,
            6 => {
                let body = json!({"price": 200, "remark": "r", "orderId": format!("order-{order}")});
                bearer.post(&path("RechargePoints"), body).await
            }
            _ => bearer.get(&path("PointLog")).await,
        };
        if let Some(token) = answer.body["data"]["access_token"].as_str() {
            self.tokens.insert((app, who), token.to_owned());
        }
        answer
    }
}

#[test]
fn p_09_ti_11_without_what_one_app_did_the_others_are_the_same() {
    let tallies = ["P-09", "TI-11"].map(Tally::of);
    hold(64, &steps(), |steps| {
        for tally in &tallies {
            tally.add(steps.len());
        }
        async move {
            let (with, without) = (run(&steps, true).await, run(&steps, false).await);
            assert_eq!(with, without);
        }
    });
}
