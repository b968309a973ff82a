//! Traces and metrics to a collector, by OTLP over HTTP, where `OTEL_EXPORTER_OTLP_ENDPOINT` names one.
//!
//! As JSON, which every collector takes at the same address as protobuf, and by the client that is here already. The
//! usual crates would bring protobuf, a blocking client and a thread of their own.
//! Source: OTLP specification 1.x, "OTLP/HTTP" and "JSON Protobuf Encoding": ids are hexadecimal, 64-bit numbers are
//! texts, names are in camel case.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use url::Url;

use super::metrics::Metrics;
use crate::lifecycle::{self, Lifecycle};
pub use spans::Spans;

mod points;
mod spans;

const SPANS_EVERY: Duration = Duration::from_secs(5);
const METRICS_EVERY: Duration = Duration::from_secs(30);
/// Spans that wait to be sent; what comes beyond is left out.
const SPANS_MAX: usize = 2048;
const DEADLINE: Duration = Duration::from_secs(5);

/// What is sent, and where to; made before there is anything to send.
#[derive(Debug)]
pub struct Exporter {
    endpoint: Url,
    spans: mpsc::Receiver<Value>,
}

/// A collector's address to a layer that collects spans, and to what sends them.
#[must_use]
pub fn exporter(endpoint: &Url) -> (Spans, Exporter) {
    let (sender, spans) = mpsc::channel(SPANS_MAX);
    let mut endpoint = endpoint.clone();
    if !endpoint.path().ends_with('/') {
        endpoint.set_path(&format!("{}/", endpoint.path()));
    }
    (Spans::new(sender), Exporter { endpoint, spans })
}

impl Exporter {
    /// Sends until the shutdown starts, and then what there is.
    pub async fn run(mut self, metrics: Metrics, life: Lifecycle) {
        let client = reqwest::Client::builder()
            .timeout(DEADLINE)
            .redirect(reqwest::redirect::Policy::none())
            .build();
        let client = match client {
            Ok(client) => client,
            Err(error) => {
                tracing::warn!(setting = "OTEL_EXPORTER_OTLP_ENDPOINT", %error, "telemetry can't be sent: {error}");
                return;
            }
        };
        let began = lifecycle::now();
        let mut spans = ticks(SPANS_EVERY);
        let mut points = ticks(METRICS_EVERY);
        let mut works = true;
        let mut stopping = false;
        while !stopping {
            let (mut with_spans, mut with_points) = (false, false);
            tokio::select! {
                () = life.stopping().cancelled() => (with_spans, with_points, stopping) = (true, true, true),
                _ = spans.tick() => with_spans = true,
                _ = points.tick() => with_points = true,
            }
            let mut sent = Vec::new();
            if with_spans && let Some(body) = self.collected() {
                sent.push(self.post(&client, "v1/traces", &body).await);
            }
            if with_points && let Ok(text) = metrics.encode() {
                let body = points::request(&text, began, lifecycle::now());
                sent.push(self.post(&client, "v1/metrics", &body).await);
            }
            for result in sent {
                works = told(works, &result);
            }
        }
    }

    /// The spans that wait, as a request's body.
    fn collected(&mut self) -> Option<Value> {
        let mut spans = Vec::new();
        while let Ok(span) = self.spans.try_recv() {
            spans.push(span);
        }
        (!spans.is_empty()).then(|| {
            json!({ "resourceSpans": [{ "resource": resource(), "scopeSpans": [{ "scope": scope(), "spans": spans }] }] })
        })
    }

    /// What was not taken is not kept: telemetry must never fill the memory of the service.
    async fn post(&self, client: &reqwest::Client, path: &str, body: &Value) -> Result<(), String> {
        let url = self
            .endpoint
            .join(path)
            .map_err(|error| error.to_string())?;
        let sent = client.post(url).json(body).send().await;
        let response = sent.map_err(|error| error.without_url().to_string())?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("the collector answers {status} to {path}")),
        }
    }
}

/// Says once that nothing arrives, and once that it does again.
fn told(worked: bool, result: &Result<(), String>) -> bool {
    match (worked, result) {
        (true, Err(problem)) => {
            tracing::warn!(
                setting = "OTEL_EXPORTER_OTLP_ENDPOINT",
                "telemetry can't be sent: {problem}"
            );
        }
        (false, Ok(())) => tracing::info!("telemetry is sent again"),
        (true, Ok(())) | (false, Err(_)) => {}
    }
    result.is_ok()
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn resource() -> Value {
    json!({ "attributes": [
        { "key": "service.name", "value": { "stringValue": env!("CARGO_PKG_NAME") } },
        { "key": "service.version", "value": { "stringValue": env!("CARGO_PKG_VERSION") } },
    ] })
}

fn scope() -> Value {
    json!({ "name": env!("CARGO_PKG_NAME") })
}
