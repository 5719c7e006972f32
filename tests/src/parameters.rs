//! A parameter store in memory, behind a connector: it may be away, and lose answers.
//!
//! There is no embedded one, as there is for DynamoDB. It knows the two operations that the service and the operator
//! make; the operator's commands run against an independent store as well.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use shared::{
    aws::{Access, Retries, Service},
    parameter_store::ParameterStore,
};

use crate::engine::Fault;

/// A parameter store for tests, as somebody sees it.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    kept: Arc<Mutex<Kept>>,
    is_away: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Kept {
    parameters: BTreeMap<String, (String, i64)>,
    faults: VecDeque<Option<Fault>>,
    reads: usize,
}

impl Parameters {
    /// The service's own client of it.
    pub fn store(&self) -> ParameterStore {
        // One attempt: a fault is what the caller sees.
        let access = Access::new(self.clone(), None, "local").with_endpoint(Some("http://parameters"));
        ParameterStore::new(access.with_retries(Retries::none()).client(Service::SystemsManager))
    }

    /// Spoils the calls to come, in order; `None` lets one through.
    pub fn spoil(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.kept().faults.extend(faults);
    }

    /// Lets all further calls through.
    pub fn heal(&self) {
        self.kept().faults.clear();
    }

    /// The same store as somebody else sees it.
    #[must_use]
    pub fn view(&self) -> Self {
        Self { kept: Arc::clone(&self.kept), is_away: Arc::default() }
    }

    /// From now on no call from here is answered, or calls are again.
    pub fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    /// The value of a parameter.
    pub fn value(&self, name: &str) -> Option<String> {
        self.kept().parameters.get(name).map(|(value, _)| value.clone())
    }

    /// Puts a value where nobody else does.
    pub fn put(&self, name: &str, value: &str) {
        let mut kept = self.kept();
        let version = kept.parameters.get(name).map_or(0, |(_, version)| *version);
        kept.parameters.insert(name.to_owned(), (value.to_owned(), version + 1));
    }

    /// How often something was read.
    pub fn reads(&self) -> usize {
        self.kept().reads
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &HttpRequest) -> (u16, Value) {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let input: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
        let mut kept = self.kept();
        if self.is_away.load(Ordering::SeqCst) {
            return (500, json!({ "__type": "InternalServerError" }));
        }
        let fault = kept.faults.pop_front().flatten();
        let done = match (fault, operation) {
            (Some(Fault::AnswerLost) | None, "GetParameters") => kept.get(&input),
            (Some(Fault::AnswerLost) | None, "PutParameter") => kept.put(&input),
            (Some(Fault::AnswerLost) | None, other) => panic!("the parameter store of the tests does not know {other}"),
            (Some(_), _) => return (500, json!({ "__type": "InternalServerError" })),
        };
        if fault.is_some() { (500, json!({ "__type": "InternalServerError" })) } else { done }
    }
}

impl Kept {
    fn get(&mut self, input: &Value) -> (u16, Value) {
        self.reads += 1;
        let names = input["Names"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let (found, missing): (Vec<_>, Vec<_>) = names.partition(|name| self.parameters.contains_key(*name));
        let shown = found.into_iter().map(|name| {
            let (value, version) = &self.parameters[name];
            json!({"Name": name, "Type": "SecureString", "Value": value, "Version": version, "LastModifiedDate": 0})
        });
        (200, json!({ "Parameters": shown.collect::<Vec<_>>(), "InvalidParameters": missing }))
    }

    fn put(&mut self, input: &Value) -> (u16, Value) {
        let name = input["Name"].as_str().expect("a name");
        let version = self.parameters.get(name).map_or(0, |(_, version)| *version);
        if version > 0 && input["Overwrite"] != true {
            return (400, json!({ "__type": "ParameterAlreadyExists" }));
        }
        let value = input["Value"].as_str().expect("a value");
        assert_eq!(input["Type"], "SecureString");
        self.parameters.insert(name.to_owned(), (value.to_owned(), version + 1));
        (200, json!({ "Version": version + 1, "Tier": "Standard" }))
    }
}

impl HttpConnector for Parameters {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let parameters = self.clone();
        HttpConnectorFuture::new(async move {
            // As in the engine: without a pause nothing would interleave.
            tokio::task::yield_now().await;
            let (status, answer) = parameters.answer(&request);
            tokio::task::yield_now().await;
            let status = StatusCode::try_from(status).expect("a status");
            Ok::<_, ConnectorError>(HttpResponse::new(status, SdkBody::from(answer.to_string())))
        })
    }
}
