//! The second factor: whatever happens in whatever order, no way in goes around one that is on.

use proptest::prelude::*;
use serde_json::json;
use shared::clock::Clock as _;
use tests::{Answer, Authenticator, Client, Tally, World, properties::hold};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    UnionId,
    ExternalAccount,
    Grant,
}

#[derive(Clone, Copy, Debug)]
enum Typed {
    Nothing,
    Right,
    Wrong,
    Before,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    SignIn(Way, Typed),
    Switch(bool, Typed),
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let way = prop_oneof![Just(Way::UnionId), Just(Way::ExternalAccount), Just(Way::Grant)];
    let typed = prop_oneof![
        2 => Just(Typed::Nothing), 4 => Just(Typed::Right), 1 => Just(Typed::Wrong), 2 => Just(Typed::Before)
    ];
    let step = prop_oneof![
        5 => (way, typed.clone()).prop_map(|(way, typed)| Step::SignIn(way, typed)),
        3 => (any::<bool>(), typed).prop_map(|(enable, typed)| Step::Switch(enable, typed)),
        3 => prop_oneof![Just(1), Just(29), Just(30), Just(61), Just(901)].prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..40)
}

struct Model {
    world: World,
    client: Client,
    /// The authenticator of the factor that is on.
    factor: Option<Authenticator>,
    /// The last step of which a code was accepted.
    last: i64,
    wrong_in_a_row: u32,
}

impl Model {
    async fn new() -> Self {
        let world = World::new().await;
        let body = json!({"platform": "wx", "unionID": "alice", "userName": "alice"});
        let token = world.client().post("/api/AppUsers/2/UnionIDSignUp", body).await.token();
        let client = world.client().bearer(&token);
        Self { world, client, factor: None, last: 0, wrong_in_a_row: 0 }
    }

    fn path(&self, path: &str) -> String {
        path.replace("KEY", self.world.documented.record.app_key.as_str())
    }

    fn typed(&self, authenticator: &Authenticator, typed: Typed) -> Option<String> {
        let now = self.world.clock.now();
        match typed {
            Typed::Nothing => None,
            Typed::Right => Some(authenticator.code(now, 0)),
            Typed::Before => Some(authenticator.code(now, -1)),
            Typed::Wrong => {
                let around: Vec<_> = (-2..3).map(|step| authenticator.code(now, step)).collect();
                (0..9).map(|n| format!("00000{n}")).find(|code| !around.contains(code))
            }
        }
    }

    /// Whether a code of the active factor is one that may be accepted, as the RFC and the contract have it.
    fn is_good(&self, typed: Typed) -> bool {
        let step = self.world.clock.now().as_second() / 30;
        match typed {
            Typed::Nothing | Typed::Wrong => false,
            Typed::Right => step > self.last,
            Typed::Before => step - 1 > self.last,
        }
    }

    fn accepted(&mut self, typed: Typed) {
        let step = self.world.clock.now().as_second() / 30;
        self.last = if matches!(typed, Typed::Before) { step - 1 } else { step };
        self.wrong_in_a_row = 0;
    }

    async fn sign_in(&mut self, way: Way, typed: Typed) {
        let (path, mut body) = match way {
            Way::UnionId => ("/api/AppUsers/2/UnionIDSignIn", json!({"platform": "wx", "unionID": "alice"})),
            Way::ExternalAccount => ("/ExternalAccount/KEY/SignIn", json!({"platform": "wx", "unionID": "alice"})),
            Way::Grant => (
                "/api/OAuth/2/GrantCode",
                json!({"grant_type": "unionid", "scopes": "openid", "platform": "wx", "unionId": "alice"}),
            ),
        };
        let typed_text = self.factor.as_ref().and_then(|factor| self.typed(factor, typed));
        body["twoFactorCode"] = json!(typed_text);
        let answer = self.world.client().post(&self.path(path), body).await;
        if self.factor.is_none() {
            answer.data();
            return;
        }
        self.judge(&answer, typed, "two_factor_required");
    }

    /// Compares what came of a code that was asked for; the throttle may refuse any after some wrong ones.
    fn judge(&mut self, answer: &Answer, typed: Typed, when_missing: &str) {
        match answer.reason() {
            "" => {
                assert!(self.is_good(typed), "let in by {typed:?}: {}", answer.text);
                self.accepted(typed);
            }
            "throttled" => assert!(self.wrong_in_a_row >= 4, "throttled after {}", self.wrong_in_a_row),
            "invalid_two_factor_code" => {
                assert!(!self.is_good(typed), "a good code was refused: {typed:?}");
                self.wrong_in_a_row += 1;
            }
            other => assert!(matches!(typed, Typed::Nothing) && other == when_missing, "{}", answer.text),
        }
    }

    async fn switch(&mut self, enable: bool, typed: Typed) {
        let setup = self.path("/User/KEY/TwoFactorAuth");
        let started = self.client.get(&setup).await;
        if let Some(factor) = self.factor.clone() {
            started.refused(409, 409, "two_factor_on");
            let Some(code) = self.typed(&factor, typed) else { return };
            let answer = self.client.put(&setup, json!({"enable": enable, "twoFactorCode": code})).await;
            if enable {
                return answer.refused(409, 409, "two_factor_on");
            }
            self.judge(&answer, typed, "");
            if answer.reason().is_empty() {
                self.factor = None;
            }
            return;
        }
        let pending = Authenticator::with_key(started.data()["manualEntryKey"].as_str().unwrap());
        let Some(code) = self.typed(&pending, typed) else { return };
        let answer = self.client.put(&setup, json!({"enable": enable, "twoFactorCode": code})).await;
        match (enable, typed, answer.reason()) {
            (true, Typed::Right | Typed::Before, "") => {
                self.last = 0;
                self.accepted(typed);
                self.factor = Some(pending);
            }
            (_, _, "throttled") => assert!(self.wrong_in_a_row >= 4),
            (true, Typed::Wrong, "invalid_two_factor_code") => self.wrong_in_a_row += 1,
            (false, _, "invalid_two_factor_code") => {}
            _ => panic!("{enable} {typed:?}: {}", answer.text),
        }
    }

    async fn apply(&mut self, step: Step) {
        match step {
            Step::SignIn(way, typed) => self.sign_in(way, typed).await,
            Step::Switch(enable, typed) => self.switch(enable, typed).await,
            Step::Wait(seconds) => self.world.wait(seconds),
        }
    }
}

#[test]
fn p_08_no_way_in_goes_around_a_second_factor_that_is_on() {
    let tally = Tally::of("P-08");
    hold(96, &steps(), |steps| {
        tally.add(steps.len());
        async move {
            let mut model = Model::new().await;
            for step in steps {
                model.apply(step).await;
            }
        }
    });
}
