//! The second factor: enrolled, asked for on every way in, guessed at, lost.

mod enrolment;
mod races;
mod sign_in;

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::json;
use shared::clock::Clock as _;
use tests::{Answer, Authenticator, Client, World};

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
