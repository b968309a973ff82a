//! One response: read, change, delete.

use std::sync::Arc;

use axum::extract::{Path, State as FromState};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::clock::{self, Millis};
use crate::envelope::{self, Problem, done};
use crate::faults::{NotYet, Share};
use crate::handle::Handle;
use crate::routes::{RequestId, find_survey};
use crate::state::State;

pub(crate) fn routes() -> Router<Arc<State>> {
    Router::new().route(
        "/API/v3/surveys/{survey}/responses/{response}",
        get(read).put(update).delete(delete),
    )
}

type Ids = Path<(String, String)>;

/// 200 with the document, 202 or 404 while it can't be read, 404 when there is none.
async fn read(
    FromState(state): FromState<Arc<State>>,
    Extension(id): Extension<RequestId>,
    Path((survey, response)): Ids,
) -> Response {
    let survey = match find_survey(&state, &survey, &id) {
        Ok(survey) => survey,
        Err(refusal) => return refusal,
    };
    let Some(kept) = state.store.find(&survey.id, &response) else {
        return Problem::NoResponse.answer(&id.0);
    };
    if kept.readable > state.clock.now() {
        return hidden(&state, kept.readable, &id.0);
    }
    match state.store.read(kept.place) {
        Ok(document) => {
            let answer = envelope::around(&document, &id.0);
            if survey.is_guess() {
                envelope::guess(answer)
            } else {
                answer
            }
        }
        Err(error) => {
            tracing::error!(%error, "a response document can't be read back");
            Problem::Internal.answer(&id.0)
        }
    }
}

fn hidden(state: &State, readable: Millis, id: &str) -> Response {
    let accepted = match state.faults().not_yet_status {
        NotYet::Accepted => true,
        NotYet::NotFound => false,
        NotYet::Mixed => "0.5".parse().is_ok_and(|half: Share| state.strikes(half)),
    };
    if accepted && readable != Millis::MAX {
        envelope::not_yet(id)
    } else {
        Problem::NoResponse.answer(id)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Update {
    #[serde(default, rename = "surveyId")]
    _survey_id: Option<String>,
    embedded_data: Map<String, Value>,
    #[serde(default = "yes")]
    reset_recorded_date: bool,
}

fn yes() -> bool {
    true
}

/// Changes embedded data; the recorded date becomes now, or a millisecond later than it was. Source: the docs.
async fn update(
    FromState(state): FromState<Arc<State>>,
    Extension(id): Extension<RequestId>,
    Path((survey, response)): Ids,
    body: Bytes,
) -> Response {
    let survey = match find_survey(&state, &survey, &id) {
        Ok(survey) => survey,
        Err(refusal) => return refusal,
    };
    let Ok(update) = serde_json::from_slice::<Update>(&body) else {
        return Problem::Parameter("Unexpected json key provided").answer(&id.0);
    };
    let now = state.clock.now();
    let handle = Handle {
        state: Arc::clone(&state),
    };
    let changed = handle.rewrite(&survey, &response, |document, marks| {
        for (name, value) in update.embedded_data {
            document.values.set(&name, value);
        }
        marks.recorded = if update.reset_recorded_date {
            now
        } else {
            marks.recorded + 1
        };
        marks.modified = now;
        document
            .values
            .set("recordedDate", clock::millis(marks.recorded));
    });
    match changed {
        Ok(()) => done(&id.0),
        Err(_) => Problem::NoResponse.answer(&id.0),
    }
}

async fn delete(
    FromState(state): FromState<Arc<State>>,
    Extension(id): Extension<RequestId>,
    Path((survey, response)): Ids,
) -> Response {
    match find_survey(&state, &survey, &id) {
        Err(refusal) => refusal,
        Ok(survey) if state.store.delete(&survey.id, &response) => done(&id.0),
        Ok(_) => Problem::NoResponse.answer(&id.0),
    }
}
