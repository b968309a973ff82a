//! Event subscriptions. Source: recorded answers to create, list and delete; paths with and without trailing slash.

use std::sync::Arc;

use axum::extract::{Path, Query, State as FromState};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use serde::Deserialize;

use crate::delivery;
use crate::envelope::{Problem, done, guess, success};
use crate::faults::OnOff;
use crate::json::{Json, Object};
use crate::routes::RequestId;
use crate::routes::surveys::{Paging, page};
use crate::state::State;
use crate::subscriptions::Subscription;

pub(crate) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/API/v3/eventsubscriptions", get(list).post(create))
        .route("/API/v3/eventsubscriptions/", get(list).post(create))
        .route(
            "/API/v3/eventsubscriptions/{subscription}",
            get(one).delete(delete),
        )
        .route(
            "/API/v3/eventsubscriptions/{subscription}/",
            get(one).delete(delete),
        )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wish {
    topics: String,
    publication_url: String,
    #[serde(default)]
    encrypt: bool,
    shared_key: Option<String>,
}

/// The same wish twice makes two subscriptions: nothing public shows a check.
async fn create(
    FromState(state): FromState<Arc<State>>,
    Extension(id): Extension<RequestId>,
    body: Bytes,
) -> Response {
    let wish = match serde_json::from_slice::<Wish>(&body) {
        Ok(wish) => wish,
        Err(error) if error.to_string().starts_with("unknown field") => {
            return Problem::Parameter("Unexpected json key provided").answer(&id.0);
        }
        Err(_) => return Problem::Parameter("Invalid subscription.").answer(&id.0),
    };
    if !known_topic(&wish.topics) {
        return Problem::Parameter("Invalid topics parameter.").answer(&id.0);
    }
    if !(wish.publication_url.starts_with("http://")
        || wish.publication_url.starts_with("https://"))
    {
        return Problem::Parameter("Invalid publicationUrl parameter.").answer(&id.0);
    }
    if state.faults().probe == OnOff::On && !delivery::probe(&state, &wish.publication_url).await {
        return Problem::Parameter("publicationUrl did not answer.").answer(&id.0);
    }
    let subscription = Subscription {
        id: state.with_random(|random| random.id("SUB_", 15)),
        topics: wish.topics,
        url: wish.publication_url,
        encrypted: wish.encrypt,
        key: wish.shared_key.filter(|key| !key.is_empty()),
        successful_calls: 0,
    };
    let created = Object::<Json>::new().with("id", subscription.id.as_str());
    state.subscriptions().push(subscription);
    success(created, &id.0)
}

fn known_topic(topic: &str) -> bool {
    topic == "*"
        || ["surveyengine.", "controlpanel.", "threesixty."]
            .iter()
            .any(|family| topic.starts_with(family))
}

async fn list(
    FromState(state): FromState<Arc<State>>,
    Extension(id): Extension<RequestId>,
    Query(paging): Query<Paging>,
) -> Response {
    let lines = state
        .subscriptions()
        .iter()
        .map(|one| one.view(&state.settings.brand))
        .collect();
    let url = format!("{}/API/v3/eventsubscriptions", state.base_url);
    success(page(lines, paging.offset.unwrap_or(0), &url), &id.0)
}

/// One of the list's elements in `result`, says the documentation; not recorded.
async fn one(
    FromState(state): FromState<Arc<State>>,
    Extension(id): Extension<RequestId>,
    Path(subscription): Path<String>,
) -> Response {
    let subscriptions = state.subscriptions();
    match subscriptions.iter().find(|one| one.id == subscription) {
        Some(one) => guess(success(one.view(&state.settings.brand), &id.0)),
        None => Problem::NoSubscription.answer(&id.0),
    }
}

async fn delete(
    FromState(state): FromState<Arc<State>>,
    Extension(id): Extension<RequestId>,
    Path(subscription): Path<String>,
) -> Response {
    let mut subscriptions = state.subscriptions();
    let before = subscriptions.len();
    subscriptions.retain(|one| one.id != subscription);
    if subscriptions.len() < before {
        done(&id.0)
    } else {
        Problem::NoSubscription.answer(&id.0)
    }
}
