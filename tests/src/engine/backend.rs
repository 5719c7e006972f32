//! Who does the calls: the embedded engine, or another behind an address.

use std::sync::PoisonError;

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use dynoxide::{Database, DynoxideError};
use serde::{Serialize, de::DeserializeOwned};
use shared::aws::Access;

use super::Engine;

/// Who does the calls.
pub(super) enum Backend {
    /// The embedded engine, in memory.
    Embedded(Box<Database>),
    /// Somebody else.
    Outside(Outside),
}

/// An engine behind an address.
pub(super) struct Outside {
    pub(super) endpoint: String,
    pub(super) region: String,
    pub(super) credentials: SharedCredentialsProvider,
    pub(super) access: Access,
}

impl Outside {
    /// The engine that the environment names. Emulators tell accounts and regions apart, and check no key.
    #[expect(clippy::disallowed_methods, reason = "which engine to test on is for whoever runs the tests to say")]
    pub(super) fn of_environment() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let key = |name: &str| variable(name).unwrap_or_else(|| "local".to_owned());
        let credentials = Credentials::from_keys(
            key("AWS_ACCESS_KEY_ID"),
            key("AWS_SECRET_ACCESS_KEY"),
            variable("AWS_SESSION_TOKEN"),
        );
        let region = variable("AWS_REGION").unwrap_or_else(|| "us-east-1".to_owned());
        let credentials = SharedCredentialsProvider::new(credentials);
        let access = Access::with_system_roots(Some(credentials.clone()), &*region);
        Some(Self { endpoint: variable("DYNAMODB_ENDPOINT")?, region, credentials, access })
    }
}

impl Engine {
    /// Has the call done; elsewhere without a signature, which emulators let pass. A replica that lags does it where the
    /// call is content with one.
    pub(super) async fn done(&self, operation: &str, body: String) -> (u16, String) {
        let input = if operation.contains("Write") || matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem") {
            serde_json::from_str(&body).unwrap_or_default()
        } else {
            serde_json::Value::Null
        };
        if matches!(operation, "GetItem" | "BatchGetItem" | "Query") && !body.contains(r#""ConsistentRead":true"#) {
            let replica = self.0.replica.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(Ok(answer)) = replica.map(|replica| run(&replica, operation, &body)) {
                return (200, answer);
            }
        }
        let answer = match &self.0.backend {
            Backend::Embedded(database) => match run(database, operation, &body) {
                Ok(body) => (200, body),
                Err(error) => (error.status_code(), error.to_json()),
            },
            Backend::Outside(outside) => {
                let answer = reqwest::Client::new()
                    .post(&outside.endpoint)
                    .header("content-type", "application/x-amz-json-1.0")
                    .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
                    // Emulators tell accounts and regions apart by it, and check nothing.
                    .header("authorization", AUTHORIZATION)
                    .body(body)
                    .send()
                    .await
                    .expect("the engine answers");
                (answer.status().as_u16(), answer.text().await.expect("the engine answers text"))
            }
        };
        for table in tables(&input) {
            self.set_state(&table, None);
        }
        answer
    }
}

/// The tables that a write names.
fn tables(input: &serde_json::Value) -> Vec<String> {
    let steps = input["TransactItems"].as_array().into_iter().flatten();
    let named = steps.filter_map(|step| step.as_object()?.values().next()?["TableName"].as_str());
    let batch = input["RequestItems"].as_object().into_iter().flatten().map(|(table, _)| table.as_str());
    named.chain(batch).chain(input["TableName"].as_str()).map(str::to_owned).collect()
}

const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=local/20260301/us-east-1/dynamodb/aws4_request, \
    SignedHeaders=host, Signature=0";

pub(super) fn run(db: &Database, operation: &str, body: &str) -> Result<String, DynoxideError> {
    match operation {
        "CreateTable" => call(body, |input| db.create_table(input)),
        "DescribeTable" => call(body, |input| db.describe_table(input)),
        "UpdateTimeToLive" => call(body, |input| db.update_time_to_live(input)),
        "GetItem" => call(body, |input| db.get_item(input)),
        "PutItem" => call(body, |input| db.put_item(input)),
        "UpdateItem" => call(body, |input| db.update_item(input)),
        "DeleteItem" => call(body, |input| db.delete_item(input)),
        "Query" => call(body, |input| db.query(input)),
        "Scan" => call(body, |input| db.scan(input)),
        "BatchGetItem" => call(body, |input| db.batch_get_item(input)),
        "BatchWriteItem" => call(body, |input| db.batch_write_item(input)),
        "TransactGetItems" => call(body, |input| db.transact_get_items(input)),
        "TransactWriteItems" => call(body, |input| db.transact_write_items(input)),
        other => panic!("the test engine does not know {other}"),
    }
}

fn call<I: DeserializeOwned, O: Serialize>(
    body: &str,
    run: impl FnOnce(I) -> dynoxide::Result<O>,
) -> Result<String, DynoxideError> {
    let input = serde_json::from_str(body).map_err(|error| DynoxideError::ValidationException(error.to_string()))?;
    let output = run(input)?;
    Ok(serde_json::to_string(&output).expect("outputs serialise"))
}
