//! A layer of `tracing` that hands each span on once it is over.

use std::fmt::Debug;

use ingester_core::time::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::lifecycle;

/// `SPAN_KIND_SERVER`, of requests; `SPAN_KIND_INTERNAL`, of everything else.
const SERVER: u32 = 2;
const INTERNAL: u32 = 1;

/// Collects spans.
#[derive(Debug)]
pub struct Spans(mpsc::Sender<Value>);

/// A span that is not over.
struct Open {
    trace: String,
    id: String,
    parent: Option<String>,
    began: Timestamp,
    fields: Fields,
}

/// What a span was given. Identifiers of the trace are no attributes.
#[derive(Default)]
struct Fields {
    trace: Option<String>,
    parent: Option<String>,
    attributes: Vec<Value>,
}

impl Spans {
    pub(super) fn new(sender: mpsc::Sender<Value>) -> Self {
        Self(sender)
    }
}

impl<S> Layer<S> for Spans
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let above = span.parent().and_then(|parent| {
            let extensions = parent.extensions();
            let open = extensions.get::<Open>()?;
            Some((open.trace.clone(), open.id.clone()))
        });
        let (trace, parent) = match (above, fields.trace.take()) {
            (Some((trace, parent)), _) => (trace, Some(parent)),
            (None, Some(trace)) => (trace, fields.parent.take()),
            (None, None) => (random(), None),
        };
        // The second half: the first is the time.
        let id = random().split_off(16);
        let began = lifecycle::now();
        span.extensions_mut().insert(Open {
            trace,
            id,
            parent,
            began,
            fields,
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            values.record(&mut open.fields);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else {
            return;
        };
        let Some(open) = span.extensions_mut().remove::<Open>() else {
            return;
        };
        let name = span.name();
        let over = json!({
            "traceId": open.trace,
            "spanId": open.id,
            "parentSpanId": open.parent.unwrap_or_default(),
            "name": name,
            "kind": if name == "request" { SERVER } else { INTERNAL },
            "startTimeUnixNano": open.began.as_nanosecond().to_string(),
            "endTimeUnixNano": lifecycle::now().as_nanosecond().to_string(),
            "attributes": open.fields.attributes,
        });
        // Full: the collector is away or slow, and a trace is not worth a wait.
        drop(self.0.try_send(over));
    }
}

impl Fields {
    fn text(&mut self, field: &Field, text: String) {
        match field.name() {
            "trace_id" | "parent_id" if text.is_empty() => {}
            "trace_id" => self.trace = Some(text),
            "parent_id" => self.parent = Some(text),
            name => self
                .attributes
                .push(json!({ "key": name, "value": { "stringValue": text } })),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value.to_owned());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let value = json!({ "intValue": value.to_string() });
        self.attributes
            .push(json!({ "key": field.name(), "value": value }));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field, format!("{value:?}"));
    }
}

/// 32 hexadecimal digits.
fn random() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}
