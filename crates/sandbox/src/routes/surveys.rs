//! Surveys, their definitions and response schemas.

use std::sync::Arc;

use axum::extract::{Path, Query, State as FromState};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::envelope::{self, guess, status_text, success};
use crate::json::{Json, Object};
use crate::routes::{RequestId, find_survey};
use crate::state::State;
use crate::survey::{definition, schema, view};

pub(crate) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/API/v3/surveys", get(list))
        .route("/API/v3/surveys/{survey}", get(survey))
        .route(
            "/API/v3/surveys/{survey}/response-schema",
            get(response_schema),
        )
        .route(
            "/API/v3/survey-definitions/{survey}",
            get(survey_definition),
        )
}

#[derive(Deserialize)]
pub(crate) struct Paging {
    pub(crate) offset: Option<usize>,
}

/// Lines of one page. Source: recorded list; the page's size is what clients see.
pub(crate) const PAGE: usize = 100;

/// `elements` and `nextPage`, null or a full URL.
pub(crate) fn page(lines: Vec<Json>, offset: usize, url: &str) -> Object {
    let more = lines.len() > offset + PAGE;
    let elements: Vec<Json> = lines.into_iter().skip(offset).take(PAGE).collect();
    let next = more.then(|| format!("{url}?offset={}", offset + PAGE));
    Object::new()
        .with("elements", Json::List(elements))
        .with("nextPage", next)
}

async fn list(
    FromState(state): FromState<Arc<State>>,
    Extension(id): Extension<RequestId>,
    Query(paging): Query<Paging>,
) -> Response {
    let lines = state
        .surveys()
        .iter()
        .map(|survey| Json::Object(view::line(survey)))
        .collect();
    let url = format!("{}/API/v3/surveys", state.base_url);
    success(page(lines, paging.offset.unwrap_or(0), &url), &id.0)
}

async fn survey(
    FromState(state): FromState<Arc<State>>,
    Extension(id): Extension<RequestId>,
    Path(survey): Path<String>,
) -> Response {
    let survey = match find_survey(&state, &survey, &id) {
        Ok(survey) => survey,
        Err(refusal) => return refusal,
    };
    let answer = success(view::view(&survey, state.store.counts(&survey.id)), &id.0);
    if survey.is_guess() {
        guess(answer)
    } else {
        answer
    }
}

async fn response_schema(
    FromState(state): FromState<Arc<State>>,
    Extension(id): Extension<RequestId>,
    Path(survey): Path<String>,
) -> Response {
    match find_survey(&state, &survey, &id) {
        Ok(survey) => guess(success(schema::schema(&survey), &id.0)),
        Err(refusal) => refusal,
    }
}

#[derive(Deserialize)]
struct Format {
    format: Option<String>,
}

/// `meta` comes first here. Source: recorded.
async fn survey_definition(
    FromState(state): FromState<Arc<State>>,
    Extension(id): Extension<RequestId>,
    Path(survey): Path<String>,
    Query(format): Query<Format>,
) -> Response {
    let survey = match find_survey(&state, &survey, &id) {
        Ok(survey) => survey,
        Err(refusal) => return refusal,
    };
    let result = match format.format.as_deref() {
        Some("qsf") => definition::to_qsf(&survey.definition),
        _ => Value::Object(public(&survey.definition)),
    };
    let meta = json!({"httpStatus": status_text(StatusCode::OK), "requestId": id.0});
    envelope::json(
        StatusCode::OK,
        &Object::<Json>::new()
            .with("meta", meta)
            .with("result", result),
    )
}

/// Without what is ours.
fn public(definition: &Map<String, Value>) -> Map<String, Value> {
    definition
        .iter()
        .filter(|(name, _)| *name != "SandboxDerived")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
