//! A layer of `tracing` that hands each span on once it is over.

use std::fmt::Debug;

use ingester_core::time::Timestamp;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::{attribute, nanoseconds};
use crate::lifecycle;

/// Collects spans.
#[derive(Debug)]
pub struct Spans(mpsc::Sender<Span>);

/// A span that is not over.
struct Open {
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Option<Vec<u8>>,
    began: Timestamp,
    fields: Fields,
}

/// What a span was given. Identifiers of the trace are no attributes.
#[derive(Default)]
struct Fields {
    trace: Option<Vec<u8>>,
    parent: Option<Vec<u8>>,
    attributes: Vec<KeyValue>,
}

impl Spans {
    pub(super) fn new(sender: mpsc::Sender<Span>) -> Self {
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
        let id = random().split_off(8);
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
        let kind = match name {
            "request" => SpanKind::Server,
            _ => SpanKind::Internal,
        };
        let over = Span {
            trace_id: open.trace,
            span_id: open.id,
            parent_span_id: open.parent.unwrap_or_default(),
            name: name.to_owned(),
            kind: kind.into(),
            start_time_unix_nano: nanoseconds(open.began),
            end_time_unix_nano: nanoseconds(lifecycle::now()),
            attributes: open.fields.attributes,
            ..Span::default()
        };
        // Full: the collector is away or slow, and a trace is not worth a wait.
        drop(self.0.try_send(over));
    }
}

impl Fields {
    /// What is no identifier is none: a trace of its own begins.
    fn text(&mut self, field: &Field, text: String) {
        match field.name() {
            "trace_id" => self.trace = hex::decode(text).ok().filter(|id| !id.is_empty()),
            "parent_id" => self.parent = hex::decode(text).ok().filter(|id| !id.is_empty()),
            name => self
                .attributes
                .push(attribute(name, Value::StringValue(text))),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value.to_owned());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.attributes
            .push(attribute(field.name(), Value::IntValue(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field, format!("{value:?}"));
    }
}

/// 16 bytes.
fn random() -> Vec<u8> {
    uuid::Uuid::now_v7().as_bytes().to_vec()
}
