//! The Lambda runtime API with nothing around it: what a function costs is measured without an emulator's part in it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

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
};

use super::Event;

/// A function that runs by itself or under a tool, and ends with this value.
pub struct Function {
    process: Child,
    asked: mpsc::UnboundedReceiver<()>,
    events: mpsc::UnboundedSender<Value>,
    answers: mpsc::UnboundedReceiver<Value>,
}

#[derive(Clone)]
struct Api {
    asked: mpsc::UnboundedSender<()>,
    events: Arc<Mutex<mpsc::UnboundedReceiver<Value>>>,
    answers: mpsc::UnboundedSender<Value>,
}

impl Function {
    /// Starts the bootstrap behind the words of a tool, and waits until it asks for its first event.
    #[expect(clippy::disallowed_methods, reason = "the API is there until the test ends")]
    pub async fn start(tool: &[String], bootstrap: &Path, environment: &BTreeMap<String, String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port").to_string();
        let (asking, asked) = mpsc::unbounded_channel();
        let (events, waiting) = mpsc::unbounded_channel();
        let (answering, answers) = mpsc::unbounded_channel();
        let api = Api { asked: asking, events: Arc::new(Mutex::new(waiting)), answers: answering };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answer))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(answer))
            .with_state(api);
        tokio::spawn(async move { axum::serve(listener, router).await });

        let mut words: Vec<PathBuf> = tool.iter().map(PathBuf::from).collect();
        words.push(bootstrap.to_owned());
        let process = Command::new(&words[0])
            .args(&words[1..])
            .env_clear()
            .envs(environment)
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "measured")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "measured")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "measured")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the function can be started");
        let mut function = Self { process, asked, events, answers };
        function.wait_until_it_asks().await;
        function
    }

    /// Hands over an event, waits for the answer and until the function asks for the next event.
    pub async fn invoke(&mut self, event: &Event) -> Value {
        self.events.send(event.0.clone()).expect("the API serves");
        let answer = self.answers.recv().await.expect("the API serves");
        self.wait_until_it_asks().await;
        answer
    }

    async fn wait_until_it_asks(&mut self) {
        // A tool may slow a function down fifty times.
        let asked = tokio::time::timeout(Duration::from_mins(5), self.asked.recv()).await;
        asked.expect("the function asks for an event").expect("the API serves");
    }

    /// The process, which a tool keeps.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends the function and waits for what the tool writes.
    pub fn end(mut self) {
        self.terminate();
    }

    fn terminate(&mut self) {
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.terminate();
        }
    }
}

async fn next(State(api): State<Api>) -> Response {
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

async fn answer(State(api): State<Api>, body: String) -> StatusCode {
    let _ = api.answers.send(serde_json::from_str(&body).unwrap_or_default());
    StatusCode::ACCEPTED
}
