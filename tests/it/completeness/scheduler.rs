//! SAP Job Scheduling Service asks for a run and is told what it came to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{post, put};
use serde_json::{Value, json};

use super::support::{World, count, eventually};

type Reported = Arc<Mutex<Vec<(String, String, Value)>>>;

/// A scheduler and its authorization server; answers its address and what is reported to it.
async fn scheduler() -> (String, Reported) {
    let reported = Reported::default();
    let seen = reported.clone();
    let router = axum::Router::new()
        .route(
            "/oauth/token",
            post(async || Json(json!({ "access_token": "ours", "expires_in": 600 }))),
        )
        .route(
            "/scheduler/jobs/{job}/schedules/{schedule}/runs/{run}",
            put(
                async move |Path((job, schedule, run)): Path<(String, String, String)>,
                            headers: HeaderMap,
                            Json(body): Json<Value>| {
                    let token = headers["authorization"].to_str().unwrap().to_owned();
                    let path = format!("{job}/{schedule}/{run}");
                    seen.lock().unwrap().push((path, token, body));
                    Json(json!({ "success": true }))
                },
            ),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, reported)
}

/// The scheduler's binding.
fn bound(url: &str) -> String {
    json!({ "jobscheduler": [{
        "name": "jobs", "label": "jobscheduler", "plan": "standard", "tags": [],
        "credentials": { "url": url, "uaa": { "clientid": "c", "clientsecret": "s", "url": url } }
    }] })
    .to_string()
}

const SCHEDULE: &str = "5a8f2c6e-1111-4a8f-8c6e-000000000001";
const RUN: &str = "5a8f2c6e-2222-4a8f-8c6e-000000000002";

async fn ask(url: &str, job: &str) -> StatusCode {
    let response = reqwest::Client::builder()
        .build()
        .unwrap()
        .post(format!("{url}/jobs/reconcile"))
        .header("x-sap-job-id", job)
        .header("x-sap-job-schedule-id", SCHEDULE)
        .header("x-sap-job-run-id", RUN)
        .header("x-sap-scheduler-host", "https://forged.example")
        .send()
        .await
        .unwrap();
    StatusCode::from_u16(response.status().as_u16()).unwrap()
}

#[tokio::test]
async fn a_run_is_accepted_at_once_and_reported_to_the_bound_service() {
    let (url, reported) = scheduler().await;
    let mut world = World::new().await;
    world.services = Some(bound(&url));
    world.insert("R_old", "2024-01-01T00:00:00Z", 1);
    let served = world.serve(&[("RECONCILE_EVERY", "off")]).await;

    assert_eq!(ask(&served.url, "42").await, StatusCode::ACCEPTED);
    eventually("the report", Duration::from_secs(20), || async {
        reported.lock().unwrap().len() == 1
    })
    .await;

    let (path, token, body) = reported.lock().unwrap()[0].clone();
    assert_eq!(path, format!("42/{SCHEDULE}/{RUN}"));
    assert_eq!(token, "Bearer ours");
    assert_eq!(body["success"], true);
    assert!(body["message"].as_str().unwrap().contains("1 written"));
    assert_eq!(count(served.store()).await, 1);
    // An id that would lead elsewhere.
    assert_eq!(ask(&served.url, "../42").await, StatusCode::BAD_REQUEST);
    served.stop().await;
}

#[tokio::test]
async fn a_run_beside_another_one_is_a_success_that_did_nothing() {
    let (url, reported) = scheduler().await;
    let mut world = World::new().await;
    world.services = Some(bound(&url));
    world.sandbox.set_faults("export-time=3s".parse().unwrap());
    world.insert("R_old", "2024-01-01T00:00:00Z", 1);
    let served = world.serve(&[("RECONCILE_EVERY", "off")]).await;

    assert_eq!(ask(&served.url, "1").await, StatusCode::ACCEPTED);
    eventually("the first is at it", Duration::from_secs(20), || async {
        world.sandbox.counters().calls_of("export-start") == 1
    })
    .await;
    assert_eq!(ask(&served.url, "2").await, StatusCode::ACCEPTED);
    eventually("both reports", Duration::from_secs(20), || async {
        reported.lock().unwrap().len() == 2
    })
    .await;

    let reports = reported.lock().unwrap().clone();
    assert!(reports[0].0.starts_with("2/"));
    assert_eq!(
        reports[0].2,
        json!({ "success": true, "message": "already running" })
    );
    assert!(reports[1].0.starts_with("1/"));
    served.stop().await;
}

#[tokio::test]
async fn a_run_that_a_restart_interrupts_is_reported_as_failed() {
    let (url, reported) = scheduler().await;
    let mut world = World::new().await;
    world.services = Some(bound(&url));
    world.sandbox.set_faults("export-time=60s".parse().unwrap());
    world.insert("R_old", "2024-01-01T00:00:00Z", 1);
    let served = world.serve(&[("RECONCILE_EVERY", "off")]).await;
    assert_eq!(ask(&served.url, "7").await, StatusCode::ACCEPTED);
    eventually("it is at it", Duration::from_secs(20), || async {
        world.sandbox.counters().calls_of("export-start") == 1
    })
    .await;

    served.stop().await;

    let reports = reported.lock().unwrap().clone();
    let (path, _, body) = &reports[0];
    assert!(path.starts_with("7/"));
    assert_eq!(
        *body,
        json!({ "success": false, "message": "interrupted by restart" })
    );
}

#[tokio::test]
async fn without_a_token_nobody_may_ask() {
    let world = World::new().await;
    let served = world.serve(&[("AUTH", "closed")]).await;

    let status = ask(&served.url, "42").await;

    assert_eq!(status, StatusCode::UNAUTHORIZED);
    served.stop().await;
}
