//! The SDK's connector around a DynamoDB engine: every call recorded, any call spoilt.
//!
//! The engine is the embedded one, with no socket in between, unless `DYNAMODB_ENDPOINT` names another: an emulator, or
//! DynamoDB itself, then with the keys and the region that the `AWS_` variables give.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::{
    Client,
    config::{
        Region,
        retry::{RetryPartition, TokenBucket},
    },
};
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
    checkpoint::{Rows, by_key},
    cost::{Meter, Profile},
    rights,
    schedules::{Event, Gate},
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
    /// All keys are left over.
    AllLeftOver,
    /// The condition of this step is refused, as if somebody had come between; nothing is done. Of what is no
    /// transaction the one condition.
    Condition(usize),
    /// The engine refuses the call with this exception, which no repetition mends; nothing is done.
    Rejected(&'static str),
    /// The call is done, and then the code that made it panics.
    Panic,
    /// The call is never done nor answered.
    Silence,
    /// The call is done, and answered after so many seconds.
    Slow(u64),
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
    /// How the partition keys begin that are asked for too often.
    hot: Mutex<Option<String>>,
    was_written_to: AtomicBool,
    /// Nanoseconds that calls took.
    busy: AtomicU64,
    /// While somebody measures.
    meter: Mutex<Option<Meter>>,
    /// What eventually consistent reads see, if not what is.
    replica: Mutex<Option<Arc<Database>>>,
    /// Where calls of an explored request wait for their turn.
    gate: Gate,
    /// Which state each table is in: the number of the write that made it.
    states: Mutex<HashMap<String, u64>>,
    writes: AtomicU64,
    /// The rows of tables as they were last read, with the state.
    read: Mutex<HashMap<String, (u64, Arc<Rows>)>>,
    /// Whether a call is never answered.
    is_silent: AtomicBool,
    /// Whether anybody but the service may have written.
    is_touched: AtomicBool,
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
            busy: AtomicU64::new(0),
            hot: Mutex::default(),
            meter: Mutex::default(),
            was_written_to: AtomicBool::default(),
            replica: Mutex::default(),
            gate: Gate::default(),
            states: Mutex::default(),
            writes: AtomicU64::new(0),
            read: Mutex::default(),
            is_silent: AtomicBool::new(false),
            is_touched: AtomicBool::new(false),
        }))
    }

    /// Whether other tests work on the same engine.
    pub fn is_shared(&self) -> bool {
        matches!(self.0.backend, Backend::Outside(_))
    }

    /// A client of the engine for whoever writes past the service: what the service keeps true of its tables is not
    /// expected of them any more.
    pub fn client(&self) -> Client {
        self.0.is_touched.store(true, Ordering::Relaxed);
        self.service_client()
    }

    /// Whether nobody but the service can have written.
    pub(crate) fn is_untouched(&self) -> bool {
        !self.0.is_touched.load(Ordering::Relaxed)
    }

    /// The service's client. It retries and gives up like one of AWS, without waiting in between for long.
    pub(crate) fn service_client(&self) -> Client {
        // The SDK shares its allowance of retries over the whole process; a test has its own.
        let partition = RetryPartition::custom("tests").token_bucket(TokenBucket::unlimited()).build();
        let builder = aws_sdk_dynamodb::Config::builder();
        let (endpoint, region, builder) = match &self.0.backend {
            // An engine that checks no signature gets none: signing is most of what a call costs here.
            Backend::Embedded(_) => ("http://embedded", "local".to_owned(), builder.allow_no_auth()),
            Backend::Outside(outside) => {
                let credentials = outside.credentials.clone();
                (&*outside.endpoint, outside.region.clone(), builder.credentials_provider(credentials))
            }
        };
        let config = builder
            .behavior_version_latest()
            .retry_partition(partition)
            .retry_classifier(shared::storage::RetryConflicts)
            .timeout_config(shared::aws::timeouts())
            .region(Region::new(region))
            .http_client(self.clone())
            .endpoint_url(endpoint)
            .retry_config(
                aws_sdk_dynamodb::config::retry::RetryConfig::standard()
                    .with_max_attempts(3)
                    .with_initial_backoff(Duration::from_millis(1)),
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

    /// How long calls took so far, of whatever request. Pauses between them are not counted.
    pub fn busy(&self) -> Duration {
        Duration::from_nanos(self.0.busy.load(Ordering::Relaxed))
    }

    /// Spoils the calls to come, in order; `None` lets one through.
    pub fn spoil(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    /// From now on whatever touches a partition whose key begins like this is throttled, and nothing else is, as when
    /// it is asked for more often than one partition can answer; or nothing is any more.
    pub fn set_hot(&self, partition: Option<&str>) {
        *self.0.hot.lock().unwrap_or_else(PoisonError::into_inner) = partition.map(str::to_owned);
    }

    /// What an engine says to a call that touches a hot partition.
    async fn throttled(&self, operation: &str, body: &str) -> Option<(u16, String)> {
        let hot = self.0.hot.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let mut input: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let is_hot = |key: &serde_json::Value| key["pk"]["S"].as_str().is_some_and(|pk| pk.starts_with(&hot));
        match operation {
            "TransactWriteItems" => {
                let is_hot_step = |it: &serde_json::Value| {
                    it.as_object().is_some_and(|it| it.values().any(|it| is_hot(&it["Key"]) || is_hot(&it["Item"])))
                };
                let step = input["TransactItems"].as_array()?.iter().position(is_hot_step)?;
                Some((400, self.cancelled(body, step, "ThrottlingError").await))
            }
            "BatchGetItem" => {
                let mut left_over = serde_json::json!({});
                for (table, request) in input["RequestItems"].as_object_mut().into_iter().flatten() {
                    let keys = request["Keys"].as_array_mut().expect("keys");
                    let (hot, cold): (Vec<_>, Vec<_>) = keys.drain(..).partition(&is_hot);
                    *keys = cold;
                    if !hot.is_empty() {
                        left_over[table] = request.clone();
                        left_over[table]["Keys"] = hot.into();
                    }
                }
                if left_over.as_object().is_none_or(serde_json::Map::is_empty) {
                    return None;
                }
                let tables = input["RequestItems"].as_object_mut().expect("tables");
                tables.retain(|_, request| request["Keys"].as_array().is_some_and(|keys| !keys.is_empty()));
                let (status, answer) = if tables.is_empty() {
                    (200, r#"{"Responses":{}}"#.to_owned())
                } else {
                    self.done(operation, input.to_string()).await
                };
                let mut answer: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
                answer["UnprocessedKeys"] = left_over;
                Some((status, answer.to_string()))
            }
            _ if is_hot(&input["Key"]) || is_hot(&input["Item"]) => {
                Some((400, error("ProvisionedThroughputExceededException")))
            }
            _ => None,
        }
    }

    /// Whether a call met [`Fault::Silence`] since the engine was healed.
    pub fn is_silent(&self) -> bool {
        self.0.is_silent.load(Ordering::Relaxed)
    }

    /// Lets all further calls through.
    pub fn heal(&self) {
        self.0.is_silent.store(false, Ordering::Relaxed);
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// From now on eventually consistent reads see the tables as they are now; or again as they are.
    pub async fn lag(&self, tables: &[String], lags: bool) {
        let replica = if lags { Some(Arc::new(self.copy(tables).await)) } else { None };
        *self.0.replica.lock().unwrap_or_else(PoisonError::into_inner) = replica;
    }

    async fn copy(&self, tables: &[String]) -> Database {
        let copy = Database::memory().expect("memory can be had");
        for table in tables {
            let (status, text) =
                self.done("DescribeTable", serde_json::json!({ "TableName": table }).to_string()).await;
            assert_eq!(status, 200, "{text}");
            let described: serde_json::Value = serde_json::from_str(&text).expect("the engine answers JSON");
            let described = &described["Table"];
            let mut create = serde_json::json!({ "BillingMode": "PAY_PER_REQUEST" });
            for name in ["TableName", "KeySchema", "AttributeDefinitions"] {
                create[name] = described[name].clone();
            }
            if let Some(indexes) = described["LocalSecondaryIndexes"].as_array() {
                create["LocalSecondaryIndexes"] = indexes
                    .iter()
                    .map(|index| {
                        let kept = ["IndexName", "KeySchema", "Projection"].into_iter();
                        kept.map(|name| (name.to_owned(), index[name].clone())).collect::<serde_json::Value>()
                    })
                    .collect();
            }
            run(&copy, "CreateTable", &create.to_string()).expect("the table can be copied");
            let rows = self.dump(table).await;
            let rows = rows.into_iter().map(|row| serde_json::from_value(row).expect("a row")).collect();
            copy.import_items(table, rows, dynoxide::ImportOptions::default()).expect("rows can be copied");
        }
        copy
    }

    /// The gate that explored requests pass.
    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// The state that a table is in; the same number means the same rows.
    pub(crate) fn state(&self, table: &str) -> u64 {
        if self.is_shared() {
            // Its calls go past this.
            return self.0.writes.fetch_add(1, Ordering::Relaxed) + 1;
        }
        self.0.states.lock().unwrap_or_else(PoisonError::into_inner).get(table).copied().unwrap_or_default()
    }

    /// Takes note that a table is in another state, or in an earlier one again.
    pub(crate) fn set_state(&self, table: &str, state: Option<u64>) {
        let state = state.unwrap_or_else(|| self.0.writes.fetch_add(1, Ordering::Relaxed) + 1);
        self.0.states.lock().unwrap_or_else(PoisonError::into_inner).insert(table.to_owned(), state);
    }

    /// The rows of a table, read again only if they may be others.
    pub(crate) async fn rows(&self, table: &str) -> Arc<Rows> {
        let state = self.state(table);
        let read = self.0.read.lock().unwrap_or_else(PoisonError::into_inner).get(table).cloned();
        if let Some((_, rows)) = read.filter(|(of, _)| *of == state) {
            return rows;
        }
        let rows = Arc::new(by_key(self.dump(table).await));
        self.0.read.lock().unwrap_or_else(PoisonError::into_inner).insert(table.to_owned(), (state, Arc::clone(&rows)));
        rows
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
        self.set_state(table, None);
        self.0.is_touched.store(true, Ordering::Relaxed);
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
        self.0.is_touched.store(true, Ordering::Relaxed);
        self.put_back(table, row).await;
    }

    /// Takes away a row that the service wrote since.
    pub(crate) async fn delete(&self, table: &str, row: &serde_json::Value) {
        let names = ["pk", "sk"].into_iter().filter(|name| row.get(name).is_some());
        let key: serde_json::Value = names.map(|name| (name.to_owned(), row[name].clone())).collect();
        let delete = serde_json::json!({ "TableName": table, "Key": key });
        let (status, answer) = self.done("DeleteItem", delete.to_string()).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Puts a row where the service had it.
    pub(crate) async fn put_back(&self, table: &str, row: &serde_json::Value) {
        let put = serde_json::json!({ "TableName": table, "Item": row });
        let (status, answer) = self.done("PutItem", put.to_string()).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// An answer, its time added up.
    async fn timed_answer(
        &self,
        request: HttpRequest,
        started: Option<u64>,
        outside: Option<&SharedHttpConnector>,
    ) -> Result<HttpResponse, ConnectorError> {
        let called_at = crate::client::now();
        let answer = self.answer(request, started, outside).await;
        let took = u64::try_from(called_at.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.0.busy.fetch_add(took, Ordering::Relaxed);
        answer
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
        let event = self.0.gate.pass(&operation, &input).await;
        let call = Call { operation: operation.clone(), input: input.clone() };
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        let is_spoilt = !self.0.faults.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if let (Some(outside), false) = (outside, is_spoilt) {
            // As the SDK signed it.
            return outside.call(request).await;
        }
        let Some(started) = started else { return Ok(self.answer_to(&operation, body, event).await) };
        input["ReturnConsumedCapacity"] = "TOTAL".into();
        let answer = self.answer_to(&operation, input.to_string(), event).await;
        let read = serde_json::from_slice(answer.body().bytes().unwrap_or_default()).unwrap_or_default();
        if let Some(meter) = self.0.meter.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            meter.answered(started, &operation, &input, &read);
        }
        Ok(answer)
    }

    /// The answer to a call, spoilt or not.
    async fn answer_to(&self, operation: &str, body: String, event: Event) -> HttpResponse {
        let fault = self.0.faults.lock().unwrap_or_else(PoisonError::into_inner).pop_front().flatten();
        let fault = match event {
            Event::Done => fault,
            Event::Conflict if operation == "TransactWriteItems" => Some(Fault::Conflict),
            Event::Conflict => Some(Fault::ItemConflict),
        };
        let is_single = matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem");
        if let Some((status, body)) = self.throttled(operation, &body).await {
            return HttpResponse::new(StatusCode::try_from(status).expect("a status"), SdkBody::from(body));
        }
        let (status, body) = match fault {
            Some(Fault::Throttled) => (400, error("ThrottlingException")),
            Some(Fault::InternalError) => (500, error("InternalServerError")),
            Some(Fault::Rejected(exception)) => (400, error(exception)),
            Some(Fault::Conflict) if operation == "TransactWriteItems" => {
                (400, self.cancelled(&body, 0, "TransactionConflict").await)
            }
            Some(Fault::Condition(step)) if operation == "TransactWriteItems" => {
                (400, self.cancelled(&body, step, "ConditionalCheckFailed").await)
            }
            Some(Fault::Condition(_)) if is_single => (400, self.refused(&body).await),
            Some(Fault::LeftOver) if operation == "BatchGetItem" => self.half_done(&body, 2).await,
            Some(Fault::AllLeftOver) if operation == "BatchGetItem" => self.half_done(&body, usize::MAX).await,
            Some(Fault::ItemConflict) if is_single => (400, error("TransactionConflictException")),
            Some(
                Fault::Conflict | Fault::Condition(_) | Fault::ItemConflict | Fault::LeftOver | Fault::AllLeftOver,
            )
            | None => self.done(operation, body).await,
            Some(Fault::AnswerLost) => {
                self.done(operation, body).await;
                (500, error("InternalServerError"))
            }
            Some(Fault::Panic) => {
                self.done(operation, body).await;
                panic!("injected")
            }
            Some(Fault::Silence) => {
                self.0.is_silent.store(true, Ordering::Relaxed);
                std::future::pending().await
            }
            Some(Fault::Slow(seconds)) => {
                let answer = self.done(operation, body).await;
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                answer
            }
        };
        HttpResponse::new(StatusCode::try_from(status).expect("a status"), SdkBody::from(body))
    }

    /// Reads a part of each table's keys, half or none of them; of a single one, none.
    async fn half_done(&self, body: &str, part: usize) -> (u16, String) {
        let mut input: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let mut left_over = serde_json::json!({});
        let mut is_empty = true;
        for (table, request) in input["RequestItems"].as_object_mut().into_iter().flatten() {
            let keys = request["Keys"].as_array_mut().expect("keys");
            let rest = keys.split_off(keys.len() / part);
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

    /// A cancelled transaction: this step is why, with what is there where the step asks for it.
    async fn cancelled(&self, body: &str, step: usize, code: &str) -> String {
        let input: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let steps = input["TransactItems"].as_array().cloned().unwrap_or_default();
        let mut reasons = vec![serde_json::json!({ "Code": "None" }); steps.len()];
        let cause = steps.get(step).and_then(|it| it.as_object()?.values().next());
        if let Some(cause) = cause {
            reasons[step]["Code"] = code.into();
            if code == "ConditionalCheckFailed"
                && let Some(item) = self.there(cause).await
            {
                reasons[step]["Item"] = item;
            }
        }
        serde_json::json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "message": format!("Transaction cancelled [{code}]"),
            "CancellationReasons": reasons,
        })
        .to_string()
    }

    /// A refused condition of a single write.
    async fn refused(&self, body: &str) -> String {
        let input: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let mut answer: serde_json::Value =
            serde_json::from_str(&error("ConditionalCheckFailedException")).expect("written above");
        if let Some(item) = self.there(&input).await {
            answer["Item"] = item;
        }
        answer.to_string()
    }

    /// What a write that asks for it finds in its place.
    async fn there(&self, write: &serde_json::Value) -> Option<serde_json::Value> {
        if write["ReturnValuesOnConditionCheckFailure"] != "ALL_OLD" {
            return None;
        }
        let of = write.get("Key").or(write.get("Item"))?;
        let names = ["pk", "sk"].into_iter().filter(|name| of.get(name).is_some());
        let key: serde_json::Value = names.map(|name| (name.to_owned(), of[name].clone())).collect();
        let get = serde_json::json!({ "TableName": write["TableName"], "Key": key });
        let (_, answer) = self.done("GetItem", get.to_string()).await;
        let answer: serde_json::Value = serde_json::from_str(&answer).ok()?;
        answer.get("Item").cloned()
    }

    /// Has the call done; elsewhere without a signature, which emulators let pass. A replica that lags does it where the
    /// call is content with one.
    async fn done(&self, operation: &str, body: String) -> (u16, String) {
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
            // Whose turn is given out takes it at once.
            if Gate::is_passed_here() {
                return engine.timed_answer(request, started, outside.as_ref()).await;
            }
            // Without a pause here requests would run one after the other, and races would stay hidden.
            tokio::task::yield_now().await;
            let answer = engine.timed_answer(request, started, outside.as_ref()).await;
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
