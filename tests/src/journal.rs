//! What the service writes to its log while a test listens, as a function would write it.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;
use shared::{clock::Clock, config::LogConfig, log};
use tracing::{level_filters::LevelFilter, subscriber::DefaultGuard};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Listens to this thread, which is where a test's service runs, until it is dropped.
pub struct Journal {
    written: Written,
    _guard: DefaultGuard,
}

impl Journal {
    /// The namespace of the metrics.
    pub const NAMESPACE: &str = "Tessera/test";

    /// Begins to listen.
    pub fn listen(clock: Arc<dyn Clock>) -> Self {
        let written = Written::default();
        let config = LogConfig { level: LevelFilter::INFO, namespace: Some(Self::NAMESPACE.to_owned()), clock };
        let writer = written.clone();
        Self { _guard: log::subscriber(config, move || writer.clone()).set_default(), written }
    }

    /// What was written since the last look, as it was written.
    pub fn take_text(&self) -> String {
        let bytes = std::mem::take(&mut *self.written.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8(bytes).expect("lines are text")
    }

    /// The lines since the last look; fails the test when one is no flat JSON object.
    #[track_caller]
    pub fn take(&self) -> Vec<Value> {
        self.take_text().lines().map(parse).collect()
    }
}

/// One line of a log, which must be a flat JSON object: only what tells CloudWatch about metrics may be deeper.
#[track_caller]
pub fn parse(line: &str) -> Value {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let members = value.as_object().unwrap_or_else(|| panic!("no object: {line}"));
    for (name, member) in members {
        assert!(name == "_aws" || !(member.is_object() || member.is_array()), "{name} is not flat: {line}");
    }
    // A parser takes the last of two members of one name, so that none would be missed otherwise.
    assert_eq!(serde_json::to_string(&value).expect("JSON").len(), line.len(), "a member is there twice: {line}");
    value
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
