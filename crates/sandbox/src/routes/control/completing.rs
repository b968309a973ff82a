//! Completing responses: one, many, or so many a second.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as FromState;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::envelope;
use crate::handle::{Completion, Handle};
use crate::routes::control::{Answer, handle, ok, read, refusal};
use crate::state::State;

/// Beside a [`Completion`]'s members.
#[derive(Deserialize)]
struct Many {
    /// How many; one without.
    count: Option<u32>,
    /// How many a second; then the answer comes at once, and the responses come by themselves.
    rate: Option<f64>,
}

/// One response, or many.
pub(crate) async fn complete(FromState(state): FromState<Arc<State>>, body: Bytes) -> Answer {
    let mut members: Map<String, Value> = read(&body)?;
    let invalid = |error: serde_json::Error| refusal(StatusCode::BAD_REQUEST, &error.to_string());
    let many = json!({"count": members.remove("count"), "rate": members.remove("rate")});
    let many = Many::deserialize(many).map_err(invalid)?;
    let completion = Completion::deserialize(Value::Object(members)).map_err(invalid)?;
    let handle = handle(state);
    handle
        .survey(&completion.survey)
        .map_err(IntoResponse::into_response)?;
    if let Some(rate) = many.rate.filter(|rate| *rate > 0.0) {
        let pause = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::from_secs(1));
        tokio::spawn(at_rate(handle, completion, many.count, pause));
        return Ok(envelope::json(
            StatusCode::ACCEPTED,
            &json!({"count": many.count, "rate": rate}),
        ));
    }
    let mut ids = Vec::new();
    for at in 0..many.count.unwrap_or(1) {
        ids.push(
            handle
                .submit(&completion)
                .map_err(IntoResponse::into_response)?,
        );
        if at % 64 == 63 {
            tokio::task::yield_now().await;
        }
    }
    Ok(ok(&json!({"responses": ids})))
}

/// Without a count, until the sandbox stops.
async fn at_rate(handle: Handle, completion: Completion, count: Option<u32>, pause: Duration) {
    let mut ticks = tokio::time::interval(pause);
    let mut left = count;
    while left != Some(0) {
        tokio::select! {
            _ = ticks.tick() => {}
            () = handle.state.stop.cancelled() => return,
        }
        if let Err(error) = handle.submit(&completion) {
            tracing::warn!(%error, "a response was not completed");
            return;
        }
        left = left.map(|left| left - 1);
    }
}
