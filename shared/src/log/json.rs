//! An event as one line of flat JSON.

use std::{fmt, sync::Arc};

use serde::{Serialize, Serializer as _, ser::SerializeMap};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use super::{REQUEST, emf::Metrics, mask, notes};
use crate::clock::Clock;

/// What is ours and drawn at random, and might look like a number.
const IDS: [&str; 5] = [REQUEST_ID, "gatewayRequestId", "lambdaRequestId", "id", "bitkey"];
const REQUEST_ID: &str = "requestId";
/// Bytes that the line of a request has room in, as a rule.
const USUAL_LENGTH: usize = 1_000;

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
        let mut bytes = Vec::with_capacity(USUAL_LENGTH);
        let write = |bytes: &mut Vec<u8>| -> Result<(), serde_json::Error> {
            let mut serializer = serde_json::Serializer::new(bytes);
            let mut line = Line::new(serializer.serialize_map(None)?);
            line.put("timestamp", &format_args!("{now:.3}"));
            line.put("level", event.metadata().level().as_str());
            event.record(&mut line);
            if !line.has_request_id
                && let Some(id) = notes::request_id()
            {
                line.put(REQUEST_ID, &id);
            }
            let namespace = self.namespace.as_deref().filter(|_| event.metadata().target() == REQUEST);
            line.end(namespace.map(|namespace| (namespace, now.as_millisecond())))
        };
        write(&mut bytes).map_err(|_| fmt::Error)?;
        writer.write_str(str::from_utf8(&bytes).map_err(|_| fmt::Error)?)?;
        writer.write_char('\n')
    }
}

/// A line whose members are written as they come.
struct Line<M: SerializeMap> {
    map: M,
    written: Result<(), M::Error>,
    has_request_id: bool,
    metrics: Metrics,
}

impl<M: SerializeMap> Line<M> {
    fn new(map: M) -> Self {
        Self { map, written: Ok(()), has_request_id: false, metrics: Metrics::default() }
    }

    fn put(&mut self, name: &'static str, value: &(impl Serialize + ?Sized)) {
        self.has_request_id |= name == REQUEST_ID;
        self.metrics.notice(name);
        if self.written.is_ok() {
            self.written = self.map.serialize_entry(name, value);
        }
    }

    fn put_text(&mut self, name: &'static str, text: &str) {
        self.metrics.notice_text(name, text);
        if IDS.contains(&name) { self.put(name, text) } else { self.put(name, &mask::text(text)) }
    }

    /// Ends the line, with the metrics of a namespace and a time in milliseconds.
    fn end(mut self, metrics: Option<(&str, i64)>) -> Result<M::Ok, M::Error> {
        self.written?;
        if let Some((namespace, milliseconds)) = metrics {
            self.metrics.write(namespace, milliseconds, &mut self.map)?;
        }
        self.map.end()
    }
}

impl<M: SerializeMap> Visit for Line<M> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_text(field.name(), &format!("{value:?}"));
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
