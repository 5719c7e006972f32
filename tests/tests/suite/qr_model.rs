//! The QR sign-in against a model of it: whatever happens in whatever order, only what the model allows.

use std::collections::HashMap;

use proptest::{prelude::*, test_runner::TestCaseError};
use serde_json::{Value, json};
use tests::{Answer, Client, World};

use super::qr::{Ticket, change_user};

/// Who may hold a phone. The first two have accounts; the third gets one by confirming.
const PEOPLE: [&str; 3] = ["known", "other", "new"];

#[derive(Clone, Copy, Debug)]
enum Event {
    Begin(usize),
    Scan(usize),
    Confirm(usize, usize),
    ConfirmWithoutNonce(usize, usize),
    Poll(usize),
    PollWithoutSecret(usize),
    Wait(i64),
    Reset(usize),
    Switch(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let (page, person) = (0..2_usize, 0..3_usize);
    let event = prop_oneof![
        2 => page.clone().prop_map(Event::Begin),
        4 => page.clone().prop_map(Event::Scan),
        6 => (page.clone(), person.clone()).prop_map(|(page, who)| Event::Confirm(page, who)),
        1 => (page.clone(), person.clone()).prop_map(|(page, who)| Event::ConfirmWithoutNonce(page, who)),
        6 => page.clone().prop_map(Event::Poll),
        1 => page.prop_map(Event::PollWithoutSecret),
        2 => prop_oneof![Just(1), Just(60), Just(119), Just(120), Just(121)].prop_map(Event::Wait),
        1 => person.clone().prop_map(Event::Reset),
        1 => person.prop_map(Event::Switch),
    ];
    prop::collection::vec(event, 1..48)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Shown,
    Scanned,
    /// By whom, under which token version.
    Confirmed(usize, u64),
    Gone,
}

struct Page {
    ticket: Ticket,
    stage: Stage,
    until: i64,
    tokens: u32,
}

#[derive(Clone)]
struct Person {
    /// A token that names the account, if there is one.
    token: Option<String>,
    version: u64,
    is_active: bool,
}

struct Model {
    world: World,
    client: Client,
    app: u32,
    now: i64,
    begun: u32,
    pages: HashMap<usize, Page>,
    people: Vec<Person>,
}

type Outcome = Result<(), TestCaseError>;

fn expect(answer: &Answer, code: i64, reason: &str) -> Outcome {
    prop_assert_eq!((answer.code(), answer.reason()), (code, reason), "{}", answer.text);
    prop_assert!(code == 200 || answer.body["data"].is_null());
    Ok(())
}

impl Model {
    async fn new(with_proofs: bool) -> Self {
        let world = World::new().await;
        let (app, client) = (2, world.client());
        let like = if with_proofs { &world.strict } else { &world.documented };
        let proof = like.record.settings.qr_proof;
        world
            .change_app(&world.documented, |app| {
                app.settings.default_password = None;
                app.settings.qr_proof = proof;
            })
            .await;
        let mut people = Vec::new();
        for who in PEOPLE {
            let mut token = None;
            if who != "new" {
                let body = json!({"platform": "wxminip", "unionID": who});
                token = Some(client.post(&format!("/api/AppUsers/{app}/UnionIDSignUp"), body).await.token());
            }
            people.push(Person { token, version: 0, is_active: true });
        }
        Self { world, client, app, now: 0, begun: 0, pages: HashMap::new(), people }
    }

    async fn apply(&mut self, event: Event) -> Outcome {
        match event {
            Event::Begin(page) => {
                // An address for each: how many one may begin is tested elsewhere.
                self.begun += 1;
                let client = self.client.clone().from(&format!("192.0.2.{}", self.begun));
                let ticket = Ticket::begin(&client, self.app).await;
                self.pages.insert(page, Page { ticket, stage: Stage::Shown, until: self.now + 120, tokens: 0 });
                Ok(())
            }
            Event::Scan(page) => self.scan(page).await,
            Event::Confirm(page, who) => self.confirm(page, who).await,
            Event::ConfirmWithoutNonce(page, who) => {
                let Some(known) = self.pages.get(&page) else { return Ok(()) };
                if known.ticket.poll_secret.is_null() {
                    return self.confirm(page, who).await;
                }
                let guess = Ticket { scan_nonce: Value::Null, ..known.ticket.clone() };
                expect(&guess.confirm(&self.client, PEOPLE[who]).await, 410, "qr_unusable")
            }
            Event::Poll(page) => self.poll(page).await,
            Event::PollWithoutSecret(page) => {
                let Some(known) = self.pages.get(&page) else { return Ok(()) };
                if known.ticket.poll_secret.is_null() {
                    return self.poll(page).await;
                }
                let guess = Ticket { poll_secret: Value::Null, ..known.ticket.clone() };
                expect(&guess.poll(&self.client).await, 410, "qr_expired")
            }
            Event::Wait(seconds) => {
                self.world.wait(seconds);
                self.now += seconds;
                Ok(())
            }
            Event::Reset(who) => {
                if let Some(token) = self.people[who].token.clone() {
                    let change = "SET tokenVersion = tokenVersion + :value";
                    change_user(&self.world, &token, change, json!({"N": "1"})).await;
                    self.people[who].version += 1;
                }
                Ok(())
            }
            Event::Switch(who) => {
                if let Some(token) = self.people[who].token.clone() {
                    let status = if self.people[who].is_active { "disabled" } else { "active" };
                    change_user(&self.world, &token, "SET #status = :value", json!({"S": status})).await;
                    self.people[who].is_active = !self.people[who].is_active;
                }
                Ok(())
            }
        }
    }

    fn stage(&self, page: &Page) -> Stage {
        if self.now < page.until { page.stage } else { Stage::Gone }
    }

    async fn scan(&mut self, number: usize) -> Outcome {
        let Some(mut page) = self.pages.remove(&number) else { return Ok(()) };
        let answer = page.ticket.scan(&self.client).await;
        if self.stage(&page) == Stage::Shown {
            expect(&answer, 200, "")?;
            (page.stage, page.until) = (Stage::Scanned, self.now + 120);
        } else {
            expect(&answer, 410, "qr_unusable")?;
        }
        self.pages.insert(number, page);
        Ok(())
    }

    async fn confirm(&mut self, number: usize, who: usize) -> Outcome {
        let Some(mut page) = self.pages.remove(&number) else { return Ok(()) };
        let answer = page.ticket.confirm(&self.client, PEOPLE[who]).await;
        let person = self.people[who].clone();
        let may = match self.stage(&page) {
            Stage::Scanned => true,
            Stage::Confirmed(by, _) => by == who && person.is_active,
            Stage::Shown | Stage::Gone => false,
        };
        if !may {
            expect(&answer, 410, "qr_unusable")?;
        } else if !person.is_active {
            expect(&answer, 409, "account_exists")?;
        } else {
            expect(&answer, 200, "")?;
            prop_assert_eq!(&union_id(&self.client, self.app, &answer.token()).await, PEOPLE[who]);
            (page.stage, page.until) = (Stage::Confirmed(who, person.version), self.now + 120);
            self.people[who].token.get_or_insert(answer.token());
        }
        self.pages.insert(number, page);
        Ok(())
    }

    async fn poll(&mut self, number: usize) -> Outcome {
        let Some(mut page) = self.pages.remove(&number) else { return Ok(()) };
        let answer = page.ticket.poll(&self.client).await;
        match self.stage(&page) {
            Stage::Gone => expect(&answer, 410, "qr_expired")?,
            Stage::Shown => expect(&answer, 202, "scan_pending")?,
            Stage::Scanned => expect(&answer, 202, "confirm_pending")?,
            Stage::Confirmed(who, version) => {
                let person = &self.people[who];
                if !person.is_active {
                    expect(&answer, 404, "user_not_found")?;
                } else if person.version != version {
                    expect(&answer, 410, "qr_expired")?;
                } else {
                    expect(&answer, 200, "")?;
                    page.tokens += 1;
                    prop_assert_eq!(page.tokens, 1);
                    prop_assert_eq!(&union_id(&self.client, self.app, &answer.token()).await, PEOPLE[who]);
                }
                page.stage = Stage::Gone;
            }
        }
        self.pages.insert(number, page);
        Ok(())
    }
}

/// Whom a token speaks for, by asking with it.
async fn union_id(client: &Client, app: u32, token: &str) -> String {
    let profile = client.clone().bearer(token).get(&format!("/api/AppUsers/{app}/Profile")).await;
    profile.data()["unionID"].as_str().unwrap().to_owned()
}

#[test]
fn p_07_qr_28_whatever_happens_only_legal_steps_one_token_at_most_and_the_confirmer_is_its_subject() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    proptest!(ProptestConfig::with_cases(64), |(with_proofs in any::<bool>(), events in events())| {
        runtime.block_on(async {
            let mut model = Model::new(with_proofs).await;
            model.apply(Event::Begin(0)).await?;
            for event in events {
                model.apply(event).await?;
            }
            Ok::<_, TestCaseError>(())
        })?;
    });
}
