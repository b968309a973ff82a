//! Traces and metrics arrive at a collector, as the OTLP specification has them; one that is away costs nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::routing::post;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
    metrics_service_server::{MetricsService, MetricsServiceServer},
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use prost::Message;
use serde_json::json;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use super::process::Site;

/// What a collector was sent.
#[derive(Clone, Default)]
struct Received(
    Arc<
        Mutex<(
            Vec<ExportTraceServiceRequest>,
            Vec<ExportMetricsServiceRequest>,
        )>,
    >,
);

impl Received {
    fn spans(&self) -> Vec<Span> {
        let received = self.0.lock().unwrap();
        let scopes = received
            .0
            .iter()
            .flat_map(|request| &request.resource_spans);
        let spans = scopes.flat_map(|resource| &resource.scope_spans);
        spans.flat_map(|scope| scope.spans.clone()).collect()
    }

    fn metrics(&self) -> Option<ExportMetricsServiceRequest> {
        self.0.lock().unwrap().1.first().cloned()
    }
}

/// A collector that is spoken to over HTTP; answers its address and what it is sent.
async fn collector() -> (String, Received) {
    let received = Received::default();
    let seen = received.clone();
    let take = async move |Path(signal): Path<String>, headers: HeaderMap, body: Bytes| {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        let mut seen = seen.0.lock().unwrap();
        match signal.as_str() {
            "traces" => seen.0.push(Message::decode(body).unwrap()),
            "metrics" => seen.1.push(Message::decode(body).unwrap()),
            other => panic!("/v1/{other}"),
        }
    };
    let router = axum::Router::new().route("/v1/{signal}", post(take));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().0.push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Received {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.0.lock().unwrap().1.push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

/// A collector as SAP Cloud Logging is one: gRPC, and only for who has the certificate. Answers its binding.
async fn cloud_logging() -> (serde_json::Value, Received) {
    let received = Received::default();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    let (certificate, key) = (
        pem("CERTIFICATE", certificate.der()),
        pem("PRIVATE KEY", &key.serialize_der()),
    );
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(&certificate, &key))
        .client_ca_root(Certificate::from_pem(&certificate));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let served = Server::builder()
        .tls_config(tls)
        .unwrap()
        .add_service(TraceServiceServer::new(received.clone()))
        .add_service(MetricsServiceServer::new(received.clone()))
        .serve(address);
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(served);
    let binding = json!({ "cloud-logging": [{
        "label": "cloud-logging", "plan": "standard", "name": "logs", "tags": ["Cloud Logging"],
        "credentials": {
            "ingest-otlp-endpoint": format!("localhost:{}", address.port()),
            "ingest-otlp-cert": certificate, "ingest-otlp-key": key, "server-ca": certificate,
        }
    }] });
    (binding, received)
}

/// Waits for something that takes as long as the exporter's clock.
async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..800 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what} did not happen within 20 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_and_metrics_arrive_at_the_collector() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let (url, received) = collector().await;
    let mut site = Site::unlimited().await;
    site.set("OTEL_EXPORTER_OTLP_ENDPOINT", &url);
    let running = site.serve().await;

    let client = reqwest::Client::builder().build().unwrap();
    let asked = client
        .get(running.url("/health/live?secret=1"))
        .header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"))
        .send();
    assert_eq!(asked.await.unwrap().status().as_u16(), 200);

    let trace = hex::decode(TRACE).unwrap();
    let span = eventually("the request's span", || {
        let mut spans = received.spans().into_iter();
        spans.find(|span| span.trace_id == trace && span.name == "request")
    })
    .await;
    assert_eq!(hex::encode(&span.parent_span_id), "00f067aa0ba902b7");
    assert_eq!((span.kind(), span.span_id.len()), (SpanKind::Server, 8));
    assert!(0 < span.start_time_unix_nano && span.start_time_unix_nano <= span.end_time_unix_nano);
    for (key, value) in [
        ("method", Value::StringValue("GET".to_owned())),
        ("status", Value::IntValue(200)),
    ] {
        let attribute = KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        };
        assert!(span.attributes.contains(&attribute), "{span:?}");
    }
    let metrics = eventually("metrics", || received.metrics()).await;
    let text = format!("{metrics:?}");
    for name in [
        "qualtrics-ingester",
        "ingester_events",
        "process_resident_memory_bytes",
    ] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(!format!("{:?}", received.0.lock().unwrap()).contains("secret"));
    assert!(!running.log().contains("telemetry can't be sent"));
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_and_metrics_arrive_at_a_bound_cloud_logging() {
    let (binding, received) = cloud_logging().await;
    let mut site = Site::unlimited().await;
    site.set("VCAP_SERVICES", &binding.to_string());
    let mut running = site.serve().await;

    let asked = reqwest::get(running.url("/health/live")).await.unwrap();
    assert_eq!(asked.status().as_u16(), 200);

    let is_request = |span: &Span| span.name == "request";
    eventually("the request's span", || {
        received.spans().into_iter().find(is_request)
    })
    .await;
    eventually("metrics", || received.metrics()).await;
    running.signal("TERM");
    assert!(running.child.wait().await.unwrap().success());
    let log = running.log();
    assert!(!log.contains("telemetry can't be sent"), "{log}");
    assert!(!log.contains("PRIVATE KEY"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_is_said_once_and_costs_nothing() {
    let mut site = Site::unlimited().await;
    // Nobody listens on the port of discard.
    site.set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    let mut running = site.serve().await;

    eventually("the warning", || {
        running
            .log()
            .contains("telemetry can't be sent")
            .then_some(())
    })
    .await;
    let health = reqwest::get(running.url("/health/ready")).await.unwrap();
    assert_eq!(health.status().as_u16(), 200);
    running.signal("TERM");
    assert!(running.child.wait().await.unwrap().success());
    assert_eq!(running.log().matches("telemetry can't be sent").count(), 1);
}
