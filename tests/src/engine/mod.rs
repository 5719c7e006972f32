//! A connector around a DynamoDB engine: every call recorded, any call spoilt.
//!
//! The engine is the embedded one, with no socket in between, unless `DYNAMODB_ENDPOINT` names another: an emulator, or
//! DynamoDB itself, then with the keys and the region that the `AWS_` variables give.

mod backend;
mod faults;
mod tables;

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::{Client, config::Region};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use dynoxide::Database;
use shared::aws::{self, Access, Retries, Service};

use self::backend::{Backend, Outside};
pub use self::faults::Fault;

use crate::{
    checkpoint::Rows,
    cost::{Meter, Profile},
    rights,
    schedules::Gate,
};

/// Where the embedded engine is, which is nowhere.
const EMBEDDED: &str = "http://embedded";

/// A call as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The operation, for example `GetItem`.
    pub operation: String,
    /// Its input.
    pub input: serde_json::Value,
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

    /// The SDK's client of the engine for whoever writes past the service: what the service keeps true of its tables is
    /// not expected of them any more.
    pub fn client(&self) -> Client {
        self.0.is_touched.store(true, Ordering::Relaxed);
        let builder = aws_sdk_dynamodb::Config::builder();
        let (endpoint, region, builder) = match &self.0.backend {
            Backend::Embedded(_) => (EMBEDDED, "local".to_owned(), builder.allow_no_auth()),
            Backend::Outside(outside) => {
                let credentials = outside.credentials.clone();
                (&*outside.endpoint, outside.region.clone(), builder.credentials_provider(credentials))
            }
        };
        let config = builder
            .behavior_version_latest()
            .region(Region::new(region))
            .http_client(self.clone())
            .endpoint_url(endpoint)
            .build();
        Client::from_conf(config)
    }

    /// Whether nobody but the service can have written.
    pub(crate) fn is_untouched(&self) -> bool {
        !self.0.is_touched.load(Ordering::Relaxed)
    }

    /// The service's client. It makes calls again and gives up like one of AWS, without waiting in between for long.
    pub(crate) fn service_client(&self) -> aws::Client {
        let access = match &self.0.backend {
            // An engine that checks no signature gets none.
            Backend::Embedded(_) => Access::new(self.connector(), None, "local").with_endpoint(Some(EMBEDDED)),
            Backend::Outside(Outside { endpoint, region, credentials, .. }) => {
                let credentials = Some(credentials.clone());
                Access::new(self.connector(), credentials, &**region).with_endpoint(Some(endpoint))
            }
        };
        access.with_retries(Retries::eager()).client(Service::DynamoDb)
    }

    fn connector(&self) -> Connector {
        let outside = match &self.0.backend {
            Backend::Embedded(_) => None,
            Backend::Outside(outside) => Some(outside.access.connector()),
        };
        Connector { engine: self.clone(), outside }
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

    /// The gate that explored requests pass.
    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
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
            // As it was signed.
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
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.connector())
    }
}
