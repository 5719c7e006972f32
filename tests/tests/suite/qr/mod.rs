//! Signing a page in with a phone.

mod keys;
mod phones;
mod polls;

use serde_json::{Value, json};
use shared::user::UserStatus;
use tests::{Answer, Client, World, claims};

pub(crate) const EXPIRED: (u16, i64, &str) = (200, 410, "qr_expired");
pub(crate) const UNUSABLE: (u16, i64, &str) = (200, 410, "qr_unusable");

/// What a page and its phone hold of one sign-in.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    pub(crate) app: u32,
    pub(crate) key: Value,
    pub(crate) poll_secret: Value,
    pub(crate) scan_nonce: Value,
}

impl Ticket {
    pub(crate) async fn begin(client: &Client, app: u32) -> Self {
        let answer = client.post(&format!("/api/AppUsers/{app}/QRCodePreSignIn"), json!({})).await;
        Self {
            app,
            key: answer.data().clone(),
            poll_secret: answer.body["pollSecret"].clone(),
            scan_nonce: Value::Null,
        }
    }

    fn path(&self, endpoint: &str) -> String {
        format!("/api/AppUsers/{}/QRCode{endpoint}", self.app)
    }

    pub(crate) async fn scan(&mut self, client: &Client) -> Answer {
        let answer = client.post(&self.path("Scan"), json!({"signInKey": self.key})).await;
        if answer.code() == 200 {
            self.scan_nonce = answer.body["scanNonce"].clone();
        }
        answer
    }

    pub(crate) async fn confirm(&self, client: &Client, union_id: &str) -> Answer {
        let body = json!({"signInKey": self.key, "scanNonce": self.scan_nonce, "unionID": union_id});
        client.post(&self.path("SignUp"), body).await
    }

    pub(crate) async fn poll(&self, client: &Client) -> Answer {
        client.post(&self.path("SignIn"), json!({"signInKey": self.key, "pollSecret": self.poll_secret})).await
    }
}

#[track_caller]
fn refused(answer: &Answer, (status, code, reason): (u16, i64, &str)) {
    answer.refused(status, code, reason);
}

/// Accounts by union id without a password: nothing here is about hashing.
async fn world() -> World {
    let world = World::new().await;
    world.change_app(&world.documented, |app| app.settings.default_password = None).await;
    world
}

/// Raises the user's token version, as a password reset does.
async fn end_tokens(world: &World, token: &str) {
    change_user(world, token, "SET tokenVersion = tokenVersion + :value", json!({"N": "1"})).await;
}

async fn disable(world: &World, token: &str) {
    let disabled = serde_json::to_value(UserStatus::Disabled).unwrap();
    change_user(world, token, "SET #status = :value", json!({"S": disabled})).await;
}

pub(crate) async fn change_user(world: &World, token: &str, change: &str, value: Value) {
    use aws_sdk_dynamodb::types::AttributeValue;
    let value = match (value["N"].as_str(), value["S"].as_str()) {
        (Some(number), _) => AttributeValue::N(number.to_owned()),
        (_, text) => AttributeValue::S(text.unwrap().to_owned()),
    };
    let mut call = world
        .engine
        .client()
        .update_item()
        .table_name("test-Users")
        .key("pk", AttributeValue::S(format!("2#user#{}", claims(token)["nameid"].as_str().unwrap())))
        .update_expression(change)
        .expression_attribute_values(":value", value);
    if change.contains("#status") {
        call = call.expression_attribute_names("#status", "status");
    }
    call.send().await.unwrap();
}
