//! `POST /jobs/reconcile`: for SAP Job Scheduling Service, and for whoever has the scope `Admin`.
//!
//! The answer is 202 at once; what the run came to is reported to the bound service's own address. The host that a
//! request names is not looked at: our token would go to whoever forged it.
//! Source: SAP Job Scheduling Service, "Asynchronous Mode".

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use ingester_core::id::SurveyId;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::error::ApiError;
use super::{App, auth};
use crate::config::{Config, JobScheduler};
use crate::identity::{ADMIN, ClientCredentials, ClientError, JOBS};
use crate::jobs::reconcile::{Options, Report, Scope};
use crate::jobs::{JobError, Jobs, Patience};
use crate::telemetry::audit::{self, Act};

const REPORT_DEADLINE: Duration = Duration::from_secs(10);
/// A run that is never reported is unknown to its scheduler for half an hour.
const REPORT_TRIES: u32 = 5;
const REPORT_AGAIN_AFTER: Duration = Duration::from_secs(2);

pub(super) fn routes() -> Router<App> {
    Router::new().route("/jobs/reconcile", post(reconcile))
}

async fn reconcile(State(app): State<App>, headers: HeaderMap) -> Response {
    // The scheduler, or an administrator.
    let viewer = match auth::require_scope(&app, &headers, &[JOBS, ADMIN]).await {
        Ok(viewer) => viewer,
        Err(error) => return error.into_response(),
    };
    let run = Run::of(&headers);
    if run.is_none() && headers.contains_key(JOB_ID) {
        return ApiError::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            "the x-sap-job headers name no run",
        )
        .into_response();
    }
    audit::line(
        Act::Reconcile,
        &audit::caller(&viewer.subject),
        "all surveys",
    );
    let (jobs, reports) = (app.jobs.clone(), app.reports.clone());
    app.life.spawn("reconcile-job", work(jobs, reports, run));
    (
        StatusCode::ACCEPTED,
        axum::Json(json!({ "status": "accepted" })),
    )
        .into_response()
}

const JOB_ID: &str = "x-sap-job-id";

/// A run of a scheduler's job, as its headers name it; checked, because it becomes part of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    job: u64,
    schedule: uuid::Uuid,
    run: uuid::Uuid,
}

impl Run {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        Some(Self {
            job: text(JOB_ID)?.parse().ok()?,
            schedule: text("x-sap-job-schedule-id")?.parse().ok()?,
            run: text("x-sap-job-run-id")?.parse().ok()?,
        })
    }

    fn path(&self) -> String {
        let Self { job, schedule, run } = self;
        format!("scheduler/jobs/{job}/schedules/{schedule}/runs/{run}")
    }
}

async fn work(jobs: Jobs, reports: Option<Reports>, run: Option<Run>) {
    let options = Options {
        scope: Scope::ChangesNow,
        ..Options::default()
    };
    let surveys = jobs.surveys.ids();
    let result = jobs.reconcile(&surveys, options, Patience::None).await;
    let (success, message) = outcome(result);
    match (reports, run) {
        (Some(reports), Some(run)) => reports.send(&run, success, &message).await,
        _ => tracing::info!(success, "reconcile, as asked for: {message}"),
    }
}

type Results = Vec<(SurveyId, Result<Report, JobError>)>;

/// What is reported: overlapping calls are normal, so that "running already" is a success.
fn outcome(result: Result<Results, JobError>) -> (bool, String) {
    match result {
        Ok(results) => {
            let success = results.iter().all(|(_, result)| result.is_ok());
            let lines = results.into_iter().map(|(survey, result)| match result {
                Ok(report) => format!(
                    "{survey}: {} missing, {} stale, {} deleted, {} written",
                    report.missing, report.stale, report.deleted, report.written
                ),
                Err(error) => format!("{survey}: {error}"),
            });
            (success, lines.collect::<Vec<_>>().join("\n"))
        }
        Err(JobError::Busy { .. }) => (true, "already running".to_owned()),
        Err(JobError::Stopping) => (false, "interrupted by restart".to_owned()),
        Err(error) => (false, error.to_string()),
    }
}

/// Reports runs to the bound job scheduler. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reports(Arc<Sender>);

#[derive(Debug)]
struct Sender {
    scheduler: JobScheduler,
    credentials: ClientCredentials,
    http: reqwest::Client,
}

/// Nothing where no scheduler is bound.
///
/// # Errors
/// If the binding's certificate can't be used.
pub fn reports(config: &Config) -> Result<Option<Reports>, ClientError> {
    let Some(scheduler) = &config.job_scheduler else {
        return Ok(None);
    };
    let credentials = ClientCredentials::new(&scheduler.client)?;
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(REPORT_DEADLINE)
        .build()
        .map_err(|error| ClientError::Certificate(error.to_string()))?;
    Ok(Some(Reports(Arc::new(Sender {
        scheduler: scheduler.clone(),
        credentials,
        http,
    }))))
}

impl Reports {
    async fn send(&self, run: &Run, success: bool, message: &str) {
        let body = json!({ "success": success, "message": message });
        let mut problem = String::new();
        for attempt in 0..REPORT_TRIES {
            tokio::time::sleep(REPORT_AGAIN_AFTER * attempt).await;
            match self.put(run, &body).await {
                Ok(()) => return,
                Err(error) => problem = error,
            }
        }
        tracing::warn!(
            error = problem,
            "a run could not be reported to the job scheduler: {problem}"
        );
    }

    async fn put(&self, run: &Run, body: &Value) -> Result<(), String> {
        let Sender {
            scheduler,
            credentials,
            http,
        } = &*self.0;
        let url = scheduler
            .url
            .join(&run.path())
            .map_err(|error| error.to_string())?;
        let token = credentials
            .token()
            .await
            .map_err(|error| error.to_string())?;
        let request = http.put(url).bearer_auth(token.expose_secret()).json(body);
        let response = request.send().await.map_err(|error| error.to_string())?;
        match response.status().as_u16() {
            200..300 => Ok(()),
            status => {
                if status == 401 {
                    credentials.forget().await;
                }
                Err(format!("it answered {status}"))
            }
        }
    }
}
