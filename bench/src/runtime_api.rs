//! The Lambda runtime API with nothing around it: a function behind it does what it does on Lambda.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
    time::timeout,
};

use crate::failure::Failure;

/// How long a function may take for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// The API of one function.
pub(crate) struct RuntimeApi {
    pub(crate) address: String,
    events: mpsc::UnboundedSender<Value>,
    answers: mpsc::UnboundedReceiver<Value>,
}

#[derive(Clone)]
struct Shared {
    events: Arc<Mutex<mpsc::UnboundedReceiver<Value>>>,
    answers: mpsc::UnboundedSender<Value>,
}

impl RuntimeApi {
    #[expect(clippy::disallowed_methods, reason = "the API is there until the bench ends")]
    pub(crate) async fn serve() -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        let (events, waiting) = mpsc::unbounded_channel();
        let (answering, answers) = mpsc::unbounded_channel();
        let shared = Shared { events: Arc::new(Mutex::new(waiting)), answers: answering };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answer))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(answer))
            .with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, events, answers })
    }

    /// Has an event ready for when the function asks, and waits for its good answer.
    pub(crate) async fn ask(&mut self, event: &Value) -> Result<(), Failure> {
        self.events.send(event.clone())?;
        let answer = timeout(PATIENCE, self.answers.recv()).await;
        let answer =
            answer.ok().flatten().ok_or_else(|| Failure::new("does not answer; its log is in target/bench"))?;
        if answer["statusCode"] == 200 { Ok(()) } else { Err(Failure::new(format!("answered {answer}"))) }
    }
}

async fn next(State(api): State<Shared>) -> Response {
    let Some(event) = api.events.lock().await.recv().await else { return StatusCode::GONE.into_response() };
    let mut headers = HeaderMap::new();
    headers.insert("lambda-runtime-aws-request-id", HeaderValue::from_static("8f507cfc-0000-4000-8000-000000000001"));
    headers.insert("lambda-runtime-deadline-ms", HeaderValue::from_static("4102444800000"));
    headers.insert(
        "lambda-runtime-invoked-function-arn",
        HeaderValue::from_static("arn:aws:lambda:local:000000000000:function:measured"),
    );
    (headers, Body::from(event.to_string())).into_response()
}

async fn answer(State(api): State<Shared>, body: String) -> StatusCode {
    let _ = api.answers.send(serde_json::from_str(&body).unwrap_or_default());
    StatusCode::ACCEPTED
}
