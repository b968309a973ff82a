//! `/health/live` and `/health/ready`.
//!
//! A failing readiness takes the route away, and callbacks then get 404 from the platform; so readiness is red only
//! while starting and while shutting down. A database that is away answers callbacks with 503 instead.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::{App, metrics};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
}

/// Answers as long as the process does anything at all.
async fn live() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

#[derive(Debug, Deserialize)]
struct Strictness {
    #[serde(default)]
    strict: bool,
}

async fn ready(
    State(app): State<App>,
    Query(Strictness { strict }): Query<Strictness>,
    headers: HeaderMap,
) -> Response {
    let problem = app.store.health().problem();
    let is_ready = app.is_ready() && !(strict && problem.is_some());
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let word = match (is_ready, app.life.stopping().is_cancelled()) {
        (true, _) => "ok",
        (false, true) => "stopping",
        (false, false) if app.is_ready() => "degraded",
        (false, false) => "starting",
    };
    let mut body = json!({ "status": word });
    if metrics::may_look(&app, &headers).await
        && let Some(body) = body.as_object_mut()
    {
        let figures = app.qualtrics.figures();
        let surveys: serde_json::Map<_, _> = app
            .surveys
            .ids()
            .iter()
            .map(|id| {
                let status = app.jobs.status.of(id);
                let survey = json!({
                    "definition": app.surveys.known(id).is_some(),
                    "subscription": status.callbacks.as_str(),
                    "silentSince": status.silent_since.map(|instant| instant.to_string()),
                    "completeUpTo": status.complete_up_to.map(|instant| instant.to_string()),
                    "historyLoaded": status.history_loaded,
                });
                (id.to_string(), survey)
            })
            .collect();
        let checks = json!({
            "database": problem.as_ref().map_or_else(|| json!({ "status": "ok" }), |error| json!({ "status": "down", "code": error.code(), "problem": error.to_string() })),
            "qualtrics": { "callsLeft": figures.calls_left, "pausedSeconds": figures.pause().as_secs() },
            "surveys": surveys,
        });
        body.insert("checks".to_owned(), checks);
    }
    (status, Json(body)).into_response()
}
