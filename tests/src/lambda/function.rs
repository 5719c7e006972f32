//! A bootstrap behind the bare runtime API, perhaps under a tool that measures it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use runtime_api::RuntimeApi;
use serde_json::Value;

use super::Event;

/// A tool may slow a function down fifty times.
const PATIENCE: Duration = Duration::from_mins(5);

/// A function that runs by itself or under a tool, and ends with this value.
pub struct Function {
    process: Child,
    api: RuntimeApi,
}

impl Function {
    /// Starts the bootstrap behind the words of a tool, and waits until it asks for its first event.
    pub async fn start(tool: &[String], bootstrap: &Path, environment: &BTreeMap<String, String>) -> Self {
        let api = RuntimeApi::serve().await.expect("a free port");
        let mut words: Vec<PathBuf> = tool.iter().map(PathBuf::from).collect();
        words.push(bootstrap.to_owned());
        let process = Command::new(&words[0])
            .args(&words[1..])
            .env_clear()
            .envs(environment)
            .env("AWS_LAMBDA_RUNTIME_API", api.address())
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
        let mut function = Self { process, api };
        function.wait_until_it_asks().await;
        function
    }

    /// Hands over an event, waits for the answer and until the function asks for the next event.
    pub async fn invoke(&mut self, event: &Event) -> Value {
        let answer = self.api.invoke(&event.0, PATIENCE).await.expect("the function answers");
        self.wait_until_it_asks().await;
        answer
    }

    async fn wait_until_it_asks(&mut self) {
        self.api.wait_until_asked(PATIENCE).await.expect("the function asks for an event");
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
