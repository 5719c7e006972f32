//! The Lambda runtime API with nothing around it: a function behind it does what it does on Lambda, and no emulator has a
//! part in what is measured. A crate of its own, so that the bench can be built without the features that tests need.

use std::{io, net::Ipv4Addr, sync::Arc, time::Duration};

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

/// The API of one function. Its server is there until the process ends.
#[derive(Debug)]
pub struct RuntimeApi {
    address: String,
    asked: mpsc::UnboundedReceiver<()>,
    events: mpsc::UnboundedSender<Value>,
    answers: mpsc::UnboundedReceiver<Value>,
}

#[derive(Clone)]
struct Shared {
    asked: mpsc::UnboundedSender<()>,
    events: Arc<Mutex<mpsc::UnboundedReceiver<Value>>>,
    answers: mpsc::UnboundedSender<Value>,
}

impl RuntimeApi {
    /// Serves on a free port of this machine.
    #[expect(clippy::disallowed_methods, reason = "this is the other side of a function")]
    pub async fn serve() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        let (asking, asked) = mpsc::unbounded_channel();
        let (events, waiting) = mpsc::unbounded_channel();
        let (answering, answers) = mpsc::unbounded_channel();
        let shared = Shared { asked: asking, events: Arc::new(Mutex::new(waiting)), answers: answering };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answer))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(answer))
            .with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, asked, events, answers })
    }

    /// What the function finds in `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits until the function asks for an event once more than was waited for. Nothing: it does not in time.
    pub async fn wait_until_asked(&mut self, patience: Duration) -> Option<()> {
        timeout(patience, self.asked.recv()).await.ok().flatten()
    }

    /// Has an event ready for when the function asks, and waits for its answer. Nothing: there is none in time.
    pub async fn invoke(&mut self, event: &Value, patience: Duration) -> Option<Value> {
        self.events.send(event.clone()).ok()?;
        timeout(patience, self.answers.recv()).await.ok().flatten()
    }
}

async fn next(State(api): State<Shared>) -> Response {
    let _ = api.asked.send(());
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
