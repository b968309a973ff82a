//! Traces and metrics arrive at a collector, as the OTLP specification has them; one that is away costs nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::extract::Path;
use axum::routing::post;
use serde_json::{Value, json};

use super::process::Site;

type Received = Arc<Mutex<Vec<(String, Value)>>>;

/// A collector; answers its address and what it is sent.
async fn collector() -> (String, Received) {
    let received = Received::default();
    let seen = received.clone();
    let take = async move |Path(signal): Path<String>, Json(body): Json<Value>| {
        seen.lock().unwrap().push((signal, body));
        Json(json!({}))
    };
    let router = axum::Router::new().route("/v1/{signal}", post(take));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

/// The spans that arrived so far.
fn spans(received: &Received) -> Vec<Value> {
    let received = received.lock().unwrap();
    let traces = received.iter().filter(|(signal, _)| signal == "traces");
    traces
        .flat_map(|(_, body)| {
            let spans = &body["resourceSpans"][0]["scopeSpans"][0]["spans"];
            spans.as_array().unwrap().clone()
        })
        .collect()
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

    let span = eventually("the request's span", || {
        let mut spans = spans(&received).into_iter();
        spans.find(|span| span["traceId"] == TRACE && span["name"] == "request")
    })
    .await;
    assert_eq!(span["parentSpanId"], "00f067aa0ba902b7");
    assert_eq!(span["kind"], 2);
    assert_eq!(span["spanId"].as_str().unwrap().len(), 16);
    let nanoseconds = |name: &str| span[name].as_str().unwrap().parse::<u64>().unwrap();
    assert!(nanoseconds("startTimeUnixNano") <= nanoseconds("endTimeUnixNano"));
    let attributes = span["attributes"].as_array().unwrap();
    for expected in [
        json!({ "key": "method", "value": { "stringValue": "GET" } }),
        json!({ "key": "status", "value": { "intValue": "200" } }),
    ] {
        assert!(attributes.contains(&expected), "{span}");
    }
    let metrics = eventually("metrics", || {
        let received = received.lock().unwrap();
        let mut metrics = received.iter().filter(|(signal, _)| signal == "metrics");
        metrics.next().map(|(_, body)| body.clone())
    })
    .await;
    let resource = &metrics["resourceMetrics"][0]["resource"]["attributes"][0];
    assert_eq!(resource["value"]["stringValue"], "qualtrics-ingester");
    let text = metrics.to_string();
    assert!(text.contains("ingester_events") && text.contains("process_resident_memory_bytes"));
    assert!(!format!("{:?}", received.lock().unwrap()).contains("secret"));
    assert!(!running.log().contains("telemetry can't be sent"));
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
