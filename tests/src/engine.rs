//! The SDK's connector around a DynamoDB engine: every call recorded, any call spoilt.
//!
//! The engine is the embedded one, with no socket in between, unless `DYNAMODB_ENDPOINT` names another: an emulator, or
//! DynamoDB itself, then with the keys and the region that the `AWS_` variables give.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::{Client, config::Region};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use dynoxide::{Database, DynoxideError};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    cost::{Meter, Profile},
    rights,
};

/// What happens to a call instead of, or after, being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The engine says that too much is asked of it; nothing is done.
    Throttled,
    /// The engine breaks before doing anything.
    InternalError,
    /// Another transaction works on the same items; nothing is done. Only transactions can meet it.
    Conflict,
    /// A transaction works on the item; nothing is done. Only writes of single items can meet it.
    ItemConflict,
    /// The call is done and its answer lost.
    AnswerLost,
    /// Half of the keys are read and the others left over. Only batches can meet it.
    LeftOver,
}

/// A call as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The operation, for example `GetItem`.
    pub operation: String,
    /// Its input.
    pub input: serde_json::Value,
}

/// Who does the calls.
enum Backend {
    /// The embedded engine, in memory.
    Embedded(Box<Database>),
    /// Somebody else.
    Outside(Outside),
}

/// An engine behind an address.
struct Outside {
    endpoint: String,
    region: String,
    credentials: Credentials,
    http: SharedHttpClient,
}

impl Outside {
    /// The engine that the environment names. Emulators tell accounts and regions apart, and check no key.
    #[expect(clippy::disallowed_methods, reason = "which engine to test on is for whoever runs the tests to say")]
    fn of_environment() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let key = |name: &str| variable(name).unwrap_or_else(|| "local".to_owned());
        let credentials = Credentials::from_keys(
            key("AWS_ACCESS_KEY_ID"),
            key("AWS_SECRET_ACCESS_KEY"),
            variable("AWS_SESSION_TOKEN"),
        );
        let tls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
        Some(Self {
            endpoint: variable("DYNAMODB_ENDPOINT")?,
            region: variable("AWS_REGION").unwrap_or_else(|| "us-east-1".to_owned()),
            credentials,
            http: aws_smithy_http_client::Builder::new().tls_provider(tls).build_https(),
        })
    }
}

/// A DynamoDB for tests.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Inner>);

struct Inner {
    backend: Backend,
    calls: Mutex<Vec<Call>>,
    faults: Mutex<VecDeque<Option<Fault>>>,
    was_written_to: AtomicBool,
    /// While somebody measures.
    meter: Mutex<Option<Meter>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine {
    /// An empty embedded engine, or the one that `DYNAMODB_ENDPOINT` names.
    pub fn new() -> Self {
        let backend = match Outside::of_environment() {
            Some(outside) => Backend::Outside(outside),
            None => Backend::Embedded(Box::new(Database::memory().expect("memory can be had"))),
        };
        Self(Arc::new(Inner {
            backend,
            calls: Mutex::default(),
            faults: Mutex::default(),
            meter: Mutex::default(),
            was_written_to: AtomicBool::default(),
        }))
    }

    /// Whether other tests work on the same engine.
    pub fn is_shared(&self) -> bool {
        matches!(self.0.backend, Backend::Outside(_))
    }

    /// A client of the engine. It retries like one of AWS, without waiting in between for long.
    pub fn client(&self) -> Client {
        let (endpoint, region, credentials) = match &self.0.backend {
            Backend::Embedded(_) => {
                ("http://embedded", "local".to_owned(), Credentials::from_keys("local", "local", None))
            }
            Backend::Outside(outside) => (&*outside.endpoint, outside.region.clone(), outside.credentials.clone()),
        };
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version_latest()
            .region(Region::new(region))
            .credentials_provider(credentials)
            .http_client(self.clone())
            .endpoint_url(endpoint)
            .retry_config(
                aws_sdk_dynamodb::config::retry::RetryConfig::standard()
                    .with_max_attempts(3)
                    .with_initial_backoff(std::time::Duration::from_millis(1)),
            )
            .build();
        Client::from_conf(config)
    }

    /// The calls since the last time this was asked.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.0.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts calls and capacity units from now on.
    pub fn start_metering(&self) {
        *self.0.meter.lock().unwrap_or_else(PoisonError::into_inner) = Some(Meter::default());
    }

    /// What was counted since [`Engine::start_metering`].
    pub fn metered(&self) -> Profile {
        let meter = self.0.meter.lock().unwrap_or_else(PoisonError::into_inner).take();
        meter.expect("metering was started").profile()
    }

    /// The time on the meter, if there is one.
    fn tick(&self) -> Option<u64> {
        self.0.meter.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(Meter::tick)
    }

    /// Spoils the calls to come, in order; `None` lets one through.
    pub fn spoil(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    /// Lets all further calls through.
    pub fn heal(&self) {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The rows of a table, in DynamoDB's own JSON: for counting, and for searching for what must not be there.
    pub async fn dump(&self, table: &str) -> Vec<serde_json::Value> {
        let mut rows = Vec::new();
        let mut scan = serde_json::json!({ "TableName": table });
        loop {
            let (status, page) = self.done("Scan", scan.to_string()).await;
            assert_eq!(status, 200, "{page}");
            let page: serde_json::Value = serde_json::from_str(&page).expect("the engine answers JSON");
            rows.extend(page["Items"].as_array().cloned().unwrap_or_default());
            match page.get("LastEvaluatedKey") {
                Some(key) => scan["ExclusiveStartKey"] = key.clone(),
                None => return rows,
            }
        }
    }

    /// The rows of a table of the embedded engine, where nothing can be waited for. Of another engine, none.
    pub(crate) fn dump_now(&self, table: &str) -> Vec<serde_json::Value> {
        let Backend::Embedded(database) = &self.0.backend else { return Vec::new() };
        let mut rows = Vec::new();
        let mut scan = serde_json::json!({ "TableName": table });
        loop {
            let page = run(database, "Scan", &scan.to_string()).expect("a table");
            let mut page: serde_json::Value = serde_json::from_str(&page).expect("the engine answers JSON");
            if let Some(items) = page["Items"].as_array_mut() {
                rows.append(items);
            }
            match page.get("LastEvaluatedKey") {
                Some(key) => scan["ExclusiveStartKey"] = key.clone(),
                None => return rows,
            }
        }
    }

    /// Writes rows as they would be found after years of use, in the API's JSON, past the calls that are recorded.
    pub fn import(&self, table: &str, rows: impl IntoIterator<Item = serde_json::Value>) {
        let rows = rows.into_iter().map(|row| serde_json::from_value(row).expect("a row")).collect();
        self.0.was_written_to.store(true, Ordering::Relaxed);
        let Backend::Embedded(database) = &self.0.backend else { panic!("only the embedded engine imports") };
        database.import_items(table, rows, dynoxide::ImportOptions::default()).expect("rows can be imported");
    }

    /// Whether a test wrote rows past the service.
    pub(crate) fn was_written_to(&self) -> bool {
        self.0.was_written_to.load(Ordering::Relaxed)
    }

    /// Puts a row where the service would not.
    pub async fn put(&self, table: &str, row: &serde_json::Value) {
        self.0.was_written_to.store(true, Ordering::Relaxed);
        let put = serde_json::json!({ "TableName": table, "Item": row });
        let (status, answer) = self.done("PutItem", put.to_string()).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// `started` is the time on the meter at which the call left the client.
    async fn answer(
        &self,
        request: HttpRequest,
        started: Option<u64>,
        outside: Option<&SharedHttpConnector>,
    ) -> Result<HttpResponse, ConnectorError> {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let mut input: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        rights::record(&operation, &input);
        let call = Call { operation: operation.clone(), input: input.clone() };
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        let is_spoilt = !self.0.faults.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if let (Some(outside), false) = (outside, is_spoilt) {
            // As the SDK signed it.
            return outside.call(request).await;
        }
        let Some(started) = started else { return Ok(self.answer_to(&operation, body).await) };
        input["ReturnConsumedCapacity"] = "TOTAL".into();
        let answer = self.answer_to(&operation, input.to_string()).await;
        let read = serde_json::from_slice(answer.body().bytes().unwrap_or_default()).unwrap_or_default();
        if let Some(meter) = self.0.meter.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            meter.answered(started, &operation, &input, &read);
        }
        Ok(answer)
    }

    /// The answer to a call, spoilt or not.
    async fn answer_to(&self, operation: &str, body: String) -> HttpResponse {
        let fault = self.0.faults.lock().unwrap_or_else(PoisonError::into_inner).pop_front().flatten();
        let (status, body) = match fault {
            Some(Fault::Throttled) => (400, error("ThrottlingException")),
            Some(Fault::InternalError) => (500, error("InternalServerError")),
            Some(Fault::Conflict) if operation == "TransactWriteItems" => (400, conflict(&body)),
            Some(Fault::LeftOver) if operation == "BatchGetItem" => self.half_done(&body).await,
            Some(Fault::ItemConflict) if matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem") => {
                (400, error("TransactionConflictException"))
            }
            Some(Fault::Conflict | Fault::ItemConflict | Fault::LeftOver) | None => self.done(operation, body).await,
            Some(Fault::AnswerLost) => {
                self.done(operation, body).await;
                (500, error("InternalServerError"))
            }
        };
        HttpResponse::new(StatusCode::try_from(status).expect("a status"), SdkBody::from(body))
    }

    /// Reads half of each table's keys; of a single one, none.
    async fn half_done(&self, body: &str) -> (u16, String) {
        let mut input: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let mut left_over = serde_json::json!({});
        let mut is_empty = true;
        for (table, request) in input["RequestItems"].as_object_mut().into_iter().flatten() {
            let keys = request["Keys"].as_array_mut().expect("keys");
            let rest = keys.split_off(keys.len() / 2);
            is_empty &= keys.is_empty();
            left_over[table] = request.clone();
            left_over[table]["Keys"] = rest.into();
        }
        let (status, answer) = if is_empty {
            (200, r#"{"Responses":{}}"#.to_owned())
        } else {
            self.done("BatchGetItem", input.to_string()).await
        };
        let mut answer: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
        answer["UnprocessedKeys"] = left_over;
        (status, answer.to_string())
    }

    /// Has the call done; elsewhere without a signature, which emulators let pass.
    async fn done(&self, operation: &str, body: String) -> (u16, String) {
        match &self.0.backend {
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
        }
    }
}

const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=local/20260301/us-east-1/dynamodb/aws4_request, \
    SignedHeaders=host, Signature=0";

fn run(db: &Database, operation: &str, body: &str) -> Result<String, DynoxideError> {
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

fn error(kind: &str) -> String {
    serde_json::json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": "injected" })
        .to_string()
}

fn conflict(body: &str) -> String {
    let input: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let steps = input["TransactItems"].as_array().map_or(1, Vec::len);
    let reasons: Vec<_> = (0..steps)
        .map(|step| serde_json::json!({ "Code": if step == 0 { "TransactionConflict" } else { "None" } }))
        .collect();
    serde_json::json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "message": "Transaction cancelled [TransactionConflict]",
        "CancellationReasons": reasons,
    })
    .to_string()
}

/// The engine as the SDK sees it, and the way to where it is when it is elsewhere.
#[derive(Clone, Debug)]
struct Connector {
    engine: Engine,
    outside: Option<SharedHttpConnector>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { engine, outside } = self.clone();
        HttpConnectorFuture::new(async move {
            let started = engine.tick();
            // Without a pause here requests would run one after the other, and races would stay hidden.
            tokio::task::yield_now().await;
            let answer = engine.answer(request, started, outside.as_ref()).await;
            tokio::task::yield_now().await;
            answer
        })
    }
}

impl HttpClient for Engine {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let outside = match &self.0.backend {
            Backend::Embedded(_) => None,
            Backend::Outside(outside) => Some(outside.http.http_connector(settings, components)),
        };
        SharedHttpConnector::new(Connector { engine: self.clone(), outside })
    }
}
