//! The control API: what [`Handle`] does, over HTTP. Its description is the crate's documentation.

mod completing;

use std::io::{BufReader, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Query, State as FromState};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::envelope;
use crate::error::SandboxError;
use crate::faults::Pause;
use crate::handle::{Change, Handle};
use crate::limits::Limits;
use crate::state::State;
use crate::survey::Survey;

pub(crate) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/control/state", get(state))
        .route("/control/calls", get(calls))
        .route("/control/callbacks", get(callbacks))
        .route(
            "/control/faults",
            get(faults).put(set_faults).patch(change_faults),
        )
        .route("/control/limits", get(limits).put(set_limits))
        .route("/control/time", post(time))
        .route("/control/tokens", delete(expire_tokens))
        .route("/control/complete", post(completing::complete))
        .route("/control/surveys", get(survey_ids).post(put_survey))
        .route("/control/surveys/{survey}/changes", post(change_survey))
        .route("/control/surveys/{survey}/documents", post(documents))
        .route("/control/surveys/{survey}/responses", get(response_ids))
        .route(
            "/control/surveys/{survey}/responses/{response}",
            get(document)
                .put(insert)
                .patch(edit)
                .delete(delete_response),
        )
        .route(
            "/control/surveys/{survey}/responses/{response}/announce",
            post(announce),
        )
        .route("/control/subscriptions", get(subscriptions))
        .route(
            "/control/subscriptions/{subscription}",
            delete(drop_subscription).patch(change_subscription),
        )
        .route("/control/reset", post(reset))
        .layer(DefaultBodyLimit::disable())
}

/// 404 for what is not there, 400 for what makes no sense, and the error's text.
impl IntoResponse for SandboxError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NoSurvey(_) | Self::NoResponse(_) | Self::NoSubscription(_) => {
                StatusCode::NOT_FOUND
            }
            Self::Listen { .. } | Self::Client(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Store(_)
            | Self::Document { .. }
            | Self::Edit(_)
            | Self::Survey(_)
            | Self::Faults(_) => StatusCode::BAD_REQUEST,
        };
        refusal(status, &self.to_string())
    }
}

fn refusal(status: StatusCode, message: &str) -> Response {
    envelope::json(status, &json!({"error": message}))
}

fn ok(body: &impl Serialize) -> Response {
    envelope::json(StatusCode::OK, body)
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Response> {
    serde_json::from_slice(body)
        .map_err(|error| refusal(StatusCode::BAD_REQUEST, &error.to_string()))
}

/// Handlers answer early with what went wrong.
type Answer = Result<Response, Response>;

fn handle(state: Arc<State>) -> Handle {
    Handle { state }
}

fn done(result: Result<(), SandboxError>) -> Answer {
    result
        .map(|()| ok(&json!({})))
        .map_err(IntoResponse::into_response)
}

async fn state(FromState(state): FromState<Arc<State>>) -> Response {
    let surveys: Vec<Value> = state
        .surveys()
        .iter()
        .map(|survey| {
            let counts = state.store.counts(&survey.id);
            json!({"id": survey.id, "name": survey.name, "responses": counts.auditable + counts.generated,
                "deleted": counts.deleted})
        })
        .collect();
    ok(
        &json!({"surveys": surveys, "faults": state.faults().to_string(), "limits": state.limits().limits(),
        "counters": state.journal.counters()}),
    )
}

async fn calls(FromState(state): FromState<Arc<State>>) -> Response {
    ok(&state.journal.calls())
}

async fn callbacks(FromState(state): FromState<Arc<State>>) -> Response {
    ok(&state.journal.callbacks())
}

async fn faults(FromState(state): FromState<Arc<State>>) -> Response {
    let faults = state.faults();
    let switches: Map<String, Value> = crate::Faults::switches()
        .iter()
        .map(|(name, meaning)| ((*name).to_owned(), json!(meaning)))
        .collect();
    ok(&json!({"faults": faults.to_string(), "switches": switches}))
}

/// The body is the text of the switches, `429=0.1,slow=0.05`.
async fn set_faults(FromState(state): FromState<Arc<State>>, body: String) -> Answer {
    let faults = body
        .parse()
        .map_err(|error| SandboxError::Faults(error).into_response())?;
    state.set_faults(faults);
    Ok(ok(&json!({"faults": state.faults().to_string()})))
}

async fn change_faults(FromState(state): FromState<Arc<State>>, body: String) -> Answer {
    let faults = state
        .faults()
        .with(&body)
        .map_err(|error| SandboxError::Faults(error).into_response())?;
    state.set_faults(faults);
    Ok(ok(&json!({"faults": state.faults().to_string()})))
}

async fn limits(FromState(state): FromState<Arc<State>>) -> Response {
    ok(&state.limits().limits())
}

async fn set_limits(FromState(state): FromState<Arc<State>>, body: Bytes) -> Answer {
    let limits: Limits = read(&body)?;
    state.limits().set(limits);
    Ok(ok(&limits))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance: String,
}

async fn time(FromState(state): FromState<Arc<State>>, body: Bytes) -> Answer {
    let wish: Advance = read(&body)?;
    let by: Pause = wish
        .advance
        .parse()
        .map_err(|expected| refusal(StatusCode::BAD_REQUEST, expected))?;
    handle(state).advance(by.get());
    Ok(ok(&json!({})))
}

async fn expire_tokens(FromState(state): FromState<Arc<State>>) -> Response {
    handle(state).expire_tokens();
    ok(&json!({}))
}

async fn survey_ids(FromState(state): FromState<Arc<State>>) -> Response {
    ok(&handle(state).survey_ids())
}

/// A QSF file or a `survey-definitions` answer, as it is.
async fn put_survey(FromState(state): FromState<Arc<State>>, body: String) -> Answer {
    let survey =
        Survey::from_json(&body).map_err(|error| SandboxError::Survey(error).into_response())?;
    state.put_survey(&survey);
    Ok(ok(&json!({"survey": survey.id, "name": survey.name})))
}

async fn change_survey(
    FromState(state): FromState<Arc<State>>,
    Path(survey): Path<String>,
    body: Bytes,
) -> Answer {
    let change: Change = read(&body)?;
    let changing =
        tokio::task::spawn_blocking(move || handle(state).change_survey(&survey, change));
    done(
        changing
            .await
            .map_err(|error| refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()))?,
    )
}

#[derive(Deserialize)]
struct From {
    path: Option<PathBuf>,
}

/// The ndjson lines of the body, or of the file that `?path=` names.
async fn documents(
    FromState(state): FromState<Arc<State>>,
    Path(survey): Path<String>,
    Query(from): Query<From>,
    body: Body,
) -> Answer {
    let broken =
        |error: &dyn std::fmt::Display| refusal(StatusCode::BAD_REQUEST, &error.to_string());
    let handle = handle(state);
    let loading = match from.path {
        Some(path) => tokio::task::spawn_blocking(move || handle.insert_many(&survey, &path)),
        None => {
            let mut file = tempfile::tempfile().map_err(|error| broken(&error))?;
            let mut chunks = body.into_data_stream();
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk.map_err(|error| broken(&error))?;
                file.write_all(&chunk).map_err(|error| broken(&error))?;
            }
            file.seek(SeekFrom::Start(0))
                .map_err(|error| broken(&error))?;
            tokio::task::spawn_blocking(move || handle.insert_lines(&survey, BufReader::new(file)))
        }
    };
    let kept = loading
        .await
        .map_err(|error| broken(&error))?
        .map_err(IntoResponse::into_response)?;
    Ok(ok(&json!({"documents": kept})))
}

async fn response_ids(
    FromState(state): FromState<Arc<State>>,
    Path(survey): Path<String>,
) -> Response {
    ok(&handle(state).response_ids(&survey))
}

type Ids = Path<(String, String)>;

async fn document(
    FromState(state): FromState<Arc<State>>,
    Path((survey, response)): Ids,
) -> Response {
    match handle(state).document(&survey, &response) {
        Some(document) => ([(header::CONTENT_TYPE, "application/json")], document).into_response(),
        None => SandboxError::NoResponse(response).into_response(),
    }
}

/// The body is the document, kept byte for byte; its `responseId` counts.
async fn insert(
    FromState(state): FromState<Arc<State>>,
    Path((survey, _)): Ids,
    body: Bytes,
) -> Answer {
    let id = handle(state)
        .insert(&survey, &body)
        .map_err(IntoResponse::into_response)?;
    Ok(ok(&json!({"response": id})))
}

async fn edit(
    FromState(state): FromState<Arc<State>>,
    Path((survey, response)): Ids,
    body: Bytes,
) -> Answer {
    let values: Map<String, Value> = read(&body)?;
    done(handle(state).edit(&survey, &response, values))
}

async fn delete_response(
    FromState(state): FromState<Arc<State>>,
    Path((survey, response)): Ids,
) -> Answer {
    done(handle(state).delete(&survey, &response))
}

async fn announce(
    FromState(state): FromState<Arc<State>>,
    Path((survey, response)): Ids,
) -> Answer {
    done(handle(state).announce(&survey, &response))
}

async fn subscriptions(FromState(state): FromState<Arc<State>>) -> Response {
    let all: Vec<_> = state
        .subscriptions()
        .iter()
        .map(|one| one.view(&state.settings.brand))
        .collect();
    ok(&all)
}

async fn drop_subscription(
    FromState(state): FromState<Arc<State>>,
    Path(id): Path<String>,
) -> Answer {
    done(handle(state).drop_subscription(&id))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SubscriptionChange {
    shared_key: Option<String>,
    publication_url: Option<String>,
}

async fn change_subscription(
    FromState(state): FromState<Arc<State>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let change: SubscriptionChange = read(&body)?;
    let (key, url) = (
        change.shared_key.as_deref(),
        change.publication_url.as_deref(),
    );
    done(handle(state).change_subscription(&id, key, url))
}

async fn reset(FromState(state): FromState<Arc<State>>) -> Answer {
    done(handle(state).reset())
}
