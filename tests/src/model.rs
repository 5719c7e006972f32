//! The accounts of an app as plain data: who may do what after any sequence of sign-ups, codes, passwords and waiting.
//! The service is driven beside the model and must answer as the model says; properties and fuzzers choose the steps.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;

use crate::{Answer, Client, World};

const NAMES: [&str; 3] = ["alice", "bob", "carol"];
const PHONES: [&str; 2] = ["13800138000", "13900139000"];
const PASSWORDS: [&str; 2] = ["correct horse battery", "wrong donkey staple"];
const PURPOSES: [&str; 3] = ["signup", "signin", "forgetpwd"];
const SIGN_UP: usize = 0;
const FORGET_PASSWORD: usize = 2;
const WAITS: [i64; 12] = [1, 2, 4, 9, 31, 61, 300, 301, 901, 3_600, 3_601, 86_401];
/// Seconds after the fifth wrong password in a row, the sixth, and so on.
const DELAYS: [i64; 9] = [1, 3, 5, 10, 30, 60, 300, 900, 3_600];
/// How many codes within how many seconds.
const SEND_RATES: [(usize, i64); 3] = [(1, 60), (5, 3_600), (10, 86_400)];

/// What a client does next, or what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Signing up with a name.
    SignUp(usize, usize),
    /// Signing in with a name and a password.
    SignIn(usize, usize),
    /// Asking for a code: phone, purpose.
    Send(usize, usize),
    /// Signing up with a code.
    PhoneSignUp(usize, Guess),
    /// Signing in with a code.
    PhoneSignIn(usize, Guess),
    /// Setting a new password with a code.
    Reset(usize, Guess, usize),
    /// Using a token that was given out.
    Use(usize),
    /// The operator disables or enables an account.
    Switch(usize),
    /// Time passes.
    Wait(i64),
}

/// Which code somebody types in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// The latest that came for a purpose.
    Latest(usize),
    /// The one before it.
    Earlier(usize),
    /// None that ever came.
    Wrong,
}

impl Guess {
    const fn of(byte: u8) -> Self {
        match byte % 8 {
            0..4 => Self::Latest((byte / 8) as usize % PURPOSES.len()),
            4 => Self::Earlier((byte / 8) as usize % PURPOSES.len()),
            _ => Self::Wrong,
        }
    }
}

impl Op {
    /// A step for any three bytes.
    pub const fn of([kind, a, b]: [u8; 3]) -> Self {
        let (a_, b_) = (a as usize, b as usize);
        let phone = a_ % PHONES.len();
        match kind % 20 {
            0 | 1 => Self::SignUp(a_ % NAMES.len(), b_ % PASSWORDS.len()),
            // A phone is the name of whoever signed up with it.
            2..=5 => Self::SignIn(a_ % (NAMES.len() + PHONES.len()), b_ % PASSWORDS.len()),
            6..=8 => Self::Send(phone, b_ % PURPOSES.len()),
            9 | 10 => Self::PhoneSignUp(phone, Guess::of(b)),
            11..=13 => Self::PhoneSignIn(phone, Guess::of(b)),
            14 | 15 => Self::Reset(phone, Guess::of(b), (a_ / 2) % PASSWORDS.len()),
            16 | 17 => Self::Use(a_),
            18 => Self::Switch(a_),
            _ => Self::Wait(WAITS[a_ % WAITS.len()]),
        }
    }

    /// An account comes to be with a phone.
    pub fn prove_phone(phone: usize) -> Vec<Self> {
        let phone = phone % PHONES.len();
        vec![Self::Wait(61), Self::Send(phone, SIGN_UP), Self::PhoneSignUp(phone, Guess::Latest(SIGN_UP))]
    }

    /// Whoever has the phone signs in, then forgets the password and sets a new one: earlier tokens end.
    pub fn forget_password(phone: usize, password: usize) -> Vec<Self> {
        let (phone, password) = (phone % PHONES.len(), password % PASSWORDS.len());
        vec![
            Self::SignIn(NAMES.len() + phone, password),
            Self::Wait(61),
            Self::Send(phone, FORGET_PASSWORD),
            Self::Reset(phone, Guess::Latest(FORGET_PASSWORD), password),
        ]
    }

    /// The steps that bytes stand for.
    pub fn all_of(bytes: &[u8]) -> Vec<Self> {
        bytes.chunks_exact(3).map(|chunk| Self::of([chunk[0], chunk[1], chunk[2]])).collect()
    }
}

#[derive(Clone, Copy, Default)]
struct Budget {
    failures: usize,
    last: i64,
}

impl Budget {
    /// Charges a try; false when it has to wait.
    fn charge(&mut self, now: i64) -> bool {
        let delay = self.failures.checked_sub(5).map_or(0, |over| DELAYS[over.min(DELAYS.len() - 1)]);
        let may = now >= self.last + delay;
        if may {
            *self = Self { failures: self.failures + 1, last: now };
        }
        may
    }
}

struct Account {
    name: String,
    password: Option<usize>,
    phone: Option<usize>,
    version: u32,
    is_active: bool,
    budget: Budget,
}

#[derive(Clone)]
struct Code {
    /// Not known when nothing was sent.
    text: Option<String>,
    until: i64,
    tries: u32,
}

#[derive(Default)]
struct Phone {
    sends: Vec<i64>,
    failures: Vec<i64>,
    codes: BTreeMap<usize, Code>,
    /// Every code that came, by purpose.
    received: HashMap<usize, Vec<String>>,
}

struct Token {
    text: String,
    account: usize,
    version: u32,
    until: i64,
}

/// The service and the model of it.
pub struct Model {
    world: World,
    now: i64,
    steps: u32,
    accounts: Vec<Account>,
    strangers: HashMap<String, Budget>,
    phones: [Phone; PHONES.len()],
    tokens: Vec<Token>,
}

#[track_caller]
fn expect(answer: &Answer, code: i64, reason: &str) {
    assert_eq!((answer.status.as_u16(), answer.code(), answer.reason()), (200, code, reason), "{}", answer.text);
}

impl Model {
    /// A fresh service in which nobody gets a password that they did not choose.
    pub async fn new() -> Self {
        let world = World::new().await;
        world.change_app(&world.documented, |app| app.settings.default_password = None).await;
        let (accounts, tokens) = (Vec::new(), Vec::new());
        Self { world, now: 0, steps: 0, accounts, strangers: HashMap::new(), phones: <[Phone; 2]>::default(), tokens }
    }

    /// Does one step with the service and with the model, and compares.
    pub async fn apply(&mut self, op: Op) {
        self.steps += 1;
        match op {
            Op::SignUp(name, password) => self.sign_up(NAMES[name], password).await,
            Op::SignIn(name, password) => {
                let name = NAMES.get(name).copied().unwrap_or_else(|| PHONES[name - NAMES.len()]);
                self.sign_in(name, password).await;
            }
            Op::Send(phone, purpose) => self.send(phone, purpose).await,
            Op::PhoneSignUp(phone, guess) => self.phone_sign_up(phone, guess).await,
            Op::PhoneSignIn(phone, guess) => self.phone_sign_in(phone, guess).await,
            Op::Reset(phone, guess, password) => self.reset(phone, guess, password).await,
            Op::Use(token) => self.use_token(token).await,
            Op::Switch(account) => self.switch(account).await,
            Op::Wait(seconds) => {
                self.world.wait(seconds);
                self.now += seconds;
            }
        }
    }

    /// Uses every token that was ever given out.
    pub async fn use_all_tokens(&mut self) {
        for token in 0..self.tokens.len() {
            self.use_token(token).await;
        }
    }

    /// How many tokens would still be good, had their user not set a new password since.
    pub fn tokens_of_old_passwords(&self) -> usize {
        let is_old = |token: &&Token| {
            let account = &self.accounts[token.account];
            account.is_active && self.now < token.until && account.version != token.version
        };
        self.tokens.iter().filter(is_old).count()
    }

    /// An address for each step: what one address may do is not the subject.
    fn client(&self) -> Client {
        let [_, a, b, c] = self.steps.to_be_bytes();
        self.world.client().from(&format!("10.{a}.{b}.{c}"))
    }

    async fn post(&self, endpoint: &str, body: serde_json::Value) -> Answer {
        self.client().post(&format!("/api/AppUsers/2/{endpoint}"), body).await
    }

    fn named(&self, name: &str) -> Option<usize> {
        self.accounts.iter().position(|account| account.name == name)
    }

    fn holder(&self, phone: usize) -> Option<usize> {
        self.accounts.iter().position(|account| account.phone == Some(phone))
    }

    fn live_holder(&self, phone: usize) -> Option<usize> {
        self.holder(phone).filter(|account| self.accounts[*account].is_active)
    }

    fn keep_token(&mut self, answer: &Answer, account: usize) {
        let version = self.accounts[account].version;
        self.tokens.push(Token { text: answer.token(), account, version, until: self.now + 86_400 });
    }

    fn create(&mut self, name: String, password: Option<usize>, phone: Option<usize>) -> usize {
        let budget = Budget::default();
        self.accounts.push(Account { name, password, phone, version: 0, is_active: true, budget });
        self.accounts.len() - 1
    }

    async fn sign_up(&mut self, name: &str, password: usize) {
        let answer = self.post("SignUp", json!({"userName": name, "pwd": PASSWORDS[password]})).await;
        if self.named(name).is_some() {
            return expect(&answer, 409, "account_exists");
        }
        let account = self.create(name.to_owned(), Some(password), None);
        self.keep_token(&answer, account);
    }

    async fn sign_in(&mut self, name: &str, password: usize) {
        let answer = self.post("SignIn", json!({"userName": name, "pwd": PASSWORDS[password]})).await;
        let known = self.named(name);
        let budget = match known {
            Some(account) => &mut self.accounts[account].budget,
            None => self.strangers.entry(name.to_owned()).or_default(),
        };
        if !budget.charge(self.now) {
            return expect(&answer, 429, "throttled");
        }
        match known.filter(|it| self.accounts[*it].is_active && self.accounts[*it].password == Some(password)) {
            Some(account) => {
                self.accounts[account].budget = Budget::default();
                self.keep_token(&answer, account);
            }
            None => expect(&answer, 401, "invalid_credentials"),
        }
    }

    async fn send(&mut self, number: usize, purpose: usize) {
        let before = self.world.messages_to(PHONES[number]).len();
        let answer = self.post("SendSMSCode", json!({"phone": PHONES[number], "type": PURPOSES[purpose]})).await;
        let messages = self.world.messages_to(PHONES[number]);
        let is_sent = PURPOSES[purpose] == "signup" || self.live_holder(number).is_some();
        let (now, phone) = (self.now, &mut self.phones[number]);
        let in_last = |seconds| phone.sends.iter().filter(|at| **at > now - seconds).count();
        if SEND_RATES.iter().any(|(most, within)| in_last(*within) >= *most) {
            assert_eq!(messages.len(), before, "a refused code is not sent");
            return expect(&answer, 429, "throttled");
        }
        assert_eq!(answer.data(), true);
        assert_eq!(messages.len() - before, usize::from(is_sent), "who gets a message");
        let text = is_sent.then(|| self.world.code_for(PHONES[number]));
        phone.received.entry(purpose).or_default().extend(text.clone());
        phone.sends.push(now);
        phone.codes.insert(purpose, Code { text, until: now + 300, tries: 0 });
    }

    /// What somebody types in; when nothing of the kind came, something wrong.
    fn typed(&self, phone: usize, guess: Guess) -> String {
        let phone = &self.phones[phone];
        let received = |purpose| phone.received.get(purpose).into_iter().flatten().rev();
        let text = match guess {
            Guess::Latest(purpose) => received(&purpose).next().cloned(),
            Guess::Earlier(purpose) => received(&purpose).nth(1).cloned(),
            Guess::Wrong => None,
        };
        text.unwrap_or_else(|| {
            let is_out = |text: &String| phone.codes.values().any(|code| code.text.as_ref() == Some(text));
            (0..9).map(|n| format!("{n:06}")).find(|text| !is_out(text)).unwrap_or_default()
        })
    }

    /// Charges a try at the codes of these purposes, and says which one it was right for.
    fn charge(&mut self, number: usize, purposes: &[usize], typed: &str) -> Option<usize> {
        let (now, phone) = (self.now, &mut self.phones[number]);
        phone.failures.retain(|at| *at > now - 3_600);
        if phone.failures.len() >= 10 {
            return None;
        }
        phone.codes.retain(|_, code| code.until > now);
        let tried = |(purpose, code): &(&usize, &mut Code)| purposes.contains(purpose) && code.tries < 5;
        let mut candidates: Vec<_> = phone.codes.iter_mut().filter(tried).collect();
        let right =
            candidates.iter().find(|(_, code)| code.text.as_deref() == Some(typed)).map(|(purpose, _)| **purpose);
        if right.is_none() {
            for (_, code) in &mut candidates {
                code.tries += 1;
            }
            phone.failures.push(now);
        }
        right
    }

    async fn phone_sign_up(&mut self, phone: usize, guess: Guess) {
        let typed = self.typed(phone, guess);
        let answer = self.post("PhoneSignUp", json!({"phone": PHONES[phone], "phoneCode": typed})).await;
        match self.charge(phone, &[0], &typed) {
            None => expect(&answer, 400, "invalid_code"),
            Some(_) if self.holder(phone).is_some() => expect(&answer, 409, "account_exists"),
            Some(purpose) => {
                self.phones[phone].codes.remove(&purpose);
                let account = self.create(PHONES[phone].to_owned(), None, Some(phone));
                self.keep_token(&answer, account);
            }
        }
    }

    async fn phone_sign_in(&mut self, phone: usize, guess: Guess) {
        let typed = self.typed(phone, guess);
        let answer = self.post("PhoneSignIn", json!({"phone": PHONES[phone], "verifyCode": typed})).await;
        match (self.charge(phone, &[0, 1], &typed), self.live_holder(phone)) {
            (None, _) => expect(&answer, 400, "invalid_code"),
            (Some(_), None) => expect(&answer, 404, "user_not_found"),
            (Some(purpose), Some(account)) => {
                self.phones[phone].codes.remove(&purpose);
                self.keep_token(&answer, account);
            }
        }
    }

    async fn reset(&mut self, phone: usize, guess: Guess, password: usize) {
        let typed = self.typed(phone, guess);
        let body = json!({"phone": PHONES[phone], "code": typed, "pwd": PASSWORDS[password]});
        let answer = self.post("ResetPwd", body).await;
        match (self.charge(phone, &[2], &typed), self.live_holder(phone)) {
            (None, _) | (Some(_), None) => expect(&answer, 400, "invalid_code"),
            (Some(_), Some(account)) => {
                assert_eq!(answer.data(), true, "no token");
                self.phones[phone].codes.clear();
                let account = &mut self.accounts[account];
                account.password = Some(password);
                account.budget = Budget::default();
                account.version += 1;
            }
        }
    }

    async fn use_token(&mut self, number: usize) {
        let Some(token) = self.tokens.get(number % self.tokens.len().max(1)) else { return };
        let account = &self.accounts[token.account];
        let answer = self.client().bearer(&token.text).get("/api/AppUsers/2/Profile").await;
        if account.is_active && account.version == token.version && self.now < token.until {
            assert_eq!(answer.data()["userName"], account.name);
        } else {
            answer.refused(401, 401, "invalid_token");
        }
    }

    async fn switch(&mut self, number: usize) {
        let count = self.accounts.len().max(1);
        let Some(account) = self.accounts.get_mut(number % count) else { return };
        account.is_active = !account.is_active;
        let status = if account.is_active { "active" } else { "disabled" };
        self.world.set_user(&self.world.documented, &account.name, "status", json!({"S": status})).await;
    }
}
