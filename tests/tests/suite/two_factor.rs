//! The second factor: enrolled, asked for on every way in, guessed at, lost.

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::{clock::Clock as _, storage::Table};
use tests::{Answer, Authenticator, Client, World, engine::Fault};

use crate::qr::Ticket;

const PASSWORD: &str = "correct horse battery";

/// A user of the documented app with a password, an own union id and a bound account, whose second factor is on.
struct Enrolled {
    world: World,
    /// Calls with the token of the sign-up.
    client: Client,
    authenticator: Authenticator,
    recovery_codes: Vec<String>,
}

fn setup(world: &World) -> String {
    format!("/User/{}/TwoFactorAuth", world.documented.record.app_key.as_str())
}

fn external(world: &World) -> String {
    format!("/ExternalAccount/{}", world.documented.record.app_key.as_str())
}

/// Fetches a secret and types it into an authenticator.
async fn start(world: &World, client: &Client) -> Authenticator {
    let answer = client.get(&setup(world)).await;
    Authenticator::with_key(answer.data()["manualEntryKey"].as_str().unwrap())
}

async fn switch(world: &World, client: &Client, enable: bool, code: &str) -> Answer {
    client.put(&setup(world), json!({"enable": enable, "twoFactorCode": code})).await
}

async fn signed_up(world: &World, user_name: &str) -> Client {
    let body = json!({"platform": "wx", "unionID": format!("own-{user_name}"), "userName": user_name, "pwd": PASSWORD});
    let token = world.client().post("/api/AppUsers/2/UnionIDSignUp", body).await.token();
    let client = world.client().bearer(&token);
    let account = json!({"platform": "wechat", "unionID": format!("bound-{user_name}"), "platformName": "微信"});
    client.post(&external(world), account).await.data();
    client
}

impl Enrolled {
    async fn new() -> Self {
        Self::named(World::new().await, "alice").await
    }

    async fn named(world: World, user_name: &str) -> Self {
        let client = signed_up(&world, user_name).await;
        let authenticator = start(&world, &client).await;
        let on = switch(&world, &client, true, &authenticator.code(world.clock.now(), 0)).await;
        let codes = on.data()["recoveryCodes"].as_array().expect("codes").clone();
        let recovery_codes = codes.iter().map(|code| code.as_str().expect("a code").to_owned()).collect();
        world.wait(30);
        Self { world, client, authenticator, recovery_codes }
    }

    /// The code that the authenticator shows now.
    fn code(&self) -> String {
        self.authenticator.code(self.world.clock.now(), 0)
    }

    /// A code that is none of those around now.
    fn wrong_code(&self) -> String {
        let around: Vec<_> = (-2..3).map(|step| self.authenticator.code(self.world.clock.now(), step)).collect();
        (0..1_000_000).map(|n| format!("{n:06}")).find(|code| !around.contains(code)).unwrap()
    }

    async fn sign_in(&self, way: Way, code: Option<&str>) -> Answer {
        way.sign_in(&self.world, "alice", code).await
    }
}

/// The ways to sign in, each with a body that is right but for the second factor.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Password,
    UnionId,
    BoundUnionId,
    ExternalAccount,
    GrantCodeByPassword,
    GrantCodeByUnionId,
    QrConfirmation,
}

impl Way {
    const ALL: [Self; 7] = [
        Self::Password,
        Self::UnionId,
        Self::BoundUnionId,
        Self::ExternalAccount,
        Self::GrantCodeByPassword,
        Self::GrantCodeByUnionId,
        Self::QrConfirmation,
    ];

    async fn sign_in(self, world: &World, user_name: &str, code: Option<&str>) -> Answer {
        let (own, bound) = (format!("own-{user_name}"), format!("bound-{user_name}"));
        let (path, mut body) = match self {
            Self::Password => ("/api/AppUsers/2/SignIn".to_owned(), json!({"userName": user_name, "pwd": PASSWORD})),
            Self::UnionId => ("/api/AppUsers/2/UnionIDSignIn".to_owned(), json!({"platform": "wx", "unionID": own})),
            Self::BoundUnionId => {
                ("/api/AppUsers/2/UnionIDSignIn".to_owned(), json!({"platform": "wechat", "unionID": bound}))
            }
            Self::ExternalAccount => {
                (format!("{}/SignIn", external(world)), json!({"platform": "wechat", "unionID": bound}))
            }
            Self::GrantCodeByPassword => (
                "/api/OAuth/2/GrantCode".to_owned(),
                json!({"grant_type": "account", "scopes": "openid", "userName": user_name, "password": PASSWORD}),
            ),
            Self::GrantCodeByUnionId => (
                "/api/OAuth/2/GrantCode".to_owned(),
                json!({"grant_type": "unionid", "scopes": "openid", "platform": "wechat", "unionId": bound}),
            ),
            Self::QrConfirmation => {
                let mut ticket = Ticket::begin(&world.client(), 2).await;
                ticket.scan(&world.client()).await.data();
                let body = json!({"signInKey": ticket.key, "platform": "wx", "unionID": own});
                ("/api/AppUsers/2/QRCodeSignUp".to_owned(), body)
            }
        };
        if let Some(code) = code {
            body["twoFactorCode"] = json!(code);
        }
        world.client().post(&path, body).await
    }

    /// Fails the test unless the answer refuses in the way's family.
    fn refused(self, answer: &Answer, code: u16, reason: &str) {
        answer.refused(if self == Self::ExternalAccount { code } else { 200 }, code.into(), reason);
    }
}

async fn codes(answers: impl IntoIterator<Item = impl Future<Output = Answer>>) -> HashMap<(i64, String), usize> {
    let mut counts = HashMap::new();
    for answer in join_all(answers).await {
        *counts.entry((answer.code(), answer.reason().to_owned())).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn tf_01_every_setup_makes_a_secret_and_the_latest_one_counts() {
    let world = World::new().await;
    let client = signed_up(&world, "alice").await;
    let answer = client.get(&setup(&world)).await;
    assert_eq!(answer.data()["account"], "alice");
    assert_eq!(answer.data().as_object().unwrap().len(), 3);
    let first = Authenticator::with_key(answer.data()["manualEntryKey"].as_str().unwrap());
    assert_eq!(first.secret().len(), 20, "160 bits");
    let picture = answer.data()["qrCodeSetupImageUrl"].as_str().unwrap();
    let svg = STANDARD.decode(picture.strip_prefix("data:image/svg+xml;base64,").unwrap()).unwrap();
    assert!(String::from_utf8(svg).unwrap().starts_with("<svg "));

    let second = start(&world, &client).await;
    assert_ne!(first.secret(), second.secret());
    let early = switch(&world, &client, true, &first.code(world.clock.now(), 0)).await;
    early.refused(401, 401, "invalid_two_factor_code");
    let on = switch(&world, &client, true, &second.code(world.clock.now(), 0)).await;
    let codes = on.data()["recoveryCodes"].as_array().unwrap().clone();
    assert_eq!(on.data().as_object().unwrap().len(), 1);
    assert_eq!(codes.iter().collect::<std::collections::HashSet<_>>().len(), 10);

    let before = world.snapshot().await;
    client.get(&setup(&world)).await.refused(409, 409, "two_factor_on");
    switch(&world, &client, true, &second.code(world.clock.now(), 1)).await.refused(409, 409, "two_factor_on");
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn tf_02_it_is_on_only_with_a_right_code_within_ten_minutes() {
    let world = World::new().await;
    let client = signed_up(&world, "alice").await;
    switch(&world, &client, true, "123456").await.refused(401, 401, "invalid_two_factor_code");
    let authenticator = start(&world, &client).await;
    let code = |steps| authenticator.code(world.clock.now(), steps);
    for wrong in [code(-2), code(1), code(2)] {
        switch(&world, &client, true, &wrong).await.refused(401, 401, "invalid_two_factor_code");
    }
    Way::Password.sign_in(&world, "alice", None).await.token();
    world.wait(600);
    switch(&world, &client, true, &authenticator.code(world.clock.now(), 0)).await.refused(
        401,
        401,
        "invalid_two_factor_code",
    );
    Way::Password.sign_in(&world, "alice", None).await.token();
    let authenticator = start(&world, &client).await;
    world.wait(599);
    switch(&world, &client, true, &authenticator.code(world.clock.now(), 0)).await.data();
    Way::Password.refused(&Way::Password.sign_in(&world, "alice", None).await, 401, "two_factor_required");
}

#[tokio::test]
async fn switching_is_for_the_bearer_and_takes_a_bool_and_six_digits() {
    let world = World::new().await;
    let client = signed_up(&world, "alice").await;
    let path = setup(&world);
    world.client().get(&path).await.refused(401, 401, "invalid_token");
    world.client().put(&path, json!({})).await.refused(401, 401, "invalid_token");
    let other = path.replace(world.documented.record.app_key.as_str(), world.strict.record.app_key.as_str());
    client.get(&other).await.refused(401, 401, "invalid_token");
    let before = world.snapshot().await;
    for body in [
        json!({}),
        json!({"enable": true}),
        json!({"twoFactorCode": "123456"}),
        json!({"enable": "true", "twoFactorCode": "123456"}),
        json!({"enable": true, "twoFactorCode": ""}),
        json!({"enable": true, "twoFactorCode": 123_456}),
        json!({"enable": true, "twoFactorCode": "12345"}),
        json!({"enable": true, "twoFactorCode": "1234567"}),
        json!({"enable": true, "twoFactorCode": "１２３４５６"}),
        json!({"enable": true, "twoFactorCode": " 12345"}),
        json!({"enable": true, "twoFactorCode": "aaaa-bbbb-cccc-dddd"}),
    ] {
        client.put(&path, body).await.refused(400, 400, "invalid_request");
    }
    switch(&world, &client, false, "123456").await.refused(401, 401, "invalid_two_factor_code");
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn tf_11_no_way_in_goes_around_it() {
    let enrolled = Enrolled::new().await;
    for way in Way::ALL {
        way.refused(&enrolled.sign_in(way, None).await, 401, "two_factor_required");
        way.refused(&enrolled.sign_in(way, Some("")).await, 401, "two_factor_required");
        way.refused(&enrolled.sign_in(way, Some(&enrolled.wrong_code())).await, 401, "invalid_two_factor_code");
        let code = enrolled.code();
        enrolled.sign_in(way, Some(&code)).await.data();
        // The step is used up for every way in, and for switching off. Three tries, so that the budget lasts.
        for replay in [Way::Password, Way::ExternalAccount] {
            replay.refused(&enrolled.sign_in(replay, Some(&code)).await, 401, "invalid_two_factor_code");
        }
        let off = switch(&enrolled.world, &enrolled.client, false, &code).await;
        off.refused(401, 401, "invalid_two_factor_code");
        enrolled.world.wait(60);
    }
}

#[tokio::test]
async fn it_is_asked_for_after_the_first_factor_only() {
    let enrolled = Enrolled::new().await;
    let before = enrolled.world.snapshot().await;
    let body = json!({"userName": "alice", "pwd": "wrong horse battery", "twoFactorCode": enrolled.code()});
    let answer = enrolled.world.client().post("/api/AppUsers/2/SignIn", body).await;
    answer.refused(200, 401, "invalid_credentials");
    let users = |rows: Vec<Value>| rows.into_iter().find_map(|row| row.get("totpStep").cloned()).unwrap();
    assert_eq!(users(enrolled.world.snapshot().await), users(before), "the code is not used up");
    enrolled.sign_in(Way::Password, Some(&enrolled.code())).await.token();
}

#[tokio::test]
async fn ex_13_while_it_is_off_the_field_is_ignored() {
    let world = World::new().await;
    signed_up(&world, "alice").await;
    for way in [Way::Password, Way::UnionId] {
        for code in ["123456", "string", "12345", ""] {
            way.sign_in(&world, "alice", Some(code)).await.token();
        }
    }
    for code in ["123456", "aaaa-bbbb-cccc-dddd", ""] {
        Way::ExternalAccount.sign_in(&world, "alice", Some(code)).await.token();
    }
}

#[tokio::test]
async fn tf_05_and_tf_07_the_current_step_and_the_one_before_are_accepted_in_this_order_only() {
    let enrolled = Enrolled::new().await;
    let now = || enrolled.world.clock.now();
    for offset in [-2, 1, 2] {
        let code = enrolled.authenticator.code(now(), offset);
        Way::Password.refused(&enrolled.sign_in(Way::Password, Some(&code)).await, 401, "invalid_two_factor_code");
    }
    enrolled.world.wait(60);
    let (before, current) = (enrolled.authenticator.code(now(), -1), enrolled.code());
    enrolled.sign_in(Way::Password, Some(&before)).await.token();
    enrolled.sign_in(Way::Password, Some(&current)).await.token();
    enrolled.world.wait(60);
    let (before, current) = (enrolled.authenticator.code(now(), -1), enrolled.code());
    enrolled.sign_in(Way::Password, Some(&current)).await.token();
    Way::Password.refused(&enrolled.sign_in(Way::Password, Some(&before)).await, 401, "invalid_two_factor_code");
}

#[tokio::test]
async fn tf_08_wrong_codes_wait_for_the_next_step_then_a_quarter_of_an_hour_then_for_good() {
    let enrolled = Enrolled::new().await;
    let world = &enrolled.world;
    let wrong = async |way: Way| {
        way.refused(&enrolled.sign_in(way, Some(&enrolled.wrong_code())).await, 401, "invalid_two_factor_code");
    };
    // The right code waits like any other, everywhere; what is no try of it does not.
    let is_locked = async |seconds: &str| {
        for way in Way::ALL {
            let throttled = enrolled.sign_in(way, Some(&enrolled.code())).await;
            way.refused(&throttled, 429, "throttled");
            assert_eq!(throttled.header("retry-after"), seconds);
        }
        switch(world, &enrolled.client, false, &enrolled.code()).await.refused(429, 429, "throttled");
        Way::Password.refused(&enrolled.sign_in(Way::Password, None).await, 401, "two_factor_required");
    };
    for way in [Way::Password, Way::UnionId, Way::BoundUnionId, Way::ExternalAccount] {
        wrong(way).await;
    }
    world.wait(20);
    let off = switch(world, &enrolled.client, false, &enrolled.wrong_code()).await;
    off.refused(401, 401, "invalid_two_factor_code");
    is_locked("10").await;
    world.wait(10);
    for _ in 0..5 {
        wrong(Way::Password).await;
    }
    is_locked("900").await;
    let recovered = enrolled.sign_in(Way::Password, Some(&enrolled.recovery_codes[0])).await;
    recovered.token();
    // A right code ends the row, and not what counts in all.
    for failures in [9, 9] {
        for n in 0..failures {
            if n == 5 {
                world.wait(30);
            }
            wrong(Way::UnionId).await;
        }
        enrolled.sign_in(Way::UnionId, Some(&enrolled.code())).await.token();
        world.wait(60);
    }
    for n in 18..100 {
        if n >= 27 {
            world.wait(900);
        } else if n == 23 {
            world.wait(30);
        }
        wrong(Way::UnionId).await;
    }
    world.wait(3_600);
    for way in Way::ALL {
        way.refused(&enrolled.sign_in(way, Some(&enrolled.code())).await, 401, "invalid_two_factor_code");
    }
    let off = switch(world, &enrolled.client, false, &enrolled.code()).await;
    off.refused(401, 401, "invalid_two_factor_code");
    enrolled.sign_in(Way::Password, Some(&enrolled.recovery_codes[1])).await.token();
    enrolled.sign_in(Way::Password, Some(&enrolled.code())).await.token();
}

#[tokio::test]
async fn tf_08_a_fresh_secret_begins_the_count_anew() {
    let world = World::new().await;
    let client = signed_up(&world, "alice").await;
    let authenticator = start(&world, &client).await;
    world.set_user(&world.documented, "alice", "totpFailuresInAll", json!({"N": "100"})).await;
    let code = authenticator.code(world.clock.now(), 0);
    switch(&world, &client, true, &code).await.refused(401, 401, "invalid_two_factor_code");
    let authenticator = start(&world, &client).await;
    switch(&world, &client, true, &authenticator.code(world.clock.now(), 0)).await.data();
}

#[tokio::test]
async fn tf_10_what_is_no_code_is_a_bad_request_and_is_not_charged() {
    let enrolled = Enrolled::new().await;
    let before = enrolled.world.rows(Table::Users).await;
    for bad in ["12345", "1234567", "１２３４５６", " 123456", "abcdef", "aaaa-bbbb-cccc-ddd1"] {
        for way in Way::ALL {
            enrolled.sign_in(way, Some(bad)).await.refused(400, 400, "invalid_request");
        }
    }
    for bad in [json!(123_456), json!(["123456"]), json!(true)] {
        let body = json!({"userName": "alice", "pwd": PASSWORD, "twoFactorCode": bad});
        let answer = enrolled.world.client().post("/api/AppUsers/2/SignIn", body).await;
        answer.refused(400, 400, "invalid_request");
    }
    assert_eq!(enrolled.world.rows(Table::Users).await, before);
}

#[tokio::test]
async fn tf_13_each_recovery_code_works_once_and_for_its_user_only() {
    let enrolled = Enrolled::new().await;
    let bob = Enrolled::named(enrolled.world.clone(), "bob").await;
    for foreign in &bob.recovery_codes[..3] {
        let answer = enrolled.sign_in(Way::Password, Some(foreign)).await;
        answer.refused(200, 401, "invalid_two_factor_code");
    }
    for (number, code) in enrolled.recovery_codes.iter().enumerate() {
        let way = Way::ALL[number % Way::ALL.len()];
        let typed = if number % 2 == 0 { code.to_uppercase() } else { code.replace('-', "") };
        enrolled.sign_in(way, Some(&typed)).await.data();
        way.refused(&enrolled.sign_in(way, Some(code)).await, 401, "invalid_two_factor_code");
    }
    // With the last one gone the authenticator still works.
    enrolled.sign_in(Way::Password, Some(&enrolled.code())).await.token();
}

#[tokio::test]
async fn tf_14_a_secret_is_worth_nothing_in_another_row() {
    let enrolled = Enrolled::new().await;
    let bob = Enrolled::named(enrolled.world.clone(), "bob").await;
    let world = &enrolled.world;
    let secret_of = |rows: &[Value], name: &str| {
        rows.iter().find(|row| row["userName"]["S"] == name).map(|row| row["totpSecret"].clone()).unwrap()
    };
    let rows = world.rows(Table::Users).await;
    let (alices, bobs) = (secret_of(&rows, "alice"), secret_of(&rows, "bob"));
    assert_ne!(alices, bobs);
    world.set_user(&world.documented, "alice", "totpSecret", bobs.clone()).await;
    world.set_user(&world.documented, "bob", "totpSecret", alices).await;
    world.wait(30);
    for code in [enrolled.code(), bob.code()] {
        for name in ["alice", "bob"] {
            Way::Password.sign_in(world, name, Some(&code)).await.refused(500, 500, "internal_error");
        }
    }
}

#[tokio::test]
async fn tf_16_neither_answers_nor_tables_show_secrets_or_codes() {
    let enrolled = Enrolled::new().await;
    let world = &enrolled.world;
    let dump = serde_json::to_string(&world.snapshot().await).unwrap();
    let secret = enrolled.authenticator.secret();
    let hex = shared::entropy::hex(secret);
    let forms = [STANDARD.encode(secret), hex];
    for text in forms.iter().chain(&enrolled.recovery_codes) {
        assert!(!dump.contains(text.as_str()) && !dump.contains(&text.replace('-', "")));
    }
    let rows = world.rows(Table::Users).await;
    let sealed = rows.iter().find_map(|row| row.get("totpSecret")).unwrap()["S"].as_str().unwrap().to_owned();
    for answer in [
        enrolled.client.get("/api/AppUsers/2/Profile").await,
        enrolled.client.get(&external(world)).await,
        enrolled.client.get(&setup(world)).await,
        enrolled.sign_in(Way::Password, None).await,
        enrolled.sign_in(Way::Password, Some(&enrolled.code())).await,
    ] {
        for text in forms.iter().chain(&enrolled.recovery_codes).chain([&sealed]) {
            assert!(!answer.text.contains(text.as_str()), "{}", answer.text);
        }
        assert!(!answer.text.to_lowercase().contains("totp"), "{}", answer.text);
    }
    let profile = enrolled.client.get("/api/AppUsers/2/Profile").await;
    assert_eq!(profile.data().as_object().unwrap().len(), 15, "what the profile has always shown");
}

#[tokio::test]
async fn tf_17_the_time_is_the_servers() {
    let enrolled = Enrolled::new().await;
    let later = enrolled.authenticator.code(enrolled.world.clock.now(), 20);
    let body = json!({
        "userName": "alice", "pwd": PASSWORD, "twoFactorCode": later, "now": "2026-03-01T04:10:30Z", "time": 1,
    });
    let client = enrolled.world.client().with("date", "Sun, 01 Mar 2026 04:10:30 GMT");
    client.post("/api/AppUsers/2/SignIn", body).await.refused(200, 401, "invalid_two_factor_code");
}

#[tokio::test]
async fn switched_off_it_is_no_longer_asked_for_and_tokens_stay() {
    let enrolled = Enrolled::new().await;
    let world = &enrolled.world;
    let wrong = switch(world, &enrolled.client, false, &enrolled.wrong_code()).await;
    wrong.refused(401, 401, "invalid_two_factor_code");
    let off = switch(world, &enrolled.client, false, &enrolled.code()).await;
    assert_eq!(off.body, json!({"code": 200, "data": true, "error": ""}));
    for way in Way::ALL {
        enrolled.sign_in(way, None).await.data();
    }
    enrolled.client.get("/api/AppUsers/2/Profile").await.data();
    let rows = world.rows(Table::Users).await;
    let user = rows.iter().find(|row| row["userName"]["S"] == "alice").unwrap();
    for gone in ["totpSecret", "totpStep", "totpPending", "recoveryCodes", "totpFailures"] {
        assert_eq!(user.get(gone), None, "{gone}");
    }
    // On again it is another secret, and the old recovery codes are worth nothing.
    let authenticator = start(world, &enrolled.client).await;
    assert_ne!(authenticator.secret(), enrolled.authenticator.secret());
    switch(world, &enrolled.client, true, &authenticator.code(world.clock.now(), 0)).await.data();
    let old = enrolled.sign_in(Way::Password, Some(&enrolled.recovery_codes[0])).await;
    old.refused(200, 401, "invalid_two_factor_code");
}

#[tokio::test]
async fn the_code_that_switched_it_on_is_used_up() {
    let world = World::new().await;
    let client = signed_up(&world, "alice").await;
    let authenticator = start(&world, &client).await;
    let code = authenticator.code(world.clock.now(), 0);
    switch(&world, &client, true, &code).await.data();
    Way::Password.sign_in(&world, "alice", Some(&code)).await.refused(200, 401, "invalid_two_factor_code");
    switch(&world, &client, false, &code).await.refused(401, 401, "invalid_two_factor_code");
}

#[tokio::test]
async fn an_operator_takes_it_from_whoever_lost_it() {
    let enrolled = Enrolled::new().await;
    let world = &enrolled.world;
    let rows = world.rows(Table::Users).await;
    let user = rows.iter().find(|row| row["userName"]["S"] == "alice").unwrap();
    let id = shared::user::UserId::parse(user["id"]["N"].as_str().unwrap()).unwrap();
    let store = world.env.store.app(world.documented.record.app_id);
    assert!(store.remove_second_factor(id).await.unwrap());
    assert!(!store.remove_second_factor(shared::user::UserId::new(1)).await.unwrap());
    enrolled.sign_in(Way::Password, None).await.token();
}

#[tokio::test]
async fn a_lost_answer_does_not_turn_a_right_code_into_a_replayed_one() {
    let enrolled = Enrolled::new().await;
    let world = &enrolled.world;
    // App, reservation, user, charge; then the acceptance whose answer is lost.
    let spoil = || world.engine.spoil([None, None, None, None, Some(Fault::AnswerLost)]);
    spoil();
    enrolled.sign_in(Way::UnionId, Some(&enrolled.code())).await.token();
    spoil();
    enrolled.sign_in(Way::UnionId, Some(&enrolled.recovery_codes[0])).await.token();
    enrolled.sign_in(Way::UnionId, Some(&enrolled.recovery_codes[0])).await.refused(
        200,
        401,
        "invalid_two_factor_code",
    );
    world.wait(30);
    // App, user, charge; then the switch.
    world.engine.spoil([None, None, None, Some(Fault::AnswerLost)]);
    world.engine.take_calls();
    switch(world, &enrolled.client, false, &enrolled.code()).await.data();
    let updates = world.engine.take_calls().iter().filter(|call| call.operation == "UpdateItem").count();
    assert_eq!(updates, 3, "the charge, the switch, and the switch again");
}

#[tokio::test]
async fn fi_20_when_the_budget_cannot_be_charged_nobody_gets_in() {
    let enrolled = Enrolled::new().await;
    let faults = [None, None, None].into_iter().chain([Some(Fault::InternalError); 3]);
    enrolled.world.engine.spoil(faults);
    let answer = enrolled.sign_in(Way::UnionId, Some(&enrolled.code())).await;
    answer.refused(503, 503, "unavailable");
    enrolled.sign_in(Way::UnionId, Some(&enrolled.code())).await.token();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_10_a_hundred_wrong_codes_are_five_evaluated_ones() {
    let enrolled = Enrolled::new().await;
    let wrong = enrolled.wrong_code();
    let counts = codes((0..100).map(|n| {
        let way = [Way::UnionId, Way::BoundUnionId, Way::ExternalAccount][n % 3];
        enrolled.sign_in(way, Some(&wrong))
    }))
    .await;
    let expected = [((401, "invalid_two_factor_code".to_owned()), 5), ((429, "throttled".to_owned()), 95)];
    assert_eq!(counts, HashMap::from(expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_10_a_hundred_uses_of_one_right_code_are_one_token() {
    let enrolled = Enrolled::new().await;
    let code = enrolled.code();
    let counts = codes((0..100).map(|n| {
        let way = [Way::UnionId, Way::BoundUnionId, Way::ExternalAccount][n % 3];
        enrolled.sign_in(way, Some(&code))
    }))
    .await;
    assert_eq!(counts[&(200, String::new())], 1, "{counts:?}");
    assert_eq!(counts.values().sum::<usize>(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rc_29_a_hundred_uses_of_one_recovery_code_are_one_token() {
    let enrolled = Enrolled::new().await;
    let code = enrolled.recovery_codes[4].clone();
    let counts = codes((0..100).map(|_| enrolled.sign_in(Way::UnionId, Some(&code)))).await;
    assert_eq!(counts[&(200, String::new())], 1, "{counts:?}");
    enrolled.world.wait(3_600);
    enrolled.sign_in(Way::UnionId, Some(&enrolled.recovery_codes[5])).await.token();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_is_switched_on_once_with_one_set_of_recovery_codes() {
    let world = World::new().await;
    let client = signed_up(&world, "alice").await;
    let authenticator = start(&world, &client).await;
    let code = authenticator.code(world.clock.now(), 0);
    let answers = join_all((0..100).map(|_| switch(&world, &client, true, &code))).await;
    let on: Vec<_> = answers.iter().filter(|answer| answer.code() == 200).collect();
    assert_eq!(on.len(), 1);
    world.wait(3_600);
    let recovery = on[0].data()["recoveryCodes"][0].as_str().unwrap();
    Way::UnionId.sign_in(&world, "alice", Some(recovery)).await.token();
}

#[tokio::test]
async fn codes_by_phone_and_mail_need_it_too_and_survive_without_it() {
    for (field, address, send, sign_in) in [
        ("phone", "13800138000", "SendSMSCode", "PhoneSignIn"),
        ("email", "alice@example.com", "SendEmailCode", "EmailSignIn"),
    ] {
        let world = World::new().await;
        let path = |endpoint: &str| format!("/api/AppUsers/2/{endpoint}");
        let send = || {
            let (client, path) = (world.client(), path(send));
            async move { client.post(&path, json!({field: address, "type": "signup"})).await }
        };
        send().await.data();
        let code = world.code_for(address);
        let body = json!({"userName": "alice", "pwd": PASSWORD, field: address, (format!("{field}Code")): code});
        let token = world.client().post(&path("SignUp"), body).await.token();
        let client = world.client().bearer(&token);
        let authenticator = start(&world, &client).await;
        switch(&world, &client, true, &authenticator.code(world.clock.now(), 0)).await.data();
        world.wait(60);

        send().await.data();
        let code = world.code_for(address);
        let sign_in = |second: Value| {
            let body = json!({field: address, "verifyCode": code, "twoFactorCode": second});
            let (client, path) = (world.client(), path(sign_in));
            async move { client.post(&path, body).await }
        };
        sign_in(Value::Null).await.refused(200, 401, "two_factor_required");
        sign_in(json!("aaaa-bbbb-cccc-dddd")).await.refused(200, 401, "invalid_two_factor_code");
        sign_in(json!(authenticator.code(world.clock.now(), 0))).await.token();
        world.wait(30);
        sign_in(json!(authenticator.code(world.clock.now(), 0))).await.refused(200, 400, "invalid_code");
    }
}
