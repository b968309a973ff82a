//! What the sandbox answers: Qualtrics' API, its token endpoint, a survey page, and the control.

mod control;
mod endpoint;
mod erasure;
mod exports;
mod form;
mod gate;
mod oauth;
mod responses;
mod spoil;
mod subscriptions;
mod surveys;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};

use crate::envelope::{Problem, problem};
use crate::state::State;
use crate::survey::Survey;
use crate::survey::definition::is_survey_id;

/// The request id that an answer carries.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

pub(crate) fn router(state: Arc<State>) -> Router {
    let api = Router::new()
        .route("/oauth2/token", post(oauth::token))
        .route("/API/v3/whoami", get(oauth::whoami))
        .merge(surveys::routes())
        .merge(responses::routes())
        .merge(exports::routes())
        .merge(subscriptions::routes())
        .merge(erasure::routes())
        .method_not_allowed_fallback(no_method)
        .route_layer(from_fn_with_state(Arc::clone(&state), gate::gate));
    Router::new()
        .merge(api)
        .merge(form::routes())
        .merge(control::routes())
        .fallback(no_route)
        .with_state(state)
}

async fn no_route() -> Response {
    Problem::NoRoute.answer("")
}

/// Assumed: no recorded answer to a wrong method.
async fn no_method() -> Response {
    crate::envelope::guess(problem(
        http::StatusCode::METHOD_NOT_ALLOWED,
        "Method not allowed.",
        None,
        None,
    ))
}

/// The survey of a path, or the answer that there is none.
pub(crate) fn find_survey(
    state: &State,
    id: &str,
    request: &RequestId,
) -> Result<Arc<Survey>, Response> {
    if !is_survey_id(id) {
        return Err(Problem::NoSurveyId.answer(&request.0));
    }
    state
        .survey(id)
        .ok_or_else(|| Problem::NoSurvey.answer(&request.0))
}
