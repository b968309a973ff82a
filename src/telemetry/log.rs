//! Log set-up: one line per thing that an operator may act on, to stderr, as text or JSON.

use std::io::IsTerminal as _;

use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

use super::otlp::Spans;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line, fields at its top level.
    Json,
}

/// What is logged unless `RUST_LOG` says otherwise. The HANA driver warns, with every connection, of each option of the
/// server that it does not know.
const DEFAULT: &str = "info,hdbconnect_impl=error";
/// The same for commands, whose findings are on the screen: the log is for what goes wrong.
pub const OF_COMMANDS: &str = "warn,hdbconnect_impl=error";

/// Installs the global subscriber, with a collector of spans where there is one. A second call changes nothing, so tests
/// may call it too.
///
/// `filter` is a `RUST_LOG` directive; an unreadable one falls back to `info`, which the returned text says.
pub fn init(format: LogFormat, filter: Option<&str>, spans: Option<Spans>) -> Option<String> {
    let (filter, problem) = match filter.map(EnvFilter::try_new) {
        None => (EnvFilter::new(DEFAULT), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (
            EnvFilter::new(DEFAULT),
            Some(format!("RUST_LOG can't be read, logging at info: {error}")),
        ),
    };
    let layer = fmt::layer().with_writer(std::io::stderr);
    let layer = match format {
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .boxed(),
        // tracing-subscriber colours even into a file unless told otherwise.
        LogFormat::Text => layer
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .boxed(),
    };
    let subscriber = tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .with(spans);
    drop(subscriber.try_init());
    problem
}
