//! What is written down about a request: one line, which is its audit record and carries its metrics.
//!
//! A line is flat JSON on standard output ([`JsonLines`]), which CloudWatch reads without further calls. Who acted and
//! what it cost is noted on the way of the request ([`notes`]) and goes into the one line at its end. What looks like a
//! phone number or a mailbox is masked ([`mask`]) wherever it stands; paths, queries, bodies and secrets are never
//! handed to the log in the first place.

pub mod emf;
mod json;
pub mod mask;
pub mod notes;
mod request;

use tracing_subscriber::{fmt::MakeWriter, util::SubscriberInitExt};

pub use self::json::JsonLines;
pub(crate) use self::request::RequestLine;
use crate::config::LogConfig;

/// The target of the one line a request.
pub const REQUEST: &str = "shared::request";

/// Sends all lines of this process to its standard output, panics included.
pub fn init(config: LogConfig) {
    subscriber(config, std::io::stdout).init();
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string);
        tracing::error!(at, cause = panic.payload_as_str(), "panicked");
    }));
}

/// What makes lines of events and writes them somewhere.
pub fn subscriber<W>(config: LogConfig, writer: W) -> impl SubscriberInitExt
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_max_level(config.level)
        .with_ansi(false)
        .event_format(JsonLines::new(config.namespace, config.clock))
        .with_writer(writer)
        .finish()
}
