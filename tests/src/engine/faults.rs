//! Faults: what happens to a call instead of, or after, being done.

use std::{
    sync::{PoisonError, atomic::Ordering},
    time::Duration,
};

use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::StatusCode};
use aws_smithy_types::body::SdkBody;

use super::Engine;
use crate::schedules::Event;

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

impl Engine {
    /// Spoils the calls to come, in order; `None` lets one through.
    pub fn spoil(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
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

    /// The answer to a call, spoilt or not.
    pub(super) async fn answer_to(&self, operation: &str, body: String, event: Event) -> HttpResponse {
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
}

fn error(kind: &str) -> String {
    serde_json::json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": "injected" })
        .to_string()
}
