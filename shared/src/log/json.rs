//! An event as one line of flat JSON.

use std::{fmt, sync::Arc};

use serde::{Serialize, Serializer};
use serde_json::Value;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use super::{REQUEST, emf, mask, notes};
use crate::clock::Clock;

/// What is ours and drawn at random, and might look like a number.
const IDS: [&str; 5] = [REQUEST_ID, "gatewayRequestId", "lambdaRequestId", "id", "bitkey"];
const REQUEST_ID: &str = "requestId";

/// Writes events: `timestamp` and `level` as Lambda knows them, `message`, and the event's fields beside them. Spans
/// are left out: what the runtime puts there is in the request's line already. With a namespace, the line of a request
/// carries its metrics.
#[derive(Clone, Debug)]
pub struct JsonLines {
    namespace: Option<String>,
    clock: Arc<dyn Clock>,
}

impl JsonLines {
    /// Lines with this clock's time, and metrics in the namespace if there is one.
    pub const fn new(namespace: Option<String>, clock: Arc<dyn Clock>) -> Self {
        Self { namespace, clock }
    }
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let now = self.clock.now();
        let mut line = Line::default();
        line.0.push(("timestamp", format!("{now:.3}").into()));
        line.0.push(("level", event.metadata().level().as_str().into()));
        event.record(&mut line);
        if !line.0.iter().any(|(name, _)| *name == REQUEST_ID)
            && let Some(id) = notes::request_id()
        {
            line.0.push((REQUEST_ID, id.into()));
        }
        if event.metadata().target() == REQUEST
            && let Some(namespace) = &self.namespace
        {
            line.0.extend(emf::members(namespace, now.as_millisecond(), &line.0));
        }
        writer.write_str(&serde_json::to_string(&line).map_err(|_| fmt::Error)?)?;
        writer.write_char('\n')
    }
}

/// The members of a line, in the order in which they are written.
#[derive(Default)]
struct Line(Vec<(&'static str, Value)>);

impl Line {
    fn put(&mut self, field: &Field, text: &str) {
        let is_id = IDS.contains(&field.name());
        self.0.push((field.name(), if is_id { text.into() } else { mask::text(text).into() }));
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.push((field.name(), value.into()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.push((field.name(), value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.push((field.name(), value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.push((field.name(), value.into()));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &format!("{value:?}"));
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Mutex};

    use jiff::Timestamp;
    use tracing_subscriber::util::SubscriberInitExt as _;

    use super::*;
    use crate::config::LogConfig;

    #[derive(Debug)]
    struct At(Timestamp);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    #[derive(Clone, Default)]
    struct Bytes(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Bytes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written while something is done.
    fn written(namespace: Option<&str>, doing: impl FnOnce()) -> String {
        let bytes = Bytes::default();
        let writer = bytes.clone();
        let config = LogConfig {
            level: tracing::level_filters::LevelFilter::INFO,
            namespace: namespace.map(str::to_owned),
            clock: Arc::new(At("2026-03-01T04:00:00.5Z".parse().unwrap())),
        };
        let guard = super::super::subscriber(config, move || writer.clone()).set_default();
        doing();
        drop(guard);
        String::from_utf8(bytes.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn an_event_is_one_flat_line() {
        let lines = written(None, || {
            let _span = tracing::info_span!("left out", n = 1).entered();
            tracing::info!(n = 2, ok = true, ratio = 0.5, error = ?"two\nlines", nothing = None::<u64>, "a \"message\"");
            tracing::debug!("not written");
        });
        assert_eq!(
            lines,
            "{\"timestamp\":\"2026-03-01T04:00:00.500Z\",\"level\":\"INFO\",\"message\":\"a \\\"message\\\"\",\"n\":2,\
             \"ok\":true,\"ratio\":0.5,\"error\":\"\\\"two\\\\nlines\\\"\"}\n"
        );
    }

    #[test]
    fn contacts_are_masked_and_ids_are_not() {
        let lines = written(None, || tracing::info!(id = "13800138000", cause = %"to 13800138000", "a@example.com"));
        assert!(
            lines.contains(r#""message":"***@example.com","id":"13800138000","cause":"to 138****8000""#),
            "{lines}"
        );
    }

    #[test]
    fn only_a_request_carries_metrics() {
        let lines = written(Some("N"), || {
            tracing::info!("else");
            tracing::info!(target: REQUEST, reason = "ok", Duration = 1.5, "request");
        });
        let lines: Vec<_> = lines.lines().collect();
        assert!(!lines[0].contains("_aws"), "{lines:?}");
        let metrics = concat!(
            r#""Duration":1.5,"Requests":1,"_aws":{"CloudWatchMetrics":[{"Dimensions":[[]],"Metrics":["#,
            r#"{"Name":"Requests","Unit":"Count"},{"Name":"Duration","Unit":"Milliseconds"}],"Namespace":"N"}],"#,
            r#""Timestamp":1772337600500}}"#
        );
        assert!(lines[1].ends_with(metrics), "{lines:?}");
    }
}
