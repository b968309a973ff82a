//! Many responses at once: `op-erase-personal-data`, and the deletion job.
//!
//! Source: clients that send `emails` and `searchOnly` and read `requestid`, `status`, `user`, `updated`. No event follows.

use std::sync::Arc;

use axum::extract::{Path, State as FromState};
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use bytes::Bytes;
use serde::Deserialize;

use crate::clock;
use crate::envelope::{Problem, guess, success};
use crate::handle::Handle;
use crate::json::{Json, Object};
use crate::routes::{RequestId, find_survey};
use crate::state::{Erasure, State, lock};

pub(crate) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/API/v3/op-erase-personal-data", post(erase).get(list))
        .route(
            "/API/v3/surveys/{survey}/delete-responses",
            post(delete_many),
        )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wish {
    emails: Vec<String>,
    #[serde(default)]
    search_only: bool,
}

/// Removes every response whose recipient has one of the addresses, whatever the survey.
async fn erase(
    FromState(state): FromState<Arc<State>>,
    Extension(id): Extension<RequestId>,
    body: Bytes,
) -> Response {
    let Ok(wish) = serde_json::from_slice::<Wish>(&body) else {
        return Problem::Parameter("Invalid emails parameter.").answer(&id.0);
    };
    let task = Arc::clone(&state);
    let erased = tokio::task::spawn_blocking(move || {
        let handle = Handle { state: task };
        handle.erase(&wish.emails, wish.search_only)
    });
    let Ok(Ok(removed)) = erased.await else {
        return Problem::Internal.answer(&id.0);
    };
    let erasure = Erasure {
        id: state.with_random(|random| random.id("ER_", 15)),
        at: state.clock.now(),
        removed,
    };
    let created = Object::<Json>::new().with("requestId", erasure.id.as_str());
    lock(&state.erasures).push(erasure);
    guess(success(created, &id.0))
}

async fn list(
    FromState(state): FromState<Arc<State>>,
    Extension(id): Extension<RequestId>,
) -> Response {
    let of = |erasure: &Erasure| {
        Json::Object(
            Object::new()
                .with("requestid", erasure.id.as_str())
                .with("status", "Complete")
                .with("user", "UR_0sandboxOwner01")
                .with("responses", erasure.removed)
                .with("updated", clock::seconds(erasure.at)),
        )
    };
    let elements = lock(&state.erasures).iter().map(of).collect();
    let result = Object::<Json>::new()
        .with("elements", Json::List(elements))
        .with("nextPage", None::<String>);
    guess(success(result, &id.0))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Deletions {
    deletes: Vec<Deletion>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Deletion {
    response_id: String,
}

/// A job in the documentation; done at once here.
async fn delete_many(
    FromState(state): FromState<Arc<State>>,
    Extension(id): Extension<RequestId>,
    Path(survey): Path<String>,
    body: Bytes,
) -> Response {
    let survey = match find_survey(&state, &survey, &id) {
        Ok(survey) => survey,
        Err(refusal) => return refusal,
    };
    let Ok(wish) = serde_json::from_slice::<Deletions>(&body) else {
        return Problem::Parameter("Invalid deletes parameter.").answer(&id.0);
    };
    for deletion in wish.deletes {
        state.store.delete(&survey.id, &deletion.response_id);
    }
    let job = state.with_random(|random| random.id("OP_", 15));
    let result = Object::<Json>::new()
        .with("progressId", job)
        .with("percentComplete", 100.0)
        .with("status", "complete");
    guess(success(result, &id.0))
}
