//! Export jobs. Source: a recorded start, polling sequence and file headers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State as FromState};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, StatusCode, header};
use tokio::sync::mpsc;

use crate::envelope::{Problem, guess, problem, success};
use crate::export::parameters::{Format, Order};
use crate::export::{self, FileDamage, Job, Progress};
use crate::json::{Json, Object};
use crate::routes::{RequestId, find_survey};
use crate::state::State;

pub(crate) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/API/v3/surveys/{survey}/export-responses", post(start))
        .route(
            "/API/v3/surveys/{survey}/export-responses/{job}",
            get(progress),
        )
        .route(
            "/API/v3/surveys/{survey}/export-responses/{job}/file",
            get(file),
        )
}

async fn start(
    FromState(state): FromState<Arc<State>>,
    Extension(id): Extension<RequestId>,
    Path(survey): Path<String>,
    body: Bytes,
) -> Response {
    let survey = match find_survey(&state, &survey, &id) {
        Ok(survey) => survey,
        Err(refusal) => return refusal,
    };
    let task = Arc::clone(&state);
    let started = Order::read(&body).map(|order| move || export::start(&task, survey, order));
    // Choosing among a million responses takes a while.
    let started = match started {
        Ok(start) => tokio::task::spawn_blocking(start)
            .await
            .unwrap_or_else(|_| Err("The export failed.".to_owned())),
        Err(message) => Err(message),
    };
    match started {
        Ok(job) => success(
            Object::<Json>::new()
                .with("progressId", job.id.as_str())
                .with("percentComplete", 0.0)
                .with("status", "inProgress"),
            &id.0,
        ),
        Err(message) => guess(problem(
            StatusCode::BAD_REQUEST,
            &message,
            Some("QVAL_1"),
            Some(&id.0),
        )),
    }
}

/// Keys that don't apply are absent, not null. Source: recorded.
async fn progress(
    FromState(state): FromState<Arc<State>>,
    Extension(id): Extension<RequestId>,
    Path((survey, job)): Path<(String, String)>,
) -> Response {
    let now = state.clock.now();
    let Some(job) = state
        .jobs
        .find(&survey, &job, now)
        .filter(|found| found.id == job)
    else {
        return Problem::NoExport.answer(&id.0);
    };
    let result = Object::<Json>::new();
    let result = match job.poll(now) {
        Progress::Begun => result
            .with("percentComplete", 0.0)
            .with("status", "inProgress"),
        Progress::Almost => result
            .with("percentComplete", 83.333_333_333_333_34)
            .with("status", "inProgress"),
        Progress::Done if job.failed => result
            .with("percentComplete", 100.0)
            .with("status", "failed"),
        Progress::Done => {
            let result = result.with("fileId", job.file.as_str());
            let result = result
                .with("percentComplete", 100.0)
                .with("status", "complete");
            match &job.continuation {
                Some(token) => result.with("continuationToken", token.as_str()),
                None => result,
            }
        }
    };
    success(result, &id.0)
}

async fn file(
    FromState(state): FromState<Arc<State>>,
    Extension(id): Extension<RequestId>,
    Path((survey, file)): Path<(String, String)>,
) -> Response {
    let now = state.clock.now();
    let found = state
        .jobs
        .find(&survey, &file, now)
        .filter(|job| job.file == file && job.is_ready(now));
    let Some(job) = found else {
        return Problem::NoExport.answer(&id.0);
    };
    let faults = state.faults();
    let damage = match () {
        () if state.strikes(faults.truncated_zip) => FileDamage::Truncated,
        () if state.strikes(faults.flipped_zip) => FileDamage::Flipped,
        () => FileDamage::None,
    };
    let mut response = Body::from_stream({
        let (to, from) = mpsc::channel(4);
        let (job, state) = (Arc::clone(&job), Arc::clone(&state));
        tokio::task::spawn_blocking(move || job.write(&state.store, &faults, damage, to));
        stream::unfold(from, |mut from| async move {
            from.recv().await.map(|chunk| (chunk, from))
        })
    })
    .into_response();
    headers(&job, &mut response);
    if job.order.format.is_table() && export::file::is_guess(&job.survey) {
        guess(response)
    } else {
        response
    }
}

/// Source: recorded `content-disposition: attachment; filename=Beskar+Armor.zip`.
fn headers(job: &Job, response: &mut Response) {
    let compressed = job.order.parameters.compress();
    let format = job.order.format;
    let extension = if compressed { "zip" } else { format.name() };
    let name: String = form_urlencoded::byte_serialize(job.survey.name.as_bytes()).collect();
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename={name}.{extension}")) {
        response
            .headers_mut()
            .insert(header::CONTENT_DISPOSITION, value);
    }
    let content_type = match format {
        _ if compressed => "application/zip",
        Format::Csv => "text/csv",
        Format::Tsv => "text/tab-separated-values",
        Format::Json => "application/json",
        Format::Ndjson => "application/x-ndjson",
    };
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
}
