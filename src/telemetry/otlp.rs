//! Traces and metrics to a collector by OTLP: over HTTP where `OTEL_EXPORTER_OTLP_ENDPOINT` names one, over gRPC to a
//! bound SAP Cloud Logging.
//!
//! The messages and the gRPC client are those of the OpenTelemetry project. Its SDK is left out: it would want each
//! metric a second time beside the one that Prometheus reads, and a thread of its own. With LTO the client adds 0.45 MB.
//! Source: OTLP specification 1.x, "OTLP/HTTP"; SAP Cloud Logging, "Ingest via OpenTelemetry API Endpoint".

use std::fmt;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
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

/// Where telemetry goes.
#[derive(Clone)]
pub enum Collector {
    /// To an address, over HTTP.
    Http(Url),
    /// To a bound SAP Cloud Logging, over gRPC with a client's certificate.
    CloudLogging {
        /// Host and port.
        address: String,
        /// The certificate of the client, PEM.
        certificate: String,
        /// Its private key, PEM.
        key: SecretString,
        /// Whose certificates are trusted, PEM.
        authority: String,
    },
}

impl fmt::Debug for Collector {
    /// Leaves out certificates and key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => write!(f, "Http({url})"),
            Self::CloudLogging { address, .. } => write!(f, "CloudLogging({address})"),
        }
    }
}

/// What is sent, and where to; made before there is anything to send.
#[derive(Debug)]
pub struct Exporter {
    collector: Collector,
    spans: mpsc::Receiver<Span>,
}

/// A collector to a layer that collects spans, and to what sends them.
#[must_use]
pub fn exporter(collector: Collector) -> (Spans, Exporter) {
    let (sender, spans) = mpsc::channel(SPANS_MAX);
    (Spans::new(sender), Exporter { collector, spans })
}

impl Exporter {
    /// Sends until the shutdown starts, and then what there is.
    pub async fn run(mut self, metrics: Metrics, life: Lifecycle) {
        let way = match Way::to(&self.collector) {
            Ok(way) => way,
            Err(error) => {
                tracing::warn!("telemetry can't be sent: {error}");
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
            if with_spans && let Some(request) = self.collected() {
                sent.push(way.spans(request).await);
            }
            if with_points && let Ok(text) = metrics.encode() {
                let request = points::request(&text, began, lifecycle::now());
                sent.push(way.points(request).await);
            }
            // What was not taken is not kept: telemetry must never fill the memory of the service.
            for result in sent {
                works = told(works, &result);
            }
        }
    }

    /// The spans that wait, as a request.
    fn collected(&mut self) -> Option<ExportTraceServiceRequest> {
        let mut spans = Vec::new();
        while let Ok(span) = self.spans.try_recv() {
            spans.push(span);
        }
        (!spans.is_empty()).then(|| ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(resource()),
                scope_spans: vec![ScopeSpans {
                    scope: Some(scope()),
                    spans,
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        })
    }
}

/// How a collector is spoken to.
enum Way {
    Http(reqwest::Client, Url),
    Grpc(Channel),
}

impl Way {
    fn to(collector: &Collector) -> Result<Self, String> {
        match collector {
            Collector::Http(url) => {
                let client = reqwest::Client::builder().timeout(DEADLINE).build();
                let client = client.map_err(|error| error.to_string())?;
                let mut url = url.clone();
                if !url.path().ends_with('/') {
                    url.set_path(&format!("{}/", url.path()));
                }
                Ok(Self::Http(client, url))
            }
            Collector::CloudLogging {
                address,
                certificate,
                key,
                authority,
            } => {
                let tls = ClientTlsConfig::new()
                    .ca_certificate(Certificate::from_pem(authority))
                    .identity(Identity::from_pem(certificate, key.expose_secret()));
                // A connection is made with the first call, and anew whenever one breaks.
                let channel = Endpoint::from_shared(format!("https://{address}"))
                    .and_then(|endpoint| endpoint.timeout(DEADLINE).tls_config(tls))
                    .map_err(|error| with_causes(&error))?
                    .connect_timeout(DEADLINE)
                    .connect_lazy();
                Ok(Self::Grpc(channel))
            }
        }
    }

    async fn spans(&self, request: ExportTraceServiceRequest) -> Result<(), String> {
        match self {
            Self::Http(client, url) => post(client, url, "v1/traces", &request).await,
            Self::Grpc(channel) => {
                let mut client = TraceServiceClient::new(channel.clone());
                taken(client.export(request).await)
            }
        }
    }

    async fn points(&self, request: ExportMetricsServiceRequest) -> Result<(), String> {
        match self {
            Self::Http(client, url) => post(client, url, "v1/metrics", &request).await,
            Self::Grpc(channel) => {
                let mut client = MetricsServiceClient::new(channel.clone());
                taken(client.export(request).await)
            }
        }
    }
}

fn taken<T>(answer: Result<tonic::Response<T>, tonic::Status>) -> Result<(), String> {
    answer.map(drop).map_err(|status| with_causes(&status))
}

async fn post(
    client: &reqwest::Client,
    url: &Url,
    path: &str,
    request: &impl Message,
) -> Result<(), String> {
    let url = url.join(path).map_err(|error| error.to_string())?;
    let request = client
        .post(url)
        .header("content-type", "application/x-protobuf")
        .body(request.encode_to_vec());
    let response = request.send().await;
    match response
        .map_err(|error| error.without_url().to_string())?
        .status()
    {
        status if status.is_success() => Ok(()),
        status => Err(format!("the collector answers {status} to {path}")),
    }
}

/// An error of gRPC with what is behind it, which its own text leaves out.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Says once that nothing arrives, and once that it does again.
fn told(worked: bool, result: &Result<(), String>) -> bool {
    match (worked, result) {
        (true, Err(problem)) => tracing::warn!("telemetry can't be sent: {problem}"),
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

fn resource() -> Resource {
    Resource {
        attributes: vec![
            attribute(
                "service.name",
                Value::StringValue(env!("CARGO_PKG_NAME").to_owned()),
            ),
            attribute(
                "service.version",
                Value::StringValue(env!("CARGO_PKG_VERSION").to_owned()),
            ),
        ],
        ..Resource::default()
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: env!("CARGO_PKG_NAME").to_owned(),
        ..InstrumentationScope::default()
    }
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

/// Nanoseconds since 1970; 0, which is no time, for what lies outside.
fn nanoseconds(instant: ingester_core::time::Timestamp) -> u64 {
    u64::try_from(instant.as_nanosecond()).unwrap_or(0)
}
