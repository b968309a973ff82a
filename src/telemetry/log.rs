//! Log set-up: one line per thing that an operator may act on, to stderr, as text or JSON.

use std::fmt::Debug;
use std::io::IsTerminal as _;

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FormatFields, FormattedFields};
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
            .fmt_fields(JsonObject)
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

/// A span's fields as the text of a JSON object, put together as they come. What the subscriber has for that makes a tree
/// of values of each span, and of each field that is recorded later: a fifth of all that it takes to accept a callback.
struct JsonObject;

impl<'a> FormatFields<'a> for JsonObject {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'a>, fields: R) -> std::fmt::Result {
        let mut members = Members {
            writer,
            before: '{',
            written: Ok(()),
        };
        fields.record(&mut members);
        members.written?;
        let rest = if members.before == '{' { "{}" } else { "}" };
        members.writer.write_str(rest)
    }

    fn add_fields(
        &self,
        current: &'a mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> std::fmt::Result {
        let mut more = FormattedFields::<Self>::new(String::new());
        self.format_fields(more.as_writer(), fields)?;
        if let Some(members) = more.fields.strip_prefix('{').filter(|rest| *rest != "}") {
            current.fields.pop();
            let before = if current.fields == "{" { "" } else { "," };
            current.fields.push_str(before);
            current.fields.push_str(members);
        }
        Ok(())
    }
}

/// Writes the members of an object, and remembers what comes before the next one.
struct Members<'a> {
    writer: Writer<'a>,
    before: char,
    written: std::fmt::Result,
}

impl Members<'_> {
    fn member(&mut self, field: &Field, value: impl Serialize) {
        let Ok(value) = serde_json::to_string(&value) else {
            return;
        };
        let written = write!(self.writer, "{}\"{}\":{value}", self.before, field.name());
        self.written = self.written.and(written);
        self.before = ',';
    }
}

impl Visit for Members<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.member(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The `span` of the one line that `log` logs.
    fn span_of(log: impl FnOnce()) -> Value {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = fmt::layer()
            .with_writer(move || writer.clone())
            .json()
            .with_span_list(false)
            .fmt_fields(JsonObject);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let bytes = lines.0.lock().unwrap().clone();
        serde_json::from_slice::<Value>(&bytes).unwrap()["span"].clone()
    }

    #[test]
    fn a_spans_fields_are_a_json_object() {
        let span = span_of(|| {
            let method = "PO\"ST\n";
            let none: Option<&str> = None;
            let span = tracing::info_span!("request", method, none, later = tracing::field::Empty);
            span.record("later", 200_u16);
            span.in_scope(|| tracing::info!("said"));
        });
        let expected = json!({ "name": "request", "method": "PO\"ST\n", "later": 200 });
        assert_eq!(span, expected);
    }

    #[test]
    fn a_span_may_have_no_fields_or_get_them_late() {
        let bare = span_of(|| tracing::info_span!("bare").in_scope(|| tracing::info!("said")));
        assert_eq!(bare, json!({ "name": "bare" }));

        let late = span_of(|| {
            let span = tracing::info_span!(
                "late",
                truth = tracing::field::Empty,
                ratio = tracing::field::Empty
            );
            span.record("truth", true);
            span.record("ratio", 0.5);
            span.in_scope(|| tracing::info!("said"));
        });
        assert_eq!(late, json!({ "name": "late", "truth": true, "ratio": 0.5 }));
    }
}
